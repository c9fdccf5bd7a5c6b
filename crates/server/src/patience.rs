//! Fairness to small requests while the disk holds writers back.
//!
//! A large append into a disk that cannot take it sleeps in the kernel, and a worker with it; and the kernel makes a thread
//! pay later, in whatever it writes next, for what it wrote before. So, for as long as large requests take long, they are
//! handled on threads of their own: workers stay free, and have nothing to pay for. Otherwise a thread hop would cost a
//! small machine more than it gains.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use ottla_machine::Instant;

/// A request that took longer was held up: what fits the page cache takes a third of a millisecond for each megabyte.
const HELD_UP: Duration = Duration::from_millis(5);
/// How long large requests stay away from the workers after one was held up.
const MEMORY: Duration = Duration::from_secs(1);
/// The most large requests that are handled beside the workers at once. Others wait for one of them to end.
const BESIDE_MAX: usize = 64;

/// Whether large requests are held up, by what the last of them took.
pub(crate) struct Patience {
    /// Until when, in the clock's nanoseconds.
    until: AtomicU64,
    beside: Arc<Semaphore>,
}

impl Default for Patience {
    fn default() -> Self {
        Self { until: AtomicU64::new(0), beside: Arc::new(Semaphore::new(BESIDE_MAX)) }
    }
}

impl Patience {
    pub(crate) fn is_tried(&self, now: Instant) -> bool {
        now.0 < self.until.load(Ordering::Relaxed)
    }

    /// A large request took so long until now.
    pub(crate) fn note(&self, took: Duration, now: Instant) {
        if took > HELD_UP {
            self.until.store((now + MEMORY).0, Ordering::Relaxed);
        }
    }

    /// A place beside the workers. It is never closed.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.beside).acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_requests_stay_beside_the_workers_until_none_was_held_up_for_a_second() {
        let patience = Patience::default();
        let at = |ms| Instant::from_millis(ms);
        let took = |ms, until| patience.note(Duration::from_millis(ms), at(until));
        took(4, 104);
        assert!(!patience.is_tried(at(104)));
        took(100, 300);
        assert!(patience.is_tried(at(300)) && patience.is_tried(at(1299)));
        took(10, 1210);
        assert!(patience.is_tried(at(2209)));
        took(1, 2209);
        assert!(!patience.is_tried(at(2210)));
    }
}

//! Requests that wait for a partition to move on. A wake-up only marks the request: whoever holds it looks again, later
//! and elsewhere, under no lock of ours. Each is woken once; one that still has to wait registers again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Whoever holds a parked request.
pub trait Wake: Send + Sync {
    /// Marks the request as worth another look. May be called under locks and from any thread.
    fn wake(&self);
}

/// Those who wait for one partition.
#[derive(Default)]
pub struct Waiting {
    /// Spares an append that nobody waits for the lock.
    any: AtomicBool,
    waiters: Mutex<Vec<Weak<dyn Wake>>>,
}

/// Waiters whose request is gone are swept once this many are listed.
const SWEEP_FROM: usize = 64;

impl Waiting {
    /// Lists a waiter. It must look at the partition once more after this call, before it sleeps: what moved before it
    /// was listed wakes nobody.
    pub fn add(&self, waiter: &Arc<dyn Wake>) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if waiters.len() >= SWEEP_FROM && waiters.len().is_power_of_two() {
            waiters.retain(|waiter| waiter.strong_count() > 0);
        }
        waiters.push(Arc::downgrade(waiter));
        self.any.store(true, Ordering::SeqCst);
    }

    /// Wakes all, and forgets them.
    pub fn wake_all(&self) {
        if !self.any.load(Ordering::SeqCst) {
            return;
        }
        let woken = {
            let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
            self.any.store(false, Ordering::SeqCst);
            std::mem::take(&mut *waiters)
        };
        for waiter in woken.iter().filter_map(Weak::upgrade) {
            waiter.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn each_is_woken_once_and_the_gone_are_swept() {
        let waiting = Waiting::default();
        let counter = Arc::new(Counter::default());
        let waiter: Arc<dyn Wake> = Arc::clone(&counter) as _;
        waiting.add(&waiter);
        waiting.wake_all();
        waiting.wake_all();
        assert_eq!(counter.0.load(Ordering::SeqCst), 1);
        for _ in 0..1000 {
            let gone: Arc<dyn Wake> = Arc::new(Counter::default());
            waiting.add(&gone);
        }
        assert!(waiting.waiters.lock().unwrap().len() <= 2 * SWEEP_FROM);
    }
}

//! What all unfinished requests of a node may hold together: `queued.max.request.bytes`.
//!
//! Kafka's bound, and how Kafka keeps it: a request's whole room is reserved when its length is known, before any more of
//! it is read, so that whoever has begun can finish, and whoever finds no room is not read until there is. Here nobody
//! is passed by: room is given in the order in which it was asked for, and the bound is never exceeded, where Kafka lets the
//! last request stand over. A reservation is a number; memory still comes with the bytes.

use ottla_io::buffers::capacity_for;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) struct Budget {
    bounded: Option<Bounded>,
}

struct Bounded {
    bytes_max: usize,
    free: Arc<Semaphore>,
}

/// Room that was reserved; dropped, it is given back.
pub(crate) struct Share(OwnedSemaphorePermit);

impl Share {
    pub(crate) fn bytes(&self) -> usize {
        self.0.num_permits()
    }
}

impl Budget {
    /// As in Kafka, only a positive number is a bound.
    pub(crate) fn new(bytes_max: i64) -> Self {
        let bytes_max = usize::try_from(bytes_max).ok().filter(|max| *max > 0);
        let bounded = |max: usize| {
            let bytes_max = max.min(Semaphore::MAX_PERMITS);
            Bounded { bytes_max, free: Arc::new(Semaphore::new(bytes_max)) }
        };
        Self { bounded: bytes_max.map(bounded) }
    }

    pub(crate) fn is_bounded(&self) -> bool {
        self.bounded.is_some()
    }

    pub(crate) fn bytes_max(&self) -> Option<usize> {
        self.bounded.as_ref().map(|bounded| bounded.bytes_max)
    }

    /// Room for a request of this size, when there is some; None where there is no bound. The configuration has seen to it
    /// that the largest request finds room alone.
    pub(crate) async fn reserve(&self, bytes: usize) -> Option<Share> {
        let bounded = self.bounded.as_ref()?;
        let room = capacity_for(bytes).min(bounded.bytes_max);
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        // It is never closed.
        Arc::clone(&bounded.free).acquire_many_owned(room).await.ok().map(Share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_crowd_never_has_more_than_the_bound_and_all_of_it_has_its_turn() {
        const BOUND: usize = 3_000_000;
        let budget = Budget::new(BOUND as i64);
        let mut context = Context::from_waker(Waker::noop());
        let sizes = (0..40).map(|number| 70_000 + number * 20_000);
        let mut waiting: Vec<_> = sizes.map(|bytes| (bytes, Box::pin(budget.reserve(bytes)))).collect();
        let mut reading: Vec<Share> = Vec::new();
        let mut served = 0;
        while served < 40 {
            waiting.retain_mut(|(bytes, turn)| match turn.as_mut().poll(&mut context) {
                Poll::Ready(share) => {
                    let share = share.unwrap();
                    assert!(share.bytes() >= *bytes);
                    reading.push(share);
                    false
                }
                Poll::Pending => true,
            });
            let held: usize = reading.iter().map(Share::bytes).sum();
            assert!(held <= BOUND, "{held}");
            assert!(!reading.is_empty(), "nobody can go on");
            reading.remove(0);
            served += 1;
        }
    }

    #[test]
    fn a_small_request_does_not_pass_by_a_large_one() {
        let budget = Budget::new(1 << 20);
        let first = now(budget.reserve(600_000)).flatten();
        let mut large = Box::pin(budget.reserve(1 << 20));
        let mut context = Context::from_waker(Waker::noop());
        assert!(large.as_mut().poll(&mut context).is_pending());
        assert!(now(budget.reserve(10)).is_none());
        drop(first);
        assert!(matches!(large.as_mut().poll(&mut context), Poll::Ready(Some(_))));
    }

    #[test]
    fn without_a_bound_nobody_waits() {
        for bytes_max in [-1, 0] {
            let budget = Budget::new(bytes_max);
            assert!(!budget.is_bounded());
            assert!(now(budget.reserve(usize::MAX >> 8)).unwrap().is_none());
        }
    }
}

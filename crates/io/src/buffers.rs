//! Buffers for large frames and for file data on its way to a socket. They are kept and used again, since the first touch
//! of fresh pages costs more than all that is done with them; how much is kept is bounded.

use std::sync::{Mutex, PoisonError};

/// A set of free buffers.
#[derive(Debug)]
pub struct BufferPool {
    free: Mutex<Vec<Vec<u8>>>,
    /// The most bytes that are kept.
    kept_bytes_max: usize,
}

impl BufferPool {
    #[must_use]
    pub const fn new(kept_bytes_max: usize) -> Self {
        Self { free: Mutex::new(Vec::new()), kept_bytes_max }
    }

    /// A buffer that holds whatever was left in it: who fills it anyway is spared the zeroing, who does not clears it.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// An empty buffer with no more room than this; one without any, where there is none such. For those who have yet to
    /// show that they need more.
    #[must_use]
    pub fn take_within(&self, capacity_max: usize) -> Vec<u8> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        match free.iter().rposition(|buffer| buffer.capacity() <= capacity_max) {
            Some(at) => {
                let mut buffer = free.swap_remove(at);
                buffer.clear();
                buffer
            }
            None => Vec::new(),
        }
    }

    /// Gives a buffer back; it is let go of where enough are kept.
    pub fn give(&self, buffer: Vec<u8>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = free.iter().map(Vec::capacity).sum();
        if buffer.capacity() > 0 && kept + buffer.capacity() <= self.kept_bytes_max {
            free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let pool = BufferPool::new(1000);
        for _ in 0..3 {
            pool.give(Vec::with_capacity(400));
        }
        assert!(pool.take().capacity() >= 400);
        assert!(pool.take().capacity() >= 400);
        assert_eq!(pool.take().capacity(), 0);
    }

    #[test]
    fn who_has_shown_little_gets_little() {
        let pool = BufferPool::new(10_000);
        pool.give(Vec::with_capacity(100));
        pool.give(Vec::with_capacity(5000));
        assert!(pool.take_within(1000).capacity() < 5000);
        assert_eq!(pool.take_within(1000).capacity(), 0);
        assert!(pool.take_within(8000).capacity() >= 5000);
    }
}

//! Buffers for large frames and for file data on its way to a socket. They are kept and used again, since the first touch
//! of fresh pages costs more than all that is done with them; how much is kept is bounded.

use std::sync::{Mutex, PoisonError};

/// A set of free buffers.
#[derive(Debug)]
pub struct BufferPool {
    free: Mutex<Free>,
    /// The most bytes that are kept.
    kept_bytes_max: usize,
}

#[derive(Debug, Default)]
struct Free {
    buffers: Vec<Vec<u8>>,
    /// Their room in all.
    bytes: usize,
    /// The least of that since the last [`BufferPool::trim`].
    bytes_min: usize,
}

/// Smaller buffers are not kept: to make one anew costs no more than to look for it.
const KEPT_ROOM_MIN: usize = 32 << 10;

/// The room that a buffer for so many bytes gets: up to an eighth more, so that the next, which is for nearly as many, can
/// use it again.
#[must_use]
pub fn capacity_for(bytes: usize) -> usize {
    let step = (bytes.next_power_of_two() / 8).max(4096);
    bytes.div_ceil(step) * step
}

impl BufferPool {
    #[must_use]
    pub fn new(kept_bytes_max: usize) -> Self {
        Self { free: Mutex::default(), kept_bytes_max }
    }

    /// A buffer with room for this many bytes: the smallest that is free, else a new one. It holds whatever was left in it:
    /// who fills it anyway is spared the zeroing, who does not clears it.
    #[must_use]
    pub fn take(&self, room: usize) -> Vec<u8> {
        self.take_between(room, usize::MAX, room).unwrap_or_else(|| Vec::with_capacity(capacity_for(room)))
    }

    /// A free buffer with whatever was left in it, and room for at least `room_min` bytes and at most `room_max`: of those the smallest that is
    /// enough for `wanted`, else the largest. For those who have yet to show that they need as much as they want.
    #[must_use]
    pub fn take_between(&self, room_min: usize, room_max: usize, wanted: usize) -> Option<Vec<u8>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = free.buffers.iter().enumerate().map(|(at, buffer)| (at, buffer.capacity()));
        let fits = fits.filter(|(_, room)| (room_min..=room_max).contains(room));
        let (at, _) =
            fits.min_by_key(|(_, room)| if *room >= wanted { (0, *room) } else { (1, usize::MAX - *room) })?;
        let buffer = free.buffers.swap_remove(at);
        free.bytes -= buffer.capacity();
        free.bytes_min = free.bytes_min.min(free.bytes);
        Some(buffer)
    }

    /// Gives a buffer back; it is let go of where enough are kept.
    pub fn give(&self, buffer: Vec<u8>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.capacity() >= KEPT_ROOM_MIN && free.bytes + buffer.capacity() <= self.kept_bytes_max {
            free.bytes += buffer.capacity();
            free.buffers.push(buffer);
        }
    }

    /// Lets go of as much as nobody has used since the last time. Called now and then, it gives back what a burst needed.
    pub fn trim(&self) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut spare = free.bytes_min;
        let mut gone = Vec::new();
        while let Some(at) = free.buffers.iter().position(|buffer| buffer.capacity() <= spare) {
            let buffer = free.buffers.swap_remove(at);
            spare -= buffer.capacity();
            free.bytes -= buffer.capacity();
            gone.push(buffer);
        }
        free.bytes_min = free.bytes;
        // They are freed without the lock.
        drop(free);
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let pool = BufferPool::new(1_000_000);
        for _ in 0..3 {
            pool.give(Vec::with_capacity(400_000));
        }
        assert!(pool.take_between(1, 1_000_000, 1).is_some());
        assert!(pool.take_between(1, 1_000_000, 1).is_some());
        assert_eq!(pool.take_between(1, 1_000_000, 1), None);
    }

    #[test]
    fn who_has_shown_little_gets_little() {
        let pool = BufferPool::new(10_000_000);
        [100_000, 5_000_000, 300_000].into_iter().for_each(|room| pool.give(Vec::with_capacity(room)));
        let room = |min, max, wanted| pool.take_between(min, max, wanted).map(|buffer| buffer.capacity());
        assert_eq!(room(50, 1_000_000, 8_000_000), Some(300_000));
        assert_eq!(room(150_000, 1_000_000, 8_000_000), None);
        assert_eq!(room(50, 8_000_000, 90_000), Some(100_000));
        assert_eq!(room(50, 8_000_000, 8_000_000), Some(5_000_000));
    }

    #[test]
    fn buffers_for_nearly_as_much_are_used_again() {
        let pool = BufferPool::new(64 << 20);
        for bytes in (1_000_000..1_040_000).step_by(997) {
            let buffer = pool.take(bytes);
            assert!(buffer.capacity() >= bytes && buffer.capacity() <= bytes + bytes / 4);
            pool.give(buffer);
        }
        assert_eq!(pool.free.lock().unwrap().buffers.len(), 1);
        for bytes in [1, 4096, 4097, 65_536, 65_537, 1 << 20, (1 << 20) + 1] {
            assert!(capacity_for(bytes) >= bytes && capacity_for(bytes) <= (bytes + bytes / 4).max(bytes + 4095));
        }
    }

    #[test]
    fn what_a_burst_needed_is_given_back() {
        let pool = BufferPool::new(1 << 20);
        let burst: Vec<_> = (0..4).map(|_| pool.take(100_000)).collect();
        burst.into_iter().for_each(|buffer| pool.give(buffer));
        let kept = || pool.free.lock().unwrap().buffers.len();
        pool.trim();
        assert_eq!(kept(), 4, "they were all used since the start");
        pool.give(pool.take(100_000));
        pool.trim();
        assert_eq!(kept(), 1, "one was used since then");
        pool.trim();
        assert_eq!(kept(), 0);
    }
}

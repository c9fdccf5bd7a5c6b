//! How fast connections come, as Kafka's quotas measure it: counted in windows, over as many as are kept, and at first as
//! if all but one of them had passed already, so that a short burst is let through.

use ottla_machine::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// `quota.window.size.seconds` and `quota.window.num`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub length: Duration,
    pub count: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Rate {
    samples: VecDeque<Sample>,
}

#[derive(Debug)]
struct Sample {
    began: Instant,
    last: Instant,
    count: u64,
}

impl Rate {
    /// Counts one more, and tells how long it is to wait so that there are no more than `max` in a second; no longer than a
    /// window.
    pub(crate) fn count(&mut self, max: usize, window: Window, now: Instant) -> Duration {
        match self.samples.back_mut() {
            Some(sample) if now.saturating_since(sample.began) < window.length => {
                sample.count += 1;
                sample.last = now;
            }
            _ => self.samples.push_back(Sample { began: now, last: now, count: 1 }),
        }
        let kept = window.length * u32::try_from(window.count).unwrap_or(u32::MAX);
        while self.samples.len() > window.count
            || self.samples.front().is_some_and(|sample| now.saturating_since(sample.last) >= kept)
        {
            self.samples.pop_front();
        }
        let Some(oldest) = self.samples.front() else { return Duration::ZERO };
        let mut over = now.saturating_since(oldest.began);
        let full = (over.as_millis() / window.length.as_millis().max(1)) as usize;
        let missing = window.count.saturating_sub(1).saturating_sub(full);
        over += window.length * u32::try_from(missing).unwrap_or(u32::MAX);
        let over = if over.is_zero() { window.length } else { over };
        let counted: u64 = self.samples.iter().map(|sample| sample.count).sum();
        let (rate, max) = (counted as f64 / over.as_secs_f64(), max as f64);
        if rate <= max {
            return Duration::ZERO;
        }
        let pause = (rate - max) / max * over.as_secs_f64();
        Duration::from_secs_f64(pause.min(window.length.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { length: Duration::from_secs(1), count: 11 };

    #[test]
    fn a_burst_passes_and_what_goes_on_is_held_to_the_rate() {
        let mut rate = Rate::default();
        let at = Instant::from_millis;
        // Ten seconds of it at once.
        assert!((0..50).all(|_| rate.count(5, WINDOW, at(1000)).is_zero()));
        assert_eq!(rate.count(5, WINDOW, at(1000)), Duration::from_millis(200));
        // Nobody waits for longer than a window.
        (0..100).for_each(|_| assert!(rate.count(5, WINDOW, at(1000)) > Duration::ZERO));
        assert_eq!(rate.count(5, WINDOW, at(1001)), Duration::from_secs(1));
        // All that is forgotten after eleven windows.
        assert_eq!(rate.count(5, WINDOW, at(12_001)), Duration::ZERO);
    }

    #[test]
    fn none_a_second_is_one_a_window() {
        let mut rate = Rate::default();
        assert_eq!(rate.count(0, WINDOW, Instant::from_millis(1)), Duration::from_secs(1));
    }
}

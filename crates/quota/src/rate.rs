//! How fast something comes, as Kafka's quotas measure it: summed in samples of one window each, over as many windows as
//! are kept, and at first as if all but one of them had passed already, so that a short burst is let through.

use ottla_machine::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// `quota.window.size.seconds` and `quota.window.num`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub length: Duration,
    pub count: usize,
}

impl Window {
    /// The time of all windows that are kept.
    pub(crate) fn all(self) -> Duration {
        self.length.saturating_mul(u32::try_from(self.count).unwrap_or(u32::MAX))
    }
}

/// What came lately.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rate {
    samples: VecDeque<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
struct Sample {
    began: Instant,
    last: Instant,
    sum: f64,
}

impl Rate {
    /// Counts what came; a negative value takes back what was counted before.
    pub fn record(&mut self, value: f64, window: Window, now: Instant) {
        match self.samples.back_mut() {
            Some(sample) if now.saturating_since(sample.began) < window.length => {
                sample.sum += value;
                sample.last = now;
            }
            _ => self.samples.push_back(Sample { began: now, last: now, sum: value }),
        }
        // One more than is kept: the oldest may have begun before all windows and ended within them.
        while self.samples.len() > window.count + 1 {
            self.samples.pop_front();
        }
    }

    /// How long nothing may come until no more than `max` a second have come. Zero while that is so.
    pub fn excess(&mut self, max: f64, window: Window, now: Instant) -> Duration {
        let kept = window.all();
        while self.samples.front().is_some_and(|sample| now.saturating_since(sample.last) >= kept) {
            self.samples.pop_front();
        }
        let Some(oldest) = self.samples.front() else { return Duration::ZERO };
        let mut over = now.saturating_since(oldest.began);
        let full = usize::try_from(over.as_nanos() / window.length.as_nanos().max(1)).unwrap_or(usize::MAX);
        let missing = window.count.saturating_sub(1).saturating_sub(full);
        over += window.length.saturating_mul(u32::try_from(missing).unwrap_or(u32::MAX));
        let over = over.max(Duration::from_millis(1));
        let sum: f64 = self.samples.iter().map(|sample| sample.sum).sum();
        let rate = sum / over.as_secs_f64();
        if rate <= max {
            return Duration::ZERO;
        }
        millis((rate - max) / max * over.as_secs_f64() * 1000.0)
    }
}

/// As Kafka rounds it, and no longer than an answer can tell.
pub(crate) fn millis(millis: f64) -> Duration {
    Duration::from_millis(millis.round().clamp(0.0, f64::from(i32::MAX)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Window = Window { length: Duration::from_secs(1), count: 11 };

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn a_burst_passes_and_what_goes_on_is_held_to_the_rate() {
        let mut rate = Rate::default();
        // Ten seconds of it at once.
        for _ in 0..50 {
            rate.record(1.0, WINDOW, at(1000));
            assert_eq!(rate.excess(5.0, WINDOW, at(1000)), Duration::ZERO);
        }
        rate.record(1.0, WINDOW, at(1000));
        assert_eq!(rate.excess(5.0, WINDOW, at(1000)), Duration::from_millis(200));
        assert!(rate.excess(5.0, WINDOW, at(1199)) > Duration::ZERO);
        assert_eq!(rate.excess(5.0, WINDOW, at(1201)), Duration::ZERO);
        // All is forgotten when all windows have passed.
        rate.record(1.0, WINDOW, at(12_001));
        assert_eq!(rate.excess(0.11, WINDOW, at(12_001)), Duration::ZERO);
    }

    #[test]
    fn what_is_taken_back_never_was() {
        let mut rate = Rate::default();
        rate.record(1000.0, WINDOW, at(0));
        assert!(rate.excess(1.0, WINDOW, at(0)) > Duration::ZERO);
        rate.record(-1000.0, WINDOW, at(0));
        assert_eq!(rate.excess(1.0, WINDOW, at(0)), Duration::ZERO);
    }

    #[test]
    fn a_rate_of_none_makes_wait_as_long_as_can_be_told() {
        let mut rate = Rate::default();
        rate.record(1.0, WINDOW, at(1));
        assert_eq!(rate.excess(0.0, WINDOW, at(1)), Duration::from_millis(i32::MAX as u64));
    }

    proptest! {
        /// The same as a ring of samples that are used again, which is how Kafka does it.
        #[test]
        fn a_ring_of_samples_says_the_same(
            values in prop::collection::vec((1.0..5000.0_f64, 0_u64..15_000), 1..80),
            count in 1_usize..12,
            max in 10.0..2000.0_f64,
        ) {
            let window = Window { length: Duration::from_secs(1), count };
            let (mut rate, mut ring, mut now) = (Rate::default(), Ring::default(), 1);
            for (value, pause) in values {
                now += pause;
                rate.record(value, window, at(now));
                ring.record(value, window, now);
                let (ours, theirs) = (rate.excess(max, window, at(now)), ring.excess(max, window, now));
                // Sums in another order may be rounded otherwise.
                prop_assert!(ours.abs_diff(theirs) <= Duration::from_millis(1), "{ours:?} and {theirs:?}");
            }
        }

        #[test]
        fn samples_are_bounded(times in prop::collection::vec(0_u64..5000, 1..200)) {
            let (mut rate, mut now) = (Rate::default(), 0);
            for wait in times {
                now += wait;
                rate.record(1.0, WINDOW, at(now));
                prop_assert!(rate.samples.len() <= WINDOW.count + 1);
            }
        }
    }

    /// Milliseconds of the beginning and the last event, and the sum.
    #[derive(Default)]
    struct Ring {
        samples: Vec<(u64, u64, f64)>,
        current: usize,
    }

    impl Ring {
        fn record(&mut self, value: f64, window: Window, now: u64) {
            if self.samples.is_empty() {
                self.samples.push((now, now, 0.0));
            }
            if now - self.samples[self.current].0 >= window.length.as_millis() as u64 {
                self.current = (self.current + 1) % (window.count + 1);
                match self.samples.get_mut(self.current) {
                    Some(sample) => *sample = (now, now, 0.0),
                    None => self.samples.push((now, now, 0.0)),
                }
            }
            let sample = &mut self.samples[self.current];
            sample.1 = now;
            sample.2 += value;
        }

        fn excess(&mut self, max: f64, window: Window, now: u64) -> Duration {
            let length = window.length.as_millis() as u64;
            for sample in &mut self.samples {
                if now - sample.1 >= window.count as u64 * length {
                    *sample = (now, now, 0.0);
                }
            }
            let oldest = self.samples.iter().map(|sample| sample.0).min().unwrap();
            let mut over = now - oldest;
            over += (window.count as u64 - 1).saturating_sub(over / length) * length;
            let over = over.max(1) as f64 / 1000.0;
            let rate = self.samples.iter().map(|sample| sample.2).sum::<f64>() / over;
            let wait = if rate > max { (rate - max) / max * over * 1000.0 } else { 0.0 };
            millis(wait)
        }
    }
}

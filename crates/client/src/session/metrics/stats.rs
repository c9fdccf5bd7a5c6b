//! What is made of the values that a sensor is given: averages, extremes and rates over the samples of the last minute, and
//! totals since the beginning, each reckoned as Apache Kafka's clients do.
//!
//! A sample gathers what comes within a window (30 s by default); the newest few count (2), and one that overlaps the time
//! looked at counts whole. A rate divides by the time since the oldest sample, and by no less than all windows but one: a
//! client that has just begun does not show a rate that it never had.

/// How long a sample gathers, and how many of them are looked at (`metrics.sample.window.ms`, `metrics.num.samples`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    pub window_ms: i64,
    pub samples: usize,
}

impl Default for Windows {
    fn default() -> Self {
        Self { window_ms: 30_000, samples: 2 }
    }
}

const SECOND_MS: f64 = 1_000.0;
const HOUR_MS: i64 = 3_600_000;

/// One figure.
#[derive(Debug, Clone)]
pub struct Stat {
    kind: Kind,
    sampled: Sampled,
    total: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Avg,
    Max,
    Min,
    /// The last value.
    Last,
    /// The sum of all values, or their number.
    Sum,
    Count,
    /// The sum of the values a second, or their number; the fraction of the time that nanoseconds make up.
    Rate,
    CountRate,
    TimeRatio,
    /// The number of the values an hour, over windows of an hour.
    CountPerHour,
}

#[derive(Debug, Clone)]
struct Sampled {
    windows: Windows,
    initial: f64,
    samples: Vec<Sample>,
    current: usize,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    value: f64,
    events: u64,
    started_ms: i64,
    last_ms: i64,
}

macro_rules! made {
    ($($(#[$doc:meta])* $name:ident $kind:ident $initial:expr;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(windows: Windows) -> Self {
            Self { kind: Kind::$kind, sampled: Sampled::new(windows, $initial), total: 0.0 }
        })*
    };
}

impl Stat {
    made! {
        avg Avg 0.0;
        max Max f64::NEG_INFINITY;
        min Min f64::MAX;
        last Last 0.0;
        sum Sum 0.0;
        count Count 0.0;
        rate Rate 0.0;
        count_rate CountRate 0.0;
        time_ratio TimeRatio 0.0;
    }

    /// Its windows are hours, whatever the others' are.
    #[must_use]
    pub fn count_per_hour(windows: Windows) -> Self {
        let hours = Windows { window_ms: HOUR_MS, ..windows };
        Self { kind: Kind::CountPerHour, sampled: Sampled::new(hours, 0.0), total: 0.0 }
    }

    pub fn record(&mut self, value: f64, now_ms: i64) {
        match self.kind {
            Kind::Last => self.total = value,
            Kind::Sum => self.total += value,
            Kind::Count => self.total += 1.0,
            Kind::Avg | Kind::Rate | Kind::TimeRatio => self.sampled.record(now_ms, |sum| sum + value),
            Kind::CountRate | Kind::CountPerHour => self.sampled.record(now_ms, |sum| sum + 1.0),
            Kind::Max => self.sampled.record(now_ms, |most| most.max(value)),
            Kind::Min => self.sampled.record(now_ms, |least| least.min(value)),
        }
    }

    /// Not a number where there is nothing to tell.
    pub fn measure(&mut self, now_ms: i64) -> f64 {
        if matches!(self.kind, Kind::Last | Kind::Sum | Kind::Count) {
            return self.total;
        }
        self.sampled.purge(now_ms);
        let samples = &self.sampled.samples;
        let events: u64 = samples.iter().map(|sample| sample.events).sum();
        // The sum of nothing would be -0.0.
        let sum = samples.iter().fold(0.0, |sum, sample| sum + sample.value);
        let extreme = |pick: fn(f64, f64) -> f64| samples.iter().map(|sample| sample.value).reduce(pick);
        let unless_empty = |value: f64| if events == 0 { f64::NAN } else { value };
        match self.kind {
            Kind::Avg => unless_empty(sum / events as f64),
            Kind::Max => unless_empty(extreme(f64::max).unwrap_or(f64::NAN)),
            Kind::Min => unless_empty(extreme(f64::min).unwrap_or(f64::NAN)),
            Kind::TimeRatio => sum / (self.sampled.span_ms(now_ms) * 1e6),
            Kind::CountPerHour => sum / (self.sampled.span_ms(now_ms) / HOUR_MS as f64),
            _ => sum / (self.sampled.span_ms(now_ms) / SECOND_MS),
        }
    }
}

impl Sampled {
    const fn new(windows: Windows, initial: f64) -> Self {
        Self { windows, initial, samples: Vec::new(), current: 0 }
    }

    const fn fresh(&self, now_ms: i64) -> Sample {
        Sample { value: self.initial, events: 0, started_ms: now_ms, last_ms: now_ms }
    }

    fn record(&mut self, now_ms: i64, update: impl FnOnce(f64) -> f64) {
        let is_full = |sample: &Sample| now_ms - sample.started_ms >= self.windows.window_ms;
        let fresh = self.fresh(now_ms);
        match self.samples.get(self.current) {
            None => self.samples.push(fresh),
            Some(sample) if is_full(sample) => {
                // One more than are looked at: the one that overlaps.
                self.current = (self.current + 1) % (self.windows.samples + 1);
                match self.samples.get_mut(self.current) {
                    Some(oldest) => *oldest = fresh,
                    None => self.samples.push(fresh),
                }
            }
            Some(_) => {}
        }
        if let Some(sample) = self.samples.get_mut(self.current) {
            sample.value = update(sample.value);
            sample.events += 1;
            sample.last_ms = now_ms;
        }
    }

    /// Empties what nothing came into within the time looked at.
    fn purge(&mut self, now_ms: i64) {
        let windows = i64::try_from(self.windows.samples).unwrap_or(i64::MAX);
        let age_max = windows.saturating_mul(self.windows.window_ms);
        let fresh = self.fresh(now_ms);
        for sample in &mut self.samples {
            if now_ms - sample.last_ms >= age_max {
                *sample = fresh;
            }
        }
    }

    /// The time that a rate divides by.
    fn span_ms(&mut self, now_ms: i64) -> f64 {
        if self.samples.is_empty() {
            // The time begins with the first look, as with the first value.
            self.samples.push(self.fresh(now_ms));
        }
        let oldest = self.samples.iter().map(|sample| sample.started_ms).min().unwrap_or(now_ms);
        let elapsed = now_ms - oldest;
        let window_ms = self.windows.window_ms.max(1);
        let least = i64::try_from(self.windows.samples).unwrap_or(i64::MAX) - 1;
        let lacking = (least - elapsed / window_ms).max(0);
        (elapsed + lacking * window_ms).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows() -> Windows {
        Windows::default()
    }

    #[test]
    fn nothing_was_recorded() {
        let now = 5;
        for mut stat in [Stat::avg(windows()), Stat::max(windows()), Stat::min(windows())] {
            assert!(stat.measure(now).is_nan());
        }
        for mut stat in [Stat::sum(windows()), Stat::count(windows()), Stat::rate(windows()), Stat::last(windows())] {
            assert_eq!(stat.measure(now).to_bits(), 0.0_f64.to_bits());
        }
    }

    #[test]
    fn a_rate_divides_by_one_window_at_least() {
        let mut rate = Stat::rate(windows());
        rate.record(600.0, 0);
        assert_eq!(rate.measure(0), 20.0);
        // One whole window has passed: the time is what it is.
        assert_eq!(rate.measure(30_000), 20.0);
        assert_eq!(rate.measure(45_000), 600.0 / 45.0);
        let mut count = Stat::count_rate(windows());
        count.record(600.0, 0);
        count.record(600.0, 0);
        assert_eq!(count.measure(0), 2.0 / 30.0);
        let mut ratio = Stat::time_ratio(windows());
        ratio.record(15e9, 0);
        assert_eq!(ratio.measure(0), 0.5);
    }

    #[test]
    fn old_samples_are_forgotten_and_totals_are_not() {
        let (mut rate, mut sum, mut max) = (Stat::rate(windows()), Stat::sum(windows()), Stat::max(windows()));
        for (value, at) in [(9.0, 0), (6.0, 30_000), (3.0, 60_000)] {
            for stat in [&mut rate, &mut sum, &mut max] {
                stat.record(value, at);
            }
        }
        // The first sample's last value is older than two windows.
        assert_eq!((rate.measure(60_000), max.measure(60_000)), (9.0 / 30.0, 6.0));
        assert_eq!(max.measure(100_000), 3.0);
        assert!(max.measure(120_000).is_nan());
        assert_eq!((rate.measure(120_000), sum.measure(120_000)), (0.0, 18.0));
    }

    #[test]
    fn a_sample_that_overlaps_counts_whole() {
        let mut max = Stat::max(windows());
        max.record(9.0, 0);
        max.record(1.0, 29_999);
        assert_eq!(max.measure(89_998), 9.0);
        assert!(max.measure(89_999).is_nan());
    }

    #[test]
    fn hours_have_windows_of_their_own() {
        let mut rate = Stat::count_per_hour(windows());
        rate.record(1.0, 0);
        assert_eq!(rate.measure(0), 1.0);
        rate.record(1.0, 1_800_000);
        assert_eq!(rate.measure(1_800_000), 2.0 / 1.5);
    }

    #[test]
    fn averages_extremes_and_the_last() {
        let mut stats = [Stat::avg(windows()), Stat::min(windows()), Stat::max(windows()), Stat::last(windows())];
        for value in [4.0, 1.0, 7.0, 2.0] {
            stats.iter_mut().for_each(|stat| stat.record(value, 3));
        }
        assert_eq!(stats.map(|mut stat| stat.measure(4)), [3.5, 1.0, 7.0, 2.0]);
    }
}

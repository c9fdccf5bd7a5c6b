//! What the test has seen: in all, and since the last line of progress. Latencies are whole milliseconds, as Kafka's.

use crate::cli::{say, say_json};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The most latencies that are kept: of more records every so manieth.
const SAMPLES_MAX: u64 = 500_000;

/// Which records figures are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Whole,
    /// Those behind the warm-up.
    Steady,
}

pub(super) struct Stats {
    begun: Instant,
    interval: Duration,
    stage: Stage,
    as_json: bool,
    /// Shows no lines of progress any more.
    pub(super) is_quiet: bool,
    sampling: u64,
    latencies: Vec<u64>,
    all: Sum,
    window: Sum,
    window_begun: Instant,
}

#[derive(Default, Clone, Copy)]
struct Sum {
    count: u64,
    bytes: u64,
    latency: u64,
    latency_max: u64,
}

impl Sum {
    fn add(&mut self, latency: u64, bytes: usize) {
        self.count += 1;
        self.bytes += bytes as u64;
        self.latency += latency;
        self.latency_max = self.latency_max.max(latency);
    }
}

#[allow(clippy::cast_precision_loss, reason = "figures to be read by people")]
impl Stats {
    pub(super) fn new(count: u64, interval: Duration, stage: Stage, as_json: bool) -> Self {
        let now = Instant::now();
        Self {
            begun: now,
            interval,
            stage,
            as_json,
            is_quiet: false,
            sampling: count / count.clamp(1, SAMPLES_MAX),
            latencies: Vec::new(),
            all: Sum::default(),
            window: Sum::default(),
            window_begun: now,
        }
    }

    pub(super) fn record(&mut self, latency: Duration, bytes: usize) {
        let latency = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        if self.all.count.is_multiple_of(self.sampling) {
            self.latencies.push(latency);
        }
        self.all.add(latency, bytes);
        self.window.add(latency, bytes);
        if self.window_begun.elapsed() >= self.interval {
            if self.stage == Stage::Steady && self.all.count == self.window.count && !self.as_json {
                say("In steady state.");
            }
            if !self.is_quiet {
                self.print_window();
            }
            self.window = Sum::default();
            self.window_begun = Instant::now();
        }
    }

    fn print_window(&self) {
        let (records, megabytes) = rates(&self.window, self.window_begun.elapsed());
        if self.as_json {
            let mut told = json(&self.window, records, megabytes);
            told["stage"] = "window".into();
            say_json(&told);
            return;
        }
        say(&format!(
            "{} records sent, {records:.1} records/sec ({megabytes:.2} MB/sec), {:.1} ms avg latency, {:.1} ms max latency.",
            self.window.count,
            self.window.latency as f64 / self.window.count as f64,
            self.window.latency_max as f64
        ));
    }

    pub(super) fn print_total(&mut self) {
        let (records, megabytes) = rates(&self.all, self.begun.elapsed());
        self.latencies.sort_unstable();
        let at = |thousandths: usize| {
            let place = self.latencies.len() * thousandths / 1_000;
            self.latencies.get(place).copied().unwrap_or(0)
        };
        if self.as_json {
            let mut told = json(&self.all, records, megabytes);
            told["stage"] = if self.stage == Stage::Steady { "steady" } else { "whole" }.into();
            for (name, thousandths) in [("p50", 500), ("p95", 950), ("p99", 990), ("p99.9", 999)] {
                told["latencyMs"][name] = at(thousandths).into();
            }
            say_json(&told);
            return;
        }
        say(&format!(
            "{}{} records sent, {records:.6} records/sec ({megabytes:.2} MB/sec), {:.2} ms avg latency, {:.2} ms max latency, {} ms 50th, {} ms 95th, {} ms 99th, {} ms 99.9th.",
            self.all.count,
            if self.stage == Stage::Steady { " steady state" } else { "" },
            self.all.latency as f64 / self.all.count as f64,
            self.all.latency_max as f64,
            at(500),
            at(950),
            at(990),
            at(999)
        ));
    }
}

#[allow(clippy::cast_precision_loss, reason = "figures to be read by people")]
fn json(sum: &Sum, records: f64, megabytes: f64) -> Value {
    json!({
        "records": sum.count,
        "bytes": sum.bytes,
        "recordsPerSecond": records,
        "mebibytesPerSecond": megabytes,
        "latencyMs": { "mean": sum.latency as f64 / sum.count.max(1) as f64, "max": sum.latency_max },
    })
}

/// Records and mebibytes a second.
#[allow(clippy::cast_precision_loss, reason = "figures to be read by people")]
fn rates(sum: &Sum, elapsed: Duration) -> (f64, f64) {
    let seconds = elapsed.as_secs_f64().max(0.001);
    (sum.count as f64 / seconds, sum.bytes as f64 / seconds / (1024.0 * 1024.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_latencies_are_kept_of_many_records() {
        let mut stats = Stats::new(2_000_000, Duration::from_secs(3_600), Stage::Whole, false);
        (0..100_000).for_each(|_| stats.record(Duration::from_millis(3), 10));
        assert_eq!((stats.latencies.len(), stats.all.count, stats.all.bytes), (25_000, 100_000, 1_000_000));
    }
}

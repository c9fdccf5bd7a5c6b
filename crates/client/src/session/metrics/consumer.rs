//! What a consumer does: fetches and what they brought, the distance to the log's ends, membership, and polls.

use super::stats::Stat;
use super::{Metrics, Named, Sensor, Value};
use std::collections::{BTreeMap, BTreeSet};

const GROUP: &str = "metrics";
const OF_FETCHES: &str = "fetch-manager-metrics";
const OF_GROUP: &str = "coordinator-metrics";

/// The sensors of a consumer; those of its topics and partitions come and go.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerMetrics {
    throttle: Sensor,
    bytes: Sensor,
    records: Sensor,
    latency: Sensor,
    lag: Sensor,
    lead: Sensor,
    between_polls: Sensor,
    idle: Sensor,
    commit_wait: Sensor,
    commit: Sensor,
    heartbeat: Sensor,
    join: Sensor,
    sync: Sensor,
    rebalanced: Sensor,
    failed: Sensor,
}

/// What is so at a moment; times in milliseconds ago, None for never.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    pub partitions: usize,
    pub last_poll_ms: Option<i64>,
    pub last_rebalance_ms: Option<i64>,
    pub last_heartbeat_ms: Option<i64>,
}

const BYTES: &[Named] = &[
    ("fetch-size-avg", Stat::avg),
    ("fetch-size-max", Stat::max),
    ("bytes-consumed-rate", Stat::rate),
    ("bytes-consumed-total", Stat::sum),
];
const RECORDS: &[Named] = &[
    ("records-per-request-avg", Stat::avg),
    ("records-consumed-rate", Stat::rate),
    ("records-consumed-total", Stat::sum),
];

impl ConsumerMetrics {
    #[must_use]
    pub fn new(metrics: &mut Metrics) -> Self {
        let mut sensor = |group: &str, stats: &[_]| metrics.sensor(group, &[], stats);
        Self {
            throttle: sensor(
                OF_FETCHES,
                &[("fetch-throttle-time-avg", Stat::avg), ("fetch-throttle-time-max", Stat::max)],
            ),
            bytes: sensor(OF_FETCHES, BYTES),
            records: sensor(OF_FETCHES, RECORDS),
            latency: sensor(
                OF_FETCHES,
                &[
                    ("fetch-latency-avg", Stat::avg),
                    ("fetch-latency-max", Stat::max),
                    ("fetch-rate", Stat::count_rate),
                    ("fetch-total", Stat::count),
                ],
            ),
            lag: sensor(OF_FETCHES, &[("records-lag-max", Stat::max)]),
            lead: sensor(OF_FETCHES, &[("records-lead-min", Stat::min)]),
            between_polls: sensor(GROUP, &[("time-between-poll-avg", Stat::avg), ("time-between-poll-max", Stat::max)]),
            idle: sensor(GROUP, &[("poll-idle-ratio-avg", Stat::avg)]),
            commit_wait: sensor(GROUP, &[("commit-sync-time-ns-total", Stat::sum)]),
            commit: sensor(
                OF_GROUP,
                &[
                    ("commit-latency-avg", Stat::avg),
                    ("commit-latency-max", Stat::max),
                    ("commit-rate", Stat::count_rate),
                    ("commit-total", Stat::count),
                ],
            ),
            heartbeat: sensor(
                OF_GROUP,
                &[
                    ("heartbeat-response-time-max", Stat::max),
                    ("heartbeat-rate", Stat::count_rate),
                    ("heartbeat-total", Stat::count),
                ],
            ),
            join: sensor(
                OF_GROUP,
                &[
                    ("join-time-avg", Stat::avg),
                    ("join-time-max", Stat::max),
                    ("join-rate", Stat::count_rate),
                    ("join-total", Stat::count),
                ],
            ),
            sync: sensor(
                OF_GROUP,
                &[
                    ("sync-time-avg", Stat::avg),
                    ("sync-time-max", Stat::max),
                    ("sync-rate", Stat::count_rate),
                    ("sync-total", Stat::count),
                ],
            ),
            rebalanced: sensor(
                OF_GROUP,
                &[
                    ("rebalance-latency-avg", Stat::avg),
                    ("rebalance-latency-max", Stat::max),
                    ("rebalance-latency-total", Stat::sum),
                    ("rebalance-total", Stat::count),
                    ("rebalance-rate-per-hour", Stat::count_per_hour),
                ],
            ),
            failed: sensor(
                OF_GROUP,
                &[("failed-rebalance-total", Stat::count), ("failed-rebalance-rate-per-hour", Stat::count_per_hour)],
            ),
        }
    }

    /// A fetch was answered after so many milliseconds.
    pub fn answered(&self, metrics: &mut Metrics, millis: f64, throttle_ms: i32, now_ms: i64) {
        metrics.record(self.latency, millis, now_ms);
        metrics.record(self.throttle, f64::from(throttle_ms), now_ms);
    }

    /// How far what was given out is from the end that can be read, and from the log's start.
    pub fn stands_at(
        &self,
        metrics: &mut Metrics,
        place: (&str, i32),
        lag: Option<i64>,
        lead: Option<i64>,
        now_ms: i64,
    ) {
        let partition = place.1.to_string();
        if let Some(lag) = lag {
            metrics.record(self.lag, lag as f64, now_ms);
            for (key, topic) in spellings(place.0) {
                let sensor = metrics.keyed(
                    &format!("{}.lag{key}", of_partition(place)),
                    OF_FETCHES,
                    &[("topic", &topic), ("partition", &partition)],
                    &[("records-lag", Stat::last), ("records-lag-max", Stat::max), ("records-lag-avg", Stat::avg)],
                );
                metrics.record(sensor, lag as f64, now_ms);
            }
        }
        if let Some(lead) = lead {
            metrics.record(self.lead, lead as f64, now_ms);
            for (key, topic) in spellings(place.0) {
                let sensor = metrics.keyed(
                    &format!("{}.lead{key}", of_partition(place)),
                    OF_FETCHES,
                    &[("topic", &topic), ("partition", &partition)],
                    &[("records-lead", Stat::last), ("records-lead-min", Stat::min), ("records-lead-avg", Stat::avg)],
                );
                metrics.record(sensor, lead as f64, now_ms);
            }
        }
    }

    /// A partition is read from now on: from its leader, since this client knows no other way.
    pub fn assigned(metrics: &mut Metrics, place: (&str, i32)) {
        for (_, topic) in spellings(place.0) {
            let tags = [("topic", &*topic), ("partition", &*place.1.to_string())];
            let name = metrics.name(OF_FETCHES, "preferred-read-replica", &tags);
            metrics.gauges.insert(name, Value::Whole(-1));
        }
    }

    pub fn revoked(metrics: &mut Metrics, place: (&str, i32)) {
        for (key, topic) in spellings(place.0) {
            for what in ["lag", "lead"] {
                metrics.forget(&format!("{}.{what}{key}", of_partition(place)));
            }
            let tags = [("topic", &*topic), ("partition", &*place.1.to_string())];
            let name = metrics.name(OF_FETCHES, "preferred-read-replica", &tags);
            metrics.gauges.remove(&name);
        }
    }

    /// A poll begins, so long after the one before.
    pub fn polls(&self, metrics: &mut Metrics, since_last_ms: f64, now_ms: i64) {
        metrics.record(self.between_polls, since_last_ms, now_ms);
    }

    /// The part of the time between two ends of polls that the second spent waiting.
    pub fn polled(&self, metrics: &mut Metrics, idle_ratio: f64, now_ms: i64) {
        metrics.record(self.idle, idle_ratio, now_ms);
    }

    /// A commit that a program asked for has kept it so long.
    pub fn commit_waited(&self, metrics: &mut Metrics, nanos: f64, now_ms: i64) {
        metrics.record(self.commit_wait, nanos, now_ms);
    }

    pub fn committed(&self, metrics: &mut Metrics, millis: f64, now_ms: i64) {
        metrics.record(self.commit, millis, now_ms);
    }

    pub fn heard(&self, metrics: &mut Metrics, millis: f64, now_ms: i64) {
        metrics.record(self.heartbeat, millis, now_ms);
    }

    pub fn joined(&self, metrics: &mut Metrics, millis: f64, now_ms: i64) {
        metrics.record(self.join, millis, now_ms);
    }

    pub fn synced(&self, metrics: &mut Metrics, millis: f64, now_ms: i64) {
        metrics.record(self.sync, millis, now_ms);
    }

    /// A round has ended well, with all its attempts.
    pub fn rebalanced(&self, metrics: &mut Metrics, millis: f64, now_ms: i64) {
        metrics.record(self.rebalanced, millis, now_ms);
    }

    /// An attempt has failed.
    pub fn failed(&self, metrics: &mut Metrics, now_ms: i64) {
        metrics.record(self.failed, 1.0, now_ms);
    }

    pub fn stand(metrics: &mut Metrics, standing: &Standing) {
        let seconds = |ago: Option<i64>| ago.map_or(-1.0, |millis| (millis / 1_000) as f64);
        for (group, name, value) in [
            (GROUP, "last-poll-seconds-ago", seconds(standing.last_poll_ms)),
            (OF_GROUP, "last-rebalance-seconds-ago", seconds(standing.last_rebalance_ms)),
            (OF_GROUP, "last-heartbeat-seconds-ago", seconds(standing.last_heartbeat_ms)),
            (OF_GROUP, "assigned-partitions", standing.partitions as f64),
        ] {
            let name = metrics.name(group, name, &[]);
            metrics.gauge(name, value);
        }
    }
}

fn of_partition((topic, partition): (&str, i32)) -> String {
    format!("{topic}-{partition}")
}

/// Kafka's consumers still tell of topics with dots under the old spelling too. With each, what tells the keys apart.
fn spellings(topic: &str) -> Vec<(&'static str, String)> {
    let mut all = vec![("", topic.to_owned())];
    if topic.contains('.') {
        all.push((".old", topic.replace('.', "_")));
    }
    all
}

/// A fetch counts once the last partition of its answer is read to the end: a size is that of a fetch.
#[derive(Debug, Default)]
pub struct Fetches {
    last: u64,
    open: BTreeMap<u64, Open>,
}

#[derive(Debug, Default)]
struct Open {
    left: BTreeSet<(String, i32)>,
    by_topic: BTreeMap<String, Brought>,
}

/// What was given out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Brought {
    pub records: usize,
    pub bytes: usize,
}

impl Fetches {
    /// An answer came, with these partitions.
    pub fn begin(&mut self, partitions: impl Iterator<Item = (String, i32)>) -> u64 {
        self.last += 1;
        self.open.insert(self.last, Open { left: partitions.collect(), by_topic: BTreeMap::new() });
        self.last
    }

    /// A partition of an answer was read to its end, or is thrown away.
    pub fn read(
        &mut self,
        own: &ConsumerMetrics,
        metrics: &mut Metrics,
        fetch: u64,
        place: (&str, i32),
        brought: Brought,
        now_ms: i64,
    ) {
        let Some(open) = self.open.get_mut(&fetch) else { return };
        let topic = open.by_topic.entry(place.0.to_owned()).or_default();
        topic.records += brought.records;
        topic.bytes += brought.bytes;
        open.left.remove(&(place.0.to_owned(), place.1));
        if !open.left.is_empty() {
            return;
        }
        let Some(done) = self.open.remove(&fetch) else { return };
        let sum = |of: fn(&Brought) -> usize| done.by_topic.values().map(of).sum::<usize>() as f64;
        metrics.record(own.bytes, sum(|brought| brought.bytes), now_ms);
        metrics.record(own.records, sum(|brought| brought.records), now_ms);
        for (topic, brought) in &done.by_topic {
            for (key, shown) in spellings(topic) {
                let tags = [("topic", &*shown)];
                let bytes = metrics.keyed(&format!("topic.{topic}.bytes{key}"), OF_FETCHES, &tags, BYTES);
                metrics.record(bytes, brought.bytes as f64, now_ms);
                let records = metrics.keyed(&format!("topic.{topic}.records{key}"), OF_FETCHES, &tags, RECORDS);
                metrics.record(records, brought.records as f64, now_ms);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::stats::Windows;
    use super::*;

    fn told(metrics: &mut Metrics, part: &str) -> Vec<String> {
        let mut lines: Vec<String> = metrics
            .read(0)
            .into_iter()
            .filter(|metric| metric.name.to_string().contains(part))
            .map(|metric| format!("{}{:?} {:?}", metric.name.name, metric.name.tags.get(1), metric.value))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn a_fetch_counts_when_its_last_partition_is_read() {
        let mut metrics = Metrics::new("consumer", "c", Windows::default(), 0);
        let own = ConsumerMetrics::new(&mut metrics);
        let mut fetches = Fetches::default();
        let fetch = fetches.begin([("t".to_owned(), 0), ("u".to_owned(), 0)].into_iter());
        fetches.read(&own, &mut metrics, fetch, ("t", 0), Brought { records: 2, bytes: 20 }, 0);
        assert_eq!(told(&mut metrics, "bytes-consumed-total"), ["bytes-consumed-totalNone Number(0.0)"]);
        fetches.read(&own, &mut metrics, fetch, ("u", 0), Brought { records: 1, bytes: 4 }, 0);
        assert_eq!(
            told(&mut metrics, "bytes-consumed-total"),
            [
                r#"bytes-consumed-totalNone Number(24.0)"#,
                r#"bytes-consumed-totalSome(("topic", "t")) Number(20.0)"#,
                r#"bytes-consumed-totalSome(("topic", "u")) Number(4.0)"#,
            ]
        );
    }

    #[test]
    fn a_topic_with_dots_is_told_in_both_spellings_until_it_is_revoked() {
        let mut metrics = Metrics::new("consumer", "c", Windows::default(), 0);
        let own = ConsumerMetrics::new(&mut metrics);
        ConsumerMetrics::assigned(&mut metrics, ("a.b", 1));
        own.stands_at(&mut metrics, ("a.b", 1), Some(3), None, 0);
        assert_eq!(told(&mut metrics, "partition=1").len(), 8);
        assert!(told(&mut metrics, "records-lag:")[1].contains(r#""a_b")"#));
        ConsumerMetrics::revoked(&mut metrics, ("a.b", 1));
        assert!(told(&mut metrics, "partition=1").is_empty());
    }
}

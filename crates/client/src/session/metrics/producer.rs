//! What a producer does: batches sent, sent again and given up, and the time that callers wait.

use super::stats::Stat;
use super::{Metrics, Sensor};

const GROUP: &str = "metrics";
const OF_TOPICS: &str = "topic-metrics";

/// The sensors of a producer; those of its topics come with their first batches.
#[derive(Debug, Clone, Copy)]
pub struct ProducerMetrics {
    batch_size: Sensor,
    compression: Sensor,
    queue_time: Sensor,
    latency: Sensor,
    throttle: Sensor,
    sent: Sensor,
    retried: Sensor,
    failed: Sensor,
    record_size: Sensor,
    split: Sensor,
    room_wait: Sensor,
    exhausted: Sensor,
    flush: Sensor,
    metadata_wait: Sensor,
}

/// A batch on its way out.
#[derive(Debug, Clone, Copy)]
pub struct SentBatch<'a> {
    pub topic: &'a str,
    pub records: usize,
    pub bytes: usize,
    /// What compression left of its records, as a fraction.
    pub compression: f64,
    /// From its first record to now.
    pub queued_ms: f64,
    /// The most that its largest record could take.
    pub record_bytes_max: usize,
}

/// What is so at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    pub buffer_bytes: usize,
    pub buffer_bytes_free: usize,
    pub callers_waiting: usize,
    pub requests_in_flight: usize,
    /// Since the last metadata; None before the first.
    pub metadata_age_seconds: Option<f64>,
}

impl ProducerMetrics {
    #[must_use]
    pub fn new(metrics: &mut Metrics) -> Self {
        let mut sensor = |stats: &[_]| metrics.sensor(GROUP, &[], stats);
        Self {
            batch_size: sensor(&[("batch-size-avg", Stat::avg), ("batch-size-max", Stat::max)]),
            compression: sensor(&[("compression-rate-avg", Stat::avg)]),
            queue_time: sensor(&[("record-queue-time-avg", Stat::avg), ("record-queue-time-max", Stat::max)]),
            latency: sensor(&[("request-latency-avg", Stat::avg), ("request-latency-max", Stat::max)]),
            throttle: sensor(&[("produce-throttle-time-avg", Stat::avg), ("produce-throttle-time-max", Stat::max)]),
            sent: sensor(&[
                ("record-send-rate", Stat::rate),
                ("record-send-total", Stat::sum),
                ("records-per-request-avg", Stat::avg),
            ]),
            retried: sensor(&[("record-retry-rate", Stat::rate), ("record-retry-total", Stat::sum)]),
            failed: sensor(&[("record-error-rate", Stat::rate), ("record-error-total", Stat::sum)]),
            record_size: sensor(&[("record-size-max", Stat::max), ("record-size-avg", Stat::avg)]),
            split: sensor(&[("batch-split-rate", Stat::rate), ("batch-split-total", Stat::sum)]),
            room_wait: sensor(&[
                ("bufferpool-wait-ratio", Stat::time_ratio),
                ("bufferpool-wait-time-ns-total", Stat::sum),
            ]),
            exhausted: sensor(&[("buffer-exhausted-rate", Stat::rate), ("buffer-exhausted-total", Stat::sum)]),
            flush: sensor(&[("flush-time-ns-total", Stat::sum)]),
            metadata_wait: sensor(&[("metadata-wait-time-ns-total", Stat::sum)]),
        }
    }

    /// A request goes out, with these batches.
    pub fn sent<'a>(&self, metrics: &mut Metrics, batches: impl Iterator<Item = SentBatch<'a>>, now_ms: i64) {
        let mut records = 0;
        for batch in batches {
            let topic = OfTopic::of(metrics, batch.topic);
            for (sensor, value) in [
                (topic.records, batch.records as f64),
                (topic.bytes, batch.bytes as f64),
                (topic.compression, batch.compression),
                (self.batch_size, batch.bytes as f64),
                (self.queue_time, batch.queued_ms),
                (self.compression, batch.compression),
                (self.record_size, batch.record_bytes_max as f64),
            ] {
                metrics.record(sensor, value, now_ms);
            }
            records += batch.records;
        }
        metrics.record(self.sent, records as f64, now_ms);
    }

    /// A request was answered, after so many milliseconds.
    pub fn answered(&self, metrics: &mut Metrics, millis: f64, throttle_ms: i32, now_ms: i64) {
        metrics.record(self.latency, millis, now_ms);
        metrics.record(self.throttle, f64::from(throttle_ms), now_ms);
    }

    pub fn retried(&self, metrics: &mut Metrics, topic: &str, records: usize, now_ms: i64) {
        let topic = OfTopic::of(metrics, topic);
        metrics.record(self.retried, records as f64, now_ms);
        metrics.record(topic.retried, records as f64, now_ms);
    }

    pub fn failed(&self, metrics: &mut Metrics, topic: &str, records: usize, now_ms: i64) {
        let topic = OfTopic::of(metrics, topic);
        metrics.record(self.failed, records as f64, now_ms);
        metrics.record(topic.failed, records as f64, now_ms);
    }

    /// A batch was larger than the broker takes, and is sent as several.
    pub fn split(&self, metrics: &mut Metrics, now_ms: i64) {
        metrics.record(self.split, 1.0, now_ms);
    }

    /// A caller has waited for room in the buffer, and got it or not.
    pub fn waited_for_room(&self, metrics: &mut Metrics, nanos: f64, is_exhausted: bool, now_ms: i64) {
        metrics.record(self.room_wait, nanos, now_ms);
        if is_exhausted {
            metrics.record(self.exhausted, 1.0, now_ms);
        }
    }

    pub fn waited_for_metadata(&self, metrics: &mut Metrics, nanos: f64, now_ms: i64) {
        metrics.record(self.metadata_wait, nanos, now_ms);
    }

    pub fn flushed(&self, metrics: &mut Metrics, nanos: f64, now_ms: i64) {
        metrics.record(self.flush, nanos, now_ms);
    }

    pub fn stand(metrics: &mut Metrics, standing: &Standing) {
        for (name, value) in [
            ("buffer-total-bytes", standing.buffer_bytes as f64),
            ("buffer-available-bytes", standing.buffer_bytes_free as f64),
            ("waiting-threads", standing.callers_waiting as f64),
            ("requests-in-flight", standing.requests_in_flight as f64),
            ("metadata-age", standing.metadata_age_seconds.unwrap_or(f64::NAN)),
        ] {
            let name = metrics.name(GROUP, name, &[]);
            metrics.gauge(name, value);
        }
    }
}

/// The sensors of a topic.
struct OfTopic {
    records: Sensor,
    bytes: Sensor,
    compression: Sensor,
    retried: Sensor,
    failed: Sensor,
}

impl OfTopic {
    fn of(metrics: &mut Metrics, topic: &str) -> Self {
        let mut sensor = |what: &str, stats: &[_]| {
            metrics.keyed(&format!("topic.{topic}.{what}"), OF_TOPICS, &[("topic", topic)], stats)
        };
        Self {
            records: sensor("records", &[("record-send-rate", Stat::rate), ("record-send-total", Stat::sum)]),
            bytes: sensor("bytes", &[("byte-rate", Stat::rate), ("byte-total", Stat::sum)]),
            compression: sensor("compression", &[("compression-rate", Stat::avg)]),
            retried: sensor("retried", &[("record-retry-rate", Stat::rate), ("record-retry-total", Stat::sum)]),
            failed: sensor("failed", &[("record-error-rate", Stat::rate), ("record-error-total", Stat::sum)]),
        }
    }
}

//! What goes over a client's connections: in all, and for each node.

use super::stats::Stat;
use super::{Metrics, Sensor};

/// The sensors of all connections.
#[derive(Debug, Clone, Copy)]
pub struct NetworkMetrics {
    created: Sensor,
    closed: Sensor,
    authenticated: Sensor,
    refused: Sensor,
    io: Sensor,
    sent: Sensor,
    requests: Sensor,
    received: Sensor,
    responses: Sensor,
}

/// The sensors of the connections to one node.
#[derive(Debug, Clone, Copy)]
pub struct NodeMetrics {
    sent: Sensor,
    requests: Sensor,
    received: Sensor,
    responses: Sensor,
    latency: Sensor,
}

const GROUP: &str = "metrics";
const OF_NODES: &str = "node-metrics";

impl NetworkMetrics {
    #[must_use]
    pub fn new(metrics: &mut Metrics) -> Self {
        let mut sensor = |stats: &[_]| metrics.sensor(GROUP, &[], stats);
        Self {
            created: sensor(&[("connection-creation-rate", Stat::rate), ("connection-creation-total", Stat::sum)]),
            closed: sensor(&[("connection-close-rate", Stat::rate), ("connection-close-total", Stat::sum)]),
            // Where there is TLS; this client never does it anew.
            authenticated: sensor(&[
                ("successful-authentication-rate", Stat::rate),
                ("successful-authentication-total", Stat::sum),
                ("successful-authentication-no-reauth-total", Stat::sum),
            ]),
            refused: sensor(&[("failed-authentication-rate", Stat::rate), ("failed-authentication-total", Stat::sum)]),
            io: sensor(&[("network-io-rate", Stat::count_rate), ("network-io-total", Stat::count)]),
            sent: sensor(&[("outgoing-byte-rate", Stat::rate), ("outgoing-byte-total", Stat::sum)]),
            requests: sensor(&[
                ("request-rate", Stat::count_rate),
                ("request-total", Stat::count),
                ("request-size-avg", Stat::avg),
                ("request-size-max", Stat::max),
            ]),
            received: sensor(&[("incoming-byte-rate", Stat::rate), ("incoming-byte-total", Stat::sum)]),
            responses: sensor(&[("response-rate", Stat::count_rate), ("response-total", Stat::count)]),
        }
    }

    /// The sensors of a node, the same for each connection to it. Addresses to begin with are the nodes below 0; a
    /// coordinator's connection counts down from the largest number.
    #[must_use]
    pub fn node(metrics: &mut Metrics, id: i32) -> NodeMetrics {
        let node = format!("node-{id}");
        let mut sensor =
            |what: &str, stats: &[_]| metrics.keyed(&format!("{node}.{what}"), OF_NODES, &[("node-id", &node)], stats);
        NodeMetrics {
            requests: sensor(
                "requests",
                &[
                    ("request-rate", Stat::count_rate),
                    ("request-total", Stat::count),
                    ("request-size-avg", Stat::avg),
                    ("request-size-max", Stat::max),
                ],
            ),
            sent: sensor("sent", &[("outgoing-byte-rate", Stat::rate), ("outgoing-byte-total", Stat::sum)]),
            responses: sensor("responses", &[("response-rate", Stat::count_rate), ("response-total", Stat::count)]),
            received: sensor("received", &[("incoming-byte-rate", Stat::rate), ("incoming-byte-total", Stat::sum)]),
            latency: sensor("latency", &[("request-latency-avg", Stat::avg), ("request-latency-max", Stat::max)]),
        }
    }

    pub fn connected(&self, metrics: &mut Metrics, now_ms: i64) {
        metrics.record(self.created, 1.0, now_ms);
    }

    pub fn closed(&self, metrics: &mut Metrics, now_ms: i64) {
        metrics.record(self.closed, 1.0, now_ms);
    }

    /// TLS stands, or was refused.
    pub fn authenticated(&self, metrics: &mut Metrics, is_done: bool, now_ms: i64) {
        metrics.record(if is_done { self.authenticated } else { self.refused }, 1.0, now_ms);
    }

    /// A whole request went out in one write; sizes count all bytes.
    pub fn sent(&self, metrics: &mut Metrics, node: &NodeMetrics, bytes: usize, now_ms: i64) {
        for sensor in [self.io, self.sent, self.requests, node.sent, node.requests] {
            metrics.record(sensor, bytes as f64, now_ms);
        }
    }

    /// One read gave so many bytes.
    pub fn received(&self, metrics: &mut Metrics, node: &NodeMetrics, bytes: usize, now_ms: i64) {
        for sensor in [self.io, self.received, node.received] {
            metrics.record(sensor, bytes as f64, now_ms);
        }
    }

    /// An answer is there whole.
    pub fn answered(&self, metrics: &mut Metrics, node: &NodeMetrics, now_ms: i64) {
        for sensor in [self.responses, node.responses] {
            metrics.record(sensor, 1.0, now_ms);
        }
    }

    /// What is so now.
    pub fn stand(metrics: &mut Metrics, connections: usize) {
        let name = metrics.name(GROUP, "connection-count", &[]);
        metrics.gauge(name, connections as f64);
    }
}

impl NodeMetrics {
    /// A produce or a fetch was answered after so many milliseconds: as with Kafka's, others are not counted here.
    pub fn took(&self, metrics: &mut Metrics, millis: f64, now_ms: i64) {
        metrics.record(self.latency, millis, now_ms);
    }
}

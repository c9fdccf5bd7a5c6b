//! A client's metrics with the clock that they are read by, shared by all that feeds them.

use crate::config::ClientConfig;
use crate::session::metrics::network::{NetworkMetrics, NodeMetrics};
use crate::session::metrics::{Metric, Metrics};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The lock is held for a few additions, and nothing waits under it.
pub(crate) struct Meter {
    begun: Instant,
    pub(crate) network: NetworkMetrics,
    metrics: Mutex<Metrics>,
}

/// What a connection feeds.
#[derive(Clone)]
pub(crate) struct NodeMeter {
    meter: Arc<Meter>,
    node: NodeMetrics,
}

impl Meter {
    pub(crate) fn new(config: &ClientConfig, prefix: &'static str) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let mut metrics = Metrics::new(prefix, &config.client_id, config.metrics, started_ms);
        let network = NetworkMetrics::new(&mut metrics);
        Self { begun: Instant::now(), network, metrics: Mutex::new(metrics) }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    pub(crate) fn with<R>(&self, feed: impl FnOnce(&mut Metrics, i64) -> R) -> R {
        let now_ms = self.now_ms();
        feed(&mut self.metrics.lock().unwrap_or_else(PoisonError::into_inner), now_ms)
    }

    pub(crate) fn read(&self) -> Vec<Metric> {
        self.with(Metrics::read)
    }

    /// For the connections to a node.
    pub(crate) fn node(self: &Arc<Self>, id: i32) -> NodeMeter {
        let node = self.with(|metrics, _| NetworkMetrics::node(metrics, id));
        NodeMeter { meter: Arc::clone(self), node }
    }
}

impl NodeMeter {
    pub(crate) fn connected(&self) {
        self.meter.with(|metrics, now| self.meter.network.connected(metrics, now));
    }

    pub(crate) fn closed(&self) {
        self.meter.with(|metrics, now| self.meter.network.closed(metrics, now));
    }

    /// TLS stands; or it was refused, which ends the connection.
    pub(crate) fn authenticated(&self, is_done: bool) {
        self.meter.with(|metrics, now| self.meter.network.authenticated(metrics, is_done, now));
        if !is_done {
            self.closed();
        }
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.meter.with(|metrics, now| self.meter.network.sent(metrics, &self.node, bytes, now));
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.meter.with(|metrics, now| self.meter.network.received(metrics, &self.node, bytes, now));
    }

    pub(crate) fn answered(&self) {
        self.meter.with(|metrics, now| self.meter.network.answered(metrics, &self.node, now));
    }

    /// How long a produce or a fetch took.
    pub(crate) fn took(&self, millis: f64) {
        self.meter.with(|metrics, now| self.node.took(metrics, millis, now));
    }
}

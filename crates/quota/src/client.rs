//! What clients take of one thing: bytes that they send, bytes that they are sent, or time that their requests take.

use crate::limits::{Counted, Limits};
use crate::meters::Meters;
use crate::rate::{Rate, Window};
use ottla_machine::Instant;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct ClientQuota {
    limits: Limits,
    window: Window,
    /// The longest wait that is told. Bytes have none; time has the length of a window.
    wait_max: Duration,
    meters: Meters<Rate>,
}

impl ClientQuota {
    #[must_use]
    pub fn new(window: Window, wait_max: Duration) -> Self {
        Self { limits: Limits::default(), window, wait_max, meters: Meters::default() }
    }

    /// New limits count at once, with what was counted before.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Counts what a client took; how long it is to wait.
    pub fn record(&mut self, user: &str, client: Option<&str>, value: f64, now: Instant) -> Duration {
        let Some(Counted { user, client, max }) = self.limits.of(user, client) else { return Duration::ZERO };
        let rate = self.meters.of(user, client, now, Rate::default);
        rate.record(value, self.window, now);
        rate.excess(max, self.window, now).min(self.wait_max)
    }

    /// Takes back what was counted: the client did not get it.
    pub fn unrecord(&mut self, user: &str, client: Option<&str>, value: f64, now: Instant) {
        if let Some(Counted { user, client, .. }) = self.limits.of(user, client) {
            self.meters.of(user, client, now, Rate::default).record(-value, self.window, now);
        }
    }

    /// The most that a client which took nothing lately may take at once without waiting; None without a limit.
    #[must_use]
    pub fn burst(&self, user: &str, client: Option<&str>) -> Option<f64> {
        let counted = self.limits.of(user, client)?;
        let windows = self.window.count.saturating_sub(1) as f64;
        Some(counted.max * windows * self.window.length.as_secs_f64())
    }

    /// Forgets clients that were quiet for an hour.
    pub fn expire(&mut self, now: Instant) {
        self.meters.expire(now);
    }

    /// How many clients are counted.
    #[must_use]
    pub fn counted(&self) -> usize {
        self.meters.len()
    }
}

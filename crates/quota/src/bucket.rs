//! Tokens that fill up at a rate (KIP-599): as many as all windows would bring may be taken at once, and who takes more
//! than there are owes them.

use crate::rate::{Window, millis};
use ottla_machine::Instant;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TokenBucket {
    tokens: f64,
    updated: Instant,
}

impl TokenBucket {
    /// A full one.
    pub(crate) fn new(rate: f64, window: Window, now: Instant) -> Self {
        Self { tokens: rate * window.all().as_secs_f64(), updated: now }
    }

    /// How long until nothing is owed.
    pub(crate) fn debt(&mut self, rate: f64, window: Window, now: Instant) -> Duration {
        let seconds = now.saturating_since(self.updated).as_secs_f64();
        let full = rate * window.all().as_secs_f64();
        self.tokens = full.min(self.tokens + rate * seconds);
        self.updated = now;
        if self.tokens < 0.0 { millis(-self.tokens / rate * 1000.0) } else { Duration::ZERO }
    }

    /// Takes tokens, those that are not there as well. [`Self::debt`] has filled it up before.
    pub(crate) fn take(&mut self, tokens: f64) {
        self.tokens -= tokens;
    }
}

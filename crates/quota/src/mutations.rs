//! How many partitions clients make and remove (KIP-599). Newer clients are refused what goes beyond their quota; older
//! ones, which do not know that answer, get it and wait.

use crate::bucket::TokenBucket;
use crate::limits::{Counted, Limits};
use crate::meters::Meters;
use crate::rate::Window;
use ottla_machine::Instant;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct MutationQuota {
    limits: Limits,
    window: Window,
    meters: Meters<TokenBucket>,
}

impl MutationQuota {
    #[must_use]
    pub fn new(window: Window) -> Self {
        Self { limits: Limits::default(), window, meters: Meters::default() }
    }

    /// New limits count at once, with what is owed from before.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes what is asked for, unless something is owed: then nothing is taken, and this is how long to wait.
    pub fn take(&mut self, user: &str, client: Option<&str>, partitions: f64, now: Instant) -> Result<(), Duration> {
        let Some(Counted { user, client, max }) = self.limits.of(user, client) else { return Ok(()) };
        let bucket = self.meters.of(user, client, now, || TokenBucket::new(max, self.window, now));
        match bucket.debt(max, self.window, now) {
            Duration::ZERO => {
                bucket.take(partitions);
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// Takes what is asked for in any case; how long to wait afterwards.
    pub fn take_anyway(&mut self, user: &str, client: Option<&str>, partitions: f64, now: Instant) -> Duration {
        let Some(Counted { user, client, max }) = self.limits.of(user, client) else { return Duration::ZERO };
        let bucket = self.meters.of(user, client, now, || TokenBucket::new(max, self.window, now));
        bucket.debt(max, self.window, now);
        bucket.take(partitions);
        bucket.debt(max, self.window, now)
    }

    /// Forgets clients that were quiet for an hour.
    pub fn expire(&mut self, now: Instant) {
        self.meters.expire(now);
    }
}

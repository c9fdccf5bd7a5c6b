//! Two kinds of time, both told from outside: `Instant` only ever grows and measures waits; `Timestamp` is the calendar's
//! and may jump. No machine reads a clock.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Nanoseconds since some fixed moment of this process; never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

/// Milliseconds since 1970-01-01 UTC, as Kafka's records carry them; −1 is "none".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// What stands where there is no time.
    pub const NONE: Timestamp = Timestamp(-1);
}

impl Instant {
    pub const fn from_millis(millis: u64) -> Instant {
        Instant(millis.saturating_mul(1_000_000))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub const fn saturating_since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates after 584 years.
    fn add(self, wait: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.saturating_since(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_lies_ahead_is_no_wait() {
        let now = Instant::from_millis(5);
        assert_eq!(now - Instant::from_millis(2), Duration::from_millis(3));
        assert_eq!(Instant::from_millis(2) - now, Duration::ZERO);
        assert_eq!(now + Duration::from_millis(1), Instant::from_millis(6));
        assert_eq!(now + Duration::MAX, Instant(u64::MAX));
    }
}

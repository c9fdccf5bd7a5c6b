//! How fast cleaners may read and write, all together (`log.cleaner.io.max.bytes.per.second`).

use ottla_machine::Instant;
use std::time::Duration;

/// Told of bytes when they were moved, it says how long to rest, so that the rate holds on average.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    /// When what was moved so far is paid for.
    paid_at: Instant,
}

impl Throttle {
    pub fn moved(&mut self, bytes: u64, bytes_per_second: f64, now: Instant) -> Duration {
        // Kafka's default is the largest number there is; and nobody rests for ever.
        let cost = Duration::try_from_secs_f64(bytes as f64 / bytes_per_second.max(1.0)).unwrap_or(Duration::ZERO);
        self.paid_at = self.paid_at.max(now) + cost;
        self.paid_at - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_holds_on_average() {
        let mut throttle = Throttle::default();
        let mut now = Instant::from_millis(1000);
        assert_eq!(throttle.moved(500, 1000.0, now), Duration::from_millis(500));
        // Another thread, at the same time.
        assert_eq!(throttle.moved(250, 1000.0, now), Duration::from_millis(750));
        now = now + Duration::from_millis(700);
        assert_eq!(throttle.moved(100, 1000.0, now), Duration::from_millis(150));
        now = now + Duration::from_secs(9);
        assert_eq!(throttle.moved(100, 1000.0, now), Duration::from_millis(100), "rest is not saved up");
        assert_eq!(Throttle::default().moved(u64::MAX, f64::MAX, now), Duration::ZERO);
    }
}

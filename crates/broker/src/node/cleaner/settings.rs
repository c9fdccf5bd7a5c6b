//! `log.cleaner.*`, as they hold now: the topics' part is in their own settings.

use ottla_log::CleanerLimits;
use ottla_metadata::config_defs::BrokerLayers;
use std::time::Duration;

pub(crate) struct CleanerSettings {
    pub threads: usize,
    /// Of one thread.
    pub limits: CleanerLimits,
    pub io_bytes_per_second: f64,
    pub backoff: Duration,
}

fn threads(layers: &BrokerLayers<'_>) -> i32 {
    layers.value("log.cleaner.threads").as_i32().unwrap_or(1)
}

impl CleanerSettings {
    pub fn read(layers: &BrokerLayers<'_>) -> Self {
        let threads = u64::try_from(threads(layers)).unwrap_or(0);
        let long = |key: &str| u64::try_from(layers.value(key).as_i64().unwrap_or(0)).unwrap_or(0);
        let double = |key: &str| layers.value(key).as_f64().unwrap_or(f64::MAX);
        let io_bytes = layers.value("log.cleaner.io.buffer.size").as_i32().unwrap_or(0);
        let share = threads.max(1);
        Self {
            threads: usize::try_from(threads).unwrap_or(0),
            limits: CleanerLimits {
                // As Kafka, whose buffers are no larger.
                dedupe_bytes: (long("log.cleaner.dedupe.buffer.size") / share).min(i32::MAX as u64),
                load_factor: double("log.cleaner.io.buffer.load.factor"),
                io_bytes: usize::try_from(io_bytes).unwrap_or(0) / usize::try_from(share).unwrap_or(1) / 2,
            },
            io_bytes_per_second: double("log.cleaner.io.max.bytes.per.second"),
            backoff: Duration::from_millis(long("log.cleaner.backoff.ms")),
        }
    }
}

/// Whether a running broker takes the change: the number of threads at the most doubles, or halves.
pub(crate) fn check_change(now: &BrokerLayers<'_>, then: &BrokerLayers<'_>) -> Result<(), String> {
    let (current, wanted) = (threads(now), threads(then));
    if wanted == current {
        return Ok(());
    }
    if wanted < 1 {
        return Err("Log cleaner threads should be at least 1".to_owned());
    }
    if wanted < current / 2 {
        return Err(format!("Log cleaner threads cannot be reduced to less than half the current value {current}"));
    }
    if wanted > current.saturating_mul(2) {
        return Err(format!("Log cleaner threads cannot be increased to more than double the current value {current}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_metadata::image::Configs;

    #[test]
    fn threads_share_the_memory() {
        let file = Configs::from([("log.cleaner.threads".to_owned(), "4".to_owned())]);
        let settings = CleanerSettings::read(&BrokerLayers::of_file(&file));
        assert_eq!(settings.threads, 4);
        let limits = CleanerLimits { dedupe_bytes: 32 << 20, load_factor: 0.9, io_bytes: 64 << 10 };
        assert_eq!(settings.limits, limits);
        assert_eq!((settings.backoff, settings.io_bytes_per_second), (Duration::from_secs(15), f64::MAX));
    }

    #[test]
    fn threads_at_the_most_double_or_halve() {
        let of = |count: &str| Configs::from([("log.cleaner.threads".to_owned(), count.to_owned())]);
        let check =
            |now: &str, then: &str| check_change(&BrokerLayers::of_file(&of(now)), &BrokerLayers::of_file(&of(then)));
        for (now, then) in [("4", "2"), ("4", "8"), ("1", "2"), ("5", "2"), ("0", "0")] {
            check(now, then).unwrap();
        }
        assert!(check("4", "1").unwrap_err().contains("less than half the current value 4"));
        assert!(check("4", "9").unwrap_err().contains("more than double the current value 4"));
        assert!(check("1", "0").unwrap_err().contains("at least 1"));
    }
}

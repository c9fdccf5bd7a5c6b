//! What is set for a broker while it runs, as far as only the program knows whether it can.

use super::effects::{Effect, effect};
use ottla_metadata::config_defs::{BrokerLayers, listener_base_name};

/// The numbers of threads that change while a node runs, in steps that Kafka bounds.
const THREAD_COUNTS: [&str; 5] = [
    "num.io.threads",
    "num.network.threads",
    "num.replica.fetchers",
    "num.recovery.threads.per.data.dir",
    "background.threads",
];

/// Whether numbers of threads may go from what holds `now` to what would hold.
pub(crate) fn check_thread_counts(now: BrokerLayers<'_>, then: BrokerLayers<'_>) -> Result<(), String> {
    for key in THREAD_COUNTS {
        let count = |layers: BrokerLayers<'_>| layers.value(key).as_i32().unwrap_or(1);
        let (old, new) = (count(now), count(then));
        let refuse = |why: String| {
            Err(format!("Dynamic thread count update validation failed for {key}={new}, value should {why}"))
        };
        if new < old / 2 {
            return refuse(format!("be at least half the current value {old}"));
        }
        if new > old.saturating_mul(2) {
            return refuse(format!("not be greater than double the current value {old}"));
        }
    }
    Ok(())
}

/// Why nothing comes of a key that is set while the node runs; `None` where something does.
pub fn without_effect(key: &str) -> Option<&'static str> {
    let key = listener_base_name(key).unwrap_or(key);
    match effect(key)? {
        Effect::None(why) => Some(why),
        Effect::ActedOn | Effect::Refused(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_metadata::config_defs::{Configs, broker};

    #[test]
    fn threads_are_halved_or_doubled_at_the_most() {
        let set = |count: &str| Configs::from([("num.io.threads".to_owned(), count.to_owned())]);
        let (now, none) = (set("4"), Configs::new());
        let check = |count: &str| {
            let layers = |dynamic| BrokerLayers { dynamic, dynamic_default: &none, file: &now };
            check_thread_counts(layers(&none), layers(&set(count)))
        };
        for good in ["2", "3", "4", "8"] {
            check(good).unwrap();
        }
        assert_eq!(
            check("1").unwrap_err(),
            "Dynamic thread count update validation failed for num.io.threads=1, value should be at least half the current value 4"
        );
        assert!(check("9").unwrap_err().ends_with("value should not be greater than double the current value 4"));
        assert!(THREAD_COUNTS.iter().all(|key| broker().get(key).is_some()));
    }

    #[test]
    fn what_has_no_effect_says_why() {
        assert_eq!(without_effect("num.io.threads"), None);
        assert_eq!(without_effect("remote.log.reader.threads"), Some("tiered storage is not there yet"));
        assert_eq!(without_effect("log.cleaner.threads"), None);
        assert_eq!(without_effect("log.retention.ms"), None);
        assert_eq!(without_effect("listener.name.a.ssl.keystore.location"), None);
        assert_eq!(without_effect("my.own"), None);
    }
}

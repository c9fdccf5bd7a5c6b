//! What is set for a broker while it runs, as far as only the program knows whether it can.

use super::effects::{Effect, effect};
use ottla_metadata::config_defs::{Configs, listener_base_name};

/// Keys that Kafka changes while it runs, and that are read from the file at a start here. They say who is let in by which
/// door, so they are refused rather than kept without effect.
const DOORS: [&str; 2] = ["listener.security.protocol.map", "listeners"];

/// Keys that Kafka changes while it runs, and that are read from the file at a start here.
const AT_A_START: [&str; 2] = ["num.io.threads", "num.recovery.threads.per.data.dir"];

/// Whether `configs` may be all that is set for this broker, or for all.
pub fn check_dynamic(configs: &Configs) -> Result<(), String> {
    match DOORS.into_iter().find(|key| configs.contains_key(*key)) {
        Some(key) => Err(format!("{key} cannot be changed while the node runs: set it in its file, and start it anew")),
        None => Ok(()),
    }
}

/// Why nothing comes of a key that is set while the node runs; `None` where something does.
pub fn without_effect(key: &str) -> Option<&'static str> {
    let key = listener_base_name(key).unwrap_or(key);
    match effect(key)? {
        Effect::None(why) => Some(why),
        Effect::ActedOn | Effect::Refused(_) if AT_A_START.contains(&key) => {
            Some("it is read from the file at a start")
        }
        Effect::ActedOn | Effect::Refused(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_metadata::config_defs::broker;

    #[test]
    fn doors_are_not_changed_while_the_node_runs() {
        let set = |key: &str| Configs::from([(key.to_owned(), "a".to_owned())]);
        assert!(check_dynamic(&set("listeners")).unwrap_err().contains("set it in its file"));
        check_dynamic(&set("log.retention.ms")).unwrap();
        assert!(DOORS.iter().chain(&AT_A_START).all(|key| broker().get(key).is_some()));
    }

    #[test]
    fn what_has_no_effect_says_why() {
        assert_eq!(without_effect("num.io.threads"), Some("it is read from the file at a start"));
        assert_eq!(without_effect("remote.log.reader.threads"), Some("tiered storage is not there yet"));
        assert_eq!(without_effect("log.cleaner.threads"), None);
        assert_eq!(without_effect("log.retention.ms"), None);
        assert_eq!(without_effect("listener.name.a.ssl.keystore.location"), None);
        assert_eq!(without_effect("my.own"), None);
    }
}

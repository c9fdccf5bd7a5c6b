//! What DescribeConfigs tells of a key when it is asked for documentation (KIP-569): what may stand there, what holds
//! when nothing does, and how it changes. What a key is for stands in Kafka's documentation, which is not repeated here.

use super::{ConfigDef, Default, UpdateMode, Valid};
use std::fmt::Write;

impl ConfigDef {
    #[must_use]
    pub fn document(&self) -> String {
        let mut text = self.config_type.to_string();
        // A `String` takes whatever is written to it.
        let _ = match &self.valid {
            Valid::Anything => Ok(()),
            Valid::Range { min, max, or_minus_one } => {
                let or = if *or_minus_one { "-1, or " } else { "" };
                match max {
                    Some(max) => write!(text, ", {or}from {min} to {max}"),
                    None => write!(text, ", {or}at least {min}"),
                }
            }
            Valid::OneOf(words) => write!(text, ", of {}", words.join(", ")),
            Valid::AnyCaseOf(words) => write!(text, ", of {} in any case", words.join(", ")),
            Valid::NonEmpty => write!(text, ", not empty"),
            Valid::ThrottledReplicas => write!(text, ", * or entries of partition:broker"),
            Valid::ShareOffsetReset => write!(text, ", of latest, earliest or by_duration: with an ISO 8601 duration"),
        };
        let _ = match self.default {
            Default::Required => write!(text, ". Must be given."),
            Default::Null => write!(text, ". Unset by default."),
            Default::Value("") => write!(text, ". Empty by default."),
            Default::Value(value) => write!(text, ". Default: {value}."),
        };
        for (n, synonym) in self.synonyms.iter().enumerate() {
            let _ = match n {
                0 => write!(text, " Where it is not set, a broker's {}", synonym.name),
                _ => write!(text, ", then {}", synonym.name),
            };
        }
        if !self.synonyms.is_empty() {
            text.push_str(" holds.");
        }
        text
    }

    /// As [`Self::document`], with where a broker's key may change.
    #[must_use]
    pub fn document_of_broker(&self) -> String {
        let update = match self.update {
            UpdateMode::ReadOnly => "Changes with a restart.",
            UpdateMode::PerBroker => "Changes while the broker runs, for each broker.",
            UpdateMode::ClusterWide => "Changes while brokers run, for one or for all.",
        };
        format!("{} {update}", self.document())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{broker, client_metrics, group, topic};

    #[test]
    fn a_key_says_what_may_stand_there_and_what_holds() {
        let of = |name: &str| broker().get(name).unwrap().document_of_broker();
        assert_eq!(
            of("background.threads"),
            "INT, at least 1. Default: 10. Changes while brokers run, for one or for all."
        );
        assert_eq!(
            of("log.cleanup.policy"),
            "LIST, of compact, delete. Default: delete. Changes while brokers run, for one or for all."
        );
        assert_eq!(of("process.roles"), "LIST, of broker, controller. Must be given. Changes with a restart.");
        assert_eq!(
            topic().get("retention.ms").unwrap().document(),
            "LONG, at least -1. Default: 604800000. Where it is not set, a broker's log.retention.ms, then \
             log.retention.minutes, then log.retention.hours holds."
        );
    }

    #[test]
    fn every_key_is_documented() {
        for def in [broker(), topic(), group(), client_metrics()].into_iter().flat_map(|defs| defs.iter()) {
            assert!(def.document().ends_with('.'), "{}", def.name);
        }
    }
}

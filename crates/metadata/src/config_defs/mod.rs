//! Every configuration key of Kafka 4.4 with its type, default, range and way of updating, and the checks on values.
//!
//! The keys stand in the `.defs` files beside this one, what they are for in the `.docs` files. This is shared by the
//! controller (which validates what is altered), the broker (which describes it) and the server (which reads files). What a
//! key *does* is not here.

mod groups;
mod parse;
mod resolve;
mod subscriptions;
mod topic;
mod update;
mod valid;
mod value;

pub use groups::{check_group_limits, validate_group};
pub use resolve::{BrokerLayers, ConfigEntry, ConfigSource, Configs, Synonyms};
pub use subscriptions::{SubscriptionError, validate_client_metrics};
pub use topic::{
    CleanerLimits, CleanupPolicy, CompressionSettings, MessageLimits, ReplicationSettings, RetentionLimits,
    SegmentLimits, TimestampType, TopicConfig, validate_topic,
};
pub use update::{BrokerScope, listener_base_name, validate_broker_update};
pub use valid::Valid;
pub use value::{ConfigType, ConfigValue};

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A value or a key that cannot be. The text is Kafka's; APIs answer INVALID_CONFIG.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

impl ConfigError {
    pub(crate) fn value(name: &str, value: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Self(format!("Invalid value {value} for configuration {name}: {why}"))
    }
}

/// All keys of one kind of resource.
#[derive(Debug)]
pub struct ConfigDefs {
    keys: BTreeMap<&'static str, ConfigDef>,
}

/// One key.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigDef {
    pub name: &'static str,
    pub config_type: ConfigType,
    pub default: Default,
    pub valid: Valid,
    pub importance: Importance,
    pub update: UpdateMode,
    /// For topics and groups: the broker keys whose values hold where the resource has none, the first that is set.
    pub synonyms: Vec<Synonym>,
    /// Not documented, and described only when set.
    pub internal: bool,
    pub deprecated: bool,
    /// A list that must have an entry.
    pub non_empty: bool,
    /// Cannot stand in a file.
    pub dynamic_only: bool,
    /// What the key is for, in our own words.
    pub documentation: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// Must be given.
    Required,
    /// Unset.
    Null,
    Value(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// Where a broker key may change while the broker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateMode {
    /// In the file, at a restart.
    ReadOnly,
    /// For one broker.
    PerBroker,
    /// For all brokers or for one.
    ClusterWide,
}

/// A broker key that stands in for a topic's or group's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synonym {
    pub name: &'static str,
    pub unit: Unit,
}

/// In what the synonym counts; the key itself counts milliseconds then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Same,
    Minutes,
    Hours,
}

/// Keys of a broker or controller.
pub fn broker() -> &'static ConfigDefs {
    static DEFS: LazyLock<ConfigDefs> =
        LazyLock::new(|| parse::parse(include_str!("broker.defs"), include_str!("broker.docs")));
    &DEFS
}

/// Keys of ours. Kafka's tools take them as they take keys of a plugin: by name, with a value that is not shown.
pub fn own() -> &'static ConfigDefs {
    static DEFS: LazyLock<ConfigDefs> =
        LazyLock::new(|| parse::parse(include_str!("own.defs"), include_str!("own.docs")));
    &DEFS
}

/// The value of a key of ours, which stands in a node's file or nowhere. `Null` for one that there is not.
pub fn own_value(file: &Configs, name: &str) -> ConfigValue {
    let Some(def) = own().get(name) else { return ConfigValue::Null };
    let set = file.get(name).and_then(|text| def.parse(text).ok());
    set.or_else(|| def.default_value().ok()).unwrap_or(ConfigValue::Null)
}

/// Keys of a topic.
pub fn topic() -> &'static ConfigDefs {
    static DEFS: LazyLock<ConfigDefs> =
        LazyLock::new(|| parse::parse(include_str!("topic.defs"), include_str!("topic.docs")));
    &DEFS
}

/// Keys of a group.
pub fn group() -> &'static ConfigDefs {
    static DEFS: LazyLock<ConfigDefs> =
        LazyLock::new(|| parse::parse(include_str!("group.defs"), include_str!("group.docs")));
    &DEFS
}

/// Keys of a client metrics subscription (KIP-714).
pub fn client_metrics() -> &'static ConfigDefs {
    static DEFS: LazyLock<ConfigDefs> =
        LazyLock::new(|| parse::parse(include_str!("client_metrics.defs"), include_str!("client_metrics.docs")));
    &DEFS
}

impl ConfigDefs {
    pub fn get(&self, name: &str) -> Option<&ConfigDef> {
        self.keys.get(name)
    }

    /// In the order of names.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigDef> {
        self.keys.values()
    }

    /// The key that was probably meant, if one is near.
    pub fn nearest(&self, name: &str) -> Option<&'static str> {
        nearest(self.keys.keys().copied(), name)
    }
}

/// Of these names the one that was probably meant, if one is near.
pub fn nearest<'a>(names: impl Iterator<Item = &'a str>, given: &str) -> Option<&'a str> {
    let limit = 1 + given.len() / 6;
    let near = names.map(|name| (edit_distance(name, given, limit), name));
    near.filter(|(distance, _)| *distance <= limit).min().map(|(_, name)| name)
}

impl ConfigDef {
    /// Passwords are never shown.
    pub fn is_sensitive(&self) -> bool {
        self.config_type == ConfigType::Password
    }

    /// Reads and checks a value.
    pub fn parse(&self, text: &str) -> Result<ConfigValue, ConfigError> {
        let value = ConfigValue::parse(self.name, self.config_type, text)?;
        self.valid.check(self, &value)?;
        Ok(value)
    }

    /// The value of a key that is not set anywhere.
    pub fn default_value(&self) -> Result<ConfigValue, ConfigError> {
        match self.default {
            Default::Value(text) => ConfigValue::parse(self.name, self.config_type, text),
            Default::Null => Ok(ConfigValue::Null),
            Default::Required => Err(ConfigError(format!(
                "Missing required configuration \"{}\" which has no default value.",
                self.name
            ))),
        }
    }

    pub fn default_text(&self) -> Option<&'static str> {
        match self.default {
            Default::Value(text) => Some(text),
            Default::Null | Default::Required => None,
        }
    }
}

/// Levenshtein's distance; anything beyond `limit` may come out as `limit + 1`.
fn edit_distance(a: &str, b: &str, limit: usize) -> usize {
    if a.len().abs_diff(b.len()) > limit {
        return limit + 1;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_kafka_4_4_are_there() {
        let public = |defs: &ConfigDefs| defs.iter().filter(|d| !d.internal && !d.dynamic_only).count();
        assert_eq!(public(broker()), 350);
        assert_eq!(public(topic()), 37);
        assert_eq!(public(group()), 21);
        assert_eq!(client_metrics().iter().count(), 3);
        assert!(own().iter().all(|def| def.name.starts_with("ottla.") && def.update == UpdateMode::ReadOnly));
        let updates = |mode| broker().iter().filter(|d| d.update == mode && !d.dynamic_only).count();
        assert_eq!((updates(UpdateMode::ClusterWide), updates(UpdateMode::PerBroker)), (70, 37));
    }

    #[test]
    fn every_default_is_valid_and_prints_as_it_stands() {
        for defs in [broker(), own(), topic(), group(), client_metrics()] {
            for def in defs.iter() {
                let Some(text) = def.default_text() else {
                    continue;
                };
                let value = def.default_value().unwrap();
                assert_eq!(value.to_string(), text, "{}", def.name);
                def.parse(text).unwrap();
            }
        }
    }

    #[test]
    fn every_key_says_what_it_is_for() {
        for def in [broker(), own(), topic(), group(), client_metrics()].into_iter().flat_map(ConfigDefs::iter) {
            assert!(def.documentation.ends_with('.'), "{}", def.name);
        }
    }

    #[test]
    fn synonyms_name_broker_keys() {
        for def in topic().iter().chain(group().iter()) {
            for synonym in &def.synonyms {
                assert!(broker().get(synonym.name).is_some(), "{} ← {}", def.name, synonym.name);
            }
        }
    }

    #[test]
    fn a_misspelled_key_has_a_nearest_one() {
        assert_eq!(broker().nearest("num.partition"), Some("num.partitions"));
        assert_eq!(broker().nearest("log.retention.hour"), Some("log.retention.hours"));
        assert_eq!(broker().nearest("advertized.listeners"), Some("advertised.listeners"));
        assert_eq!(broker().nearest("my.own.thing"), None);
    }
}

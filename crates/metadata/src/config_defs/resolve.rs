//! Which value holds, and where it comes from: resource, broker, cluster, file, default, in this order.
//!
//! DescribeConfigs shows exactly this, oddities included: a topic's `retention.ms` that comes from the file's
//! `log.retention.hours` is described with that value, but as a default and without synonyms, as in Kafka.

use super::{
    ConfigDef, ConfigDefs, ConfigType, ConfigValue, Synonym, Unit, UpdateMode, broker, client_metrics, group,
    listener_base_name, topic,
};
use std::collections::{BTreeMap, BTreeSet};

/// What was set for a resource or in a file: text by key.
pub type Configs = BTreeMap<String, String>;

/// Where a value comes from, with its code in DescribeConfigs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    Topic,
    DynamicBroker,
    DynamicDefaultBroker,
    StaticBroker,
    Default,
    ClientMetrics,
    Group,
}

impl ConfigSource {
    pub fn code(self) -> i8 {
        match self {
            Self::Topic => 1,
            Self::DynamicBroker => 2,
            Self::DynamicDefaultBroker => 3,
            Self::StaticBroker => 4,
            Self::Default => 5,
            Self::ClientMetrics => 7,
            Self::Group => 8,
        }
    }
}

/// A line of DescribeConfigs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    pub name: String,
    /// `None` where unset or sensitive.
    pub value: Option<String>,
    pub source: ConfigSource,
    pub sensitive: bool,
    pub read_only: bool,
    /// `None` is the code 0: a key that the node does not know.
    pub config_type: Option<ConfigType>,
    pub synonyms: Synonyms,
}

/// Name, value and source of everything that could hold, the one that does first.
pub type Synonyms = Vec<(String, Option<String>, ConfigSource)>;

/// What is set for one broker, as layers over the defaults. Values that cannot be read are passed over: they were
/// refused when they were set, and an old one must not keep a broker from starting.
#[derive(Debug, Clone, Copy)]
pub struct BrokerLayers<'a> {
    /// Of this broker, in the metadata.
    pub dynamic: &'a Configs,
    /// Of all brokers, in the metadata.
    pub dynamic_default: &'a Configs,
    /// In the broker's own file.
    pub file: &'a Configs,
}

impl<'a> BrokerLayers<'a> {
    /// Over a file alone, with the others empty.
    pub fn of_file(file: &'a Configs) -> Self {
        static NONE: Configs = BTreeMap::new();
        Self { dynamic: &NONE, dynamic_default: &NONE, file }
    }

    fn layers(&self) -> [(&'a Configs, ConfigSource); 3] {
        [
            (self.dynamic, ConfigSource::DynamicBroker),
            (self.dynamic_default, ConfigSource::DynamicDefaultBroker),
            (self.file, ConfigSource::StaticBroker),
        ]
    }

    /// The value of a broker key that holds. `Null` for one that is unset or unknown.
    pub fn value(&self, name: &str) -> ConfigValue {
        let unit = Unit::Same;
        match broker().get(name) {
            Some(def) => self.first_of(&[Synonym { name: def.name, unit }]),
            None => ConfigValue::Null,
        }
    }

    /// The first synonym that is set, the layers in their order.
    pub(super) fn first_of(&self, synonyms: &[Synonym]) -> ConfigValue {
        for (layer, _) in self.layers() {
            for synonym in synonyms {
                let set = layer.get(synonym.name).zip(broker().get(synonym.name));
                if let Some(value) = set.and_then(|(text, def)| def.parse(text).ok()) {
                    return in_millis(value, synonym);
                }
            }
        }
        for synonym in synonyms {
            match broker().get(synonym.name).map(ConfigDef::default_value) {
                None | Some(Err(_) | Ok(ConfigValue::Null)) => {}
                Some(Ok(value)) => return in_millis(value, synonym),
            }
        }
        ConfigValue::Null
    }

    /// The value of a topic key that holds.
    pub fn topic_value(&self, overrides: &Configs, name: &str) -> ConfigValue {
        topic().get(name).map_or(ConfigValue::Null, |def| self.resource_value(def, overrides))
    }

    /// The value of a group key that holds.
    pub fn group_value(&self, overrides: &Configs, name: &str) -> ConfigValue {
        group().get(name).map_or(ConfigValue::Null, |def| self.resource_value(def, overrides))
    }

    fn resource_value(&self, def: &ConfigDef, overrides: &Configs) -> ConfigValue {
        if let Some(value) = overrides.get(def.name).and_then(|text| def.parse(text).ok()) {
            return value;
        }
        if def.synonyms.is_empty() {
            return def.default_value().unwrap_or(ConfigValue::Null);
        }
        match (self.first_of(&def.synonyms), def.config_type) {
            (value, ConfigType::List) => value,
            // A group's assignor is by default the first that the broker has.
            (ConfigValue::List(entries), _) => {
                entries.into_iter().next().map_or(ConfigValue::Null, ConfigValue::String)
            }
            // Any negative retention is none at all.
            (value, _) if def.name == "retention.ms" => {
                ConfigValue::Long(value.as_i64().map_or(-1, |ms| if ms < 0 { -1 } else { ms }))
            }
            (value, _) => value,
        }
    }

    /// Keys of a topic. The order is that of names.
    pub fn describe_topic(&self, overrides: &Configs) -> Vec<ConfigEntry> {
        self.describe_resource(topic(), overrides, ConfigSource::Topic)
    }

    /// Keys of a group.
    pub fn describe_group(&self, overrides: &Configs) -> Vec<ConfigEntry> {
        self.describe_resource(group(), overrides, ConfigSource::Group)
    }

    /// Keys of a client metrics subscription; a broker's own keys have no part in it.
    pub fn describe_client_metrics(&self, overrides: &Configs) -> Vec<ConfigEntry> {
        self.describe_resource(client_metrics(), overrides, ConfigSource::ClientMetrics)
    }

    fn describe_resource(&self, defs: &ConfigDefs, overrides: &Configs, own: ConfigSource) -> Vec<ConfigEntry> {
        let shown = defs.iter().filter(|def| !def.internal || overrides.contains_key(def.name));
        shown
            .map(|def| {
                let value = self.resource_value(def, overrides);
                let mut synonyms = match def.synonyms.first() {
                    Some(synonym) => self.synonyms(synonym.name, def.is_sensitive()),
                    None if own == ConfigSource::Group => def
                        .default_text()
                        .map(|text| (def.name.to_owned(), Some(text.to_owned()), ConfigSource::Default))
                        .into_iter()
                        .collect(),
                    None => Vec::new(),
                };
                if overrides.contains_key(def.name) {
                    synonyms.insert(0, (def.name.to_owned(), value.to_text(), own));
                }
                ConfigEntry {
                    name: def.name.to_owned(),
                    value: value.to_text(),
                    source: source_of(&synonyms),
                    sensitive: def.is_sensitive(),
                    read_only: false,
                    config_type: Some(def.config_type),
                    synonyms,
                }
            })
            .collect()
    }

    /// Keys of this broker.
    pub fn describe_broker(&self) -> Vec<ConfigEntry> {
        let set = self.layers().into_iter().flat_map(|(layer, _)| layer.keys().map(String::as_str));
        let shown = broker().iter().filter(|def| !def.internal && !def.dynamic_only).map(|def| def.name);
        let names: BTreeSet<&str> = set.chain(shown).collect();
        names.into_iter().map(|name| self.describe_broker_key(name, |_| true)).collect()
    }

    /// What is set for all brokers.
    pub fn describe_broker_default(&self) -> Vec<ConfigEntry> {
        self.dynamic_default
            .keys()
            .map(|name| self.describe_broker_key(name, |source| source == ConfigSource::DynamicDefaultBroker))
            .collect()
    }

    fn describe_broker_key(&self, name: &str, shown: impl Fn(ConfigSource) -> bool) -> ConfigEntry {
        let own = broker().get(name);
        let def = own.or_else(|| broker().get(listener_base_name(name)?));
        // Who knows what an unknown key holds.
        let sensitive = def.is_none_or(ConfigDef::is_sensitive);
        let mut synonyms = self.synonyms(name, sensitive);
        synonyms.retain(|(_, _, source)| shown(*source));
        let value = match own {
            _ if sensitive => None,
            Some(_) if shown(ConfigSource::Default) => self.value(name).to_text(),
            _ => synonyms.first().and_then(|(_, value, _)| value.clone()),
        };
        ConfigEntry {
            name: name.to_owned(),
            value,
            source: source_of(&synonyms),
            sensitive,
            read_only: own.is_none_or(|def| def.update == UpdateMode::ReadOnly),
            config_type: def.map(|def| def.config_type),
            synonyms,
        }
    }

    /// Everything that is set under a broker key and under those that stand in for it, from the key itself on.
    fn synonyms(&self, name: &str, sensitive: bool) -> Synonyms {
        let names = broker_synonyms(name);
        let mut found = Synonyms::new();
        for (layer, source) in self.layers() {
            for name in &names {
                if let Some(text) = layer.get(*name) {
                    found.push(((*name).to_owned(), (!sensitive).then(|| text.clone()), source));
                }
            }
        }
        for name in &names {
            // What can only be set while a broker runs has no default that a broker would tell.
            let def = broker().get(name).filter(|def| !def.dynamic_only);
            if let Some(text) = def.and_then(ConfigDef::default_text) {
                let text = (!sensitive).then(|| text.to_owned());
                found.push(((*name).to_owned(), text, ConfigSource::Default));
            }
        }
        found.into_iter().skip_while(|(found, _, _)| found != name).collect()
    }
}

fn source_of(synonyms: &Synonyms) -> ConfigSource {
    synonyms.first().map_or(ConfigSource::Default, |(_, _, source)| *source)
}

fn in_millis(value: ConfigValue, synonym: &Synonym) -> ConfigValue {
    let factor = match synonym.unit {
        Unit::Same => return value,
        Unit::Minutes => 60 * 1000,
        Unit::Hours => 60 * 60 * 1000,
    };
    value.as_i64().map_or(value, |count| ConfigValue::Long(count.saturating_mul(factor)))
}

/// Keys that are one setting in several units, and keys of one listener with the key of all.
fn broker_synonyms(name: &str) -> Vec<&str> {
    const FAMILIES: [&[&str]; 4] = [
        &["log.roll.ms", "log.roll.hours"],
        &["log.roll.jitter.ms", "log.roll.jitter.hours"],
        &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
        &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
    ];
    // The scheduler's interval stands in for the other, never the reverse.
    if let Some(family) =
        FAMILIES.iter().find(|family| family.contains(&name) && name != "log.flush.scheduler.interval.ms")
    {
        return family.to_vec();
    }
    match listener_base_name(name) {
        Some(base) => vec![name, base],
        None => vec![name],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configs(pairs: &[(&str, &str)]) -> Configs {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn entry(entries: &[ConfigEntry], name: &str) -> (Option<String>, ConfigSource, Vec<String>) {
        let entry = entries.iter().find(|e| e.name == name).unwrap();
        let synonyms = entry
            .synonyms
            .iter()
            .map(|(name, value, source)| format!("{name}={} {source:?}", value.as_deref().unwrap_or("-")))
            .collect();
        (entry.value.clone(), entry.source, synonyms)
    }

    #[test]
    fn a_topic_falls_back_to_broker_cluster_file_and_default() {
        let (dynamic, dynamic_default, file) = (
            configs(&[("log.segment.bytes", "3000000")]),
            configs(&[("log.segment.bytes", "2000000")]),
            configs(&[("log.segment.bytes", "1500000")]),
        );
        let layers = BrokerLayers { dynamic: &dynamic, dynamic_default: &dynamic_default, file: &file };
        let described = layers.describe_topic(&configs(&[("segment.bytes", " 4000000 ")]));
        assert_eq!(
            entry(&described, "segment.bytes"),
            (
                Some("4000000".into()),
                ConfigSource::Topic,
                vec![
                    "segment.bytes=4000000 Topic".into(),
                    "log.segment.bytes=3000000 DynamicBroker".into(),
                    "log.segment.bytes=2000000 DynamicDefaultBroker".into(),
                    "log.segment.bytes=1500000 StaticBroker".into(),
                    "log.segment.bytes=1073741824 Default".into(),
                ]
            )
        );
        let described = layers.describe_topic(&Configs::new());
        assert_eq!(entry(&described, "segment.bytes").0.as_deref(), Some("3000000"));
        assert_eq!(entry(&described, "segment.bytes").1, ConfigSource::DynamicBroker);
        assert!(!described.iter().any(|e| e.name == "internal.segment.bytes"));
    }

    #[test]
    fn hours_and_minutes_become_milliseconds() {
        let file = configs(&[("log.retention.hours", "100"), ("log.roll.hours", "2")]);
        let layers = BrokerLayers::of_file(&file);
        let described = layers.describe_topic(&Configs::new());
        assert_eq!(entry(&described, "retention.ms"), (Some("360000000".into()), ConfigSource::Default, vec![]));
        assert_eq!(layers.topic_value(&Configs::new(), "segment.ms"), ConfigValue::Long(7_200_000));
        let file = configs(&[("log.retention.hours", "100"), ("log.retention.minutes", "1")]);
        assert_eq!(
            BrokerLayers::of_file(&file).topic_value(&Configs::new(), "retention.ms"),
            ConfigValue::Long(60_000)
        );
        let file = configs(&[("log.retention.hours", "-7")]);
        assert_eq!(BrokerLayers::of_file(&file).topic_value(&Configs::new(), "retention.ms"), ConfigValue::Long(-1));
    }

    #[test]
    fn a_newer_layer_counts_more_than_a_finer_unit() {
        let (dynamic_default, file) = (configs(&[("log.retention.hours", "1")]), configs(&[("log.retention.ms", "5")]));
        let layers = BrokerLayers { dynamic_default: &dynamic_default, ..BrokerLayers::of_file(&file) };
        assert_eq!(layers.topic_value(&Configs::new(), "retention.ms"), ConfigValue::Long(3_600_000));
    }

    #[test]
    fn defaults_of_topics_are_those_of_kafka() {
        let file = Configs::new();
        let layers = BrokerLayers::of_file(&file);
        for def in topic().iter() {
            let value = layers.topic_value(&Configs::new(), def.name);
            assert_eq!(value.to_text().as_deref(), def.default_text(), "{}", def.name);
        }
    }

    #[test]
    fn broker_keys_show_their_sources_and_hide_their_secrets() {
        let dynamic = configs(&[("listener.name.tls.ssl.keystore.password", "secret"), ("num.io.threads", "4")]);
        let file = configs(&[("ssl.keystore.password", "other"), ("my.plugin.key", "x"), ("num.io.threads", "2")]);
        let layers = BrokerLayers { dynamic: &dynamic, ..BrokerLayers::of_file(&file) };
        let described = layers.describe_broker();
        let find = |name: &str| described.iter().find(|e| e.name == name).unwrap();
        for name in ["listener.name.tls.ssl.keystore.password", "ssl.keystore.password", "my.plugin.key"] {
            assert!(find(name).sensitive && find(name).value.is_none(), "{name}");
            assert!(find(name).synonyms.iter().all(|(_, value, _)| value.is_none()));
        }
        assert_eq!(find("my.plugin.key").config_type, None);
        assert_eq!(entry(&described, "num.io.threads").0.as_deref(), Some("4"));
        assert!(!find("num.io.threads").read_only && find("node.id").read_only);
        assert!(!described.iter().any(|e| e.name == "leader.replication.throttled.rate"));
        let dynamic = configs(&[("leader.replication.throttled.rate", "5")]);
        let described = BrokerLayers { dynamic: &dynamic, ..BrokerLayers::of_file(&file) }.describe_broker();
        let synonyms = ["leader.replication.throttled.rate=5 DynamicBroker".to_owned()];
        assert_eq!(entry(&described, "leader.replication.throttled.rate").2, synonyms);
    }

    #[test]
    fn the_cluster_default_shows_only_itself() {
        let dynamic_default = configs(&[("num.io.threads", "4")]);
        let file = configs(&[("num.io.threads", "2")]);
        let layers = BrokerLayers { dynamic_default: &dynamic_default, ..BrokerLayers::of_file(&file) };
        let described = layers.describe_broker_default();
        assert_eq!(described.len(), 1);
        assert_eq!(
            entry(&described, "num.io.threads"),
            (
                Some("4".into()),
                ConfigSource::DynamicDefaultBroker,
                vec!["num.io.threads=4 DynamicDefaultBroker".into()]
            )
        );
    }

    #[test]
    fn groups_take_the_brokers_values() {
        let file = configs(&[("group.consumer.session.timeout.ms", "50000")]);
        let layers = BrokerLayers::of_file(&file);
        let described = layers.describe_group(&configs(&[("share.isolation.level", "read_committed")]));
        assert_eq!(entry(&described, "consumer.session.timeout.ms").0.as_deref(), Some("50000"));
        assert_eq!(entry(&described, "share.isolation.level").1, ConfigSource::Group);
        assert_eq!(entry(&described, "streams.assignor.name").0.as_deref(), Some("sticky"));
    }

    #[test]
    fn an_unreadable_old_value_is_passed_over() {
        let file = configs(&[("num.io.threads", "many")]);
        assert_eq!(BrokerLayers::of_file(&file).value("num.io.threads"), ConfigValue::Int(8));
    }
}

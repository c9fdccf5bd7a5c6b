//! What may be altered of a broker's configuration while it runs (KIP-226).

use super::resolve::Configs;
use super::{ConfigError, ConfigType, UpdateMode, broker, own};

/// Whose configuration is altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerScope {
    OneBroker,
    /// The resource without a name: all brokers.
    ClusterDefault,
}

/// Keys of certificates: they change per listener only, under its prefix.
const LISTENER_ONLY: [&str; 10] = [
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// `listener.name.tls.ssl.keystore.type` → `ssl.keystore.type`.
pub fn listener_base_name(name: &str) -> Option<&str> {
    name.strip_prefix("listener.name.")?.split_once('.').map(|(_, base)| base).filter(|base| !base.is_empty())
}

/// Whether `configs` may be what is set dynamically. Keys that nobody knows are let through: a plugin may read them.
pub fn validate_broker_update(configs: &Configs, scope: BrokerScope) -> Result<(), ConfigError> {
    let refuse = |text: &str, wrong: &dyn Fn(&str) -> bool| {
        let names: Vec<&str> = configs.keys().map(String::as_str).filter(|name| wrong(name)).collect();
        if names.is_empty() { Ok(()) } else { Err(ConfigError(format!("{text}: [{}]", names.join(", ")))) }
    };
    let update = |name: &str| broker().get(name).or_else(|| own().get(name)).map(|def| def.update);
    refuse("Cannot update these configs dynamically", &|name| update(name) == Some(UpdateMode::ReadOnly))?;
    refuse("These security configs can be dynamically updated only per-listener using the listener prefix", &|name| {
        LISTENER_ONLY.contains(&name)
    })?;
    for (name, text) in configs {
        let known = broker().get(listener_base_name(name).unwrap_or(name));
        if let Some(def) = known {
            def.parse(text)?;
            // Kafka finds out by loading it. A class of one's own would decide something, so it is never let through.
            let class = text.trim();
            if def.config_type == ConfigType::Class && !class.is_empty() && !class.starts_with("org.apache.kafka.") {
                return Err(ConfigError::value(name, class, format_args!("Class {class} could not be found.")));
            }
        }
    }
    if scope == BrokerScope::ClusterDefault {
        refuse("Cannot update these configs at default cluster level, broker id must be specified", &|name| {
            update(name) == Some(UpdateMode::PerBroker) || listener_base_name(name).is_some()
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(scope: BrokerScope, name: &str, value: &str) -> Option<String> {
        let configs = Configs::from([(name.to_owned(), value.to_owned())]);
        validate_broker_update(&configs, scope).err().map(|error| error.0)
    }

    #[test]
    fn keys_change_where_they_can() {
        use BrokerScope::{ClusterDefault, OneBroker};
        assert_eq!(refused(ClusterDefault, "log.retention.ms", "5"), None);
        assert_eq!(refused(OneBroker, "leader.replication.throttled.rate", "5"), None);
        assert_eq!(refused(OneBroker, "my.plugin.key", "5"), None);
        assert_eq!(
            refused(OneBroker, "principal.builder.class", "com.example.Mine").unwrap(),
            "Invalid value com.example.Mine for configuration principal.builder.class: Class com.example.Mine could not be found."
        );
        assert_eq!(refused(OneBroker, "node.id", "5").unwrap(), "Cannot update these configs dynamically: [node.id]");
        assert_eq!(
            refused(ClusterDefault, "ottla.log.sync.before.ack", "true").unwrap(),
            "Cannot update these configs dynamically: [ottla.log.sync.before.ack]"
        );
        assert_eq!(
            refused(OneBroker, "ssl.keystore.type", "PEM").unwrap(),
            "These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.type]"
        );
        assert_eq!(refused(OneBroker, "listener.name.tls.ssl.keystore.type", "PEM"), None);
        assert_eq!(
            refused(ClusterDefault, "listeners", "PLAINTEXT://:1").unwrap(),
            "Cannot update these configs at default cluster level, broker id must be specified: [listeners]"
        );
        assert_eq!(
            refused(ClusterDefault, "log.retention.ms", "a").unwrap(),
            "Invalid value a for configuration log.retention.ms: Not a number of type LONG"
        );
    }

    #[test]
    fn a_listeners_key_has_a_base() {
        assert_eq!(listener_base_name("listener.name.a.b.c"), Some("b.c"));
        assert_eq!(listener_base_name("listener.name.a"), None);
        assert_eq!(listener_base_name("listeners"), None);
    }
}

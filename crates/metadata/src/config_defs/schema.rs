//! What the controller asks before it writes a configuration: the definitions, as its [`ConfigSchema`].
//!
//! The patterns of a client metrics subscription are checked for their names only, not compiled: there is no
//! telemetry receiver yet that would match them (KIP-714).

use super::{BrokerLayers, BrokerScope, ConfigDefs, ConfigError, ConfigType, Configs};
use super::{broker, client_metrics, group, topic};
use super::{validate_broker_update, validate_group, validate_topic};
use crate::controller::{ConfigSchema, validate_topic_name};
use crate::image::{ConfigResource, ConfigResourceKind};
use ottla_wire::{ApiError, ErrorCode};

/// The definitions over what the controller's own file says. Cluster-wide defaults that were set dynamically are
/// layered in by whoever builds this anew for each image.
#[derive(Debug, Clone, Default)]
pub struct DefinedConfigs {
    pub file: Configs,
    pub dynamic: Configs,
    pub dynamic_default: Configs,
}

/// What a match of a client metrics subscription may look at.
const CLIENT_MATCH_NAMES: [&str; 6] = [
    "client_id",
    "client_instance_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

impl DefinedConfigs {
    pub fn layers(&self) -> BrokerLayers<'_> {
        BrokerLayers { dynamic: &self.dynamic, dynamic_default: &self.dynamic_default, file: &self.file }
    }
}

impl ConfigSchema for DefinedConfigs {
    fn validate(&self, resource: &ConfigResource, configs: &Configs) -> Result<(), ApiError> {
        match resource.kind {
            ConfigResourceKind::Topic if resource.name.is_empty() => {
                Err(invalid_request("Default topic resources are not allowed."))
            }
            ConfigResourceKind::Topic => {
                validate_topic_name(&resource.name)?;
                validate_topic(configs, &Configs::new(), &self.layers()).map_err(invalid_config)
            }
            ConfigResourceKind::Broker => {
                let scope = broker_scope(&resource.name)?;
                validate_broker_update(configs, scope).map_err(invalid_config)
            }
            ConfigResourceKind::Group if resource.name.is_empty() => {
                Err(invalid_request("Default group resources are not allowed."))
            }
            ConfigResourceKind::Group => validate_group(configs, &self.layers()).map_err(invalid_config),
            ConfigResourceKind::ClientMetrics if resource.name.is_empty() => {
                Err(invalid_request("Subscription name can't be empty"))
            }
            ConfigResourceKind::ClientMetrics => validate_client_metrics(configs),
            ConfigResourceKind::BrokerLogger => Err(invalid_request("Unknown resource type BROKER_LOGGER")),
        }
    }

    fn list_default(&self, resource: &ConfigResource, key: &str) -> Option<String> {
        let defs: &ConfigDefs = match resource.kind {
            ConfigResourceKind::Topic => topic(),
            ConfigResourceKind::Broker => broker(),
            ConfigResourceKind::Group => group(),
            ConfigResourceKind::ClientMetrics => client_metrics(),
            ConfigResourceKind::BrokerLogger => return None,
        };
        let def = defs.get(key).filter(|def| def.config_type == ConfigType::List)?;
        Some(def.default_text().unwrap_or_default().to_owned())
    }
}

fn broker_scope(name: &str) -> Result<BrokerScope, ApiError> {
    match name.parse::<i32>() {
        _ if name.is_empty() => Ok(BrokerScope::ClusterDefault),
        Ok(id) if id < 0 => Err(invalid_request("Invalid negative broker ID.")),
        Ok(_) => Ok(BrokerScope::OneBroker),
        Err(_) => Err(invalid_request("Unable to parse broker name as a base 10 number.")),
    }
}

fn validate_client_metrics(configs: &Configs) -> Result<(), ApiError> {
    for (name, text) in configs {
        let Some(def) = client_metrics().get(name) else {
            return Err(invalid_request(format!("Unknown client metrics configuration: {name}")));
        };
        let value = def.parse(text).map_err(invalid_config)?;
        match (name.as_str(), value.as_i32(), value.as_list()) {
            ("interval.ms", Some(ms), _) if !(100..=3_600_000).contains(&ms) => {
                return Err(invalid_request(format!(
                    "Invalid value {ms} for interval.ms, interval must be between 100 and 3600000 (1 hour)"
                )));
            }
            ("match", _, Some(patterns)) => {
                let legal = |pattern: &String| {
                    pattern
                        .split_once('=')
                        .is_some_and(|(name, value)| CLIENT_MATCH_NAMES.contains(&name.trim()) && !value.contains('='))
                };
                if let Some(bad) = patterns.iter().find(|pattern| !legal(pattern)) {
                    return Err(invalid_config(ConfigError(format!("Illegal client matching pattern: {bad}"))));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn invalid_config(error: ConfigError) -> ApiError {
    ApiError::new(ErrorCode::InvalidConfig, error.0)
}

fn invalid_request(text: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: ConfigResourceKind, name: &str, key: &str, value: &str) -> Option<ErrorCode> {
        let resource = ConfigResource { kind, name: name.to_owned() };
        let configs = Configs::from([(key.to_owned(), value.to_owned())]);
        DefinedConfigs::default().validate(&resource, &configs).err().map(|error| error.code)
    }

    #[test]
    fn each_kind_of_resource_has_its_rules() {
        use ConfigResourceKind::{Broker, BrokerLogger, ClientMetrics, Group, Topic};
        for (kind, name, key, value, expected) in [
            (Topic, "a", "retention.ms", "5", None),
            (Topic, "", "retention.ms", "5", Some(ErrorCode::InvalidRequest)),
            (Topic, "a/b", "retention.ms", "5", Some(ErrorCode::InvalidTopicException)),
            (Topic, "a", "retention", "5", Some(ErrorCode::InvalidConfig)),
            (Broker, "", "num.io.threads", "5", None),
            (Broker, "1", "listeners", "PLAINTEXT://:1", None),
            (Broker, "", "listeners", "PLAINTEXT://:1", Some(ErrorCode::InvalidConfig)),
            (Broker, "-1", "num.io.threads", "5", Some(ErrorCode::InvalidRequest)),
            (Broker, "one", "num.io.threads", "5", Some(ErrorCode::InvalidRequest)),
            (Group, "g", "share.delivery.count.limit", "4", None),
            (Group, "", "share.delivery.count.limit", "4", Some(ErrorCode::InvalidRequest)),
            (ClientMetrics, "s", "interval.ms", "100", None),
            (ClientMetrics, "s", "interval.ms", "99", Some(ErrorCode::InvalidRequest)),
            (ClientMetrics, "s", "match", "client_id=a.*", None),
            (ClientMetrics, "s", "match", "client=a.*", Some(ErrorCode::InvalidConfig)),
            (BrokerLogger, "1", "root", "INFO", Some(ErrorCode::InvalidRequest)),
        ] {
            assert_eq!(answer(kind, name, key, value), expected, "{kind:?} {name} {key}={value}");
        }
    }

    #[test]
    fn lists_have_defaults_to_append_to() {
        let default =
            |kind, key| DefinedConfigs::default().list_default(&ConfigResource { kind, name: "a".to_owned() }, key);
        assert_eq!(default(ConfigResourceKind::Topic, "cleanup.policy").as_deref(), Some("delete"));
        assert_eq!(default(ConfigResourceKind::Broker, "log.dirs").as_deref(), Some(""));
        assert_eq!(default(ConfigResourceKind::Topic, "retention.ms"), None);
        assert_eq!(default(ConfigResourceKind::Topic, "unknown"), None);
    }
}

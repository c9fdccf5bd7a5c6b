//! Whether configurations may be what a request asks for, in the controller's words.

use super::{Controller, validate_topic_name};
use crate::config_defs::{self, BrokerLayers, ConfigError, ConfigType, SubscriptionError};
use crate::image::{ConfigResource, ConfigResourceKind, Configs, Image};
use ottla_wire::{ApiError, ErrorCode};

static NONE: Configs = Configs::new();

impl Image {
    /// What holds for a broker: its own values, the cluster's, then its file's.
    #[must_use]
    pub fn broker_layers<'a>(&'a self, broker: i32, file: &'a Configs) -> BrokerLayers<'a> {
        let of = |id| self.configs.get(&ConfigResource::broker(id)).map_or(&NONE, |configs| &**configs);
        BrokerLayers { dynamic: of(Some(broker)), dynamic_default: of(None), file }
    }
}

impl Controller<'_> {
    fn layers(&self) -> BrokerLayers<'_> {
        self.image.broker_layers(self.settings.node_id, &self.settings.file)
    }

    /// Whether `configs`, all that would then be set on the resource, may stand.
    pub(super) fn validate_configs(&self, resource: &ConfigResource, configs: &Configs) -> Result<(), ApiError> {
        let request = |message: &'static str| Err(ApiError::new(ErrorCode::InvalidRequest, message));
        let invalid = |error: ConfigError| ApiError::new(ErrorCode::InvalidConfig, error.to_string());
        match resource.kind {
            ConfigResourceKind::Topic if resource.name.is_empty() => {
                request("Default topic resources are not allowed.")
            }
            ConfigResourceKind::Topic => {
                validate_topic_name(&resource.name)?;
                let existing = self.image.configs.get(resource).map_or(&NONE, |configs| &**configs);
                config_defs::validate_topic(configs, existing, &self.layers()).map_err(invalid)
            }
            ConfigResourceKind::Broker if resource.name.is_empty() => Ok(()),
            ConfigResourceKind::Broker => match resource.name.parse::<i32>() {
                Ok(0..) => Ok(()),
                Ok(_) => request("Invalid negative broker ID."),
                Err(_) => request("Unable to parse broker name as a base 10 number."),
            },
            ConfigResourceKind::Group if resource.name.is_empty() => {
                request("Default group resources are not allowed.")
            }
            ConfigResourceKind::Group => config_defs::validate_group(configs, &self.layers()).map_err(invalid),
            ConfigResourceKind::ClientMetrics => {
                config_defs::validate_client_metrics(&resource.name, configs).map_err(subscription)
            }
            ConfigResourceKind::BrokerLogger => {
                Err(ApiError::new(ErrorCode::InvalidRequest, "Unknown resource type BROKER_LOGGER"))
            }
        }
    }

    /// The default of a configuration whose type is LIST; None for all others.
    pub(super) fn list_default(&self, resource: &ConfigResource, key: &str) -> Option<String> {
        let defs = match resource.kind {
            ConfigResourceKind::Topic => config_defs::topic(),
            ConfigResourceKind::Broker => config_defs::broker(),
            ConfigResourceKind::Group => config_defs::group(),
            ConfigResourceKind::ClientMetrics => config_defs::client_metrics(),
            ConfigResourceKind::BrokerLogger => return None,
        };
        let def = defs.get(key)?;
        if def.config_type != ConfigType::List {
            return None;
        }
        Some(match def.default {
            config_defs::Default::Value(text) => text.to_owned(),
            config_defs::Default::Null | config_defs::Default::Required => String::new(),
        })
    }
}

fn subscription(error: SubscriptionError) -> ApiError {
    let code = match &error {
        SubscriptionError::InvalidRequest(_) => ErrorCode::InvalidRequest,
        SubscriptionError::InvalidConfig(_) => ErrorCode::InvalidConfig,
    };
    ApiError::new(code, error.to_string())
}

//! Configurations of topics, brokers, groups, client metrics and loggers.

use super::{Admin, Target};
use crate::error::{ClientError, Result};
use crate::shell::reply::Reply;
use ottla_wire::api::describe_configs_request::DescribeConfigsResource;
use ottla_wire::api::describe_configs_response::DescribeConfigsResourceResult;
use ottla_wire::api::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_wire::api::{
    DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    ListConfigResourcesRequest, ListConfigResourcesResponse,
};

/// Whose configuration; the numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum ResourceKind {
    Topic = 2,
    Broker = 4,
    BrokerLogger = 8,
    ClientMetrics = 16,
    Group = 32,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    pub kind: ResourceKind,
    /// Empty for the default of all brokers.
    pub name: String,
}

/// Where a value comes from; the numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigSource(pub i8);

impl ConfigSource {
    pub const DYNAMIC_TOPIC: Self = Self(1);
    pub const DYNAMIC_BROKER: Self = Self(2);
    pub const DYNAMIC_DEFAULT_BROKER: Self = Self(3);
    pub const STATIC_BROKER: Self = Self(4);
    pub const DEFAULT: Self = Self(5);
    pub const DYNAMIC_BROKER_LOGGER: Self = Self(6);
    pub const DYNAMIC_CLIENT_METRICS: Self = Self(7);
    pub const DYNAMIC_GROUP: Self = Self(8);

    /// As Kafka's tools write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DYNAMIC_TOPIC => "DYNAMIC_TOPIC_CONFIG",
            Self::DYNAMIC_BROKER => "DYNAMIC_BROKER_CONFIG",
            Self::DYNAMIC_DEFAULT_BROKER => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            Self::STATIC_BROKER => "STATIC_BROKER_CONFIG",
            Self::DEFAULT => "DEFAULT_CONFIG",
            Self::DYNAMIC_BROKER_LOGGER => "DYNAMIC_BROKER_LOGGER_CONFIG",
            Self::DYNAMIC_CLIENT_METRICS => "DYNAMIC_CLIENT_METRICS_CONFIG",
            Self::DYNAMIC_GROUP => "DYNAMIC_GROUP_CONFIG",
            Self(_) => "UNKNOWN",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    pub name: String,
    pub value: Option<String>,
    pub source: ConfigSource,
    pub is_sensitive: bool,
    pub is_read_only: bool,
    pub synonyms: Vec<ConfigSynonym>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    pub name: String,
    pub value: Option<String>,
    pub source: ConfigSource,
}

impl ConfigEntry {
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::DEFAULT
    }
}

/// One change; the numbers are the protocol's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    Set(String, String),
    Delete(String),
}

impl Admin {
    /// All entries of one resource, in the order of the answer.
    pub async fn describe_config(&self, resource: &Resource, with_synonyms: bool) -> Result<Vec<ConfigEntry>> {
        let request = |_| DescribeConfigsRequest {
            resources: vec![DescribeConfigsResource {
                resource_type: resource.kind as i8,
                resource_name: resource.name.as_str().into(),
                configuration_keys: None,
                ..Default::default()
            }],
            include_synonyms: with_synonyms,
            ..Default::default()
        };
        let read = |reply: &Reply| {
            let response: DescribeConfigsResponse<'_> = reply.read()?;
            let mut entries = Vec::new();
            for result in &response.results {
                ClientError::check(result.error_code, result.error_message.as_deref())?;
                entries.extend(result.configs.iter().map(entry));
            }
            Ok(entries)
        };
        self.call("describeConfigs", self.keeper(resource), request, read).await
    }

    /// The names of the resources of a kind that have a configuration, in the order of the answer.
    pub async fn list_config_resources(&self, kind: ResourceKind) -> Result<Vec<String>> {
        let request = |version| ListConfigResourcesRequest {
            resource_types: if version >= 1 { vec![kind as i8] } else { Vec::new() },
            ..Default::default()
        };
        let read = |reply: &Reply| {
            let response: ListConfigResourcesResponse<'_> = reply.read()?;
            ClientError::check(response.error_code, None)?;
            Ok(response.config_resources.iter().map(|resource| resource.resource_name.to_string()).collect())
        };
        self.call("listConfigResources", Target::Any, request, read).await
    }

    /// Changes some entries of one resource and leaves the others alone.
    pub async fn alter_config(&self, resource: &Resource, changes: &[ConfigChange]) -> Result<()> {
        let request = |_| {
            let configs = changes.iter().map(|change| match change {
                ConfigChange::Set(name, value) => AlterableConfig {
                    name: name.as_str().into(),
                    config_operation: 0,
                    value: Some(value.as_str().into()),
                    ..Default::default()
                },
                ConfigChange::Delete(name) => {
                    AlterableConfig { name: name.as_str().into(), config_operation: 1, ..Default::default() }
                }
            });
            let resource = AlterConfigsResource {
                resource_type: resource.kind as i8,
                resource_name: resource.name.as_str().into(),
                configs: configs.collect(),
                ..Default::default()
            };
            IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() }
        };
        let read = |reply: &Reply| {
            let response: IncrementalAlterConfigsResponse<'_> = reply.read()?;
            response
                .responses
                .iter()
                .try_for_each(|result| ClientError::check(result.error_code, result.error_message.as_deref()))
        };
        self.call("incrementalAlterConfigs", self.keeper(resource), request, read).await
    }

    /// A broker's own configuration is asked of that broker; the rest of anyone.
    fn keeper(&self, resource: &Resource) -> Target {
        match (resource.kind, resource.name.parse()) {
            _ if self.network().config().bootstrap.is_controllers() => Target::Controller,
            (ResourceKind::Broker | ResourceKind::BrokerLogger, Ok(id)) => Target::Node(id),
            _ => Target::Any,
        }
    }
}

fn entry(told: &DescribeConfigsResourceResult<'_>) -> ConfigEntry {
    let synonym = |synonym: &ottla_wire::api::describe_configs_response::DescribeConfigsSynonym<'_>| ConfigSynonym {
        name: synonym.name.to_string(),
        value: synonym.value.as_deref().map(str::to_owned),
        source: ConfigSource(synonym.source),
    };
    ConfigEntry {
        name: told.name.to_string(),
        value: told.value.as_deref().map(str::to_owned),
        source: ConfigSource(told.config_source),
        is_sensitive: told.is_sensitive,
        is_read_only: told.read_only,
        synonyms: told.synonyms.iter().map(synonym).collect(),
    }
}

//! DescribeConfigs (1-4): what holds for a topic, a broker, a group or a client metrics subscription, and where it comes
//! from.

use super::throttle::NOT_THROTTLED_MS;
use crate::node::{Node, Published};
use crate::request::{Answer, Context};
use ottla_machine::Disk;
use ottla_metadata::config_defs::{self, ConfigEntry, ConfigSource};
use ottla_metadata::controller::validate_topic_name;
use ottla_metadata::image::{ConfigResource, ConfigResourceKind, Configs};
use ottla_security::{AclOperation, ResourceType};
use ottla_wire::api::describe_configs_request::DescribeConfigsResource;
use ottla_wire::api::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use ottla_wire::api::{DescribeConfigsRequest, DescribeConfigsResponse};
use ottla_wire::{ApiError, ErrorCode};

static NONE: Configs = Configs::new();

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &DescribeConfigsRequest<'_>) -> Answer<D> {
    let published = node.published();
    let describe = |resource: &DescribeConfigsResource<'_>| {
        let entries = allow(node, context, resource).and_then(|()| entries(node, &published, resource));
        let named = |entry: &ConfigEntry| {
            let keys = resource.configuration_keys.as_ref();
            keys.is_none_or(|keys| keys.is_empty() || keys.iter().any(|key| *key == entry.name))
        };
        let (error, message, configs) = match entries {
            Ok(entries) => {
                let told = entries.into_iter().filter(named);
                let described = |entry: ConfigEntry| {
                    let documentation = documentation(resource, &entry).filter(|_| request.include_documentation);
                    let mut described = result(entry, request.include_synonyms);
                    described.documentation = documentation.map(Into::into);
                    described
                };
                (ErrorCode::None, None, told.map(described).collect())
            }
            Err(error) => (error.code, error.message, Vec::new()),
        };
        DescribeConfigsResult {
            error_code: error.into(),
            // Kafka tells an empty text here, where it tells none elsewhere.
            error_message: Some(message.unwrap_or_default()),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.to_string().into(),
            configs,
            ..Default::default()
        }
    };
    let results = request.resources.iter().map(describe).collect();
    context.reply(&DescribeConfigsResponse { throttle_time_ms: NOT_THROTTLED_MS, results, ..Default::default() })
}

fn invalid<T>(message: impl Into<std::borrow::Cow<'static, str>>) -> Result<T, ApiError> {
    Err(ApiError::new(ErrorCode::InvalidRequest, message))
}

fn allow<D: Disk>(node: &Node<D>, context: &Context, resource: &DescribeConfigsResource<'_>) -> Result<(), ApiError> {
    let name = &resource.resource_name;
    let may = |kind| context.may(node, AclOperation::DescribeConfigs, kind, name);
    let refusal = match ConfigResourceKind::from_code(resource.resource_type) {
        Some(ConfigResourceKind::Topic) => (!may(ResourceType::Topic)).then_some(ErrorCode::TopicAuthorizationFailed),
        Some(ConfigResourceKind::Group) => (!may(ResourceType::Group)).then_some(ErrorCode::GroupAuthorizationFailed),
        Some(_) => (!context.may_to_cluster(node, AclOperation::DescribeConfigs))
            .then_some(ErrorCode::ClusterAuthorizationFailed),
        None => {
            let code = resource.resource_type;
            return invalid(format!("Unexpected resource type {code} for resource {name}"));
        }
    };
    refusal.map_or(Ok(()), |code| Err(code.into()))
}

fn entries<D: Disk>(
    node: &Node<D>,
    published: &Published<D>,
    resource: &DescribeConfigsResource<'_>,
) -> Result<Vec<ConfigEntry>, ApiError> {
    let image = &published.image;
    let layers = image.broker_layers(node.id, &node.settings().file);
    let name = resource.resource_name.as_ref();
    let Some(kind) = ConfigResourceKind::from_code(resource.resource_type) else {
        return invalid(format!("Unsupported resource type: {}", resource.resource_type));
    };
    let set = image.configs.get(&ConfigResource { kind, name: name.to_owned() }).map_or(&NONE, |configs| &**configs);
    match kind {
        ConfigResourceKind::Topic => {
            validate_topic_name(name)?;
            match image.topics.named(name) {
                Some(_) => Ok(layers.describe_topic(set)),
                None => Err(ErrorCode::UnknownTopicOrPartition.into()),
            }
        }
        ConfigResourceKind::Broker if name.is_empty() => Ok(layers.describe_broker_default()),
        ConfigResourceKind::Broker => match name.parse::<i32>() {
            Ok(id) if id == node.id => Ok(layers.describe_broker()),
            Ok(_) => {
                invalid(format!("Unexpected broker id, expected {} or empty string, but received {name}", node.id))
            }
            Err(_) => invalid(format!("Broker id must be an integer, but it is: {name}")),
        },
        ConfigResourceKind::Group if name.is_empty() => invalid("Group name must not be empty"),
        ConfigResourceKind::Group => Ok(layers.describe_group(set)),
        ConfigResourceKind::ClientMetrics if name.is_empty() => {
            invalid("Client metrics subscription name must not be empty")
        }
        ConfigResourceKind::ClientMetrics => Ok(layers.describe_client_metrics(set)),
        // A node's log has one level, which its file sets: there are no loggers to describe.
        ConfigResourceKind::BrokerLogger => Ok(Vec::new()),
    }
}

fn documentation(resource: &DescribeConfigsResource<'_>, entry: &ConfigEntry) -> Option<&'static str> {
    let defs = match ConfigResourceKind::from_code(resource.resource_type)? {
        ConfigResourceKind::Broker => config_defs::broker(),
        ConfigResourceKind::Topic => config_defs::topic(),
        ConfigResourceKind::Group => config_defs::group(),
        ConfigResourceKind::ClientMetrics => config_defs::client_metrics(),
        ConfigResourceKind::BrokerLogger => return None,
    };
    // A listener's own value is documented as the key that it stands for.
    let def = defs.get(&entry.name).or_else(|| defs.get(config_defs::listener_base_name(&entry.name)?));
    Some(def?.documentation)
}

fn result(entry: ConfigEntry, include_synonyms: bool) -> DescribeConfigsResourceResult<'static> {
    let synonym = |(name, value, source): (String, Option<String>, ConfigSource)| DescribeConfigsSynonym {
        name: name.into(),
        value: value.map(Into::into),
        source: source.code(),
        ..Default::default()
    };
    DescribeConfigsResourceResult {
        name: entry.name.into(),
        value: entry.value.map(Into::into),
        read_only: entry.read_only,
        config_source: entry.source.code(),
        is_sensitive: entry.sensitive,
        synonyms: if include_synonyms { entry.synonyms.into_iter().map(synonym).collect() } else { Vec::new() },
        config_type: entry.config_type.map_or(0, |kind| kind.code()),
        ..Default::default()
    }
}

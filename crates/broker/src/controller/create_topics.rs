//! CreateTopics (2-7): v5 tells the configuration that the topic has then (KIP-525); v7 tells its id.

use super::{Asker, Decision, duplicates, owned};
use crate::node::{Decided, Desk, Node};
use ottla_machine::Disk;
use ottla_metadata::config_defs::ConfigEntry;
use ottla_metadata::controller::CreatedTopic;
use ottla_metadata::image::Configs;
use ottla_security::AclOperation;
use ottla_wire::api::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_wire::api::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use ottla_wire::api::{CreateTopicsRequest, CreateTopicsResponse};
use ottla_wire::{ApiError, ErrorCode};
use std::sync::Arc;

/// From this version on a client knows that it has made too many partitions (KIP-599).
const REFUSES_SINCE: i16 = 6;
const METADATA_TOPIC: &str = "__cluster_metadata";

pub(super) fn decide(desk: &mut Desk<'_>, asker: &Asker, request: &CreateTopicsRequest<'_>) -> Decision {
    let twice = duplicates(request.topics.iter().map(|t| t.name.as_ref()));
    let may_all = asker.may_to_cluster(AclOperation::Create);
    let refusal = |name: &str| {
        let error = |code, message: &'static str| Some(ApiError::new(code, message));
        if twice.contains(name) {
            error(ErrorCode::InvalidRequest, "Duplicate topic name.")
        } else if name == METADATA_TOPIC {
            error(ErrorCode::InvalidRequest, "Creation of internal topic __cluster_metadata is prohibited.")
        } else if !may_all && !asker.may_to_topic(AclOperation::Create, name) {
            error(ErrorCode::TopicAuthorizationFailed, "Authorization failed.")
        } else {
            None
        }
    };
    let (refused, allowed): (Vec<&CreatableTopic<'_>>, Vec<_>) =
        request.topics.iter().partition(|topic| refusal(&topic.name).is_some());
    let allowed = CreateTopicsRequest {
        topics: allowed.into_iter().cloned().collect(),
        timeout_ms: request.timeout_ms,
        validate_only: request.validate_only,
        ..Default::default()
    };
    let failed = |name: &str, error: ApiError| CreatableTopicResult {
        name: owned(name),
        error_code: error.code.into(),
        error_message: error.message,
        configs: Some(Vec::new()),
        ..Default::default()
    };
    let now = desk.now;
    let mut charge = |partitions| asker.charge(partitions, REFUSES_SINCE, now);
    let (records, results) = match desk.controller.create_topics(&allowed, desk.seed, &mut charge) {
        Ok(outcome) => (outcome.records, outcome.response),
        Err(error) => (Vec::new(), vec![Err(error); allowed.topics.len()]),
    };
    let mut topics: Vec<CreatableTopicResult<'static>> = allowed
        .topics
        .iter()
        .zip(results)
        .map(|(topic, result)| match result {
            Ok(created) => success(desk, asker, topic, &created),
            Err(error) => failed(&topic.name, error),
        })
        .collect();
    let mut told = std::collections::BTreeSet::new();
    for topic in refused {
        if let Some(error) = refusal(&topic.name)
            && told.insert(&topic.name)
        {
            topics.push(failed(&topic.name, error));
        }
    }
    (records, Box::new(CreateTopicsResponse { topics, ..Default::default() }))
}

fn success(
    desk: &Desk<'_>,
    asker: &Asker,
    topic: &CreatableTopic<'_>,
    created: &CreatedTopic,
) -> CreatableTopicResult<'static> {
    let mut result = CreatableTopicResult {
        name: owned(&created.name),
        topic_id: created.id,
        num_partitions: -1,
        replication_factor: -1,
        ..Default::default()
    };
    if asker.context.version < 5 {
        return result;
    }
    if !asker.may_to_topic(AclOperation::DescribeConfigs, &created.name) {
        result.topic_config_error_code = ErrorCode::TopicAuthorizationFailed.into();
        return result;
    }
    let set = topic.configs.iter().filter_map(|c| Some((c.name.to_string(), c.value.as_ref()?.to_string())));
    let overrides: Configs = set.collect();
    let settings = desk.controller.settings;
    let layers = desk.controller.image.broker_layers(settings.node_id, &settings.file);
    let config = |entry: ConfigEntry| CreatableTopicConfigs {
        name: entry.name.into(),
        value: entry.value.map(Into::into),
        read_only: entry.read_only,
        config_source: entry.source.code(),
        is_sensitive: entry.sensitive,
        ..Default::default()
    };
    result.num_partitions = created.partitions;
    result.replication_factor = created.replication_factor;
    result.configs = Some(layers.describe_topic(&overrides).into_iter().map(config).collect());
    result
}

/// Creates topics that clients named: with the node's defaults, or as its internal topics are to be. `asker` is who is
/// charged for it: nobody for topics that the node needs itself.
pub(crate) fn auto_create<D: Disk>(node: &Node<D>, names: Vec<String>, asker: Option<Asker>) {
    let settings = node.settings();
    let offsets = settings.offsets_topic;
    let topics: Vec<CreatableTopic<'static>> = names
        .iter()
        .map(|name| match name.as_str() {
            "__consumer_offsets" => CreatableTopic {
                name: owned(name),
                num_partitions: offsets.partitions,
                replication_factor: offsets.replication_factor,
                configs: [
                    ("cleanup.policy", "compact".to_owned()),
                    ("compression.type", "producer".to_owned()),
                    ("segment.bytes", offsets.segment_bytes.to_string()),
                ]
                .map(|(name, value)| CreatableTopicConfig {
                    name: name.into(),
                    value: Some(value.into()),
                    ..Default::default()
                })
                .to_vec(),
                ..Default::default()
            },
            _ => CreatableTopic { name: owned(name), num_partitions: -1, replication_factor: -1, ..Default::default() },
        })
        .collect();
    let decided = node.creations();
    node.submit(Box::new(move |desk| {
        let request = CreateTopicsRequest { topics, ..Default::default() };
        let now = desk.now;
        let mut charge = |partitions| match &asker {
            Some(asker) => asker.charge(partitions, 0, now),
            None => Ok(()),
        };
        let records = match desk.controller.create_topics(&request, desk.seed, &mut charge) {
            Ok(outcome) => {
                for (name, result) in names.iter().zip(&outcome.response) {
                    if let Err(error) = result {
                        tracing::warn!("topic {name} cannot be created on the way: {error}");
                    }
                }
                outcome.records
            }
            Err(error) => {
                tracing::warn!("topics cannot be created on the way: {error}");
                Vec::new()
            }
        };
        let finish = move |_: Result<(), ErrorCode>| {
            let mut creating = crate::node::lock(&decided);
            names.iter().for_each(|name| {
                creating.remove(name);
            });
        };
        Decided { records, finish: Box::new(finish) }
    }));
}

/// Names of topics whose creation is under way.
pub(crate) type Creations = Arc<std::sync::Mutex<std::collections::BTreeSet<String>>>;

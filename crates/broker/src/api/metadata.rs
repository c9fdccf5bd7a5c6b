//! Metadata (0-13): brokers, topics and their leaders. v4 says whether missing topics may be created; v8 tells what the
//! client may do; v10 and v12 name topics by id; v13 can ask a client to begin anew (KIP-1102).

use super::throttle::NOT_THROTTLED_MS;
use crate::controller::Asker;
use crate::node::{Node, Published};
use crate::request::{Answer, Context};
use ottla_machine::Disk;
use ottla_metadata::controller::{is_internal_topic, validate_topic_name};
use ottla_metadata::image::{Broker, Endpoint, Image, NO_LEADER, Partition, Topic};
use ottla_security::{AclOperation, ResourceType};
use ottla_wire::api::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use ottla_wire::api::{MetadataRequest, MetadataResponse};
use ottla_wire::{ErrorCode, Uuid};
use std::collections::BTreeSet;
use std::sync::Arc;

type ResponseTopic = MetadataResponseTopic<'static>;

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &MetadataRequest<'_>) -> Answer<D> {
    let published = node.published();
    let version = context.version;
    // Version 0 has no null: there an empty list asks for all.
    let named = request.topics.as_ref().filter(|topics| version > 0 || !topics.is_empty());
    if let Some(topics) = named
        && version < 12
        && topics.iter().any(|t| t.name.is_none() || !t.topic_id.is_zero())
    {
        return context.reply(&error_response(request, ErrorCode::InvalidRequest));
    }
    let mut topics = match named {
        None => all_topics(node, context, &published),
        Some(topics) if topics.iter().any(|t| !t.topic_id.is_zero()) => {
            let ids: BTreeSet<Uuid> = topics.iter().map(|t| t.topic_id).filter(|id| !id.is_zero()).collect();
            ids.into_iter().map(|id| by_id(node, context, &published, id)).collect()
        }
        Some(topics) => {
            let names: BTreeSet<&str> = topics.iter().filter_map(|t| t.name.as_deref()).collect();
            by_names(node, context, &published, &names, request.allow_auto_topic_creation)
        }
    };
    if version >= 8 && request.include_topic_authorized_operations {
        // A topic that does not exist tells them too; one that may not be seen tells nothing.
        let told = |t: &&mut ResponseTopic| t.error_code != i16::from(ErrorCode::TopicAuthorizationFailed);
        for topic in topics.iter_mut().filter(told) {
            let Some(name) = topic.name.as_deref() else { continue };
            topic.topic_authorized_operations = context.operations(node, ResourceType::Topic, name);
        }
    }
    let asks_cluster = (8..=10).contains(&version) && request.include_cluster_authorized_operations;
    let cluster_authorized_operations = match asks_cluster {
        true if context.may_to_cluster(node, AclOperation::Describe) => {
            context.operations(node, ResourceType::Cluster, "kafka-cluster")
        }
        true => 0,
        false => i32::MIN,
    };
    let image = &published.image;
    let brokers: Vec<MetadataResponseBroker<'static>> = image
        .brokers
        .values()
        .filter(|broker| !broker.fenced)
        .filter_map(|broker| {
            let endpoint = broker.endpoint(&context.connection.listener)?;
            Some(MetadataResponseBroker {
                node_id: broker.id,
                host: endpoint.host.clone().into(),
                port: i32::from(endpoint.port),
                rack: broker.rack.clone().map(Into::into),
                ..Default::default()
            })
        })
        .collect();
    let controller_id = node.random_alive_broker(image);
    context.reply(&MetadataResponse {
        throttle_time_ms: NOT_THROTTLED_MS,
        brokers,
        cluster_id: Some(node.cluster_id.to_string().into()),
        controller_id,
        topics,
        cluster_authorized_operations,
        ..Default::default()
    })
}

fn error_response(request: &MetadataRequest<'_>, error: ErrorCode) -> MetadataResponse<'static> {
    let topic = |t: &ottla_wire::api::metadata_request::MetadataRequestTopic<'_>| ResponseTopic {
        error_code: error.into(),
        // A null name cannot be told before version 12.
        name: Some(t.name.as_deref().unwrap_or_default().to_owned().into()),
        topic_id: t.topic_id,
        ..Default::default()
    };
    MetadataResponse { topics: request.topics.iter().flatten().map(topic).collect(), ..Default::default() }
}

fn failed(error: ErrorCode, name: Option<&str>, topic_id: Uuid) -> ResponseTopic {
    ResponseTopic {
        error_code: error.into(),
        name: name.map(|name| name.to_owned().into()),
        topic_id,
        is_internal: name.is_some_and(is_internal_topic),
        ..Default::default()
    }
}

fn all_topics<D: Disk>(node: &Node<D>, context: &Context, published: &Published<D>) -> Vec<ResponseTopic> {
    let visible = |topic: &&std::sync::Arc<Topic>| context.may_to_topic(node, AclOperation::Describe, &topic.name);
    published.image.topics.iter().filter(visible).map(|topic| describe(context, &published.image, topic)).collect()
}

fn by_id<D: Disk>(node: &Node<D>, context: &Context, published: &Published<D>, id: Uuid) -> ResponseTopic {
    match published.image.topics.with_id(id) {
        None => failed(ErrorCode::UnknownTopicId, None, id),
        Some(topic) if !context.may_to_topic(node, AclOperation::Describe, &topic.name) => {
            failed(ErrorCode::TopicAuthorizationFailed, None, id)
        }
        Some(topic) => describe(context, &published.image, topic),
    }
}

fn by_names<D: Disk>(
    node: &Node<D>,
    context: &Context,
    published: &Published<D>,
    names: &BTreeSet<&str>,
    allow_creation: bool,
) -> Vec<ResponseTopic> {
    let image = &published.image;
    let creates = allow_creation && node.settings().auto_create_topics;
    let mut missing = Vec::new();
    let mut topics = Vec::new();
    for name in names {
        if !context.may_to_topic(node, AclOperation::Describe, name) {
            topics.push(failed(ErrorCode::TopicAuthorizationFailed, Some(name), Uuid::ZERO));
        } else if let Some(topic) = image.topics.named(name) {
            topics.push(describe(context, image, topic));
        } else if validate_topic_name(name).is_err() {
            topics.push(failed(ErrorCode::InvalidTopicException, Some(name), Uuid::ZERO));
        } else if !creates {
            topics.push(failed(ErrorCode::UnknownTopicOrPartition, Some(name), Uuid::ZERO));
        } else if context.may_to_cluster(node, AclOperation::Create)
            || context.may_to_topic(node, AclOperation::Create, name)
        {
            missing.push((*name).to_owned());
            topics.push(failed(ErrorCode::UnknownTopicOrPartition, Some(name), Uuid::ZERO));
        } else {
            topics.push(failed(ErrorCode::TopicAuthorizationFailed, Some(name), Uuid::ZERO));
        }
    }
    // The client asks again; by then they are there.
    if !missing.is_empty() {
        let authorizer = Arc::clone(&published.authorizer);
        let asker = Asker::new(context.clone(), authorizer, Arc::clone(&node.quotas));
        node.create_missing_topics(missing, Some(asker));
    }
    topics
}

fn describe(context: &Context, image: &Image, topic: &Topic) -> ResponseTopic {
    let partition =
        |(index, partition): (&i32, &std::sync::Arc<Partition>)| describe_partition(context, image, *index, partition);
    ResponseTopic {
        name: Some(topic.name.to_string().into()),
        topic_id: topic.id,
        is_internal: is_internal_topic(&topic.name),
        partitions: topic.partitions.iter().map(partition).collect(),
        ..Default::default()
    }
}

/// What a client hears of a partition's leader: an error where it has none, or none on the listener that was asked by.
pub(super) fn leader_error(context: &Context, image: &Image, partition: &Partition) -> (i32, ErrorCode) {
    let endpoint = |id: i32| image.brokers.get(&id).map(|broker| broker.endpoint(&context.connection.listener));
    match endpoint(partition.leader) {
        _ if partition.leader == NO_LEADER => (NO_LEADER, ErrorCode::LeaderNotAvailable),
        None => (NO_LEADER, ErrorCode::LeaderNotAvailable),
        Some(None) => (NO_LEADER, ErrorCode::ListenerNotFound),
        Some(Some(_)) => (partition.leader, ErrorCode::None),
    }
}

/// A live broker, and where clients of this listener reach it.
pub(super) fn reachable_broker<'i>(context: &Context, image: &'i Image, id: i32) -> Option<(&'i Broker, &'i Endpoint)> {
    let broker = image.brokers.get(&id).filter(|broker| !broker.fenced)?;
    Some((broker, broker.endpoint(&context.connection.listener)?))
}

/// The replicas that nobody can reach by this listener.
pub(super) fn offline_replicas(context: &Context, image: &Image, partition: &Partition) -> Vec<i32> {
    let reachable = |id: &i32| {
        image.brokers.get(id).is_some_and(|broker| {
            let directory = partition.directory_of(*id).unwrap_or(Uuid::UNASSIGNED_DIR);
            let online = broker.has_online_directory(directory);
            !broker.fenced && online && broker.endpoint(&context.connection.listener).is_some()
        })
    };
    partition.replicas.iter().copied().filter(|id| !reachable(id)).collect()
}

fn describe_partition(
    context: &Context,
    image: &Image,
    index: i32,
    partition: &Partition,
) -> MetadataResponsePartition<'static> {
    let (leader_id, error) = leader_error(context, image, partition);
    // Before version 6 a missing listener was told as a missing leader.
    let error = match error {
        ErrorCode::ListenerNotFound if context.version < 6 => ErrorCode::LeaderNotAvailable,
        error => error,
    };
    MetadataResponsePartition {
        error_code: error.into(),
        partition_index: index,
        leader_id,
        leader_epoch: partition.leader_epoch,
        replica_nodes: partition.replicas.to_vec(),
        isr_nodes: partition.isr.to_vec(),
        offline_replicas: offline_replicas(context, image, partition),
        ..Default::default()
    }
}

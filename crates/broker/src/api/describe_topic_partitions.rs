//! DescribeTopicPartitions (0): topics in pages, with the replicas that may lead next (KIP-966).

use super::metadata::{leader_error, offline_replicas};
use super::throttle::NOT_THROTTLED_MS;
use crate::node::{Node, Published};
use crate::request::{Answer, Context};
use ottla_machine::Disk;
use ottla_metadata::controller::{is_internal_topic, validate_topic_name};
use ottla_metadata::image::{Partition, Topic};
use ottla_security::{AclOperation, ResourceType};
use ottla_wire::ErrorCode;
use ottla_wire::api::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use ottla_wire::api::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
use std::collections::BTreeSet;

type ResponseTopic = DescribeTopicPartitionsResponseTopic<'static>;

pub(super) fn handle<D: Disk>(
    node: &Node<D>,
    context: &Context,
    request: &DescribeTopicPartitionsRequest<'_>,
) -> Answer<D> {
    let published = node.published();
    let all = request.topics.is_empty();
    let from = request.cursor.as_ref().map_or("", |cursor| cursor.topic_name.as_ref());
    let names: BTreeSet<&str> = match all {
        true => published.image.topics.from_name(from).map(|t| &*t.name).collect(),
        false => request.topics.iter().map(|t| t.name.as_ref()).filter(|name| *name >= from).collect(),
    };
    let cursor_is_valid = request
        .cursor
        .as_ref()
        .is_none_or(|cursor| cursor.partition_index >= 0 && (all || names.contains(cursor.topic_name.as_ref())));
    if !cursor_is_valid {
        // The request has no error of its own: each topic tells it.
        let failed = |name: &&str| failed(ErrorCode::InvalidRequest, name);
        let topics = names.iter().map(failed).collect();
        return context.reply(&DescribeTopicPartitionsResponse { topics, ..Default::default() });
    }
    let limit = request.response_partition_limit.min(node.settings().request_partitions_max).max(1);
    let mut page = Page { left: usize::try_from(limit).unwrap_or(1), topics: Vec::new(), next: None };
    let mut hidden = Vec::new();
    for name in names {
        if !context.may_to_topic(node, AclOperation::Describe, name) {
            if !all {
                hidden.push(failed(ErrorCode::TopicAuthorizationFailed, name));
            }
            continue;
        }
        let first = match &request.cursor {
            Some(cursor) if cursor.topic_name == name => cursor.partition_index,
            _ => 0,
        };
        if page.next.is_none() {
            page.add(context, &published, name, first);
        }
    }
    for topic in &mut page.topics {
        let name = topic.name.as_deref().unwrap_or_default();
        topic.topic_authorized_operations = context.operations(node, ResourceType::Topic, name);
    }
    page.topics.extend(hidden);
    context.reply(&DescribeTopicPartitionsResponse {
        throttle_time_ms: NOT_THROTTLED_MS,
        topics: page.topics,
        next_cursor: page.next,
        ..Default::default()
    })
}

fn failed(error: ErrorCode, name: &str) -> ResponseTopic {
    ResponseTopic {
        error_code: error.into(),
        name: Some(name.to_owned().into()),
        is_internal: is_internal_topic(name),
        ..Default::default()
    }
}

/// An answer that takes no more than so many partitions, and says where the next begins.
struct Page {
    left: usize,
    topics: Vec<ResponseTopic>,
    next: Option<Cursor<'static>>,
}

impl Page {
    fn add<D: Disk>(&mut self, context: &Context, published: &Published<D>, name: &str, first: i32) {
        let cursor = |index: i32| {
            Some(Cursor { topic_name: name.to_owned().into(), partition_index: index, ..Default::default() })
        };
        if self.left == 0 {
            self.next = cursor(first);
            return;
        }
        let Some(topic) = published.image.topics.named(name) else {
            let error = match validate_topic_name(name) {
                Ok(()) => ErrorCode::UnknownTopicOrPartition,
                Err(_) => ErrorCode::InvalidTopicException,
            };
            self.topics.push(failed(error, name));
            return;
        };
        let mut partitions = Vec::new();
        for (index, partition) in topic.partitions.range(first..) {
            if self.left == 0 {
                self.next = cursor(*index);
                break;
            }
            self.left -= 1;
            partitions.push(describe(context, published, *index, partition));
        }
        self.topics.push(self::topic(topic, partitions));
    }
}

fn topic(topic: &Topic, partitions: Vec<DescribeTopicPartitionsResponsePartition<'static>>) -> ResponseTopic {
    ResponseTopic {
        name: Some(topic.name.to_string().into()),
        topic_id: topic.id,
        is_internal: is_internal_topic(&topic.name),
        partitions,
        ..Default::default()
    }
}

fn describe<D: Disk>(
    context: &Context,
    published: &Published<D>,
    index: i32,
    partition: &Partition,
) -> DescribeTopicPartitionsResponsePartition<'static> {
    let (leader_id, error) = leader_error(context, &published.image, partition);
    DescribeTopicPartitionsResponsePartition {
        error_code: error.into(),
        partition_index: index,
        leader_id,
        leader_epoch: partition.leader_epoch,
        replica_nodes: partition.replicas.to_vec(),
        isr_nodes: partition.isr.to_vec(),
        eligible_leader_replicas: Some(partition.eligible_leader_replicas.to_vec()),
        last_known_elr: Some(partition.last_known_elr.to_vec()),
        offline_replicas: offline_replicas(context, &published.image, partition),
        ..Default::default()
    }
}

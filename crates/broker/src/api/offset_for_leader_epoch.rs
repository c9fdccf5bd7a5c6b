//! OffsetForLeaderEpoch (2-4): where an epoch ends, by which a consumer finds out that its log was truncated (KIP-320).

use super::throttle::NOT_THROTTLED_MS;
use crate::node::{Node, Published};
use crate::request::{Answer, Context};
use ottla_machine::{Disk, LeaderEpoch};
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use ottla_wire::api::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use ottla_wire::api::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

pub(super) fn handle<D: Disk>(
    node: &Node<D>,
    context: &Context,
    request: &OffsetForLeaderEpochRequest<'_>,
) -> Answer<D> {
    let published = node.published();
    // Brokers ask for all topics, consumers for those that they may see.
    let broker = context.may_to_cluster(node, AclOperation::ClusterAction);
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let allowed = broker || context.may_to_topic(node, AclOperation::Describe, &topic.topic);
        let partition = |asked: &OffsetForLeaderPartition<'_>| {
            let found = match allowed {
                true => look_up(&published, &topic.topic, asked),
                false => Err(ErrorCode::TopicAuthorizationFailed),
            };
            let (error, (leader_epoch, end_offset)) = match found {
                Ok(found) => (ErrorCode::None, found),
                Err(error) => (error, (-1, -1)),
            };
            EpochEndOffset {
                error_code: error.into(),
                partition: asked.partition,
                leader_epoch,
                end_offset,
                ..Default::default()
            }
        };
        let partitions = topic.partitions.iter().map(partition).collect();
        topics.push(OffsetForLeaderTopicResult { topic: topic.topic.clone(), partitions, ..Default::default() });
    }
    context.reply(&OffsetForLeaderEpochResponse { throttle_time_ms: NOT_THROTTLED_MS, topics, ..Default::default() })
}

fn look_up<D: Disk>(
    published: &Published<D>,
    topic: &str,
    asked: &OffsetForLeaderPartition<'_>,
) -> Result<(i32, i64), ErrorCode> {
    let known = published.image.topics.partition(topic, asked.partition);
    known.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let partition = published.partition_named(topic, asked.partition).ok_or(ErrorCode::KafkaStorageError)?;
    partition.check_leader(asked.current_leader_epoch).map_err(|error| error.code())?;
    let end = partition.log().end_offset_for_epoch(LeaderEpoch(asked.leader_epoch));
    Ok(end.map_or((-1, -1), |end| (end.epoch.0, end.end_offset.0)))
}

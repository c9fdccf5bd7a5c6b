//! DeleteRecords (0-2): moves a log's start. -1 means up to the high watermark.

use super::throttle::NOT_THROTTLED_MS;
use crate::node::{Node, Published};
use crate::request::{Answer, Context};
use ottla_log::{CleanupPolicy, ReadError};
use ottla_machine::{Disk, Offset};
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::delete_records_request::DeleteRecordsPartition;
use ottla_wire::api::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use ottla_wire::api::{DeleteRecordsRequest, DeleteRecordsResponse};

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &DeleteRecordsRequest<'_>) -> Answer<D> {
    let published = node.published();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let allowed = context.may_to_topic(node, AclOperation::Delete, &topic.name);
        let partition = |asked: &DeleteRecordsPartition<'_>| {
            let done = match allowed {
                true => delete(node, &published, &topic.name, asked),
                false => Err(ErrorCode::TopicAuthorizationFailed),
            };
            let (error, low_watermark) = match done {
                Ok(low_watermark) => (ErrorCode::None, low_watermark),
                Err(error) => (error, -1),
            };
            DeleteRecordsPartitionResult {
                partition_index: asked.partition_index,
                low_watermark,
                error_code: error.into(),
                ..Default::default()
            }
        };
        let partitions = topic.partitions.iter().map(partition).collect();
        topics.push(DeleteRecordsTopicResult { name: topic.name.clone(), partitions, ..Default::default() });
    }
    // What was deleted must stay so: the start is on disk before it is answered.
    node.checkpoint_all();
    context.reply(&DeleteRecordsResponse { throttle_time_ms: NOT_THROTTLED_MS, topics, ..Default::default() })
}

fn delete<D: Disk>(
    node: &Node<D>,
    published: &Published<D>,
    topic: &str,
    asked: &DeleteRecordsPartition<'_>,
) -> Result<i64, ErrorCode> {
    let known = published.image.topics.partition(topic, asked.partition_index);
    known.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let partition = published.partition_named(topic, asked.partition_index).ok_or(ErrorCode::KafkaStorageError)?;
    partition.check_leader(-1).map_err(|error| error.code())?;
    // A compacted log keeps the last value of each key.
    if !matches!(partition.log().config().cleanup_policy, CleanupPolicy::Delete | CleanupPolicy::CompactAndDelete) {
        return Err(ErrorCode::PolicyViolation);
    }
    let offset = match asked.offset {
        -1 => partition.log().high_watermark(),
        offset if offset < 0 => return Err(ErrorCode::OffsetOutOfRange),
        offset => Offset(offset),
    };
    let moved = partition.with_log(|log| log.increment_log_start_offset(offset));
    moved.map_err(|error| {
        if let ReadError::Log(error) = &error {
            node.directories.note(error);
        }
        ErrorCode::from_code(error.error_code())
    })?;
    partition.wake_waiting();
    Ok(partition.log().log_start_offset().0)
}

//! DescribeProducers (0): who writes to a partition, by producer id (KIP-664).

use super::throttle::NOT_THROTTLED_MS;
use crate::node::{Node, Published};
use crate::request::{Answer, Context};
use ottla_log::ActiveProducer;
use ottla_machine::Disk;
use ottla_metadata::controller::validate_topic_name;
use ottla_security::AclOperation;
use ottla_wire::api::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use ottla_wire::api::{DescribeProducersRequest, DescribeProducersResponse};
use ottla_wire::{ApiError, ErrorCode};

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &DescribeProducersRequest<'_>) -> Answer<D> {
    let published = node.published();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let allowed = validate_topic_name(&topic.name).and_then(|()| {
            match context.may_to_topic(node, AclOperation::Read, &topic.name) {
                true => Ok(()),
                false => Err(ErrorCode::TopicAuthorizationFailed.into()),
            }
        });
        let partition = |index: &i32| {
            let producers = allowed.clone().and_then(|()| producers(&published, &topic.name, *index));
            let (error_code, error_message, active_producers) = match producers {
                Ok(producers) => (0, None, producers),
                Err(error) => (error.code.into(), error.message, Vec::new()),
            };
            PartitionResponse {
                partition_index: *index,
                error_code,
                error_message,
                active_producers,
                ..Default::default()
            }
        };
        let partitions = topic.partition_indexes.iter().map(partition).collect();
        topics.push(TopicResponse { name: topic.name.clone(), partitions, ..Default::default() });
    }
    context.reply(&DescribeProducersResponse { throttle_time_ms: NOT_THROTTLED_MS, topics, ..Default::default() })
}

fn producers<D: Disk>(
    published: &Published<D>,
    topic: &str,
    index: i32,
) -> Result<Vec<ProducerState<'static>>, ApiError> {
    let known = published.image.topics.partition(topic, index);
    known.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let partition = published.partition_named(topic, index).ok_or(ErrorCode::KafkaStorageError)?;
    partition.check_leader(-1).map_err(|error| error.code())?;
    let state = |p: ActiveProducer| ProducerState {
        producer_id: p.producer_id.0,
        producer_epoch: p.producer_epoch.into(),
        last_sequence: p.last_sequence,
        last_timestamp: p.last_timestamp,
        coordinator_epoch: p.coordinator_epoch,
        current_txn_start_offset: p.current_txn_start_offset.unwrap_or(-1),
        ..Default::default()
    };
    Ok(partition.log().active_producers().into_iter().map(state).collect())
}

//! ListOffsets (1-11): earliest (-2), latest (-1), the largest timestamp (-3, from v7, KIP-734), earliest local (-4, from
//! v8, KIP-405), last tiered (-5, from v9), earliest not yet uploaded (-6, from v11, KIP-1023), or the first record at or
//! after a time.

use super::throttle::NOT_THROTTLED_MS;
use crate::node::{Node, Published};
use crate::request::{Answer, Context, Worker};
use ottla_machine::{Disk, LeaderEpoch, Offset, Timestamp};
use ottla_replica::Partition;
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::list_offsets_request::ListOffsetsPartition;
use ottla_wire::api::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use ottla_wire::api::{ListOffsetsRequest, ListOffsetsResponse};
use std::collections::BTreeSet;
use std::sync::Arc;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// Replica ids that stand for a consumer, and for a tool that looks at any replica.
const DEBUGGING_CONSUMER: i32 = -2;

pub(super) fn handle<D: Disk>(
    node: &Node<D>,
    context: &Context,
    request: &ListOffsetsRequest<'_>,
    worker: &mut Worker,
) -> Answer<D> {
    let published = node.published();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<i32> =
            topic.partitions.iter().map(|p| p.partition_index).filter(|index| !seen.insert(*index)).collect();
        let allowed = context.may_to_topic(node, AclOperation::Describe, &topic.name);
        let partitions = topic.partitions.iter().map(|asked| {
            let found = match allowed {
                false => Err(ErrorCode::TopicAuthorizationFailed),
                true if twice.contains(&asked.partition_index) => Err(ErrorCode::InvalidRequest),
                true => look_up(node, context, &published, request, (&topic.name, asked), worker),
            };
            describe(context, asked.partition_index, found)
        });
        let partitions = partitions.collect();
        topics.push(ListOffsetsTopicResponse { name: topic.name.clone(), partitions, ..Default::default() });
    }
    context.reply(&ListOffsetsResponse { throttle_time_ms: NOT_THROTTLED_MS, topics, ..Default::default() })
}

/// Timestamp, offset and leader epoch; -1 where there is none.
type Found = (i64, i64, i32);

fn look_up<D: Disk>(
    node: &Node<D>,
    context: &Context,
    published: &Published<D>,
    request: &ListOffsetsRequest<'_>,
    (topic, asked): (&str, &ListOffsetsPartition<'_>),
    worker: &mut Worker,
) -> Result<Found, ErrorCode> {
    let since = match asked.timestamp {
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        _ => 1,
    };
    if context.version < since || asked.timestamp < EARLIEST_PENDING_UPLOAD {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let known = published.image.topics.partition(topic, asked.partition_index);
    known.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let partition = published.partition_named(topic, asked.partition_index).ok_or(ErrorCode::KafkaStorageError)?;
    if request.replica_id != DEBUGGING_CONSUMER {
        partition.check_leader(asked.current_leader_epoch).map_err(|error| error.code())?;
    }
    let offsets = partition.log().offsets();
    // What a consumer may see: no further than what is committed, or decided.
    let bound = match request.isolation_level {
        1 => offsets.last_stable_offset,
        _ => offsets.high_watermark,
    };
    Ok(match asked.timestamp {
        EARLIEST | EARLIEST_LOCAL => at(partition, offsets.log_start_offset),
        LATEST => {
            let epoch = partition.log().latest_epoch().map_or(-1, |entry| entry.epoch.0);
            (-1, bound.0, epoch)
        }
        // Nothing is tiered.
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => (-1, -1, -1),
        MAX_TIMESTAMP => {
            let found = partition.look_up(|log| log.offset_of_max_timestamp(&mut worker.log.codecs));
            let found = node.directories.noting(found).map_err(|error| ErrorCode::from_code(error.error_code()))?;
            found.map_or((-1, -1, -1), |f| (f.timestamp.0, f.offset.0, f.leader_epoch.0))
        }
        timestamp => {
            let found = partition.look_up(|log| log.offset_for_timestamp(Timestamp(timestamp), &mut worker.log.codecs));
            let found = node.directories.noting(found).map_err(|error| ErrorCode::from_code(error.error_code()))?;
            found.filter(|f| f.offset < bound).map_or((-1, -1, -1), |f| (f.timestamp.0, f.offset.0, f.leader_epoch.0))
        }
    })
}

fn at<D: Disk>(partition: &Arc<Partition<D>>, offset: Offset) -> Found {
    // An empty log has no batch there; the epoch is then the first that begins at or after it.
    let epoch = partition.log().epoch_for_offset(offset).unwrap_or(LeaderEpoch::NONE);
    (-1, offset.0, epoch.0)
}

fn describe(
    context: &Context,
    partition_index: i32,
    found: Result<Found, ErrorCode>,
) -> ListOffsetsPartitionResponse<'static> {
    let (error, (timestamp, offset, leader_epoch)) = match found {
        Ok(found) => (ErrorCode::None, found),
        Err(error) => (error, (-1, -1, -1)),
    };
    ListOffsetsPartitionResponse {
        partition_index,
        error_code: error.into(),
        timestamp,
        offset,
        // Not told before version 4.
        leader_epoch: if context.version >= 4 { leader_epoch } else { -1 },
        ..Default::default()
    }
}

//! OffsetDelete, version 0 (KIP-496), and the end of offsets whose topic was deleted.

use super::{Decision, DeletedTopic, Standing, TopicResolver};
use crate::classic::ClassicState;
use crate::records;
use crate::state::{ForeignKind, GroupEntry, GroupState};
use crate::text::text;
use ottla_coordinator::CoordinatorRecord;
use ottla_wire::api::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use ottla_wire::api::{OffsetDeleteRequest, OffsetDeleteResponse};
use ottla_wire::{EncodeError, ErrorCode};

/// Decides a deletion. `active` is the error of a shard that cannot serve now.
pub(crate) fn delete(
    state: &GroupState,
    standing: Standing<'_>,
    request: &OffsetDeleteRequest<'_>,
    topics: &dyn TopicResolver,
    active: Result<(), ErrorCode>,
) -> Result<Decision<OffsetDeleteResponse<'static>>, EncodeError> {
    let mut decision = Decision { records: Vec::new(), answer: OffsetDeleteResponse::default() };
    let is_known = |topic: &str, partition: i32| topics.has_partition(topic, partition);
    if let Err(error) = active.and_then(|()| validate(standing)) {
        decision.answer.error_code = error.code();
        return Ok(decision);
    }
    for topic in &request.topics {
        let is_subscribed = is_subscribed(standing, &topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let partition_index = partition.partition_index;
            let error = if !is_known(&topic.name, partition_index) {
                ErrorCode::UnknownTopicOrPartition
            } else if is_subscribed {
                ErrorCode::GroupSubscribedToTopic
            } else {
                let group = &request.group_id;
                if state.offsets.get(group, &topic.name, partition_index).is_some()
                    || state.offsets.is_pending(group, &topic.name, partition_index)
                {
                    decision.records.push(records::offset_tombstone(group, &topic.name, partition_index)?);
                }
                ErrorCode::None
            };
            partitions.push(OffsetDeleteResponsePartition { partition_index, error_code: error.code() });
        }
        decision.answer.topics.push(OffsetDeleteResponseTopic { name: text(&topic.name), partitions });
    }
    Ok(decision)
}

/// Consumers in a group tell what they are subscribed to, so that the rest may go; of others nothing is known.
fn validate(standing: Standing<'_>) -> Result<(), ErrorCode> {
    match (standing.live, standing.entry) {
        (None, None) => Err(ErrorCode::GroupIdNotFound),
        (Some(group), _) if group.state != ClassicState::Empty && !group.uses_consumer_protocol() => {
            Err(ErrorCode::NonEmptyGroup)
        }
        (None, Some(GroupEntry::Foreign(group))) if group.kind == ForeignKind::Share => Err(ErrorCode::GroupIdNotFound),
        _ => Ok(()),
    }
}

pub(super) fn is_subscribed(standing: Standing<'_>, topic: &str) -> bool {
    match (standing.live, standing.entry) {
        (Some(group), _) => group.is_subscribed_to(topic),
        // The subscriptions of the other protocols are not kept: while there are members, any topic may be theirs.
        (None, Some(GroupEntry::Foreign(group))) => !group.is_empty(),
        // Without members nobody is subscribed.
        (None, Some(GroupEntry::Classic(_)) | None) => false,
    }
}

/// Tombstones for the offsets of topics that are gone. Old records do not tell their topic's id: there the name decides.
pub(crate) fn of_deleted_topics(
    state: &GroupState,
    deleted: &[DeletedTopic],
) -> Result<Vec<CoordinatorRecord>, EncodeError> {
    let is_gone = |name: &str, id: ottla_wire::Uuid| {
        deleted.iter().any(|topic| topic.name == name && (id.is_zero() || id == topic.id))
    };
    let mut tombstones = Vec::new();
    for (key, offset) in state.offsets.all() {
        if is_gone(&key.topic, offset.topic_id) {
            tombstones.push(records::offset_tombstone(&key.group, &key.topic, key.partition)?);
        }
    }
    Ok(tombstones)
}

//! OffsetCommit, versions 2 to 10. v5 drops the retention time, v6 adds leader epochs, v7 static members, v9 the errors
//! GROUP_ID_NOT_FOUND and STALE_MEMBER_EPOCH, v10 topic ids instead of names (KIP-848).

use super::{Decision, Standing, TopicResolver};
use crate::classic::{ClassicGroup, ClassicState};
use crate::records;
use crate::settings::GroupSettings;
use crate::state::{CommittedOffset, ForeignGroup, ForeignKind, GroupEntry};
use crate::text::text;
use ottla_machine::{Offset, Timestamp};
use ottla_wire::api::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_wire::api::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use ottla_wire::api::{OffsetCommitRequest, OffsetCommitResponse};
use ottla_wire::{EncodeError, ErrorCode, Uuid};
use std::borrow::Cow;
use std::sync::Arc;

const TOPIC_IDS_VERSION: i16 = 10;
const GROUP_ID_NOT_FOUND_VERSION: i16 = 9;
/// "Whatever the broker's setting is".
const DEFAULT_RETENTION: i64 = -1;

/// An OffsetCommit with what it is judged by.
#[derive(Clone, Copy)]
pub(crate) struct CommitCall<'a> {
    pub(crate) version: i16,
    pub(crate) request: &'a OffsetCommitRequest<'a>,
    pub(crate) topics: &'a dyn TopicResolver,
    pub(crate) settings: &'a GroupSettings,
    pub(crate) now: Timestamp,
}

/// Decides a commit. `active` is the error of a shard that cannot serve now.
pub(crate) fn commit(
    standing: Standing<'_>,
    call: CommitCall<'_>,
    active: Result<(), ErrorCode>,
) -> Result<Decision<OffsetCommitResponse<'static>>, EncodeError> {
    let request = call.request;
    let named: Vec<Named<'_>> = request.topics.iter().map(|topic| call.name(topic)).collect();
    // What names nothing is refused for itself; if nothing else is there, the group is not even looked at.
    let is_sound =
        |named: &Named<'_>| named.topic.partitions.iter().any(|partition| call.check(named, partition).is_ok());
    let group = if named.iter().any(is_sound) { active.and_then(|()| validate(standing, call)) } else { Ok(()) };
    let expire_time = match request.retention_time_ms {
        DEFAULT_RETENTION => None,
        retention => Some(Timestamp(call.now.0.saturating_add(retention))),
    };
    let mut decision = Decision { records: Vec::new(), answer: OffsetCommitResponse::default() };
    for named in &named {
        let mut partitions = Vec::with_capacity(named.topic.partitions.len());
        for partition in &named.topic.partitions {
            let result = call.check(named, partition).and(group).and_then(|()| call.check_metadata(partition));
            if result.is_ok() {
                let offset = CommittedOffset {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch.max(-1),
                    metadata: partition.committed_metadata.as_deref().filter(|text| !text.is_empty()).map(Arc::from),
                    commit_time: call.now,
                    expire_time,
                    topic_id: named.id,
                    record_offset: Offset(-1),
                };
                let name = named.name.unwrap_or_default();
                let record = records::offset_commit(&request.group_id, name, partition.partition_index, &offset)?;
                decision.records.push(record);
            }
            let error_code = result.err().unwrap_or_default().code();
            let partition_index = partition.partition_index;
            partitions.push(OffsetCommitResponsePartition { partition_index, error_code, ..Default::default() });
        }
        let name = named.name.map(text).unwrap_or(Cow::Borrowed(""));
        let topic_id = named.id;
        decision.answer.topics.push(OffsetCommitResponseTopic { name, topic_id, partitions, ..Default::default() });
    }
    Ok(decision)
}

/// A topic of the request with both its name and its id, as far as they are known.
struct Named<'a> {
    topic: &'a OffsetCommitRequestTopic<'a>,
    name: Option<&'a str>,
    id: Uuid,
}

impl<'a> CommitCall<'a> {
    fn name(&self, topic: &'a OffsetCommitRequestTopic<'a>) -> Named<'a> {
        if self.version >= TOPIC_IDS_VERSION {
            return Named { topic, name: self.topics.topic_name(topic.topic_id), id: topic.topic_id };
        }
        Named { topic, name: Some(&topic.name), id: self.topics.topic_id(&topic.name).unwrap_or(Uuid::ZERO) }
    }

    fn check(&self, named: &Named<'_>, partition: &OffsetCommitRequestPartition<'_>) -> Result<(), ErrorCode> {
        let name = named.name.ok_or(ErrorCode::UnknownTopicId)?;
        if named.id.is_zero() || !self.topics.has_partition(name, partition.partition_index) {
            return Err(ErrorCode::UnknownTopicOrPartition);
        }
        Ok(())
    }

    fn check_metadata(&self, partition: &OffsetCommitRequestPartition<'_>) -> Result<(), ErrorCode> {
        let length = partition.committed_metadata.as_deref().map_or(0, |text| text.encode_utf16().count());
        if length > self.settings.offset_metadata_max { Err(ErrorCode::OffsetMetadataTooLarge) } else { Ok(()) }
    }
}

/// Whether this member may commit for this group now.
fn validate(standing: Standing<'_>, call: CommitCall<'_>) -> Result<(), ErrorCode> {
    let request = call.request;
    let generation = request.generation_id_or_member_epoch;
    match (standing.live, standing.entry) {
        (Some(group), _) => validate_classic(group, request),
        // An empty group takes offsets from whoever does not claim to be a member.
        (None, Some(GroupEntry::Classic(_))) if generation < 0 => Ok(()),
        (None, Some(GroupEntry::Classic(_))) => Err(ErrorCode::UnknownMemberId),
        (None, Some(GroupEntry::Foreign(group))) => validate_foreign(group, call),
        (None, None) if generation < 0 => Ok(()),
        (None, None) if call.version >= GROUP_ID_NOT_FOUND_VERSION => Err(ErrorCode::GroupIdNotFound),
        (None, None) => Err(ErrorCode::IllegalGeneration),
    }
}

fn validate_classic(group: &ClassicGroup, request: &OffsetCommitRequest<'_>) -> Result<(), ErrorCode> {
    let generation = request.generation_id_or_member_epoch;
    let instance_id = request.group_instance_id.as_deref();
    if generation < 0 && group.state == ClassicState::Empty {
        return Ok(());
    }
    if generation >= 0 || !request.member_id.is_empty() || instance_id.is_some() {
        group.validate_member(&request.member_id, instance_id)?;
        if generation != group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
    } else if group.state != ClassicState::Empty {
        return Err(ErrorCode::UnknownMemberId);
    }
    // The member knows the new generation, but not yet what it is assigned in it.
    if group.state == ClassicState::CompletingRebalance { Err(ErrorCode::RebalanceInProgress) } else { Ok(()) }
}

fn validate_foreign(group: &ForeignGroup, call: CommitCall<'_>) -> Result<(), ErrorCode> {
    let epoch = call.request.generation_id_or_member_epoch;
    if group.kind == ForeignKind::Share {
        return Err(ErrorCode::GroupIdNotFound);
    }
    if epoch < 0 && group.is_empty() {
        return Ok(());
    }
    let present = group.member_epoch(&call.request.member_id).ok_or(ErrorCode::UnknownMemberId)?;
    if call.version < GROUP_ID_NOT_FOUND_VERSION {
        return Err(ErrorCode::UnsupportedVersion);
    }
    if present == epoch { Ok(()) } else { Err(ErrorCode::StaleMemberEpoch) }
}

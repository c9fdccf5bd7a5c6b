//! The records that this crate writes, in the versions in which Kafka 4.4 writes them.

use crate::state::CommittedOffset;
use ottla_coordinator::CoordinatorRecord;
use ottla_wire::EncodeError;
use ottla_wire::group::{GroupMetadataKey, GroupMetadataValue, OffsetCommitKey, OffsetCommitValue};

/// Version 4 would be flexible; Kafka writes 3.
const GROUP_METADATA_VERSION: i16 = 3;
/// Since 4.1, with the topic's id.
const OFFSET_COMMIT_VERSION: i16 = 4;
/// The only version with a time of its own to expire.
const OFFSET_COMMIT_EXPIRING_VERSION: i16 = 1;

pub(crate) fn group_metadata(
    group: &str,
    value: Option<&GroupMetadataValue<'_>>,
) -> Result<CoordinatorRecord, EncodeError> {
    let key = GroupMetadataKey { group: group.into() };
    CoordinatorRecord::new(2, &key, value.map(|value| (value as &dyn ottla_wire::Encode, GROUP_METADATA_VERSION)))
}

pub(crate) fn offset_commit(
    group: &str,
    topic: &str,
    partition: i32,
    offset: &CommittedOffset,
) -> Result<CoordinatorRecord, EncodeError> {
    let key = OffsetCommitKey { group: group.into(), topic: topic.into(), partition };
    let value = OffsetCommitValue {
        offset: offset.offset,
        leader_epoch: offset.leader_epoch,
        metadata: offset.metadata.as_deref().unwrap_or_default().into(),
        commit_timestamp: offset.commit_time.0,
        expire_timestamp: offset.expire_time.map_or(-1, |time| time.0),
        topic_id: offset.topic_id,
        ..OffsetCommitValue::default()
    };
    let version = if offset.expire_time.is_some() { OFFSET_COMMIT_EXPIRING_VERSION } else { OFFSET_COMMIT_VERSION };
    CoordinatorRecord::new(1, &key, Some((&value, version)))
}

pub(crate) fn offset_tombstone(group: &str, topic: &str, partition: i32) -> Result<CoordinatorRecord, EncodeError> {
    let key = OffsetCommitKey { group: group.into(), topic: topic.into(), partition };
    CoordinatorRecord::new(1, &key, None)
}

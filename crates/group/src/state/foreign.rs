//! Groups of the protocols that this crate does not run yet (consumer, share, streams), as found in a Kafka directory.
//!
//! Enough is kept to list a group with its type and state, to keep its name from classic groups, and to delete it whole. What
//! cannot be known is told as the nearest state: whether a streams group's topics exist needs its topology, so it is never
//! "NotReady".

use imbl::{OrdMap, OrdSet};
use ottla_coordinator::{ReplayError, Replayed};
use ottla_wire::group::{
    ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMetadataValue, ConsumerGroupTargetAssignmentMetadataValue,
    GroupKey, ShareGroupCurrentMemberAssignmentValue, ShareGroupMetadataValue, ShareGroupTargetAssignmentMetadataValue,
    StreamsGroupCurrentMemberAssignmentValue, StreamsGroupMetadataValue, StreamsGroupTargetAssignmentMetadataValue,
};
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForeignKind {
    Consumer,
    Share,
    Streams,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForeignGroup {
    pub(crate) kind: ForeignKind,
    epoch: i32,
    assignment_epoch: i32,
    members: OrdMap<Arc<str>, MemberEpoch>,
    /// The keys of all its records, metadata last: what a deletion must leave tombstones for.
    keys: OrdSet<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MemberEpoch {
    epoch: i32,
    /// 0 is "stable" in all three protocols.
    state: i8,
}

/// A member that has not been told an epoch yet.
const NEW_MEMBER: MemberEpoch = MemberEpoch { epoch: 0, state: 0 };

/// What a record changes.
pub(super) struct Change {
    pub(super) kind: ForeignKind,
    part: Part,
}

enum Part {
    /// The group itself with its epoch; none: it is gone.
    Group(Option<i32>),
    AssignmentEpoch(Option<i32>),
    Member(Arc<str>, Option<()>),
    MemberEpoch(Arc<str>, Option<MemberEpoch>),
    Other,
}

pub(super) enum Applied {
    Unchanged,
    Removed,
    Group(ForeignGroup),
}

impl ForeignGroup {
    fn new(kind: ForeignKind) -> ForeignGroup {
        ForeignGroup { kind, epoch: 0, assignment_epoch: 0, members: OrdMap::new(), keys: OrdSet::new() }
    }

    /// Kafka's name for the type, as ListGroups tells it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self.kind {
            ForeignKind::Consumer => "consumer",
            ForeignKind::Share => "share",
            ForeignKind::Streams => "streams",
        }
    }

    /// The state as far as records tell it.
    pub(crate) fn state_name(&self) -> &'static str {
        let reconciled = |member: &MemberEpoch| member.state == 0 && member.epoch == self.assignment_epoch;
        if self.members.is_empty() {
            "Empty"
        } else if self.kind == ForeignKind::Share {
            "Stable"
        } else if self.epoch > self.assignment_epoch {
            "Assigning"
        } else if self.members.values().all(reconciled) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The epoch of a member.
    pub(crate) fn member_epoch(&self, member_id: &str) -> Option<i32> {
        self.members.get(member_id).map(|member| member.epoch)
    }

    /// The keys that tombstones must take, the group's own last.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Vec<u8>> {
        let own = self.own_key_type();
        let is_own = move |key: &&Vec<u8>| key.first_chunk::<2>().map(|id| i16::from_be_bytes(*id)) == Some(own);
        self.keys.iter().filter(move |key| !is_own(key)).chain(self.keys.iter().filter(is_own))
    }

    fn own_key_type(&self) -> i16 {
        match self.kind {
            ForeignKind::Consumer => 3,
            ForeignKind::Share => 11,
            ForeignKind::Streams => 17,
        }
    }
}

/// What a record of another protocol says, and of which group. None for keys that are not of another protocol.
pub(super) fn change<'k>(
    key: &'k GroupKey<'_>,
    value: Option<&[u8]>,
) -> Result<Option<(&'k str, Change)>, ReplayError> {
    use ForeignKind::{Consumer, Share, Streams};
    let id = |text: &str| -> Arc<str> { Arc::from(text) };
    let there = value.map(|_| ());
    let (kind, group, part) = match key {
        GroupKey::LegacyOffsetCommit(_) | GroupKey::OffsetCommit(_) | GroupKey::GroupMetadata(_) => return Ok(None),
        GroupKey::ConsumerGroupMetadata(key) => {
            let value = super::value::<ConsumerGroupMetadataValue<'_>>(value)?;
            (Consumer, &key.group_id, Part::Group(value.map(|value| value.epoch)))
        }
        GroupKey::ConsumerGroupTargetAssignmentMetadata(key) => {
            let value = super::value::<ConsumerGroupTargetAssignmentMetadataValue<'_>>(value)?;
            (Consumer, &key.group_id, Part::AssignmentEpoch(value.map(|value| value.assignment_epoch)))
        }
        GroupKey::ConsumerGroupMemberMetadata(key) => {
            (Consumer, &key.group_id, Part::Member(id(&key.member_id), there))
        }
        GroupKey::ConsumerGroupCurrentMemberAssignment(key) => {
            let value = super::value::<ConsumerGroupCurrentMemberAssignmentValue<'_>>(value)?;
            let epoch = value.map(|value| MemberEpoch { epoch: value.member_epoch, state: value.state });
            (Consumer, &key.group_id, Part::MemberEpoch(id(&key.member_id), epoch))
        }
        GroupKey::ConsumerGroupPartitionMetadata(key) => (Consumer, &key.group_id, Part::Other),
        GroupKey::ConsumerGroupTargetAssignmentMember(key) => (Consumer, &key.group_id, Part::Other),
        GroupKey::ConsumerGroupRegularExpression(key) => (Consumer, &key.group_id, Part::Other),
        GroupKey::ShareGroupMetadata(key) => {
            let value = super::value::<ShareGroupMetadataValue<'_>>(value)?;
            (Share, &key.group_id, Part::Group(value.map(|value| value.epoch)))
        }
        GroupKey::ShareGroupTargetAssignmentMetadata(key) => {
            let value = super::value::<ShareGroupTargetAssignmentMetadataValue<'_>>(value)?;
            (Share, &key.group_id, Part::AssignmentEpoch(value.map(|value| value.assignment_epoch)))
        }
        GroupKey::ShareGroupMemberMetadata(key) => (Share, &key.group_id, Part::Member(id(&key.member_id), there)),
        GroupKey::ShareGroupCurrentMemberAssignment(key) => {
            let value = super::value::<ShareGroupCurrentMemberAssignmentValue<'_>>(value)?;
            let epoch = value.map(|value| MemberEpoch { epoch: value.member_epoch, state: value.state });
            (Share, &key.group_id, Part::MemberEpoch(id(&key.member_id), epoch))
        }
        GroupKey::ShareGroupTargetAssignmentMember(key) => (Share, &key.group_id, Part::Other),
        GroupKey::ShareGroupStatePartitionMetadata(key) => (Share, &key.group_id, Part::Other),
        GroupKey::StreamsGroupMetadata(key) => {
            let value = super::value::<StreamsGroupMetadataValue<'_>>(value)?;
            (Streams, &key.group_id, Part::Group(value.map(|value| value.epoch)))
        }
        GroupKey::StreamsGroupTargetAssignmentMetadata(key) => {
            let value = super::value::<StreamsGroupTargetAssignmentMetadataValue<'_>>(value)?;
            (Streams, &key.group_id, Part::AssignmentEpoch(value.map(|value| value.assignment_epoch)))
        }
        GroupKey::StreamsGroupMemberMetadata(key) => (Streams, &key.group_id, Part::Member(id(&key.member_id), there)),
        GroupKey::StreamsGroupCurrentMemberAssignment(key) => {
            let value = super::value::<StreamsGroupCurrentMemberAssignmentValue<'_>>(value)?;
            let epoch = value.map(|value| MemberEpoch { epoch: value.member_epoch, state: value.state });
            (Streams, &key.group_id, Part::MemberEpoch(id(&key.member_id), epoch))
        }
        GroupKey::StreamsGroupTargetAssignmentMember(key) => (Streams, &key.group_id, Part::Other),
        GroupKey::StreamsGroupTopology(key) => (Streams, &key.group_id, Part::Other),
    };
    Ok(Some((group, Change { kind, part })))
}

/// The group after a change. A tombstone never makes a group.
pub(super) fn apply(present: Option<&Arc<ForeignGroup>>, change: &Change, record: &Replayed<'_>) -> Applied {
    if matches!(change.part, Part::Group(None)) {
        return if present.is_some() { Applied::Removed } else { Applied::Unchanged };
    }
    let mut group = match present {
        Some(group) => ForeignGroup::clone(group),
        None if record.value.is_none() => return Applied::Unchanged,
        None => ForeignGroup::new(change.kind),
    };
    match &change.part {
        Part::Group(epoch) => group.epoch = epoch.unwrap_or(0),
        Part::AssignmentEpoch(epoch) => group.assignment_epoch = epoch.unwrap_or(0),
        Part::Member(id, Some(())) => {
            if !group.members.contains_key(&**id) {
                group.members.insert(id.clone(), NEW_MEMBER);
            }
        }
        Part::Member(id, None) => {
            group.members.remove(&**id);
        }
        Part::MemberEpoch(id, Some(epoch)) => {
            group.members.insert(id.clone(), *epoch);
        }
        // Kafka writes this before the member's own tombstone: the member is back at no epoch.
        Part::MemberEpoch(id, None) => {
            if let Some(member) = group.members.get_mut(&**id) {
                *member = NEW_MEMBER;
            }
        }
        Part::Other => {}
    }
    if record.value.is_some() {
        group.keys.insert(record.key.to_vec());
    } else {
        group.keys.remove(record.key);
    }
    Applied::Group(group)
}

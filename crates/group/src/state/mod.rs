//! The replicated state of one partition of `__consumer_offsets`: which groups there are, and what they committed.
//!
//! Only replay changes it. A classic group is here as its last record tells it; its members' waits and timers are soft state
//! elsewhere. Groups of the other protocols are remembered as far as they must be listed and protected: their records are
//! never rewritten and never expire here.

mod classic_record;
mod foreign;
mod offset_store;

pub(crate) use classic_record::{ClassicRecord, MemberRecord};
pub(crate) use foreign::{ForeignGroup, ForeignKind};
pub(crate) use offset_store::{CommittedOffset, OffsetStore};

use imbl::OrdMap;
use ottla_coordinator::{RecordMachine, ReplayError, Replayed, TransactionResult};
use ottla_machine::ProducerId;
use ottla_wire::group::{GroupKey, GroupMetadataValue, LegacyOffsetCommitValue, OffsetCommitValue};
use ottla_wire::{Decode, DecodeError, Reader};
use std::sync::Arc;

/// Groups and offsets, as replaying the log gives them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupState {
    groups: OrdMap<Arc<str>, GroupEntry>,
    pub(crate) offsets: OffsetStore,
}

/// A group, by its protocol.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GroupEntry {
    Classic(Arc<ClassicRecord>),
    Foreign(Arc<ForeignGroup>),
}

impl GroupState {
    pub(crate) fn group(&self, id: &str) -> Option<&GroupEntry> {
        self.groups.get(id)
    }

    /// The record of a classic group.
    pub(crate) fn classic(&self, id: &str) -> Option<&Arc<ClassicRecord>> {
        match self.groups.get(id) {
            Some(GroupEntry::Classic(record)) => Some(record),
            _ => None,
        }
    }

    pub(crate) fn foreign(&self, id: &str) -> Option<&Arc<ForeignGroup>> {
        match self.groups.get(id) {
            Some(GroupEntry::Foreign(group)) => Some(group),
            _ => None,
        }
    }

    /// All groups by name.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (&Arc<str>, &GroupEntry)> {
        self.groups.iter()
    }

    /// The groups whose names come after `after`.
    pub(crate) fn groups_after<'s>(&'s self, after: &str) -> impl Iterator<Item = (&'s Arc<str>, &'s GroupEntry)> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.groups.range::<_, str>((Excluded(after), Unbounded))
    }

    /// How many groups there are.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// How many offsets are committed.
    #[must_use]
    pub fn offset_count(&self) -> usize {
        self.offsets.len()
    }

    fn replay_offset(
        &mut self,
        record: &Replayed<'_>,
        (group, topic, partition): (&str, &str, i32),
        value: Option<CommittedOffset>,
    ) {
        let Some(value) = value else {
            self.offsets.remove(group, topic, partition);
            return;
        };
        let group = match self.groups.get_key_value(group) {
            Some((id, _)) => id.clone(),
            None => {
                // Whoever commits without being a member makes a "simple" group: an empty one without a protocol.
                let id: Arc<str> = group.into();
                self.groups.insert(id.clone(), GroupEntry::Classic(Arc::default()));
                id
            }
        };
        self.offsets.put(record.producer_id, group, topic, partition, value);
    }

    fn replay_classic(&mut self, group: &str, value: Option<ClassicRecord>) {
        match value {
            None => {
                self.groups.remove(group);
            }
            Some(record) => {
                self.groups.insert(group.into(), GroupEntry::Classic(Arc::new(record)));
            }
        }
    }

    fn replay_foreign(&mut self, key: &GroupKey<'_>, record: &Replayed<'_>) -> Result<(), ReplayError> {
        let Some((group, change)) = foreign::change(key, record.value)? else {
            return Ok(());
        };
        let present = match self.groups.get(group) {
            Some(GroupEntry::Foreign(present)) if present.kind == change.kind => Some(present),
            // A simple group, which a mere commit made, gives way.
            Some(GroupEntry::Classic(classic)) if classic.is_simple() => None,
            Some(_) => return Err(ReplayError::Contradiction("a record of another protocol than the group's")),
            None => None,
        };
        match foreign::apply(present, &change, record) {
            foreign::Applied::Unchanged => {}
            foreign::Applied::Removed => {
                self.groups.remove(group);
            }
            foreign::Applied::Group(changed) => {
                self.groups.insert(group.into(), GroupEntry::Foreign(Arc::new(changed)));
            }
        }
        Ok(())
    }
}

impl RecordMachine for GroupState {
    fn replay(&mut self, record: Replayed<'_>) -> Result<(), ReplayError> {
        let mut reader = Reader::new(record.key);
        let id = reader.i16()?;
        let key = GroupKey::decode(id, &mut reader, 0)?;
        reader.finish()?;
        match &key {
            GroupKey::OffsetCommit(key) => {
                let value = value::<OffsetCommitValue<'_>>(record.value)?
                    .map(|value| CommittedOffset::from_value(&value, record.offset));
                self.replay_offset(&record, (&key.group, &key.topic, key.partition), value);
            }
            GroupKey::LegacyOffsetCommit(key) => {
                let value = value::<LegacyOffsetCommitValue<'_>>(record.value)?
                    .map(|value| CommittedOffset::from_legacy_value(&value, record.offset));
                self.replay_offset(&record, (&key.group, &key.topic, key.partition), value);
            }
            GroupKey::GroupMetadata(key) => {
                let value = value::<GroupMetadataValue<'_>>(record.value)?;
                let value = value.map(|value| ClassicRecord::from_value(&value)).transpose()?;
                self.replay_classic(&key.group, value);
            }
            _ => self.replay_foreign(&key, &record)?,
        }
        Ok(())
    }

    fn end_transaction(&mut self, producer_id: ProducerId, result: TransactionResult) {
        self.offsets.end_transaction(producer_id, result);
    }
}

/// Reads a value behind its version. Bytes behind it are let be, as Kafka lets them be.
fn value<'a, T: Decode<'a>>(bytes: Option<&'a [u8]>) -> Result<Option<T>, DecodeError> {
    let Some(bytes) = bytes else { return Ok(None) };
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    T::decode(&mut reader, version).map(Some)
}

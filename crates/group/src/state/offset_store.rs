//! Committed offsets, and those of transactions that have not ended.
//!
//! One flat map for all groups: a map for each group would cost kilobytes a group. A pending offset becomes a committed one
//! with its transaction's COMMIT, unless a later record has committed the partition meanwhile: compaction may have reordered
//! what is left, so the record's offset decides, not the order of arrival.

use equivalent::{Comparable, Equivalent};
use imbl::{OrdMap, OrdSet};
use ottla_coordinator::TransactionResult;
use ottla_machine::{Offset, ProducerId, Timestamp};
use ottla_wire::Uuid;
use ottla_wire::group::{LegacyOffsetCommitValue, OffsetCommitValue};
use std::cmp::Ordering;
use std::sync::Arc;

/// One committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommittedOffset {
    pub(crate) offset: i64,
    /// −1 where it was not told.
    pub(crate) leader_epoch: i32,
    /// None is the empty text.
    pub(crate) metadata: Option<Arc<str>>,
    pub(crate) commit_time: Timestamp,
    /// Only commits of old clients carry a time of their own (versions 2 to 4 of OffsetCommit).
    pub(crate) expire_time: Option<Timestamp>,
    /// Zero in records from before Kafka wrote it.
    pub(crate) topic_id: Uuid,
    pub(crate) record_offset: Offset,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OffsetKey {
    pub(crate) group: Arc<str>,
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
}

#[derive(Clone, Copy, Debug)]
struct OffsetRef<'a> {
    group: &'a str,
    topic: &'a str,
    partition: i32,
}

impl Equivalent<OffsetKey> for OffsetRef<'_> {
    fn equivalent(&self, key: &OffsetKey) -> bool {
        self.compare(key) == Ordering::Equal
    }
}

impl Comparable<OffsetKey> for OffsetRef<'_> {
    fn compare(&self, key: &OffsetKey) -> Ordering {
        (self.group, self.topic, self.partition).cmp(&(&*key.group, &*key.topic, key.partition))
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OffsetStore {
    committed: OrdMap<OffsetKey, CommittedOffset>,
    pending: OrdMap<ProducerId, OrdMap<OffsetKey, CommittedOffset>>,
    /// The producers with a pending offset, by partition.
    open: OrdMap<OffsetKey, OrdSet<ProducerId>>,
}

impl CommittedOffset {
    pub(crate) fn from_value(value: &OffsetCommitValue<'_>, record_offset: Offset) -> CommittedOffset {
        CommittedOffset {
            offset: value.offset,
            leader_epoch: value.leader_epoch.max(-1),
            metadata: Some(&value.metadata).filter(|text| !text.is_empty()).map(|text| Arc::from(&**text)),
            commit_time: Timestamp(value.commit_timestamp),
            expire_time: Some(Timestamp(value.expire_timestamp)).filter(|time| *time != Timestamp::NONE),
            topic_id: value.topic_id,
            record_offset,
        }
    }

    pub(crate) fn from_legacy_value(value: &LegacyOffsetCommitValue<'_>, record_offset: Offset) -> CommittedOffset {
        CommittedOffset {
            offset: value.offset,
            leader_epoch: -1,
            metadata: Some(&value.metadata).filter(|text| !text.is_empty()).map(|text| Arc::from(&**text)),
            commit_time: Timestamp(value.commit_timestamp),
            expire_time: None,
            topic_id: Uuid::ZERO,
            record_offset,
        }
    }
}

impl OffsetStore {
    pub(crate) fn len(&self) -> usize {
        self.committed.len()
    }

    pub(crate) fn get(&self, group: &str, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.committed.get(&OffsetRef { group, topic, partition })
    }

    /// Whether a transaction that has not ended commits this partition.
    pub(crate) fn is_pending(&self, group: &str, topic: &str, partition: i32) -> bool {
        !self.open.is_empty() && self.open.contains_key(&OffsetRef { group, topic, partition })
    }

    /// The committed offsets of a group by topic and partition.
    pub(crate) fn of_group<'s>(&'s self, group: &'s str) -> impl Iterator<Item = (&'s OffsetKey, &'s CommittedOffset)> {
        self.committed
            .range(OffsetRef { group, topic: "", partition: i32::MIN }..)
            .take_while(move |(key, _)| *key.group == *group)
    }

    /// The partitions of a group that transactions have pending.
    pub(crate) fn pending_of_group<'s>(&'s self, group: &'s str) -> impl Iterator<Item = &'s OffsetKey> {
        self.open
            .range(OffsetRef { group, topic: "", partition: i32::MIN }..)
            .map(|(key, _)| key)
            .take_while(move |key| *key.group == *group)
    }

    /// All offsets, committed and pending.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&OffsetKey, &CommittedOffset)> {
        self.committed.iter().chain(self.pending.values().flat_map(|offsets| offsets.iter()))
    }

    pub(super) fn put(
        &mut self,
        producer_id: ProducerId,
        group: Arc<str>,
        topic: &str,
        partition: i32,
        value: CommittedOffset,
    ) {
        if producer_id == ProducerId::NONE {
            if let Some(present) = self.committed.get_mut(&OffsetRef { group: &group, topic, partition }) {
                *present = value;
                return;
            }
            let key = self.key(group, topic, partition);
            self.committed.insert(key, value);
        } else {
            let key = self.key(group, topic, partition);
            self.open.entry(key.clone()).or_default().insert(producer_id);
            self.pending.entry(producer_id).or_default().insert(key, value);
        }
    }

    /// A key that shares its topic's name with a neighbour.
    fn key(&self, group: Arc<str>, topic: &str, partition: i32) -> OffsetKey {
        let neighbour = self.committed.range(OffsetRef { group: &group, topic, partition: i32::MIN }..).next();
        let topic = match neighbour {
            Some((key, _)) if *key.topic == *topic => key.topic.clone(),
            _ => topic.into(),
        };
        OffsetKey { group, topic, partition }
    }

    /// A tombstone takes what is pending too.
    pub(super) fn remove(&mut self, group: &str, topic: &str, partition: i32) {
        let key = OffsetRef { group, topic, partition };
        self.committed.remove(&key);
        if let Some((key, producers)) = self.open.remove_with_key(&key) {
            for producer_id in producers {
                if let Some(offsets) = self.pending.get_mut(&producer_id) {
                    offsets.remove(&key);
                    if offsets.is_empty() {
                        self.pending.remove(&producer_id);
                    }
                }
            }
        }
    }

    pub(super) fn end_transaction(&mut self, producer_id: ProducerId, result: TransactionResult) {
        let Some(offsets) = self.pending.remove(&producer_id) else { return };
        for (key, value) in offsets {
            if let Some(producers) = self.open.get_mut(&key) {
                producers.remove(&producer_id);
                if producers.is_empty() {
                    self.open.remove(&key);
                }
            }
            let is_newer = self.committed.get(&key).is_none_or(|present| value.record_offset > present.record_offset);
            if result == TransactionResult::Commit && is_newer {
                self.committed.insert(key, value);
            }
        }
    }
}

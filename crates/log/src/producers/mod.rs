//! What a log knows of its idempotent and transactional producers: the last batches of each, for telling duplicates and gaps,
//! and the transactions that are open, for the last stable offset.
//!
//! Invariants: the state at an offset is what the batches below it make of an empty state, whether they were appended or
//! replayed; a snapshot at that offset is that state, but for all but the last batch of each producer. Checks happen in
//! [`ProducerEntry::check`], before anything is written; applying cannot fail. Deliberately absent: verification (KIP-890 part 1).

mod entry;
mod snapshot;
mod update;

use std::collections::{BTreeMap, BTreeSet};

use ottla_machine::ProducerId;

pub(crate) use entry::{BatchMetadata, ProducerEntry};
pub(crate) use snapshot::{decode, encode};
pub(crate) use update::{CompletedTxn, ProducerBatch, Staged, Strictness};

use crate::rare::Rare;
use crate::segment::AbortedTxn;

/// A producer as DescribeProducers shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    pub producer_id: ProducerId,
    pub producer_epoch: i16,
    /// −1 if it has written nothing in this epoch.
    pub last_sequence: i32,
    pub last_timestamp: i64,
    /// −1 if no coordinator has ended a transaction of it here.
    pub coordinator_epoch: i32,
    /// Where its open transaction begins.
    pub current_txn_start_offset: Option<i64>,
}

/// What must stay in the log of an active producer, so that replaying it tells the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastRecord {
    /// Last offset of its last batch; `None` if a marker came since its epoch began, and no data.
    pub(crate) data_offset: Option<i64>,
    pub(crate) producer_epoch: i16,
}

/// All producers of a log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Producers {
    entries: Rare<BTreeMap<i64, ProducerEntry>>,
    /// First offset of each open transaction, and whose it is.
    ongoing: Rare<BTreeMap<i64, i64>>,
    /// First and last offset of each transaction that has ended above the high watermark.
    unreplicated: Rare<BTreeMap<i64, i64>>,
    /// The offset up to which batches are in this state.
    pub(crate) map_end_offset: i64,
    /// Offsets of the snapshots on disk.
    pub(crate) snapshots: Rare<BTreeSet<i64>>,
}

impl Producers {
    pub(crate) fn get(&self, producer_id: i64) -> Option<&ProducerEntry> {
        self.entries.get(&producer_id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&i64, &ProducerEntry)> {
        self.entries.iter()
    }

    /// The last records of the producers, by id, where they can lie below `end`.
    pub(crate) fn last_records_below(&self, end: i64) -> BTreeMap<i64, LastRecord> {
        let last = |entry: &ProducerEntry| LastRecord {
            data_offset: entry.last_batch().map(|batch| batch.last_offset),
            producer_epoch: entry.producer_epoch,
        };
        let records = self.entries.iter().map(|(id, entry)| (*id, last(entry)));
        records.filter(|(_, last)| last.data_offset.is_none_or(|offset| offset < end)).collect()
    }

    pub(crate) fn active(&self) -> Vec<ActiveProducer> {
        let active = |(id, entry): (&i64, &ProducerEntry)| ActiveProducer {
            producer_id: ProducerId(*id),
            producer_epoch: entry.producer_epoch,
            last_sequence: entry.last_sequence(),
            last_timestamp: entry.last_timestamp,
            coordinator_epoch: entry.coordinator_epoch,
            current_txn_start_offset: entry.txn_first_offset,
        };
        self.entries.iter().map(active).collect()
    }

    /// Takes over what was checked before its batch was written. Aborted transactions are given back for the index.
    pub(crate) fn apply(&mut self, staged: Staged, mut aborted: impl FnMut(AbortedTxn)) {
        for (producer_id, first_offset) in staged.started {
            self.ongoing.insert(first_offset, producer_id);
        }
        for (producer_id, entry) in staged.first.into_iter().chain(staged.more) {
            self.entries.insert(producer_id, entry);
        }
        for completed in staged.completed {
            let last_stable_offset = self.last_stable_offset_after(&completed);
            if completed.aborted {
                aborted(AbortedTxn {
                    producer_id: completed.producer_id,
                    first_offset: completed.first_offset,
                    last_offset: completed.last_offset,
                    last_stable_offset,
                });
            }
            self.ongoing.remove(&completed.first_offset);
            self.unreplicated.insert(completed.first_offset, completed.last_offset);
        }
    }

    /// Where the first transaction begins that another producer still has open, else the offset after the marker.
    fn last_stable_offset_after(&self, completed: &CompletedTxn) -> i64 {
        let open = self.ongoing.iter().find(|(_, producer_id)| **producer_id != completed.producer_id);
        open.map_or(completed.last_offset + 1, |(first_offset, _)| *first_offset)
    }

    /// The first offset that a read of committed data must not reach.
    pub(crate) fn first_unstable_offset(&self) -> Option<i64> {
        let ongoing = self.ongoing.keys().next();
        let unreplicated = self.unreplicated.keys().next();
        ongoing.into_iter().chain(unreplicated).min().copied()
    }

    /// Lets go of ended transactions whose marker is below `offset`: the high watermark, or the log's start.
    pub(crate) fn forget_completed_below(&mut self, offset: i64) {
        if !self.unreplicated.is_empty() {
            self.unreplicated.retain(|_, last_offset| *last_offset >= offset);
        }
    }

    pub(crate) fn remove_expired(&mut self, now_ms: i64, expiration_ms: i64) {
        if !self.entries.is_empty() {
            self.entries.retain(|_, entry| !entry.is_expired(now_ms, expiration_ms));
        }
    }

    /// Starts over, as a log that is empty up to `offset`. The list of snapshots stays: their files are there still.
    pub(crate) fn clear(&mut self, offset: i64) {
        self.entries.clear();
        self.ongoing.clear();
        self.unreplicated.clear();
        self.map_end_offset = offset;
    }

    /// Takes over the entries of a snapshot at `offset`.
    pub(crate) fn load(&mut self, offset: i64, entries: Vec<(i64, ProducerEntry)>, now_ms: i64, expiration_ms: i64) {
        self.clear(offset);
        for (producer_id, entry) in entries {
            if entry.is_expired(now_ms, expiration_ms) {
                continue;
            }
            if let Some(first_offset) = entry.txn_first_offset {
                self.ongoing.insert(first_offset, producer_id);
            }
            self.entries.insert(producer_id, entry);
        }
    }

    /// Whether a snapshot at the end of this state would tell more than those on disk.
    pub(crate) fn needs_snapshot(&self) -> bool {
        let newest = self.snapshots.last().copied();
        newest.map_or(!self.entries.is_empty(), |newest| self.map_end_offset > newest)
    }
}

//! Transactions as a cleaning meets them: which batches were aborted, and which markers end a transaction of which nothing is
//! left.
//!
//! A marker stays until no batch of its transaction was met; then it may go once its delete horizon has passed. The aborted
//! transactions come from the transaction indexes, and those whose marker stays are given back for the cleaned one.

use std::collections::{BTreeMap, BTreeSet};

use ottla_wire::batch::{Batch, BatchError, BatchHeader, ControlRecordType};

use crate::segment::AbortedTxn;

#[derive(Default)]
pub(super) struct Transactions {
    /// Aborted ones that begin above what was met, by where they begin.
    ahead: BTreeSet<Ahead>,
    /// Aborted ones whose marker is still to come, by producer.
    aborted: BTreeMap<i64, Aborted>,
    /// Producers of which a batch was met that no marker has ended yet, and that was not aborted.
    committed: BTreeSet<i64>,
}

/// First offset, producer, last offset, last stable offset.
type Ahead = (i64, i64, i64, i64);

struct Aborted {
    txn: AbortedTxn,
    has_batches: bool,
}

/// What a marker means for the log that is being made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Marker {
    /// Nothing is left of its transaction.
    pub(super) is_obsolete: bool,
    /// What the transaction index must say of it.
    pub(super) aborted: Option<AbortedTxn>,
}

impl Transactions {
    /// Adds aborted transactions of an index. One that is told twice before its marker counts once.
    pub(super) fn add(&mut self, found: &[AbortedTxn]) {
        let ahead = |txn: &AbortedTxn| (txn.first_offset, txn.producer_id, txn.last_offset, txn.last_stable_offset);
        self.ahead.extend(found.iter().map(ahead));
    }

    /// Takes note of a batch of data; true if it was aborted.
    pub(super) fn see_data(&mut self, header: &BatchHeader) -> bool {
        self.reach(header.last_offset());
        if !header.attributes.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&header.producer_id) {
            Some(aborted) => {
                aborted.has_batches = true;
                true
            }
            None => {
                self.committed.insert(header.producer_id);
                false
            }
        }
    }

    /// Takes note of a control batch.
    pub(super) fn see_control(&mut self, batch: &Batch<'_>) -> Result<Marker, BatchError> {
        self.reach(batch.header.last_offset());
        let record = batch.records().and_then(|mut records| records.next()).transpose()?;
        let Some(record) = record else {
            // It was emptied before, and stayed for its producer's sake.
            return Ok(Marker { is_obsolete: true, aborted: None });
        };
        let producer_id = batch.header.producer_id;
        Ok(match record.key.and_then(ControlRecordType::from_key) {
            Some(ControlRecordType::Abort) => {
                let aborted = self.aborted.remove(&producer_id).filter(|aborted| aborted.has_batches);
                Marker { is_obsolete: aborted.is_none(), aborted: aborted.map(|aborted| aborted.txn) }
            }
            Some(ControlRecordType::Commit) => {
                Marker { is_obsolete: !self.committed.remove(&producer_id), aborted: None }
            }
            _ => Marker { is_obsolete: false, aborted: None },
        })
    }

    /// Aborted transactions that begin at or below the offset are under way.
    fn reach(&mut self, offset: i64) {
        while let Some(first) = self.ahead.first().copied().filter(|ahead| ahead.0 <= offset) {
            self.ahead.remove(&first);
            let (first_offset, producer_id, last_offset, last_stable_offset) = first;
            let txn = AbortedTxn { producer_id, first_offset, last_offset, last_stable_offset };
            self.aborted.entry(producer_id).or_insert(Aborted { txn, has_batches: false });
        }
    }
}

//! Checking a producer's batch against what is known of the producer, and what the batch would change.
//!
//! The rules are Kafka's: an older epoch is fenced; within an epoch sequences follow each other, from `i32::MAX` on to 0; a
//! new epoch starts at 0; a producer that is not known may start anywhere. What comes from a leader's log (replication,
//! replay) was judged before and is taken as it is.

use std::collections::BTreeMap;

use ottla_wire::batch::{BatchHeader, NO_PRODUCER_EPOCH};

use super::{BatchMetadata, ProducerEntry, Producers};
use crate::error::AppendError;

/// How a batch is judged, by where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// A client's: epoch and sequence must be right.
    Client,
    /// A coordinator's: the epoch must be right. From transaction version 2 on a marker's must be above the last (KIP-890).
    Coordinator { transaction_version: i16 },
    /// From a log: nothing is judged.
    Replica,
}

/// A batch as far as producers are concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ProducerBatch {
    Data(BatchHeader),
    /// The end of a transaction.
    Marker {
        header: BatchHeader,
        aborted: bool,
        coordinator_epoch: i32,
        timestamp: i64,
    },
}

/// A transaction that a marker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompletedTxn {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) aborted: bool,
}

/// Changes that were checked but not made yet; for one batch of one producer nothing is allocated.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    pub(super) first: Option<(i64, ProducerEntry)>,
    pub(super) more: BTreeMap<i64, ProducerEntry>,
    /// Producer id and first offset of transactions that begin.
    pub(super) started: Vec<(i64, i64)>,
    pub(super) completed: Vec<CompletedTxn>,
}

impl Staged {
    /// Checks a batch on top of what is staged already, and stages what it changes.
    pub(crate) fn check(
        &mut self,
        producers: &Producers,
        batch: &ProducerBatch,
        strictness: Strictness,
    ) -> Result<(), AppendError> {
        let (ProducerBatch::Data(header) | ProducerBatch::Marker { header, .. }) = batch;
        let producer_id = header.producer_id;
        let known = match &self.first {
            Some((id, entry)) if *id == producer_id => Some(entry),
            _ => self.more.get(&producer_id).or_else(|| producers.get(producer_id)),
        };
        let mut entry = known.cloned().unwrap_or_default();
        match batch {
            ProducerBatch::Data(header) => {
                entry.check_data(header, strictness)?;
                if entry.add(header)? {
                    self.started.push((producer_id, header.base_offset));
                }
            }
            ProducerBatch::Marker { header, aborted, coordinator_epoch, timestamp } => {
                entry.check_marker(header, *coordinator_epoch, strictness)?;
                if let Some(first_offset) = entry.txn_first_offset.take() {
                    let last_offset = header.base_offset;
                    self.completed.push(CompletedTxn { producer_id, first_offset, last_offset, aborted: *aborted });
                }
                entry.begin_epoch(header.producer_epoch);
                entry.coordinator_epoch = *coordinator_epoch;
                entry.last_timestamp = *timestamp;
            }
        }
        match &mut self.first {
            Some((id, first)) if *id == producer_id => *first = entry,
            None => self.first = Some((producer_id, entry)),
            _ => {
                self.more.insert(producer_id, entry);
            }
        }
        Ok(())
    }
}

impl ProducerEntry {
    fn check_data(&self, header: &BatchHeader, strictness: Strictness) -> Result<(), AppendError> {
        if strictness == Strictness::Replica {
            return Ok(());
        }
        if header.producer_epoch < self.producer_epoch {
            return Err(self.fenced(header));
        }
        if strictness != Strictness::Client {
            return Ok(());
        }
        let sequence = header.base_sequence;
        let in_order = if header.producer_epoch == self.producer_epoch {
            follows(self.last_sequence(), sequence)
        } else {
            sequence == 0
        };
        if in_order || self.producer_epoch == NO_PRODUCER_EPOCH {
            return Ok(());
        }
        let last = self.last_sequence();
        Err(AppendError::OutOfOrderSequence { producer_id: header.producer_id, sequence, last })
    }

    fn check_marker(
        &self,
        header: &BatchHeader,
        coordinator_epoch: i32,
        strictness: Strictness,
    ) -> Result<(), AppendError> {
        let Strictness::Coordinator { transaction_version } = strictness else {
            return Ok(());
        };
        let (epoch, current) = (header.producer_epoch, self.producer_epoch);
        if transaction_version >= 2 {
            // The repetition of a marker whose transaction has ended is let through, and so is the last epoch there is.
            let repeated = epoch == current && (self.txn_first_offset.is_none() || epoch == i16::MAX);
            if epoch <= current && !repeated {
                return Err(self.fenced(header));
            }
        } else if epoch < current {
            return Err(self.fenced(header));
        }
        if coordinator_epoch < self.coordinator_epoch {
            let current = self.coordinator_epoch;
            return Err(AppendError::TransactionCoordinatorFenced { epoch: coordinator_epoch, current });
        }
        Ok(())
    }

    /// Takes over a data batch; true if it begins a transaction.
    fn add(&mut self, header: &BatchHeader) -> Result<bool, AppendError> {
        let batch = BatchMetadata {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        };
        self.add_batch(header.producer_epoch, batch);
        match (self.txn_first_offset, header.attributes.is_transactional()) {
            (Some(_), false) => Err(AppendError::InvalidTxnState { producer_id: header.producer_id }),
            (None, true) => {
                self.txn_first_offset = Some(header.base_offset);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn fenced(&self, header: &BatchHeader) -> AppendError {
        AppendError::InvalidProducerEpoch {
            producer_id: header.producer_id,
            epoch: header.producer_epoch,
            current: self.producer_epoch,
        }
    }
}

/// A producer that has written nothing in this epoch (its state is that of a marker) has the last sequence −1.
fn follows(last: i32, next: i32) -> bool {
    i64::from(next) == i64::from(last) + 1 || (next == 0 && last == i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_wire::batch::{Attributes, BatchBuilder, ProducerStamp};

    fn header(epoch: i16, base_sequence: i32, count: i32, base_offset: i64) -> BatchHeader {
        let stamp = ProducerStamp { producer_id: 7, producer_epoch: epoch, base_sequence };
        let mut builder = BatchBuilder::new(base_offset).producer(stamp);
        for _ in 0..count {
            builder.append(1, None, None, &[]).unwrap();
        }
        builder.build_plain(&mut Vec::new()).unwrap()
    }

    fn transactional(header: BatchHeader) -> BatchHeader {
        BatchHeader { attributes: Attributes(header.attributes.0).transactional(), ..header }
    }

    fn append(producers: &mut Producers, batch: ProducerBatch, strictness: Strictness) -> Result<(), AppendError> {
        let mut staged = Staged::default();
        staged.check(producers, &batch, strictness)?;
        producers.apply(staged, |_| {});
        Ok(())
    }

    fn client(producers: &mut Producers, header: BatchHeader) -> Result<(), AppendError> {
        append(producers, ProducerBatch::Data(header), Strictness::Client)
    }

    fn marker(epoch: i16, offset: i64, coordinator_epoch: i32) -> ProducerBatch {
        let header = transactional(header(epoch, -1, 1, offset));
        ProducerBatch::Marker { header, aborted: true, coordinator_epoch, timestamp: 5 }
    }

    #[test]
    fn sequences_follow_each_other_and_wrap() {
        let mut producers = Producers::default();
        client(&mut producers, header(0, 41, 3, 0)).unwrap();
        assert!(matches!(
            client(&mut producers, header(0, 45, 1, 3)),
            Err(AppendError::OutOfOrderSequence { sequence: 45, last: 43, .. })
        ));
        client(&mut producers, header(0, 44, 1, 3)).unwrap();
        let mut producers = Producers::default();
        client(&mut producers, header(0, i32::MAX, 1, 0)).unwrap();
        client(&mut producers, header(0, 0, 1, 1)).unwrap();
        let mut producers = Producers::default();
        client(&mut producers, header(0, i32::MAX - 1, 4, 0)).unwrap();
        assert_eq!(producers.get(7).unwrap().last_sequence(), 1);
        assert!(client(&mut producers, header(0, 1, 1, 4)).is_err());
        client(&mut producers, header(0, 2, 1, 4)).unwrap();
    }

    #[test]
    fn a_new_epoch_starts_at_zero_and_fences_the_old() {
        let mut producers = Producers::default();
        client(&mut producers, header(3, 10, 1, 0)).unwrap();
        assert!(matches!(client(&mut producers, header(4, 11, 1, 1)), Err(AppendError::OutOfOrderSequence { .. })));
        client(&mut producers, header(4, 0, 1, 1)).unwrap();
        let fenced = client(&mut producers, header(3, 11, 1, 2));
        assert!(matches!(fenced, Err(AppendError::InvalidProducerEpoch { epoch: 3, current: 4, .. })));
        append(&mut producers, ProducerBatch::Data(header(3, 99, 1, 2)), Strictness::Replica).unwrap();
    }

    #[test]
    fn duplicates_are_found_among_the_last_five() {
        let mut producers = Producers::default();
        for at in 0..6 {
            client(&mut producers, header(0, at * 2, 2, i64::from(at) * 2)).unwrap();
        }
        let entry = producers.get(7).unwrap();
        assert_eq!(entry.duplicate_of(&header(0, 0, 2, 0)), None);
        assert_eq!(entry.duplicate_of(&header(0, 2, 2, 0)).unwrap().first_offset(), 2);
        assert_eq!(entry.duplicate_of(&header(0, 2, 1, 0)), None);
        assert_eq!(entry.duplicate_of(&header(1, 2, 2, 0)), None);
    }

    #[test]
    fn a_transaction_holds_the_unstable_offset_until_it_is_replicated() {
        let mut producers = Producers::default();
        client(&mut producers, transactional(header(0, 0, 2, 10))).unwrap();
        assert_eq!(producers.first_unstable_offset(), Some(10));
        assert!(matches!(client(&mut producers, header(0, 2, 1, 12)), Err(AppendError::InvalidTxnState { .. })));
        append(&mut producers, marker(0, 12, 1), Strictness::Coordinator { transaction_version: 1 }).unwrap();
        assert_eq!(producers.first_unstable_offset(), Some(10));
        producers.forget_completed_below(12);
        assert_eq!(producers.first_unstable_offset(), Some(10));
        producers.forget_completed_below(13);
        assert_eq!(producers.first_unstable_offset(), None);
        client(&mut producers, transactional(header(0, 2, 1, 13))).unwrap();
    }

    #[test]
    fn markers_are_fenced_by_epoch_and_coordinator() {
        let v1 = Strictness::Coordinator { transaction_version: 1 };
        let v2 = Strictness::Coordinator { transaction_version: 2 };
        let mut producers = Producers::default();
        client(&mut producers, transactional(header(5, 0, 1, 0))).unwrap();
        assert!(matches!(append(&mut producers, marker(4, 1, 1), v1), Err(AppendError::InvalidProducerEpoch { .. })));
        assert!(matches!(append(&mut producers, marker(5, 1, 1), v2), Err(AppendError::InvalidProducerEpoch { .. })));
        append(&mut producers, marker(6, 1, 3), v2).unwrap();
        append(&mut producers, marker(6, 2, 3), v2).unwrap();
        let fenced = append(&mut producers, marker(6, 3, 2), v1);
        assert!(matches!(fenced, Err(AppendError::TransactionCoordinatorFenced { epoch: 2, current: 3 })));
    }

    #[test]
    fn the_last_stable_offset_of_an_aborted_transaction_is_where_the_next_open_one_begins() {
        let mut producers = Producers::default();
        client(&mut producers, transactional(header(0, 0, 1, 0))).unwrap();
        let other = BatchHeader { producer_id: 8, ..transactional(header(0, 0, 1, 1)) };
        client(&mut producers, other).unwrap();
        let mut staged = Staged::default();
        let coordinator = Strictness::Coordinator { transaction_version: 0 };
        staged.check(&producers, &marker(0, 2, 0), coordinator).unwrap();
        let mut aborted = Vec::new();
        producers.apply(staged, |txn| aborted.push(txn));
        assert_eq!((aborted[0].first_offset, aborted[0].last_offset, aborted[0].last_stable_offset), (0, 2, 1));
    }
}

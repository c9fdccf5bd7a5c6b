//! One producer's state: its epoch, its last batches, its open transaction.

use ottla_wire::batch::{BatchHeader, NO_PRODUCER_EPOCH, NO_SEQUENCE};

/// As many batches a producer may have in flight (`max.in.flight.requests.per.connection` with idempotence).
pub(crate) const BATCHES_RETAINED: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProducerEntry {
    pub(crate) producer_epoch: i16,
    pub(crate) coordinator_epoch: i32,
    pub(crate) last_timestamp: i64,
    pub(crate) txn_first_offset: Option<i64>,
    batches: Recent,
}

/// The last batches of an epoch, oldest first; in place, so that a copy of an entry allocates nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Recent {
    batches: [BatchMetadata; BATCHES_RETAINED],
    count: u8,
}

impl Recent {
    fn as_slice(&self) -> &[BatchMetadata] {
        &self.batches[..usize::from(self.count)]
    }

    fn push(&mut self, batch: BatchMetadata) {
        if usize::from(self.count) == BATCHES_RETAINED {
            self.batches.rotate_left(1);
            self.batches[BATCHES_RETAINED - 1] = batch;
        } else {
            self.batches[usize::from(self.count)] = batch;
            self.count += 1;
        }
    }
}

/// What is remembered of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BatchMetadata {
    pub(crate) last_sequence: i32,
    pub(crate) last_offset: i64,
    pub(crate) offset_delta: i32,
    pub(crate) timestamp: i64,
}

impl Default for ProducerEntry {
    /// A producer that nothing is known of.
    fn default() -> Self {
        ProducerEntry {
            producer_epoch: NO_PRODUCER_EPOCH,
            coordinator_epoch: -1,
            last_timestamp: -1,
            txn_first_offset: None,
            batches: Recent::default(),
        }
    }
}

impl BatchMetadata {
    pub(crate) fn first_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }

    fn first_sequence(&self) -> i32 {
        if self.last_sequence >= self.offset_delta {
            self.last_sequence - self.offset_delta
        } else {
            // The sequence wrapped within the batch.
            i32::MAX - (self.offset_delta - self.last_sequence) + 1
        }
    }
}

impl ProducerEntry {
    pub(crate) fn last_sequence(&self) -> i32 {
        self.last_batch().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    pub(crate) fn last_batch(&self) -> Option<&BatchMetadata> {
        self.batches.as_slice().last()
    }

    /// The batch that this one repeats, if it is among those remembered.
    pub(crate) fn duplicate_of(&self, header: &BatchHeader) -> Option<BatchMetadata> {
        if header.producer_epoch != self.producer_epoch {
            return None;
        }
        let same = |batch: &&BatchMetadata| {
            batch.first_sequence() == header.base_sequence && batch.last_sequence == header.last_sequence()
        };
        self.batches.as_slice().iter().find(same).copied()
    }

    pub(crate) fn add_batch(&mut self, epoch: i16, batch: BatchMetadata) {
        self.begin_epoch(epoch);
        self.batches.push(batch);
        self.last_timestamp = batch.timestamp;
    }

    /// A new epoch starts its sequences anew.
    pub(crate) fn begin_epoch(&mut self, epoch: i16) {
        if self.producer_epoch != epoch {
            self.batches = Recent::default();
            self.producer_epoch = epoch;
        }
    }

    pub(crate) fn is_expired(&self, now_ms: i64, expiration_ms: i64) -> bool {
        self.txn_first_offset.is_none() && now_ms.saturating_sub(self.last_timestamp) >= expiration_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_wraps_knows_its_first_sequence() {
        let batch = BatchMetadata { last_sequence: 2, last_offset: 20, offset_delta: 5, timestamp: 0 };
        assert_eq!((batch.first_sequence(), batch.first_offset()), (i32::MAX - 2, 15));
        let batch = BatchMetadata { last_sequence: 5, ..batch };
        assert_eq!(batch.first_sequence(), 0);
    }

    #[test]
    fn five_batches_are_kept_and_none_of_an_older_epoch() {
        let mut entry = ProducerEntry::default();
        for at in 0..7 {
            let batch = BatchMetadata { last_sequence: at, last_offset: i64::from(at), offset_delta: 0, timestamp: 9 };
            entry.add_batch(0, batch);
        }
        let kept: Vec<i32> = entry.batches.as_slice().iter().map(|batch| batch.last_sequence).collect();
        assert_eq!(kept, [2, 3, 4, 5, 6]);
        entry.begin_epoch(1);
        assert_eq!(entry.last_sequence(), NO_SEQUENCE);
        assert!(!entry.is_expired(100, 92) && entry.is_expired(101, 92));
    }
}

//! Batches that are known to be damaged. A read does not look at what it sends, so a checksum that is wrong is the client's to
//! find; what is known already is told to whoever asks for it, as CORRUPT_MESSAGE.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use ottla_machine::{Disk, Offset};

use crate::error::LogError;
use crate::log::{Log, lock};
use crate::rare::Rare;

/// First and last offsets, by the first.
pub(crate) type Corrupt = Rare<BTreeMap<i64, i64>>;

impl<D: Disk> Log<D> {
    /// From here on these offsets cannot be read, until they are cut off.
    pub fn mark_corrupt(&self, first: Offset, last: Offset) {
        let mut corrupt = lock(&self.inner.corrupt);
        let known = corrupt.entry(first.0).or_insert(last.0);
        *known = (*known).max(last.0);
        self.inner.has_corrupt.store(true, Ordering::Release);
    }

    /// Marks what somebody came upon.
    pub(crate) fn noting_damage<T>(&self, result: Result<T, LogError>) -> Result<T, LogError> {
        if let Err(LogError::Damaged { first, last, .. }) = &result {
            // No header is believed beyond the log's end.
            let end = self.log_end_offset().0;
            self.mark_corrupt(*first, Offset(last.0.min(end - 1)));
        }
        result
    }

    /// The offsets that are known to be damaged.
    pub fn corrupt_offsets(&self) -> Vec<(Offset, Offset)> {
        lock(&self.inner.corrupt).iter().map(|(first, last)| (Offset(*first), Offset(*last))).collect()
    }

    /// How often the log was cut, or segments were put in others' place: what was read of its files before may be wrong.
    pub fn generation(&self) -> u64 {
        self.inner.cuts.load(Ordering::Acquire) + self.inner.replacements.load(Ordering::Acquire)
    }

    /// The first damaged offsets at or above one.
    pub(crate) fn first_corrupt(&self, offset: i64) -> Option<(i64, i64)> {
        if !self.inner.has_corrupt.load(Ordering::Acquire) {
            return None;
        }
        let corrupt = lock(&self.inner.corrupt);
        corrupt.iter().map(|(first, last)| (*first, *last)).find(|(_, last)| *last >= offset)
    }

    /// What was cut off may come anew.
    pub(crate) fn forget_corrupt_from(&self, offset: i64) {
        if self.inner.has_corrupt.load(Ordering::Acquire) {
            lock(&self.inner.corrupt).retain(|first, _| *first < offset);
        }
    }
}

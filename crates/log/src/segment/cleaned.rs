//! A segment that compaction makes: its files are used by handle until they have the segment's own names.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use ottla_machine::{Disk, DiskFile, OpenMode};

use super::{Place, Segment, SyncDepth, remove_if_there};
use crate::config::LogConfig;
use crate::error::{LogError, doing};
use crate::file_names::{CLEANED, LOG, OFFSET_INDEX, TIME_INDEX, TXN_INDEX, with_suffix};

/// All kinds of a segment's files, the log first: an index without its log is removed at a start, a log without its index would
/// be read through.
pub(crate) const KINDS: [&str; 4] = [LOG, OFFSET_INDEX, TIME_INDEX, TXN_INDEX];

impl<D: Disk> Segment<D> {
    /// Creates the files of a cleaned segment as `.cleaned`, empty; leftovers of these names are emptied.
    pub(crate) fn create_cleaned(
        place: Place<'_, D>,
        base_offset: i64,
        config: &LogConfig,
        now_ms: i64,
    ) -> Result<Self, LogError> {
        let segment = Segment::at(base_offset, 0, config, now_ms);
        let create = |kind| {
            let path = segment.cleaned_path(place, kind);
            let file = place.disk.open(&path, OpenMode::Create).map_err(doing("creating", &path))?;
            file.set_len(0).map_err(doing("creating", &path))?;
            Ok::<_, LogError>(file)
        };
        segment.log.put(create(LOG)?);
        segment.offsets.begin(create(OFFSET_INDEX)?);
        segment.times.begin(create(TIME_INDEX)?);
        segment.txns.begin(create(TXN_INDEX)?);
        segment.written.store(true, Ordering::Release);
        Ok(segment)
    }

    /// Completes the files and makes them durable, so that they can take their names.
    pub(crate) fn finish_cleaned(&self, place: Place<'_, D>) -> Result<(), LogError> {
        self.seal(place)?;
        self.sync(place, SyncDepth::All)?;
        if self.txns.is_empty(place)? {
            // As ever, there is no file without an entry.
            remove_if_there(place.disk, &self.cleaned_path(place, TXN_INDEX))?;
            self.txns.slot().forget();
        }
        Ok(())
    }

    /// Removes the files, as long as they are `.cleaned`.
    pub(crate) fn remove_cleaned(&self, place: Place<'_, D>) -> Result<(), LogError> {
        KINDS.iter().try_for_each(|kind| remove_if_there(place.disk, &self.cleaned_path(place, kind)))
    }

    pub(crate) fn cleaned_path(&self, place: Place<'_, D>, kind: &str) -> PathBuf {
        with_suffix(&self.path(place, kind), CLEANED)
    }

    /// The files have the segment's own names now.
    pub(crate) fn unpin(&self) {
        for slot in [&self.log, self.offsets.slot(), self.times.slot(), self.txns.slot()] {
            slot.unpin();
        }
    }

    /// The bytes of the two indexes that every segment has.
    pub(crate) fn index_bytes(&self, place: Place<'_, D>) -> Result<[u64; 2], LogError> {
        Ok([self.offsets.len(place)? * 8, self.times.len(place)? * 12])
    }

    /// The offset behind the last batch.
    pub(crate) fn next_offset(&self, place: Place<'_, D>) -> Result<i64, LogError> {
        Ok(self.last_batch(place)?.map_or(self.base_offset, |last| last.header.next_offset()))
    }

    /// The largest timestamp of the first batch, which tells how long the segment's records have waited; `None` if there is
    /// no batch.
    pub(crate) fn first_timestamp(&self, place: Place<'_, D>) -> Option<i64> {
        let known = |segment: &Self| {
            segment.facts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).first_batch_timestamp
        };
        if known(self).is_none() {
            let first = self.first_batch_timestamp(place);
            self.facts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).first_batch_timestamp = first;
        }
        known(self)
    }
}

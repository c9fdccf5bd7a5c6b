//! A segment: a stretch of the log in one file, with the indexes that find places in it.
//!
//! Invariants: the published size ends at a whole batch, and readers never look beyond it; an index entry is noted only after
//! its batch was written; offsets in a segment fit into 31 bits above its base. Files are opened on first use.
//! Deliberately absent: knowledge of its folder's path, which can be renamed: every call is told the [`Place`].

mod cleaned;
mod index;
mod recover;
mod search;
mod time_entry;
mod txn_index;
mod walk;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ottla_machine::{Disk, DiskFile, OpenMode};
use ottla_wire::batch::BatchHeader;

use crate::config::LogConfig;
use crate::error::{LogError, doing};
use crate::file_names::{LOG, OFFSET_INDEX, TIME_INDEX, TXN_INDEX, offset_file};
use crate::file_slot::FileSlot;
pub(crate) use cleaned::KINDS;
use index::Index;
pub(crate) use index::OffsetEntry;
pub(crate) use search::Found;
pub(crate) use time_entry::TimeEntry;
pub(crate) use txn_index::{AbortedTxn, TxnIndex};
pub(crate) use walk::{HeaderWalk, WalkStop};

/// Where a segment's files are: the disk and the folder.
pub(crate) struct Place<'a, D: Disk> {
    pub(crate) disk: &'a D,
    pub(crate) dir: &'a Path,
}

impl<D: Disk> Clone for Place<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: Disk> Copy for Place<'_, D> {}

pub(crate) struct Segment<D: Disk> {
    base_offset: i64,
    log: FileSlot<D>,
    /// The bytes of whole batches; what lies behind is not there for readers.
    size: AtomicU64,
    /// Whether anything was changed here since the log was opened.
    written: AtomicBool,
    /// A failed append was cut off, or a recovery has changed the files, and that is not durable yet.
    unsettled: AtomicBool,
    /// Whether its file may have more room than bytes (`preallocate`).
    reserved: AtomicBool,
    offsets: Index<D, OffsetEntry>,
    times: Index<D, TimeEntry>,
    txns: TxnIndex<D>,
    facts: Mutex<Facts>,
}

/// What is known of a segment's content beside its indexes.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    /// The largest timestamp and the last offset of the batch that has it; `None` until read from the time index.
    max_timestamp: Option<TimeEntry>,
    /// The max timestamp of the first batch, which `segment.ms` counts from; `None` while not read.
    first_batch_timestamp: Option<i64>,
    bytes_since_last_index_entry: u32,
    created_ms: i64,
    roll_jitter_ms: i64,
}

impl<D: Disk> Segment<D> {
    /// Creates the files of a new segment; leftovers of the same names are emptied.
    pub(crate) fn create(
        place: Place<'_, D>,
        base_offset: i64,
        config: &LogConfig,
        now_ms: i64,
    ) -> Result<Self, LogError> {
        for kind in [OFFSET_INDEX, TIME_INDEX, TXN_INDEX] {
            remove_if_there(place.disk, &offset_file(place.dir, base_offset, kind))?;
        }
        let segment = Segment::at(base_offset, 0, config, now_ms);
        let path = segment.path(place, LOG);
        let file = segment.log.get(place.disk, OpenMode::Create, || &path).map_err(doing("creating", &path))?;
        file.set_len(0).map_err(doing("creating", &path))?;
        if config.preallocate {
            file.preallocate(u64::from(config.segment_bytes)).map_err(doing("reserving room for", &path))?;
        }
        segment.written.store(true, Ordering::Release);
        Ok(segment)
    }

    /// A segment whose file is there and has `size` bytes; nothing is opened.
    pub(crate) fn at(base_offset: i64, size: u64, config: &LogConfig, now_ms: i64) -> Self {
        let roll_jitter_ms = roll_jitter_ms(base_offset, now_ms, config);
        Segment {
            base_offset,
            log: FileSlot::default(),
            size: AtomicU64::new(size),
            written: AtomicBool::new(false),
            unsettled: AtomicBool::new(false),
            reserved: AtomicBool::new(config.preallocate),
            offsets: Index::new(base_offset, OFFSET_INDEX),
            times: Index::new(base_offset, TIME_INDEX),
            txns: TxnIndex::new(base_offset),
            facts: Mutex::new(Facts { created_ms: now_ms, roll_jitter_ms, ..Facts::default() }),
        }
    }

    pub(crate) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    pub(crate) fn txns(&self) -> &TxnIndex<D> {
        &self.txns
    }

    pub(crate) fn path(&self, place: Place<'_, D>, kind: &str) -> PathBuf {
        offset_file(place.dir, self.base_offset, kind)
    }

    pub(crate) fn log_file(&self, place: Place<'_, D>) -> Result<D::File, LogError> {
        self.log
            .get(place.disk, OpenMode::ReadWrite, || self.path(place, LOG))
            .map_err(|error| LogError::io("opening", &self.path(place, LOG), error))
    }

    /// Whether an offset can stand in this segment's indexes.
    pub(crate) fn holds_offset(&self, offset: i64) -> bool {
        offset.checked_sub(self.base_offset).is_some_and(|relative| (0..=i64::from(i32::MAX)).contains(&relative))
    }

    /// Writes at the end, without publishing; after an error the caller must [`Segment::cut_back`].
    pub(crate) fn write(&self, place: Place<'_, D>, parts: &[&[u8]]) -> Result<(), LogError> {
        let file = self.log_file(place)?;
        self.written.store(true, Ordering::Release);
        let written = self.log.change(&file, |file| file.write_at(self.size(), parts));
        written.map_err(|error| LogError::io("appending to", &self.path(place, LOG), error))
    }

    /// Removes what a failed write left behind the published end.
    pub(crate) fn cut_back(&self, place: Place<'_, D>) -> Result<(), LogError> {
        self.unsettled.store(true, Ordering::Release);
        let cut = self.log.change(&self.log_file(place)?, |file| file.set_len(self.size()));
        cut.map_err(|error| LogError::io("cutting back", &self.path(place, LOG), error))
    }

    /// Publishes a batch that was written at the end, and notes it in the indexes where it is due.
    pub(crate) fn publish(&self, place: Place<'_, D>, header: &BatchHeader, interval_bytes: u32) {
        let position = self.size();
        let bytes = header.size_in_bytes() as u64;
        let mut facts = self.facts(place);
        if position == 0 {
            facts.first_batch_timestamp = Some(header.max_timestamp);
        }
        if facts.bytes_since_last_index_entry > interval_bytes {
            self.note(place, &mut facts, header, position);
            facts.bytes_since_last_index_entry = 0;
        } else {
            facts.see(header);
        }
        facts.bytes_since_last_index_entry =
            facts.bytes_since_last_index_entry.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.size.store(position + bytes, Ordering::Release);
    }

    /// Makes the index entries of a batch at `position`.
    fn note(&self, place: Place<'_, D>, facts: &mut Facts, header: &BatchHeader, position: u64) {
        facts.see(header);
        let Ok(position) = u32::try_from(position) else {
            return;
        };
        self.offsets.push(place, OffsetEntry { offset: header.last_offset(), position });
        if let Some(max) = facts.max_timestamp {
            self.note_time(place, max);
        }
    }

    /// The time index takes an entry only if its time grows.
    fn note_time(&self, place: Place<'_, D>, entry: TimeEntry) {
        let last = self.times.last(place).ok().flatten();
        if last.map_or(entry.timestamp >= 0, |last| entry.timestamp > last.timestamp) {
            self.times.push(place, entry);
        }
    }

    fn facts(&self, place: Place<'_, D>) -> MutexGuard<'_, Facts> {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.max_timestamp.is_none() {
            let last = self.times.last(place).ok().flatten();
            facts.max_timestamp = Some(last.unwrap_or(TimeEntry { timestamp: -1, offset: self.base_offset }));
        }
        facts
    }

    /// The largest timestamp so far and the last offset of the batch that has it; the timestamp is −1 if there is none.
    pub(crate) fn max_timestamp(&self, place: Place<'_, D>) -> TimeEntry {
        self.facts(place).max_timestamp.unwrap_or(TimeEntry { timestamp: -1, offset: self.base_offset })
    }

    fn set_max_timestamp(&self, max: TimeEntry) {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).max_timestamp = Some(max);
    }

    /// The timestamp that retention goes by: the largest, or the file's last change if no record has one.
    pub(crate) fn largest_timestamp(&self, place: Place<'_, D>) -> i64 {
        let max = self.max_timestamp(place).timestamp;
        if max >= 0 { max } else { place.disk.modified_ms(&self.path(place, LOG)).unwrap_or(i64::MAX) }
    }

    /// Whether a batch with these properties belongs into a new segment.
    pub(crate) fn should_roll(&self, place: Place<'_, D>, config: &LogConfig, next: &NextBatch) -> bool {
        let size = self.size();
        let too_large = size.saturating_add(next.bytes as u64) > u64::from(config.segment_bytes);
        let time_index_max = (config.segment_index_bytes / 12).saturating_sub(1);
        size > 0 && (too_large || self.waited_ms(place, next) > config.segment_ms.saturating_sub(self.roll_jitter()))
            || self.offsets.len(place).unwrap_or(0) >= u64::from(config.segment_index_bytes / 8).max(1)
            || self.times.len(place).unwrap_or(0) >= u64::from(time_index_max).max(1)
            || !self.holds_offset(next.last_offset)
    }

    fn roll_jitter(&self) -> i64 {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).roll_jitter_ms
    }

    /// How long the segment has been filling: by the records' time if they have one, else by the clock.
    fn waited_ms(&self, place: Place<'_, D>, next: &NextBatch) -> i64 {
        if self.facts.lock().unwrap_or_else(PoisonError::into_inner).first_batch_timestamp.is_none() {
            let first = self.first_batch_timestamp(place);
            self.facts.lock().unwrap_or_else(PoisonError::into_inner).first_batch_timestamp = first;
        }
        let facts = *self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        match facts.first_batch_timestamp {
            Some(first) if first >= 0 => next.max_timestamp.saturating_sub(first),
            _ => next.now_ms.saturating_sub(facts.created_ms),
        }
    }

    fn first_batch_timestamp(&self, place: Place<'_, D>) -> Option<i64> {
        let mut walk = HeaderWalk::new(self.log_file(place).ok()?, 0, self.size());
        walk.next_header().ok().flatten().map(|(_, header)| header.max_timestamp)
    }

    /// Finishes a segment that another follows, or that is closed: the last time entry is made, indexes are on disk, and room
    /// that was reserved and not used is free.
    pub(crate) fn seal(&self, place: Place<'_, D>) -> Result<(), LogError> {
        if self.size() > 0 {
            let max = self.max_timestamp(place);
            if max.timestamp >= 0 {
                self.note_time(place, max);
            }
        }
        self.offsets.store(place)?;
        self.times.store(place)?;
        self.txns.store(place)?;
        if self.reserved.swap(false, Ordering::AcqRel) {
            let freed = self.log_file(place)?.set_len(self.size());
            freed.map_err(|error| LogError::io("cutting", &self.path(place, LOG), error))?;
        }
        // A recovery trusts the segments before that of the recovery point, which may be this one's end already.
        if self.unsettled.load(Ordering::Acquire) { self.sync(place, SyncDepth::All) } else { Ok(()) }
    }

    /// Finishes a segment before a clean stop; one that was only read has nothing to finish.
    pub(crate) fn close(&self, place: Place<'_, D>) -> Result<(), LogError> {
        if self.written.load(Ordering::Acquire) { self.seal(place) } else { Ok(()) }
    }

    /// Makes durable what was written so far. Entries that are only in memory are written first; that can fail for lack of
    /// space and be tried again, which a failed sync cannot.
    pub(crate) fn sync(&self, place: Place<'_, D>, depth: SyncDepth) -> Result<(), LogError> {
        let synced =
            |slot: &FileSlot<D>, kind| slot.sync().map_err(|error| LogError::unsynced(&self.path(place, kind), error));
        let unsettled = self.unsettled.swap(false, Ordering::AcqRel);
        let done = (|| {
            synced(&self.log, LOG)?;
            self.txns.store(place)?;
            synced(self.txns.slot(), TXN_INDEX)?;
            if depth == SyncDepth::Batches {
                return Ok(());
            }
            self.offsets.store_pending(place)?;
            self.times.store_pending(place)?;
            synced(self.offsets.slot(), OFFSET_INDEX)?;
            synced(self.times.slot(), TIME_INDEX)
        })();
        if unsettled && (done.is_err() || depth == SyncDepth::Batches) {
            self.unsettled.store(true, Ordering::Release);
        }
        done
    }

    /// Closes the files that have nothing to sync.
    pub(crate) fn release(&self) {
        for slot in [&self.log, self.offsets.slot(), self.times.slot(), self.txns.slot()] {
            slot.release();
        }
    }

    /// Cuts the segment so that `offset` is not in it; the batch that holds it goes whole.
    pub(crate) fn truncate_to(&self, place: Place<'_, D>, offset: i64) -> Result<(), LogError> {
        let cut = self.find(place, offset, self.size())?;
        self.written.store(true, Ordering::Release);
        self.offsets.truncate(place, |entry| entry.offset < offset)?;
        self.times.truncate(place, |entry| entry.offset < offset)?;
        self.txns.truncate(place, offset)?;
        if let Some(found) = cut {
            let file = self.log_file(place)?;
            // Published first: a reader must not look for what is about to go.
            self.size.store(found.position, Ordering::Release);
            let cut = self.log.change(&file, |file| file.set_len(found.position));
            cut.map_err(|error| LogError::io("truncating", &self.path(place, LOG), error))?;
        }
        let max = self.largest_from_index(place)?;
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.max_timestamp = Some(max);
        facts.bytes_since_last_index_entry = 0;
        if self.size() == 0 {
            facts.first_batch_timestamp = None;
        }
        Ok(())
    }

    /// The files of this segment that are there.
    pub(crate) fn files(&self, place: Place<'_, D>) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for kind in [OFFSET_INDEX, TIME_INDEX, TXN_INDEX, LOG] {
            let path = self.path(place, kind);
            if place.disk.exists(&path)? {
                files.push(path);
            }
        }
        Ok(files)
    }

    #[cfg(test)]
    pub(crate) fn index_entries(&self, place: Place<'_, D>) -> (Vec<OffsetEntry>, Vec<TimeEntry>) {
        (self.offsets.all(place).unwrap(), self.times.all(place).unwrap())
    }

    #[cfg(test)]
    pub(crate) fn has_open_files(&self) -> bool {
        [&self.log, self.offsets.slot(), self.times.slot(), self.txns.slot()].iter().any(|slot| slot.is_open())
    }
}

/// How much of a segment is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncDepth {
    /// The batches and what cannot be told from their headers alone. A recovery makes the active segment's indexes anew.
    Batches,
    All,
}

/// What a segment must know of the batches that come next, to decide whether it takes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NextBatch {
    pub(crate) bytes: usize,
    pub(crate) last_offset: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) now_ms: i64,
}

impl Facts {
    fn see(&mut self, header: &BatchHeader) {
        if self.max_timestamp.is_none_or(|max| header.max_timestamp > max.timestamp) {
            self.max_timestamp = Some(TimeEntry { timestamp: header.max_timestamp, offset: header.last_offset() });
        }
    }
}

/// Spreads the rolling of segments that were created together; derived, not random, so that a run can be repeated.
fn roll_jitter_ms(base_offset: i64, now_ms: i64, config: &LogConfig) -> i64 {
    let bound = config.segment_jitter_ms.min(config.segment_ms);
    if bound <= 0 {
        return 0;
    }
    let mut seed = ottla_machine::Seed(base_offset.cast_unsigned() ^ now_ms.cast_unsigned().rotate_left(32));
    i64::try_from(seed.below(bound.cast_unsigned())).unwrap_or(0)
}

pub(crate) fn remove_if_there<D: Disk>(disk: &D, path: &Path) -> Result<(), LogError> {
    match disk.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LogError::io("removing", path, error)),
        _ => Ok(()),
    }
}

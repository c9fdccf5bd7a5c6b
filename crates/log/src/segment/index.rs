//! A sparse index of a segment: entries of fixed size in growing order, looked up by binary search.
//!
//! Invariants: the file holds whole entries in order; the newest entries are in memory until there are 512, then they
//! are appended to the file, so that noting an entry costs no call to the system and a search at the log's end reads
//! nothing. The file is neither preallocated nor mapped: fresh mappings cost more than the searches they save, and a
//! trimmed index is what Kafka expects of a log that was closed. An index may lack its last entries after a crash; that makes
//! searches longer, never wrong.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ottla_machine::{Disk, DiskFile, OpenMode};

use super::Place;
use crate::error::LogError;
use crate::file_names::offset_file;
use crate::file_slot::FileSlot;

/// How many entries are kept in memory before they are written.
const TAIL_ENTRIES_MAX: usize = 512;
/// The piece of the file that a search reads at once when it is near.
const SEARCH_BYTES: usize = 4096;

/// What an index is made of.
pub(crate) trait Entry: Copy + PartialEq + std::fmt::Debug {
    const BYTES: usize;

    fn encode(self, base_offset: i64, out: &mut Vec<u8>);

    /// Reads an entry from exactly [`Entry::BYTES`] bytes.
    fn decode(base_offset: i64, bytes: &[u8]) -> Self;

    /// Whether it can stand behind this one.
    fn follows(&self, previous: &Self) -> bool;
}

/// The `.index`: a batch's last offset (i32, relative) and its position (i32).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub(crate) offset: i64,
    pub(crate) position: u32,
}

impl Entry for OffsetEntry {
    const BYTES: usize = 8;

    fn encode(self, base_offset: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(&((self.offset - base_offset) as i32).to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }

    fn decode(base_offset: i64, bytes: &[u8]) -> Self {
        let (offset, position) = bytes.split_at(4);
        let relative = i32::from_be_bytes(offset.try_into().unwrap_or_default());
        let position = u32::from_be_bytes(position.try_into().unwrap_or_default());
        OffsetEntry { offset: base_offset.saturating_add(i64::from(relative)), position }
    }

    fn follows(&self, previous: &Self) -> bool {
        self.offset > previous.offset && self.position > previous.position
    }
}

pub(crate) struct Index<D: Disk, E> {
    base_offset: i64,
    kind: &'static str,
    slot: FileSlot<D>,
    state: Mutex<State<E>>,
}

struct State<E> {
    /// Entries in the file; `None` until it was looked at.
    stored: Option<u64>,
    last_stored: Option<E>,
    tail: Vec<E>,
}

impl<D: Disk, E: Entry> Index<D, E> {
    /// The index of a segment, whether its file is there or not.
    pub(crate) fn new(base_offset: i64, kind: &'static str) -> Self {
        let state = State { stored: None, last_stored: None, tail: Vec::new() };
        Index { base_offset, kind, slot: FileSlot::default(), state: Mutex::new(state) }
    }

    pub(crate) fn slot(&self) -> &FileSlot<D> {
        &self.slot
    }

    /// Takes a file that was just created, under whatever name.
    pub(super) fn begin(&self, file: D::File) {
        self.slot.put(file);
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stored = Some(0);
    }

    pub(crate) fn len(&self, place: Place<'_, D>) -> Result<u64, LogError> {
        let state = self.state(place)?;
        Ok(state.stored.unwrap_or(0) + state.tail.len() as u64)
    }

    pub(crate) fn last(&self, place: Place<'_, D>) -> Result<Option<E>, LogError> {
        let state = self.state(place)?;
        Ok(state.tail.last().copied().or(state.last_stored))
    }

    /// Notes an entry. If the file cannot take those that are due, they stay in memory for the next attempt.
    pub(crate) fn push(&self, place: Place<'_, D>, entry: E) {
        let Ok(mut state) = self.state(place) else {
            return;
        };
        state.tail.push(entry);
        if state.tail.len() >= TAIL_ENTRIES_MAX {
            let _ = self.store_tail(place, &mut state);
        }
    }

    /// Writes the entries that are only in memory; creates the file even if there are none.
    pub(crate) fn store(&self, place: Place<'_, D>) -> Result<(), LogError> {
        let mut state = self.state(place)?;
        self.store_tail(place, &mut state)
    }

    /// Like [`Index::store`], but does nothing if there is nothing to write.
    pub(crate) fn store_pending(&self, place: Place<'_, D>) -> Result<(), LogError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.tail.is_empty() { Ok(()) } else { self.store_tail(place, &mut state) }
    }

    /// The last entry that fits, where those that fit come before those that do not.
    pub(crate) fn last_where(&self, place: Place<'_, D>, fits: impl Fn(&E) -> bool) -> Result<Option<E>, LogError> {
        let state = self.state(place)?;
        let in_tail = state.tail.partition_point(&fits);
        if in_tail > 0 {
            return Ok(Some(state.tail[in_tail - 1]));
        }
        if state.last_stored.is_some_and(|last| fits(&last)) {
            return Ok(state.last_stored);
        }
        let stored = state.stored.unwrap_or(0);
        drop(state);
        let count = self.partition_point(place, stored, &fits)?;
        count.checked_sub(1).map(|at| self.entry(place, at)).transpose()
    }

    /// The first entry that does not fit.
    pub(crate) fn first_not(&self, place: Place<'_, D>, fits: impl Fn(&E) -> bool) -> Result<Option<E>, LogError> {
        let state = self.state(place)?;
        let stored = state.stored.unwrap_or(0);
        if state.last_stored.is_none_or(|last| fits(&last)) {
            return Ok(state.tail.get(state.tail.partition_point(&fits)).copied());
        }
        drop(state);
        let at = self.partition_point(place, stored, &fits)?;
        self.entry(place, at).map(Some)
    }

    /// Keeps the entries that fit, which are the first ones.
    pub(crate) fn truncate(&self, place: Place<'_, D>, fits: impl Fn(&E) -> bool) -> Result<(), LogError> {
        let mut state = self.state(place)?;
        let in_tail = state.tail.partition_point(&fits);
        state.tail.truncate(in_tail);
        let stored = state.stored.unwrap_or(0);
        if in_tail == 0 && state.last_stored.is_some_and(|last| !fits(&last)) {
            let kept = self.partition_point(place, stored, &fits)?;
            let last = kept.checked_sub(1).map(|at| self.entry(place, at)).transpose()?;
            self.set_stored(place, &mut state, kept, last)?;
        }
        Ok(())
    }

    /// Forgets all entries, and the file's as well.
    pub(crate) fn reset(&self, place: Place<'_, D>) -> Result<(), LogError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tail.clear();
        self.set_stored(place, &mut state, 0, None)
    }

    fn set_stored(
        &self,
        place: Place<'_, D>,
        state: &mut State<E>,
        kept: u64,
        last: Option<E>,
    ) -> Result<(), LogError> {
        if place.disk.exists(&self.path(place)).map_err(|error| self.failed("reading", place, error))? {
            let file = self.file(place, OpenMode::ReadWrite)?;
            let cut = self.slot.change(&file, |file| file.set_len(kept * E::BYTES as u64));
            cut.map_err(|error| self.failed("truncating", place, error))?;
        }
        state.stored = Some(kept);
        state.last_stored = last;
        Ok(())
    }

    fn store_tail(&self, place: Place<'_, D>, state: &mut State<E>) -> Result<(), LogError> {
        let file = self.file(place, OpenMode::Create)?;
        if state.tail.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(state.tail.len() * E::BYTES);
        for entry in &state.tail {
            entry.encode(self.base_offset, &mut bytes);
        }
        let stored = state.stored.unwrap_or(0);
        let written = self.slot.change(&file, |file| file.write_at(stored * E::BYTES as u64, &[&bytes]));
        written.map_err(|error| self.failed("writing", place, error))?;
        state.stored = Some(stored + state.tail.len() as u64);
        state.last_stored = state.tail.pop();
        // What grew while the file could not be written is given back.
        state.tail = Vec::new();
        Ok(())
    }

    fn state(&self, place: Place<'_, D>) -> Result<MutexGuard<'_, State<E>>, LogError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.stored.is_none() {
            let stored = match place.disk.file_len(&self.path(place)) {
                Ok(len) => len / E::BYTES as u64,
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => return Err(self.failed("reading", place, error)),
            };
            state.last_stored = stored.checked_sub(1).map(|at| self.glance(place, at)).transpose()?;
            state.stored = Some(stored);
        }
        Ok(state)
    }

    /// How many of the stored entries fit.
    fn partition_point(&self, place: Place<'_, D>, stored: u64, fits: impl Fn(&E) -> bool) -> Result<u64, LogError> {
        let (mut low, mut high) = (0, stored);
        let near = (SEARCH_BYTES / E::BYTES) as u64;
        while high - low > near {
            let middle = low + (high - low) / 2;
            if fits(&self.entry(place, middle)?) { low = middle + 1 } else { high = middle }
        }
        let entries = self.entries(place, low, high)?;
        Ok(low + entries.partition_point(fits) as u64)
    }

    fn entry(&self, place: Place<'_, D>, at: u64) -> Result<E, LogError> {
        let mut bytes = [0; 16];
        let bytes = &mut bytes[..E::BYTES];
        let file = self.file(place, OpenMode::ReadWrite)?;
        file.read_at(at * E::BYTES as u64, bytes).map_err(|error| self.failed("reading", place, error))?;
        Ok(E::decode(self.base_offset, bytes))
    }

    /// Reads an entry without keeping the file open: many logs are asked for their last entry and never read.
    fn glance(&self, place: Place<'_, D>, at: u64) -> Result<E, LogError> {
        let mut bytes = [0; 16];
        let bytes = &mut bytes[..E::BYTES];
        let file = place.disk.open(&self.path(place), OpenMode::Read);
        let read = file.and_then(|file| file.read_at(at * E::BYTES as u64, bytes));
        read.map_err(|error| self.failed("reading", place, error))?;
        Ok(E::decode(self.base_offset, bytes))
    }

    fn entries(&self, place: Place<'_, D>, from: u64, to: u64) -> Result<Vec<E>, LogError> {
        if from == to {
            return Ok(Vec::new());
        }
        let mut bytes = vec![0; (to - from) as usize * E::BYTES];
        let file = self.file(place, OpenMode::ReadWrite)?;
        let read =
            file.read_at(from * E::BYTES as u64, &mut bytes).map_err(|error| self.failed("reading", place, error))?;
        Ok(bytes[..read].chunks_exact(E::BYTES).map(|entry| E::decode(self.base_offset, entry)).collect())
    }

    /// Whether each stored entry follows the one before. Pages that a crash has lost are zeros, which follow nothing.
    pub(crate) fn is_in_order(&self, place: Place<'_, D>) -> Result<bool, LogError> {
        let stored = self.state(place)?.stored.unwrap_or(0);
        if stored == 0 {
            return Ok(true);
        }
        let entries = self.entries(place, 0, stored)?;
        Ok(entries.windows(2).all(|pair| pair[1].follows(&pair[0])))
    }

    #[cfg(test)]
    pub(crate) fn all(&self, place: Place<'_, D>) -> Result<Vec<E>, LogError> {
        let state = self.state(place)?;
        let mut all = self.entries(place, 0, state.stored.unwrap_or(0))?;
        all.extend_from_slice(&state.tail);
        Ok(all)
    }

    fn file(&self, place: Place<'_, D>, mode: OpenMode) -> Result<D::File, LogError> {
        self.slot.get(place.disk, mode, || self.path(place)).map_err(|error| self.failed("opening", place, error))
    }

    fn path(&self, place: Place<'_, D>) -> PathBuf {
        offset_file(place.dir, self.base_offset, self.kind)
    }

    fn failed(&self, action: &'static str, place: Place<'_, D>, error: io::Error) -> LogError {
        LogError::io(action, &self.path(place), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_machine::MemDisk;
    use std::path::Path;

    fn entry(at: i64) -> OffsetEntry {
        OffsetEntry { offset: 1000 + at * 10, position: at as u32 * 100 }
    }

    #[test]
    fn searches_agree_wherever_the_entries_are() {
        let disk = MemDisk::new();
        let place = Place { disk: &disk, dir: Path::new("/") };
        for count in [0i64, 1, 5, 511, 512, 513, 3000] {
            let index = Index::<_, OffsetEntry>::new(1000, "index");
            index.reset(place).unwrap();
            (0..count).for_each(|at| index.push(place, entry(at)));
            for stored in [false, true] {
                if stored {
                    index.store(place).unwrap();
                }
                let reopened = Index::<_, OffsetEntry>::new(1000, "index");
                for index in [Some(&index), stored.then_some(&reopened)].into_iter().flatten() {
                    assert_eq!(index.len(place).unwrap(), count as u64);
                    for offset in [999, 1000, 1005, 1000 + count * 5, 1000 + count * 10, 1_000_000] {
                        let fits = |e: &OffsetEntry| e.offset <= offset;
                        let expected = (0..count).rev().map(entry).find(fits);
                        assert_eq!(index.last_where(place, fits).unwrap(), expected, "{count} {offset}");
                        let expected = (0..count).map(entry).find(|e| !fits(e));
                        assert_eq!(index.first_not(place, fits).unwrap(), expected, "{count} {offset}");
                    }
                }
            }
        }
    }

    #[test]
    fn truncation_reaches_into_the_file() {
        let disk = MemDisk::new();
        let place = Place { disk: &disk, dir: Path::new("/") };
        let index = Index::<_, OffsetEntry>::new(1000, "index");
        (0..600).for_each(|at| index.push(place, entry(at)));
        index.truncate(place, |e| e.offset < 1000 + 5500).unwrap();
        assert_eq!(index.all(place).unwrap(), (0..550).map(entry).collect::<Vec<_>>());
        index.truncate(place, |e| e.offset < 1000 + 70).unwrap();
        index.push(place, entry(7));
        index.store(place).unwrap();
        let reopened = Index::<_, OffsetEntry>::new(1000, "index");
        assert_eq!(reopened.all(place).unwrap(), (0..8).map(entry).collect::<Vec<_>>());
        assert_eq!(disk.file_len(Path::new("/00000000000000001000.index")).unwrap(), 64);
    }

    #[test]
    fn a_full_disk_keeps_entries_in_memory() {
        let disk = MemDisk::new();
        let place = Place { disk: &disk, dir: Path::new("/") };
        disk.set_capacity(Some(100));
        let index = Index::<_, OffsetEntry>::new(1000, "index");
        (0..1000).for_each(|at| index.push(place, entry(at)));
        assert!(index.store(place).is_err());
        assert_eq!(index.len(place).unwrap(), 1000);
        disk.set_capacity(None);
        index.store(place).unwrap();
        assert_eq!(Index::<_, OffsetEntry>::new(1000, "index").all(place).unwrap().len(), 1000);
    }
}

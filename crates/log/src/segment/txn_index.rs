//! The `.txnindex`: the aborted transactions whose marker is in this segment. Entries of 34 bytes: i16 version 0, i64
//! producer id, i64 first offset, i64 last offset (the marker's), i64 last stable offset when it was written.
//!
//! Invariants: entries are in the order of their last offsets; the file is created with its first entry. An entry that a full
//! disk does not take stays in memory, and the next [`TxnIndex::store`] writes it.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use ottla_machine::{Disk, DiskFile, OpenMode};

use super::Place;
use crate::error::LogError;
use crate::file_names::{TXN_INDEX, offset_file};
use crate::file_slot::FileSlot;

const ENTRY_BYTES: usize = 34;

/// One aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AbortedTxn {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) last_stable_offset: i64,
}

pub(crate) struct TxnIndex<D: Disk> {
    base_offset: i64,
    slot: FileSlot<D>,
    /// `None` until the file was read.
    entries: Mutex<Option<Entries>>,
}

#[derive(Default)]
struct Entries {
    all: Vec<AbortedTxn>,
    /// How many of them the file holds.
    stored: usize,
}

impl<D: Disk> TxnIndex<D> {
    pub(crate) fn new(base_offset: i64) -> Self {
        TxnIndex { base_offset, slot: FileSlot::default(), entries: Mutex::new(None) }
    }

    pub(crate) fn slot(&self) -> &FileSlot<D> {
        &self.slot
    }

    /// Takes a file that was just created, under whatever name.
    pub(super) fn begin(&self, file: D::File) {
        self.slot.put(file);
        *self.entries.lock().unwrap_or_else(PoisonError::into_inner) = Some(Entries::default());
    }

    /// Whether there is no entry.
    pub(crate) fn is_empty(&self, place: Place<'_, D>) -> Result<bool, LogError> {
        self.with(place, |entries| Ok(entries.all.is_empty()))
    }

    pub(crate) fn append(&self, place: Place<'_, D>, txn: AbortedTxn) -> Result<(), LogError> {
        self.with(place, |entries| {
            entries.all.push(txn);
            // If it fails, it stays to be stored.
            let _ = self.store_pending(place, entries);
            Ok(())
        })
    }

    /// Whether the file can be read as an index.
    pub(crate) fn is_sound(&self, place: Place<'_, D>) -> Result<bool, LogError> {
        match self.with(place, |_| Ok(())) {
            Err(LogError::Malformed { .. }) => Ok(false),
            checked => checked.map(|()| true),
        }
    }

    /// Writes what the file lacks.
    pub(crate) fn store(&self, place: Place<'_, D>) -> Result<(), LogError> {
        match &mut *self.entries.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(entries) => self.store_pending(place, entries),
            None => Ok(()),
        }
    }

    fn store_pending(&self, place: Place<'_, D>, entries: &mut Entries) -> Result<(), LogError> {
        if entries.stored < entries.all.len() {
            let file = self.file(place, OpenMode::Create)?;
            let bytes: Vec<u8> = entries.all[entries.stored..].iter().flat_map(AbortedTxn::encode).collect();
            let at = (entries.stored * ENTRY_BYTES) as u64;
            let written = self.slot.change(&file, |file| file.write_at(at, &[&bytes]));
            written.map_err(|error| self.failed("writing", place, error))?;
            entries.stored = entries.all.len();
        }
        Ok(())
    }

    /// Adds the transactions that touch the offsets from `fetch_offset` to below `upper_bound`. True if no later segment
    /// can have more of them.
    pub(crate) fn collect(
        &self,
        place: Place<'_, D>,
        fetch_offset: i64,
        upper_bound: i64,
        found: &mut Vec<AbortedTxn>,
    ) -> Result<bool, LogError> {
        self.with(place, |entries| {
            for txn in &entries.all {
                if txn.last_offset >= fetch_offset && txn.first_offset < upper_bound {
                    found.push(*txn);
                }
                if txn.last_stable_offset >= upper_bound {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// Drops the transactions whose marker is at `offset` or above.
    pub(crate) fn truncate(&self, place: Place<'_, D>, offset: i64) -> Result<(), LogError> {
        self.with(place, |entries| {
            let kept = entries.all.partition_point(|txn| txn.last_offset < offset);
            entries.all.truncate(kept);
            if kept < entries.stored {
                let file = self.file(place, OpenMode::ReadWrite)?;
                let cut = self.slot.change(&file, |file| file.set_len((kept * ENTRY_BYTES) as u64));
                cut.map_err(|error| self.failed("truncating", place, error))?;
                entries.stored = kept;
            }
            Ok(())
        })
    }

    /// Empties the index, whatever its file holds.
    pub(crate) fn reset(&self, place: Place<'_, D>) -> Result<(), LogError> {
        let path = self.path(place);
        if place.disk.exists(&path).map_err(|error| self.failed("reading", place, error))? {
            let file = self.file(place, OpenMode::ReadWrite)?;
            let cut = self.slot.change(&file, |file| file.set_len(0));
            cut.map_err(|error| self.failed("truncating", place, error))?;
        }
        *self.entries.lock().unwrap_or_else(PoisonError::into_inner) = Some(Entries::default());
        Ok(())
    }

    fn with<T>(
        &self,
        place: Place<'_, D>,
        act: impl FnOnce(&mut Entries) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = match entries.take() {
            Some(loaded) => loaded,
            None => self.load(place)?,
        };
        act(entries.insert(loaded))
    }

    fn load(&self, place: Place<'_, D>) -> Result<Entries, LogError> {
        let content = match place.disk.read(&self.path(place)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Entries::default()),
            content => content.map_err(|error| self.failed("reading", place, error))?,
        };
        let malformed = |reason| LogError::malformed(&self.path(place), reason);
        if content.len() % ENTRY_BYTES != 0 {
            return Err(malformed("its length is no multiple of an entry's"));
        }
        let mut entries: Vec<AbortedTxn> = Vec::with_capacity(content.len() / ENTRY_BYTES);
        for bytes in content.chunks_exact(ENTRY_BYTES) {
            let txn = AbortedTxn::decode(bytes).ok_or_else(|| malformed("an entry has an unknown version"))?;
            if txn.last_offset < self.base_offset
                || entries.last().is_some_and(|last| last.last_offset >= txn.last_offset)
            {
                return Err(malformed("its entries are out of order"));
            }
            entries.push(txn);
        }
        Ok(Entries { stored: entries.len(), all: entries })
    }

    fn file(&self, place: Place<'_, D>, mode: OpenMode) -> Result<D::File, LogError> {
        self.slot.get(place.disk, mode, || self.path(place)).map_err(|error| self.failed("opening", place, error))
    }

    fn path(&self, place: Place<'_, D>) -> PathBuf {
        offset_file(place.dir, self.base_offset, TXN_INDEX)
    }

    fn failed(&self, action: &'static str, place: Place<'_, D>, error: io::Error) -> LogError {
        LogError::io(action, &self.path(place), error)
    }
}

impl AbortedTxn {
    fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        let fields = [self.producer_id, self.first_offset, self.last_offset, self.last_stable_offset];
        for (at, field) in fields.iter().enumerate() {
            bytes[2 + at * 8..10 + at * 8].copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<AbortedTxn> {
        let (version, rest) = bytes.split_first_chunk::<2>()?;
        let mut fields = rest.chunks_exact(8).map(|field| i64::from_be_bytes(field.try_into().unwrap_or_default()));
        let txn = AbortedTxn {
            producer_id: fields.next()?,
            first_offset: fields.next()?,
            last_offset: fields.next()?,
            last_stable_offset: fields.next()?,
        };
        (i16::from_be_bytes(*version) >= 0).then_some(txn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_machine::MemDisk;
    use std::path::Path;

    fn txn(first: i64, last: i64, stable: i64) -> AbortedTxn {
        AbortedTxn { producer_id: 7, first_offset: first, last_offset: last, last_stable_offset: stable }
    }

    #[test]
    fn the_transactions_of_a_range_are_found_and_survive_reopening() {
        let disk = MemDisk::new();
        let place = Place { disk: &disk, dir: Path::new("/") };
        let index = TxnIndex::new(0);
        assert!(!index.collect(place, 0, 100, &mut Vec::new()).unwrap());
        assert!(disk.files().is_empty(), "created with the first entry");
        for entry in [txn(0, 10, 5), txn(5, 20, 15), txn(15, 30, 31)] {
            index.append(place, entry).unwrap();
        }
        for index in [index, TxnIndex::new(0)] {
            let mut found = Vec::new();
            assert!(index.collect(place, 12, 16, &mut found).unwrap());
            assert_eq!(found, [txn(5, 20, 15), txn(15, 30, 31)]);
            found.clear();
            assert!(index.collect(place, 0, 5, &mut found).unwrap());
            assert_eq!(found, [txn(0, 10, 5)]);
            assert!(!index.collect(place, 31, 50, &mut found).unwrap());
        }
        let index = TxnIndex::new(0);
        index.truncate(place, 20).unwrap();
        assert_eq!(disk.file_len(Path::new("/00000000000000000000.txnindex")).unwrap(), 34);
    }

    #[test]
    fn damage_is_told() {
        let disk = MemDisk::new();
        let place = Place { disk: &disk, dir: Path::new("/") };
        disk.write_atomically(Path::new("/00000000000000000000.txnindex"), &[0; 35]).unwrap();
        assert!(matches!(TxnIndex::new(0).collect(place, 0, 1, &mut Vec::new()), Err(LogError::Malformed { .. })));
    }
}

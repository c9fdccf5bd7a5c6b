//! A file that is opened when it is first used and can be closed again while nobody appends to it.
//!
//! Invariants: a file that was written to is dirty until a sync that began afterwards has succeeded, and a dirty one is
//! never closed, since a write-back error is told to those who hold the file open, and would be lost with the last
//! descriptor. Who finds nothing to sync knows that it is done: a sync under way is waited for. After a sync that failed
//! none is made again: what it should have written counts as clean, so that another would tell of success. A
//! pinned file is not closed either: it has another name still.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ottla_machine::{Disk, DiskFile, OpenMode, failed_sync};

pub(crate) struct FileSlot<D: Disk> {
    handle: Mutex<Option<D::File>>,
    dirty: AtomicBool,
    /// Held through a sync.
    syncs: Mutex<Syncs>,
    pinned: AtomicBool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Syncs {
    Trusted,
    Failed,
}

impl<D: Disk> Default for FileSlot<D> {
    fn default() -> Self {
        FileSlot {
            handle: Mutex::new(None),
            dirty: AtomicBool::new(false),
            syncs: Mutex::new(Syncs::Trusted),
            pinned: AtomicBool::new(false),
        }
    }
}

impl<D: Disk> FileSlot<D> {
    /// The file, opened now if it is not. The path is made only then.
    pub(crate) fn get<P: AsRef<Path>>(
        &self,
        disk: &D,
        mode: OpenMode,
        path: impl FnOnce() -> P,
    ) -> io::Result<D::File> {
        let mut handle = self.handle();
        if let Some(file) = &*handle {
            return Ok(file.clone());
        }
        let file = disk.open(path().as_ref(), mode)?;
        *handle = Some(file.clone());
        Ok(file)
    }

    /// Changes a file that [`FileSlot::get`] gave. It is dirty before, so that nobody closes it, and afterwards, since a
    /// sync that ran beside the change may have begun before it.
    pub(crate) fn change<T>(&self, file: &D::File, change: impl FnOnce(&D::File) -> T) -> T {
        self.mark_dirty(file);
        let changed = change(file);
        self.mark_dirty(file);
        changed
    }

    /// Lets the next sync cover whatever was written to the file, by whomever.
    pub(crate) fn mark_dirty(&self, file: &D::File) {
        // Read in a way that no older value can answer.
        if !self.dirty.fetch_or(false, Ordering::AcqRel) {
            let mut handle = self.handle();
            handle.get_or_insert_with(|| file.clone());
            self.dirty.store(true, Ordering::Release);
        }
    }

    /// Syncs the file if it was written to.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut syncs = self.syncs.lock().unwrap_or_else(PoisonError::into_inner);
        if *syncs == Syncs::Failed {
            return Err(failed_sync(io::Error::other("an earlier sync of it failed")));
        }
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let file = self.handle().clone();
        let synced = match file {
            Some(file) => file.sync(),
            None => Err(io::Error::other("it is not open any more")),
        };
        if synced.is_err() {
            *syncs = Syncs::Failed;
            self.dirty.store(true, Ordering::Release);
        }
        synced
    }

    /// Puts in a file that was opened under another name. The handle is kept until [`FileSlot::unpin`].
    pub(crate) fn put(&self, file: D::File) {
        self.pinned.store(true, Ordering::Release);
        *self.handle() = Some(file);
    }

    /// The file is gone; the next use makes another.
    pub(crate) fn forget(&self) {
        let mut handle = self.handle();
        *handle = None;
        self.dirty.store(false, Ordering::Release);
        self.unpin();
    }

    /// The name leads to the file again.
    pub(crate) fn unpin(&self) {
        self.pinned.store(false, Ordering::Release);
    }

    /// Lets go of the handle, unless there is something to sync, or the file cannot be found again.
    pub(crate) fn release(&self) {
        let Ok(syncs) = self.syncs.try_lock() else { return };
        let mut handle = self.handle();
        if !self.dirty.load(Ordering::Acquire) && *syncs == Syncs::Trusted && !self.pinned.load(Ordering::Acquire) {
            *handle = None;
        }
    }

    fn handle(&self) -> MutexGuard<'_, Option<D::File>> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.handle().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_machine::{Fault, MemDisk, Seed};

    fn slot(disk: &MemDisk) -> (FileSlot<MemDisk>, ottla_machine::MemFile) {
        let slot = FileSlot::default();
        let file = slot.get(disk, OpenMode::Create, || "/f").unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        (slot, file)
    }

    #[test]
    fn a_write_beside_a_sync_is_covered_by_the_next() {
        let disk = MemDisk::new();
        let (slot, file) = slot(&disk);
        slot.change(&file, |file| {
            // The sync of another thread, before the bytes are there; and somebody who closes what is clean.
            slot.sync().unwrap();
            slot.release();
            file.write_at(0, &[b"late"]).unwrap();
        });
        assert!(slot.is_open());
        slot.sync().unwrap();
        for seed in 0..20 {
            disk.crash(&mut Seed(seed));
            assert_eq!(disk.read(Path::new("/f")).unwrap(), b"late");
        }
    }

    #[test]
    fn after_a_failed_sync_there_is_no_other() {
        let disk = MemDisk::new();
        let (slot, file) = slot(&disk);
        slot.change(&file, |file| file.write_at(0, &[b"x"]).unwrap());
        disk.fail_after(Fault::Sync, 0);
        assert!(slot.sync().is_err());
        slot.change(&file, |file| file.write_at(1, &[b"y"]).unwrap());
        slot.release();
        assert!(slot.sync().is_err() && slot.is_open());
        assert!(disk.synced_after_failure().is_empty());
    }
}

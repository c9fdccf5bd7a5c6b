//! A file that is opened when it is first used and can be closed again while nobody appends to it.
//!
//! A file that was written to is dirty until it was synced, and a dirty one is never closed: a write-back error is told to
//! those who hold the file open, and would be lost with the last descriptor. A pinned one is not closed either: its name leads
//! to another file, or to none.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use ottla_machine::{Disk, DiskFile, OpenMode};

pub(crate) struct FileSlot<D: Disk> {
    handle: Mutex<Option<D::File>>,
    dirty: AtomicBool,
    pinned: AtomicBool,
}

impl<D: Disk> Default for FileSlot<D> {
    fn default() -> Self {
        FileSlot { handle: Mutex::new(None), dirty: AtomicBool::new(false), pinned: AtomicBool::new(false) }
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
        let mut handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*handle {
            return Ok(file.clone());
        }
        let file = disk.open(path().as_ref(), mode)?;
        *handle = Some(file.clone());
        Ok(file)
    }

    pub(crate) fn mark_dirty(&self) {
        self.dirty.store(true, Ordering::Release);
    }

    /// Syncs the file if it was written to. After a failure it counts as dirty still.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let file = self.handle.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let synced = file.map_or(Ok(()), |file| file.sync());
        if synced.is_err() {
            self.mark_dirty();
        }
        synced
    }

    /// Puts in a file that was opened under another name.
    pub(crate) fn put(&self, file: D::File) {
        self.pin();
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    }

    /// From now on the handle is kept.
    pub(crate) fn pin(&self) {
        self.pinned.store(true, Ordering::Release);
    }

    /// The file is gone; the next use makes another.
    pub(crate) fn forget(&self) {
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.dirty.store(false, Ordering::Release);
        self.unpin();
    }

    /// The name leads to the file again.
    pub(crate) fn unpin(&self) {
        self.pinned.store(false, Ordering::Release);
    }

    /// Lets go of the handle, unless there is something to sync, or the file cannot be found again.
    pub(crate) fn release(&self) {
        if !self.dirty.load(Ordering::Acquire) && !self.pinned.load(Ordering::Acquire) {
            *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

//! An fcntl record lock on a whole file, held until dropped.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FlockOperation, fcntl_lock};

/// What this process holds: the system would grant a second lock to the same process.
static HELD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A held lock. The file stays open for as long: closing it is what lets the lock go.
#[derive(Debug)]
pub struct RealLock {
    path: PathBuf,
    /// `None` only while it is being dropped.
    file: Option<File>,
}

impl RealLock {
    pub(super) fn take(path: &Path) -> io::Result<RealLock> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let path = parent.canonicalize()?.join(path.file_name().ok_or(ErrorKind::InvalidInput)?);
        if !HELD.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        let locked = open_and_lock(&path);
        if locked.is_err() {
            release(&path);
        }
        Ok(RealLock { file: Some(locked?), path })
    }
}

fn open_and_lock(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        // The system has two ways to say that another process holds it.
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::AGAIN) => Err(ErrorKind::WouldBlock.into()),
        Err(error) => Err(error.into()),
    }
}

fn release(path: &Path) {
    HELD.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
}

impl Drop for RealLock {
    fn drop(&mut self) {
        // Closed first: our close, coming after another thread's lock, would take that lock away.
        self.file = None;
        release(&self.path);
    }
}

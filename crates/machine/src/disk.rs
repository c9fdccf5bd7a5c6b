//! The disk as the machines see it: files that are read and written at positions, and directory entries that are durable
//! only after their directory was synced.
//!
//! Invariants of an implementation: a write is visible to a read as soon as it returns; it is durable after
//! [`DiskFile::sync`]; a created, renamed or removed name is durable after [`Disk::sync_dir`] of the directory that
//! holds it. Handles are cheap to clone and stay valid when the file is renamed or removed. After a sync that failed
//! nobody knows what the medium holds, and one that succeeds later says nothing of it: systems drop what they could not
//! write, and count it as written. So nobody syncs again. Deliberately absent: appending (the caller knows where its file
//! ends), buffering, memory maps and anything asynchronous.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A file system. Cloning gives another handle on the same one.
pub trait Disk: Clone + Send + Sync + 'static {
    type File: DiskFile;
    /// Holds a file lock until dropped.
    type Lock: Send + Sync + 'static;

    /// Opens a file. `NotFound` if it is not there (or, to create it, if its directory is not).
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Self::File>;

    /// Renames a file or directory; an existing file at `to` is replaced in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Creates a directory and those above it; one that is there already is no error.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, sorted, without `.` and `..`.
    fn list(&self, path: &Path) -> io::Result<Vec<OsString>>;

    /// Whether a file or directory of this name is there.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    fn is_dir(&self, path: &Path) -> io::Result<bool>;

    /// The length of a file in bytes, without opening it.
    fn file_len(&self, path: &Path) -> io::Result<u64>;

    /// When the file was last written, in Unix milliseconds.
    fn modified_ms(&self, path: &Path) -> io::Result<i64>;

    /// Says of a file that it was last written then: one that replaces others keeps their age.
    fn set_modified_ms(&self, path: &Path, modified_ms: i64) -> io::Result<()>;

    /// Makes the names in this directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Leaves a file readable by its owner alone (mode 0400), as Kafka does with a finished metadata snapshot.
    fn set_read_only(&self, path: &Path) -> io::Result<()>;

    /// Takes the exclusive lock on a file, creating the file; `WouldBlock` if another holder has it.
    ///
    /// On a real disk this is an fcntl record lock, since that is what a Java process takes and sees; a lock by `flock`
    /// would be invisible to it.
    fn lock(&self, path: &Path) -> io::Result<Self::Lock>;

    /// The whole content of a file that is known to be small.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let len = usize::try_from(file.len()?).map_err(|_| ErrorKind::FileTooLarge)?;
        let mut content = vec![0; len];
        let read = file.read_at(0, &mut content)?;
        content.truncate(read);
        Ok(content)
    }

    /// Creates a directory and those above it that are not there, and makes their names durable.
    fn create_dir_all_durably(&self, path: &Path) -> io::Result<()> {
        let mut changed = Vec::new();
        for dir in path.ancestors().filter(|dir| !dir.as_os_str().is_empty()) {
            if self.exists(dir)? {
                break;
            }
            changed.push(dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")));
        }
        self.create_dir_all(path)?;
        for parent in changed.into_iter().rev() {
            match self.sync_dir(parent) {
                // One that may be written to but not read cannot be synced: as durable as the system makes it.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
                synced => synced.map_err(failed_sync)?,
            }
        }
        Ok(())
    }

    /// Replaces a file by `content` so that a crash leaves the old or the new one, whole: written beside as `.tmp`, synced,
    /// renamed, and the directory synced. A failure leaves no `.tmp` behind, where the disk lets it be removed.
    fn write_atomically(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut name = path.as_os_str().to_owned();
        name.push(".tmp");
        let temporary = PathBuf::from(name);
        let written = (|| {
            let file = self.open(&temporary, OpenMode::Create)?;
            file.set_len(0)?;
            file.write_at(0, &[content])?;
            // For lack of room it may be tried again: the file is a new one each time.
            file.sync().map_err(|error| if is_storage_full(&error) { error } else { failed_sync(error) })?;
            self.rename(&temporary, path)
        })();
        if let Err(error) = written {
            // The first error is the one to tell; a leftover is overwritten by the next attempt.
            let _ = self.remove_file(&temporary);
            return Err(error);
        }
        match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => self.sync_dir(parent).map_err(failed_sync),
            _ => Ok(()),
        }
    }

    /// Removes a directory and the files and directories in it; one that is not there is no error.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let names = match self.list(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            names => names?,
        };
        for name in names {
            let child = path.join(name);
            if self.is_dir(&child)? {
                self.remove_dir_all(&child)?;
            } else {
                self.remove_file(&child)?;
            }
        }
        self.remove_dir(path)
    }
}

/// An open file. Reads and writes name their position, so that one handle serves many threads.
pub trait DiskFile: Clone + Send + Sync + 'static {
    /// Fills `buf` from `position` on; returns less only at the end of the file.
    fn read_at(&self, position: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Writes all the parts one after the other from `position` on, in one call to the system where that takes them.
    /// After an error any prefix may have been written: the caller sets the length back.
    fn write_at(&self, position: u64, parts: &[&[u8]]) -> io::Result<()>;

    fn len(&self) -> io::Result<u64>;

    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file, or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves room for `len` bytes from the start without changing the file's length. Best effort: a file system that
    /// cannot is no error; one that is full is.
    fn preallocate(&self, len: u64) -> io::Result<()>;

    /// Makes content and length durable.
    fn sync(&self) -> io::Result<()>;
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must be there; writing fails.
    Read,
    /// It must be there.
    ReadWrite,
    /// Created if it is not there; what is in it stays.
    Create,
}

/// Whether an error says that the disk (or the quota on it) is full: the one failure after which the same disk works again.
pub fn is_storage_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// What a sync said that failed, as it stands in an [`io::Error`].
#[derive(Debug)]
struct FailedSync(io::Error);

impl fmt::Display for FailedSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for FailedSync {}

/// Marks what a sync said that failed, so that it is known for what it is wherever it arrives.
pub fn failed_sync(error: io::Error) -> io::Error {
    if is_failed_sync(&error) { error } else { io::Error::new(error.kind(), FailedSync(error)) }
}

/// Whether a sync has failed: nothing on this disk is certain any more but what was durable before.
pub fn is_failed_sync(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<FailedSync>())
}

//! The real disk: the machines' [`Disk`] on a Unix file system.
//!
//! Files are read and written at positions; nothing is mapped, and nothing is buffered here. A write takes all its parts in one
//! `pwritev` where the system takes that many. `sync` is `fdatasync`, which covers the length. Locks are fcntl record
//! locks, which a Java process takes and sees; since the system gives them to a process and not to a handle, a second
//! lock within this process is refused by a list kept here, and a locked file is never opened a second time, because
//! closing any descriptor of it would let go of the lock.

mod lock;
#[cfg(test)]
mod log_cleaned_under_load;
#[cfg(test)]
mod log_on_disk;
#[cfg(test)]
mod log_under_load;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use ottla_machine::{Disk, DiskFile, OpenMode};
use rustix::fs::FallocateFlags;

pub use lock::RealLock;

/// As many parts go into one call to the system (IOV_MAX of Linux).
const PARTS_MAX: usize = 1024;

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

/// An open file; closed with its last clone.
#[derive(Clone, Debug)]
pub struct RealFile {
    file: Arc<File>,
}

impl RealFile {
    /// The descriptor, for sending the file's bytes by the kernel.
    pub fn as_file(&self) -> &File {
        &self.file
    }
}

impl Disk for RealDisk {
    type File = RealFile;
    type Lock = RealLock;

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<RealFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read).create(mode == OpenMode::Create).mode(0o644);
        Ok(RealFile { file: Arc::new(options.open(path)?) })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let names: io::Result<Vec<OsString>> = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect();
        let mut names = names?;
        names.sort();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(path)
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        Ok(fs::metadata(path)?.is_dir())
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        let modified = fs::metadata(path)?.modified()?;
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn set_modified_ms(&self, path: &Path, modified_ms: i64) -> io::Result<()> {
        let since = Duration::from_millis(u64::try_from(modified_ms).unwrap_or(0));
        File::options().write(true).open(path)?.set_modified(UNIX_EPOCH + since)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn set_read_only(&self, path: &Path) -> io::Result<()> {
        fs::set_permissions(path, fs::Permissions::from_mode(0o400))
    }

    fn lock(&self, path: &Path) -> io::Result<RealLock> {
        RealLock::take(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, position: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.file.read_at(&mut buf[filled..], position + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, position: u64, parts: &[&[u8]]) -> io::Result<()> {
        match parts {
            [] => Ok(()),
            [one] => self.file.write_all_at(one, position),
            [head, body] => write_vectored(&self.file, position, &mut [IoSlice::new(head), IoSlice::new(body)]),
            many => {
                let mut position = position;
                for some in many.chunks(PARTS_MAX) {
                    let mut slices: Vec<IoSlice<'_>> = some.iter().map(|part| IoSlice::new(part)).collect();
                    write_vectored(&self.file, position, &mut slices)?;
                    position += some.iter().map(|part| part.len() as u64).sum::<u64>();
                }
                Ok(())
            }
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, len) {
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
            reserved => Ok(reserved?),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Writes all the slices, going on after a short write.
fn write_vectored(file: &File, mut position: u64, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match rustix::io::pwritev(file, slices, position) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                position += written as u64;
                IoSlice::advance_slices(&mut slices, written);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_conforms() {
        let root = tempfile::tempdir().unwrap();
        ottla_machine::disk_conformance::run(&RealDisk, root.path()).unwrap();
    }

    #[test]
    fn a_finished_file_has_mode_0400() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("done");
        RealDisk.write_atomically(&path, b"x").unwrap();
        RealDisk.set_read_only(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);
    }

    #[test]
    fn room_that_was_reserved_is_free_after_a_cut_to_the_same_length() {
        use std::os::unix::fs::MetadataExt;
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("log");
        let file = RealDisk.open(&path, OpenMode::Create).unwrap();
        file.preallocate(1 << 20).unwrap();
        file.write_at(0, &[b"content"]).unwrap();
        let blocks = || fs::metadata(&path).unwrap().blocks();
        // Some file systems reserve nothing.
        if blocks() >= 2048 {
            file.set_len(7).unwrap();
            assert!(blocks() < 2048);
        }
        assert_eq!(file.len().unwrap(), 7);
    }
}

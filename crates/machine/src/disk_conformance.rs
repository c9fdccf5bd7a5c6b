//! What every [`Disk`] must do, as one function that the tests of each implementation run. It panics on the first
//! promise that is broken; it needs an empty directory and leaves it empty.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::{Disk, DiskFile, OpenMode};

/// Runs all checks in the directory `root`.
pub fn run<D: Disk>(disk: &D, root: &Path) -> io::Result<()> {
    positions(disk, &root.join("positions"))?;
    opening(disk, root)?;
    lengths(disk, &root.join("lengths"))?;
    names(disk, root)?;
    replacing(disk, &root.join("replaced"))?;
    locking(disk, &root.join(".lock"))?;
    read_only(disk, &root.join("read-only"))?;
    assert!(disk.list(root)?.is_empty(), "nothing may be left behind");
    Ok(())
}

fn positions<D: Disk>(disk: &D, path: &Path) -> io::Result<()> {
    let file = disk.open(path, OpenMode::Create)?;
    file.write_at(0, &[b"abc", b"", b"defg"])?;
    file.write_at(7, &[b"h"])?;
    file.clone().write_at(1, &[b"BC"])?;
    let mut seen = [0; 20];
    assert_eq!(file.read_at(0, &mut seen)?, 8);
    assert_eq!(&seen[..8], b"aBCdefgh");
    assert_eq!(file.read_at(6, &mut seen[..1])?, 1);
    assert_eq!(seen[0], b'g');
    assert_eq!(file.read_at(8, &mut seen)?, 0);
    assert_eq!(file.read_at(1 << 40, &mut seen)?, 0);
    // More parts than one call to the system takes.
    let many: Vec<&[u8]> = vec![b"xy"; 3000];
    file.write_at(8, &many)?;
    assert_eq!(file.len()?, 6008);
    assert_eq!(file.read_at(6006, &mut seen)?, 2);
    assert_eq!(&seen[..2], b"xy");
    file.sync()?;
    disk.remove_file(path)?;
    assert_eq!(file.len()?, 6008, "a handle outlives the name");
    Ok(())
}

fn opening<D: Disk>(disk: &D, root: &Path) -> io::Result<()> {
    let path = root.join("opening");
    assert_eq!(kind(disk.open(&path, OpenMode::Read)), Some(ErrorKind::NotFound));
    assert_eq!(kind(disk.open(&path, OpenMode::ReadWrite)), Some(ErrorKind::NotFound));
    assert_eq!(kind(disk.open(&root.join("no/such"), OpenMode::Create)), Some(ErrorKind::NotFound));
    disk.open(&path, OpenMode::Create)?.write_at(0, &[b"kept"])?;
    assert_eq!(disk.open(&path, OpenMode::Create)?.len()?, 4);
    assert!(disk.open(&path, OpenMode::Read)?.write_at(0, &[b"x"]).is_err());
    disk.open(&path, OpenMode::ReadWrite)?.write_at(0, &[b"K"])?;
    assert_eq!(disk.read(&path)?, b"Kept");
    assert_eq!(disk.file_len(&path)?, 4);
    disk.set_modified_ms(&path, 1_234_567)?;
    assert_eq!(disk.modified_ms(&path)?, 1_234_567);
    disk.remove_file(&path)
}

fn lengths<D: Disk>(disk: &D, path: &Path) -> io::Result<()> {
    let file = disk.open(path, OpenMode::Create)?;
    assert!(file.is_empty()?);
    file.preallocate(10_000)?;
    assert_eq!(file.len()?, 0, "reserved room is not length");
    file.write_at(0, &[b"abcdef"])?;
    file.set_len(2)?;
    file.set_len(4)?;
    assert_eq!(disk.read(path)?, b"ab\0\0");
    file.write_at(6, &[b"z"])?;
    assert_eq!(disk.read(path)?, b"ab\0\0\0\0z");
    disk.remove_file(path)
}

fn names<D: Disk>(disk: &D, root: &Path) -> io::Result<()> {
    let (dir, moved) = (root.join("a/b"), root.join("a/c"));
    disk.create_dir_all(&dir)?;
    disk.create_dir_all(&dir)?;
    assert!(disk.is_dir(&dir)?);
    disk.open(&dir.join("2"), OpenMode::Create)?.write_at(0, &[b"two"])?;
    disk.open(&dir.join("1"), OpenMode::Create)?;
    disk.sync_dir(&dir)?;
    assert!(!disk.is_dir(&dir.join("1"))?);
    assert_eq!(disk.list(&dir)?, ["1", "2"]);
    disk.rename(&dir.join("2"), &dir.join("1"))?;
    assert_eq!(disk.read(&dir.join("1"))?, b"two");
    assert_eq!(disk.list(&dir)?, ["1"]);
    assert_eq!(kind(disk.remove_dir(&dir)), Some(ErrorKind::DirectoryNotEmpty));
    disk.rename(&dir, &moved)?;
    assert!(!disk.exists(&dir)?);
    assert_eq!(disk.read(&moved.join("1"))?, b"two");
    assert_eq!(kind(disk.list(&dir)), Some(ErrorKind::NotFound));
    assert_eq!(kind(disk.remove_file(&dir.join("1"))), Some(ErrorKind::NotFound));
    assert_eq!(kind(disk.rename(&dir, &moved)), Some(ErrorKind::NotFound));
    disk.remove_dir_all(&root.join("a"))?;
    assert!(!disk.exists(&root.join("a"))?);
    disk.create_dir_all_durably(&dir)?;
    disk.create_dir_all_durably(&dir)?;
    assert!(disk.is_dir(&dir)?);
    disk.remove_dir_all(&root.join("a"))?;
    disk.remove_dir_all(&root.join("a"))
}

fn replacing<D: Disk>(disk: &D, path: &Path) -> io::Result<()> {
    disk.write_atomically(path, b"a longer first content")?;
    disk.write_atomically(path, b"second")?;
    assert_eq!(disk.read(path)?, b"second");
    disk.remove_file(path)
}

fn locking<D: Disk>(disk: &D, path: &Path) -> io::Result<()> {
    drop(disk.lock(path)?);
    let held = disk.lock(path)?;
    assert_eq!(kind(disk.lock(path)), Some(ErrorKind::WouldBlock), "also within one process");
    drop(held);
    drop(disk.lock(path)?);
    disk.remove_file(path)
}

fn read_only<D: Disk>(disk: &D, path: &Path) -> io::Result<()> {
    disk.write_atomically(path, b"done")?;
    disk.set_read_only(path)?;
    assert_eq!(disk.read(path)?, b"done");
    disk.remove_file(path)
}

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

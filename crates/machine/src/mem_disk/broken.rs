//! What fails altogether. A directory, as where its disk is gone: every use of what lies in it, by open files as well, ends
//! with an I/O error until it is mended. Or the process that uses the disk, at a moment that the test chooses.

use std::io;
use std::path::Path;

use super::inode::InodeId;
use super::{MemDisk, State};

impl MemDisk {
    /// From now on all that is done in `dir` fails. What it holds stays as it is.
    pub fn break_dir(&self, dir: &Path) {
        self.state().broken.insert(dir.to_owned());
    }

    /// The directory works again.
    pub fn mend_dir(&self, dir: &Path) {
        self.state().broken.remove(dir);
    }
}

impl MemDisk {
    /// The process dies after as many uses of the disk: what it does then has no effect, until [`MemDisk::kill_process`] or
    /// [`MemDisk::crash`] makes an end of it.
    pub fn die_after(&self, uses: u64) {
        self.state().life.set(Some(uses));
    }

    /// Whether the process has died of [`MemDisk::die_after`].
    pub fn is_dead(&self) -> bool {
        self.state().life.get() == Some(0)
    }
}

impl State {
    fn lives(&self) -> io::Result<()> {
        match self.life.get() {
            Some(0) => Err(io::Error::other("the process is dead")),
            Some(left) => {
                self.life.set(Some(left - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(super) fn works(&self, path: &Path) -> io::Result<()> {
        self.lives()?;
        match self.broken.iter().find(|dir| path.starts_with(dir)) {
            Some(dir) => Err(io::Error::other(format!("injected: {} is broken", dir.display()))),
            None => Ok(()),
        }
    }

    pub(super) fn inode_works(&self, inode: InodeId) -> io::Result<()> {
        self.lives()?;
        let in_broken = |path: &Path| self.broken.iter().any(|dir| path.starts_with(dir));
        let is_in_broken = || self.names.files().iter().any(|(path, id)| *id == inode && in_broken(path));
        match !self.broken.is_empty() && is_in_broken() {
            true => Err(io::Error::other("injected: the directory of the file is broken")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Disk, DiskFile, OpenMode};

    #[test]
    fn a_broken_directory_fails_alone_until_it_is_mended() {
        let disk = MemDisk::new();
        for dir in ["/a", "/b"] {
            disk.create_dir_all(Path::new(dir)).unwrap();
        }
        let file = disk.open(Path::new("/a/x"), OpenMode::Create).unwrap();
        disk.break_dir(Path::new("/a"));
        assert!(file.write_at(0, &[b"1"]).is_err());
        assert!(file.sync().is_err());
        assert!(disk.list(Path::new("/a")).is_err());
        assert!(disk.exists(Path::new("/a")).is_err());
        assert!(disk.rename(Path::new("/b"), Path::new("/a/b")).is_err());
        disk.write_atomically(Path::new("/b/x"), b"1").unwrap();
        disk.mend_dir(Path::new("/a"));
        file.write_at(0, &[b"1"]).unwrap();
        assert_eq!(disk.read(Path::new("/a/x")).unwrap(), b"1");
    }
}

//! The power goes off: what was not synced is kept, dropped or torn, as the seed decides, and all handles die.

use std::path::Path;

use super::{MemDisk, NameChange, State, apply};
use crate::Seed;

impl MemDisk {
    /// Crashes the machine that holds the disk. Every open file and lock of before is dead; the disk itself is ready for
    /// the next start. Space limit and injected faults are lifted.
    pub fn crash(&self, seed: &mut Seed) {
        let mut state = self.state();
        let kept = usize::try_from(seed.below(state.name_changes.len() as u64 + 1)).unwrap_or(0);
        for change in std::mem::take(&mut state.name_changes).iter().take(kept) {
            apply(&mut state.durable_entries, change);
        }
        state.entries = state.durable_entries.clone();
        for inode in state.inodes.values_mut() {
            inode.crash(seed);
        }
        state.end_process();
    }

    /// Kills the process but not the machine (`kill -9`): everything written stays, synced or not; handles and locks die.
    pub fn kill_process(&self) {
        self.state().end_process();
    }

    /// Flips one bit of a file, as a bad medium does. False if the file has no such byte.
    pub fn flip_bit(&self, path: &Path, position: u64, bit: u8) -> bool {
        let mut state = self.state();
        let Ok(id) = state.file(path) else {
            return false;
        };
        let Some(inode) = state.inodes.get_mut(&id) else {
            return false;
        };
        let mut byte = [0];
        if inode.read(position, &mut byte) == 0 {
            return false;
        }
        let modified_ms = inode.modified_ms;
        inode.write(position, &[byte[0] ^ (1 << (bit % 8))], modified_ms);
        inode.sync();
        true
    }
}

impl State {
    fn end_process(&mut self) {
        self.generation += 1;
        self.locks.clear();
        self.faults.clear();
        self.life.set(None);
        self.capacity = None;
        for inode in self.inodes.values_mut() {
            inode.handles = 0;
        }
        self.forget_unnamed_inodes();
    }

    /// Makes the changed names of one directory durable.
    ///
    /// Changes are kept in their order, so everything up to the last change in this directory becomes durable with it, as
    /// a journal that is committed as a whole does it.
    pub(super) fn sync_names(&mut self, dir: &Path) {
        let in_dir = |path: &Path| path.parent() == Some(dir);
        let last = self.name_changes.iter().rposition(|change| match change {
            NameChange::Put(path, _) | NameChange::Remove(path) => in_dir(path),
            NameChange::Rename(from, to) => in_dir(from) || in_dir(to),
        });
        if let Some(last) = last {
            for change in self.name_changes.drain(..=last).collect::<Vec<_>>() {
                apply(&mut self.durable_entries, &change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Disk, DiskFile, Fault, OpenMode, is_storage_full};

    fn root() -> &'static Path {
        Path::new("/data")
    }

    #[test]
    fn synced_bytes_survive_every_crash_and_others_may_not() {
        let mut lost = 0;
        for seed in 0..200 {
            let disk = MemDisk::new();
            disk.create_dir_all(root()).unwrap();
            let file = disk.open(&root().join("f"), OpenMode::Create).unwrap();
            file.write_at(0, &[&[1; 2000]]).unwrap();
            file.sync().unwrap();
            disk.sync_dir(root()).unwrap();
            file.write_at(2000, &[&[2; 2000]]).unwrap();
            disk.crash(&mut Seed(seed));
            let content = disk.read(&root().join("f")).unwrap();
            assert_eq!(content[..2000], [1; 2000]);
            assert!(content.len() <= 4000);
            assert!(content[2000..].iter().all(|b| *b == 2));
            lost += usize::from(content.len() < 4000);
            assert!(file.len().is_err(), "a handle from before the crash is dead");
        }
        assert!((50..200).contains(&lost), "{lost}");
    }

    #[test]
    fn an_unsynced_name_may_vanish_and_a_synced_one_does_not() {
        let mut vanished = 0;
        for seed in 0..100 {
            let disk = MemDisk::new();
            disk.create_dir_all(root()).unwrap();
            disk.open(&root().join("kept"), OpenMode::Create).unwrap();
            disk.sync_dir(root()).unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            disk.open(&root().join("maybe"), OpenMode::Create).unwrap();
            disk.crash(&mut Seed(seed));
            assert!(disk.exists(&root().join("kept")).unwrap());
            vanished += usize::from(!disk.exists(&root().join("maybe")).unwrap());
        }
        assert!((10..90).contains(&vanished), "{vanished}");
    }

    #[test]
    fn a_full_disk_writes_what_fits() {
        let disk = MemDisk::new();
        let path = Path::new("/f");
        let file = disk.open(path, OpenMode::Create).unwrap();
        disk.set_capacity(Some(10));
        let error = file.write_at(0, &[&[7; 8], &[8; 8]]).unwrap_err();
        assert!(is_storage_full(&error));
        assert_eq!(file.len().unwrap(), 10);
        disk.set_capacity(None);
        file.write_at(8, &[&[8; 8]]).unwrap();
        assert_eq!(disk.read(path).unwrap(), [[7; 8], [8; 8]].concat());
    }

    #[test]
    fn an_injected_fault_strikes_once_and_in_its_turn() {
        let disk = MemDisk::new();
        let file = disk.open(Path::new("/f"), OpenMode::Create).unwrap();
        disk.fail_after(Fault::Sync, 1);
        assert!(file.sync().is_ok());
        assert!(file.sync().is_err());
        assert!(file.sync().is_ok());
    }

    #[test]
    fn a_killed_process_loses_its_locks_but_no_bytes() {
        let disk = MemDisk::new();
        let file = disk.open(Path::new("/f"), OpenMode::Create).unwrap();
        let held = disk.lock(Path::new("/.lock")).unwrap();
        file.write_at(0, &[b"abc"]).unwrap();
        disk.kill_process();
        let again = disk.lock(Path::new("/.lock")).unwrap();
        drop(held);
        assert!(disk.lock(Path::new("/.lock")).is_err(), "the dead process's lock does not free ours");
        drop(again);
        assert_eq!(disk.read(Path::new("/f")).unwrap(), b"abc");
    }

    #[test]
    fn a_flipped_bit_is_seen() {
        let disk = MemDisk::new();
        let file = disk.open(Path::new("/f"), OpenMode::Create).unwrap();
        file.write_at(0, &[&[0; 4]]).unwrap();
        assert!(disk.flip_bit(Path::new("/f"), 2, 3));
        assert!(!disk.flip_bit(Path::new("/f"), 4, 3));
        assert_eq!(disk.read(Path::new("/f")).unwrap(), [0, 0, 8, 0]);
    }

    #[test]
    fn it_conforms() {
        let disk = MemDisk::new();
        disk.create_dir_all(root()).unwrap();
        crate::disk_conformance::run(&disk, root()).unwrap();
    }
}

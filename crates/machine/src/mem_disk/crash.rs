//! The power goes off: what was not synced is kept, dropped or torn, as the seed decides, and all handles die.

use std::path::Path;

use super::{MemDisk, State};
use crate::Seed;

impl MemDisk {
    /// Crashes the machine that holds the disk. Every open file and lock of before is dead; the disk itself is ready for
    /// the next start. Space limit and injected faults are lifted.
    pub fn crash(&self, seed: &mut Seed) {
        let mut state = self.state();
        state.names.crash(seed);
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
        let Ok(id) = state.names.file(path) else {
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
        self.changes_left = None;
        self.is_off = false;
        self.synced_after_failure = None;
        for inode in self.inodes.values_mut() {
            inode.handles = 0;
        }
        self.forget_unnamed_inodes();
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
            let (disk, file) = disk_with_file();
            file.write_at(0, &[&[1; 2000]]).unwrap();
            file.sync().unwrap();
            file.write_at(2000, &[&[2; 2000]]).unwrap();
            disk.crash(&mut Seed(seed));
            let content = disk.read(&root().join("f")).unwrap();
            assert_eq!(content[..2000], [1; 2000]);
            assert!(content.len() <= 4000);
            assert!(content[2000..].iter().all(|b| [0, 2].contains(b)), "what was written, or room for it");
            lost += usize::from(content.len() < 4000 || content[2000..].contains(&0));
            assert!(file.len().is_err(), "a handle from before the crash is dead");
        }
        assert!((50..200).contains(&lost), "{lost}");
    }

    /// A file whose name is durable.
    fn disk_with_file() -> (MemDisk, crate::MemFile) {
        let disk = MemDisk::new();
        disk.create_dir_all(root()).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let file = disk.open(&root().join("f"), OpenMode::Create).unwrap();
        disk.sync_dir(root()).unwrap();
        (disk, file)
    }

    /// Which of the things that a disk may do came about in so many crashes.
    fn seen_in_crashes(crashes: u64, prepare: impl Fn(&crate::MemFile), seen: impl Fn(&[u8]) -> bool) -> usize {
        let one = |seed| {
            let (disk, file) = disk_with_file();
            prepare(&file);
            disk.crash(&mut Seed(seed));
            usize::from(seen(&disk.read(&root().join("f")).unwrap()))
        };
        (0..crashes).map(one).sum()
    }

    #[test]
    fn pages_and_length_are_written_in_any_order() {
        let two_writes = |file: &crate::MemFile| {
            file.write_at(0, &[&[1; 4096]]).unwrap();
            file.write_at(4096, &[&[2; 4096]]).unwrap();
        };
        let second_only = seen_in_crashes(1000, two_writes, |f| f.len() == 8192 && f[0] == 0 && f[8191] == 2);
        let length_only = seen_in_crashes(1000, two_writes, |f| f.len() == 8192 && f.iter().all(|byte| *byte == 0));
        let torn = seen_in_crashes(1000, two_writes, |f| f.len() == 8192 && f[..4096].contains(&0) && f.contains(&1));
        assert!(second_only > 3 && length_only > 3 && torn > 3, "{second_only} {length_only} {torn}");
        let cut_and_write = |file: &crate::MemFile| {
            file.write_at(0, &[&[1; 4096]]).unwrap();
            file.sync().unwrap();
            file.set_len(0).unwrap();
            file.write_at(0, &[&[2; 1024]]).unwrap();
        };
        let came_back = seen_in_crashes(1000, cut_and_write, |f| f.len() == 4096 && f[0] == 2 && f[2000] == 1);
        assert!(came_back > 3, "{came_back}");
    }

    #[test]
    fn what_a_failed_sync_lost_no_later_sync_brings_back() {
        let mut lost = 0;
        for seed in 0..50 {
            let (disk, file) = disk_with_file();
            disk.state().fault_seed = Seed(seed);
            file.write_at(0, &[&[1; 512]]).unwrap();
            disk.fail_after(Fault::Sync, 0);
            assert!(file.sync().is_err());
            assert!(disk.synced_after_failure().is_empty());
            assert_eq!(disk.read(&root().join("f")).unwrap(), [1; 512], "it is seen all the same");
            file.write_at(512, &[&[2; 512]]).unwrap();
            file.sync().unwrap();
            assert_eq!(disk.synced_after_failure(), [root().join("f")]);
            disk.crash(&mut Seed(seed));
            let content = disk.read(&root().join("f")).unwrap();
            assert_eq!(content[512..], [2; 512]);
            lost += usize::from(content[0] == 0);
        }
        assert!((5..50).contains(&lost), "{lost}");
    }

    #[test]
    fn a_directory_makes_only_its_own_names_durable() {
        let (mut inner, mut outer) = (0, 0);
        for seed in 0..100 {
            let disk = MemDisk::new();
            disk.create_dir_all(&root().join("a")).unwrap();
            disk.open(&root().join("a/f"), OpenMode::Create).unwrap();
            disk.sync_dir(&root().join("a")).unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            disk.crash(&mut Seed(seed));
            assert!(disk.exists(root()).unwrap());
            outer += usize::from(!disk.exists(&root().join("a")).unwrap());
            inner += usize::from(disk.exists(&root().join("a/f")).unwrap());
        }
        assert!(outer > 20 && inner > 20 && outer + inner == 100, "{outer} {inner}");
    }

    #[test]
    fn when_the_power_goes_off_nothing_more_is_changed() {
        let (disk, file) = disk_with_file();
        disk.power_off_after(1);
        file.write_at(0, &[&[1; 10]]).unwrap();
        assert!(!disk.is_off());
        assert!(file.write_at(10, &[&[2; 10]]).is_err());
        assert!(disk.is_off());
        assert_eq!(file.len().unwrap(), 15, "half of it");
        assert!(file.write_at(15, &[&[3; 10]]).is_err() && file.sync().is_err() && file.set_len(0).is_err());
        assert!(disk.remove_file(&root().join("f")).is_err() && disk.sync_dir(root()).is_err());
        assert_eq!(file.len().unwrap(), 15);
        disk.crash(&mut Seed(1));
        disk.open(&root().join("f"), OpenMode::ReadWrite).unwrap().write_at(0, &[b"on again"]).unwrap();
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

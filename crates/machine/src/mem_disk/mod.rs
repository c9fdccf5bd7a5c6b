//! A disk in memory that behaves as badly as a real one may: what was not synced can vanish or tear in a crash, page by
//! page and in any order; space can run out in the middle of a write; a sync can fail, and what it should have written
//! counts as clean from then on; the power can go off in the middle of anything. Deterministic: the same calls and seed
//! give the same bytes.
//!
//! Invariants: synced bytes survive [`MemDisk::crash`] unless overwritten later; a name survives once the directory that
//! holds it was synced, and that directory's own name likewise (`names.rs`). Deliberately absent: permissions beyond the
//! read-only mark, links, and time that passes by itself.

mod broken;
mod crash;
mod inode;
mod names;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Disk, DiskFile, OpenMode, Seed};
use inode::{Inode, InodeId};
use names::{Entry, Names};

/// The disk; cloning gives another handle on the same one.
#[derive(Clone, Default)]
pub struct MemDisk {
    shared: Arc<Mutex<State>>,
}

/// An open file of a [`MemDisk`].
#[derive(Clone)]
pub struct MemFile {
    shared: Arc<Mutex<State>>,
    inode: InodeId,
    /// Handles opened before a crash belong to a process that is dead: they fail.
    generation: u64,
    writable: bool,
}

/// A held lock of a [`MemDisk`].
pub struct MemLock {
    shared: Arc<Mutex<State>>,
    path: PathBuf,
    generation: u64,
}

/// What can be made to fail, once each time it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A write stops halfway with an I/O error.
    Write,
    /// A change of length fails.
    SetLen,
    /// A sync of a file fails; what it should have made durable is so in part, and counts as clean: no later sync covers
    /// it, although it is seen until the power goes off.
    Sync,
    /// A sync of a directory fails, with the same consequence for its names.
    SyncDir,
    /// A rename fails.
    Rename,
    /// A read fails.
    Read,
}

struct State {
    names: Names,
    inodes: BTreeMap<InodeId, Inode>,
    next_inode: u64,
    locks: BTreeSet<PathBuf>,
    generation: u64,
    capacity: Option<u64>,
    /// For each fault: how many calls still succeed before it strikes.
    faults: BTreeMap<Fault, u64>,
    /// Directories that fail altogether.
    broken: BTreeSet<PathBuf>,
    /// How many uses are left to the process, if that is bounded.
    life: Cell<Option<u64>>,
    /// How many changes are still made before the power goes off; `None` for all.
    changes_left: Option<u64>,
    is_off: bool,
    /// Decides what a failed sync leaves.
    fault_seed: Seed,
    /// What was synced since a sync failed; `None` before.
    synced_after_failure: Option<Vec<PathBuf>>,
    opened: u64,
    writes: u64,
    syncs: u64,
    now_ms: i64,
}

impl Default for State {
    fn default() -> State {
        State {
            names: Names::default(),
            inodes: BTreeMap::new(),
            next_inode: 0,
            locks: BTreeSet::new(),
            generation: 0,
            capacity: None,
            faults: BTreeMap::new(),
            broken: BTreeSet::new(),
            life: Cell::new(None),
            changes_left: None,
            is_off: false,
            fault_seed: Seed(0),
            synced_after_failure: None,
            opened: 0,
            writes: 0,
            syncs: 0,
            now_ms: 0,
        }
    }
}

impl MemDisk {
    pub fn new() -> MemDisk {
        MemDisk::default()
    }

    /// Limits the bytes of all files together; `None` lifts the limit. Writes beyond it write what fits and fail.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// The bytes that all files hold together.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// Makes a kind of call fail once, after `successes` more that succeed.
    pub fn fail_after(&self, fault: Fault, successes: u64) {
        self.state().faults.insert(fault, successes);
    }

    /// Lets the power go off after so many more changes (writes, lengths, names, syncs): each later one fails, and the one
    /// at which it happens may be half done. [`MemDisk::crash`] is then what is left.
    pub fn power_off_after(&self, changes: u64) {
        self.state().changes_left = Some(changes);
    }

    /// Whether the power is off.
    pub fn is_off(&self) -> bool {
        self.state().is_off
    }

    /// Files and directories that this process synced although a sync of it had failed before. After a failed sync nobody knows what the
    /// medium holds, and one that succeeds says nothing of it.
    pub fn synced_after_failure(&self) -> Vec<PathBuf> {
        self.state().synced_after_failure.clone().unwrap_or_default()
    }

    /// Sets the time that files written from now on bear as their last change.
    pub fn set_now_ms(&self, now_ms: i64) {
        self.state().now_ms = now_ms;
    }

    /// How many files were opened so far: what "opens no file" is tested with.
    pub fn opened_count(&self) -> u64 {
        self.state().opened
    }

    /// How many writes were made so far.
    pub fn write_count(&self) -> u64 {
        self.state().writes
    }

    /// How many syncs of files were made so far.
    pub fn sync_count(&self) -> u64 {
        self.state().syncs
    }

    /// The paths of all files, for comparing directories in tests.
    pub fn files(&self) -> Vec<PathBuf> {
        self.state().names.files().into_iter().map(|(path, _)| path).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared)
    }
}

fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn used(&self) -> u64 {
        self.inodes.values().map(|inode| inode.data.len() as u64).sum()
    }

    fn strike(&mut self, fault: Fault) -> io::Result<()> {
        match self.faults.get_mut(&fault) {
            Some(0) => {
                self.faults.remove(&fault);
                Err(io::Error::other(format!("injected: {fault:?}")))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// One more change, if the power is still on.
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.changes_left {
            Some(0) => {
                self.is_off = true;
                Err(io::Error::other("the power is off"))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn inode(&self, id: InodeId) -> io::Result<&Inode> {
        self.inodes.get(&id).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn note_sync(&mut self, path: impl FnOnce(&Names) -> PathBuf) {
        if let Some(synced) = &mut self.synced_after_failure {
            synced.push(path(&self.names));
        }
    }

    /// Bytes of removed files are free at once, unless a crash can bring the name back.
    fn forget_unnamed_inodes(&mut self) {
        let named = self.names.named_files();
        self.inodes.retain(|id, inode| named.contains(id) || inode.handles > 0);
    }
}

impl Disk for MemDisk {
    type File = MemFile;
    type Lock = MemLock;

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<MemFile> {
        let mut state = self.state();
        state.works(path)?;
        let inode = match (state.names.file(path), mode) {
            (Err(error), OpenMode::Create) if error.kind() == ErrorKind::NotFound => {
                let name = state.names.name(path)?;
                state.spend()?;
                state.next_inode += 1;
                let id = InodeId(state.next_inode);
                let now_ms = state.now_ms;
                state.inodes.insert(id, Inode::new(now_ms));
                state.names.put_file(name, id);
                id
            }
            (found, _) => found?,
        };
        let writable = mode != OpenMode::Read;
        if writable && state.inode(inode)?.read_only {
            return Err(ErrorKind::PermissionDenied.into());
        }
        state.opened += 1;
        if let Some(found) = state.inodes.get_mut(&inode) {
            found.handles += 1;
        }
        Ok(MemFile { shared: self.shared.clone(), inode, generation: state.generation, writable })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.works(from).and_then(|()| state.works(to))?;
        state.strike(Fault::Rename)?;
        let moved = state.names.entry(from)?;
        let (from, target) = (state.names.name(from)?, state.names.name(to)?);
        match (moved, state.names.entry(to)) {
            (Entry::File(_), Ok(Entry::Dir(_))) => return Err(ErrorKind::IsADirectory.into()),
            (Entry::Dir(_), Ok(Entry::File(_))) => return Err(ErrorKind::NotADirectory.into()),
            (Entry::Dir(_), Ok(Entry::Dir(there))) if state.names.list(there).next().is_some() => {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
            _ => {}
        }
        state.spend()?;
        state.names.rename(from, target, moved);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.works(path)?;
        state.names.file(path)?;
        let name = state.names.name(path)?;
        state.spend()?;
        state.names.remove(name);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.works(path)?;
        let dir = state.names.dir(path)?;
        if state.names.list(dir).next().is_some() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        let name = state.names.name(path)?;
        state.spend()?;
        state.names.remove(name);
        Ok(())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.works(path)?;
        let mut missing = Vec::new();
        for ancestor in path.ancestors() {
            match state.names.entry(ancestor) {
                Ok(Entry::Dir(_)) => break,
                Ok(Entry::File(_)) => return Err(ErrorKind::NotADirectory.into()),
                Err(_) => missing.push(ancestor.to_owned()),
            }
        }
        for dir in missing.into_iter().rev() {
            let name = state.names.name(&dir)?;
            state.spend()?;
            state.names.put_dir(name);
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let state = self.state();
        state.works(path)?;
        let dir = state.names.dir(path)?;
        Ok(state.names.list(dir).map(|(name, _)| name.clone()).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.state();
        state.works(path)?;
        Ok(state.names.entry(path).is_ok())
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        let state = self.state();
        state.works(path)?;
        Ok(matches!(state.names.entry(path)?, Entry::Dir(_)))
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        let state = self.state();
        state.works(path)?;
        Ok(state.inode(state.names.file(path)?)?.data.len() as u64)
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        let state = self.state();
        state.works(path)?;
        Ok(state.inode(state.names.file(path)?)?.modified_ms)
    }

    fn set_modified_ms(&self, path: &Path, modified_ms: i64) -> io::Result<()> {
        let mut state = self.state();
        state.works(path)?;
        let id = state.names.file(path)?;
        state.inodes.get_mut(&id).ok_or(ErrorKind::NotFound)?.modified_ms = modified_ms;
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.works(path)?;
        let dir = state.names.dir(path)?;
        state.spend()?;
        if let Err(error) = state.strike(Fault::SyncDir) {
            let State { names, fault_seed, .. } = &mut *state;
            names.fail_sync(dir, fault_seed);
            state.synced_after_failure.get_or_insert_default();
            return Err(error);
        }
        state.note_sync(|_| path.to_owned());
        state.names.sync(dir);
        state.forget_unnamed_inodes();
        Ok(())
    }

    fn set_read_only(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.works(path)?;
        let id = state.names.file(path)?;
        if let Some(inode) = state.inodes.get_mut(&id) {
            inode.read_only = true;
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<MemLock> {
        self.open(path, OpenMode::Create)?;
        let mut state = self.state();
        if !state.locks.insert(path.to_owned()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(MemLock { shared: self.shared.clone(), path: path.to_owned(), generation: state.generation })
    }
}

impl Drop for MemLock {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        if state.generation == self.generation {
            state.locks.remove(&self.path);
        }
    }
}

impl MemFile {
    /// The state, if the process that opened this file still lives.
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = lock(&self.shared);
        if state.generation != self.generation {
            return Err(io::Error::other("the disk crashed"));
        }
        state.inode_works(self.inode)?;
        Ok(state)
    }

    fn writable_state(&self) -> io::Result<MutexGuard<'_, State>> {
        if self.writable { self.state() } else { Err(ErrorKind::PermissionDenied.into()) }
    }
}

impl DiskFile for MemFile {
    fn read_at(&self, position: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state()?;
        state.strike(Fault::Read)?;
        Ok(state.inode(self.inode)?.read(position, buf))
    }

    fn write_at(&self, position: u64, parts: &[&[u8]]) -> io::Result<()> {
        let mut state = self.writable_state()?;
        state.writes += 1;
        let content = parts.concat();
        let was_off = state.is_off;
        let struck = state.strike(Fault::Write).and_then(|()| state.spend());
        let length = state.inode(self.inode)?.data.len() as u64;
        let growth = (position + content.len() as u64).saturating_sub(length);
        let room = state.capacity.map_or(growth, |capacity| capacity.saturating_sub(state.used()).min(growth));
        let lacking = usize::try_from(growth - room).unwrap_or(usize::MAX);
        let mut fits = content.len().saturating_sub(lacking);
        if struck.is_err() {
            // Half done when it failed, unless the power was off before.
            fits = if was_off { 0 } else { fits / 2 };
        }
        let now_ms = state.now_ms;
        if let Some(inode) = state.inodes.get_mut(&self.inode) {
            inode.write(position, &content[..fits], now_ms);
        }
        struck?;
        if fits < content.len() { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.state()?.inode(self.inode)?.data.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.writable_state()?;
        state.strike(Fault::SetLen)?;
        state.spend()?;
        let now_ms = state.now_ms;
        if let Some(inode) = state.inodes.get_mut(&self.inode) {
            inode.set_len(len, now_ms)?;
        }
        Ok(())
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        let state = self.writable_state()?;
        let growth = len.saturating_sub(state.inode(self.inode)?.data.len() as u64);
        match state.capacity {
            Some(capacity) if state.used().saturating_add(growth) > capacity => Err(ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state()?;
        state.syncs += 1;
        state.spend()?;
        let id = self.inode;
        if let Err(error) = state.strike(Fault::Sync) {
            let State { inodes, fault_seed, .. } = &mut *state;
            inodes.get_mut(&id).into_iter().for_each(|inode| inode.fail_sync(fault_seed));
            state.synced_after_failure.get_or_insert_default();
            return Err(error);
        }
        state.note_sync(|names| names.files().into_iter().find(|(_, of)| *of == id).map_or_else(PathBuf::new, |f| f.0));
        if let Some(inode) = state.inodes.get_mut(&id) {
            inode.sync();
        }
        Ok(())
    }
}

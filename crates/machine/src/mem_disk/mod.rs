//! A disk in memory that behaves as badly as a real one may: what was not synced can vanish or tear in a crash, space can
//! run out in the middle of a write, and a sync can fail. Deterministic: the same calls and seed give the same bytes.
//!
//! Invariants: synced bytes survive [`MemDisk::crash`] unless overwritten later; names survive once their directory was
//! synced; of the names changed since, a crash keeps a prefix of the changes (a journalling file system keeps their order).
//! Deliberately absent: permissions beyond the read-only mark, links, and time that passes by itself.

mod broken;
mod crash;
mod inode;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Disk, DiskFile, OpenMode};
use inode::{Inode, InodeId};

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
    /// A sync of a file fails; what it should have made durable stays undecided.
    Sync,
    /// A sync of a directory fails.
    SyncDir,
    /// A rename fails.
    Rename,
    /// A read fails.
    Read,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Dir,
    File(InodeId),
}

/// One change of names, in the order in which they were made.
#[derive(Clone, Debug)]
enum NameChange {
    Put(PathBuf, Entry),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

#[derive(Default)]
struct State {
    entries: BTreeMap<PathBuf, Entry>,
    durable_entries: BTreeMap<PathBuf, Entry>,
    name_changes: Vec<NameChange>,
    inodes: BTreeMap<InodeId, Inode>,
    next_inode: u64,
    locks: BTreeSet<PathBuf>,
    generation: u64,
    capacity: Option<u64>,
    /// Directories that fail altogether.
    broken: BTreeSet<PathBuf>,
    /// How many uses are left to the process, if that is bounded.
    life: Cell<Option<u64>>,
    /// For each fault: how many calls still succeed before it strikes.
    faults: BTreeMap<Fault, u64>,
    opened: u64,
    writes: u64,
    syncs: u64,
    now_ms: i64,
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
        let state = self.state();
        state.entries.iter().filter(|(_, e)| matches!(e, Entry::File(_))).map(|(p, _)| p.clone()).collect()
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

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        if path.as_os_str().is_empty() || path == Path::new("/") {
            return Ok(Entry::Dir);
        }
        self.entries.get(path).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn dir(&self, path: &Path) -> io::Result<()> {
        match self.entry(path)? {
            Entry::Dir => Ok(()),
            Entry::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn parent_dir(&self, path: &Path) -> io::Result<()> {
        path.parent().map_or(Ok(()), |parent| self.dir(parent))
    }

    fn file(&self, path: &Path) -> io::Result<InodeId> {
        match self.entry(path)? {
            Entry::File(inode) => Ok(inode),
            Entry::Dir => Err(ErrorKind::IsADirectory.into()),
        }
    }

    fn inode(&self, id: InodeId) -> io::Result<&Inode> {
        self.inodes.get(&id).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn change(&mut self, change: NameChange) {
        apply(&mut self.entries, &change);
        self.name_changes.push(change);
    }

    /// Bytes of removed files are free at once, unless a crash can bring the name back.
    fn forget_unnamed_inodes(&mut self) {
        let named: BTreeSet<InodeId> = self
            .entries
            .values()
            .chain(self.durable_entries.values())
            .filter_map(|entry| if let Entry::File(id) = entry { Some(*id) } else { None })
            .collect();
        self.inodes.retain(|id, inode| named.contains(id) || inode.handles > 0);
    }
}

fn apply(entries: &mut BTreeMap<PathBuf, Entry>, change: &NameChange) {
    match change {
        NameChange::Put(path, entry) => {
            entries.insert(path.clone(), *entry);
        }
        NameChange::Remove(path) => {
            entries.remove(path);
        }
        NameChange::Rename(from, to) => {
            let moved: Vec<PathBuf> = entries.keys().filter(|path| path.starts_with(from)).cloned().collect();
            for path in moved {
                if let (Some(entry), Ok(rest)) = (entries.remove(&path), path.strip_prefix(from)) {
                    let target = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                    entries.insert(target, entry);
                }
            }
        }
    }
}

impl Disk for MemDisk {
    type File = MemFile;
    type Lock = MemLock;

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<MemFile> {
        let mut state = self.state();
        state.works(path)?;
        let inode = match (state.file(path), mode) {
            (Err(error), OpenMode::Create) if error.kind() == ErrorKind::NotFound => {
                state.parent_dir(path)?;
                state.next_inode += 1;
                let id = InodeId(state.next_inode);
                let now_ms = state.now_ms;
                state.inodes.insert(id, Inode::new(now_ms));
                state.change(NameChange::Put(path.to_owned(), Entry::File(id)));
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
        let moved = state.entry(from)?;
        state.parent_dir(to)?;
        match (moved, state.entry(to)) {
            (Entry::File(_), Ok(Entry::Dir)) => return Err(ErrorKind::IsADirectory.into()),
            (Entry::Dir, Ok(Entry::File(_))) => return Err(ErrorKind::NotADirectory.into()),
            (Entry::Dir, Ok(Entry::Dir)) if state.entries.keys().any(|p| p.parent() == Some(to)) => {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
            _ => {}
        }
        state.change(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.works(path)?;
        state.file(path)?;
        state.change(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.works(path)?;
        state.dir(path)?;
        if state.entries.keys().any(|p| p.parent() == Some(path)) {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        state.change(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.works(path)?;
        let mut missing = Vec::new();
        for ancestor in path.ancestors() {
            match state.entry(ancestor) {
                Ok(Entry::Dir) => break,
                Ok(Entry::File(_)) => return Err(ErrorKind::NotADirectory.into()),
                Err(_) => missing.push(ancestor.to_owned()),
            }
        }
        for dir in missing.into_iter().rev() {
            state.change(NameChange::Put(dir, Entry::Dir));
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let state = self.state();
        state.works(path)?;
        state.dir(path)?;
        let inside = state.entries.keys().filter(|p| p.parent() == Some(path));
        Ok(inside.filter_map(|p| p.file_name().map(ToOwned::to_owned)).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.state();
        state.works(path)?;
        Ok(state.entry(path).is_ok())
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        let state = self.state();
        state.works(path)?;
        Ok(state.entry(path)? == Entry::Dir)
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        let state = self.state();
        state.works(path)?;
        Ok(state.inode(state.file(path)?)?.data.len() as u64)
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        let state = self.state();
        state.works(path)?;
        Ok(state.inode(state.file(path)?)?.modified_ms)
    }

    fn set_modified_ms(&self, path: &Path, modified_ms: i64) -> io::Result<()> {
        let mut state = self.state();
        state.works(path)?;
        let id = state.file(path)?;
        state.inodes.get_mut(&id).ok_or(ErrorKind::NotFound)?.modified_ms = modified_ms;
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.works(path)?;
        state.strike(Fault::SyncDir)?;
        state.dir(path)?;
        state.sync_names(path);
        state.forget_unnamed_inodes();
        Ok(())
    }

    fn set_read_only(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.works(path)?;
        let id = state.file(path)?;
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
        let struck = state.strike(Fault::Write);
        let length = state.inode(self.inode)?.data.len() as u64;
        let growth = (position + content.len() as u64).saturating_sub(length);
        let room = state.capacity.map_or(growth, |capacity| capacity.saturating_sub(state.used()).min(growth));
        let lacking = usize::try_from(growth - room).unwrap_or(usize::MAX);
        let mut fits = content.len().saturating_sub(lacking);
        if struck.is_err() {
            fits /= 2;
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
        state.strike(Fault::Sync)?;
        if let Some(inode) = state.inodes.get_mut(&self.inode) {
            inode.sync();
        }
        Ok(())
    }
}

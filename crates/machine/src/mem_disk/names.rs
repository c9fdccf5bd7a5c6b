//! The names on a disk in memory: as they are seen, as they are durable, and the changes between the two.
//!
//! Invariants: the names of one directory become durable in the order in which they changed, those of two directories in
//! any order; a sync of a directory makes its own names durable and no others, not even its own in the directory above; a
//! rename from one directory to another is durable in both or in neither. A journal keeps more order than that: what
//! holds here holds there.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use super::inode::InodeId;
use crate::Seed;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DirId(u64);

const ROOT: DirId = DirId(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Dir(DirId),
    File(InodeId),
}

/// A directory and a name in it.
pub(super) type Name = (DirId, OsString);

type Table = BTreeMap<Name, Entry>;

#[derive(Clone, Debug)]
enum Change {
    Put(Name, Entry),
    Remove(Name),
    Rename { from: Name, to: Name, moved: Entry },
}

#[derive(Default)]
pub(super) struct Names {
    seen: Table,
    durable: Table,
    pending: Vec<Change>,
    last_dir: u64,
}

impl Names {
    pub(super) fn entry(&self, path: &Path) -> io::Result<Entry> {
        let mut at = Entry::Dir(ROOT);
        for name in components(path) {
            let Entry::Dir(dir) = at else { return Err(ErrorKind::NotADirectory.into()) };
            at = *self.seen.get(&(dir, name.to_owned())).ok_or(ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    pub(super) fn dir(&self, path: &Path) -> io::Result<DirId> {
        match self.entry(path)? {
            Entry::Dir(dir) => Ok(dir),
            Entry::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<InodeId> {
        match self.entry(path)? {
            Entry::File(inode) => Ok(inode),
            Entry::Dir(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    /// The directory that holds a path, which must be there, and the path's name in it.
    pub(super) fn name(&self, path: &Path) -> io::Result<Name> {
        let name = components(path).next_back().ok_or(ErrorKind::InvalidInput)?.to_owned();
        Ok((self.dir(path.parent().unwrap_or(Path::new("")))?, name))
    }

    pub(super) fn list(&self, dir: DirId) -> impl Iterator<Item = (&OsString, Entry)> {
        let names = self.seen.range((dir, OsString::new())..).take_while(move |((of, _), _)| *of == dir);
        names.map(|((_, name), entry)| (name, *entry))
    }

    pub(super) fn put_file(&mut self, name: Name, inode: InodeId) {
        self.change(Change::Put(name, Entry::File(inode)));
    }

    pub(super) fn put_dir(&mut self, name: Name) -> DirId {
        self.last_dir += 1;
        let dir = DirId(self.last_dir);
        self.change(Change::Put(name, Entry::Dir(dir)));
        dir
    }

    pub(super) fn remove(&mut self, name: Name) {
        self.change(Change::Remove(name));
    }

    pub(super) fn rename(&mut self, from: Name, to: Name, moved: Entry) {
        self.change(Change::Rename { from, to, moved });
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    /// Makes the changed names of one directory durable.
    pub(super) fn sync(&mut self, dir: DirId) {
        for change in std::mem::take(&mut self.pending) {
            if change.dirs().contains(&dir) {
                change.apply(&mut self.durable);
            } else {
                self.pending.push(change);
            }
        }
    }

    /// A sync that failed: some of the directory's changes are durable, up to one of them, and the rest never will be.
    pub(super) fn fail_sync(&mut self, dir: DirId, seed: &mut Seed) {
        let mut lost = false;
        for change in std::mem::take(&mut self.pending) {
            if !change.dirs().contains(&dir) {
                self.pending.push(change);
                continue;
            }
            lost |= seed.chance(1, 3);
            if !lost {
                change.apply(&mut self.durable);
            }
        }
    }

    /// What is left of the names when the power goes off.
    pub(super) fn crash(&mut self, seed: &mut Seed) {
        let pending = std::mem::take(&mut self.pending);
        let kept = seed.below(pending.len() as u64 + 1) as usize;
        match seed.below(4) {
            0 => {}
            1 => pending.iter().for_each(|change| change.apply(&mut self.durable)),
            // As one journal keeps them.
            2 => pending.iter().take(kept).for_each(|change| change.apply(&mut self.durable)),
            _ => {
                let mut cut: BTreeSet<DirId> = BTreeSet::new();
                for change in &pending {
                    let dirs = change.dirs();
                    if dirs.iter().any(|dir| cut.contains(dir)) || seed.chance(1, 6) {
                        cut.extend(dirs);
                    } else {
                        change.apply(&mut self.durable);
                    }
                }
            }
        }
        let reachable = self.reachable();
        self.durable.retain(|(dir, _), _| reachable.contains(dir));
        self.seen = self.durable.clone();
    }

    /// The directories that are durable, from the root down.
    fn reachable(&self) -> BTreeSet<DirId> {
        let mut reachable = BTreeSet::from([ROOT]);
        let mut open = vec![ROOT];
        while let Some(dir) = open.pop() {
            let names = self.durable.range((dir, OsString::new())..).take_while(|((of, _), _)| *of == dir);
            for entry in names.map(|(_, entry)| *entry) {
                if let Entry::Dir(below) = entry
                    && reachable.insert(below)
                {
                    open.push(below);
                }
            }
        }
        reachable
    }

    /// The files that have a name, or had one that may come back.
    pub(super) fn named_files(&self) -> BTreeSet<InodeId> {
        let file = |entry: &Entry| if let Entry::File(id) = entry { Some(*id) } else { None };
        let pending = self.pending.iter().filter_map(|change| match change {
            Change::Put(_, entry) | Change::Rename { moved: entry, .. } => file(entry),
            Change::Remove(_) => None,
        });
        let tables = self.seen.values().chain(self.durable.values()).filter_map(file);
        tables.chain(pending).collect()
    }

    /// The paths of all files.
    pub(super) fn files(&self) -> Vec<(PathBuf, InodeId)> {
        let mut found = Vec::new();
        let mut open = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, dir)) = open.pop() {
            for (name, entry) in self.list(dir) {
                match entry {
                    Entry::Dir(below) => open.push((path.join(name), below)),
                    Entry::File(inode) => found.push((path.join(name), inode)),
                }
            }
        }
        found.sort();
        found
    }
}

impl Change {
    fn dirs(&self) -> [DirId; 2] {
        match self {
            Change::Put(name, _) | Change::Remove(name) => [name.0, name.0],
            Change::Rename { from, to, .. } => [from.0, to.0],
        }
    }

    fn apply(&self, table: &mut Table) {
        match self {
            Change::Put(name, entry) => drop(table.insert(name.clone(), *entry)),
            Change::Remove(name) => drop(table.remove(name)),
            Change::Rename { from, to, moved } => {
                table.remove(from);
                table.insert(to.clone(), *moved);
            }
        }
    }
}

fn components(path: &Path) -> impl DoubleEndedIterator<Item = &OsStr> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    })
}

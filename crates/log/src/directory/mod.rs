//! A whole `log.dir`: its lock and identity, the mark of a clean stop, the checkpoints of all its partitions, and their folders.
//!
//! Order at a start: [`LogDirectory::open`] (takes the lock, reads `meta.properties`), [`LogDirectory::take_clean_shutdown`]
//! in every directory before any log is opened, then [`LogDirectory::list`] and [`crate::Log::open`] for each folder, on as
//! many threads as the caller likes. At a stop: close the logs, write the checkpoints, then the mark, last of all, in every
//! directory. Deliberately absent: which partitions ought to be here; that is metadata's.

mod checkpoint;
mod clean_shutdown;
mod folder;
mod meta_properties;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ottla_machine::{Disk, Offset};

pub use checkpoint::{Checkpoint, CheckpointKind};
pub use clean_shutdown::CleanShutdown;
pub use folder::{Folder, FolderState, TopicPartition};
pub use meta_properties::MetaProperties;

use crate::error::{LogError, doing, sync_dir};
use crate::log::TopicId;
use crate::partition_metadata;

const LOCK: &str = ".lock";
const META_PROPERTIES: &str = "meta.properties";

/// One directory of `log.dirs`, held by this process.
pub struct LogDirectory<D: Disk> {
    disk: D,
    path: PathBuf,
    meta: Option<MetaProperties>,
    _lock: D::Lock,
}

impl<D: Disk> LogDirectory<D> {
    /// Takes the directory: creates it if need be, takes its lock (Java sees it as well), reads its identity.
    ///
    /// An `Io` error of kind `WouldBlock`: another process, ours or Kafka's, holds the directory.
    pub fn open(disk: D, path: &Path) -> Result<LogDirectory<D>, LogError> {
        disk.create_dir_all_durably(path).map_err(doing("creating", path))?;
        // Whoever made folders here may have been killed before their names were durable.
        sync_dir(&disk, path)?;
        let lock_path = path.join(LOCK);
        let lock = disk.lock(&lock_path).map_err(doing("locking", &lock_path))?;
        let meta = MetaProperties::read(&disk, &path.join(META_PROPERTIES))?;
        Ok(LogDirectory { disk, path: path.to_owned(), meta, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn disk(&self) -> &D {
        &self.disk
    }

    /// The directory's identity; `None` if it is not formatted.
    pub fn meta(&self) -> Option<&MetaProperties> {
        self.meta.as_ref()
    }

    /// Gives the directory its identity.
    pub fn write_meta(&mut self, meta: MetaProperties) -> Result<(), LogError> {
        meta.write(&self.disk, &self.path.join(META_PROPERTIES))?;
        self.meta = Some(meta);
        Ok(())
    }

    /// Reads the mark of a clean stop and removes it, so that whatever happens next is not taken for clean. `None`: the last
    /// stop was not clean.
    pub fn take_clean_shutdown(&self) -> Result<Option<CleanShutdown>, LogError> {
        clean_shutdown::take(&self.disk, &self.path)
    }

    /// Marks the stop as clean. To be called last, when all that the logs hold is durable.
    pub fn write_clean_shutdown(&self, mark: CleanShutdown) -> Result<(), LogError> {
        clean_shutdown::write(&self.disk, &self.path, mark)
    }

    /// Reads a checkpoint file; one that is not there is empty.
    pub fn checkpoint(&self, kind: CheckpointKind) -> Result<Checkpoint, LogError> {
        Checkpoint::read(&self.disk, &self.path, kind)
    }

    /// The folders of partitions, and of what is left of partitions, by name. What is no partition's folder is not listed.
    pub fn list(&self) -> Result<Vec<Folder>, LogError> {
        let names = self.disk.list(&self.path).map_err(doing("listing", &self.path))?;
        let mut folders = Vec::new();
        for name in names {
            let path = self.path.join(&name);
            if self.disk.is_dir(&path).map_err(doing("reading", &path))?
                && let Some(folder) = name.to_str().and_then(Folder::parse)
            {
                folders.push(folder);
            }
        }
        Ok(folders)
    }

    /// The folder of a partition.
    pub fn partition_path(&self, partition: &TopicPartition) -> PathBuf {
        self.path.join(partition.to_string())
    }

    /// Renames a partition's folder so that it is no longer one, in one step; [`LogDirectory::remove`] then does the work.
    /// `unique` are 32 digits of a UUID, without hyphens.
    ///
    /// `None` if there is no folder: the partition never had a record.
    pub fn mark_deleted(&self, partition: &TopicPartition, unique: &str) -> Result<Option<Folder>, LogError> {
        self.set_aside(partition, unique, FolderState::Deleted)
    }

    /// Like [`LogDirectory::mark_deleted`], for a folder that metadata does not know: it is kept, but not opened.
    pub fn mark_stray(&self, partition: &TopicPartition, unique: &str) -> Result<Option<Folder>, LogError> {
        self.set_aside(partition, unique, FolderState::Stray)
    }

    /// How a folder of this partition is called that is not its log in use. `unique` as above.
    pub fn aside(partition: &TopicPartition, unique: &str, state: FolderState) -> Folder {
        Folder::set_aside(partition, unique, state)
    }

    /// Gives another state to a folder, a future one for example, so that it counts as that from the next start on.
    pub fn set_folder_aside(&self, folder: &Folder, unique: &str, state: FolderState) -> Result<Folder, LogError> {
        let aside = Folder::set_aside(&folder.partition, unique, state);
        self.rename(&self.path.join(&folder.name), &self.path.join(&aside.name))?;
        self.sync()?;
        Ok(aside)
    }

    /// A future log becomes the partition's log.
    pub fn promote(&self, folder: &Folder) -> Result<(), LogError> {
        self.rename(&self.path.join(&folder.name), &self.partition_path(&folder.partition))?;
        self.sync()
    }

    /// The topic that a folder says it belongs to (`partition.metadata`).
    pub fn topic_id(&self, folder: &Folder) -> Result<Option<TopicId>, LogError> {
        partition_metadata::read(&self.disk, &self.path.join(&folder.name))
    }

    /// Makes the names of the folders durable.
    pub fn sync(&self) -> Result<(), LogError> {
        sync_dir(&self.disk, &self.path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), LogError> {
        self.disk.rename(from, to).map_err(doing("renaming", from))
    }

    fn set_aside(
        &self,
        partition: &TopicPartition,
        unique: &str,
        state: FolderState,
    ) -> Result<Option<Folder>, LogError> {
        let from = self.partition_path(partition);
        let folder = Folder::set_aside(partition, unique, state);
        match self.disk.rename(&from, &self.path.join(&folder.name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            renamed => renamed.map_err(doing("renaming", &from))?,
        }
        self.sync()?;
        Ok(Some(folder))
    }

    /// Removes a folder and all that is in it. A job: a large log takes long.
    pub fn remove(&self, folder: &Folder) -> Result<(), LogError> {
        let path = self.path.join(&folder.name);
        self.disk.remove_dir_all(&path).map_err(doing("removing", &path))
    }
}

impl<D: Disk> crate::Log<D> {
    /// Renames the log's folder for deletion; no more appends are taken, reads of open files go on. The folder that is
    /// given back is for [`LogDirectory::remove`]. `None` if the log never had a folder.
    pub fn delete(
        &self,
        directory: &LogDirectory<D>,
        partition: &TopicPartition,
        unique: &str,
    ) -> Result<Option<Folder>, LogError> {
        let mut state = self.state();
        state.status = crate::log::Status::Offline;
        self.note_cut();
        let folder = if state.on_disk { directory.mark_deleted(partition, unique)? } else { None };
        if let Some(folder) = &folder {
            self.set_dir(&directory.path.join(&folder.name));
        }
        Ok(folder)
    }

    /// Makes the log's folder, so that it is found at the next start even if nothing is ever appended.
    pub fn make_folder(&self) -> Result<(), LogError> {
        let mut state = self.state();
        self.ensure_on_disk(&mut state)
    }

    /// Renames the folder while the log is in use. The name is durable after [`LogDirectory::sync`].
    pub fn rename_folder(&self, to: &Path) -> Result<(), LogError> {
        let state = self.state();
        let from = self.dir();
        if state.on_disk {
            self.inner.disk.rename(&from, to).map_err(doing("renaming", &from))?;
        }
        self.set_dir(to);
        Ok(())
    }

    /// No change is taken from now on: the directory failed, or the log was replaced by another.
    pub fn take_offline(&self) {
        self.state().status = crate::log::Status::Offline;
    }
}

/// The offsets of all partitions of a directory, as a checkpoint file holds them.
pub type PartitionOffsets = BTreeMap<TopicPartition, Offset>;

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_machine::{MemDisk, PartitionIndex};

    fn partition(topic: &str, index: i32) -> TopicPartition {
        TopicPartition { topic: topic.into(), partition: PartitionIndex(index) }
    }

    #[test]
    fn a_directory_belongs_to_one_process() {
        let disk = MemDisk::new();
        let path = Path::new("/data");
        let held = LogDirectory::open(disk.clone(), path).unwrap();
        let refused = LogDirectory::open(disk.clone(), path).err().unwrap();
        assert!(matches!(refused, LogError::Io { source, .. } if source.kind() == std::io::ErrorKind::WouldBlock));
        drop(held);
        LogDirectory::open(disk, path).unwrap();
    }

    #[test]
    fn folders_are_listed_and_a_deleted_one_is_set_aside_at_once() {
        let disk = MemDisk::new();
        let directory = LogDirectory::open(disk.clone(), Path::new("/data")).unwrap();
        for name in ["a-0", "b.c-x-12", "not a partition", "lost+found", "__cluster_metadata-0"] {
            disk.create_dir_all(&directory.path().join(name)).unwrap();
        }
        disk.write_atomically(Path::new("/data/a-0/x"), b"1").unwrap();
        disk.write_atomically(Path::new("/data/a-1"), b"a file").unwrap();
        let names: Vec<String> = directory.list().unwrap().into_iter().map(|folder| folder.name).collect();
        assert_eq!(names, ["__cluster_metadata-0", "a-0", "b.c-x-12"]);
        let unique = "0123456789abcdef0123456789abcdef";
        let folder = directory.mark_deleted(&partition("a", 0), unique).unwrap().unwrap();
        assert_eq!(folder.name, "a-0.0123456789abcdef0123456789abcdef-delete");
        assert_eq!(directory.mark_deleted(&partition("a", 0), unique).unwrap(), None);
        assert!(directory.list().unwrap().contains(&folder));
        directory.remove(&folder).unwrap();
        assert!(!directory.list().unwrap().contains(&folder));
        directory.remove(&folder).unwrap();
    }
}

//! What the folders mean that a start finds. To be called when the metadata was read to its end, and before any log is
//! opened: a folder of a topic that the metadata does not know is stray, as is one of a replica that lies elsewhere now, and
//! it is set aside and kept.

use super::directories::{Directories, Directory, FoundFolders};
use super::topic_config::{log_config, topic_config};
use super::{Node, StartError, lock};
use crate::request::Now;
use ottla_log::directory::{Folder, FolderState, TopicPartition};
use ottla_log::{Log, LogError, OpenOptions, ShutdownKind, TopicId};
use ottla_machine::Disk;
use ottla_metadata::image::{Image, Partition};
use ottla_wire::Uuid;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A folder and where it lies.
pub(super) struct Found<D: Disk> {
    pub directory: Arc<Directory<D>>,
    pub folder: Folder,
}

/// What was found of a partition.
pub(super) struct FoundLogs<D: Disk> {
    pub current: Option<Found<D>>,
    pub future: Option<Found<D>>,
}

/// Of a folder without `partition.metadata`, which is written before the first batch is.
const NAMELESS: &str = "it does not say which topic it belongs to";

impl<D: Disk> Found<D> {
    pub fn path(&self) -> std::path::PathBuf {
        self.directory.path().join(&self.folder.name)
    }
}

impl<D: Disk> Directories<D> {
    /// What lies here of a partition, once.
    pub(super) fn take_found(&self, partition: &TopicPartition) -> FoundLogs<D> {
        let take = |state: FolderState| {
            self.online().find_map(|directory| {
                let mut found = lock(&directory.found);
                let folders = found.get_mut(partition)?;
                let at = folders.iter().position(|folder| folder.state == state)?;
                let folder = folders.remove(at);
                if folders.is_empty() {
                    found.remove(partition);
                }
                Some(Found { directory: Arc::clone(directory), folder })
            })
        };
        FoundLogs { current: take(FolderState::Current), future: take(FolderState::Future) }
    }
}

impl<D: Disk> Node<D> {
    /// Keeps in [`Directory::found`] what is to be opened.
    pub(super) fn sort_folders(&self, now: Now) -> Result<(), StartError> {
        let image = lock(&self.controller).quorum.loader.image().clone();
        let mut seen: BTreeMap<(TopicPartition, bool), Arc<Directory<D>>> = BTreeMap::new();
        for directory in self.directories.online() {
            let folders = std::mem::take(&mut *lock(&directory.found));
            let mut kept = FoundFolders::new();
            let mut keep = |folder: Folder| kept.entry(folder.partition.clone()).or_default().push(folder);
            for folder in folders.into_values().flatten() {
                match folder.state {
                    FolderState::Deleted => self.remove_later(directory, &image, folder),
                    FolderState::Stray => {
                        tracing::warn!("{} is stray; delete it if nobody needs it", folder_path(directory, &folder));
                    }
                    FolderState::Current | FolderState::Future => {
                        if &*folder.partition.topic == "__cluster_metadata" {
                            continue;
                        }
                        match self.is_stray(&image, directory, &folder) {
                            Ok(None) => keep(folder),
                            // A copy that was begun and holds nothing yet.
                            Ok(Some(NAMELESS)) if folder.state == FolderState::Future => {
                                self.discard(&image, directory, &folder);
                            }
                            Ok(Some(why)) => self.set_stray(directory, &folder, why),
                            Err(error) => {
                                self.directories.note(&error);
                                tracing::error!("{error}");
                                keep(folder);
                            }
                        }
                    }
                }
            }
            *lock(&directory.found) = kept;
        }
        for directory in self.directories.online() {
            let folders = lock(&directory.found).clone();
            for folder in folders.into_values().flatten() {
                let key = (folder.partition.clone(), folder.state == FolderState::Future);
                if let Some(other) = seen.insert(key.clone(), Arc::clone(directory)) {
                    let kept = self.resolve(&image, [&other, directory], &folder, now)?;
                    seen.insert(key, kept);
                }
            }
        }
        Ok(())
    }

    /// Why a folder is stray.
    fn is_stray(
        &self,
        image: &Image,
        directory: &Directory<D>,
        folder: &Folder,
    ) -> Result<Option<&'static str>, LogError> {
        let id = match directory.files.topic_id(folder) {
            Ok(Some(TopicId(id))) => Uuid(id),
            Ok(None) => return Ok(Some(NAMELESS)),
            // That is for the opening to say.
            Err(LogError::Malformed { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(topic) = image.topics.with_id(id).filter(|topic| topic.name == folder.partition.topic) else {
            return Ok(Some("its topic is not in the metadata"));
        };
        let known = topic.partitions.get(&folder.partition.partition.0);
        Ok(match known.is_some_and(|partition| partition.replicas.contains(&self.id)) {
            true => None,
            false => Some("the partition is not to be on this node"),
        })
    }

    /// Renames a folder that nobody needs, and removes it later.
    pub(super) fn discard(&self, image: &Image, directory: &Arc<Directory<D>>, folder: &Folder) {
        match self.directories.noting(directory.files.set_folder_aside(folder, &self.unique(), FolderState::Deleted)) {
            Ok(aside) => self.remove_later(directory, image, aside),
            Err(error) => tracing::error!("the folder {} cannot be set aside: {error}", folder.name),
        }
    }

    pub(super) fn set_stray(&self, directory: &Directory<D>, folder: &Folder, why: &str) {
        match directory.files.set_folder_aside(folder, &self.unique(), FolderState::Stray) {
            Ok(stray) => {
                tracing::warn!("{} is stray, {why}; it is kept as {}", folder_path(directory, folder), stray.name);
            }
            Err(error) => {
                self.directories.note(&error);
                tracing::error!("the stray folder of {} cannot be set aside: {error}", folder.partition);
            }
        }
    }

    /// 32 digits that nobody had before.
    pub(super) fn unique(&self) -> String {
        format!("{:016x}{:016x}", self.draw(), self.draw())
    }

    /// Two logs of one partition. That can be what a power loss left of a move: its first rename was undone and its second
    /// was not. Then the log in the directory that the metadata names is whole, and the other is kept as stray. Otherwise
    /// nobody but a person can tell.
    fn resolve(
        &self,
        image: &Image,
        directories: [&Arc<Directory<D>>; 2],
        folder: &Folder,
        now: Now,
    ) -> Result<Arc<Directory<D>>, StartError> {
        let find = |directory: &Arc<Directory<D>>| {
            let found = lock(&directory.found);
            found.get(&folder.partition)?.iter().find(|f| f.state == folder.state).cloned()
        };
        let path = |directory: &Arc<Directory<D>>| {
            let name = find(directory).map_or_else(|| folder.name.clone(), |f| f.name);
            directory.path().join(name)
        };
        let duplicate = || StartError::DuplicateLog {
            partition: folder.partition.clone(),
            first: path(directories[0]),
            second: path(directories[1]),
        };
        let known = image.topics.partition(&folder.partition.topic, folder.partition.partition.0);
        let assigned = known.and_then(|partition: &Arc<Partition>| partition.directory_of(self.id));
        let [kept, other] = match directories {
            _ if folder.state == FolderState::Future => return Err(duplicate()),
            [first, second] if Some(first.id) == assigned => [first, second],
            [first, second] if Some(second.id) == assigned => [second, first],
            _ => return Err(duplicate()),
        };
        let config = topic_config(image, self.settings(), &folder.partition.topic);
        let config = Arc::new(log_config(image, &config, self.settings()));
        let end = |directory: &Arc<Directory<D>>| {
            let (recovery_point, log_start_offset) = directory.checkpointed(&folder.partition);
            let options = OpenOptions {
                shutdown: ShutdownKind::Unclean,
                recovery_point,
                log_start_offset,
                topic_id: None,
                config: Arc::clone(&config),
                now: now.wall,
            };
            let opened = Log::open(directory.files.disk().clone(), &path(directory), options);
            opened.map(|(log, _)| log.log_end_offset()).map_err(|_| duplicate())
        };
        if end(kept)? < end(other)? {
            return Err(duplicate());
        }
        let gone = find(other).ok_or_else(duplicate)?;
        if let Some(folders) = lock(&other.found).get_mut(&gone.partition) {
            folders.retain(|f| *f != gone);
        }
        self.set_stray(other, &gone, "the metadata names another directory");
        Ok(Arc::clone(kept))
    }
}

fn folder_path<D: Disk>(directory: &Directory<D>, folder: &Folder) -> String {
    directory.path().join(&folder.name).display().to_string()
}

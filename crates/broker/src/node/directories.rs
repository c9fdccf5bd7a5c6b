//! The log directories of the node: their identity, their checkpoints, and which of them holds what.

use super::cleaner::CleanerCheckpoint;
use super::{Settings, StartError, lock};
use ottla_log::directory::{
    Checkpoint, CheckpointKind, CleanShutdown, Folder, FolderState, LogDirectory, TopicPartition,
};
use ottla_log::{LogError, TopicId};
use ottla_machine::{Disk, Offset};
use ottla_wire::Uuid;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Offsets by partition, as checkpoints hold them.
pub(super) type Offsets = BTreeMap<TopicPartition, Offset>;

pub(super) struct Directory<D: Disk> {
    pub id: Uuid,
    pub files: LogDirectory<D>,
    checkpoints: Mutex<[Checkpoint; 3]>,
    pub cleaner: CleanerCheckpoint,
    /// How the node was stopped last; None: not cleanly.
    pub clean: Option<CleanShutdown>,
    /// What was found at the start.
    pub folders: Vec<Folder>,
}

/// What each checkpoint of [`Directory`] is.
const KINDS: [CheckpointKind; 3] =
    [CheckpointKind::RecoveryPoint, CheckpointKind::LogStartOffset, CheckpointKind::HighWatermark];

pub(super) struct Directories<D: Disk> {
    pub all: Vec<Arc<Directory<D>>>,
    /// Held for its lock, when the metadata log does not lie in a log directory.
    _metadata: Option<LogDirectory<D>>,
    /// The directory of the metadata log.
    pub metadata_id: Uuid,
}

impl<D: Disk> Directories<D> {
    /// Locks all of them, checks whose they are, and takes away the marks of a clean stop before any log is opened.
    pub fn open(disk: &D, settings: &Settings) -> Result<Self, StartError> {
        let place = &settings.place;
        let mut opened = Vec::new();
        for path in &place.log_dirs {
            opened.push(open(disk, path, settings)?);
        }
        let metadata = match place.log_dirs.contains(&place.metadata_log_dir) {
            true => None,
            false => Some(open(disk, &place.metadata_log_dir, settings)?),
        };
        let own = place.log_dirs.iter().position(|path| *path == place.metadata_log_dir);
        let metadata_id = metadata.as_ref().map(|(_, id)| *id).or(own.map(|at| opened[at].1)).unwrap_or_default();
        let mut all = Vec::new();
        for (files, id) in opened {
            let storage = |error: LogError| StartError::Log(error.to_string());
            let clean = files.take_clean_shutdown().map_err(storage)?;
            let read = |kind| files.checkpoint(kind).map_err(storage);
            let checkpoints = Mutex::new([read(KINDS[0])?, read(KINDS[1])?, read(KINDS[2])?]);
            let cleaner = CleanerCheckpoint::read(&files);
            let folders = files.list().map_err(storage)?;
            all.push(Arc::new(Directory { id, files, checkpoints, cleaner, clean, folders }));
        }
        Ok(Self { all, _metadata: metadata.map(|(files, _)| files), metadata_id })
    }

    /// The broker epoch of the last clean stop: -1 unless all directories agree on it.
    pub fn previous_broker_epoch(&self) -> i64 {
        let mut epochs = self.all.iter().map(|d| d.clean.map_or(-1, |mark| mark.broker_epoch));
        let first = epochs.next().unwrap_or(-1);
        if epochs.all(|epoch| epoch == first) { first } else { -1 }
    }

    pub fn ids(&self) -> Vec<Uuid> {
        self.all.iter().map(|directory| directory.id).collect()
    }

    pub fn with_id(&self, id: Uuid) -> Option<&Arc<Directory<D>>> {
        self.all.iter().find(|directory| directory.id == id)
    }

    /// Where a partition's log was found at the start, as a log in use.
    pub fn holding(&self, partition: &TopicPartition) -> Option<&Arc<Directory<D>>> {
        self.all.iter().find(|directory| {
            let current = |f: &Folder| f.state == FolderState::Current && f.partition == *partition;
            directory.folders.iter().any(current)
        })
    }
}

impl<D: Disk> Directory<D> {
    /// What the checkpoints said of a partition: its recovery point and its log's start.
    pub fn checkpointed(&self, partition: &TopicPartition) -> (Offset, Offset) {
        let checkpoints = lock(&self.checkpoints);
        let get = |at: usize| checkpoints[at].get(partition).unwrap_or(Offset::ZERO);
        (get(0), get(1))
    }

    /// Writes the checkpoints whose content changed.
    pub fn write_checkpoints(
        &self,
        recovery_points: Offsets,
        log_start_offsets: Offsets,
        high_watermarks: Offsets,
    ) -> Result<(), LogError> {
        let mut checkpoints = lock(&self.checkpoints);
        for (checkpoint, offsets) in checkpoints.iter_mut().zip([recovery_points, log_start_offsets, high_watermarks]) {
            checkpoint.write(self.files.disk(), offsets)?;
        }
        Ok(())
    }
}

fn open<D: Disk>(disk: &D, path: &Path, settings: &Settings) -> Result<(LogDirectory<D>, Uuid), StartError> {
    let mut files = LogDirectory::open(disk.clone(), path).map_err(|error| match &error {
        LogError::Io { source, .. } if source.kind() == std::io::ErrorKind::WouldBlock => {
            StartError::Locked(path.to_owned())
        }
        _ => StartError::Log(error.to_string()),
    })?;
    let Some(meta) = files.meta().cloned() else { return Err(StartError::NotFormatted(path.to_owned())) };
    let stranger = |what, found: String, expected: String| {
        Err(StartError::Stranger { path: path.to_owned(), what, found, expected })
    };
    if meta.cluster_id != settings.place.cluster_id {
        return stranger("cluster", meta.cluster_id, settings.place.cluster_id.clone());
    }
    if meta.node_id != settings.place.node_id {
        return stranger("node", meta.node_id.to_string(), settings.place.node_id.to_string());
    }
    let id = match meta.directory_id {
        Some(TopicId(id)) => Uuid(id),
        None => {
            // A directory from before KIP-858 gets its id now, made of its path and its cluster's id.
            let id = derived_id(path, &meta.cluster_id);
            let meta = ottla_log::directory::MetaProperties { directory_id: Some(TopicId(id.0)), ..meta };
            files.write_meta(meta).map_err(|error| StartError::Log(error.to_string()))?;
            id
        }
    };
    Ok((files, id))
}

fn derived_id(path: &Path, cluster_id: &str) -> Uuid {
    let mut seed = ottla_machine::Seed(0);
    for byte in path.to_string_lossy().bytes().chain(cluster_id.bytes()) {
        seed = ottla_machine::Seed(seed.draw() ^ u64::from(byte));
    }
    loop {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&seed.draw().to_be_bytes());
        bytes[8..].copy_from_slice(&seed.draw().to_be_bytes());
        if let Some(id) = Uuid::from_random(bytes) {
            return id;
        }
    }
}

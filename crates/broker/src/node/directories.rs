//! The log directories of the node: their identity, their checkpoints, which of them holds what, and which have failed.
//!
//! A failure is noticed where it happens, by [`Directories::note`], and acted on in the controller's next step
//! (`offline.rs`): until then who asks is told of the error as it comes.

use super::cleaner::CleanerCheckpoint;
use super::{Host, Settings, StartError, lock};
use ottla_log::directory::{
    Checkpoint, CheckpointKind, CleanShutdown, Folder, LogDirectory, MetaProperties, TopicPartition,
};
use ottla_log::{LogError, TopicId};
use ottla_machine::{Disk, Offset};
use ottla_wire::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Offsets by partition, as checkpoints hold them.
pub(super) type Offsets = BTreeMap<TopicPartition, Offset>;

pub(crate) struct Directory<D: Disk> {
    pub id: Uuid,
    pub files: LogDirectory<D>,
    checkpoints: Mutex<[Checkpoint; 3]>,
    pub(super) cleaner: CleanerCheckpoint,
    /// How the node was stopped last; None: not cleanly.
    pub clean: Option<CleanShutdown>,
    pub found: Mutex<FoundFolders>,
    online: AtomicBool,
}

/// What was found of each partition at the start and is not opened yet.
pub(super) type FoundFolders = BTreeMap<TopicPartition, Vec<Folder>>;

/// What each checkpoint of [`Directory`] is.
const KINDS: [CheckpointKind; 3] =
    [CheckpointKind::RecoveryPoint, CheckpointKind::LogStartOffset, CheckpointKind::HighWatermark];

/// One entry of `log.dirs`.
pub(crate) struct Place<D: Disk> {
    pub path: PathBuf,
    /// None where it could not be used at the start.
    directory: Option<Arc<Directory<D>>>,
}

pub(crate) struct Directories<D: Disk> {
    /// In the order of the configuration.
    pub places: Vec<Place<D>>,
    /// Held for its lock, when the metadata log does not lie in a log directory.
    _metadata: Option<LogDirectory<D>>,
    /// The directory of the metadata log.
    pub metadata_id: Uuid,
    host: Arc<dyn Host>,
    /// Failures that nothing was done about yet.
    noticed: Mutex<BTreeMap<Uuid, String>>,
    /// The partitions that this node is to have and cannot serve, by their topic's id.
    lost: Mutex<BTreeSet<(Uuid, i32)>>,
}

impl<D: Disk> Directories<D> {
    /// Locks all of them, checks whose they are, and takes away the marks of a clean stop before any log is opened. One
    /// that cannot be read is left alone, unless it is the metadata log's or the last.
    pub fn open(disk: &D, settings: &Settings, host: Arc<dyn Host>) -> Result<Self, StartError> {
        let place = &settings.place;
        let mut places = Vec::new();
        for path in &place.log_dirs {
            let directory = match opened(disk, path, settings) {
                Ok(directory) => Some(Arc::new(directory)),
                Err(Unusable::Start(error)) => return Err(error),
                Err(Unusable::Directory(why)) if *path == place.metadata_log_dir => {
                    return Err(StartError::MetadataDirectory { path: path.clone(), why });
                }
                Err(Unusable::Directory(why)) => {
                    tracing::error!("the log directory {} is offline: {why}", path.display());
                    None
                }
            };
            places.push(Place { path: path.clone(), directory });
        }
        let own = place.log_dirs.iter().position(|path| *path == place.metadata_log_dir);
        let metadata = match own {
            Some(_) => None,
            None => match identified(disk, &place.metadata_log_dir, settings) {
                Ok(opened) => Some(opened),
                Err(Unusable::Start(error)) => return Err(error),
                Err(Unusable::Directory(why)) => {
                    return Err(StartError::MetadataDirectory { path: place.metadata_log_dir.clone(), why });
                }
            },
        };
        let of_place = own.and_then(|at| places[at].directory.as_ref()).map(|directory| directory.id);
        let metadata_id = metadata.as_ref().map(|(_, id)| *id).or(of_place).unwrap_or_default();
        let directories = Self {
            places,
            _metadata: metadata.map(|(files, _)| files),
            metadata_id,
            host,
            noticed: Mutex::default(),
            lost: Mutex::default(),
        };
        directories.check(&place.metadata_log_dir)?;
        Ok(directories)
    }

    /// Rules about all of them together.
    fn check(&self, metadata_log_dir: &Path) -> Result<(), StartError> {
        let mut seen: BTreeMap<Uuid, &Path> = BTreeMap::new();
        for directory in self.online() {
            if let Some(other) = seen.insert(directory.id, directory.path()) {
                let (path, other) = (directory.path().to_owned(), other.to_owned());
                return Err(StartError::SameDirectoryId { id: directory.id, path, other });
            }
            let folder = directory.path().join(super::quorum_files::METADATA_FOLDER);
            if directory.path() != metadata_log_dir && directory.files.disk().exists(&folder).unwrap_or(false) {
                return Err(StartError::MisplacedMetadata { folder, expected: metadata_log_dir.to_owned() });
            }
        }
        if seen.is_empty() {
            return Err(StartError::NoDirectory);
        }
        Ok(())
    }

    /// The broker epoch of the last clean stop: -1 unless all directories agree on it.
    pub fn previous_broker_epoch(&self) -> i64 {
        let mut epochs = self.online().map(|d| d.clean.map_or(-1, |mark| mark.broker_epoch));
        let first = epochs.next().unwrap_or(-1);
        if epochs.all(|epoch| epoch == first) { first } else { -1 }
    }

    /// Those that work.
    pub fn online(&self) -> impl Iterator<Item = &Arc<Directory<D>>> {
        self.places.iter().filter_map(Place::online)
    }

    pub fn all_online(&self) -> bool {
        self.places.iter().all(|place| place.online().is_some())
    }

    pub fn ids(&self) -> Vec<Uuid> {
        self.online().map(|directory| directory.id).collect()
    }

    /// Those that worked at the start and do no more.
    pub fn failed_ids(&self) -> Vec<Uuid> {
        let known = self.places.iter().filter_map(|place| place.directory.as_ref());
        known.filter(|directory| !directory.is_online()).map(|directory| directory.id).collect()
    }

    /// A directory that works.
    pub fn with_id(&self, id: Uuid) -> Option<&Arc<Directory<D>>> {
        self.online().find(|directory| directory.id == id)
    }

    /// The directory that an error is about fails, if the error says that: all but a lack of room, and what a file holds.
    pub fn note(&self, error: &LogError) {
        let LogError::Io { path, source, .. } = error else { return };
        let Some(directory) = self.online().find(|directory| path.starts_with(directory.path())) else { return };
        if source.kind() == ErrorKind::NotFound && directory.is_there() {
            // Something was deleted or renamed while somebody was about to use it.
            return;
        }
        self.fail(directory, &error.to_string());
    }

    fn fail(&self, directory: &Directory<D>, why: &str) {
        lock(&self.noticed).entry(directory.id).or_insert_with(|| why.to_owned());
        self.host.wake_controller();
    }

    /// Notes what an error means for its directory, and passes it on.
    pub fn noting<T>(&self, result: Result<T, LogError>) -> Result<T, LogError> {
        result.inspect_err(|error| self.note(error))
    }

    pub fn take_noticed(&self) -> BTreeMap<Uuid, String> {
        std::mem::take(&mut *lock(&self.noticed))
    }

    /// A partition that cannot be served before the next start.
    pub fn lose(&self, topic_id: Uuid, index: i32) {
        lock(&self.lost).insert((topic_id, index));
    }

    pub fn has_lost(&self, topic_id: Uuid, index: i32) -> bool {
        lock(&self.lost).contains(&(topic_id, index))
    }
}

impl<D: Disk> Place<D> {
    pub fn online(&self) -> Option<&Arc<Directory<D>>> {
        self.directory.as_ref().filter(|directory| directory.is_online())
    }
}

impl<D: Disk> Directory<D> {
    pub fn path(&self) -> &Path {
        self.files.path()
    }

    pub fn is_online(&self) -> bool {
        self.online.load(Ordering::Acquire)
    }

    pub fn go_offline(&self) {
        self.online.store(false, Ordering::Release);
    }

    fn is_there(&self) -> bool {
        self.files.disk().exists(&self.path().join(META_PROPERTIES)).unwrap_or(false)
    }

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

const META_PROPERTIES: &str = "meta.properties";

/// Why a directory is not opened.
enum Unusable {
    /// The node must not start.
    Start(StartError),
    /// The directory is to be left alone.
    Directory(String),
}

impl From<StartError> for Unusable {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<LogError> for Unusable {
    fn from(error: LogError) -> Self {
        Self::Directory(error.to_string())
    }
}

fn opened<D: Disk>(disk: &D, path: &Path, settings: &Settings) -> Result<Directory<D>, Unusable> {
    let (files, id) = identified(disk, path, settings)?;
    let clean = files.take_clean_shutdown()?;
    let read = |kind| files.checkpoint(kind);
    let checkpoints = Mutex::new([read(KINDS[0])?, read(KINDS[1])?, read(KINDS[2])?]);
    let cleaner = CleanerCheckpoint::read(&files);
    let mut found = FoundFolders::new();
    for folder in files.list()? {
        found.entry(folder.partition.clone()).or_default().push(folder);
    }
    let found = Mutex::new(found);
    Ok(Directory { id, files, checkpoints, cleaner, clean, found, online: AtomicBool::new(true) })
}

/// Takes the lock of a directory of this node.
fn identified<D: Disk>(disk: &D, path: &Path, settings: &Settings) -> Result<(LogDirectory<D>, Uuid), Unusable> {
    let unreadable = |error: std::io::Error| Unusable::Directory(format!("{}: {error}", path.display()));
    // A directory that is not there, as where its disk is not mounted, is not made.
    if !disk.exists(&path.join(META_PROPERTIES)).map_err(unreadable)? {
        return Err(StartError::NotFormatted(path.to_owned()).into());
    }
    let mut files = LogDirectory::open(disk.clone(), path).map_err(|error| match &error {
        LogError::Io { source, .. } if source.kind() == ErrorKind::WouldBlock => {
            Unusable::Start(StartError::Locked(path.to_owned()))
        }
        _ => error.into(),
    })?;
    let Some(meta) = files.meta().cloned() else { return Err(StartError::NotFormatted(path.to_owned()).into()) };
    let stranger = |what, found: String, expected: String| {
        Err(StartError::Stranger { path: path.to_owned(), what, found, expected }.into())
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
            files.write_meta(MetaProperties { directory_id: Some(TopicId(id.0)), ..meta })?;
            id
        }
    };
    // The hundred lowest ids are reserved: they mean that a directory is not known, or lost.
    if u128::from_be_bytes(id.0) < 100 {
        return Err(StartError::ReservedDirectoryId { id, path: path.to_owned() }.into());
    }
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

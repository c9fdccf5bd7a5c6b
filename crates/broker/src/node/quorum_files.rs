//! The files beside the metadata log that a start reads: what formatting left, and the newest snapshot.

use super::{Settings, StartError};
use ottla_log::{Log, LogConfig, OpenOptions, ShutdownKind, TopicId, UnsyncedBytes};
use ottla_machine::{Disk, Offset, Timestamp};
use ottla_metadata::features::{METADATA_VERSION, METADATA_VERSION_LATEST};
use ottla_metadata::framing;
use ottla_raft::{Snapshot, SnapshotId, VoterSet};
use ottla_wire::Uuid;
use ottla_wire::metadata::{FeatureLevelRecord, MetadataRecord};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) const METADATA_FOLDER: &str = "__cluster_metadata-0";
/// Where Kafka before 4.4 keeps the bootstrap records.
const BOOTSTRAP: &str = "bootstrap.checkpoint";

/// What formatting left for the first controller.
pub(crate) struct Bootstrap {
    /// The values of the records, in their framing.
    values: Vec<Vec<u8>>,
    pub kraft_version: i16,
    pub voters: Option<VoterSet>,
}

impl Bootstrap {
    /// The records, all of version 0. A log without any begins with the newest metadata.version.
    pub fn records(&self) -> Result<Vec<(MetadataRecord<'_>, i16)>, StartError> {
        let mut records = Vec::new();
        for value in &self.values {
            records.push((framing::decode(value).map_err(|error| StartError::Metadata(error.to_string()))?, 0));
        }
        if records.is_empty() {
            let record = FeatureLevelRecord {
                name: METADATA_VERSION.into(),
                feature_level: METADATA_VERSION_LATEST,
                ..Default::default()
            };
            records.push((record.into(), 0));
        }
        Ok(records)
    }
}

/// A zero snapshot with records of its own wins over `bootstrap.checkpoint`.
pub(super) fn read_bootstrap<D: Disk>(disk: &D, settings: &Settings) -> Result<Bootstrap, StartError> {
    let dir = &settings.place.metadata_log_dir;
    let read = |path: PathBuf| match disk.exists(&path) {
        Ok(true) => read_snapshot(disk, &path).map(Some),
        Ok(false) => Ok(None),
        Err(error) => Err(StartError::io(&path, &error)),
    };
    let zero = read(dir.join(METADATA_FOLDER).join(SnapshotId::ZERO.to_string()))?;
    let old = read(dir.join(BOOTSTRAP))?;
    let zero = zero.unwrap_or_default();
    let values = match old {
        Some(old) if zero.records.is_empty() => old.records,
        _ => zero.records,
    };
    Ok(Bootstrap { values, kraft_version: zero.kraft_version, voters: zero.voters })
}

/// The newest snapshot; the zero snapshot is formatting's and no such.
pub(super) fn newest_snapshot<D: Disk>(disk: &D, folder: &Path) -> Result<Option<(SnapshotId, Snapshot)>, StartError> {
    let names = match disk.list(folder) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StartError::io(folder, &error)),
    };
    let ids = names.iter().filter_map(|name| SnapshotId::from_file_name(name.to_str()?));
    let Some(id) = ids.filter(|id| id.end_offset > 0).max() else { return Ok(None) };
    Ok(Some((id, read_snapshot(disk, &folder.join(id.to_string()))?)))
}

fn read_snapshot<D: Disk>(disk: &D, path: &Path) -> Result<Snapshot, StartError> {
    let bytes = disk.read(path).map_err(|error| StartError::io(path, &error))?;
    Snapshot::parse(&bytes).map_err(|error| StartError::Metadata(format!("{}: {error}", path.display())))
}

/// Opens the log, which begins where the snapshot ends if it is behind it.
pub(super) fn open_log<D: Disk>(disk: D, folder: &Path, start: i64, now: Timestamp) -> Result<Log<D>, StartError> {
    let config = Arc::new(LogConfig {
        max_message_bytes: i32::MAX as u32,
        message_timestamp_after_max_ms: i64::MAX,
        retention_ms: -1,
        unsynced_bytes: UnsyncedBytes::WrittenAnew,
        ..LogConfig::default()
    });
    disk.create_dir_all_durably(folder).map_err(|error| StartError::io(folder, &error))?;
    let options = OpenOptions {
        // What was appended and not synced was never committed, and may be torn.
        shutdown: ShutdownKind::Unclean,
        // What a snapshot covers was committed before, so synced.
        recovery_point: Offset(start),
        log_start_offset: Offset(0),
        topic_id: Some(TopicId(Uuid::METADATA_TOPIC.0)),
        config,
        now,
    };
    let (log, recovery) = Log::open(disk, folder, options).map_err(|error| StartError::Log(error.to_string()))?;
    for cut in &recovery.truncations {
        tracing::warn!("{cut}");
    }
    if log.log_end_offset().0 < start {
        log.truncate_fully_and_start_at(Offset(start), None).map_err(|error| StartError::Log(error.to_string()))?;
    }
    Ok(log)
}

//! The metadata log of a quorum's only voter: opened at the start, led from an epoch of its own, appended to by the
//! controller and synced before anything in it counts.
//!
//! Invariant: the loader holds exactly the records of the log, up to its end.

use super::quorum_files::{Bootstrap, METADATA_FOLDER, newest_snapshot, open_log, read_bootstrap};
use super::{Settings, StartError};
use ottla_log::{AppendError, AppendOrigin, Log, LogError, MinOneBatch, ReadBound, Scratch};
use ottla_machine::{Disk, LeaderEpoch, Offset, Timestamp};
use ottla_metadata::features::{Feature, METADATA_VERSION, METADATA_VERSION_LATEST};
use ottla_metadata::framing;
use ottla_metadata::image::Loader;
use ottla_raft::{Candidate, QuorumState, SnapshotId, SnapshotWriter, VoterSet, elect};
use ottla_wire::batch::{Batch, BatchBuilder, Batches, ControlRecordType, Records};
use ottla_wire::metadata::MetadataRecord;
use ottla_wire::other::{KRaftVersionRecord, VotersRecord};
use ottla_wire::{Encode, Writer, decode_exact};
use std::path::PathBuf;

const QUORUM_STATE: &str = "quorum-state";
/// A batch of metadata records ends beyond this size.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// How much of the log is read at once when it is loaded.
const LOAD_BYTES: usize = 4 << 20;

/// The metadata log and what was read from it.
pub(crate) struct Quorum<D: Disk> {
    pub log: Log<D>,
    pub loader: Loader,
    pub epoch: i32,
    pub kraft_version: i16,
    pub voters: VoterSet,
    disk: D,
    folder: PathBuf,
    scratch: Scratch,
    bytes_since_snapshot: u64,
    /// The newest snapshot, if it covers anything.
    snapshot: Option<SnapshotId>,
}

/// Why records are not in the metadata log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAppended {
    /// The disk is full. Log and loader are as they were: it may be tried again.
    #[error("{0}")]
    NoRoom(String),
    /// Nobody can tell what the log holds, or what it means.
    #[error("{0}")]
    Broken(String),
}

impl<D: Disk> Quorum<D> {
    /// Opens the log, reads snapshot and records, and wins the election.
    pub fn start(disk: D, settings: &Settings, now: Timestamp) -> Result<(Self, Bootstrap), StartError> {
        let folder = settings.place.metadata_log_dir.join(METADATA_FOLDER);
        let bootstrap = read_bootstrap(&disk, settings)?;
        let newest = newest_snapshot(&disk, &folder)?;
        let mut loader = Loader::default();
        let mut kraft_version = bootstrap.kraft_version;
        let mut voters = bootstrap.voters.clone();
        if let Some((_, snapshot)) = &newest {
            for value in &snapshot.records {
                replay(&mut loader, value, 0)?;
            }
            kraft_version = snapshot.kraft_version;
            voters = snapshot.voters.clone().or(voters);
        }
        let snapshot = newest.map(|(id, _)| id);
        let from = snapshot.map_or(0, |id| id.end_offset);
        let log = open_log(disk.clone(), &folder, from, now)?;
        let mut quorum = Self {
            log,
            loader,
            epoch: 0,
            kraft_version,
            voters: voters.unwrap_or_else(|| settings.place.static_voters.clone()),
            disk,
            folder,
            scratch: Scratch::default(),
            bytes_since_snapshot: 0,
            snapshot,
        };
        let named = quorum.load(from)?;
        quorum.check_levels()?;
        quorum.check_alone(settings)?;
        quorum.win_election(settings.place.node_id, from == 0 && !named, now)?;
        Ok((quorum, bootstrap))
    }

    /// Reads the log from an offset to its end. True if it names voters.
    fn load(&mut self, from: i64) -> Result<bool, StartError> {
        let mut offset = Offset(from);
        let mut named = false;
        let mut bytes = Vec::new();
        while offset < self.log.log_end_offset() {
            bytes.clear();
            let slice = self.log.read(offset, LOAD_BYTES, ReadBound::LogEnd, MinOneBatch::Yes);
            let slice = slice.map_err(|error| StartError::Metadata(error.to_string()))?;
            slice.read_into(&mut bytes).map_err(|error| StartError::Metadata(error.to_string()))?;
            let before = offset;
            for batch in Batches::new(&bytes) {
                // The slice may end within a batch, which the next read begins with.
                let Ok(batch) = batch else { break };
                offset = Offset(batch.header.next_offset());
                named |= self.load_batch(&batch)?;
            }
            if offset == before {
                return Err(StartError::Metadata(format!("no batch can be read at offset {}", offset.0)));
            }
        }
        Ok(named)
    }

    fn load_batch(&mut self, batch: &Batch<'_>) -> Result<bool, StartError> {
        let base = batch.header.base_offset;
        let unreadable = |error: &dyn std::fmt::Display| {
            StartError::Metadata(format!("the batch at offset {base} cannot be read: {error}"))
        };
        let mut plain = Vec::new();
        let compression = batch.header.attributes.compression().map_err(|e| unreadable(&e))?;
        let codecs = &mut self.scratch.codecs;
        codecs
            .decompress(compression, batch.record_bytes(), &mut plain, i32::MAX as usize)
            .map_err(|e| unreadable(&e))?;
        self.bytes_since_snapshot += batch.bytes.len() as u64;
        let mut named = false;
        for record in Records::new(&plain, batch.header.record_count) {
            let record = record.map_err(|e| unreadable(&e))?;
            let value = record.value.unwrap_or_default();
            if !batch.header.attributes.is_control() {
                replay(&mut self.loader, value, base + i64::from(record.offset_delta))?;
                continue;
            }
            match record.key.and_then(ControlRecordType::from_key) {
                Some(ControlRecordType::KraftVersion) => {
                    let message: KRaftVersionRecord<'_> = decode_exact(value, 0).map_err(|e| unreadable(&e))?;
                    self.kraft_version = message.k_raft_version;
                }
                Some(ControlRecordType::KraftVoters) => {
                    let message: VotersRecord<'_> = decode_exact(value, 0).map_err(|e| unreadable(&e))?;
                    self.voters = VoterSet::from_record(&message);
                    named = true;
                }
                _ => {}
            }
        }
        Ok(named)
    }

    /// Metadata of a level that is not known here may hold what would be lost: nothing is written to it.
    fn check_levels(&self) -> Result<(), StartError> {
        let image = self.loader.image();
        let refuse = |name: &str, level: i16, latest: i16| {
            Err(StartError::Metadata(format!(
                "{name} is finalized at level {level}, and the newest known here is {latest}"
            )))
        };
        if let Some(level) = image.metadata_version.filter(|level| *level > METADATA_VERSION_LATEST) {
            return refuse(METADATA_VERSION, level, METADATA_VERSION_LATEST);
        }
        for (name, level) in &image.features {
            let latest = Feature::named(name).map_or(0, |feature| feature.latest);
            if *level > latest {
                return refuse(name, *level, latest);
            }
        }
        Ok(())
    }

    /// This node leads a quorum of one, and no other.
    fn check_alone(&self, settings: &Settings) -> Result<(), StartError> {
        match self.voters.ids().as_slice() {
            [id] if *id == settings.place.node_id => Ok(()),
            [] => Err(StartError::NoVoters),
            ids => Err(StartError::OtherVoters { node_id: settings.place.node_id, voters: ids.to_vec() }),
        }
    }

    fn win_election(&mut self, id: i32, voters_only_in_zero_snapshot: bool, now: Timestamp) -> Result<(), StartError> {
        let path = self.folder.join(QUORUM_STATE);
        let last = match self.disk.read(&path) {
            Ok(bytes) => QuorumState::parse(&String::from_utf8_lossy(&bytes))
                .map_err(|error| StartError::Metadata(format!("{}: {error}", path.display())))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => QuorumState::default(),
            Err(error) => return Err(StartError::io(&path, &error)),
        };
        let log_epoch = self.log.latest_epoch().map_or(0, |entry| entry.epoch.0);
        let candidate = Candidate {
            id,
            voters: &self.voters,
            kraft_version: self.kraft_version,
            voters_only_in_zero_snapshot,
            last: &last,
            log_epoch: log_epoch.max(self.snapshot.map_or(0, |id| id.epoch)),
            log_end_offset: self.end_offset(),
        };
        let election = elect(&candidate, now.0).map_err(|error| StartError::Metadata(error.to_string()))?;
        let text = election.state.print(self.kraft_version);
        self.disk.write_atomically(&path, text.as_bytes()).map_err(|error| StartError::io(&path, &error))?;
        self.epoch = election.state.leader_epoch;
        self.log.assign_epoch_start_offset(LeaderEpoch(self.epoch), self.log.log_end_offset());
        self.write(&election.opening_batch, now).map_err(|error| StartError::Metadata(error.to_string()))?;
        self.commit().map_err(|error| StartError::Metadata(error.to_string()))
    }

    pub fn end_offset(&self) -> i64 {
        self.log.log_end_offset().0
    }

    /// Appends records, all or none, and takes them in. They count once [`Quorum::commit`] has been called.
    pub fn append(&mut self, records: &[(MetadataRecord<'_>, i16)], now: Timestamp) -> Result<(), NotAppended> {
        let mut bytes = Vec::new();
        let mut next_offset = self.end_offset();
        let mut builder = self.builder(next_offset);
        let broken = |error: &dyn std::fmt::Display| NotAppended::Broken(error.to_string());
        for (record, version) in records {
            let value = framing::encode(record, *version).map_err(|error| broken(&error))?;
            builder.append(now.0, None, Some(&value), &[]).map_err(|error| broken(&error))?;
            if builder.uncompressed_size() > BATCH_BYTES_MAX {
                builder.build_plain(&mut bytes).map_err(|error| broken(&error))?;
                next_offset += i64::from(builder.record_count());
                builder = self.builder(next_offset);
            }
        }
        if builder.record_count() > 0 {
            builder.build_plain(&mut bytes).map_err(|error| broken(&error))?;
        }
        // In one write, which a full disk undoes as a whole.
        self.write(&bytes, now)?;
        records.iter().try_for_each(|(record, _)| self.loader.replay(record)).map_err(|error| broken(&error))
    }

    /// Appends what the quorum becomes, as the control records that other voters go by. It holds at once, committed or not.
    pub fn change(&mut self, version: i16, voters: VoterSet, now: Timestamp) -> Result<(), NotAppended> {
        let broken = |error: &dyn std::fmt::Display| NotAppended::Broken(error.to_string());
        let mut builder = self.builder(self.end_offset()).control();
        let mut control = |kind, message: &dyn Encode| {
            let mut value = Writer::new();
            message.encode(&mut value, 0).map_err(|error| broken(&error))?;
            builder.append_control(now.0, kind, value.bytes()).map_err(|error| broken(&error))
        };
        if version != self.kraft_version {
            let record = KRaftVersionRecord { k_raft_version: version, ..Default::default() };
            control(ControlRecordType::KraftVersion, &record)?;
        }
        control(ControlRecordType::KraftVoters, &voters.to_record())?;
        let mut bytes = Vec::new();
        builder.build_plain(&mut bytes).map_err(|error| broken(&error))?;
        self.write(&bytes, now)?;
        (self.kraft_version, self.voters) = (version, voters);
        Ok(())
    }

    fn builder(&self, offset: i64) -> BatchBuilder {
        BatchBuilder::new(offset).leader_epoch(self.epoch)
    }

    fn write(&mut self, bytes: &[u8], now: Timestamp) -> Result<(), NotAppended> {
        let epoch = LeaderEpoch(self.epoch);
        let appended = self.log.append_as_leader(bytes, AppendOrigin::RaftLeader, epoch, now, &mut self.scratch);
        appended.map_err(|error| match error {
            AppendError::Log(LogError::StorageFull { .. }) if !self.log.is_offline() => {
                NotAppended::NoRoom(error.to_string())
            }
            error => NotAppended::Broken(error.to_string()),
        })?;
        self.bytes_since_snapshot += bytes.len() as u64;
        Ok(())
    }

    /// Makes durable what was appended: the only voter has it then, and it is committed.
    pub fn commit(&self) -> Result<(), LogError> {
        let end = self.log.sync()?;
        self.log.set_high_watermark(end);
        Ok(())
    }

    /// Writes a snapshot when enough was appended since the last.
    pub fn snapshot_if_due(&mut self, after_bytes: u64, now: Timestamp) -> Result<(), StartError> {
        if self.bytes_since_snapshot < after_bytes || self.loader.in_transaction() {
            return Ok(());
        }
        let id = SnapshotId { end_offset: self.end_offset(), epoch: self.epoch };
        let bytes = self.snapshot_bytes(id, now).map_err(|error| StartError::Metadata(error.to_string()))?;
        let path = self.folder.join(id.to_string());
        self.disk.write_atomically(&path, &bytes).map_err(|error| StartError::io(&path, &error))?;
        self.disk.set_read_only(&path).map_err(|error| StartError::io(&path, &error))?;
        self.snapshot = Some(id);
        self.bytes_since_snapshot = 0;
        Ok(())
    }

    fn snapshot_bytes(&self, id: SnapshotId, now: Timestamp) -> Result<Vec<u8>, ottla_raft::RaftLogError> {
        let voters = (self.kraft_version > 0).then_some(&self.voters);
        let mut writer = SnapshotWriter::new(id.epoch, now.0, now.0, self.kraft_version, voters)?;
        let mut written = Ok(());
        self.loader.image().to_records(|record, version| {
            if written.is_ok() {
                written = framing::encode(&record, version).map_err(Into::into).and_then(|value| writer.append(&value));
            }
        });
        written?;
        writer.finish()
    }
}

fn replay(loader: &mut Loader, value: &[u8], offset: i64) -> Result<(), StartError> {
    let unreadable = |what: &dyn std::fmt::Display| {
        StartError::Metadata(format!("the metadata record at offset {offset} cannot be read: {what}"))
    };
    let record = framing::decode(value).map_err(|error| unreadable(&error))?;
    loader.replay(&record).map_err(|error| unreadable(&error))
}

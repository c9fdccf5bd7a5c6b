//! Metadata snapshots, `<end offset>-<epoch>.checkpoint`: a control batch (header, with the version and the voters from
//! kraft.version 1), batches of records, and a control batch with the footer. Offsets within the file start at 0 and
//! mean nothing outside it.

use crate::VoterSet;
use ottla_wire::batch::{BatchBuilder, BatchError, Batches, Codecs, ControlRecordType};
use ottla_wire::other::{KRaftVersionRecord, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord};
use ottla_wire::{DecodeError, Encode, EncodeError, decode_exact, encode_to_vec};
use std::fmt;

/// What a snapshot covers: all before the offset, whose last record was of the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId {
    pub end_offset: i64,
    pub epoch: i32,
}

impl SnapshotId {
    /// The snapshot that formatting writes (KIP-1170, KIP-853).
    pub const ZERO: Self = Self { end_offset: 0, epoch: 0 };

    /// The id in a complete snapshot's file name; None for every other name.
    #[must_use]
    pub fn from_file_name(name: &str) -> Option<Self> {
        let (offset, epoch) = name.strip_suffix(".checkpoint")?.split_once('-')?;
        let digits = |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(offset, 20) || !digits(epoch, 10) {
            return None;
        }
        Some(Self { end_offset: offset.parse().ok()?, epoch: epoch.parse().ok()? })
    }
}

/// The file's name.
impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{:010}.checkpoint", self.end_offset, self.epoch)
    }
}

/// Control records or a snapshot that cannot be read, or not be written.
#[derive(Debug, thiserror::Error)]
pub enum RaftLogError {
    #[error("a record batch is damaged: {0}")]
    Batch(#[from] BatchError),
    #[error("a control record is damaged: {0}")]
    Decode(#[from] DecodeError),
    #[error("a control record cannot be written: {0}")]
    Encode(#[from] EncodeError),
    #[error("it does not begin with a header and end with a footer")]
    Incomplete,
}

/// What a snapshot holds, read as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// When the last record that it covers was appended.
    pub last_contained_log_timestamp: i64,
    pub kraft_version: i16,
    /// None at kraft.version 0.
    pub voters: Option<VoterSet>,
    /// The values of its records.
    pub records: Vec<SnapshotRecord>,
}

/// The value of one record.
pub type SnapshotRecord = Vec<u8>;

impl Snapshot {
    /// Reads a snapshot's file. Records are decompressed, control records interpreted, and both ends demanded.
    pub fn parse(bytes: &[u8]) -> Result<Self, RaftLogError> {
        let mut snapshot = Self::default();
        let mut codecs = Codecs::default();
        let (mut header, mut footer) = (false, false);
        for batch in Batches::new(bytes) {
            let batch = batch?;
            batch.verify_crc()?;
            let mut plain = Vec::new();
            let compression = batch.header.attributes.compression()?;
            codecs.decompress(compression, batch.record_bytes(), &mut plain, bytes.len().saturating_mul(64))?;
            for record in ottla_wire::batch::Records::new(&plain, batch.header.record_count) {
                let record = record?;
                let value = record.value.unwrap_or_default();
                if !batch.header.attributes.is_control() {
                    snapshot.records.push(value.to_vec());
                    continue;
                }
                match record.key.and_then(ControlRecordType::from_key) {
                    Some(ControlRecordType::SnapshotHeader) => {
                        let message: SnapshotHeaderRecord<'_> = decode_exact(value, 0)?;
                        snapshot.last_contained_log_timestamp = message.last_contained_log_timestamp;
                        header = true;
                    }
                    Some(ControlRecordType::SnapshotFooter) => footer = true,
                    Some(ControlRecordType::KraftVersion) => {
                        let message: KRaftVersionRecord<'_> = decode_exact(value, 0)?;
                        snapshot.kraft_version = message.k_raft_version;
                    }
                    Some(ControlRecordType::KraftVoters) => {
                        let message: VotersRecord<'_> = decode_exact(value, 0)?;
                        snapshot.voters = Some(VoterSet::from_record(&message));
                    }
                    _ => {}
                }
            }
        }
        if header && footer { Ok(snapshot) } else { Err(RaftLogError::Incomplete) }
    }
}

/// Writes a snapshot's bytes, batch by batch.
pub struct SnapshotWriter {
    epoch: i32,
    now_ms: i64,
    bytes: Vec<u8>,
    batch: BatchBuilder,
    next_offset: i64,
}

/// A batch is closed beyond this size, so that no reader needs much room.
const BATCH_BYTES_MAX: usize = 1 << 20;

impl SnapshotWriter {
    /// Begins with the header, and from kraft.version 1 with the version; voters too, where they are known.
    pub fn new(
        epoch: i32,
        now_ms: i64,
        last_contained_log_timestamp: i64,
        kraft_version: i16,
        voters: Option<&VoterSet>,
    ) -> Result<Self, RaftLogError> {
        let mut control: Vec<(ControlRecordType, Vec<u8>)> = Vec::new();
        let header = SnapshotHeaderRecord { last_contained_log_timestamp, ..Default::default() };
        control.push((ControlRecordType::SnapshotHeader, encode_to_vec(&header, 0)?));
        if kraft_version > 0 {
            let record = KRaftVersionRecord { k_raft_version: kraft_version, ..Default::default() };
            control.push((ControlRecordType::KraftVersion, encode_to_vec(&record, 0)?));
            if let Some(voters) = voters {
                control.push((ControlRecordType::KraftVoters, encode_to_vec(&voters.to_record(), 0)?));
            }
        }
        let mut writer =
            Self { epoch, now_ms, bytes: Vec::new(), batch: BatchBuilder::new(0).leader_epoch(epoch), next_offset: 0 };
        writer.control(&control)?;
        Ok(writer)
    }

    fn control(&mut self, records: &[(ControlRecordType, Vec<u8>)]) -> Result<(), RaftLogError> {
        let mut batch = BatchBuilder::new(self.next_offset).leader_epoch(self.epoch).control();
        for (kind, value) in records {
            batch.append_control(self.now_ms, *kind, value)?;
        }
        batch.build_plain(&mut self.bytes)?;
        self.next_offset += records.len() as i64;
        self.batch = BatchBuilder::new(self.next_offset).leader_epoch(self.epoch);
        Ok(())
    }

    /// Adds one record.
    pub fn append(&mut self, value: &[u8]) -> Result<(), RaftLogError> {
        self.batch.append(self.now_ms, None, Some(value), &[])?;
        if self.batch.uncompressed_size() > BATCH_BYTES_MAX {
            self.flush()?;
        }
        Ok(())
    }

    /// The bytes written so far, to be taken away by a caller that writes a large snapshot in steps.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    fn flush(&mut self) -> Result<(), RaftLogError> {
        if self.batch.record_count() > 0 {
            self.batch.build_plain(&mut self.bytes)?;
            self.next_offset += i64::from(self.batch.record_count());
            self.batch = BatchBuilder::new(self.next_offset).leader_epoch(self.epoch);
        }
        Ok(())
    }

    /// Ends with the footer, and gives what is left to write.
    pub fn finish(mut self) -> Result<Vec<u8>, RaftLogError> {
        self.flush()?;
        let mut footer = ottla_wire::Writer::new();
        SnapshotFooterRecord::default().encode(&mut footer, 0)?;
        self.control(&[(ControlRecordType::SnapshotFooter, footer.into_bytes())])?;
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Voter, VoterEndpoint};
    use ottla_wire::Uuid;

    #[test]
    fn names() {
        let id = SnapshotId { end_offset: 123, epoch: 4 };
        assert_eq!(id.to_string(), "00000000000000000123-0000000004.checkpoint");
        assert_eq!(SnapshotId::from_file_name(&id.to_string()), Some(id));
        assert_eq!(SnapshotId::from_file_name("00000000000000000123-0000000004.checkpoint.part"), None);
        assert_eq!(SnapshotId::from_file_name("bootstrap.checkpoint"), None);
        assert_eq!(SnapshotId::ZERO.to_string(), "00000000000000000000-0000000000.checkpoint");
    }

    #[test]
    fn what_is_written_is_read() {
        let endpoint = VoterEndpoint { name: "CONTROLLER".to_owned(), host: "localhost".to_owned(), port: 9093 };
        let voter = Voter { id: 1, directory_id: Uuid([2; 16]), endpoints: vec![endpoint], kraft_versions: (0, 1) };
        let voters = VoterSet(vec![voter]);
        let mut writer = SnapshotWriter::new(3, 50, 40, 1, Some(&voters)).unwrap();
        let values: Vec<Vec<u8>> = (0..3000u32).map(|n| vec![n as u8; 1000]).collect();
        let mut bytes = Vec::new();
        for value in &values {
            writer.append(value).unwrap();
            bytes.extend(writer.take_bytes());
        }
        bytes.extend(writer.finish().unwrap());
        let read = Snapshot::parse(&bytes).unwrap();
        assert_eq!(read.records, values);
        assert_eq!((read.kraft_version, read.voters, read.last_contained_log_timestamp), (1, Some(voters), 40));
        let offsets: Vec<i64> = Batches::new(&bytes).map(|b| b.unwrap().header.base_offset).collect();
        assert_eq!((offsets[0], offsets[1], *offsets.last().unwrap()), (0, 3, 3003));
    }

    #[test]
    fn a_snapshot_without_an_end_is_not_believed() {
        let mut bytes = SnapshotWriter::new(0, 0, 0, 0, None).unwrap().finish().unwrap();
        let whole = bytes.clone();
        let header = Batches::new(&whole).next().unwrap().unwrap().bytes.len();
        bytes.truncate(header);
        assert!(matches!(Snapshot::parse(&bytes), Err(RaftLogError::Incomplete)));
        let mut flipped = whole;
        flipped[70] ^= 1;
        assert!(matches!(Snapshot::parse(&flipped), Err(RaftLogError::Batch(_))));
    }
}

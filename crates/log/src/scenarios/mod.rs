//! Tests of a whole log on a disk in memory, by what they show: appending, reading, rolling, recovering, truncating, and a
//! property test that mixes them with crashes.

mod append;
mod clean;
mod crashes;
mod damage;
mod kafka;
mod lifecycle;
mod lookup;
mod power;
mod read;
mod recovery;
mod transactions;
mod truncate;
mod verify;

use std::path::Path;
use std::sync::Arc;

use ottla_machine::{Disk as _, LeaderEpoch, MemDisk, Offset, Timestamp};
use ottla_wire::batch::{BatchBuilder, Batches, Codecs, Compression, ProducerStamp};

use crate::{
    AppendError, AppendOrigin, Appended, Log, LogConfig, MinOneBatch, OpenOptions, ReadBound, Recovery, Scratch,
    ShutdownKind, TopicId,
};

pub(super) const NOW: Timestamp = Timestamp(1_700_000_000_000);
pub(super) const TOPIC_ID: TopicId = TopicId([7; 16]);

pub(super) fn dir() -> &'static Path {
    Path::new("/data/t-0")
}

/// A log on a disk in memory.
pub(super) struct Fixture {
    pub(super) disk: MemDisk,
    pub(super) log: Log<MemDisk>,
    pub(super) scratch: Scratch,
}

impl Fixture {
    pub(super) fn new(config: LogConfig) -> Fixture {
        let disk = MemDisk::new();
        // As a log directory is made.
        disk.create_dir_all_durably(Path::new("/data")).unwrap();
        let log = Log::create(disk.clone(), dir(), TOPIC_ID, Arc::new(config));
        Fixture { disk, log, scratch: Scratch::default() }
    }

    pub(super) fn produce(&mut self, batch: &[u8]) -> Result<Appended, AppendError> {
        self.log.append_as_leader(batch, AppendOrigin::Client, LeaderEpoch(0), NOW, &mut self.scratch)
    }

    /// Appends that many batches of one record each, of about a hundred bytes.
    pub(super) fn fill(&mut self, batches: usize) {
        for _ in 0..batches {
            self.produce(&batch(&[&[7; 30]])).unwrap();
        }
    }

    /// Opens the log anew, as another process.
    pub(super) fn reopen(&mut self, shutdown: ShutdownKind, recovery_point: i64) -> Recovery {
        let options = OpenOptions {
            shutdown,
            recovery_point: Offset(recovery_point),
            log_start_offset: Offset(0),
            topic_id: Some(TOPIC_ID),
            config: self.log.config(),
            now: NOW,
        };
        let (log, recovery) = Log::open(self.disk.clone(), dir(), options).unwrap();
        self.log = log;
        recovery
    }

    pub(super) fn close_and_reopen(&mut self) -> Recovery {
        let recovery_point = self.log.close().unwrap();
        self.disk.kill_process();
        self.reopen(ShutdownKind::Clean, recovery_point.0)
    }

    /// The offsets and values of all records from the log's start to its end.
    pub(super) fn records(&self) -> Vec<(i64, Vec<u8>)> {
        let mut records = Vec::new();
        let mut offset = self.log.log_start_offset();
        while offset < self.log.log_end_offset() {
            let slice = self.log.read(offset, 10_000, ReadBound::LogEnd, MinOneBatch::Yes).unwrap();
            let mut bytes = Vec::new();
            slice.read_into(&mut bytes).unwrap();
            let before = offset;
            for batch in Batches::new(&bytes) {
                let batch = batch.unwrap();
                batch.verify_crc().unwrap();
                for record in batch.records().unwrap() {
                    let record = record.unwrap();
                    let at = batch.header.base_offset + i64::from(record.offset_delta);
                    records.push((at, record.value.unwrap().to_vec()));
                }
                offset = Offset(batch.header.next_offset());
            }
            assert!(offset > before, "a read makes progress");
        }
        records
    }

    pub(super) fn index_entries(&self) -> Vec<(i64, usize, usize)> {
        let dir = self.log.dir();
        let place = self.log.place(&dir);
        let entries = |segment: &std::sync::Arc<crate::segment::Segment<MemDisk>>| {
            let (offsets, times) = segment.index_entries(place);
            (segment.base_offset(), offsets.len(), times.len())
        };
        self.log.segments().iter().map(entries).collect()
    }
}

/// A batch of a client, with these values.
pub(super) fn batch(values: &[&[u8]]) -> Vec<u8> {
    build(builder(values))
}

pub(super) fn builder(values: &[&[u8]]) -> BatchBuilder {
    let mut builder = BatchBuilder::new(0);
    for value in values {
        builder.append(NOW.0, Some(b"key"), Some(value), &[]).unwrap();
    }
    builder
}

pub(super) fn build(builder: BatchBuilder) -> Vec<u8> {
    let mut out = Vec::new();
    builder.build(&mut Codecs::default(), &mut out).unwrap();
    out
}

pub(super) fn idempotent(producer_id: i64, producer_epoch: i16, base_sequence: i32, values: &[&[u8]]) -> BatchBuilder {
    builder(values).producer(ProducerStamp { producer_id, producer_epoch, base_sequence })
}

pub(super) fn compressed(compression: Compression, values: &[&[u8]]) -> Vec<u8> {
    build(builder(values).compression(compression))
}

pub(super) fn small_segments() -> LogConfig {
    LogConfig { segment_bytes: 1000, index_interval_bytes: 150, ..LogConfig::default() }
}

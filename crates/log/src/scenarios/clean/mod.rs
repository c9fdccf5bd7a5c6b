//! Compaction. A log is written record by record, cleaned, and shown: a line for each segment, its base offset first, then its
//! batches with the offset and content of each record:
//!
//! `[3 a=1]` a record; `[3 a=1, 4 b=2]` two in one batch; `a-` a tombstone; `commit 5`, `abort 5` a marker of producer 5;
//! `[..7 of 5]` a header that is kept for its last offset; `until 99` a delete horizon, in ms after the time of the tests.

mod bounds;
mod crashes;
mod kept;
mod model;
mod readers;
mod transactions;

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_machine::{LeaderEpoch, Offset, Timestamp};
use ottla_wire::batch::{Batch, BatchBuilder, Batches, Codecs, ControlRecordType, EndTransactionMarker, Records};

use super::*;
use crate::{
    CleanJob, CleanStats, CleanStep, Cleanable, CleanerBuffers, CleanerLimits, CleanupPolicy, CompactionConfig,
    LogError,
};

pub(super) const LIMITS: CleanerLimits = CleanerLimits { dedupe_bytes: 24_000, load_factor: 0.9, io_bytes: 4096 };
pub(super) const DELETE_RETENTION_MS: i64 = 1000;

/// Segments of about three batches of one small record, any dirt is enough.
pub(super) fn compacted() -> LogConfig {
    LogConfig {
        segment_bytes: 220,
        index_interval_bytes: 60,
        cleanup_policy: CleanupPolicy::Compact,
        compaction: CompactionConfig {
            min_cleanable_dirty_ratio: 0.0,
            delete_retention_ms: DELETE_RETENTION_MS,
            ..CompactionConfig::default()
        },
        ..LogConfig::default()
    }
}

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp(NOW.0 + ms)
}

pub(super) type Pair<'a> = (&'a str, Option<&'a str>);

pub(super) fn pairs(builder: &mut BatchBuilder, pairs: &[Pair<'_>]) {
    for (key, value) in pairs {
        builder.append(NOW.0, Some(key.as_bytes()), value.map(str::as_bytes), &[]).unwrap();
    }
}

impl Fixture {
    pub(super) fn compacted() -> Fixture {
        Fixture::new(compacted())
    }

    /// Appends a batch, all of which is replicated at once.
    pub(super) fn put_all(&mut self, records: &[Pair<'_>]) {
        let mut builder = BatchBuilder::new(0);
        pairs(&mut builder, records);
        self.put_batch(builder);
    }

    pub(super) fn put_batch(&mut self, builder: BatchBuilder) {
        self.produce(&build(builder)).unwrap();
        self.log.raise_high_watermark_to_end();
    }

    pub(super) fn put(&mut self, key: &str, value: &str) {
        self.put_all(&[(key, Some(value))]);
    }

    pub(super) fn delete(&mut self, key: &str) {
        self.put_all(&[(key, None)]);
    }

    pub(super) fn roll(&mut self) {
        self.log.roll(NOW).unwrap();
    }

    /// A batch of a producer, transactional or not.
    pub(super) fn put_by(&mut self, producer_id: i64, in_transaction: bool, records: &[Pair<'_>]) {
        let known = self.log.active_producers().into_iter().find(|known| known.producer_id.0 == producer_id);
        let base_sequence = known.map_or(0, |known| known.last_sequence + 1);
        let mut builder =
            BatchBuilder::new(0).producer(ProducerStamp { producer_id, producer_epoch: 0, base_sequence });
        if in_transaction {
            builder = builder.transactional();
        }
        pairs(&mut builder, records);
        self.put_batch(builder);
    }

    pub(super) fn end_of(&mut self, producer_id: i64, kind: ControlRecordType) {
        let stamp = ProducerStamp { producer_id, producer_epoch: 0, base_sequence: -1 };
        let mut marker = BatchBuilder::new(0).producer(stamp).transactional().control();
        marker.append_control(NOW.0, kind, &EndTransactionMarker { coordinator_epoch: 0 }.value()).unwrap();
        let origin = AppendOrigin::TransactionMarker { transaction_version: 1 };
        self.log.append_as_leader(&build(marker), origin, LeaderEpoch(0), NOW, &mut self.scratch).unwrap();
        self.log.raise_high_watermark_to_end();
    }

    pub(super) fn plan(&self, checkpoint: i64, limits: CleanerLimits, now: Timestamp) -> CleanJob<MemDisk> {
        let range = self.log.cleanable(Some(Offset(checkpoint)), now);
        self.log.plan_cleaning(range, limits, now).unwrap()
    }

    /// Cleans from a checkpoint on; gives the next.
    pub(super) fn clean_from(&mut self, checkpoint: i64, now: Timestamp) -> i64 {
        let mut job = self.plan(checkpoint, LIMITS, now);
        finish(&self.log, &mut job).unwrap().expect("nobody cuts the log")
    }

    /// Cleans everything anew.
    pub(super) fn clean(&mut self, now: Timestamp) -> i64 {
        self.clean_from(self.log.log_start_offset().0, now)
    }

    pub(super) fn shown(&self) -> String {
        let dir = self.log.dir();
        let place = self.log.place(&dir);
        let mut lines = String::new();
        for segment in self.log.segments().iter() {
            let mut bytes = vec![0; usize::try_from(segment.size()).unwrap()];
            ottla_machine::DiskFile::read_at(&segment.log_file(place).unwrap(), 0, &mut bytes).unwrap();
            let batches: Vec<String> = Batches::new(&bytes).map(|batch| show(&batch.unwrap())).collect();
            lines.push_str(format!("{} {}", segment.base_offset(), batches.join(" ")).trim_end());
            lines.push('\n');
        }
        lines
    }

    /// What somebody knows who has read the committed records from an offset on: values by key.
    pub(super) fn table(&self, from: i64) -> BTreeMap<String, String> {
        let mut table = BTreeMap::new();
        let (mut offset, end) = (Offset(from), self.log.last_stable_offset());
        while offset < end {
            let slice = self.log.read(offset, 1000, ReadBound::LastStableOffset, MinOneBatch::Yes).unwrap();
            let mut bytes = Vec::new();
            slice.read_into(&mut bytes).unwrap();
            if bytes.is_empty() {
                // Nothing is left below the last stable offset; the high watermark always has a batch before it.
                assert!(end < self.log.high_watermark(), "a read makes progress");
                break;
            }
            let mut aborted = slice.aborted_transactions.unwrap();
            aborted.sort_by_key(|aborted| aborted.first_offset);
            let mut leaving_out = Vec::new();
            let before = offset;
            for batch in Batches::new(&bytes) {
                let batch = batch.unwrap();
                batch.verify_crc().unwrap();
                let header = batch.header;
                while aborted.first().is_some_and(|aborted| aborted.first_offset.0 <= header.last_offset()) {
                    leaving_out.push(aborted.remove(0).producer_id.0);
                }
                offset = Offset(header.next_offset());
                if header.attributes.is_control() {
                    leaving_out.retain(|producer| *producer != header.producer_id);
                } else if !(header.attributes.is_transactional() && leaving_out.contains(&header.producer_id)) {
                    for (at, key, value) in records_of(&batch) {
                        assert!(at >= before.0 || header.base_offset < before.0, "records stay in order");
                        match value {
                            Some(value) => table.insert(key, value),
                            None => table.remove(&key),
                        };
                    }
                }
            }
            assert!(offset > before, "a read makes progress");
        }
        table
    }

    /// Offset, key and value of every record that is still there, committed or not.
    pub(super) fn kept(&self) -> Vec<(i64, String, Option<String>)> {
        let dir = self.log.dir();
        let place = self.log.place(&dir);
        let mut kept = Vec::new();
        for segment in self.log.segments().iter() {
            let mut bytes = vec![0; usize::try_from(segment.size()).unwrap()];
            ottla_machine::DiskFile::read_at(&segment.log_file(place).unwrap(), 0, &mut bytes).unwrap();
            for batch in Batches::new(&bytes).map(Result::unwrap).filter(|batch| !batch.header.attributes.is_control())
            {
                kept.extend(records_of(&batch));
            }
        }
        kept
    }

    /// Names of files that only a cleaning or a deletion makes.
    pub(super) fn unfinished(&self) -> Vec<String> {
        let names = self.disk.files().into_iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned());
        names.filter(|name| [".cleaned", ".swap", ".deleted"].iter().any(|suffix| name.ends_with(suffix))).collect()
    }
}

/// Runs a cleaning to its end; `None` if it gave up.
pub(super) fn finish(log: &Log<MemDisk>, job: &mut CleanJob<MemDisk>) -> Result<Option<i64>, LogError> {
    let mut buffers = CleanerBuffers::default();
    loop {
        match job.step(&mut buffers)? {
            CleanStep::Worked { .. } => {}
            CleanStep::Replace(replacement) => log.replace_segments(replacement)?.run()?.run()?,
            CleanStep::Done { first_dirty_offset } => return Ok(Some(first_dirty_offset.0)),
            CleanStep::GivenUp => return Ok(None),
        }
    }
}

fn records_of(batch: &Batch<'_>) -> Vec<(i64, String, Option<String>)> {
    let mut plain = Vec::new();
    let codec = batch.header.attributes.compression().unwrap();
    Codecs::default().decompress(codec, batch.record_bytes(), &mut plain, 1 << 20).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Records::new(&plain, batch.header.record_count)
        .map(|record| {
            let record = record.unwrap();
            let at = batch.header.base_offset + i64::from(record.offset_delta);
            (at, text(record.key.unwrap_or(b"(none)")), record.value.map(text))
        })
        .collect()
}

fn show(batch: &Batch<'_>) -> String {
    batch.verify_crc().unwrap();
    let header = &batch.header;
    let mut shown: Vec<String> = if header.attributes.is_control() {
        let record = |record: Result<ottla_wire::batch::Record<'_>, _>| {
            let kind = ControlRecordType::from_key(record.unwrap().key.unwrap()).unwrap();
            format!("{} {} {}", header.base_offset, format!("{kind:?}").to_lowercase(), header.producer_id)
        };
        batch.records().unwrap().map(record).collect()
    } else {
        let record = |(at, key, value): (i64, String, Option<String>)| match value {
            Some(value) => format!("{at} {key}={value}"),
            None => format!("{at} {key}-"),
        };
        records_of(batch).into_iter().map(record).collect()
    };
    if shown.is_empty() {
        shown.push(format!("..{} of {}", header.last_offset(), header.producer_id));
    }
    let mut shown = shown.join(", ");
    if header.attributes.has_delete_horizon() {
        shown.push_str(&format!(" until {}", header.base_timestamp - NOW.0));
    }
    format!("[{shown}]")
}

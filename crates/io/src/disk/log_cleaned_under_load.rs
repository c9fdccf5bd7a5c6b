//! Readers beside an appender, a syncer and a cleaner: of each key they see ever later values, the last one at last, and never
//! one that was aborted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ottla_log::{
    AppendOrigin, CleanStep, CleanerBuffers, CleanerLimits, CleanupPolicy, CompactionConfig, Log, LogConfig,
    MinOneBatch, ReadBound, Scratch, TopicId,
};
use ottla_machine::{LeaderEpoch, Offset, Timestamp};
use ottla_wire::batch::{BatchBuilder, Batches, ControlRecordType, EndTransactionMarker, ProducerStamp};

use super::RealDisk;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const KEYS: u64 = 7;
const ABORTED: u64 = u64::MAX;

fn append(log: &Log<RealDisk>, builder: BatchBuilder, origin: AppendOrigin, scratch: &mut Scratch) {
    let mut bytes = Vec::new();
    builder.build_plain(&mut bytes).unwrap();
    log.append_as_leader(&bytes, origin, LeaderEpoch(0), NOW, scratch).unwrap();
    log.raise_high_watermark_to_end();
}

fn record(builder: &mut BatchBuilder, key: u64, value: u64) {
    builder.append(NOW.0, Some(&key.to_be_bytes()), Some(&value.to_be_bytes()), &[]).unwrap();
}

/// Values in growing order, and between them transactions that come to nothing.
fn write(log: &Log<RealDisk>, values: u64) {
    let mut scratch = Scratch::default();
    let mut base_sequence = 0;
    for value in 0..values {
        let mut builder = BatchBuilder::new(0);
        record(&mut builder, value % KEYS, value);
        append(log, builder, AppendOrigin::Client, &mut scratch);
        if value.is_multiple_of(10) {
            let stamp = ProducerStamp { producer_id: 5, producer_epoch: 0, base_sequence };
            let mut builder = BatchBuilder::new(0).producer(stamp).transactional();
            record(&mut builder, value % KEYS, ABORTED);
            append(log, builder, AppendOrigin::Client, &mut scratch);
            base_sequence += 1;
            let stamp = ProducerStamp { base_sequence: -1, ..stamp };
            let mut marker = BatchBuilder::new(0).producer(stamp).transactional().control();
            let end = EndTransactionMarker { coordinator_epoch: 0 }.value();
            marker.append_control(NOW.0, ControlRecordType::Abort, &end).unwrap();
            append(log, marker, AppendOrigin::TransactionMarker { transaction_version: 1 }, &mut scratch);
        }
    }
}

/// Reads what was committed from the start to the end as it is.
fn table(log: &Log<RealDisk>) -> BTreeMap<u64, u64> {
    let mut table = BTreeMap::new();
    let (mut offset, end) = (Offset(0), log.last_stable_offset());
    while offset < end {
        let slice = log.read(offset, 2000, ReadBound::LastStableOffset, MinOneBatch::Yes).unwrap();
        let mut bytes = Vec::new();
        assert_eq!(slice.read_into(&mut bytes).unwrap(), slice.length);
        if bytes.is_empty() {
            // Compaction has left nothing below the last stable offset.
            break;
        }
        let mut aborted = slice.aborted_transactions.unwrap();
        aborted.sort_by_key(|aborted| aborted.first_offset);
        let mut leaves_out = false;
        for batch in Batches::new(&bytes) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            let header = batch.header;
            assert!(header.next_offset() > offset.0);
            offset = Offset(header.next_offset());
            while aborted.first().is_some_and(|aborted| aborted.first_offset.0 <= header.last_offset()) {
                aborted.remove(0);
                leaves_out = true;
            }
            if header.attributes.is_control() {
                leaves_out = false;
            } else if !(header.attributes.is_transactional() && leaves_out) {
                for record in batch.records().unwrap() {
                    let record = record.unwrap();
                    let number = |bytes: Option<&[u8]>| u64::from_be_bytes(bytes.unwrap().try_into().unwrap());
                    let (key, value) = (number(record.key), number(record.value));
                    assert_ne!(value, ABORTED, "at {}", header.base_offset);
                    let before = table.insert(key, value);
                    assert!(before.is_none_or(|before| before < value), "{before:?} before {value}");
                }
            }
        }
    }
    table
}

/// Cleans whenever there is anything to clean; gives how often it has swapped segments.
fn clean(log: &Log<RealDisk>, done: &AtomicBool) -> usize {
    let limits = CleanerLimits { dedupe_bytes: 24 * 100, load_factor: 0.9, io_bytes: 1000 };
    let mut buffers = CleanerBuffers::default();
    let (mut checkpoint, mut swaps) = (Offset(0), 0);
    loop {
        let finished = done.load(Ordering::Acquire);
        let range = log.cleanable(Some(checkpoint), NOW);
        if range.cleanable_bytes == 0 {
            if finished {
                return swaps;
            }
            continue;
        }
        let mut job = log.plan_cleaning(range, limits, NOW).unwrap();
        loop {
            match job.step(&mut buffers).unwrap() {
                CleanStep::Worked { .. } => {}
                CleanStep::Replace(replacement) => {
                    log.replace_segments(replacement).unwrap().run().unwrap().run().unwrap();
                    swaps += 1;
                }
                CleanStep::Done { first_dirty_offset } => break checkpoint = first_dirty_offset,
                CleanStep::GivenUp => panic!("nobody cuts the log"),
            }
        }
    }
}

#[test]
fn readers_see_ever_later_values_while_the_log_is_cleaned() {
    let root = tempfile::tempdir().unwrap();
    let config = LogConfig {
        segment_bytes: 2000,
        index_interval_bytes: 200,
        cleanup_policy: CleanupPolicy::Compact,
        compaction: CompactionConfig { delete_retention_ms: 0, ..CompactionConfig::default() },
        ..LogConfig::default()
    };
    let log = Log::create(RealDisk, &root.path().join("t-0"), TopicId([7; 16]), Arc::new(config));
    let (log, done) = (&log, &AtomicBool::new(false));
    let values = 2000;
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(move || {
                    while !done.load(Ordering::Acquire) {
                        table(log);
                    }
                })
            })
            .collect();
        let cleaner = scope.spawn(move || clean(log, done));
        scope.spawn(move || {
            while !done.load(Ordering::Acquire) {
                log.sync().unwrap();
                log.release_files();
            }
        });
        write(log, values);
        done.store(true, Ordering::Release);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        assert!(cleaner.join().unwrap() > 10);
    });
    let last: BTreeMap<u64, u64> = (values - KEYS..values).map(|value| (value % KEYS, value)).collect();
    assert_eq!(table(log), last);
    assert!(log.size() < 20_000, "{} bytes are left", log.size());
}

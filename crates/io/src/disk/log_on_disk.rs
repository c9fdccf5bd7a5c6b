//! A partition's log on the real disk: what the log's own tests show in memory holds here as well.

use std::path::Path;
use std::sync::Arc;

use super::RealDisk;
use ottla_log::directory::{CleanShutdown, LogDirectory};
use ottla_log::{
    AppendOrigin, AppendOutcome, Log, LogConfig, MinOneBatch, OpenOptions, ReadBound, Recovery, Scratch, ShutdownKind,
    TopicId,
};
use ottla_machine::{LeaderEpoch, Offset, Timestamp};
use ottla_wire::batch::{BatchBuilder, Batches, Codecs, Compression, ProducerStamp};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const TOPIC_ID: TopicId = TopicId([7; 16]);

fn config() -> Arc<LogConfig> {
    Arc::new(LogConfig { segment_bytes: 10_000, index_interval_bytes: 500, ..LogConfig::default() })
}

fn batch(sequence: i32) -> Vec<u8> {
    let codec = Compression::ALL[sequence as usize % 5];
    let stamp = ProducerStamp { producer_id: 5, producer_epoch: 0, base_sequence: sequence * 2 };
    let mut builder = BatchBuilder::new(0).producer(stamp).compression(codec);
    for at in 0..2 {
        let value = format!("value {sequence} {at} {}", "x".repeat(100));
        builder.append(NOW.0 + i64::from(sequence), Some(b"key"), Some(value.as_bytes()), &[]).unwrap();
    }
    let mut out = Vec::new();
    builder.build(&mut Codecs::default(), &mut out).unwrap();
    out
}

fn open(dir: &Path, shutdown: ShutdownKind, recovery_point: Offset) -> (Log<RealDisk>, Recovery) {
    let options = OpenOptions {
        shutdown,
        recovery_point,
        log_start_offset: Offset(0),
        topic_id: Some(TOPIC_ID),
        config: config(),
        now: NOW,
    };
    Log::open(RealDisk, dir, options).unwrap()
}

fn check(log: &Log<RealDisk>, batches: i32) {
    assert_eq!(log.log_end_offset(), Offset(i64::from(batches) * 2));
    let mut offset = Offset(0);
    while offset < log.log_end_offset() {
        let slice = log.read(offset, 3000, ReadBound::LogEnd, MinOneBatch::Yes).unwrap();
        let mut bytes = Vec::new();
        slice.read_into(&mut bytes).unwrap();
        for batch in Batches::new(&bytes) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            assert!((batch.header.base_offset..=batch.header.last_offset()).contains(&offset.0));
            offset = Offset(batch.header.next_offset());
        }
    }
    let found = log.offset_for_timestamp(Timestamp(NOW.0 + 11), &mut Codecs::default()).unwrap().unwrap();
    assert_eq!(found.offset, Offset(22));
}

#[test]
fn a_log_lives_through_clean_and_unclean_stops_and_a_truncation() {
    let root = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(RealDisk, root.path()).unwrap();
    let dir = root.path().join("t-0");
    let mut scratch = Scratch::default();
    let mut append = |log: &Log<RealDisk>, from: i32, to: i32| {
        for sequence in from..to {
            let bytes = batch(sequence);
            log.append_as_leader(&bytes, AppendOrigin::Client, LeaderEpoch(0), NOW, &mut scratch).unwrap();
        }
    };
    let log = Log::create(RealDisk, &dir, TOPIC_ID, config());
    append(&log, 0, 200);
    check(&log, 200);
    let point = log.close().unwrap();
    directory.write_clean_shutdown(CleanShutdown { broker_epoch: 3 }).unwrap();

    assert_eq!(directory.take_clean_shutdown().unwrap(), Some(CleanShutdown { broker_epoch: 3 }));
    assert_eq!(directory.take_clean_shutdown().unwrap(), None);
    let (log, recovery) = open(&dir, ShutdownKind::Clean, point);
    assert_eq!(recovery, Recovery::default());
    check(&log, 200);
    append(&log, 200, 300);
    drop(log);

    let (log, recovery) = open(&dir, ShutdownKind::Unclean, point);
    assert!(recovery.segments > 1 && recovery.truncations.is_empty());
    check(&log, 300);
    log.truncate_to(Offset(240), NOW).unwrap();
    check(&log, 120);
    append(&log, 120, 150);
    let mut scratch = Scratch::default();
    let again = log.append_as_leader(&batch(149), AppendOrigin::Client, LeaderEpoch(0), NOW, &mut scratch).unwrap();
    assert_eq!((again.outcome, again.first_offset), (AppendOutcome::Duplicate, Offset(298)));
    log.sync().unwrap();
    drop(log);

    let (log, _) = open(&dir, ShutdownKind::Unclean, Offset(300));
    check(&log, 150);
}

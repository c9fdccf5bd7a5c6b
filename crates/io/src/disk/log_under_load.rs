//! Readers beside an appender, a syncer and retention: every read is whole batches in order, and none is refused.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ottla_log::{AppendOrigin, Log, LogConfig, MinOneBatch, ReadBound, ReadError, Scratch, TopicId};
use ottla_machine::{LeaderEpoch, Offset, Timestamp};
use ottla_wire::batch::{BatchBuilder, Batches};

use super::RealDisk;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn create(dir: &Path, config: LogConfig) -> Log<RealDisk> {
    Log::create(RealDisk, &dir.join("t-0"), TopicId([7; 16]), Arc::new(config))
}

fn batch(size: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(0);
    builder.append(NOW.0, None, Some(&vec![1; size]), &[]).unwrap();
    let mut out = Vec::new();
    builder.build_plain(&mut out).unwrap();
    out
}

/// Reads from the start to the end again and again; gives how many records were seen at last.
fn read_on(log: &Log<RealDisk>, done: &AtomicBool) -> i64 {
    let mut offset = Offset(0);
    loop {
        let finished = done.load(Ordering::Acquire);
        let slice = log.read(offset, 3000, ReadBound::HighWatermark, MinOneBatch::Yes).unwrap();
        let mut bytes = Vec::new();
        assert_eq!(slice.read_into(&mut bytes).unwrap(), slice.length);
        for batch in Batches::new(&bytes) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            assert!(batch.header.base_offset <= offset.0 && batch.header.next_offset() > offset.0);
            offset = Offset(batch.header.next_offset());
        }
        if slice.length == 0 && finished {
            return offset.0;
        }
    }
}

#[test]
fn readers_see_every_batch_once_and_whole_while_the_log_grows() {
    let root = tempfile::tempdir().unwrap();
    let log = create(root.path(), LogConfig { segment_bytes: 4000, index_interval_bytes: 300, ..LogConfig::default() });
    let (log, done) = (&log, &AtomicBool::new(false));
    let appends = 1000;
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3).map(|_| scope.spawn(move || read_on(log, done))).collect();
        scope.spawn(move || {
            while !done.load(Ordering::Acquire) {
                log.sync().unwrap();
                log.release_files();
            }
        });
        let mut scratch = Scratch::default();
        for at in 0..appends {
            let bytes = batch(at % 200);
            log.append_as_leader(&bytes, AppendOrigin::Client, LeaderEpoch(0), NOW, &mut scratch).unwrap();
            log.set_high_watermark(log.log_end_offset());
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            assert_eq!(reader.join().unwrap(), appends as i64);
        }
    });
}

#[test]
fn a_reader_that_retention_overtakes_is_told_so() {
    let root = tempfile::tempdir().unwrap();
    let log = create(root.path(), LogConfig { segment_bytes: 1000, retention_bytes: 3000, ..LogConfig::default() });
    let (log, done) = (&log, &AtomicBool::new(false));
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let (mut offset, mut overtaken) = (Offset(0), 0);
            while !done.load(Ordering::Acquire) {
                match log.read(offset, 500, ReadBound::HighWatermark, MinOneBatch::Yes) {
                    Ok(slice) => {
                        let mut bytes = Vec::new();
                        slice.read_into(&mut bytes).unwrap();
                        if let Some(batch) = Batches::new(&bytes).next() {
                            offset = Offset(batch.unwrap().header.next_offset());
                        }
                    }
                    Err(ReadError::OffsetOutOfRange(range)) => {
                        assert!(range.log_start_offset > offset);
                        offset = range.log_start_offset;
                        overtaken += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            overtaken
        });
        let mut scratch = Scratch::default();
        for _ in 0..1500 {
            let bytes = batch(100);
            log.append_as_leader(&bytes, AppendOrigin::Client, LeaderEpoch(0), NOW, &mut scratch).unwrap();
            log.set_high_watermark(log.log_end_offset());
            if let Some(job) = log.delete_old_segments(NOW).unwrap() {
                job.run().unwrap();
            }
        }
        done.store(true, Ordering::Release);
        reader.join().unwrap();
    });
}

//! The log itself.

use crate::data::{NOW, RECORDS, append as append_one, batch, create, large_batch};
use crate::limits::{FILE_BYTES, drained};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use ottla_io::disk::RealDisk;
use ottla_log::{
    CleanStep, CleanerBuffers, CleanerLimits, CleanupPolicy, CompactionConfig, Log, LogConfig, MinOneBatch,
    OpenOptions, ReadBound, Scratch, ShutdownKind,
};
use ottla_machine::{Offset, Timestamp};
use ottla_wire::batch::{Batches, Codecs, Compression, ScanLimits, scan};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
/// Batches in the logs that are read, compacted and recovered: 64 MB and more.
const LARGE_BATCHES: usize = 64;

/// Appends, each validated, checked against the log's state and written: with the disk's page cache, and nothing synced.
pub fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    let large = large_batch(Compression::None);
    let small = batch(1, 100, Compression::None, NOW.0, |_| 1);
    for (name, bytes) in [("a batch of 1 MB", &large), ("a record of 100 B", &small)] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |bencher| bencher.iter_custom(|times| time_of_appends(times, bytes)));
    }
    group.finish();
}

/// Into logs that are begun anew when they have grown, which is not counted.
fn time_of_appends(times: u64, bytes: &[u8]) -> Duration {
    let mut scratch = Scratch::default();
    let mut took = Duration::ZERO;
    let mut left = times;
    while left > 0 {
        let root = tempfile::tempdir().unwrap();
        let log = create(root.path(), LogConfig::default());
        append_one(&log, bytes, &mut scratch);
        let round = left.min(FILE_BYTES / bytes.len() as u64);
        let began = Instant::now();
        for _ in 0..round {
            append_one(&log, bytes, &mut scratch);
        }
        took += began.elapsed();
        left -= round;
    }
    took
}

/// A log of large batches whose records lie a millisecond apart.
fn filled(root: &Path) -> Log<RealDisk> {
    let log = create(root, LogConfig::default());
    let mut scratch = Scratch::default();
    for number in 0..LARGE_BATCHES {
        let time = NOW.0 + (number * RECORDS) as i64;
        append_one(&log, &batch(RECORDS, 1024, Compression::None, time, |record| record as u64), &mut scratch);
    }
    log
}

pub fn read(criterion: &mut Criterion) {
    let root = tempfile::tempdir().unwrap();
    let log = filled(root.path());
    let end = log.log_end_offset().0;
    let mut group = criterion.benchmark_group("read");
    let mut at = 0;
    let mut next = || {
        at = (at + RECORDS as i64) % end;
        log.read(Offset(at), 1 << 20, ReadBound::HighWatermark, MinOneBatch::Yes).unwrap()
    };
    group.bench_function("the place of 1 MiB", |bencher| bencher.iter(&mut next));
    group.throughput(Throughput::Bytes(1 << 20));
    let mut bytes = Vec::with_capacity(1 << 21);
    group.bench_function("1 MiB into memory", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            next().read_into(&mut bytes).unwrap()
        });
    });
    let (mut to, drain) = drained();
    group.bench_function("1 MiB to a socket", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            next().read_into(&mut bytes).unwrap();
            to.write_all(&bytes).unwrap();
        });
    });
    drop(to);
    drain.join().unwrap();
    group.finish();
}

/// In a log of small batches, of which an index has one in 4 KiB.
pub fn look_up(criterion: &mut Criterion) {
    const COUNT: i64 = 200_000;
    let root = tempfile::tempdir().unwrap();
    let log = create(root.path(), LogConfig::default());
    let mut scratch = Scratch::default();
    let mut number = 0;
    while log.log_end_offset().0 < COUNT {
        append_one(&log, &batch(10, 100, Compression::None, NOW.0 + 10 * number, |_| 1), &mut scratch);
        number += 1;
    }
    // A step without a common factor, so that nothing that was just looked up is asked for again.
    let mut at = 0;
    let mut next = move || {
        at = (at + 76_543) % COUNT;
        at
    };
    let mut group = criterion.benchmark_group("look up");
    group.bench_function("an offset", |bencher| {
        bencher.iter(|| log.read(Offset(next()), 1, ReadBound::HighWatermark, MinOneBatch::Yes).unwrap());
    });
    let mut codecs = Codecs::default();
    group.bench_function("a time", |bencher| {
        bencher.iter(|| log.offset_for_timestamp(Timestamp(NOW.0 + next()), &mut codecs).unwrap());
    });
    group.finish();
}

/// Checksum and records of a batch of 1 MB, as a leader judges what a client sent. The bytes that count are those of the
/// uncompressed batch.
pub fn validate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("validate");
    let plain = large_batch(Compression::None).len();
    group.throughput(Throughput::Bytes(plain as u64));
    for compression in CODECS {
        let bytes = large_batch(compression);
        let mut codecs = Codecs::default();
        group.bench_function(BenchmarkId::from_parameter(format!("{compression:?}")), |bencher| {
            bencher.iter(|| {
                let batch = Batches::new(black_box(&bytes)).next().unwrap().unwrap();
                batch.verify_crc().unwrap();
                let mut records = 0;
                scan(&batch, &mut codecs, ScanLimits::default(), |_| records += 1).unwrap();
                assert_eq!(records, RECORDS);
            });
        });
    }
    group.finish();
}

/// Of a log of which half is left: every key comes twice.
pub fn compact(criterion: &mut Criterion) {
    let config = LogConfig {
        cleanup_policy: CleanupPolicy::Compact,
        segment_bytes: 16 << 20,
        compaction: CompactionConfig { min_cleanable_dirty_ratio: 0.0, ..LogConfig::default().compaction },
        ..LogConfig::default()
    };
    let keys = LARGE_BATCHES * RECORDS / 2;
    let batches: Vec<_> = (0..LARGE_BATCHES)
        .map(|number| {
            batch(RECORDS, 1024, Compression::None, NOW.0, |record| ((number * RECORDS + record) % keys) as u64)
        })
        .collect();
    let mut group = criterion.benchmark_group("compact");
    group.sample_size(10).throughput(Throughput::Bytes(batches.iter().map(|bytes| bytes.len() as u64).sum()));
    group.bench_function("64 MB, half of it left", |bencher| {
        bencher.iter_batched(
            || {
                let root = tempfile::tempdir().unwrap();
                let log = create(root.path(), config.clone());
                let mut scratch = Scratch::default();
                batches.iter().for_each(|bytes| append_one(&log, bytes, &mut scratch));
                log.roll(NOW).unwrap();
                log.sync().unwrap();
                (root, log)
            },
            |(root, log)| {
                clean(&log);
                (root, log)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn clean(log: &Log<RealDisk>) {
    let limits = CleanerLimits { dedupe_bytes: 128 << 20, load_factor: 0.9, io_bytes: 1 << 20 };
    let later = Timestamp(NOW.0 + 1_000_000);
    let mut job = log.plan_cleaning(log.cleanable(None, later), limits, later).unwrap();
    let mut buffers = CleanerBuffers::default();
    loop {
        match job.step(&mut buffers).unwrap() {
            CleanStep::Worked { .. } => {}
            CleanStep::Replace(replacement) => log.replace_segments(replacement).unwrap().run().unwrap().run().unwrap(),
            CleanStep::Done { .. } => return,
            CleanStep::GivenUp => panic!("nobody else changes the log"),
        }
    }
}

/// After a stop that was not clean, with nothing known to be durable: every batch is read and verified.
pub fn recover(criterion: &mut Criterion) {
    let root = tempfile::tempdir().unwrap();
    let log = filled(root.path());
    log.sync().unwrap();
    let (dir, bytes) = (log.dir(), log.size());
    drop(log);
    let mut group = criterion.benchmark_group("recover");
    group.sample_size(10).throughput(Throughput::Bytes(bytes));
    group.bench_function("64 MB", |bencher| {
        bencher.iter(|| {
            let options = OpenOptions {
                shutdown: ShutdownKind::Unclean,
                recovery_point: Offset(0),
                log_start_offset: Offset(0),
                topic_id: None,
                config: Arc::new(LogConfig::default()),
                now: NOW,
            };
            let (log, recovery) = Log::open(RealDisk, &dir, options).unwrap();
            assert_eq!((recovery.segments, recovery.truncations.len()), (1, 0));
            log
        });
    });
    group.finish();
}

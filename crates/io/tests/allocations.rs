//! How often an append and a fetch ask for memory: not at all, once they run. One test, since the allocator counts for
//! the whole process.
//!
//! What grows by and by is let grow first, and told apart from what every call would do: the newest entries of an index
//! are kept in memory, so that one append in some hundred KB makes their list longer.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use ottla_io::disk::RealDisk;
use ottla_log::{AppendOrigin, Log, LogConfig, MinOneBatch, ReadBound, Scratch, TopicId};
use ottla_machine::{LeaderEpoch, Offset, Timestamp};
use ottla_wire::batch::{BatchBuilder, Codecs, Compression, ProducerStamp};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::path::Path;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
/// So many calls are made before those that count, and so many count.
const CALLS: i32 = 300;
/// More than is written here: no index entry is due.
const INDEX_INTERVAL_BYTES: u32 = 1 << 30;

fn allocations(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    change.allocations + change.reallocations
}

fn create(dir: &Path, name: &str, index_interval_bytes: u32) -> Log<RealDisk> {
    let config = LogConfig { index_interval_bytes, ..LogConfig::default() };
    Log::create(RealDisk, &dir.join(name), TopicId([7; 16]), Arc::new(config))
}

fn batch(compression: Compression, producer: Option<ProducerStamp>) -> Vec<u8> {
    let mut builder = BatchBuilder::new(0).compression(compression);
    if let Some(producer) = producer {
        builder = builder.producer(producer);
    }
    for number in 0..10_u8 {
        builder.append(NOW.0, Some(b"key"), Some(&[number; 100]), &[]).unwrap();
    }
    let mut bytes = Vec::new();
    builder.build(&mut Codecs::default(), &mut bytes).unwrap();
    bytes
}

fn append(log: &Log<RealDisk>, batches: &[Vec<u8>], scratch: &mut Scratch) {
    for bytes in batches {
        log.append_as_leader(bytes, AppendOrigin::Client, LeaderEpoch(0), NOW, scratch).unwrap();
        log.raise_high_watermark_to_end();
    }
}

/// Of appends that follow others like them.
fn of_appends(log: &Log<RealDisk>, batches: &[Vec<u8>]) -> usize {
    let mut scratch = Scratch::default();
    let (before, counted) = batches.split_at(batches.len() / 2);
    append(log, before, &mut scratch);
    allocations(|| append(log, counted, &mut scratch))
}

#[test]
fn appends_and_fetches_ask_for_no_memory() {
    let root = tempfile::tempdir().unwrap();
    for compression in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]
    {
        let name = format!("{compression:?}-0");
        let log = create(root.path(), &name, INDEX_INTERVAL_BYTES);
        let batches = vec![batch(compression, None); 2 * CALLS as usize];
        assert_eq!(of_appends(&log, &batches), 0, "appends of {name}");
    }

    let stamp = |call: i32| ProducerStamp { producer_id: 5, producer_epoch: 0, base_sequence: 10 * call };
    let batches: Vec<_> = (0..2 * CALLS).map(|call| batch(Compression::None, Some(stamp(call)))).collect();
    let log = create(root.path(), "idempotent-0", INDEX_INTERVAL_BYTES);
    assert_eq!(of_appends(&log, &batches), 0, "idempotent appends");

    let log = create(root.path(), "indexed-0", LogConfig::default().index_interval_bytes);
    let batches = vec![batch(Compression::None, None); 2 * CALLS as usize];
    let growing = of_appends(&log, &batches);
    // This also shows that the counter counts.
    assert!((1..=2).contains(&growing), "{growing}: the lists of the two indexes grow, and nothing else");

    let mut bytes = Vec::with_capacity(1 << 20);
    let mut fetch = |offset: i64, bound: ReadBound| {
        bytes.clear();
        let slice = log.read(Offset(offset), 10_000, bound, MinOneBatch::Yes).unwrap();
        assert!(slice.read_into(&mut bytes).unwrap() > 0);
    };
    let end = log.log_end_offset().0;
    for (bound, name) in [(ReadBound::HighWatermark, "uncommitted"), (ReadBound::LastStableOffset, "committed")] {
        fetch(0, bound);
        let sequential = allocations(|| (0..end).step_by(90).for_each(|offset| fetch(offset, bound)));
        assert_eq!(sequential, 0, "{name}: from the start to the end");
        let tail = allocations(|| (0..CALLS).for_each(|_| fetch(end - 10, bound)));
        assert_eq!(tail, 0, "{name}: the last batch");
    }
}

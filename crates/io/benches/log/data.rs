//! The batches and logs that are measured.

use ottla_io::disk::RealDisk;
use ottla_log::{AppendOrigin, Log, LogConfig, Scratch, TopicId};
use ottla_machine::{LeaderEpoch, Timestamp};
use ottla_wire::batch::{BatchBuilder, Codecs, Compression};
use std::path::Path;
use std::sync::Arc;

pub const NOW: Timestamp = Timestamp(1_700_000_000_000);
pub const RECORD_BYTES: usize = 1024;
/// Of a large batch, which is about 1 MB then.
pub const RECORDS: usize = 1000;

/// A value that looks like text: words out of a small list, so that codecs have something to find.
fn value(seed: u64, bytes: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "broker",
        "topic",
        "partition",
        "offset",
        "leader",
        "epoch",
        "record",
        "batch",
        "segment",
        "index",
        "replica",
        "commit",
        "consumer",
        "producer",
        "group",
        "0123456789",
    ];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = Vec::with_capacity(bytes + 16);
    while text.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.extend_from_slice(WORDS[(state % 16) as usize].as_bytes());
        text.push(b' ' + (state >> 32) as u8 % 64);
    }
    text.truncate(bytes);
    text
}

/// A batch whose first record has this time, each further one a millisecond later. The keys are `key_of(record)`.
pub fn batch(
    records: usize,
    record_bytes: usize,
    compression: Compression,
    time: i64,
    key_of: impl Fn(usize) -> u64,
) -> Vec<u8> {
    let mut builder = BatchBuilder::new(0).compression(compression);
    for record in 0..records {
        let key = key_of(record).to_be_bytes();
        builder.append(time + record as i64, Some(&key), Some(&value(record as u64, record_bytes)), &[]).unwrap();
    }
    let mut bytes = Vec::new();
    builder.build(&mut Codecs::default(), &mut bytes).unwrap();
    bytes
}

pub fn large_batch(compression: Compression) -> Vec<u8> {
    batch(RECORDS, RECORD_BYTES, compression, NOW.0, |record| record as u64)
}

pub fn create(dir: &Path, config: LogConfig) -> Log<RealDisk> {
    Log::create(RealDisk, &dir.join("t-0"), TopicId([7; 16]), Arc::new(config))
}

pub fn append(log: &Log<RealDisk>, bytes: &[u8], scratch: &mut Scratch) {
    log.append_as_leader(bytes, AppendOrigin::Client, LeaderEpoch(0), NOW, scratch).unwrap();
    log.raise_high_watermark_to_end();
}

//! What hostile bytes cost in memory: a frame of N bytes makes its decoder take a constant and so many times N at most,
//! whatever its lengths and counts say. One test, since the allocator counts for the whole process.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects")]

#[allow(dead_code, reason = "shared with the other tests")]
#[path = "messages/generate.rs"]
mod generate;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "messages/ours.rs"]
mod ours;
#[allow(dead_code, reason = "the parser is the code generator's, which needs more of it")]
#[path = "../../../xtask/src/codegen/schema.rs"]
mod schema;

use generate::{Random, Style, uvarint};
use ottla_wire::batch::{BatchBuilder, Batches, Codecs, Compression, HEADER_LEN, ScanLimits, scan};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::path::Path;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Room for a thousand elements is reserved at each level of arrays before the first is read.
const DECODER_BYTES_MAX: usize = 1 << 19;
/// An element of one byte on the wire may be a struct with many fields that its version lacks.
const DECODER_FACTOR_MAX: usize = 64;
/// What codecs keep for windows and blocks, whose sizes their formats bound.
const CODEC_BYTES_MAX: usize = 16 << 20;

/// How many bytes `work` asked for, freed again or not.
fn allocated(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    region.change().bytes_allocated
}

/// A message up to some place, then a count as large as the bytes that follow, all alike.
fn hoard(honest: &[u8], compact: bool, random: &mut Random) -> Vec<u8> {
    let filling = 256 << random.below(8);
    let mut frame = honest[..random.below(honest.len() as u64 + 1) as usize].to_vec();
    match compact {
        true => uvarint(filling + 1, &mut frame),
        false => frame.extend(filling.to_be_bytes()),
    }
    frame.resize(frame.len() + filling as usize, [0, 0, 1, 2, 0xff][random.below(5) as usize]);
    frame
}

fn decoders() {
    let ours = ours::all();
    let mut random = Random::new(23);
    for (_, schema) in schema::read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("schema")).unwrap() {
        let our = ours[schema.name.as_str()];
        for version in schema.versions.low..=schema.versions.high {
            let compact = schema.flexible.low <= version && version <= schema.flexible.high;
            for round in 0..24 {
                let style = if round % 2 == 0 { Style::Greatest } else { Style::Any };
                let honest = generate::message(&schema, version, style, &mut random);
                let frame = hoard(&honest, compact, &mut random);
                let bytes = allocated(|| {
                    let _ = (our.read)(&frame, version);
                });
                let bound = DECODER_BYTES_MAX + DECODER_FACTOR_MAX * frame.len();
                assert!(bytes <= bound, "{} {version}: {bytes} for a frame of {}", schema.name, frame.len());
            }
        }
    }
}

/// Batches whose compressed bytes were damaged after they were made, or are a great many zeros.
fn batches() {
    let mut random = Random::new(29);
    for codec in Compression::ALL {
        let mut codecs = Codecs::default();
        let zeros = vec![0; 8 << 20];
        for value in [&zeros[..], b"value"] {
            let mut builder = BatchBuilder::new(0).compression(codec);
            builder.append(0, None, Some(value), &[]).unwrap();
            let mut batch = Vec::new();
            builder.build(&mut codecs, &mut batch).unwrap();
            for _ in 0..40 {
                let at = HEADER_LEN + random.below((batch.len() - HEADER_LEN) as u64) as usize;
                let byte = std::mem::replace(&mut batch[at], random.next() as u8);
                let batch_of = Batches::new(&batch).next().unwrap().unwrap();
                let bytes = allocated(|| {
                    let mut codecs = Codecs::default();
                    let _ = scan(&batch_of, &mut codecs, ScanLimits::default(), |_| ());
                    let _ = codecs.decompress(codec, batch_of.record_bytes(), &mut Vec::new(), 1 << 16);
                });
                assert!(bytes <= CODEC_BYTES_MAX, "{codec:?}: {bytes} for a batch of {}", batch.len());
                batch[at] = byte;
            }
        }
    }
}

#[test]
fn memory_follows_the_bytes_that_came() {
    decoders();
    batches();
}

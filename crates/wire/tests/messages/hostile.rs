//! Bytes that nobody honest sends: every decoder answers with a message or an error, never with a panic, and what it reads
//! it can write. How much memory that takes is asked in `bounded_memory.rs`.

use crate::frames;
use crate::generate::{self, Random, Style};
use crate::ours::Ours;
use ottla_wire::batch::{Batches, Codecs, Compression, ScanLimits, scan};
use ottla_wire::group::{GroupKey, GroupValue};
use ottla_wire::metadata::{BrokerRegistrationChangeRecord, MetadataRecord};
use ottla_wire::other::{RequestHeader, ResponseHeader};
use ottla_wire::{Decode, EncodeError, Reader, decode_exact, encode_to_vec};
use std::collections::BTreeMap;

/// Reads bytes as a message; what can be read, can be written, and is then the same message.
fn read(our: &Ours, bytes: &[u8], version: i16) {
    if let Ok(once) = (our.again)(bytes, version) {
        // Bytes need not be canonical, but what is written is.
        assert_eq!((our.again)(&once, version).as_ref(), Ok(&once));
    }
}

/// Damages bytes in one of the ways in which bytes go wrong.
fn damage(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bad = bytes.to_vec();
    if bad.is_empty() {
        return bad;
    }
    for _ in 0..=random.below(3) {
        let at = random.below(bad.len() as u64) as usize;
        match random.below(6) {
            0 => bad.truncate(at.max(1)),
            1 => bad[at] ^= 1 << random.below(8),
            2 => bad[at] = random.next() as u8,
            // What lengths are made of.
            3 => bad[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5) as usize],
            4 => bad[at..].iter_mut().take(4).for_each(|byte| *byte = 0xff),
            _ => bad.insert(at, random.next() as u8),
        }
    }
    bad
}

#[test]
fn damaged_messages_are_read_or_refused() {
    let ours = crate::ours::all();
    for (_, schema) in crate::schemas() {
        let our = ours[schema.name.as_str()];
        let mut random = Random::new(schema.name.len() as u64);
        for version in schema.versions.low..=schema.versions.high {
            for style in [Style::Greatest, Style::Any, Style::Any, Style::Any] {
                let bytes = generate::message(&schema, version, style, &mut random);
                for _ in 0..6 {
                    read(&our, &damage(&bytes, &mut random), version);
                }
            }
        }
    }
}

#[test]
fn random_bytes_are_read_or_refused_in_any_version() {
    let ours = crate::ours::all();
    let mut random = Random::new(7);
    for our in ours.values() {
        for version in our.versions.low - 1..=our.versions.high + 1 {
            for _ in 0..12 {
                let count = random.below(64) as usize;
                // Small bytes make lengths that fit, so that decoders come far.
                let greatest = [4, 16, 256][random.below(3) as usize];
                let bytes: Vec<u8> = (0..count).map(|_| random.below(greatest) as u8).collect();
                read(our, &bytes, version);
            }
        }
    }
}

#[test]
fn every_cut_of_a_captured_frame_is_an_error() {
    let ours = crate::ours::all();
    for frame in frames::all() {
        let (_, body) = frame.split();
        let our = ours[frame.message_name().as_str()];
        // Long frames are cut at every place near both ends, and here and there between.
        let near = |end: usize| end < 200 || body.len() - end < 200 || end.is_multiple_of(97);
        for end in (0..body.len()).filter(|end| near(*end)) {
            assert!((our.read)(&body[..end], frame.version).is_err(), "{} cut at {end}", frame.name);
        }
    }
}

#[test]
fn damaged_frames_are_read_or_refused() {
    let ours = crate::ours::all();
    let mut random = Random::new(11);
    for frame in frames::all() {
        let (header_version, body) = frame.split();
        let our = ours[frame.message_name().as_str()];
        for _ in 0..24 {
            read(&our, &damage(body, &mut random), frame.version);
            let bad = damage(&frame.bytes, &mut random);
            for version in [header_version, 1 - header_version.min(1)] {
                let _ = RequestHeader::decode(&mut Reader::new(&bad), version);
                let _ = ResponseHeader::decode(&mut Reader::new(&bad), version);
            }
        }
    }
}

#[test]
fn damaged_batches_are_read_or_refused() {
    let mut random = Random::new(13);
    let mut codecs = Codecs::default();
    for file in crate::logs::files("mixed-0", ".log").iter().chain(&crate::logs::files("__consumer_offsets-0", ".log"))
    {
        for _ in 0..300 {
            let bad = damage(file, &mut random);
            for batch in Batches::new(&bad).flatten() {
                let _ = batch.verify_crc();
                let _ = scan(&batch, &mut codecs, ScanLimits::default(), |_| ());
                if let Some(records) = batch.records() {
                    records.flatten().for_each(|record| assert!(record.headers.count() < bad.len()));
                }
                for codec in Compression::ALL {
                    let _ = codecs.decompress(codec, batch.record_bytes(), &mut Vec::new(), 1 << 16);
                }
            }
        }
    }
}

#[test]
fn unions_refuse_what_they_do_not_know() {
    let mut random = Random::new(17);
    let mut known = BTreeMap::new();
    for id in -2..40_i16 {
        for version in -1..6 {
            for _ in 0..8 {
                let bytes: Vec<u8> = (0..random.below(40)).map(|_| random.below(8) as u8).collect();
                let _ = GroupKey::decode(id, &mut Reader::new(&bytes), version);
                let _ = GroupValue::decode(id, &mut Reader::new(&bytes), version);
                if let Ok(record) = MetadataRecord::decode(id, &mut Reader::new(&bytes), version) {
                    assert_eq!(record.id(), id);
                    assert!(record.versions().contains(version));
                    known.insert(id, record.versions());
                }
            }
        }
    }
    for absent in [-2, -1, 6, 13, 16, 30] {
        assert!(!known.contains_key(&absent), "{absent}");
    }
}

#[test]
fn the_greatest_tag_there_can_be_is_written_again() {
    let frame = [1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 7];
    assert_eq!((crate::ours::all()["NoOpRecord"].again)(&frame, 0).as_deref(), Ok(&frame[..]));
}

#[test]
fn a_tag_that_a_later_version_knows_is_not_written_there() {
    // Version 1 does not know tag 2; version 2 has the log directories there.
    let mut frame = vec![0; 12];
    frame.extend([1, 2, 0]);
    let record: BrokerRegistrationChangeRecord = decode_exact(&frame, 1).unwrap();
    assert_eq!(encode_to_vec(&record, 1).as_ref(), Ok(&frame));
    assert_eq!(encode_to_vec(&record, 2), Err(EncodeError::KnownTag(2)));
}

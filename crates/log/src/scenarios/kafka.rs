//! A folder that Apache Kafka 4.4 wrote: it opens, nothing in it changes by that, and what is derived from its batches is what
//! Kafka derived, byte for byte.

use ottla_machine::{Disk, DiskFile, LeaderEpoch, Offset, OpenMode};
use ottla_wire::batch::{Batches, Record, Records};

use super::*;

macro_rules! files {
    ($($name:literal),*) => {
        [$(($name, include_bytes!(concat!("../../tests/kafka-4.4/t-0/", $name)).as_slice())),*]
    };
}

const FILES: [(&str, &[u8]); 11] = files![
    "00000000000000000000.index",
    "00000000000000000000.log",
    "00000000000000000000.timeindex",
    "00000000000000000063.index",
    "00000000000000000063.log",
    "00000000000000000063.snapshot",
    "00000000000000000063.timeindex",
    "00000000000000000063.txnindex",
    "00000000000000000068.snapshot",
    "leader-epoch-checkpoint",
    "partition.metadata"
];

fn config() -> LogConfig {
    LogConfig { index_interval_bytes: 200, ..LogConfig::default() }
}

/// The folder, on a disk in memory, opened.
fn opened(shutdown: ShutdownKind, except: &str) -> (Fixture, Recovery) {
    let mut fixture = Fixture::new(config());
    fixture.disk.create_dir_all(dir()).unwrap();
    for (name, content) in FILES.iter().filter(|(name, _)| except.is_empty() || !name.ends_with(except)) {
        let file = fixture.disk.open(&dir().join(name), OpenMode::Create).unwrap();
        file.write_at(0, &[content]).unwrap();
    }
    let options = OpenOptions {
        shutdown,
        recovery_point: Offset(if shutdown == ShutdownKind::Clean { 68 } else { 0 }),
        log_start_offset: Offset(0),
        topic_id: None,
        config: fixture.log.config(),
        // Before the producers expire.
        now: ottla_machine::Timestamp(1_795_229_000_000),
    };
    let (log, recovery) = Log::open(fixture.disk.clone(), dir(), options).unwrap();
    fixture.log = log;
    (fixture, recovery)
}

fn assert_as_kafka_left_it(fixture: &Fixture) {
    let names: Vec<String> =
        fixture.disk.list(dir()).unwrap().into_iter().map(|name| name.into_string().unwrap()).collect();
    assert_eq!(names, FILES.map(|(name, _)| name));
    for (name, content) in FILES {
        assert_eq!(fixture.disk.read(&dir().join(name)).unwrap(), content, "{name}");
    }
}

#[test]
fn all_records_of_all_codecs_are_read() {
    let (fixture, recovery) = opened(ShutdownKind::Clean, "");
    assert_eq!(recovery, Recovery::default());
    let mut codecs = Codecs::default();
    let (mut offset, mut seen) = (Offset(0), Vec::new());
    while offset < Offset(60) {
        let slice = fixture.log.read(offset, 1 << 20, ReadBound::LogEnd, MinOneBatch::Yes).unwrap();
        let mut bytes = Vec::new();
        slice.read_into(&mut bytes).unwrap();
        for batch in Batches::new(&bytes) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            offset = Offset(batch.header.next_offset());
            if batch.header.attributes.is_transactional() {
                continue;
            }
            let codec = batch.header.attributes.compression().unwrap();
            let mut plain = Vec::new();
            codecs.decompress(codec, batch.record_bytes(), &mut plain, 1 << 20).unwrap();
            for record in Records::new(&plain, batch.header.record_count) {
                let record: Record<'_> = record.unwrap();
                let headers: Vec<_> = record.headers.map(|header| (header.key, header.value)).collect();
                assert_eq!(headers, [(&b"h"[..], Some(&[1][..])), (b"h", None)]);
                let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
                seen.push((codec, text(record.key), text(record.value)));
            }
        }
    }
    let expected = Compression::ALL.into_iter().flat_map(|codec| (0..3).map(move |round| (codec, round))).flat_map(
        |(codec, round)| {
            (0..4).map(move |at| {
                let key = (at != 2).then(|| format!("key-{at}"));
                let value = (at != 3).then(|| format!("{}-{round}-{at}-{}", codec.name(), "abc".repeat(20)));
                (codec, key, value)
            })
        },
    );
    assert_eq!(seen, expected.collect::<Vec<_>>());
}

#[test]
fn opening_and_closing_changes_nothing() {
    let (fixture, _) = opened(ShutdownKind::Clean, "");
    fixture.log.close().unwrap();
    assert_as_kafka_left_it(&fixture);
}

#[test]
fn a_recovery_derives_what_kafka_derived() {
    for missing in ["", "index", "snapshot", "leader-epoch-checkpoint"] {
        let (fixture, recovery) = opened(ShutdownKind::Unclean, missing);
        assert_eq!((recovery.segments, recovery.truncations.len()), (2, 0));
        fixture.log.close().unwrap();
        assert_as_kafka_left_it(&fixture);
    }
}

#[test]
fn the_same_batches_make_the_same_files() {
    let topic_id = FILES[10].1.split(|byte| *byte == b' ').next_back().unwrap();
    let topic_id = TopicId::parse(str::from_utf8(topic_id).unwrap()).unwrap();
    let mut fixture = Fixture::new(config());
    fixture.log = Log::create(fixture.disk.clone(), dir(), topic_id, fixture.log.config());
    for batch in [FILES[1].1, FILES[4].1].iter().flat_map(|bytes| Batches::new(bytes)) {
        let bytes = batch.unwrap().bytes;
        fixture.log.append_as_follower(bytes, LeaderEpoch(0), NOW, &mut fixture.scratch).unwrap();
    }
    fixture.log.close().unwrap();
    assert_as_kafka_left_it(&fixture);
}

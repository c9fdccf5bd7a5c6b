//! What stays of keys, tombstones and batches.

use ottla_wire::batch::RecordHeader;

use super::*;

#[test]
fn of_each_key_the_last_record_stays_at_its_offset() {
    let mut fixture = Fixture::compacted();
    for (key, value) in [("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"), ("a", "3"), ("c", "2"), ("a", "4")] {
        fixture.put(key, value);
    }
    assert_eq!(fixture.shown(), "0 [0 a=1] [1 b=1] [2 a=2]\n3 [3 c=1] [4 a=3] [5 c=2]\n6 [6 a=4]\n");
    assert_eq!(fixture.clean(at(0)), 6);
    // The active segment is neither cleaned nor looked at: the last value before it stays as well.
    assert_eq!(fixture.shown(), "0 [1 b=1]\n3 [4 a=3] [5 c=2]\n6 [6 a=4]\n");
    assert_eq!(fixture.unfinished(), Vec::<String>::new());
    assert_eq!((fixture.log.log_start_offset(), fixture.log.log_end_offset()), (Offset(0), Offset(7)));
    fixture.roll();
    assert_eq!(fixture.clean_from(6, at(0)), 7);
    // The first two fit into one.
    assert_eq!(fixture.shown(), "0 [1 b=1] [5 c=2]\n6 [6 a=4]\n7\n");
}

#[test]
fn a_batch_keeps_its_last_offset_and_what_stays_as_a_whole_is_not_written_anew() {
    let mut fixture = Fixture::new(LogConfig { segment_bytes: 4000, ..compacted() });
    let headers = [RecordHeader::new(b"h", Some(b"1")), RecordHeader::new(b"h", None)];
    for compression in Compression::ALL {
        let mut builder = BatchBuilder::new(0).compression(compression);
        builder.append(NOW.0, Some(b"gone"), Some(b"x"), &[]).unwrap();
        let key = format!("{compression:?}");
        builder.append(NOW.0 + 5, Some(key.as_bytes()), Some(b"stays"), &headers).unwrap();
        builder.append(NOW.0 + 9, Some(b"gone"), Some(b"y"), &[]).unwrap();
        fixture.put_batch(builder);
    }
    fixture.put_batch({
        let mut builder = BatchBuilder::new(0).compression(Compression::Zstd);
        pairs(&mut builder, &[("gone", Some("last")), ("other", Some("z"))]);
        builder
    });
    fixture.roll();
    let before = whole(&fixture);
    fixture.clean(at(0));
    assert_eq!(
        fixture.shown(),
        "0 [1 None=stays] [4 Gzip=stays] [7 Snappy=stays] [10 Lz4=stays] [13 Zstd=stays] [15 gone=last, 16 other=z]\n17\n"
    );
    let after = whole(&fixture);
    for ((_, old), ((header, _), compression)) in before.iter().zip(after.iter().zip(Compression::ALL)) {
        let old = old.last().unwrap();
        assert_eq!(header.attributes.compression().unwrap(), compression);
        assert_eq!(header.last_offset(), old.0, "the last offset");
        assert_eq!(header.max_timestamp, NOW.0 + 5);
        assert_eq!(header.record_timestamp(0), NOW.0 + 5);
    }
    assert_eq!(before.last(), after.last());
    let read = fixture.log.read(Offset(1), 1 << 20, ReadBound::LogEnd, MinOneBatch::Yes).unwrap();
    let mut bytes = Vec::new();
    read.read_into(&mut bytes).unwrap();
    let first = Batches::new(&bytes).next().unwrap().unwrap();
    let record = first.records().unwrap().next().unwrap().unwrap();
    let kept: Vec<RecordHeader<'_>> = record.headers.map(|h| RecordHeader::new(h.key, h.value)).collect();
    assert_eq!(kept, headers);
}

type Whole = (ottla_wire::batch::BatchHeader, Vec<(i64, String, Option<String>)>);

fn whole(fixture: &Fixture) -> Vec<Whole> {
    let mut bytes = Vec::new();
    let slice = fixture.log.read(Offset(0), 1 << 20, ReadBound::LogEnd, MinOneBatch::Yes).unwrap();
    slice.read_into(&mut bytes).unwrap();
    Batches::new(&bytes).map(|batch| batch.unwrap()).map(|batch| (batch.header, records_of(&batch))).collect()
}

#[test]
fn a_tombstone_stays_until_its_horizon_has_passed() {
    let mut fixture = Fixture::compacted();
    fixture.put("a", "1");
    fixture.put("b", "1");
    fixture.delete("a");
    fixture.roll();
    fixture.clean(at(0));
    assert_eq!(fixture.shown(), "0 [1 b=1] [2 a- until 1000]\n3\n");
    fixture.clean(at(999));
    assert_eq!(fixture.shown(), "0 [1 b=1] [2 a- until 1000]\n3\n");
    fixture.clean(at(1000));
    assert_eq!(
        fixture.shown(),
        "0 [1 b=1] [..2 of -1]\n3\n",
        "the last batch below the high watermark tells the offset"
    );
    fixture.put("c", "1");
    fixture.roll();
    fixture.clean(at(1001));
    assert_eq!(fixture.shown(), "0 [1 b=1] [3 c=1]\n4\n");
    assert_eq!(fixture.table(0), BTreeMap::from([("b".into(), "1".into()), ("c".into(), "1".into())]));
}

#[test]
fn the_times_of_records_beside_a_tombstone_stay() {
    let mut fixture = Fixture::new(LogConfig { segment_bytes: 4000, ..compacted() });
    let mut builder = BatchBuilder::new(0);
    builder.append(NOW.0 + 1, Some(b"x"), Some(b"1"), &[]).unwrap();
    builder.append(NOW.0 + 2, Some(b"x"), None, &[]).unwrap();
    builder.append(NOW.0 + 3, Some(b"y"), Some(b"1"), &[]).unwrap();
    fixture.put_batch(builder);
    fixture.roll();
    fixture.clean(at(0));
    let found = fixture.log.offset_for_timestamp(Timestamp(NOW.0 + 3), &mut Codecs::default()).unwrap().unwrap();
    assert_eq!((found.timestamp, found.offset), (Timestamp(NOW.0 + 3), Offset(2)));
    fixture.clean(at(1000));
    assert_eq!(fixture.shown(), "0 [2 y=1 until 1000]\n3\n");
    let found = fixture.log.offset_of_max_timestamp(&mut Codecs::default()).unwrap().unwrap();
    assert_eq!((found.timestamp, found.offset), (Timestamp(NOW.0 + 3), Offset(2)));
}

#[test]
fn a_record_without_a_key_goes() {
    let mut fixture = Fixture::new(LogConfig { cleanup_policy: CleanupPolicy::Delete, ..compacted() });
    let mut builder = BatchBuilder::new(0);
    builder.append(NOW.0, None, Some(b"1"), &[]).unwrap();
    builder.append(NOW.0, Some(b"a"), Some(b"1"), &[]).unwrap();
    fixture.put_batch(builder);
    fixture.log.set_config(Arc::new(compacted()));
    fixture.roll();
    let mut job = fixture.plan(0, LIMITS, at(0));
    finish(&fixture.log, &mut job).unwrap();
    assert_eq!(fixture.shown(), "0 [1 a=1]\n2\n");
    let CleanStats { keyless_records, records_read, records_kept, keys, .. } = job.stats();
    assert_eq!((keyless_records, records_read, records_kept, keys), (1, 2, 1, 1));
}

#[test]
fn the_last_batch_of_an_active_producer_stays_for_its_sequence() {
    let mut fixture = Fixture::compacted();
    fixture.put_by(5, false, &[("a", Some("1"))]);
    fixture.put_by(5, false, &[("a", Some("2"))]);
    fixture.put_by(6, false, &[("a", Some("3"))]);
    fixture.put("a", "4");
    fixture.put("b", "1");
    fixture.roll();
    fixture.clean(at(0));
    assert_eq!(fixture.shown(), "0 [..1 of 5] [..2 of 6]\n3 [3 a=4] [4 b=1]\n5\n");
    let producers = fixture.log.active_producers();
    fixture.disk.kill_process();
    for file in fixture.disk.files().iter().filter(|file| file.extension().is_some_and(|kind| kind == "snapshot")) {
        ottla_machine::Disk::remove_file(&fixture.disk, file).unwrap();
    }
    fixture.reopen(ShutdownKind::Unclean, 0);
    fixture.log.raise_high_watermark_to_end();
    assert_eq!(fixture.log.active_producers(), producers);
    fixture.put_by(5, false, &[("c", Some("1"))]);
    // Who has not written for long is forgotten, and what was kept for it goes.
    let config = LogConfig { producer_id_expiration_ms: 10, ..compacted() };
    fixture.log.set_config(Arc::new(config));
    fixture.log.remove_expired_producers(at(10));
    fixture.roll();
    fixture.clean(at(0));
    assert_eq!(fixture.shown(), "0\n3 [3 a=4] [4 b=1] [5 c=1]\n6\n");
}

#[test]
fn an_empty_segment_is_swallowed_by_the_next_cleaning() {
    let mut fixture = Fixture::new(LogConfig { segment_bytes: 150, ..compacted() });
    for value in ["1", "2", "3", "4", "5"] {
        fixture.put("a", value);
    }
    fixture.roll();
    assert_eq!(fixture.shown(), "0 [0 a=1] [1 a=2]\n2 [2 a=3] [3 a=4]\n4 [4 a=5]\n5\n");
    fixture.clean(at(0));
    assert_eq!(fixture.shown(), "0\n2\n4 [4 a=5]\n5\n");
    assert_eq!(fixture.table(0), BTreeMap::from([("a".into(), "5".into())]));
    fixture.close_and_reopen();
    fixture.log.raise_high_watermark_to_end();
    fixture.clean(at(0));
    assert_eq!(fixture.shown(), "0 [4 a=5]\n5\n");
    assert_eq!(fixture.log.log_start_offset(), Offset(0));
}

#[test]
fn keys_that_the_memory_does_not_hold_are_left_to_the_next_time() {
    let mut fixture = Fixture::compacted();
    for round in 0..3 {
        for key in 0..8 {
            fixture.put(&format!("k{key}"), &round.to_string());
        }
    }
    fixture.roll();
    let table = fixture.table(0);
    // Four keys at a time.
    let limits = CleanerLimits { dedupe_bytes: 24 * 5, ..LIMITS };
    let (mut checkpoint, mut rounds) = (0, Vec::new());
    while checkpoint < 24 {
        let mut job = fixture.plan(checkpoint, limits, at(0));
        checkpoint = finish(&fixture.log, &mut job).unwrap().unwrap();
        rounds.push(checkpoint);
        assert_eq!(fixture.table(0), table);
    }
    assert_eq!(rounds, [4, 8, 12, 16, 20, 24]);
    let kept: Vec<i64> = fixture.kept().into_iter().map(|record| record.0).collect();
    assert_eq!(kept, (16..24).collect::<Vec<_>>());
}

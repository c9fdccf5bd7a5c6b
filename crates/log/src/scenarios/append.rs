//! What a leader accepts, changes and refuses.

use ottla_machine::{Disk, Fault, LeaderEpoch, Offset, Timestamp};
use ottla_wire::batch::{BatchError, BatchHeader, Batches, Compression, TimestampType};

use super::*;
use crate::{AppendOutcome, CleanupPolicy, CompressionPolicy, LogError, RecordErrorReason};

fn stored_headers(fixture: &Fixture) -> Vec<BatchHeader> {
    let bytes = fixture.disk.read(&dir().join("00000000000000000000.log")).unwrap();
    Batches::new(&bytes)
        .map(|batch| {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            batch.header
        })
        .collect()
}

/// Sets bytes of a batch and makes its checksum right again.
fn patched(batch: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut patched = batch.to_vec();
    patched[at..at + bytes.len()].copy_from_slice(bytes);
    if let Ok(header) = BatchHeader::parse(&patched) {
        let crc = header.computed_crc(&patched[61..]);
        patched[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    patched
}

#[test]
fn batches_get_offsets_and_epoch_and_the_input_stays_as_it_is() {
    let mut fixture = Fixture::new(LogConfig::default());
    let input = batch(&[b"a", b"b"]);
    let before = input.clone();
    let first = fixture.produce(&input).unwrap();
    let origin = AppendOrigin::Client;
    let second = fixture.log.append_as_leader(&input, origin, LeaderEpoch(3), NOW, &mut fixture.scratch).unwrap();
    assert_eq!(input, before);
    assert_eq!((first.first_offset, first.last_offset, first.log_end_offset), (Offset(0), Offset(1), Offset(2)));
    assert_eq!((second.first_offset, second.last_offset), (Offset(2), Offset(3)));
    assert_eq!((first.log_append_time, first.max_timestamp, first.records), (Timestamp::NONE, NOW, 2));
    let stored = stored_headers(&fixture);
    assert_eq!((stored[0].base_offset, stored[0].partition_leader_epoch), (0, 0));
    assert_eq!((stored[1].base_offset, stored[1].partition_leader_epoch), (2, 3));
    let epochs = fixture.disk.read(&dir().join("leader-epoch-checkpoint")).unwrap();
    assert_eq!(epochs, b"0\n2\n0 0\n3 2\n");
}

#[test]
fn nothing_is_on_disk_before_the_first_append_and_the_topic_id_before_the_first_batch() {
    let mut fixture = Fixture::new(LogConfig::default());
    assert_eq!(fixture.disk.opened_count(), 0);
    assert!(fixture.disk.files().is_empty());
    fixture.log.read(Offset(0), 100, ReadBound::LogEnd, MinOneBatch::Yes).unwrap();
    assert_eq!(fixture.disk.opened_count(), 0);
    // Whatever a crash leaves: where there is a batch, there is the topic id.
    for writes in 0..6 {
        let mut fixture = Fixture::new(LogConfig::default());
        fixture.disk.fail_after(Fault::Write, writes);
        let _ = fixture.produce(&batch(&[b"a"]));
        if fixture.disk.file_len(&dir().join("00000000000000000000.log")).unwrap_or(0) > 0 {
            assert!(fixture.disk.exists(&dir().join("partition.metadata")).unwrap());
        }
    }
    fixture.fill(1);
    let content = fixture.disk.read(&dir().join("partition.metadata")).unwrap();
    assert_eq!(content, format!("version: 0\ntopic_id: {TOPIC_ID}").as_bytes());
}

#[test]
fn malformed_batches_are_refused_with_kafkas_errors() {
    let good = batch(&[b"a", b"b"]);
    let i32s = |value: i32| value.to_be_bytes();
    let cases: Vec<(&str, Vec<u8>, i16)> = vec![
        ("nothing", vec![], 87),
        ("cut off", good[..good.len() - 1].to_vec(), 87),
        ("two batches", [good.clone(), good.clone()].concat(), 87),
        ("base offset", patched(&good, 0, &[0, 0, 0, 0, 0, 0, 0, 1]), 87),
        ("length below a message's", patched(&good, 8, &i32s(13)), 2),
        ("length below a header's", patched(&good, 8, &i32s(40)), 2),
        ("format 1", patched(&good, 16, &[1]), 43),
        ("format 3", patched(&good, 16, &[3]), 2),
        (
            "checksum",
            {
                let mut bad = good.clone();
                bad[17] ^= 1;
                bad
            },
            2,
        ),
        ("codec 5", patched(&good, 21, &[0, 5]), 76),
        ("control", patched(&good, 21, &[0, 0x20]), 87),
        ("gzip that is none", patched(&good, 21, &[0, 1]), 87),
        ("offset range", patched(&good, 23, &i32s(2)), 87),
        ("negative range", patched(&good, 23, &i32s(-1)), 87),
        ("producer without sequence", patched(&good, 43, &[0, 0, 0, 0, 0, 0, 0, 1]), 87),
        ("count", patched(&good, 57, &i32s(3)), 87),
        ("both counts", patched(&patched(&good, 57, &i32s(3)), 23, &i32s(2)), 87),
        ("record", patched(&good, 61, &[0x7f]), 87),
    ];
    let mut fixture = Fixture::new(LogConfig::default());
    for (what, bytes, code) in cases {
        let error = fixture.produce(&bytes).unwrap_err();
        assert_eq!(error.error_code(), code, "{what}: {error}");
    }
    assert_eq!(fixture.log.log_end_offset(), Offset(0));
    fixture.produce(&good).unwrap();
    let trailing = [good.clone(), good[..16].to_vec()].concat();
    fixture.produce(&trailing).unwrap();
    assert_eq!(fixture.log.log_end_offset(), Offset(4));
}

#[test]
fn records_are_judged_one_by_one() {
    let compacted = LogConfig { cleanup_policy: CleanupPolicy::Compact, ..LogConfig::default() };
    for compression in [Compression::None, Compression::Zstd] {
        let mut fixture = Fixture::new(compacted.clone());
        let mut keyless = BatchBuilder::new(0).compression(compression);
        for key in [Some(&b"k"[..]), None, Some(b""), None] {
            keyless.append(NOW.0, key, None, &[]).unwrap();
        }
        let error = fixture.produce(&build(keyless)).unwrap_err();
        let places: Vec<i32> = error.record_errors().iter().map(|error| error.batch_index).collect();
        assert_eq!((error.error_code(), places), (87, vec![1, 3]));

        let mut late = BatchBuilder::new(0).compression(compression);
        for timestamp in [NOW.0 + 3_600_000, NOW.0 + 3_600_001, -1] {
            late.append(timestamp, Some(b"k"), None, &[]).unwrap();
        }
        let error = fixture.produce(&build(late)).unwrap_err();
        assert_eq!(error.error_code(), 32);
        assert!(matches!(error.record_errors(), [one] if one.batch_index == 1
            && matches!(one.reason, RecordErrorReason::TimestampOutOfRange { .. })));
    }
}

#[test]
fn sizes_are_bounded_by_topic_and_segment() {
    let mut fixture = Fixture::new(LogConfig { max_message_bytes: 200, segment_bytes: 150, ..LogConfig::default() });
    assert_eq!(fixture.produce(&batch(&[&[0; 200]])).unwrap_err().error_code(), 10);
    assert_eq!(fixture.produce(&batch(&[&[0; 100]])).unwrap_err().error_code(), 18);
    fixture.produce(&batch(&[&[0; 50]])).unwrap();
}

#[test]
fn log_append_time_replaces_the_batchs_time() {
    let config = LogConfig { message_timestamp_type: TimestampType::LogAppendTime, ..LogConfig::default() };
    let mut fixture = Fixture::new(config);
    let mut old = BatchBuilder::new(0);
    old.append(5, None, None, &[]).unwrap();
    let appended = fixture.produce(&build(old)).unwrap();
    assert_eq!((appended.log_append_time, appended.max_timestamp), (NOW, NOW));
    let stored = stored_headers(&fixture)[0];
    assert_eq!((stored.attributes.timestamp_type(), stored.max_timestamp), (TimestampType::LogAppendTime, NOW.0));
}

#[test]
fn the_largest_timestamp_is_the_records_whatever_the_header_says() {
    let mut fixture = Fixture::new(LogConfig::default());
    let lying = patched(&batch(&[b"a"]), 35, &i64::MAX.to_be_bytes());
    assert_eq!(fixture.produce(&lying).unwrap().max_timestamp, NOW);
    assert_eq!(stored_headers(&fixture)[0].max_timestamp, NOW.0);
}

#[test]
fn the_topics_compression_is_enforced() {
    let value = vec![b'x'; 5000];
    for target in Compression::ALL {
        for source in Compression::ALL {
            let policy = CompressionPolicy::Fixed { codec: target, level: None };
            let mut fixture = Fixture::new(LogConfig { compression: policy, ..LogConfig::default() });
            let producer = ProducerStamp { producer_id: 5, producer_epoch: 2, base_sequence: 9 };
            let produced = build(builder(&[&value, b"2"]).compression(source).producer(producer));
            fixture.produce(&produced).unwrap();
            let stored = stored_headers(&fixture)[0];
            assert_eq!(stored.attributes.compression().unwrap(), target);
            assert_eq!((stored.producer_id, stored.producer_epoch, stored.base_sequence), (5, 2, 9));
            assert_eq!((stored.record_count, stored.last_offset_delta, stored.max_timestamp), (2, 1, NOW.0));
            if source == target {
                assert_eq!(stored.size_in_bytes(), produced.len());
            }
        }
    }
    let mut fixture = Fixture::new(LogConfig::default());
    fixture.produce(&compressed(Compression::Lz4, &[&value])).unwrap();
    assert_eq!(stored_headers(&fixture)[0].attributes.compression().unwrap(), Compression::Lz4);
}

#[test]
fn a_bomb_is_refused_where_it_would_be_stored_uncompressed() {
    let policy = CompressionPolicy::Fixed { codec: Compression::None, level: None };
    let mut fixture = Fixture::new(LogConfig { compression: policy, ..LogConfig::default() });
    let zeros = vec![0; 30_000_000];
    let bomb = compressed(Compression::Zstd, &[&zeros]);
    assert!(bomb.len() < 10_000);
    let error = fixture.produce(&bomb).unwrap_err();
    assert!(matches!(error, AppendError::Batch(BatchError::DecompressedTooLarge(_))), "{error}");
    assert_eq!(error.error_code(), 10);
    let limit = LogConfig { max_decompressed_message_bytes: 1_000_000, ..LogConfig::default() };
    let mut fixture = Fixture::new(limit);
    assert_eq!(fixture.produce(&bomb).unwrap_err().error_code(), 87);
}

#[test]
fn repeated_batches_are_answered_with_the_originals_offsets() {
    let mut fixture = Fixture::new(LogConfig::default());
    for at in 0..6 {
        fixture.produce(&build(idempotent(5, 0, at * 2, &[b"a", b"b"]))).unwrap();
    }
    let end = fixture.log.log_end_offset();
    for reopened in [false, true] {
        let again = fixture.produce(&build(idempotent(5, 0, 10, &[b"a", b"b"]))).unwrap();
        assert_eq!(
            (again.outcome, again.first_offset, again.last_offset),
            (AppendOutcome::Duplicate, Offset(10), Offset(11))
        );
        assert_eq!(fixture.log.log_end_offset(), end);
        if !reopened {
            let forgotten = fixture.produce(&build(idempotent(5, 0, 0, &[b"a", b"b"]))).unwrap_err();
            assert_eq!(forgotten.error_code(), 45);
            fixture.close_and_reopen();
        }
    }
    assert_eq!(fixture.produce(&build(idempotent(5, 0, 13, &[b"gap"]))).unwrap_err().error_code(), 45);
    fixture.produce(&build(idempotent(5, 1, 0, &[b"new epoch"]))).unwrap();
    assert_eq!(fixture.produce(&build(idempotent(5, 0, 12, &[b"old"]))).unwrap_err().error_code(), 47);
    fixture.produce(&build(idempotent(6, 0, 77, &[b"unknown producers start anywhere"]))).unwrap();
}

#[test]
fn a_failed_write_leaves_no_trace() {
    let mut fixture = Fixture::new(LogConfig::default());
    fixture.fill(3);
    fixture.disk.fail_after(Fault::Write, 0);
    let error = fixture.produce(&build(idempotent(5, 0, 0, &[b"lost"]))).unwrap_err();
    assert_eq!(error.error_code(), 56);
    assert!(!fixture.log.is_offline());
    assert!(fixture.log.active_producers().is_empty());
    fixture.produce(&build(idempotent(5, 0, 0, &[b"kept"]))).unwrap();
    let records = fixture.records();
    assert_eq!(records.last().unwrap(), &(3, b"kept".to_vec()));
    assert_eq!(stored_headers(&fixture).len(), 4);
}

#[test]
fn what_cannot_be_cut_back_takes_the_log_offline_but_not_its_readers() {
    let mut fixture = Fixture::new(LogConfig::default());
    fixture.fill(3);
    fixture.disk.fail_after(Fault::Write, 0);
    fixture.disk.fail_after(Fault::SetLen, 0);
    assert!(fixture.produce(&batch(&[b"x"])).is_err());
    assert!(fixture.log.is_offline());
    assert!(matches!(fixture.produce(&batch(&[b"x"])), Err(AppendError::Log(LogError::Offline { .. }))));
    assert_eq!(fixture.records().len(), 3);
}

#[test]
fn a_full_disk_refuses_and_works_again_when_there_is_room() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(20);
    for room in [0, 1, 50, 90] {
        let used = fixture.disk.used();
        fixture.disk.set_capacity(Some(used + room));
        let mut refused = 0;
        while let Err(error) = fixture.produce(&batch(&[b"a value that needs some room, and more"])) {
            assert!(matches!(error, AppendError::Log(LogError::StorageFull { .. })), "{error}");
            assert_eq!(error.error_code(), 56);
            assert_eq!(fixture.records().len(), usize::try_from(fixture.log.log_end_offset().0).unwrap());
            refused += 1;
            if refused == 3 {
                fixture.disk.set_capacity(None);
            }
        }
        fixture.disk.set_capacity(None);
        fixture.fill(5);
    }
    let before = fixture.records();
    fixture.close_and_reopen();
    assert_eq!(fixture.records(), before);
}

#[test]
fn followers_take_offsets_and_epochs_as_given() {
    let mut leader = Fixture::new(LogConfig::default());
    leader.produce(&batch(&[b"a", b"b"])).unwrap();
    leader
        .log
        .append_as_leader(&batch(&[b"c"]), AppendOrigin::Client, LeaderEpoch(4), NOW, &mut leader.scratch)
        .unwrap();
    let bytes = leader.disk.read(&dir().join("00000000000000000000.log")).unwrap();
    let mut follower = Fixture::new(LogConfig::default());
    let mut append =
        |bytes: &[u8], epoch| follower.log.append_as_follower(bytes, LeaderEpoch(epoch), NOW, &mut follower.scratch);
    let older = append(&bytes, 3).unwrap();
    assert_eq!(older.log_end_offset, Offset(2), "a batch of a later epoch is left out");
    let rest = &bytes[older.bytes..];
    assert_eq!(append(&rest[..rest.len() - 1], 4).unwrap().outcome, AppendOutcome::Nothing);
    let mut corrupt = rest.to_vec();
    corrupt[70] ^= 1;
    assert_eq!(append(&corrupt, 4).unwrap_err().error_code(), 2);
    assert_eq!(append(rest, 4).unwrap().last_offset, Offset(2));
    assert!(matches!(append(rest, 4), Err(AppendError::UnexpectedOffset { .. })));
    assert_eq!(follower.disk.read(&dir().join("00000000000000000000.log")).unwrap(), bytes);
    assert_eq!(follower.log.end_offset_for_epoch(LeaderEpoch(0)).unwrap().end_offset, Offset(2));
}

#[test]
fn a_follower_takes_more_than_a_segment_at_once_and_gaps() {
    let mut bytes = Vec::new();
    for base in 0..100 {
        let mut builder = BatchBuilder::new(base * 10).leader_epoch(1);
        builder.append(NOW.0, None, Some(&[1; 40]), &[]).unwrap();
        builder.build_plain(&mut bytes).unwrap();
    }
    let mut fixture = Fixture::new(small_segments());
    let appended = fixture.log.append_as_follower(&bytes, LeaderEpoch(1), NOW, &mut fixture.scratch).unwrap();
    assert_eq!((appended.records, appended.log_end_offset), (100, Offset(991)));
    assert!(fixture.log.segment_count() > 8);
    let slice = fixture.log.read(Offset(5), 1, ReadBound::LogEnd, MinOneBatch::Yes).unwrap();
    let mut read = Vec::new();
    slice.read_into(&mut read).unwrap();
    assert_eq!(BatchHeader::parse(&read).unwrap().base_offset, 10);
}

#[test]
fn a_raft_leaders_batches_must_be_of_its_epoch() {
    let mut fixture = Fixture::new(LogConfig::default());
    let given = |base, epoch| {
        build({
            let mut builder = BatchBuilder::new(base).leader_epoch(epoch);
            builder.append(1, None, Some(b"x"), &[]).unwrap();
            builder
        })
    };
    let mut append = |bytes: &[u8], epoch| {
        fixture.log.append_as_leader(bytes, AppendOrigin::RaftLeader, LeaderEpoch(epoch), NOW, &mut fixture.scratch)
    };
    assert_eq!(append(&given(0, 2), 3).unwrap_err().error_code(), 87);
    append(&[given(0, 3), given(1, 3)].concat(), 3).unwrap();
    assert!(append(&given(1, 3), 3).is_err());
    assert_eq!(append(&given(2, 4), 4).unwrap().last_offset, Offset(2));
}

#[test]
fn compressed_records_with_odd_offsets_are_numbered_anew() {
    let mut fixture = Fixture::new(LogConfig::default());
    let mut builder = BatchBuilder::new(0).compression(Compression::Gzip);
    builder.append_at(0, NOW.0, None, Some(b"a"), &[]).unwrap();
    builder.append_at(5, NOW.0, None, Some(b"b"), &[]).unwrap();
    let odd = patched(&build(builder), 23, &1i32.to_be_bytes());
    fixture.produce(&odd).unwrap();
    let stored = stored_headers(&fixture)[0];
    assert_eq!((stored.last_offset_delta, stored.record_count), (1, 2));
    assert_eq!(stored.attributes.compression().unwrap(), Compression::Gzip);
}

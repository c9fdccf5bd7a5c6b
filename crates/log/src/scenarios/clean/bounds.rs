//! What is cleaned when: how dirty a log is, how young records protect it, what retention adds.

use super::*;

fn shape(cleanable: Cleanable) -> (i64, i64, u64, u64) {
    let Cleanable { first_dirty_offset, first_uncleanable_offset, clean_bytes, cleanable_bytes, .. } = cleanable;
    (first_dirty_offset.0, first_uncleanable_offset.0, clean_bytes, cleanable_bytes)
}

/// Segments 0, 3, 6 and 9 of three records each, 10 s apart; the last is active.
fn aged() -> Fixture {
    let mut fixture = Fixture::compacted();
    for at in 0..12i64 {
        let mut builder = BatchBuilder::new(0);
        builder.append(NOW.0 + at / 3 * 10_000, Some(b"k"), Some(b"v"), &[]).unwrap();
        fixture.put_batch(builder);
    }
    assert_eq!(fixture.index_entries().iter().map(|entry| entry.0).collect::<Vec<_>>(), [0, 3, 6, 9]);
    fixture
}

#[test]
fn a_log_is_as_dirty_as_what_was_added_since_it_was_cleaned() {
    let fixture = aged();
    let segment = fixture.log.size() / 4;
    let cleanable = fixture.log.cleanable(None, at(0));
    assert_eq!(shape(cleanable), (0, 9, 0, 3 * segment));
    assert_eq!((cleanable.dirty_ratio(), cleanable.is_overdue, cleanable.checkpoint_is_off), (1.0, false, false));
    let cleanable = fixture.log.cleanable(Some(Offset(6)), at(0));
    assert_eq!(shape(cleanable), (6, 9, 2 * segment, segment));
    assert!((cleanable.dirty_ratio() - 1.0 / 3.0).abs() < 1e-9);
    // In the middle of a segment: it counts on both sides.
    assert_eq!(shape(fixture.log.cleanable(Some(Offset(7)), at(0))), (7, 9, 3 * segment, segment));
    // In the active one.
    let cleanable = fixture.log.cleanable(Some(Offset(11)), at(0));
    assert_eq!((shape(cleanable).3, cleanable.dirty_ratio()), (0, 0.0));
}

#[test]
fn nothing_is_cleaned_that_is_not_replicated() {
    let fixture = aged();
    fixture.log.set_high_watermark(Offset(5));
    let segment = fixture.log.size() / 4;
    assert_eq!(shape(fixture.log.cleanable(None, at(0))), (0, 3, 0, segment));
    fixture.log.set_high_watermark(Offset(2));
    assert_eq!(fixture.log.cleanable(None, at(0)).total_bytes(), 0);
}

#[test]
fn young_segments_stay_and_old_ones_are_overdue() {
    let fixture = aged();
    let with = |min_lag_ms, max_lag_ms| {
        let compaction = CompactionConfig { min_lag_ms, max_lag_ms, ..compacted().compaction };
        fixture.log.set_config(Arc::new(LogConfig { compaction, ..compacted() }));
    };
    with(5_000, i64::MAX);
    assert_eq!(shape(fixture.log.cleanable(None, at(14_000))).1, 3);
    assert_eq!(shape(fixture.log.cleanable(None, at(15_000))).1, 6);
    assert_eq!(shape(fixture.log.cleanable(None, at(25_000))).1, 9);
    with(0, 5_000);
    assert!(!fixture.log.cleanable(None, at(5_000)).is_overdue);
    assert!(fixture.log.cleanable(None, at(5_001)).is_overdue);
    assert!(!fixture.log.cleanable(Some(Offset(3)), at(15_000)).is_overdue, "what is clean is not overdue");
    assert!(fixture.log.cleanable(Some(Offset(3)), at(15_001)).is_overdue);
}

#[test]
fn a_checkpoint_outside_of_the_log_is_not_believed() {
    let mut fixture = aged();
    for off in [13, 1_000_000] {
        let cleanable = fixture.log.cleanable(Some(Offset(off)), at(0));
        assert_eq!((cleanable.first_dirty_offset, cleanable.checkpoint_is_off), (Offset(0), true));
    }
    fixture.log.increment_log_start_offset(Offset(4)).unwrap();
    let cleanable = fixture.log.cleanable(Some(Offset(3)), at(0));
    assert_eq!((cleanable.first_dirty_offset, cleanable.checkpoint_is_off), (Offset(4), true));
    assert_eq!(fixture.log.cleanable(None, at(0)).first_dirty_offset, Offset(4));
    // Segments below the log's start are cleaned along with the others, as long as they are there.
    assert_eq!(fixture.clean(at(0)), 9);
    assert_eq!(fixture.log.log_start_offset(), Offset(4));
    assert_eq!(fixture.table(4).len(), 1);
}

#[test]
fn retention_takes_segments_of_a_log_that_is_also_to_be_deleted() {
    let mut fixture = Fixture::new(LogConfig {
        cleanup_policy: CleanupPolicy::CompactAndDelete,
        retention_ms: 50_000,
        ..compacted()
    });
    for second in 0..12i64 {
        let mut builder = BatchBuilder::new(0);
        builder.append(NOW.0 + second * 10_000, Some(format!("k{second}").as_bytes()), Some(b"v"), &[]).unwrap();
        fixture.put_batch(builder);
    }
    assert_eq!(fixture.clean(at(0)), 9);
    fixture.log.delete_old_segments(at(75_000)).unwrap().unwrap().run().unwrap();
    assert_eq!(fixture.log.log_start_offset(), Offset(3));
    let cleanable = fixture.log.cleanable(Some(Offset(0)), at(75_000));
    assert_eq!((cleanable.first_dirty_offset, cleanable.checkpoint_is_off), (Offset(3), true));
}

#[test]
fn a_batch_larger_than_the_buffer_is_taken_whole() {
    let mut fixture = Fixture::new(LogConfig { segment_bytes: 100_000, ..compacted() });
    let large = "v".repeat(9000);
    for key in ["a", "b", "a"] {
        fixture.put_all(&[(key, Some(&large)), ("c", Some(&large))]);
    }
    fixture.roll();
    fixture.clean(at(0));
    let kept: Vec<(i64, String)> = fixture.kept().into_iter().map(|(at, key, _)| (at, key)).collect();
    assert_eq!(kept, [(2, "b".into()), (4, "a".into()), (5, "c".into())]);
}

#[test]
fn a_damaged_batch_is_named_and_nothing_changes() {
    let mut fixture = Fixture::new(LogConfig { segment_bytes: 100_000, ..compacted() });
    for value in ["1", "2", "3"] {
        fixture.put("a", value);
    }
    let second = fixture.log.size() / 3;
    fixture.roll();
    let path = dir().join("00000000000000000000.log");
    for (byte, reason) in [(second + 65, "CRC"), (second + 9, "length")] {
        let damaged = fixture.disk.flip_bit(&path, byte, 1);
        assert!(damaged);
        let mut job = fixture.plan(0, LIMITS, at(0));
        let error = finish(&fixture.log, &mut job).unwrap_err().to_string();
        let place = format!("{}: at position {second}: ", path.display());
        assert!(error.starts_with(&place) && error.contains(reason), "{error}");
        fixture.disk.flip_bit(&path, byte, 1);
        assert_eq!(fixture.unfinished(), Vec::<String>::new());
    }
    // Readers are told of the checksum; of a length nobody knows which offsets it concerns.
    assert_eq!(fixture.log.corrupt_offsets(), [(Offset(1), Offset(1))]);
    assert_eq!(fixture.clean(at(0)), 3);
    assert_eq!(fixture.shown(), "0 [2 a=3]\n3\n");
}

#[test]
fn a_log_that_is_no_longer_compacted_keeps_what_compaction_has_left() {
    let mut fixture = Fixture::compacted();
    ["a", "b", "c", "c", "d", "e"].iter().for_each(|key| fixture.put(key, "1"));
    fixture.roll();
    fixture.clean(at(0));
    let (shown, end) = (fixture.shown(), fixture.log.log_end_offset().0);
    assert_eq!(shown, "0 [0 a=1] [1 b=1]\n3 [3 c=1] [4 d=1] [5 e=1]\n6\n");
    fixture.log.set_config(Arc::new(LogConfig { cleanup_policy: CleanupPolicy::Delete, ..compacted() }));
    assert_eq!(fixture.log.sync().unwrap().0, end);
    fixture.disk.kill_process();
    // Every segment has to be gone through.
    for file in fixture.disk.files().iter().filter(|file| file.extension().is_some_and(|kind| kind == "index")) {
        ottla_machine::Disk::remove_file(&fixture.disk, file).unwrap();
    }
    let recovery = fixture.reopen(ShutdownKind::Unclean, end);
    assert_eq!((recovery.truncations, fixture.shown()), (Vec::new(), shown));
}

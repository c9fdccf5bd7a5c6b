//! Starts after an unclean stop.

use ottla_machine::{Disk, DiskFile, LeaderEpoch, Offset, OpenMode};

use super::*;

fn log_file(base: i64) -> std::path::PathBuf {
    dir().join(format!("{base:020}.log"))
}

#[test]
fn what_was_written_is_there_after_the_process_was_killed() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(57);
    fixture.produce(&build(idempotent(5, 0, 0, &[b"a"]))).unwrap();
    let (records, indexes) = (fixture.records(), fixture.index_entries());
    fixture.disk.kill_process();
    let recovery = fixture.reopen(ShutdownKind::Unclean, 0);
    assert_eq!(recovery.segments, fixture.log.segment_count());
    assert_eq!(recovery.truncations, []);
    assert_eq!(fixture.records(), records);
    // Recovery gives the last segment its last time entry, as closing does.
    let offsets = |entries: &[(i64, usize, usize)]| entries.iter().map(|e| (e.0, e.1)).collect::<Vec<_>>();
    assert_eq!(offsets(&fixture.index_entries()), offsets(&indexes));
    let again = fixture.produce(&build(idempotent(5, 0, 0, &[b"a"]))).unwrap();
    assert_eq!(again.outcome, crate::AppendOutcome::Duplicate);
}

#[test]
fn nothing_below_the_recovery_point_is_read() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(50);
    fixture.log.sync().unwrap();
    fixture.fill(3);
    let point = fixture.log.recovery_point();
    assert_eq!(point, Offset(50));
    fixture.disk.kill_process();
    // Damage that a full read would find.
    assert!(fixture.disk.flip_bit(&log_file(0), 70, 0));
    let recovery = fixture.reopen(ShutdownKind::Unclean, point.0);
    assert!(recovery.segments <= 2, "{recovery:?}");
    assert_eq!(fixture.log.log_end_offset(), Offset(53));
}

#[test]
fn a_log_is_cut_at_the_first_batch_that_is_not_whole() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(30);
    fixture.disk.kill_process();
    let segment = fixture.log.segments()[1].base_offset();
    assert!(fixture.disk.flip_bit(&log_file(segment), 250, 3));
    let recovery = fixture.reopen(ShutdownKind::Unclean, 0);
    let cut = &recovery.truncations[0];
    assert_eq!((cut.file.as_path(), cut.position), (log_file(segment).as_path(), 202));
    assert!(cut.reason.contains("CRC"), "{}", cut.reason);
    assert_eq!(fixture.log.segment_count(), 2, "what lies behind is gone");
    assert_eq!(fixture.log.log_end_offset(), Offset(segment + 2));
    let names = fixture.disk.list(dir()).unwrap();
    assert!(!names.iter().any(|name| name.to_str().unwrap().ends_with(".deleted")));
    fixture.fill(5);
    assert_eq!(fixture.records().len(), usize::try_from(segment).unwrap() + 7);
}

#[test]
fn half_a_batch_at_the_end_is_cut_off() {
    for kept in [1, 16, 17, 60, 61, 100] {
        let mut fixture = Fixture::new(LogConfig::default());
        fixture.fill(3);
        fixture.disk.kill_process();
        let file = fixture.disk.open(&log_file(0), OpenMode::ReadWrite).unwrap();
        let batch = file.len().unwrap() / 3;
        file.set_len(batch * 2 + kept).unwrap();
        let recovery = fixture.reopen(ShutdownKind::Unclean, 0);
        assert_eq!((recovery.truncations[0].position, recovery.truncations[0].bytes), (batch * 2, kept));
        assert_eq!(fixture.log.log_end_offset(), Offset(2));
    }
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    let mut fixture = Fixture::new(LogConfig::default());
    fixture.fill(2);
    fixture.disk.kill_process();
    let file = fixture.disk.open(&log_file(0), OpenMode::ReadWrite).unwrap();
    let batch = file.len().unwrap() / 2;
    file.write_at(batch + 8, &[&i32::MAX.to_be_bytes()]).unwrap();
    let recovery = fixture.reopen(ShutdownKind::Unclean, 0);
    assert_eq!(recovery.truncations[0].position, batch);
}

#[test]
fn a_missing_index_is_made_anew_even_after_a_clean_stop() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(40);
    fixture.produce(&build(idempotent(5, 0, 0, &[b"a"]))).unwrap();
    fixture.log.close().unwrap();
    let indexes = fixture.index_entries();
    fixture.disk.kill_process();
    let gone = fixture.log.segments()[1].base_offset();
    fixture.disk.remove_file(&dir().join(format!("{gone:020}.index"))).unwrap();
    let recovery = fixture.reopen(ShutdownKind::Clean, 41);
    assert_eq!(recovery.segments, 1);
    assert_eq!(fixture.index_entries(), indexes);
    assert_eq!(fixture.log.active_producers().len(), 1);
    assert_eq!(fixture.records().len(), 41);
}

#[test]
fn epochs_are_told_by_the_batches() {
    let mut fixture = Fixture::new(LogConfig::default());
    for epoch in [1, 1, 4, 6] {
        let bytes = batch(&[b"x"]);
        let epoch = LeaderEpoch(epoch);
        fixture.log.append_as_leader(&bytes, AppendOrigin::Client, epoch, NOW, &mut fixture.scratch).unwrap();
    }
    fixture.disk.kill_process();
    fixture.disk.remove_file(&dir().join("leader-epoch-checkpoint")).unwrap();
    fixture.reopen(ShutdownKind::Unclean, 0);
    for reopened in [false, true] {
        assert_eq!(fixture.log.end_offset_for_epoch(LeaderEpoch(1)).unwrap().end_offset, Offset(2));
        assert_eq!(fixture.log.end_offset_for_epoch(LeaderEpoch(5)).unwrap().end_offset, Offset(3));
        assert_eq!(fixture.log.latest_epoch().unwrap().epoch, LeaderEpoch(6));
        if !reopened {
            fixture.log.close().unwrap();
            fixture.disk.kill_process();
            fixture.disk.write_atomically(&dir().join("leader-epoch-checkpoint"), b"damaged").unwrap();
            fixture.reopen(ShutdownKind::Clean, 4);
        }
    }
}

#[test]
fn a_torn_producer_snapshot_is_passed_over() {
    let mut fixture = Fixture::new(small_segments());
    for at in 0..60 {
        fixture.produce(&build(idempotent(5, 0, at, &[&[1; 30]]))).unwrap();
    }
    fixture.disk.kill_process();
    let newest = fixture.log.segments().last().unwrap().base_offset();
    assert!(fixture.disk.flip_bit(&dir().join(format!("{newest:020}.snapshot")), 30, 1));
    fixture.reopen(ShutdownKind::Unclean, newest);
    let producers = fixture.log.active_producers();
    assert_eq!((producers.len(), producers[0].last_sequence), (1, 59));
    fixture.produce(&build(idempotent(5, 0, 60, &[b"next"]))).unwrap();
}

#[test]
fn interrupted_deletions_and_compactions_are_finished() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(40);
    fixture.log.close().unwrap();
    fixture.disk.kill_process();
    let records = fixture.records_before();
    let bases: Vec<i64> = fixture.log.segments().iter().map(|segment| segment.base_offset()).collect();
    let put = |name: String, content: &[u8]| fixture.disk.write_atomically(&dir().join(name), content).unwrap();
    put("00000000000000000000.log.deleted".into(), b"x");
    put("00000000000000000099.log.cleaned".into(), b"x");
    put("00000000000000000099.index".into(), b"an index without its log");
    // A finished compaction of the first two segments, interrupted before their files went.
    let mut compacted = Vec::new();
    for base in &bases[..2] {
        compacted.extend(fixture.disk.read(&log_file(*base)).unwrap());
    }
    put("00000000000000000000.log.swap".into(), &compacted);
    put("00000000000000000000.index.swap".into(), b"");
    let recovery = fixture.reopen(ShutdownKind::Clean, 40);
    assert_eq!(recovery.segments, 0);
    let after: Vec<i64> = fixture.log.segments().iter().map(|segment| segment.base_offset()).collect();
    assert_eq!(after, [&bases[..1], &bases[2..]].concat());
    assert_eq!(fixture.records(), records);
    let names = fixture.disk.list(dir()).unwrap();
    assert!(!names.iter().any(|name| name.to_str().unwrap().matches('.').count() > 1), "{names:?}");
}

#[test]
fn a_folder_of_another_topic_is_refused() {
    let mut fixture = Fixture::new(LogConfig::default());
    fixture.fill(1);
    fixture.disk.kill_process();
    let options = OpenOptions {
        shutdown: ShutdownKind::Unclean,
        recovery_point: Offset(0),
        log_start_offset: Offset(0),
        topic_id: Some(TopicId([8; 16])),
        config: fixture.log.config(),
        now: NOW,
    };
    let error = Log::open(fixture.disk.clone(), dir(), options).err().unwrap();
    assert_eq!(error.error_code(), 103);
}

#[test]
fn a_start_offset_beyond_the_end_empties_the_log() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(10);
    fixture.disk.kill_process();
    let options = OpenOptions {
        shutdown: ShutdownKind::Unclean,
        recovery_point: Offset(0),
        log_start_offset: Offset(100),
        topic_id: None,
        config: fixture.log.config(),
        now: NOW,
    };
    let (log, _) = Log::open(fixture.disk.clone(), dir(), options).unwrap();
    let offsets = log.offsets();
    assert_eq!((offsets.log_start_offset, offsets.log_end_offset), (Offset(100), Offset(100)));
    fixture.log = log;
    assert_eq!(fixture.produce(&batch(&[b"x"])).unwrap().first_offset, Offset(100));
}

impl Fixture {
    /// The records of a log that was closed.
    fn records_before(&mut self) -> Vec<(i64, Vec<u8>)> {
        self.reopen(ShutdownKind::Clean, 0);
        self.records()
    }
}

#[test]
fn an_index_that_leads_astray_is_made_anew() {
    let mut fixture = Fixture::new(LogConfig { index_interval_bytes: 150, ..LogConfig::default() });
    fixture.fill(40);
    fixture.produce(&build(idempotent(5, 0, 0, &[b"a"]))).unwrap();
    fixture.log.close().unwrap();
    let indexes = fixture.index_entries();
    let index = dir().join("00000000000000000000.index");
    let length = fixture.disk.file_len(&index).unwrap();
    for (entry, bytes) in
        [(length - 8, [0, 0, 0, 39, 0, 0, 15, 1]), (length, [0, 0, 0, 90, 0, 1, 0, 0]), (length, [0; 8])]
    {
        fixture.disk.kill_process();
        let file = fixture.disk.open(&index, OpenMode::ReadWrite).unwrap();
        file.set_len(length).unwrap();
        file.write_at(entry, &[&bytes]).unwrap();
        let recovery = fixture.reopen(ShutdownKind::Clean, 41);
        assert!(recovery.truncations.is_empty());
        assert_eq!(fixture.log.log_end_offset(), Offset(41));
        assert_eq!(fixture.records().len(), 41);
        assert_eq!(fixture.log.active_producers().len(), 1);
        fixture.log.close().unwrap();
        assert_eq!(fixture.index_entries().len(), indexes.len());
    }
}

#[test]
fn a_segment_above_a_lost_end_is_removed_unless_compaction_explains_the_gap() {
    for compacted in [false, true] {
        let policy = if compacted { crate::CleanupPolicy::Compact } else { crate::CleanupPolicy::Delete };
        let mut fixture = Fixture::new(LogConfig { cleanup_policy: policy, ..small_segments() });
        fixture.fill(30);
        fixture.disk.kill_process();
        let second = fixture.log.segments()[1].base_offset();
        let file = fixture.disk.open(&log_file(0), OpenMode::ReadWrite).unwrap();
        file.set_len(101).unwrap();
        let recovery = fixture.reopen(ShutdownKind::Unclean, 0);
        let expected = if compacted { 30 } else { 1 };
        assert_eq!(fixture.log.log_end_offset(), Offset(expected));
        assert_eq!(recovery.truncations.is_empty(), compacted);
        let records = fixture.records().len();
        assert_eq!(records as i64, if compacted { 30 - second + 1 } else { 1 });
    }
}

#[test]
fn the_segment_before_the_recovery_point_is_recovered_if_its_end_is_not_right() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(9);
    fixture.log.sync().unwrap();
    assert_eq!(fixture.log.roll(NOW).unwrap(), Offset(9));
    fixture.fill(1);
    fixture.disk.kill_process();
    let sound = fixture.reopen(ShutdownKind::Unclean, 9);
    assert_eq!(sound.segments, 1);
    fixture.disk.kill_process();
    let file = fixture.disk.open(&log_file(0), OpenMode::ReadWrite).unwrap();
    file.write_at(file.len().unwrap(), &[b"half of a failed append"]).unwrap();
    let recovery = fixture.reopen(ShutdownKind::Unclean, 9);
    assert_eq!((recovery.segments, recovery.truncations.len(), recovery.truncations[0].bytes), (2, 1, 23));
    assert_eq!(fixture.log.log_end_offset(), Offset(10), "the next segment follows without a gap: nothing was lost");
}

//! Rolling, closing and deleting, and what lies on disk then.

use ottla_machine::{Disk, Fault, LeaderEpoch, Offset, PartitionIndex, Timestamp};

use super::*;
use crate::directory::{LogDirectory, TopicPartition};
use crate::segment::SyncDepth;

#[test]
fn segments_roll_by_size_time_and_index() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(30);
    for segment in fixture.log.segments().iter() {
        assert!(segment.size() <= 1000);
    }
    let mut fixture = Fixture::new(LogConfig { segment_ms: 1000, ..LogConfig::default() });
    let mut at = |millis: i64| {
        let mut builder = BatchBuilder::new(0);
        builder.append(NOW.0 + millis, None, None, &[]).unwrap();
        fixture.produce(&build(builder)).unwrap();
        fixture.log.segment_count()
    };
    assert_eq!([at(0), at(1000), at(1001), at(2001), at(2002)], [1, 1, 2, 2, 3]);
    let config = LogConfig { segment_index_bytes: 10 * 8, index_interval_bytes: 1, ..LogConfig::default() };
    let mut fixture = Fixture::new(config);
    fixture.fill(23);
    assert_eq!(fixture.log.segment_count(), 3, "ten entries and the first batch, which has none");
}

#[test]
fn room_is_reserved_for_a_whole_segment() {
    let mut fixture = Fixture::new(LogConfig { preallocate: true, ..small_segments() });
    fixture.disk.set_capacity(Some(900));
    assert!(fixture.produce(&batch(&[b"x"])).is_err(), "there is no room for a segment");
    fixture.disk.set_capacity(Some(2000));
    fixture.fill(1);
    let path = dir().join(format!("{:020}.log", 0));
    assert!(fixture.disk.file_len(&path).unwrap() < 200, "the file is as long as what is in it");
}

#[test]
fn jitter_makes_segments_roll_sooner_and_not_all_at_once() {
    let ends: std::collections::BTreeSet<i64> = (0..50)
        .map(|base| {
            let config = LogConfig { segment_ms: 1000, segment_jitter_ms: 500, ..LogConfig::default() };
            let mut fixture = Fixture::new(config);
            let mut follow = |offset: i64, millis: i64| {
                let mut builder = BatchBuilder::new(offset);
                builder.append(NOW.0 + millis, None, None, &[]).unwrap();
                let bytes = build(builder);
                fixture.log.append_as_follower(&bytes, LeaderEpoch(0), NOW, &mut fixture.scratch).unwrap();
                fixture.log.segment_count()
            };
            follow(base * 1000, 0);
            (1..).find(|millis| follow(base * 1000 + millis, *millis) > 1).unwrap()
        })
        .collect();
    assert!(ends.iter().all(|end| (501..=1001).contains(end)), "{ends:?}");
    assert!(ends.len() > 10, "{ends:?}");
}

#[test]
fn offsets_that_do_not_fit_begin_a_segment() {
    let mut fixture = Fixture::new(LogConfig::default());
    for base in [0, i64::from(i32::MAX), i64::from(i32::MAX) + 1, 1 << 40] {
        let mut builder = BatchBuilder::new(base);
        builder.append(1, None, None, &[]).unwrap();
        let bytes = build(builder);
        fixture.log.append_as_follower(&bytes, LeaderEpoch(0), NOW, &mut fixture.scratch).unwrap();
    }
    let bases: Vec<i64> = fixture.log.segments().iter().map(|segment| segment.base_offset()).collect();
    assert_eq!(bases, [0, i64::from(i32::MAX) + 1, 1 << 40]);
}

#[test]
fn a_closed_log_is_one_that_kafka_opens() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(15);
    fixture.produce(&build(idempotent(5, 0, 0, &[b"x"]))).unwrap();
    let point = fixture.log.close().unwrap();
    assert_eq!(point, Offset(16));
    assert!(fixture.produce(&batch(&[b"x"])).is_err(), "a closed log takes nothing");
    for segment in fixture.log.segments().iter() {
        for kind in ["log", "index", "timeindex"] {
            let path = dir().join(format!("{:020}.{kind}", segment.base_offset()));
            let length = fixture.disk.file_len(&path).unwrap();
            match kind {
                "index" => assert_eq!(length % 8, 0),
                "timeindex" => assert!(length > 0 && length.is_multiple_of(12), "the last time is noted"),
                _ => {}
            }
        }
    }
    assert!(fixture.disk.exists(&dir().join("00000000000000000016.snapshot")).unwrap());
    // A crash right after loses nothing: all of it is synced, and so are the names.
    fixture.disk.crash(&mut ottla_machine::Seed(1));
    let recovery = fixture.reopen(ShutdownKind::Clean, 16);
    assert_eq!(recovery, Recovery::default());
    assert_eq!(fixture.records().len(), 16);
}

#[test]
fn an_idle_restart_writes_nothing() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(15);
    fixture.close_and_reopen();
    let (writes, syncs) = (fixture.disk.write_count(), fixture.disk.sync_count());
    fixture.close_and_reopen();
    assert_eq!((fixture.disk.write_count(), fixture.disk.sync_count()), (writes, syncs));
}

#[test]
fn a_log_without_records_opens_no_file_but_its_metadata() {
    let mut fixture = Fixture::new(LogConfig::default());
    // As Kafka leaves a partition that never had a record.
    fixture.disk.create_dir_all(dir()).unwrap();
    fixture
        .disk
        .write_atomically(&dir().join("partition.metadata"), format!("version: 0\ntopic_id: {TOPIC_ID}").as_bytes())
        .unwrap();
    for kind in ["log", "index", "timeindex"] {
        fixture.disk.write_atomically(&dir().join(format!("{:020}.{kind}", 0)), b"").unwrap();
    }
    fixture.reopen(ShutdownKind::Clean, 0);
    assert!(fixture.log.segments().iter().all(|segment| !segment.has_open_files()));
    fixture.fill(2);
    assert_eq!(fixture.records().len(), 2);
    assert_eq!(fixture.log.segment_count(), 1);
    assert!(std::mem::size_of::<crate::log::Inner<ottla_machine::MemDisk>>() < 1000);
}

#[test]
fn a_failed_sync_takes_the_log_offline() {
    let mut fixture = Fixture::new(LogConfig::default());
    fixture.fill(2);
    fixture.disk.fail_after(Fault::Sync, 0);
    assert!(fixture.log.sync().is_err());
    assert!(fixture.log.is_offline());
    assert!(fixture.produce(&batch(&[b"x"])).is_err());
    assert_eq!(fixture.log.recovery_point(), Offset(0));
}

#[test]
fn a_sync_covers_what_was_there_when_it_was_planned() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(20);
    let job = fixture.log.plan_sync(SyncDepth::Batches).unwrap().unwrap();
    let done = job.run();
    fixture.fill(3);
    fixture.log.apply_sync(job, done).unwrap();
    assert_eq!(fixture.log.recovery_point(), Offset(20));
    assert_eq!(fixture.log.sync().unwrap(), Offset(23));
    assert!(fixture.log.plan_sync(SyncDepth::Batches).unwrap().is_none());
    // Everything up to there survives the worst.
    for seed in 0..10 {
        fixture.disk.crash(&mut ottla_machine::Seed(seed));
        fixture.reopen(ShutdownKind::Unclean, 23);
        assert_eq!(fixture.log.log_end_offset(), Offset(23));
    }
}

#[test]
fn a_deleted_log_is_gone_in_one_step() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(20);
    let directory = LogDirectory::open(fixture.disk.clone(), dir().parent().unwrap()).unwrap();
    let partition = TopicPartition { topic: "t".into(), partition: PartitionIndex(0) };
    let slice = fixture.log.read(Offset(0), 1000, ReadBound::LogEnd, MinOneBatch::Yes).unwrap();
    let folder = fixture.log.delete(&directory, &partition, &"a".repeat(32)).unwrap().unwrap();
    assert!(!fixture.disk.exists(dir()).unwrap());
    assert!(fixture.produce(&batch(&[b"x"])).is_err());
    directory.remove(&folder).unwrap();
    assert!(directory.list().unwrap().is_empty());
    assert_eq!(slice.read_into(&mut Vec::new()).unwrap(), slice.length);
    let empty = Fixture::new(LogConfig::default());
    assert_eq!(empty.log.delete(&directory, &partition, &"b".repeat(32)).unwrap(), None);
}

#[test]
fn idle_producers_are_forgotten_in_time() {
    let mut fixture = Fixture::new(LogConfig::default());
    fixture.produce(&build(idempotent(5, 0, 0, &[b"x"]))).unwrap();
    fixture.log.remove_expired_producers(Timestamp(NOW.0 + 86_399_999));
    assert_eq!(fixture.log.active_producers().len(), 1);
    fixture.log.remove_expired_producers(Timestamp(NOW.0 + 86_400_000));
    assert!(fixture.log.active_producers().is_empty());
}

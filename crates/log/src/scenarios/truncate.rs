//! Cutting a log at either end.

use ottla_machine::{Disk, LeaderEpoch, Offset};

use super::*;

#[test]
fn a_truncated_log_is_as_if_the_rest_had_never_been() {
    for target in [0, 1, 7, 10, 23, 59, 60] {
        let mut fixture = Fixture::new(small_segments());
        let mut shorter = Fixture::new(small_segments());
        for at in 0..60 {
            let bytes = build(idempotent(at % 3, 0, i32::try_from(at / 3).unwrap(), &[&[1; 30]]));
            fixture.produce(&bytes).unwrap();
            if at < target {
                shorter.produce(&bytes).unwrap();
            }
        }
        fixture.log.sync().unwrap();
        fixture.log.truncate_to(Offset(target), NOW).unwrap();
        assert_eq!(fixture.records(), shorter.records());
        assert_eq!(fixture.log.log_end_offset(), Offset(target));
        assert!(fixture.log.recovery_point() <= Offset(target));
        let sequences = |f: &Fixture| f.log.active_producers().iter().map(|p| p.last_sequence).collect::<Vec<_>>();
        assert_eq!(sequences(&fixture), sequences(&shorter), "{target}");
        fixture.fill(30);
        fixture.close_and_reopen();
        assert_eq!(fixture.records().len(), usize::try_from(target).unwrap() + 30);
    }
}

#[test]
fn a_batch_that_holds_the_offset_goes_whole() {
    let mut fixture = Fixture::new(LogConfig::default());
    fixture.produce(&batch(&[b"a", b"b", b"c"])).unwrap();
    fixture.produce(&batch(&[b"d", b"e", b"f"])).unwrap();
    fixture.log.truncate_to(Offset(4), NOW).unwrap();
    assert_eq!(fixture.log.log_end_offset(), Offset(3));
    assert_eq!(fixture.produce(&batch(&[b"g"])).unwrap().first_offset, Offset(3));
}

#[test]
fn epochs_and_watermark_follow() {
    let mut fixture = Fixture::new(LogConfig::default());
    for epoch in 0..5 {
        let epoch = LeaderEpoch(epoch);
        let bytes = batch(&[b"x", b"y"]);
        fixture.log.append_as_leader(&bytes, AppendOrigin::Client, epoch, NOW, &mut fixture.scratch).unwrap();
    }
    fixture.log.set_high_watermark(Offset(9));
    fixture.log.truncate_to(Offset(4), NOW).unwrap();
    assert_eq!(fixture.log.high_watermark(), Offset(4));
    assert_eq!(fixture.log.latest_epoch().unwrap().epoch, LeaderEpoch(1));
    assert_eq!(fixture.disk.read(&dir().join("leader-epoch-checkpoint")).unwrap(), b"0\n2\n0 0\n1 2\n");
}

#[test]
fn a_log_can_start_over_anywhere() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(30);
    fixture.log.truncate_fully_and_start_at(Offset(1000), None).unwrap();
    let offsets = fixture.log.offsets();
    assert_eq!(
        (offsets.log_start_offset, offsets.high_watermark, offsets.log_end_offset),
        (Offset(1000), Offset(1000), Offset(1000))
    );
    assert!(fixture.disk.exists(&dir().join("00000000000000001000.log")).unwrap());
    fixture.close_and_reopen();
    assert_eq!(fixture.log.log_end_offset(), Offset(1000));
    fixture.fill(1);
    assert_eq!(fixture.records()[0].0, 1000);
}

#[test]
fn deleted_records_take_whole_segments_with_them() {
    let mut fixture = Fixture::new(small_segments());
    for at in 0..60 {
        fixture.produce(&build(idempotent(5, 0, at, &[&[1; 30]]))).unwrap();
    }
    assert!(fixture.log.increment_log_start_offset(Offset(1)).is_err(), "not above the high watermark");
    fixture.log.set_high_watermark(Offset(60));
    assert!(fixture.log.increment_log_start_offset(Offset(33)).unwrap());
    assert!(!fixture.log.increment_log_start_offset(Offset(20)).unwrap());
    assert_eq!(fixture.records()[0].0, 33);
    let before = fixture.log.segment_count();
    let job = fixture.log.delete_old_segments(NOW).unwrap().unwrap();
    assert!(job.bytes() > 0);
    let job = job.run().unwrap();
    assert!(fixture.disk.list(dir()).unwrap().iter().any(|name| name.to_str().unwrap().ends_with(".deleted")));
    job.run().unwrap();
    assert!(fixture.log.segment_count() < before);
    assert!(fixture.log.segments()[0].base_offset() <= 33);
    assert!(fixture.log.delete_old_segments(NOW).unwrap().is_none());
    let first = format!("{:020}", fixture.log.segments()[0].base_offset());
    for name in fixture.disk.list(dir()).unwrap() {
        let name = name.to_str().unwrap().to_owned();
        assert!(!name.starts_with('0') || name >= first, "{name} is left");
    }
    assert_eq!(fixture.produce(&build(idempotent(5, 0, 60, &[b"next"]))).unwrap().first_offset, Offset(60));
}

#[test]
fn retention_takes_what_is_old_or_too_much_but_nothing_unreplicated() {
    let mut fixture = Fixture::new(LogConfig { retention_ms: 1000, ..small_segments() });
    fixture.fill(60);
    let later = ottla_machine::Timestamp(NOW.0 + 2000);
    assert!(fixture.log.delete_old_segments(later).unwrap().is_none(), "nothing is replicated yet");
    fixture.log.set_high_watermark(Offset(30));
    fixture.log.delete_old_segments(later).unwrap().unwrap().run().unwrap();
    assert!((21..=30).contains(&fixture.log.log_start_offset().0));
    fixture.log.set_high_watermark(Offset(60));
    assert!(fixture.log.delete_old_segments(NOW).unwrap().is_none());
    fixture.log.delete_old_segments(later).unwrap().unwrap().run().unwrap();
    assert_eq!(fixture.log.offsets().log_start_offset, Offset(60), "even the active segment goes");
    fixture.fill(1);
    assert_eq!(fixture.records()[0].0, 60);

    let mut fixture = Fixture::new(LogConfig { retention_bytes: 2500, ..small_segments() });
    fixture.fill(60);
    fixture.log.set_high_watermark(Offset(60));
    fixture.log.delete_old_segments(NOW).unwrap().unwrap().run().unwrap();
    assert!((2500..3500).contains(&fixture.log.size()), "{}", fixture.log.size());
}

//! Aborted data goes at once; a marker stays while anything of its transaction does, and then until its horizon.

use ControlRecordType::{Abort, Commit};

use super::*;

/// Segments large enough for what each test writes.
fn roomy() -> Fixture {
    Fixture::new(LogConfig { segment_bytes: 100_000, ..compacted() })
}

/// Another record and a new segment, so that the last one below the high watermark is not in what is cleaned.
fn push_on(fixture: &mut Fixture) {
    fixture.roll();
    fixture.put("z", "z");
}

fn forget_producers(fixture: &Fixture) {
    fixture
        .log
        .set_config(Arc::new(LogConfig { producer_id_expiration_ms: 0, ..LogConfig::clone(&fixture.log.config()) }));
    fixture.log.remove_expired_producers(at(0));
}

#[test]
fn aborted_records_go_and_their_marker_follows_after_its_horizon() {
    let mut fixture = roomy();
    fixture.put("a", "1");
    fixture.put_by(5, true, &[("a", Some("2")), ("b", Some("2"))]);
    fixture.end_of(5, Abort);
    push_on(&mut fixture);
    forget_producers(&fixture);
    fixture.clean(at(0));
    // The data is gone; the marker was met together with it, and is listed in the index.
    assert_eq!(fixture.shown(), "0 [0 a=1] [3 abort 5]\n4 [4 z=z]\n");
    assert_eq!(aborted(&fixture), [(5, 1)]);
    fixture.clean(at(10));
    // Now nothing of its transaction was met: the horizon begins.
    assert_eq!(fixture.shown(), "0 [0 a=1] [3 abort 5 until 1010]\n4 [4 z=z]\n");
    assert_eq!(aborted(&fixture), []);
    fixture.clean(at(1009));
    assert_eq!(fixture.shown(), "0 [0 a=1] [3 abort 5 until 1010]\n4 [4 z=z]\n");
    fixture.clean(at(1010));
    assert_eq!(fixture.shown(), "0 [0 a=1]\n4 [4 z=z]\n");
}

#[test]
fn a_commit_stays_as_long_as_its_records() {
    let mut fixture = roomy();
    fixture.put_by(5, true, &[("a", Some("1"))]);
    fixture.end_of(5, Commit);
    fixture.put("b", "1");
    push_on(&mut fixture);
    forget_producers(&fixture);
    fixture.clean(at(0));
    assert_eq!(fixture.shown(), "0 [0 a=1] [1 commit 5] [2 b=1]\n3 [3 z=z]\n");
    fixture.put("a", "2");
    push_on(&mut fixture);
    fixture.clean(at(0));
    assert_eq!(fixture.shown(), "0 [1 commit 5] [2 b=1] [3 z=z] [4 a=2]\n5 [5 z=z]\n");
    fixture.clean(at(0));
    assert_eq!(fixture.shown(), "0 [1 commit 5 until 1000] [2 b=1] [3 z=z] [4 a=2]\n5 [5 z=z]\n");
    fixture.clean(at(1000));
    assert_eq!(fixture.shown(), "0 [2 b=1] [3 z=z] [4 a=2]\n5 [5 z=z]\n");
}

#[test]
fn an_aborted_record_does_not_take_the_committed_one_before_it() {
    let mut fixture = roomy();
    fixture.put("a", "1");
    fixture.put("b", "1");
    fixture.put_by(5, true, &[("a", None)]);
    fixture.end_of(5, Abort);
    fixture.put_by(5, true, &[("b", Some("2"))]);
    fixture.end_of(5, Commit);
    let table = fixture.table(0);
    assert_eq!(table, BTreeMap::from([("a".into(), "1".into()), ("b".into(), "2".into())]));
    push_on(&mut fixture);
    forget_producers(&fixture);
    for ms in [0, 1, 1001, 1002] {
        fixture.clean(at(ms));
        let mut now = fixture.table(0);
        now.remove("z");
        assert_eq!(now, table);
    }
    assert_eq!(fixture.shown(), "0 [0 a=1] [4 b=2] [5 commit 5]\n6 [6 z=z]\n");
}

#[test]
fn a_transaction_may_reach_over_segments() {
    let mut fixture = roomy();
    fixture.put_by(5, true, &[("a", Some("1"))]);
    fixture.put_by(6, true, &[("b", Some("1"))]);
    fixture.roll();
    fixture.put_by(5, true, &[("c", Some("1"))]);
    fixture.end_of(6, Commit);
    fixture.roll();
    fixture.end_of(5, Abort);
    push_on(&mut fixture);
    forget_producers(&fixture);
    // Each segment stays for itself.
    fixture.log.set_config(Arc::new(LogConfig { segment_bytes: 1, ..LogConfig::clone(&fixture.log.config()) }));
    fixture.clean(at(0));
    assert_eq!(fixture.shown(), "0 [1 b=1]\n2 [3 commit 6]\n4 [4 abort 5]\n5 [5 z=z]\n");
    assert_eq!(aborted(&fixture), [(5, 0)]);
    for shutdown in [ShutdownKind::Clean, ShutdownKind::Unclean] {
        fixture.log.close().unwrap();
        fixture.disk.kill_process();
        fixture.reopen(shutdown, 0);
        fixture.log.raise_high_watermark_to_end();
        assert_eq!(fixture.table(0).keys().collect::<Vec<_>>(), ["b", "z"]);
    }
}

#[test]
fn an_open_transaction_bounds_the_cleaning() {
    let mut fixture = roomy();
    fixture.put("a", "1");
    fixture.put("a", "2");
    fixture.roll();
    fixture.put_by(5, true, &[("a", Some("3"))]);
    fixture.roll();
    fixture.put("a", "4");
    push_on(&mut fixture);
    assert_eq!(fixture.clean(at(0)), 2);
    assert_eq!(fixture.shown(), "0 [1 a=2]\n2 [2 a=3]\n3 [3 a=4]\n4 [4 z=z]\n");
    fixture.end_of(5, Abort);
    assert_eq!(fixture.clean_from(2, at(0)), 4);
    assert_eq!(fixture.shown(), "0 [..2 of 5] [3 a=4]\n4 [4 z=z] [5 abort 5]\n");
    assert_eq!(fixture.table(0).get("a").unwrap(), "4");
}

#[test]
fn the_marker_of_an_active_producer_is_emptied_and_what_it_said_is_not_asked_again() {
    let mut fixture = roomy();
    fixture.put_by(5, true, &[("a", Some("1"))]);
    // A new epoch, which has written nothing: KIP-890 ends transactions so.
    let stamp = ProducerStamp { producer_id: 5, producer_epoch: 1, base_sequence: -1 };
    let mut marker = BatchBuilder::new(0).producer(stamp).transactional().control();
    marker.append_control(NOW.0, Abort, &EndTransactionMarker { coordinator_epoch: 0 }.value()).unwrap();
    let origin = AppendOrigin::TransactionMarker { transaction_version: 2 };
    fixture.log.append_as_leader(&build(marker), origin, LeaderEpoch(0), NOW, &mut fixture.scratch).unwrap();
    fixture.log.raise_high_watermark_to_end();
    push_on(&mut fixture);
    fixture.clean(at(0));
    assert_eq!(fixture.shown(), "0 [1 abort 5]\n2 [2 z=z]\n");
    fixture.clean(at(1));
    assert_eq!(fixture.shown(), "0 [1 abort 5 until 1001]\n2 [2 z=z]\n");
    fixture.clean(at(1001));
    assert_eq!(fixture.shown(), "0 [..1 of 5]\n2 [2 z=z]\n");
    // A follower takes such a batch as well.
    let mut bytes = Vec::new();
    fixture.log.read(Offset(0), 1000, ReadBound::LogEnd, MinOneBatch::Yes).unwrap().read_into(&mut bytes).unwrap();
    let mut follower = roomy();
    let appended = follower.log.append_as_follower(&bytes, LeaderEpoch(0), NOW, &mut follower.scratch).unwrap();
    assert_eq!((appended.first_offset, appended.last_offset), (Offset(1), Offset(1)));
    fixture.disk.kill_process();
    for file in fixture.disk.files().iter().filter(|file| file.extension().is_some_and(|kind| kind == "snapshot")) {
        ottla_machine::Disk::remove_file(&fixture.disk, file).unwrap();
    }
    fixture.reopen(ShutdownKind::Unclean, 0);
    fixture.log.raise_high_watermark_to_end();
    assert_eq!(fixture.log.last_stable_offset(), Offset(3));
    fixture.clean(at(1002));
    assert_eq!(fixture.shown(), "0\n2 [2 z=z]\n");
}

fn aborted(fixture: &Fixture) -> Vec<(i64, i64)> {
    let slice = fixture.log.read(Offset(0), 1 << 20, ReadBound::LastStableOffset, MinOneBatch::Yes).unwrap();
    let found = slice.aborted_transactions.unwrap();
    found.iter().map(|aborted| (aborted.producer_id.0, aborted.first_offset.0)).collect()
}

//! The process dies at each step of a swap, and the machine loses what was not durable: the next start completes the swap, or
//! takes it back, and nobody can tell from the records.

use ottla_machine::{Disk, Fault, Seed};

use super::*;

/// Three segments that become one, with transactions and producers in them.
fn filled() -> Fixture {
    let mut fixture = Fixture::new(LogConfig { segment_bytes: 600, ..compacted() });
    for round in 0..3 {
        for key in ["a", "b", "c"] {
            fixture.put(key, &round.to_string());
        }
        fixture.put_by(5, true, &[("a", Some("aborted"))]);
        fixture.end_of(5, ControlRecordType::Abort);
        fixture.put_by(6, true, &[("d", Some(&round.to_string()))]);
        fixture.end_of(6, ControlRecordType::Commit);
        fixture.roll();
    }
    fixture.log.sync().unwrap();
    fixture
}

fn reopen(fixture: &mut Fixture, shutdown: ShutdownKind, point: i64) -> Recovery {
    let recovery = fixture.reopen(shutdown, point);
    fixture.log.raise_high_watermark_to_end();
    recovery
}

/// Nothing is lost, nothing is left over, and cleaning goes on.
fn check(fixture: &mut Fixture, table: &BTreeMap<String, String>, what: &str) {
    assert_eq!(fixture.unfinished(), Vec::<String>::new(), "{what}");
    assert_eq!(&fixture.table(0), table, "{what}");
    let end = fixture.log.log_end_offset();
    let producers = fixture.log.active_producers();
    fixture.clean(at(0));
    assert_eq!(&fixture.table(0), table, "{what}");
    let keys: Vec<String> = fixture.kept().into_iter().map(|(_, key, _)| key).collect();
    assert_eq!(keys, ["a", "b", "c", "d"], "{what}");
    fixture.close_and_reopen();
    fixture.log.raise_high_watermark_to_end();
    assert_eq!((&fixture.table(0), fixture.log.log_end_offset()), (table, end), "{what}");
    assert_eq!(fixture.log.active_producers(), producers, "{what}");
}

#[test]
fn a_swap_that_ends_at_any_rename_is_completed_or_taken_back() {
    let mut renames = 0;
    loop {
        let mut fixture = filled();
        let (table, point) = (fixture.table(0), fixture.log.log_end_offset().0);
        let mut job = fixture.plan(0, LIMITS, at(0));
        fixture.disk.fail_after(Fault::Rename, renames);
        let done = finish(&fixture.log, &mut job);
        if done.is_ok() {
            break;
        }
        assert!(fixture.log.is_offline(), "nobody goes on with half a swap");
        fixture.disk.kill_process();
        let recovery = reopen(&mut fixture, ShutdownKind::Unclean, point);
        assert_eq!(recovery.truncations, [], "after {renames} renames");
        check(&mut fixture, &table, &format!("after {renames} renames"));
        renames += 1;
    }
    // Four files to .swap, four of each old segment but those without aborted transactions, four to their names.
    assert!(renames >= 16, "{renames}");
}

#[test]
fn a_crash_keeps_any_part_of_a_swap() {
    for seed in 0..200 {
        let mut fixture = filled();
        let (table, point) = (fixture.table(0), fixture.log.recovery_point().0);
        let mut job = fixture.plan(0, LIMITS, at(0));
        let mut buffers = CleanerBuffers::default();
        let leftovers = loop {
            match job.step(&mut buffers).unwrap() {
                CleanStep::Worked { .. } => {}
                CleanStep::Replace(replacement) => break fixture.log.replace_segments(replacement).unwrap(),
                _ => panic!("nothing was swapped"),
            }
        };
        if seed % 4 == 0 {
            leftovers.run().unwrap();
        }
        fixture.disk.crash(&mut Seed(seed));
        let recovery = reopen(&mut fixture, ShutdownKind::Unclean, point);
        assert_eq!(recovery.truncations, [], "seed {seed}");
        check(&mut fixture, &table, &format!("seed {seed}"));
    }
}

#[test]
fn a_crash_before_the_swap_leaves_the_log_as_it_was() {
    for seed in 0..50 {
        let mut fixture = filled();
        let (table, point) = (fixture.table(0), fixture.log.recovery_point().0);
        let mut job = fixture.plan(0, CleanerLimits { io_bytes: 100, ..LIMITS }, at(0));
        let mut buffers = CleanerBuffers::default();
        for _ in 0..seed {
            if let CleanStep::Replace(_) = job.step(&mut buffers).unwrap() {
                break;
            }
        }
        let records = fixture.kept();
        fixture.disk.crash(&mut Seed(seed));
        reopen(&mut fixture, ShutdownKind::Unclean, point);
        assert_eq!(fixture.kept(), records);
        check(&mut fixture, &table, &format!("seed {seed}"));
    }
}

#[test]
fn a_clean_start_finishes_what_a_killed_one_left() {
    // As Kafka leaves a directory that is copied, or as a kill between the marks: the swap counts, the .cleaned does not.
    let mut fixture = filled();
    let (table, point) = (fixture.table(0), fixture.log.log_end_offset().0);
    let mut job = fixture.plan(0, LIMITS, at(0));
    fixture.disk.fail_after(Fault::Rename, 6);
    finish(&fixture.log, &mut job).unwrap_err();
    fixture.disk.kill_process();
    reopen(&mut fixture, ShutdownKind::Clean, point);
    check(&mut fixture, &table, "clean");
}

#[test]
fn a_cleaned_file_of_an_earlier_attempt_does_not_undo_the_next() {
    let mut fixture = filled();
    let stray = dir().join("00000000000000000000.txnindex.cleaned");
    fixture.disk.open(&stray, ottla_machine::OpenMode::Create).unwrap();
    fixture.clean(at(0));
    assert!(!fixture.disk.exists(&stray).unwrap());
}

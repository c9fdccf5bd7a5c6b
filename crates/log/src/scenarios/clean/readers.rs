//! Those who use a log while it is cleaned: readers, truncations, deletions, the end of the node.

use ottla_machine::Disk;

use super::*;
use crate::Replacement;

/// Steps up to the first swap.
fn to_swap(job: &mut CleanJob<MemDisk>) -> Replacement<MemDisk> {
    let mut buffers = CleanerBuffers::default();
    loop {
        match job.step(&mut buffers).unwrap() {
            CleanStep::Worked { .. } => {}
            CleanStep::Replace(replacement) => return replacement,
            _ => panic!("there was nothing to swap"),
        }
    }
}

fn filled() -> Fixture {
    let mut fixture = Fixture::compacted();
    for at in 0..20 {
        fixture.put(["a", "b", "c"][at % 3], &at.to_string());
    }
    fixture.roll();
    fixture
}

#[test]
fn a_slice_that_was_given_is_read_on_after_the_swap() {
    let mut fixture = filled();
    let slices: Vec<_> = (0..20)
        .map(|offset| fixture.log.read(Offset(offset), 1000, ReadBound::LogEnd, MinOneBatch::Yes).unwrap())
        .collect();
    fixture.clean(at(0));
    assert_eq!(fixture.unfinished(), Vec::<String>::new());
    for (offset, slice) in slices.iter().enumerate() {
        let mut bytes = Vec::new();
        slice.read_into(&mut bytes).unwrap();
        let first = Batches::new(&bytes).next().unwrap().unwrap();
        first.verify_crc().unwrap();
        assert_eq!(first.header.base_offset, offset as i64);
    }
}

#[test]
fn a_reader_finds_its_way_whether_files_are_open_or_not() {
    let fixture = filled();
    let table = fixture.table(0);
    fixture.log.release_files();
    let mut job = fixture.plan(0, LIMITS, at(0));
    let mut buffers = CleanerBuffers::default();
    let mut swaps = 0;
    loop {
        match job.step(&mut buffers).unwrap() {
            CleanStep::Worked { .. } => {}
            CleanStep::Replace(replacement) => {
                let leftovers = fixture.log.replace_segments(replacement).unwrap();
                for offset in 0..20 {
                    let slice = fixture.log.read(Offset(offset), 1, ReadBound::LogEnd, MinOneBatch::Yes).unwrap();
                    let mut bytes = Vec::new();
                    slice.read_into(&mut bytes).unwrap();
                    let first = Batches::new(&bytes).next().unwrap().unwrap();
                    assert!(first.header.last_offset() >= offset);
                }
                leftovers.run().unwrap();
                swaps += 1;
            }
            CleanStep::Done { .. } => break,
            CleanStep::GivenUp => panic!("nobody cut the log"),
        }
        assert_eq!(fixture.table(0), table);
    }
    assert!(swaps > 1, "{swaps}");
    drop(job);
    fixture.log.release_files();
    assert!(fixture.log.segments().iter().all(|segment| !segment.has_open_files()));
    assert_eq!(fixture.table(0), table);
}

#[test]
fn whoever_looked_while_segments_were_replaced_looks_again() {
    let mut fixture = filled();
    fixture.log.release_files();
    let mut looks = 0;
    // In the middle of the first look, everything is cleaned.
    let found = fixture.log.clone().unless_replaced(|| {
        looks += 1;
        let segments = fixture.log.segments();
        if looks == 1 {
            fixture.clean(at(0));
        }
        let dir = fixture.log.dir();
        let place = fixture.log.place(&dir);
        let found = segments.iter().filter_map(|segment| segment.find(place, 16, u64::MAX).ok()?);
        found.map(|found| found.header.base_offset).collect::<Vec<_>>()
    });
    // 16 is gone.
    assert_eq!((looks, found), (2, vec![17, 18]));
}

#[test]
fn whatever_cuts_the_log_ends_its_cleaning() {
    type Cut = fn(&mut Fixture);
    let cuts: [(&str, Cut); 4] = [
        ("a truncation", |fixture| fixture.log.truncate_to(Offset(4), NOW).unwrap()),
        ("a new beginning", |fixture| fixture.log.truncate_fully_and_start_at(Offset(50), None).unwrap()),
        ("a deletion", |fixture| {
            let data = std::path::Path::new("/data");
            let directory = crate::directory::LogDirectory::open(fixture.disk.clone(), data).unwrap();
            let partition = crate::directory::Folder::parse("t-0").unwrap().partition;
            fixture.log.delete(&directory, &partition, &"0".repeat(32)).unwrap().unwrap();
        }),
        ("the end", |fixture| assert!(fixture.log.close().is_ok())),
    ];
    for (what, cut) in cuts {
        for at_swap in [false, true] {
            let mut fixture = filled();
            let mut job = fixture.plan(0, LIMITS, at(0));
            let mut buffers = CleanerBuffers::default();
            let replacement = at_swap.then(|| to_swap(&mut job));
            if !at_swap {
                while !fixture.unfinished().iter().any(|name| name.ends_with(".log.cleaned")) {
                    job.step(&mut buffers).unwrap();
                }
            }
            cut(&mut fixture);
            let sizes: Vec<_> =
                fixture.log.segments().iter().map(|segment| (segment.base_offset(), segment.size())).collect();
            if let Some(replacement) = replacement {
                fixture.log.replace_segments(replacement).unwrap().run().unwrap();
            }
            assert!(matches!(job.step(&mut buffers).unwrap(), CleanStep::GivenUp), "{what}");
            let after: Vec<_> =
                fixture.log.segments().iter().map(|segment| (segment.base_offset(), segment.size())).collect();
            assert_eq!(after, sizes, "{what}");
            let left = fixture.unfinished();
            assert!(left.is_empty() || what == "a deletion", "{what}: {left:?}");
        }
    }
}

#[test]
fn appends_go_on_while_a_log_is_cleaned() {
    let mut fixture = filled();
    let mut job = fixture.plan(0, LIMITS, at(0));
    let mut buffers = CleanerBuffers::default();
    loop {
        fixture.put("d", "more");
        match job.step(&mut buffers).unwrap() {
            CleanStep::Worked { .. } => {}
            CleanStep::Replace(replacement) => {
                fixture.log.replace_segments(replacement).unwrap().run().unwrap().run().unwrap()
            }
            CleanStep::Done { first_dirty_offset } => break assert_eq!(first_dirty_offset, Offset(20)),
            CleanStep::GivenUp => panic!("nobody cut the log"),
        }
    }
    assert!(fixture.log.segment_count() > 3, "segments were begun meanwhile");
    let table = fixture.table(0);
    assert_eq!(table.get("d").unwrap(), "more");
    fixture.close_and_reopen();
    fixture.log.raise_high_watermark_to_end();
    assert_eq!(fixture.table(0), table);
}

#[test]
fn a_full_disk_ends_a_cleaning_and_leaves_the_log_as_it_is() {
    let mut fixture = Fixture::new(LogConfig { segment_bytes: 100_000, ..compacted() });
    for at in 0..20 {
        fixture.put(&format!("k{}", at % 10), &at.to_string());
    }
    fixture.roll();
    let shown = fixture.shown();
    fixture.log.sync().unwrap();
    fixture.disk.set_capacity(Some(fixture.disk.used() + 100));
    let mut job = fixture.plan(0, LIMITS, at(0));
    let error = finish(&fixture.log, &mut job).unwrap_err();
    assert!(matches!(error, LogError::StorageFull { .. }), "{error}");
    fixture.disk.set_capacity(None);
    assert_eq!((fixture.shown(), fixture.unfinished()), (shown, Vec::new()));
    assert_eq!(fixture.clean(at(0)), 20);
}

#[test]
fn a_cleaned_segment_can_be_cut_and_goes_on() {
    let mut fixture = filled();
    fixture.clean(at(0));
    fixture.log.truncate_to(Offset(18), NOW).unwrap();
    fixture.put_by(5, true, &[("x", Some("1"))]);
    fixture.end_of(5, ControlRecordType::Abort);
    let end = fixture.log.log_end_offset().0;
    fixture.close_and_reopen();
    fixture.log.raise_high_watermark_to_end();
    assert_eq!(fixture.log.log_end_offset().0, end);
    assert!(!fixture.table(0).contains_key("x"), "the aborted transaction is in the index");
    assert!(fixture.disk.exists(dir()).unwrap());
}

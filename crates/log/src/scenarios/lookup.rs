//! Offsets by time and by epoch.

use ottla_machine::{LeaderEpoch, Offset, Timestamp};
use ottla_wire::batch::Compression;

use super::*;

fn fixture(compression: Compression) -> Fixture {
    let mut fixture = Fixture::new(LogConfig { message_timestamp_after_max_ms: i64::MAX, ..small_segments() });
    for at in 0..40 {
        let mut builder = BatchBuilder::new(0).compression(compression);
        // Times that go back and forth: 100 at, then 5 below, then 3 above.
        for delta in [0, -5, 3] {
            builder.append(1000 + at * 100 + delta, None, Some(&[1; 20]), &[]).unwrap();
        }
        fixture.produce(&build(builder)).unwrap();
    }
    fixture
}

#[test]
fn the_first_record_at_or_after_a_time_is_found_exactly() {
    for compression in Compression::ALL {
        let mut fixture = fixture(compression);
        for reopened in [false, true] {
            let mut codecs = Codecs::default();
            let mut find = |timestamp| {
                let found = fixture.log.offset_for_timestamp(Timestamp(timestamp), &mut codecs).unwrap();
                found.map(|found| (found.offset.0, found.timestamp.0))
            };
            assert_eq!(find(0), Some((0, 1000)));
            assert_eq!(find(1001), Some((2, 1003)));
            assert_eq!(find(1004), Some((3, 1100)));
            assert_eq!(find(1095), Some((3, 1100)));
            assert_eq!(find(4901), Some((119, 4903)));
            assert_eq!(find(4904), None);
            let max = fixture.log.offset_of_max_timestamp(&mut codecs).unwrap().unwrap();
            assert_eq!((max.offset, max.timestamp, max.leader_epoch), (Offset(119), Timestamp(4903), LeaderEpoch(0)));
            if !reopened {
                fixture.close_and_reopen();
            }
        }
    }
}

#[test]
fn a_look_up_that_comes_upon_damage_tells_of_it_and_so_do_reads_from_then_on() {
    let fixture = fixture(Compression::None);
    let mut codecs = Codecs::default();
    let mut find = |timestamp| fixture.log.offset_for_timestamp(Timestamp(timestamp), &mut codecs);
    // The last byte of the first batch, which holds offsets 0 to 2.
    let size = fixture.log.read(Offset(0), 1, ReadBound::LogEnd, MinOneBatch::Yes).unwrap().length;
    let path = dir().join("00000000000000000000.log");
    assert!(fixture.disk.flip_bit(&path, size as u64 - 1, 1));
    let error = find(1003).unwrap_err();
    assert_eq!(error.error_code(), 2);
    assert!(error.to_string().starts_with(&format!("{}: at position 0: ", path.display())), "{error}");
    let read = |offset| fixture.log.read(Offset(offset), 10_000, ReadBound::LogEnd, MinOneBatch::Yes);
    assert_eq!(read(1).err().unwrap().to_string(), "offsets 0 to 2 are damaged on disk");
    assert!(read(3).is_ok());
    assert_eq!(find(1100).unwrap().unwrap().offset, Offset(3));
}

#[test]
fn deleted_records_are_not_found() {
    let fixture = fixture(Compression::None);
    fixture.log.set_high_watermark(Offset(120));
    fixture.log.increment_log_start_offset(Offset(61)).unwrap();
    let found = fixture.log.offset_for_timestamp(Timestamp(0), &mut Codecs::default()).unwrap().unwrap();
    assert_eq!(found.offset, Offset(61));
    assert_eq!(fixture.log.earliest_offset().offset, Offset(61));
    assert_eq!(fixture.log.latest_offset().leader_epoch, LeaderEpoch(0));
}

#[test]
fn an_empty_log_has_no_time() {
    let fixture = Fixture::new(LogConfig::default());
    assert_eq!(fixture.log.offset_for_timestamp(Timestamp(0), &mut Codecs::default()).unwrap(), None);
    assert_eq!(fixture.log.offset_of_max_timestamp(&mut Codecs::default()).unwrap(), None);
    assert_eq!(fixture.log.earliest_offset().leader_epoch, LeaderEpoch::NONE);
}

//! What readers are given.

use ottla_machine::{Disk, Offset};
use ottla_wire::batch::{BatchHeader, Batches};

use super::*;
use crate::ReadError;

fn bytes(fixture: &Fixture, offset: i64, max: usize, bound: ReadBound, min_one: MinOneBatch) -> Vec<u8> {
    let slice = fixture.log.read(Offset(offset), max, bound, min_one).unwrap();
    let mut bytes = Vec::new();
    assert_eq!(slice.read_into(&mut bytes).unwrap(), slice.length);
    bytes
}

#[test]
fn every_offset_is_found_in_its_batch_across_segments() {
    let mut fixture = Fixture::new(small_segments());
    for at in 0..60u8 {
        fixture.produce(&batch(&[&[at; 20], &[at; 10], &[at; 5]])).unwrap();
    }
    assert!(fixture.log.segment_count() > 5);
    for reopened in [false, true] {
        for offset in 0..180 {
            let read = bytes(&fixture, offset, 1, ReadBound::LogEnd, MinOneBatch::Yes);
            let header = BatchHeader::parse(&read).unwrap();
            assert_eq!(header.base_offset, offset / 3 * 3);
            assert_eq!(header.size_in_bytes(), read.len());
        }
        if !reopened {
            fixture.close_and_reopen();
        }
    }
    assert_eq!(fixture.records().len(), 180);
}

#[test]
fn reads_end_at_their_bound() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(30);
    assert_eq!(fixture.log.set_high_watermark(Offset(17)), Offset(17));
    let mut offset = 0;
    while offset < 17 {
        let read = bytes(&fixture, offset, 1 << 20, ReadBound::HighWatermark, MinOneBatch::Yes);
        offset = Batches::new(&read).last().unwrap().unwrap().header.next_offset();
    }
    assert_eq!(offset, 17);
    for offset in [17, 20, 30] {
        let slice = fixture.log.read(Offset(offset), 100, ReadBound::HighWatermark, MinOneBatch::Yes).unwrap();
        assert!(slice.file.is_none() && slice.length == 0);
    }
    for offset in [-1, 31] {
        let error = fixture.log.read(Offset(offset), 100, ReadBound::LogEnd, MinOneBatch::Yes).err().unwrap();
        assert!(matches!(error, ReadError::OffsetOutOfRange(_)));
        assert_eq!(error.error_code(), 1);
    }
    assert_eq!(fixture.log.set_high_watermark(Offset(99)), Offset(30));
    fixture.log.increment_log_start_offset(Offset(5)).unwrap();
    assert!(fixture.log.read(Offset(4), 100, ReadBound::LogEnd, MinOneBatch::Yes).is_err());
    assert_eq!(fixture.log.set_high_watermark(Offset(2)), Offset(5));
}

#[test]
fn a_batch_above_the_size_is_whole_or_cut_as_asked() {
    let mut fixture = Fixture::new(LogConfig::default());
    fixture.produce(&batch(&[&[1; 500]])).unwrap();
    fixture.fill(1);
    assert!(bytes(&fixture, 0, 10, ReadBound::LogEnd, MinOneBatch::Yes).len() > 500);
    let slice = fixture.log.read(Offset(0), 10, ReadBound::LogEnd, MinOneBatch::No).unwrap();
    assert!(slice.first_entry_incomplete && slice.length == 10);
    let slice = fixture.log.read(Offset(0), 620, ReadBound::LogEnd, MinOneBatch::No).unwrap();
    assert!(!slice.first_entry_incomplete && slice.length == 620, "the second batch may be cut");
}

#[test]
fn released_files_are_opened_again_and_only_after_a_sync() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(30);
    let open = |fixture: &Fixture| fixture.log.segments().iter().filter(|segment| segment.has_open_files()).count();
    fixture.log.release_files();
    assert_eq!(open(&fixture), fixture.log.segment_count(), "what was written stays open until it is durable");
    fixture.log.sync().unwrap();
    fixture.log.release_files();
    assert_eq!(open(&fixture), 0);
    assert_eq!(fixture.records().len(), 30);
    fixture.fill(3);
    assert_eq!(fixture.records().len(), 33);
}

#[test]
fn a_slice_outlives_its_segment() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(30);
    fixture.log.set_high_watermark(Offset(30));
    let slice = fixture.log.read(Offset(0), 100, ReadBound::LogEnd, MinOneBatch::Yes).unwrap();
    fixture.log.increment_log_start_offset(Offset(25)).unwrap();
    fixture.log.delete_old_segments(NOW).unwrap().unwrap().run().unwrap();
    assert!(!fixture.disk.exists(&dir().join("00000000000000000000.log")).unwrap());
    let mut bytes = Vec::new();
    assert_eq!(slice.read_into(&mut bytes).unwrap(), slice.length);
}

#[test]
fn an_index_is_as_dense_as_the_interval_asks() {
    let mut fixture = Fixture::new(LogConfig { index_interval_bytes: 1000, ..LogConfig::default() });
    fixture.fill(100);
    let size = fixture.log.size();
    let (_, offsets, _) = fixture.index_entries()[0];
    let expected = usize::try_from(size / 1000).unwrap();
    assert!((expected - 10..=expected).contains(&offsets), "{offsets} entries for {size} bytes");
}

//! Files whose bytes were changed by anything: opening and reading may refuse, but never panic, and never give a batch that
//! was not written.

use ottla_machine::{Disk, DiskFile, Offset, OpenMode};
use ottla_wire::batch::{Batches, ControlRecordType, EndTransactionMarker};
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// A log with all kinds of files, closed.
fn written() -> Fixture {
    let mut fixture = Fixture::new(small_segments());
    for at in 0..30 {
        fixture.produce(&build(idempotent(at % 3, 0, i32::try_from(at / 3).unwrap(), &[&[1; 30]]))).unwrap();
    }
    let stamp = ProducerStamp { producer_id: 9, producer_epoch: 0, base_sequence: 0 };
    for _ in 0..3 {
        let known =
            fixture.log.active_producers().iter().find(|p| p.producer_id.0 == 9).map_or(0, |p| p.last_sequence + 1);
        let data = builder(&[b"x"]).producer(ProducerStamp { base_sequence: known, ..stamp }).transactional();
        fixture.produce(&build(data)).unwrap();
        let mut marker =
            BatchBuilder::new(0).producer(ProducerStamp { base_sequence: -1, ..stamp }).transactional().control();
        let value = EndTransactionMarker { coordinator_epoch: 0 }.value();
        marker.append_control(NOW.0, ControlRecordType::Abort, &value).unwrap();
        let origin = AppendOrigin::TransactionMarker { transaction_version: 1 };
        fixture.log.append_as_leader(&build(marker), origin, LeaderEpoch(1), NOW, &mut fixture.scratch).unwrap();
    }
    fixture.log.close().unwrap();
    fixture
}

/// Reads whatever can be read.
fn read_all(log: &Log<MemDisk>) {
    let mut codecs = Codecs::default();
    let _ = log.offset_for_timestamp(NOW, &mut codecs);
    let _ = log.offset_of_max_timestamp(&mut codecs);
    let mut offset = log.log_start_offset();
    while offset < log.log_end_offset() {
        let Ok(slice) = log.read(offset, 1000, ReadBound::LastStableOffset, MinOneBatch::Yes) else { return };
        let mut bytes = Vec::new();
        slice.read_into(&mut bytes).unwrap();
        let Some(Ok(last)) = Batches::new(&bytes).last() else { return };
        if last.header.next_offset() <= offset.0 {
            return;
        }
        offset = Offset(last.header.next_offset());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn damaged_files_are_refused_or_recovered(
        changes in prop::collection::vec((any::<Index>(), any::<Index>(), prop::collection::vec(any::<u8>(), 0..12), any::<bool>()), 1..4),
        clean in any::<bool>(),
        recovery_point in 0..40i64,
    ) {
        let mut fixture = written();
        let original = fixture.disk.read(&fixture.log.dir().join("00000000000000000000.log")).unwrap();
        fixture.disk.kill_process();
        for (file, at, bytes, cut) in changes {
            let files = fixture.disk.files();
            let path = &files[file.index(files.len())];
            let file = fixture.disk.open(path, OpenMode::ReadWrite).unwrap();
            let at = at.index(usize::try_from(file.len().unwrap()).unwrap() + 1) as u64;
            if cut {
                file.set_len(at).unwrap();
            }
            file.write_at(at, &[&bytes]).unwrap();
        }
        let options = OpenOptions {
            shutdown: if clean { ShutdownKind::Clean } else { ShutdownKind::Unclean },
            recovery_point: Offset(recovery_point),
            log_start_offset: Offset(0),
            topic_id: None,
            config: fixture.log.config(),
            now: NOW,
        };
        if let Ok((log, _)) = Log::open(fixture.disk.clone(), dir(), options) {
            read_all(&log);
            let _ = log.append_as_leader(&batch(&[b"more"]), AppendOrigin::Client, LeaderEpoch(9), NOW, &mut fixture.scratch);
            let _ = log.truncate_to(Offset(12), NOW);
            let _ = log.close();
        }
        // A full recovery keeps a prefix of what was written, and nothing else.
        fixture.disk.kill_process();
        let options = OpenOptions {
            shutdown: ShutdownKind::Unclean,
            recovery_point: Offset(0),
            log_start_offset: Offset(0),
            topic_id: None,
            config: fixture.log.config(),
            now: NOW,
        };
        if let Ok((log, _)) = Log::open(fixture.disk.clone(), dir(), options) {
            read_all(&log);
            let kept = fixture.disk.read(&log.dir().join("00000000000000000000.log")).unwrap_or_default();
            let same = kept.iter().zip(&original).take_while(|(a, b)| a == b).count();
            let whole = Batches::new(&kept).map_while(Result::ok).all(|batch| batch.verify_crc().is_ok());
            prop_assert!(whole, "after {same} bytes that were written");
        }
    }
}

//! What a scrub finds, and that it finds nothing where nothing is wrong.

use ottla_machine::{Disk, DiskFile, OpenMode};

use super::*;
use crate::{Finding, Verifier, VerifyStep};

fn verified(disk: &MemDisk) -> (Verifier<MemDisk>, Vec<Finding>) {
    let mut verifier = Verifier::new(disk.clone(), dir()).unwrap();
    let mut steps = 0;
    while verifier.step(300).unwrap() != VerifyStep::Done {
        steps += 1;
        assert!(steps < 100_000, "each step goes on");
    }
    let findings = verifier.take_findings();
    (verifier, findings)
}

/// Segments, indexes, an aborted transaction, a producer and its snapshots.
fn filled() -> Fixture {
    let mut fixture = Fixture::new(small_segments());
    for sequence in 0..30 {
        fixture.produce(&build(idempotent(5, 0, sequence, &[&[1; 30]]))).unwrap();
        fixture.produce(&compressed(Compression::Gzip, &[&[2; 40], &[3; 40]])).unwrap();
    }
    fixture.log.close().unwrap();
    fixture
}

/// Changes a byte of a file.
fn damage(disk: &MemDisk, name: &str, at: u64, change: impl Fn(u8) -> u8) {
    let file = disk.open(&dir().join(name), OpenMode::ReadWrite).unwrap();
    let mut byte = [0];
    file.read_at(at, &mut byte).unwrap();
    file.write_at(at, &[&[change(byte[0])]]).unwrap();
}

#[test]
fn a_sound_log_has_no_findings() {
    let fixture = filled();
    let (verifier, findings) = verified(&fixture.disk);
    assert_eq!(findings, []);
    let verified = verifier.verified();
    assert_eq!((verified.segments, verified.batches), (fixture.log.segment_count() as u64, 60));
    assert!(verified.bytes >= fixture.log.size());
}

#[test]
fn every_changed_byte_of_a_batch_is_found_with_its_place() {
    let fixture = filled();
    let name = format!("{:020}.log", 0);
    let length = fixture.disk.file_len(&dir().join(&name)).unwrap();
    for at in 0..length {
        damage(&fixture.disk, &name, at, |byte| byte ^ 0x10);
        let (_, findings) = verified(&fixture.disk);
        assert!(!findings.is_empty(), "byte {at}");
        // Offsets and epochs, which the checksum does not cover, may be wrong only beside those of the next batch.
        let (first, next_batch) = (&findings[0], at + 110);
        let is_there = first.file == dir().join(&name) && first.position.unwrap() <= next_batch;
        assert!(is_there || next_batch > length, "byte {at}: {findings:?}");
        assert!(findings.len() <= 6, "byte {at}: {findings:?}");
        damage(&fixture.disk, &name, at, |byte| byte ^ 0x10);
    }
    assert_eq!(verified(&fixture.disk).1, []);
}

#[test]
fn indexes_that_lead_astray_are_found() {
    let fixture = filled();
    let found = |name: &str, at: u64| {
        damage(&fixture.disk, name, at, |byte| byte ^ 0x04);
        let (_, findings) = verified(&fixture.disk);
        damage(&fixture.disk, name, at, |byte| byte ^ 0x04);
        findings.iter().map(|finding| format!("{}: {}", finding.position.unwrap(), finding.what)).collect::<Vec<_>>()
    };
    let (offsets, times) = (format!("{:020}.index", 0), format!("{:020}.timeindex", 0));
    assert_eq!(found(&offsets, 7).len(), 1, "a position between batches");
    assert_eq!(found(&offsets, 3).len(), 1, "an offset that is elsewhere");
    let (largest, wrong) = (NOW.0, NOW.0 ^ 4);
    assert_eq!(found(&times, 7), [format!("0: the largest time up to offset 0 is {largest}, not {wrong}")]);
}

#[test]
fn small_files_that_cannot_be_read_are_found() {
    let fixture = filled();
    let snapshot = fixture
        .disk
        .list(dir())
        .unwrap()
        .into_iter()
        .find(|name| name.to_str().is_some_and(|name| name.ends_with(".snapshot")));
    let snapshot = snapshot.unwrap().into_string().unwrap();
    damage(&fixture.disk, &snapshot, 20, |byte| !byte);
    let (_, findings) = verified(&fixture.disk);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].what, "the checksum does not match");
    fixture.disk.write_atomically(&dir().join("leader-epoch-checkpoint"), b"0\n2\n0 0\n").unwrap();
    assert_eq!(verified(&fixture.disk).1.len(), 2);
}

#[test]
fn what_kafka_leaves_of_a_log_that_nobody_wrote_to_is_sound() {
    let disk = MemDisk::default();
    disk.create_dir_all(dir()).unwrap();
    for name in [&format!("{:020}.log", 0), &format!("{:020}.index", 0), "leader-epoch-checkpoint"] {
        disk.write_atomically(&dir().join(name), b"").unwrap();
    }
    assert_eq!(verified(&disk).1, []);
    // With a batch in the log there was an epoch to note.
    disk.write_atomically(&dir().join(format!("{:020}.log", 0)), &batch(&[&[7; 30]])).unwrap();
    assert_eq!(verified(&disk).1.len(), 1);
}

#[test]
fn a_batch_that_is_being_written_is_none_of_a_scrubs_business() {
    let mut fixture = Fixture::new(small_segments());
    fixture.fill(5);
    fixture.log.sync().unwrap();
    let name = format!("{:020}.log", 0);
    let file = fixture.disk.open(&dir().join(&name), OpenMode::ReadWrite).unwrap();
    let length = file.len().unwrap();
    let next = batch(&[&[7; 30]]);
    file.write_at(length, &[&next[..70]]).unwrap();
    assert_eq!(verified(&fixture.disk).1, []);
    // In any other segment it is one.
    fixture.disk.write_atomically(&dir().join(format!("{:020}.log", 100)), &[]).unwrap();
    let (_, findings) = verified(&fixture.disk);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].what, "the file ends within a batch: 70 bytes are left");
    assert_eq!(findings[0].position, Some(length));
}

#[test]
fn offsets_and_epochs_must_grow() {
    let fixture = Fixture::new(LogConfig::default());
    let at = |offset: i64, epoch: i32| {
        let mut builder = BatchBuilder::new(offset);
        builder.append(NOW.0, None, Some(b"x"), &[]).unwrap();
        let mut bytes = build(builder);
        bytes[12..16].copy_from_slice(&epoch.to_be_bytes());
        bytes
    };
    fixture.disk.create_dir_all(dir()).unwrap();
    let whats = |batches: &[Vec<u8>]| {
        fixture.disk.write_atomically(&dir().join(format!("{:020}.log", 5)), &batches.concat()).unwrap();
        verified(&fixture.disk).1.into_iter().map(|finding| finding.what).collect::<Vec<_>>()
    };
    assert_eq!(whats(&[at(5, 0), at(9, 0), at(10, 3)]), [] as [String; 0]);
    assert_eq!(whats(&[at(5, 0), at(5, 0)]), ["offset 5 cannot follow 5"]);
    assert_eq!(whats(&[at(4, 0)]), ["offset 4 cannot follow 4"]);
    assert_eq!(whats(&[at(5, 2), at(6, 1)]), ["leader epoch 1 cannot follow 2"]);
}

#[test]
fn what_is_known_to_be_damaged_is_not_read() {
    let mut fixture = filled();
    fixture.reopen(ShutdownKind::Clean, 90);
    let name = format!("{:020}.log", 0);
    // The third batch.
    damage(&fixture.disk, &name, 300, |byte| !byte);
    let (_, findings) = verified(&fixture.disk);
    assert_eq!(findings[0].corrupt, Some((3, 3)));
    let (first, last) = findings[0].corrupt.unwrap();
    fixture.log.mark_corrupt(Offset(first), Offset(last));
    let read = |offset: i64| fixture.log.read(Offset(offset), 10_000, ReadBound::LogEnd, MinOneBatch::Yes);
    let error = read(3).err().unwrap();
    assert_eq!((error.error_code(), error.to_string()), (2, "offsets 3 to 3 are damaged on disk".to_owned()));
    // Who comes from before gets what is whole; who comes behind, the rest.
    let slice = read(0).unwrap();
    let mut bytes = Vec::new();
    slice.read_into(&mut bytes).unwrap();
    let ends: Vec<i64> = Batches::new(&bytes).map(|batch| batch.unwrap().header.last_offset()).collect();
    assert_eq!(ends, [0, 2]);
    assert!(read(4).unwrap().length > 0);
    fixture.log.truncate_to(Offset(3), NOW).unwrap();
    assert_eq!(fixture.log.corrupt_offsets(), []);
    fixture.fill(1);
    assert!(fixture.log.read(Offset(3), 10_000, ReadBound::LogEnd, MinOneBatch::Yes).is_ok());
}

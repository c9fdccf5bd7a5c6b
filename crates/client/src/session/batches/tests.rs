//! What becomes of records: who waits, what leaves together, and in which order after what comes back.

use super::*;
use ottla_wire::batch::Batches as Read;

fn limits() -> Limits {
    Limits {
        batch_bytes: 200,
        linger: Duration::from_millis(5),
        compression: Compression::None,
        compression_level: None,
        in_flight_max: 5,
        delivery_timeout: Duration::from_secs(120),
        retries_max: u32::MAX,
        is_idempotent: true,
    }
}

fn place() -> Place {
    ("orders".into(), 0)
}

fn put(batches: &mut Batches<u32>, now: u64, ticket: u32) {
    let value = [b'x'; 60];
    let record = NewRecord { timestamp_ms: 0, key: None, value: Some(&value), headers: &[] };
    batches.append(Instant::from_millis(now), &place(), record, ticket).unwrap();
}

fn drain(batches: &mut Batches<u32>, now: u64) -> Vec<Batch<u32>> {
    batches.drain(Instant::from_millis(now), 1 << 20, &mut Codecs::default(), |_| true)
}

/// Batches of a producer of which the broker has one record.
fn known(limits: Limits) -> Batches<u32> {
    let mut batches = Batches::new(limits);
    batches.identify(7, 0);
    put(&mut batches, 0, 99);
    let first = drain(&mut batches, 9).remove(0);
    batches.acknowledged(&first);
    batches
}

fn sequence(batch: &Batch<u32>) -> (i64, i16, i32) {
    let header = Read::new(&batch.bytes).next().unwrap().unwrap().header;
    (header.producer_id, header.producer_epoch, header.base_sequence)
}

#[test]
fn a_records_size_is_what_kafkas_producer_tells() {
    let value = [b'x'; 200];
    let alone = NewRecord { timestamp_ms: 0, key: None, value: Some(&value), headers: &[] };
    assert_eq!(size_upper_bound(&alone), 286);
    let header = RecordHeader { key: b"h", value: None };
    let more = NewRecord { key: Some(&value[..64]), value: None, headers: &[header], ..alone };
    assert_eq!(size_upper_bound(&more), 61 + 21 + (2 + 64) + 1 + 1 + (1 + 1) + 1);
}

#[test]
fn an_unfilled_batch_waits_for_its_linger() {
    let mut batches = Batches::new(limits());
    batches.identify(7, 0);
    put(&mut batches, 0, 1);
    assert!(drain(&mut batches, 4).is_empty());
    assert_eq!(batches.poll_timeout(), Some(Instant::from_millis(5)));
    assert_eq!(drain(&mut batches, 5)[0].tickets, [1]);
}

#[test]
fn who_sends_is_told_of_a_batch_that_begins_and_of_one_that_is_full() {
    let mut batches = Batches::new(Limits { batch_bytes: 300, ..limits() });
    let value = [b'x'; 60];
    let record = NewRecord { timestamp_ms: 0, key: None, value: Some(&value), headers: &[] };
    let mut append = || batches.append(Instant(0), &place(), record, 0).unwrap();
    // The fourth does not fit any more: its batch begins, and the one before is complete.
    assert_eq!([append(), append(), append(), append()], [true, false, false, true]);
}

#[test]
fn nothing_leaves_before_an_id_is_given() {
    let mut batches = Batches::new(limits());
    put(&mut batches, 0, 1);
    assert!(batches.wants_identity());
    assert!(drain(&mut batches, 9).is_empty());
    batches.identify(7, 3);
    assert_eq!(sequence(&drain(&mut batches, 9)[0]), (7, 3, 0));
}

#[test]
fn one_batch_is_under_way_until_the_broker_knows_the_producer() {
    let mut batches = Batches::new(limits());
    batches.identify(7, 0);
    (0..6).for_each(|ticket| put(&mut batches, 0, ticket));
    let first = drain(&mut batches, 9).remove(0);
    assert!(drain(&mut batches, 9).is_empty());
    assert_eq!(batches.poll_timeout(), None);
    batches.acknowledged(&first);
    assert_eq!([drain(&mut batches, 9).len(), drain(&mut batches, 9).len()], [1, 1]);
}

#[test]
fn batches_that_come_back_leave_again_in_their_order() {
    let mut batches = known(limits());
    (0..6).for_each(|ticket| put(&mut batches, 0, ticket));
    let first = drain(&mut batches, 9).remove(0);
    let second = drain(&mut batches, 9).remove(0);
    let pause = Duration::from_millis(100);
    assert!(batches.failed(Instant::from_millis(10), second, true, pause).is_none());
    assert!(batches.failed(Instant::from_millis(10), first, true, pause).is_none());
    assert!(drain(&mut batches, 50).is_empty(), "not before the pause is over");
    let again = drain(&mut batches, 110).remove(0);
    assert_eq!((sequence(&again), again.tickets[0]), ((7, 0, 1), 0));
    assert!(drain(&mut batches, 110).is_empty(), "one at a time until the retried are through");
    batches.acknowledged(&again);
    assert_eq!(sequence(&drain(&mut batches, 110)[0]), (7, 0, 2));
}

#[test]
fn a_batch_that_is_too_large_leaves_again_in_parts_and_in_order() {
    for compression in [Compression::None, Compression::Gzip] {
        let limits = Limits { batch_bytes: 1_000, compression, ..limits() };
        let mut batches = known(limits);
        (0..8).for_each(|ticket| put(&mut batches, 0, ticket));
        let large = drain(&mut batches, 9).remove(0);
        assert_eq!((sequence(&large), large.tickets.len()), ((7, 0, 1), 8));
        put(&mut batches, 10, 8);
        let next = drain(&mut batches, 15).remove(0);
        assert!(batches.split(large).is_none());
        // What was sent behind it was refused as out of order, and is no loss.
        assert!(batches.is_ahead(&next));
        assert!(batches.failed(Instant::from_millis(16), next, true, Duration::ZERO).is_none());
        let mut sent = Vec::new();
        while let Some(batch) = drain(&mut batches, 20).pop() {
            assert!(drain(&mut batches, 20).is_empty(), "one after the other");
            sent.push((sequence(&batch).2, batch.tickets.clone()));
            batches.acknowledged(&batch);
        }
        assert_eq!(sent, [(1, vec![0, 1, 2]), (4, vec![3, 4, 5]), (7, vec![6, 7]), (9, vec![8])]);
        assert!(batches.is_empty());
    }
}

#[test]
fn a_part_that_is_too_large_comes_before_the_others_again() {
    for is_idempotent in [true, false] {
        let mut batches = Batches::new(Limits { batch_bytes: 1_000, is_idempotent, ..limits() });
        if is_idempotent {
            batches.identify(7, 0);
        }
        (0..8).for_each(|ticket| put(&mut batches, 0, ticket));
        let mut sent = Vec::new();
        while let Some(batch) = drain(&mut batches, 20).pop() {
            match batch.tickets.len() {
                1 => {
                    sent.push(batch.tickets[0]);
                    batches.acknowledged(&batch);
                }
                _ => assert!(batches.split(batch).is_none()),
            }
        }
        assert_eq!(sent, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}

#[test]
fn a_record_alone_cannot_be_divided() {
    let mut batches = Batches::new(limits());
    batches.identify(7, 0);
    put(&mut batches, 0, 1);
    let batch = drain(&mut batches, 9).remove(0);
    let batch = batches.split(batch).unwrap();
    assert!(batches.failed(Instant::from_millis(9), batch, false, Duration::ZERO).is_some());
}

#[test]
fn after_a_loss_all_begins_again_with_a_new_epoch() {
    let mut batches = known(limits());
    (0..6).for_each(|ticket| put(&mut batches, 0, ticket));
    let first = drain(&mut batches, 9).remove(0);
    let second = drain(&mut batches, 9).remove(0);
    assert!(batches.failed(Instant::from_millis(10), first, false, Duration::ZERO).is_some());
    assert!(drain(&mut batches, 10).is_empty());
    assert!(!batches.wants_identity(), "one is still under way");
    batches.failed(Instant::from_millis(10), second, true, Duration::ZERO);
    assert!(batches.wants_identity());
    batches.identify(7, 1);
    assert_eq!(sequence(&drain(&mut batches, 11)[0]), (7, 1, 0));
}

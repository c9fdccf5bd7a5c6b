//! The checks of producing and consuming.

use crate::harness::Harness;
use crate::kit::{Kit, Outgoing, Record, TIMEOUT, numbered, poll_for, send_with, text};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer;
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;

pub fn register(harness: &mut Harness, kit: &Arc<Kit>) {
    harness.check("produce-keys", kit, keys);
    harness.check("headers", kit, headers);
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        harness.check(&format!("compression-{codec}"), kit, move |kit| compression(kit, codec));
    }
    for acks in ["0", "1", "all"] {
        harness.check(&format!("acks-{acks}"), kit, move |kit| acknowledged(kit, acks));
    }
    harness.check("idempotent", kit, idempotent);
    harness.check("large-message", kit, large);
    harness.check("tombstone", kit, tombstone);
    harness.check("auto-create", kit, auto_create);
    harness.check("error-too-large", kit, too_large);
    harness.check("consume-beginning", kit, beginning);
    harness.check("consume-offset", kit, from_offset);
    harness.check("consume-time", kit, from_time);
    harness.check("commit-resume", kit, resume);
    if std::env::var("COMPAT_SIDE").is_ok_and(|side| side == "ottla") {
        harness.check("transactional-refused", kit, transactional);
    }
}

fn in_order(records: &[Record], count: usize) {
    for (n, record) in records.iter().take(count).enumerate() {
        assert_eq!(text(&record.value), Some(format!("v{n}").as_str()), "in order, once");
        assert_eq!(record.offset, n as i64, "offset");
    }
}

fn keys(kit: &Kit) {
    let topic = kit.topic("keys", 3, &[]);
    let keyed = numbered(10, 0).into_iter();
    let messages: Vec<_> = keyed.map(|one| Outgoing { key: Some(b"k".to_vec()), partition: None, ..one }).collect();
    let places = kit.send(&topic, &messages, &[]).unwrap();
    let keyed = places[0].0;
    assert!(places.iter().all(|place| place.0 == keyed), "partition of one key");
    let records = kit.read(&topic, keyed, 10, Offset::Beginning);
    in_order(&records, 10);
    assert_eq!(text(&records[9].key), Some("k"), "key");
    let other = (keyed + 1) % 3;
    kit.send(&topic, &numbered(1, other), &[]).unwrap();
    assert_eq!(kit.read(&topic, other, 1, Offset::Beginning)[0].key, None, "a record without key");
}

fn headers(kit: &Kit) {
    let topic = kit.topic("headers", 1, &[]);
    let wanted = vec![("a", Some(&b"1"[..])), ("b", None), ("a", Some(b"2")), ("c", Some(b""))];
    let message = Outgoing { value: Some(b"body".to_vec()), headers: wanted.clone(), ..Outgoing::default() };
    kit.send(&topic, &[message], &[]).unwrap();
    let record = kit.read(&topic, 0, 1, Offset::Beginning).remove(0);
    let found: Vec<_> = record.headers.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
    assert_eq!(found, wanted, "headers in order");
}

fn compression(kit: &Kit, codec: &str) {
    let topic = kit.topic(&format!("codec-{codec}"), 1, &[]);
    let value = |n| format!("{}{n}", "compressible ".repeat(20)).into_bytes();
    let messages: Vec<_> = (0..500)
        .map(|n| Outgoing { key: Some(format!("k{n}").into_bytes()), value: Some(value(n)), ..Outgoing::default() })
        .collect();
    kit.send(&topic, &messages, &[("compression.type", codec)]).unwrap();
    let records = kit.read(&topic, 0, 500, Offset::Beginning);
    for (n, record) in records.iter().enumerate() {
        assert_eq!(record.value, Some(value(n)), "value");
        assert_eq!(record.offset, n as i64, "offset");
    }
}

fn acknowledged(kit: &Kit, acks: &str) {
    let topic = kit.topic(&format!("acks-{acks}"), 1, &[]);
    let places = kit.send(&topic, &numbered(50, 0), &[("acks", acks)]).unwrap();
    if acks != "0" {
        assert_eq!(places[49].1, 49, "offset in the answer");
    }
    in_order(&kit.read(&topic, 0, 50, Offset::Beginning), 50);
}

fn idempotent(kit: &Kit) {
    let topic = kit.topic("idempotent", 2, &[]);
    let messages = [numbered(300, 0), numbered(300, 1)].concat();
    let settings = [("enable.idempotence", "true"), ("batch.num.messages", "10")];
    kit.send(&topic, &messages, &settings).unwrap();
    for partition in [0, 1] {
        in_order(&kit.read(&topic, partition, 300, Offset::Beginning), 300);
    }
}

fn large(kit: &Kit) {
    let topic = kit.topic("large", 1, &[]);
    let mut state = 1_u32;
    let noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let value: Vec<u8> = std::iter::repeat_with(noise).take(900_000).collect();
    let message = Outgoing { value: Some(value.clone()), ..Outgoing::default() };
    kit.send(&topic, &[message], &[]).unwrap();
    kit.send(&topic, &numbered(1, 0), &[]).unwrap();
    let little = [("fetch.message.max.bytes", "10000")];
    let records = kit.read_with(&topic, 0, 2, Offset::Beginning, &little);
    assert!(records[0].value.as_ref() == Some(&value), "the large value");
    assert_eq!(text(&records[1].value), Some("v0"), "the record behind it");
}

fn tombstone(kit: &Kit) {
    let topic = kit.topic("tombstone", 1, &[("cleanup.policy", "compact")]);
    let key = Some(b"k".to_vec());
    let full = Outgoing { key: key.clone(), value: Some(b"v".to_vec()), ..Outgoing::default() };
    kit.send(&topic, &[full, Outgoing { key, ..Outgoing::default() }], &[]).unwrap();
    let records = kit.read(&topic, 0, 2, Offset::Beginning);
    assert_eq!((text(&records[0].value), text(&records[1].value)), (Some("v"), None), "a value, then none");
}

fn auto_create(kit: &Kit) {
    let topic = kit.unique("auto");
    kit.send(&topic, &[Outgoing { value: Some(b"v".to_vec()), ..Outgoing::default() }], &[]).unwrap();
    assert_eq!(text(&kit.read(&topic, 0, 1, Offset::Beginning)[0].value), Some("v"), "value");
}

fn too_large(kit: &Kit) {
    let topic = kit.topic("too-large", 1, &[("max.message.bytes", "1000")]);
    let message = Outgoing { value: Some(vec![b'x'; 5000]), ..Outgoing::default() };
    let refused = kit.send(&topic, &[message], &[]).unwrap_err();
    assert_eq!(refused.rdkafka_error_code(), Some(RDKafkaErrorCode::MessageSizeTooLarge), "error code");
}

fn beginning(kit: &Kit) {
    let topic = kit.topic("beginning", 1, &[]);
    kit.send(&topic, &numbered(100, 0), &[]).unwrap();
    in_order(&kit.read(&topic, 0, 100, Offset::Beginning), 100);
}

fn from_offset(kit: &Kit) {
    let topic = kit.topic("offset", 1, &[]);
    kit.send(&topic, &numbered(100, 0), &[]).unwrap();
    let record = kit.read(&topic, 0, 1, Offset::Offset(42)).remove(0);
    assert_eq!((record.offset, text(&record.value)), (42, Some("v42")), "offset and value");
}

fn from_time(kit: &Kit) {
    let topic = kit.topic("time", 1, &[]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let start = now.as_millis() as i64 - 1_000_000;
    let producer = kit.producer(&[]);
    for (n, one) in numbered(20, 0).into_iter().enumerate() {
        let stamped = Outgoing { timestamp: Some(start + n as i64 * 1000), ..one };
        send_with(&producer, &topic, &[stamped]).unwrap();
    }
    let mut asked = TopicPartitionList::new();
    asked.add_partition_offset(&topic, 0, Offset::Offset(start + 9_500)).unwrap();
    let found = kit.consumer(&[]).offsets_for_times(asked, TIMEOUT).unwrap();
    let offset = found.elements()[0].offset();
    assert_eq!(offset, Offset::Offset(10), "first offset at or after the time");
    let record = kit.read(&topic, 0, 1, offset).remove(0);
    assert_eq!((text(&record.value), record.timestamp), (Some("v10"), Some(start + 10_000)), "value and time");
}

fn resume(kit: &Kit) {
    let topic = kit.topic("resume", 1, &[]);
    let group = kit.unique("resume");
    kit.send(&topic, &numbered(10, 0), &[]).unwrap();
    let first = kit.consumer(&[("group.id", &group)]);
    first.subscribe(&[&topic]).unwrap();
    poll_for(&first, 10);
    let mut place = TopicPartitionList::new();
    place.add_partition_offset(&topic, 0, Offset::Offset(6)).unwrap();
    place.find_partition(&topic, 0).unwrap().set_metadata("note");
    first.commit(&place, CommitMode::Sync).unwrap();
    drop(first);
    let second = kit.consumer(&[("group.id", &group)]);
    second.subscribe(&[&topic]).unwrap();
    assert_eq!(text(&poll_for(&second, 1)[0].value), Some("v6"), "resumed at");
    let committed = second.committed(TIMEOUT).unwrap();
    assert_eq!(committed.elements()[0].metadata(), "note", "metadata");
}

fn transactional(kit: &Kit) {
    let producer = kit.producer(&[("transactional.id", &kit.unique("txn"))]);
    match producer.init_transactions(std::time::Duration::from_secs(20)) {
        Ok(()) => panic!("a transactional producer was let in"),
        Err(KafkaError::Transaction(refused)) => {
            assert!(!refused.is_retriable(), "as if a retry helped: {refused}")
        }
        Err(_) => {}
    }
}

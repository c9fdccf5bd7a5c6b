//! What the crate's admin client and metadata calls ask.

use crate::harness::{Harness, eventually};
use crate::kit::{Kit, Outgoing, TIMEOUT, first, numbered, poll_for, text};
use futures_executor::block_on;
use rdkafka::admin::{AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;

pub fn register(harness: &mut Harness, kit: &Arc<Kit>) {
    harness.check("create-topic", kit, create_topic);
    harness.check("describe-topics", kit, describe_topics);
    harness.check("delete-topic", kit, delete_topic);
    harness.check("create-partitions", kit, create_partitions);
    harness.check("delete-records", kit, delete_records);
    harness.check("list-offsets", kit, list_offsets);
    harness.check("describe-configs", kit, describe_configs);
    harness.check("alter-configs", kit, alter_configs);
    harness.check("describe-cluster", kit, describe_cluster);
    harness.check("groups-admin", kit, groups);
    harness.check("error-unknown-topic", kit, unknown_topic);
    harness.check("error-invalid-topic", kit, |kit| {
        assert_eq!(kit.create("not/valid", 1, &[]), Err(RDKafkaErrorCode::InvalidTopic), "error code");
    });
}

fn listed(kit: &Kit, name: &str) -> bool {
    let found = kit.admin.inner().fetch_metadata(None, TIMEOUT).unwrap();
    found.topics().iter().any(|topic| topic.name() == name)
}

/// Replicas, those in sync, and the leader of each partition.
fn describe(kit: &Kit, name: &str) -> Vec<(usize, usize, i32)> {
    let consumer = kit.consumer(&[("allow.auto.create.topics", "false")]);
    let found = consumer.fetch_metadata(Some(name), TIMEOUT).unwrap();
    let partitions = found.topics()[0].partitions().iter();
    partitions.map(|one| (one.replicas().len(), one.isr().len(), one.leader())).collect()
}

fn config(kit: &Kit, resource: ResourceSpecifier<'_>, key: &str) -> Option<String> {
    let found = block_on(kit.admin.describe_configs([&resource], &AdminOptions::new())).unwrap().remove(0).unwrap();
    found.get(key).and_then(|entry| entry.value.clone())
}

fn create_topic(kit: &Kit) {
    let name = kit.unique("create");
    kit.create(&name, 3, &[("retention.ms", "123456")]).unwrap();
    eventually("listed", || listed(kit, &name));
    assert_eq!(config(kit, ResourceSpecifier::Topic(&name), "retention.ms").as_deref(), Some("123456"), "config");
    assert_eq!(kit.create(&name, 3, &[]), Err(RDKafkaErrorCode::TopicAlreadyExists), "error code");
}

fn describe_topics(kit: &Kit) {
    let name = kit.topic("describe", 3, &[]);
    eventually("listed", || listed(kit, &name));
    let found = describe(kit, &name);
    assert_eq!(found.len(), 3, "partitions");
    assert!(found.iter().all(|&(replicas, isr, leader)| (replicas, isr) == (1, 1) && leader >= 0), "{found:?}");
}

fn delete_topic(kit: &Kit) {
    let name = kit.topic("delete", 1, &[]);
    kit.send(&name, &numbered(1, 0), &[]).unwrap();
    let delete = || first(block_on(kit.admin.delete_topics(&[&name], &AdminOptions::new())));
    delete().unwrap();
    eventually("gone", || !listed(kit, &name));
    assert_eq!(delete(), Err(RDKafkaErrorCode::UnknownTopicOrPartition), "error code");
}

fn create_partitions(kit: &Kit) {
    let name = kit.topic("grow", 1, &[]);
    let grow = |count| {
        let wanted = NewPartitions::new(&name, count);
        first(block_on(kit.admin.create_partitions([&wanted], &AdminOptions::new())))
    };
    grow(4).unwrap();
    eventually("four partitions", || describe(kit, &name).len() == 4);
    kit.send(&name, &numbered(1, 3), &[]).unwrap();
    let record = kit.read(&name, 3, 1, Offset::Beginning).remove(0);
    assert_eq!(text(&record.value), Some("v0"), "a record in the new partition");
    assert_eq!(grow(2), Err(RDKafkaErrorCode::InvalidPartitions), "error code");
}

fn delete_records(kit: &Kit) {
    let name = kit.topic("trim", 1, &[]);
    kit.send(&name, &numbered(10, 0), &[]).unwrap();
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(&name, 0, Offset::Offset(4)).unwrap();
    let found = block_on(kit.admin.delete_records(&before, &AdminOptions::new())).unwrap();
    assert_eq!(found.elements()[0].offset(), Offset::Offset(4), "low watermark");
    assert_eq!(kit.read(&name, 0, 1, Offset::Beginning)[0].offset, 4, "first offset left");
}

fn list_offsets(kit: &Kit) {
    let name = kit.topic("offsets", 1, &[]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let base = now.as_millis() as i64 - 500_000;
    for stamp in [base, base + 5000, base + 1000] {
        let one = numbered(1, 0).remove(0);
        kit.send(&name, &[Outgoing { timestamp: Some(stamp), ..one }], &[]).unwrap();
    }
    let consumer = kit.consumer(&[]);
    assert_eq!(consumer.fetch_watermarks(&name, 0, TIMEOUT).unwrap(), (0, 3), "earliest and latest");
    let mut asked = TopicPartitionList::new();
    asked.add_partition_offset(&name, 0, Offset::Offset(base + 2000)).unwrap();
    let found = consumer.offsets_for_times(asked, TIMEOUT).unwrap();
    assert_eq!(found.elements()[0].offset(), Offset::Offset(1), "by time");
}

fn describe_configs(kit: &Kit) {
    let name = kit.topic("configs", 1, &[("retention.ms", "777")]);
    let of_topic = |key| config(kit, ResourceSpecifier::Topic(&name), key);
    assert_eq!(of_topic("retention.ms").as_deref(), Some("777"), "a topic's own setting");
    assert_eq!(of_topic("segment.bytes").as_deref(), Some("1073741824"), "a default");
    let of_broker = config(kit, ResourceSpecifier::Broker(1), "offsets.topic.num.partitions");
    assert_eq!(of_broker.as_deref(), Some("8"), "a broker's setting");
}

fn alter_configs(kit: &Kit) {
    // The crate has the older AlterConfigs only: what is not named goes back to its default.
    let name = kit.topic("alter", 1, &[]);
    let alter = |settings: &[(&str, &str)]| {
        let mut wanted = AlterConfig::new(ResourceSpecifier::Topic(&name));
        for (key, value) in settings {
            wanted = wanted.set(key, value);
        }
        block_on(kit.admin.alter_configs([&wanted], &AdminOptions::new())).unwrap().remove(0).map_err(|(_, code)| code)
    };
    let retention = || config(kit, ResourceSpecifier::Topic(&name), "retention.ms");
    alter(&[("retention.ms", "5000")]).unwrap();
    eventually("set", || retention().as_deref() == Some("5000"));
    alter(&[]).unwrap();
    eventually("at its default", || retention().as_deref() == Some("604800000"));
    // The crate drops the error of a refused change, so only what it left behind tells.
    let _ = alter(&[("retention.ms", "many")]);
    assert_eq!(retention().as_deref(), Some("604800000"), "a refused change");
}

fn describe_cluster(kit: &Kit) {
    let client = kit.admin.inner();
    assert_eq!(client.fetch_cluster_id(TIMEOUT).map(|id| id.len()), Some(22), "length of the cluster id");
    assert_eq!(client.fetch_metadata(None, TIMEOUT).unwrap().brokers().len(), 1, "nodes");
}

fn groups(kit: &Kit) {
    let topic = kit.topic("groups", 1, &[]);
    let group = kit.unique("groups");
    kit.send(&topic, &numbered(1, 0), &[]).unwrap();
    let consumer = kit.consumer(&[("group.id", &group)]);
    consumer.subscribe(&[&topic]).unwrap();
    poll_for(&consumer, 1);
    let state = |only: Option<&str>| {
        let found = kit.admin.inner().fetch_group_list(only, TIMEOUT).unwrap();
        let one = found.groups().iter().find(|found| found.name() == group);
        one.map(|found| (found.state().to_string(), found.members().len()))
    };
    let delete = || first(block_on(kit.admin.delete_groups(&[&group], &AdminOptions::new())));
    assert_eq!(state(None), Some(("Stable".to_string(), 1)), "listed");
    assert_eq!(state(Some(&group)), Some(("Stable".to_string(), 1)), "described");
    assert_eq!(delete(), Err(RDKafkaErrorCode::NonEmptyGroup), "error code");
    drop(consumer);
    eventually("empty", || state(Some(&group)).is_none_or(|(state, _)| state == "Empty" || state == "Dead"));
    delete().unwrap();
    assert_eq!(state(None), None, "gone");
    assert_eq!(delete(), Err(RDKafkaErrorCode::GroupIdNotFound), "error code");
}

fn unknown_topic(kit: &Kit) {
    let name = kit.unique("absent");
    let consumer = kit.consumer(&[("allow.auto.create.topics", "false")]);
    let found = consumer.fetch_metadata(Some(&name), TIMEOUT).unwrap();
    let code = found.topics()[0].error().map(RDKafkaErrorCode::from);
    assert_eq!(code, Some(RDKafkaErrorCode::UnknownTopicOrPartition), "error code");
    assert!(!listed(kit, &name), "asking did not create it");
}

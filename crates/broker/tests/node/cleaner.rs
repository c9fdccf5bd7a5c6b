//! A node compacts its logs: which, when, and what it remembers of it.

use crate::harness::{CLEANER_BACKOFF, Fixture, LOG_DIR};
use ottla_broker::{Authorization, CleanerWorker};
use ottla_machine::Disk;
use ottla_wire::ApiKey;
use ottla_wire::api::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_wire::api::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_wire::api::{
    CreateTopicsRequest, CreateTopicsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use std::path::Path;
use std::time::Duration;

/// A topic whose segments are no older than a second.
fn create(fixture: &Fixture, name: &str, configs: &[(&str, &str)]) {
    let config = |(name, value): &(&'static str, &'static str)| CreatableTopicConfig {
        name: (*name).into(),
        value: Some((*value).into()),
        ..Default::default()
    };
    let all: Vec<(&'static str, &'static str)> = [("cleanup.policy", "compact"), ("segment.ms", "1000")]
        .into_iter()
        .chain(configs.iter().map(|(name, value)| (leak(name), leak(value))))
        .collect();
    let topic = CreatableTopic {
        name: name.to_owned().into(),
        num_partitions: 1,
        replication_factor: 1,
        configs: all.iter().map(config).collect(),
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    let reply = fixture.ask(ApiKey::CreateTopics, 7, &request);
    let response: CreateTopicsResponse<'_> = reply.read();
    assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// Values of one key, each in a segment of its own.
fn fill(fixture: &mut Fixture, topic: &str, values: std::ops::Range<u8>) {
    for value in values {
        fixture.pass(Duration::from_secs(2));
        fixture.node.heartbeat();
        fixture.settle();
        let admin = crate::harness::client("admin");
        assert_eq!(fixture.produce_keyed(&admin, topic, 0, b"k", &[value]).0, 0);
    }
}

fn checkpoint(fixture: &Fixture) -> String {
    let path = Path::new(LOG_DIR).join("cleaner-offset-checkpoint");
    String::from_utf8(fixture.disk.read(&path).unwrap_or_default()).unwrap()
}

fn alter_broker(fixture: &Fixture, key: &str, value: &str) -> (i16, String) {
    let config = AlterableConfig { name: key.into(), value: Some(value.into()), ..Default::default() };
    let resource = AlterConfigsResource {
        resource_type: 4,
        resource_name: "1".into(),
        configs: vec![config],
        ..Default::default()
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    let reply = fixture.ask(ApiKey::IncrementalAlterConfigs, 1, &request);
    let response: IncrementalAlterConfigsResponse<'_> = reply.read();
    let answer = &response.responses[0];
    (answer.error_code, answer.error_message.clone().unwrap_or_default().into_owned())
}

#[test]
fn a_compacted_topic_is_cleaned_and_the_checkpoint_says_how_far() {
    let mut fixture = Fixture::new();
    create(&fixture, "kept", &[("cleanup.policy", "delete")]);
    create(&fixture, "t", &[]);
    fill(&mut fixture, "t", 0..5);
    fill(&mut fixture, "kept", 0..5);
    assert!(fixture.clean_all() > 0);
    assert_eq!(fixture.read_values("t", 0), [[3], [4]], "the active segment is left alone");
    assert_eq!(fixture.read_values("kept", 0).len(), 5);
    assert_eq!(checkpoint(&fixture), "0\n1\nt 0 4\n");
    assert_eq!(fixture.clean_all(), 0, "it is clean");
    fixture.stop();
    fixture.disk.kill_process();
    fixture.restart();
    assert_eq!(fixture.clean_all(), 0, "and a restart knows");
    fill(&mut fixture, "t", 5..9);
    assert!(fixture.clean_all() > 0);
    assert_eq!(fixture.read_values("t", 0), [[7], [8]]);
    assert_eq!(checkpoint(&fixture), "0\n1\nt 0 8\n");
}

#[test]
fn a_topic_that_is_made_anew_is_not_clean() {
    let mut fixture = Fixture::new();
    create(&fixture, "t", &[]);
    fill(&mut fixture, "t", 0..5);
    fixture.clean_all();
    assert_eq!(fixture.delete_topic("t"), 0);
    fixture.settle();
    assert_eq!(checkpoint(&fixture), "0\n0\n");
    create(&fixture, "t", &[]);
    fill(&mut fixture, "t", 0..7);
    fixture.clean_all();
    assert_eq!(fixture.read_values("t", 0), [[5], [6]]);
}

#[test]
fn a_log_is_left_alone_until_it_is_dirty_enough_or_has_waited_too_long() {
    let mut fixture = Fixture::new();
    create(&fixture, "t", &[("min.cleanable.dirty.ratio", "0.9"), ("max.compaction.lag.ms", "60000")]);
    fill(&mut fixture, "t", 0..4);
    fixture.clean_all();
    fill(&mut fixture, "t", 4..6);
    // One clean segment, two dirty ones.
    assert_eq!(fixture.clean_all(), 0);
    fixture.pass(Duration::from_secs(61));
    assert!(fixture.clean_all() > 0);
    assert_eq!(fixture.read_values("t", 0), [[4], [5]]);
}

#[test]
fn retention_of_compacted_logs_is_the_cleaners() {
    let mut fixture = Fixture::new();
    create(&fixture, "t", &[("cleanup.policy", "compact,delete"), ("retention.ms", "20000")]);
    fill(&mut fixture, "t", 0..5);
    fixture.pass(Duration::from_secs(60));
    fixture.clean_up();
    assert_eq!(fixture.read_values("t", 0).len(), 5);
    fixture.clean_all();
    assert_eq!(fixture.read_values("t", 0).len(), 0);
}

#[test]
fn a_damaged_log_is_left_alone_until_the_next_start() {
    let mut fixture = Fixture::new();
    for topic in ["bad", "good"] {
        create(&fixture, topic, &[]);
        fill(&mut fixture, topic, 0..5);
    }
    let path = Path::new(LOG_DIR).join("bad-0").join("00000000000000000001.log");
    assert!(fixture.disk.flip_bit(&path, 66, 1));
    assert!(fixture.clean_all() > 0);
    assert_eq!(checkpoint(&fixture), "0\n1\ngood 0 4\n");
    assert_eq!(fixture.clean_all(), 0);
    assert!(fixture.disk.flip_bit(&path, 66, 1));
    assert_eq!(fixture.clean_all(), 0, "nobody looks again");
    fixture.stop();
    fixture.disk.kill_process();
    fixture.restart();
    assert!(fixture.clean_all() > 0);
    assert_eq!(fixture.read_values("bad", 0), [[3], [4]]);
}

#[test]
fn a_worker_that_stops_leaves_its_log_to_another() {
    let mut fixture = Fixture::new();
    create(&fixture, "t", &[]);
    fill(&mut fixture, "t", 0..5);
    let (mut one, mut other) = (CleanerWorker::default(), CleanerWorker::default());
    while !one.is_at_work() {
        fixture.clean(&mut one);
    }
    assert_eq!(fixture.clean(&mut other), CLEANER_BACKOFF, "one log, one worker");
    fixture.node.leave_cleaning(&mut one);
    fixture.clean(&mut other);
    assert!(other.is_at_work());
}

#[test]
fn the_rate_is_held_and_may_change_while_the_node_runs() {
    let mut fixture = Fixture::with(Authorization::None, &[("log.cleaner.io.max.bytes.per.second", "100.0")]);
    create(&fixture, "t", &[]);
    fill(&mut fixture, "t", 0..5);
    let mut worker = CleanerWorker::default();
    let mut rested = Duration::ZERO;
    loop {
        let rest = fixture.clean(&mut worker);
        if rest == CLEANER_BACKOFF {
            break;
        }
        rested += rest;
        fixture.pass(rest);
    }
    // Four segments of one record are read twice, one is written.
    assert!(rested > Duration::from_secs(5), "{rested:?}");
    assert_eq!(alter_broker(&fixture, "log.cleaner.io.max.bytes.per.second", "1e9"), (0, String::new()));
    assert_eq!(alter_broker(&fixture, "log.cleaner.threads", "2"), (0, String::new()));
    assert_eq!(fixture.node.cleaner_threads(), 2);
    let (code, why) = alter_broker(&fixture, "log.cleaner.threads", "5");
    assert_eq!(code, 42);
    assert!(why.contains("more than double the current value 2"), "{why}");
}

//! What retention, DeleteRecords and the deletion of topics leave on disk, and for how long.

use crate::harness::{Fixture, LOG_DIR};
use ottla_broker::Authorization;
use ottla_machine::{Disk, Seed};
use ottla_wire::ApiKey;
use ottla_wire::api::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_wire::api::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use ottla_wire::api::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_wire::api::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteRecordsRequest, DeleteRecordsResponse, ListOffsetsRequest,
    ListOffsetsResponse,
};
use std::path::Path;
use std::time::Duration;

/// Of ListOffsets.
const EARLIEST: i64 = -2;

fn create(fixture: &Fixture, name: &str, configs: &[(&str, &str)]) {
    let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
        name: (*name).to_owned().into(),
        value: Some((*value).to_owned().into()),
        ..Default::default()
    });
    let topic = CreatableTopic {
        name: name.to_owned().into(),
        num_partitions: 1,
        replication_factor: 1,
        configs: configs.collect(),
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    let reply = fixture.ask(ApiKey::CreateTopics, 7, &request);
    let response: CreateTopicsResponse<'_> = reply.read();
    assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
}

/// Batches of about a hundred bytes.
fn fill(fixture: &Fixture, topic: &str, batches: usize) {
    for _ in 0..batches {
        assert_eq!(fixture.produce(&fixture.admin, topic, 0, &[7; 30]).0, 0);
    }
}

fn delete_records(fixture: &Fixture, topic: &str, offset: i64) -> i64 {
    let partition = DeleteRecordsPartition { partition_index: 0, offset, ..Default::default() };
    let topic = DeleteRecordsTopic { name: topic.into(), partitions: vec![partition], ..Default::default() };
    let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    let reply = fixture.ask(ApiKey::DeleteRecords, 2, &request);
    let response: DeleteRecordsResponse<'_> = reply.read();
    assert_eq!(response.topics[0].partitions[0].error_code, 0);
    response.topics[0].partitions[0].low_watermark
}

fn log_start(fixture: &Fixture, topic: &str) -> i64 {
    let partition = ListOffsetsPartition { partition_index: 0, timestamp: EARLIEST, ..Default::default() };
    let topic = ListOffsetsTopic { name: topic.into(), partitions: vec![partition], ..Default::default() };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
    let reply = fixture.ask(ApiKey::ListOffsets, 7, &request);
    let response: ListOffsetsResponse<'_> = reply.read();
    assert_eq!(response.topics[0].partitions[0].error_code, 0);
    response.topics[0].partitions[0].offset
}

fn names(fixture: &Fixture, folder: &str) -> Vec<String> {
    let names = fixture.disk.list(&Path::new(LOG_DIR).join(folder)).unwrap();
    names.into_iter().map(|name| name.into_string().unwrap()).collect()
}

fn set_aside(fixture: &Fixture) -> usize {
    names(fixture, "events-0").iter().filter(|name| name.ends_with(".deleted")).count()
}

#[test]
fn segments_that_are_too_much_go_and_their_files_a_moment_later() {
    let small = [("segment.bytes", "1048576"), ("retention.bytes", "2000000"), ("file.delete.delay.ms", "5000")];
    let mut fixture = Fixture::new();
    create(&fixture, "events", &small);
    for _ in 0..8 {
        assert_eq!(fixture.produce(&fixture.admin, "events", 0, &[7; 500_000]).0, 0);
    }
    fixture.clean_up();
    assert_eq!(log_start(&fixture, "events"), 4, "two segments are gone for readers at once");
    assert!(set_aside(&fixture) > 0, "its files are still there");
    fixture.pass(Duration::from_millis(4999));
    assert!(set_aside(&fixture) > 0);
    fixture.pass(Duration::from_millis(1));
    assert_eq!(set_aside(&fixture), 0);
    // A start removes what a node that ended before had set aside.
    for _ in 0..4 {
        assert_eq!(fixture.produce(&fixture.admin, "events", 0, &[7; 500_000]).0, 0);
    }
    fixture.clean_up();
    assert!(set_aside(&fixture) > 0);
    let start = log_start(&fixture, "events");
    fixture.stop();
    fixture.disk.kill_process();
    fixture.restart();
    assert_eq!((set_aside(&fixture), log_start(&fixture, "events")), (0, start));
}

#[test]
fn without_bounds_nothing_goes() {
    let mut fixture = Fixture::new();
    create(&fixture, "events", &[("segment.bytes", "1048576"), ("retention.bytes", "-1"), ("retention.ms", "-1")]);
    for _ in 0..8 {
        assert_eq!(fixture.produce(&fixture.admin, "events", 0, &[7; 500_000]).0, 0);
    }
    fixture.pass(Duration::from_secs(400 * 86_400));
    fixture.clean_up();
    assert_eq!(log_start(&fixture, "events"), 0);
}

#[test]
fn what_is_too_old_goes_even_the_last_segment() {
    let mut fixture = Fixture::new();
    create(&fixture, "events", &[("retention.ms", "60000")]);
    fill(&fixture, "events", 3);
    fixture.pass(Duration::from_secs(60));
    fixture.clean_up();
    assert_eq!(log_start(&fixture, "events"), 0, "as old as it may be");
    fixture.pass(Duration::from_millis(1));
    fixture.clean_up();
    assert_eq!(log_start(&fixture, "events"), 3);
    fill(&fixture, "events", 1);
    assert_eq!(log_start(&fixture, "events"), 3);
}

#[test]
fn an_answered_deletion_of_records_holds_whatever_ends_the_node() {
    for power_fails in [false, true] {
        let mut fixture = Fixture::new();
        create(&fixture, "events", &[]);
        fill(&fixture, "events", 10);
        assert_eq!(delete_records(&fixture, "events", 4), 4);
        match power_fails {
            false => fixture.disk.kill_process(),
            true => fixture.disk.crash(&mut Seed(3)),
        }
        fixture.restart();
        // What was not synced may be lost with the power, and the start with it; never may old records be back.
        let start = log_start(&fixture, "events");
        assert_eq!(start, 4);
    }
}

#[test]
fn a_deleted_topic_leaves_its_folder_for_a_moment_under_another_name() {
    let mut fixture = Fixture::with(Authorization::None, &[("log.segment.delete.delay.ms", "2000")]);
    create(&fixture, "events", &[]);
    fill(&fixture, "events", 3);
    assert_eq!(fixture.delete_topic("events"), 0);
    let left = |fixture: &Fixture| {
        let names = names(fixture, "");
        assert!(!names.iter().any(|name| name == "events-0"));
        names.iter().filter(|name| name.starts_with("events-0.") && name.ends_with("-delete")).count()
    };
    assert_eq!(left(&fixture), 1);
    fixture.pass(Duration::from_millis(1999));
    assert_eq!(left(&fixture), 1);
    // The topic may be made anew meanwhile.
    create(&fixture, "events", &[]);
    fixture.pass(Duration::from_millis(1));
    let names = names(&fixture, "");
    assert!(!names.iter().any(|name| name.ends_with("-delete")), "{names:?}");
    // A node that ends before goes on with it at its next start.
    assert_eq!(fixture.produce(&fixture.admin, "events", 0, b"value"), (0, 0));
    assert_eq!(fixture.delete_topic("events"), 0);
    fixture.stop();
    fixture.disk.kill_process();
    fixture.restart();
    assert_eq!(left(&fixture), 1);
    fixture.pass(Duration::from_secs(2));
    assert_eq!(left(&fixture), 0);
}

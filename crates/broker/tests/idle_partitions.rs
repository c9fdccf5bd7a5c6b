//! What a partition without data costs: less than a kilobyte, and no file. One test, since the allocator counts for the
//! whole process.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[allow(dead_code, reason = "shared with the other tests")]
#[path = "node/harness.rs"]
mod harness;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "node/host.rs"]
mod host;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "node/requests.rs"]
mod requests;

use harness::Fixture;
use ottla_wire::ApiKey;
use ottla_wire::api::create_topics_request::CreatableTopic;
use ottla_wire::api::{CreateTopicsRequest, CreateTopicsResponse};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// As many as one request can make.
const PARTITIONS: i32 = 9_000;
const TOPICS: usize = 500;
/// Of a partition beside others of its topic: what is asked of the allocator, which takes up to a tenth more.
const PARTITION_BYTES_MAX: usize = 830;
/// Of a topic with one partition: its name and its id, and where they are found, as well.
const TOPIC_BYTES_MAX: usize = 1_600;

/// What a node holds in memory after `work`: what is given back when it goes. The disk in memory stays.
fn held(work: impl FnOnce(&Fixture)) -> usize {
    let node = Fixture::new();
    let disk = node.disk.clone();
    work(&node);
    let region = Region::new(ALLOCATOR);
    drop(node);
    let change = region.change();
    drop(disk);
    change.bytes_deallocated - change.bytes_allocated
}

#[test]
fn a_partition_without_data_costs_less_than_a_kilobyte_and_no_file() {
    let mut opened = Vec::new();
    let mut note = |node: &Fixture| opened.push((node.disk.opened_count(), node.disk.files().len()));
    let bare = held(&mut note);
    let large = held(|node| {
        assert_eq!(node.create_topic("large", PARTITIONS).0, 0);
        note(node);
    });
    let small = held(|node| {
        create_topics(node, "small", TOPICS);
        note(node);
    });
    let (partition, topic) = ((large - bare) / PARTITIONS as usize, (small - bare) / TOPICS);
    println!("a partition of a large topic: {partition} bytes; a topic of one partition: {topic} bytes");
    assert!(partition <= PARTITION_BYTES_MAX, "{partition}");
    assert!(topic <= TOPIC_BYTES_MAX, "{topic}");
    assert!(opened.iter().all(|seen| *seen == opened[0]), "{opened:?}");
}

/// Topics of one partition, by one request.
fn create_topics(node: &Fixture, name: &str, count: usize) {
    let topic = |number| CreatableTopic {
        name: format!("{name}-{number}").into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let request =
        CreateTopicsRequest { topics: (0..count).map(topic).collect(), timeout_ms: 1000, ..Default::default() };
    let reply = node.ask(ApiKey::CreateTopics, 7, &request);
    let response: CreateTopicsResponse<'_> = reply.read();
    assert!(response.topics.iter().all(|topic| topic.error_code == 0));
}

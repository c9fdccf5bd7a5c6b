//! Stops and starts: what a clean stop leaves, what a start refuses, and how long they take.

use crate::client::{Client, PRODUCE_BY_NAME, batch, produce_request};
use crate::process::Home;
use ottla_wire::{ApiKey, Uuid};
use std::path::Path;

/// What the mark of a clean stop says, if it is there.
fn clean_mark(log_dir: &Path) -> Option<String> {
    std::fs::read_to_string(log_dir.join(".kafka_cleanshutdown")).ok()
}

#[test]
fn sigterm_stops_cleanly_and_at_once() {
    let home = Home::formatted(2);
    let mut node = home.start();
    let mut client = Client::connect(node.address);
    client.create_topic("events", 6);
    for index in 0..6 {
        assert_eq!(client.produce("events", index, &batch(&[vec![7; 1000]], None)), (0, 0));
    }
    assert!(home.log_dirs.iter().all(|dir| clean_mark(dir).is_none()), "no mark while it runs");
    let took = node.terminate();
    assert!(took.as_millis() < 1000, "{took:?}");
    let marks: Vec<String> = home.log_dirs.iter().map(|dir| clean_mark(dir).unwrap()).collect();
    let epoch = marks[0].strip_prefix("{\"version\":0,\"brokerEpoch\":").unwrap().strip_suffix('}').unwrap();
    assert!(epoch.parse::<i64>().unwrap() > 0);
    assert_eq!(marks[0], marks[1]);
    for dir in &home.log_dirs {
        let folders = std::fs::read_dir(dir)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("events-"));
        assert_eq!(folders.count(), 3, "partitions are spread over the directories");
    }

    let mut node = home.start();
    assert!(home.log_dirs.iter().all(|dir| clean_mark(dir).is_none()), "taken away at the start");
    let mut client = Client::connect(node.address);
    for index in 0..6 {
        assert_eq!(client.fetch_all("events", index, 0), [(0, vec![7; 1000])]);
        assert_eq!(client.produce("events", index, &batch(&[b"more".to_vec()], None)), (0, 1));
    }
    node.terminate();
    let log = node.log();
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    assert_ne!(clean_mark(&home.log_dirs[0]).unwrap(), marks[0], "each registration has an epoch of its own");
}

#[test]
fn a_waiting_fetch_does_not_hold_up_a_stop() {
    let home = Home::formatted(1);
    let mut node = home.start();
    let mut client = Client::connect(node.address);
    client.create_topic("events", 1);
    let partition = ottla_wire::api::fetch_request::FetchPartition {
        current_leader_epoch: -1,
        partition_max_bytes: 1000,
        ..Default::default()
    };
    let request = ottla_wire::api::FetchRequest {
        replica_id: -1,
        max_wait_ms: 60_000,
        min_bytes: 1,
        max_bytes: 1000,
        session_epoch: -1,
        topics: vec![ottla_wire::api::fetch_request::FetchTopic {
            topic: "events".into(),
            partitions: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    };
    client.send(&crate::client::frame(ottla_wire::ApiKey::Fetch, 12, 1, &request));
    let took = node.terminate();
    assert!(took.as_millis() < 2000, "{took:?}");
    assert!(client.is_closed());
    assert!(clean_mark(&home.log_dirs[0]).is_some());
}

#[test]
fn two_nodes_never_share_a_directory() {
    let home = Home::formatted(1);
    let mut node = home.start();
    let (status, said) = home.start_in_vain();
    assert!(!status.success());
    let dir = home.log_dirs[0].display().to_string();
    assert!(said.contains("another process holds") && said.contains(&dir), "{said}");
    // The second has changed nothing.
    let mut client = Client::connect(node.address);
    client.create_topic("events", 1);
    assert_eq!(client.produce("events", 0, &batch(&[b"value".to_vec()], None)), (0, 0));
    node.terminate();
    home.start().terminate();
}

#[test]
fn a_directory_that_was_not_formatted_is_refused_in_words() {
    let home = Home::bare(1);
    for _ in 0..2 {
        let (status, said) = home.start_in_vain();
        assert!(!status.success());
        assert!(said.contains("kafka-storage.sh") && said.contains("data-0"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn a_thousand_partitions_are_back_after_a_restart() {
    let home = Home::formatted(2);
    let mut node = home.start();
    let mut client = Client::connect(node.address);
    client.create_topic("wide", 1000);
    for index in (0..1000).step_by(10) {
        assert_eq!(client.produce("wide", index, &batch(&[index.to_be_bytes().to_vec()], None)), (0, 0));
    }
    let before: (Uuid, usize) = client.describe_topic("wide");
    assert_eq!(before.1, 1000);
    for clean in [true, false] {
        if clean {
            node.terminate();
        } else {
            node.kill();
        }
        node = home.start();
        let mut client = Client::connect(node.address);
        assert_eq!(client.describe_topic("wide"), before);
        for index in (0..1000).step_by(10) {
            assert_eq!(client.fetch_all("wide", index, 0), [(0, index.to_be_bytes().to_vec())]);
        }
    }
    node.assert_sound();
}

/// What is asked of the node goes to a partition of each directory, until one says that its disk failed.
fn fails(client: &mut Client) -> bool {
    (0..2).any(|index| client.produce("events", index, &batch(&[vec![7; 1000]], None)).0 == STORAGE_ERROR)
}

const STORAGE_ERROR: i16 = ottla_wire::ErrorCode::KafkaStorageError as i16;

#[test]
fn a_directory_that_vanishes_is_offline_and_the_last_one_ends_the_node() {
    let home = Home::formatted(2);
    home.set("log.segment.bytes=1048576\nreplica.high.watermark.checkpoint.interval.ms=50");
    let mut node = home.start();
    let mut client = Client::connect(node.address);
    client.create_topic("events", 2);
    assert!(!fails(&mut client));
    // Open files go on to work; what needs a name there does not, as the checkpoints do.
    std::fs::rename(&home.log_dirs[1], home.log_dirs[1].with_extension("away")).unwrap();
    while !fails(&mut client) {}
    let works = (0..2).filter(|index| client.produce("events", *index, &batch(&[b"value".to_vec()], None)).0 == 0);
    assert_eq!(works.count(), 1);
    node.assert_sound();
    let dir = home.log_dirs[1].display().to_string();
    assert!(node.log().contains(&format!("the log directory {dir} has failed")), "{}", node.log());
    node.terminate();
    // A directory that is not there is no new one.
    let (status, said) = home.start_in_vain();
    assert!(!status.success() && said.contains(&format!("No `meta.properties` found in {dir}")), "{said}");
    assert!(!home.log_dirs[1].exists());
    std::fs::rename(home.log_dirs[1].with_extension("away"), &home.log_dirs[1]).unwrap();
    let mut node = home.start();
    let mut client = Client::connect(node.address);
    assert!(!fails(&mut client));
    // The metadata's.
    std::fs::rename(&home.log_dirs[0], home.log_dirs[0].with_extension("away")).unwrap();
    let records = batch(&[b"value".to_vec()], None);
    let produce = |index| produce_request("events", index, -1, &records);
    while client.try_call(ApiKey::Produce, PRODUCE_BY_NAME, &produce(0)).is_ok()
        && client.try_call(ApiKey::Produce, PRODUCE_BY_NAME, &produce(1)).is_ok()
    {}
    let status = node.end();
    assert_eq!(status.code(), Some(1), "{}", node.log());
    assert!(node.log().contains("the node stops, since"), "{}", node.log());
}

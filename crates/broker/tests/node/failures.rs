//! A log directory that fails goes offline alone (KIP-112, KIP-858), whatever failed; the node ends with the last of them, or
//! with the metadata log's.

use crate::harness::{BY_NAME, Fixture, LOG_DIR, OTHER_LOG_DIR, directory_id, fetch_request};
use ottla_broker::Authorization;
use ottla_machine::{Disk, Fault};
use ottla_wire::api::{
    DescribeLogDirsRequest, DescribeLogDirsResponse, FetchResponse, HeartbeatRequest, HeartbeatResponse,
    MetadataRequest, MetadataResponse,
};
use ottla_wire::{ApiKey, ErrorCode, Uuid};
use std::path::Path;
use std::time::Duration;

const STORAGE_ERROR: i16 = ErrorCode::KafkaStorageError as i16;

/// A node with records in four partitions of a topic over two directories, and those of them that lie in the second.
fn node() -> (Fixture, Vec<i32>) {
    node_with(&[])
}

fn node_with(file: &[(&str, &str)]) -> (Fixture, Vec<i32>) {
    let fixture = Fixture::with_log_dirs(&[LOG_DIR, OTHER_LOG_DIR], Authorization::None, file);
    assert_eq!(fixture.create_topic("t", 4).0, 0);
    (0..4).for_each(|index| assert_eq!(fixture.produce(&fixture.admin, "t", index, b"value"), (0, 0)));
    let published = fixture.node.published();
    let partitions = &published.image.topics.named("t").unwrap().partitions;
    let other = Some(directory_id(OTHER_LOG_DIR));
    let there: Vec<i32> = (0..4).filter(|index| partitions[index].directory_of(1) == other).collect();
    assert_eq!(there.len(), 2);
    drop(published);
    (fixture, there)
}

fn break_other(fixture: &Fixture) {
    fixture.disk.break_dir(Path::new(OTHER_LOG_DIR));
}

/// The directories of the broker, as the metadata has them.
fn registered(fixture: &Fixture) -> Vec<Uuid> {
    fixture.node.published().image.brokers[&1].log_dirs.clone()
}

/// Each directory's error, and the partitions of `t` that it is told to hold.
fn described(fixture: &Fixture) -> Vec<(String, i16, Vec<i32>)> {
    let reply = fixture.ask(ApiKey::DescribeLogDirs, 4, &DescribeLogDirsRequest { topics: None, ..Default::default() });
    let response: DescribeLogDirsResponse<'_> = reply.read();
    let dirs = response.results.iter().map(|dir| {
        let topics = dir.topics.iter().filter(|topic| topic.name == "t");
        let partitions = topics.flat_map(|topic| topic.partitions.iter().map(|p| p.partition_index)).collect();
        (dir.log_dir.to_string(), dir.error_code, partitions)
    });
    dirs.collect()
}

fn fetch_error(fixture: &Fixture, index: i32) -> i16 {
    let reply = fixture.ask(ApiKey::Fetch, BY_NAME, &fetch_request("t", index, 0, 0));
    let response: FetchResponse<'_> = reply.read();
    response.responses[0].partitions[0].error_code
}

/// Of each partition: error, leader and offline replicas.
fn told(fixture: &Fixture) -> Vec<(i16, i32, Vec<i32>)> {
    let reply = fixture.ask(ApiKey::Metadata, 12, &MetadataRequest { topics: None, ..Default::default() });
    let response: MetadataResponse<'_> = reply.read();
    let topic = response.topics.iter().find(|topic| topic.name.as_deref() == Some("t")).unwrap();
    topic.partitions.iter().map(|p| (p.error_code, p.leader_id, p.offline_replicas.clone())).collect()
}

/// What lies in the second directory is offline, the rest is not.
fn only_the_other_is_offline(fixture: &Fixture, there: &[i32]) {
    let unavailable = ErrorCode::LeaderNotAvailable.code();
    for index in 0..4 {
        let is_there = there.contains(&index);
        let (error, leader, offline) = told(fixture).swap_remove(index as usize);
        match is_there {
            true => {
                assert_eq!((error, leader, offline), (unavailable, -1, vec![1]));
                assert_eq!(fixture.produce(&fixture.admin, "t", index, b"refused").0, STORAGE_ERROR);
                assert_eq!(fetch_error(fixture, index), STORAGE_ERROR);
            }
            false => {
                assert_eq!((error, leader, offline), (0, 1, vec![]));
                assert_eq!(fixture.produce(&fixture.admin, "t", index, b"more").0, 0);
                assert_eq!(fetch_error(fixture, index), 0);
            }
        }
    }
    let here: Vec<i32> = (0..4).filter(|index| !there.contains(index)).collect();
    let other = (OTHER_LOG_DIR.to_owned(), STORAGE_ERROR, Vec::new());
    assert_eq!(described(fixture), [(LOG_DIR.to_owned(), 0, here), other]);
    assert_eq!(registered(fixture), [directory_id(LOG_DIR)]);
}

#[test]
fn a_failed_write_takes_one_directory_offline_until_it_is_mended() {
    let (mut fixture, there) = node();
    break_other(&fixture);
    assert_eq!(fixture.produce(&fixture.admin, "t", there[0], b"lost").0, STORAGE_ERROR);
    only_the_other_is_offline(&fixture, &there);
    // New partitions go where there is a disk.
    assert_eq!(fixture.create_topic("new", 3).0, 0);
    (0..3).for_each(|index| assert_eq!(fixture.produce(&fixture.admin, "new", index, b"value"), (0, 0)));
    let written =
        |fixture: &Fixture| -> Vec<usize> { (0..4).map(|index| fixture.read_all("t", index).len()).collect() };
    // Started anew without it, and with it.
    for clean in [true, false] {
        if clean {
            fixture.stop();
        }
        fixture.disk.kill_process();
        fixture.restart();
        only_the_other_is_offline(&fixture, &there);
    }
    fixture.disk.mend_dir(Path::new(OTHER_LOG_DIR));
    fixture.disk.kill_process();
    fixture.restart();
    assert_eq!(registered(&fixture), [directory_id(LOG_DIR), directory_id(OTHER_LOG_DIR)]);
    let counts = written(&fixture);
    for index in 0..4 {
        assert_eq!(counts[index as usize] == 1, there.contains(&index), "{counts:?}");
        assert_eq!(fixture.produce(&fixture.admin, "t", index, b"again").0, 0);
    }
}

#[test]
fn whatever_fails_takes_the_directory_offline() {
    // A read.
    let (fixture, there) = node();
    break_other(&fixture);
    assert_eq!(fetch_error(&fixture, there[0]), STORAGE_ERROR);
    only_the_other_is_offline(&fixture, &there);
    // A checkpoint, which is written when there is something new.
    let (fixture, there) = node();
    break_other(&fixture);
    fixture.node.checkpoint_all();
    fixture.settle();
    only_the_other_is_offline(&fixture, &there);
    // A sync.
    let (fixture, there) = node_with(&[("log.flush.interval.messages", "1")]);
    fixture.disk.fail_after(Fault::Sync, 0);
    assert_eq!(fixture.produce(&fixture.admin, "t", there[0], b"undecided").0, STORAGE_ERROR);
    only_the_other_is_offline(&fixture, &there);
}

#[test]
fn a_full_disk_is_no_failed_one() {
    let (fixture, there) = node();
    fixture.disk.set_capacity(Some(fixture.disk.used()));
    assert_eq!(fixture.produce(&fixture.admin, "t", there[0], b"refused").0, STORAGE_ERROR);
    fixture.disk.set_capacity(None);
    assert_eq!(fixture.produce(&fixture.admin, "t", there[0], b"again"), (0, 1));
    assert_eq!(registered(&fixture).len(), 2);
}

#[test]
fn who_waits_for_records_hears_of_it() {
    let (fixture, there) = node();
    let waiting =
        fixture.send(&fixture.admin, ApiKey::Fetch, BY_NAME, &fetch_request("t", there[0], 1, 60_000)).pending();
    break_other(&fixture);
    assert_eq!(fixture.produce(&fixture.admin, "t", there[1], b"lost").0, STORAGE_ERROR);
    let reply = fixture.look(waiting).reply();
    let response: FetchResponse<'_> = reply.read();
    assert_eq!(response.responses[0].partitions[0].error_code, STORAGE_ERROR);
}

#[test]
fn groups_of_a_failed_directory_have_no_coordinator() {
    let (fixture, _) = node();
    let heartbeat = |group: &str| {
        let request = HeartbeatRequest { group_id: group.to_owned().into(), ..Default::default() };
        let reply = fixture.ask(ApiKey::Heartbeat, 4, &request);
        let response: HeartbeatResponse = reply.read();
        response.error_code
    };
    assert_eq!(fixture.create_topic("__consumer_offsets", 2).0, 0);
    let published = fixture.node.published();
    let partitions = &published.image.topics.named("__consumer_offsets").unwrap().partitions;
    let other = Some(directory_id(OTHER_LOG_DIR));
    let group_in = |is_other: bool| {
        let names = (0..).map(|number| format!("g{number}"));
        let lies = |name: &String| {
            let index = ottla_group::partition_for(name, 2).unwrap().0;
            (partitions[&index].directory_of(1) == other) == is_other
        };
        names.into_iter().find(lies).unwrap()
    };
    let (here, there) = (group_in(false), group_in(true));
    let unknown = ErrorCode::UnknownMemberId.code();
    assert_eq!((heartbeat(&here), heartbeat(&there)), (unknown, unknown));
    break_other(&fixture);
    fixture.node.checkpoint_all();
    fixture.settle();
    assert_eq!((heartbeat(&here), heartbeat(&there)), (unknown, ErrorCode::NotCoordinator.code()));
}

#[test]
fn without_the_metadata_logs_directory_the_node_ends() {
    let (mut fixture, _) = node();
    fixture.disk.break_dir(Path::new(LOG_DIR));
    let here = (0..4).find(|index| fixture.produce(&fixture.admin, "t", *index, b"lost").0 != 0);
    assert!(here.is_some());
    fixture.node.heartbeat();
    let ended = fixture.node.step_controller(fixture.now()).unwrap_err();
    assert!(ended.contains("metadata log"), "{ended}");
    fixture.disk.kill_process();
    let refused = fixture.refused_restart();
    assert!(refused.contains("the metadata log's directory /data cannot be used"), "{refused}");
}

#[test]
fn the_controller_must_hear_of_it_in_time() {
    let (mut fixture, there) = node();
    break_other(&fixture);
    // The metadata log takes nothing.
    fixture.disk.set_capacity(Some(fixture.disk.used()));
    assert_eq!(fixture.produce(&fixture.admin, "t", there[0], b"lost").0, STORAGE_ERROR);
    assert_eq!(registered(&fixture).len(), 2);
    for _ in 0..14 {
        fixture.pass(Duration::from_secs(2));
        fixture.node.heartbeat();
        fixture.try_settle().unwrap();
    }
    fixture.pass(Duration::from_secs(2));
    fixture.node.heartbeat();
    let ended = fixture.try_settle().unwrap_err();
    assert!(ended.contains("log.dir.failure.timeout.ms"), "{ended}");
    // There is room in time.
    let (mut fixture, there) = node();
    break_other(&fixture);
    fixture.disk.set_capacity(Some(fixture.disk.used()));
    assert_eq!(fixture.produce(&fixture.admin, "t", there[0], b"lost").0, STORAGE_ERROR);
    fixture.pass(Duration::from_secs(10));
    fixture.disk.set_capacity(None);
    fixture.node.heartbeat();
    fixture.settle();
    only_the_other_is_offline(&fixture, &there);
    fixture.pass(Duration::from_secs(60));
    fixture.try_settle().unwrap();
}

#[test]
fn a_directory_that_is_not_formatted_or_somebody_elses_keeps_the_node_from_starting() {
    let (mut fixture, _) = node();
    fixture.stop();
    fixture.disk.kill_process();
    let meta = Path::new(OTHER_LOG_DIR).join("meta.properties");
    let content = fixture.disk.read(&meta).unwrap();
    fixture.disk.remove_file(&meta).unwrap();
    let refused = fixture.refused_restart();
    assert!(refused.contains("No `meta.properties` found in /more"), "{refused}");
    // The id of the other directory.
    fixture
        .disk
        .write_atomically(&meta, &fixture.disk.read(&Path::new(LOG_DIR).join("meta.properties")).unwrap())
        .unwrap();
    let refused = fixture.refused_restart();
    assert!(refused.starts_with("Duplicate directory ID"), "{refused}");
    fixture.disk.write_atomically(&meta, &content).unwrap();
    fixture.restart();
}

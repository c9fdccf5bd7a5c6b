//! Several log directories: the broker chooses one for each new partition and tells the controller (KIP-858), and a start
//! finds each partition where it lies.

use crate::harness::{Fixture, LOG_DIR, OTHER_LOG_DIR, client, controller_client, directory_id};
use ottla_broker::Authorization;
use ottla_security::Decision;
use ottla_wire::api::assign_replicas_to_dirs_request::{DirectoryData, PartitionData, TopicData};
use ottla_wire::api::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};
use ottla_wire::{ApiKey, ErrorCode, Uuid};
use std::path::Path;
use std::time::Duration;

/// An operation of IncrementalAlterConfigs.
const SET: i8 = 0;

fn two_directories() -> Fixture {
    Fixture::with_log_dirs(&[LOG_DIR, OTHER_LOG_DIR], Authorization::None, &[])
}

/// The directory of each partition, as the metadata has it.
fn told(fixture: &Fixture, topic: &str) -> Vec<Uuid> {
    let published = fixture.node.published();
    let topic = published.image.topics.named(topic).unwrap();
    topic.partitions.values().map(|partition| partition.directory_of(1).unwrap()).collect()
}

/// Whether each partition's folder is in its directory and nowhere else.
fn lie_where_told(fixture: &Fixture, topic: &str) {
    for (index, id) in told(fixture, topic).into_iter().enumerate() {
        for path in [LOG_DIR, OTHER_LOG_DIR] {
            let folder = Path::new(path).join(format!("{topic}-{index}"));
            let found = ottla_machine::Disk::list(&fixture.disk, &folder).is_ok_and(|files| !files.is_empty());
            assert_eq!(found, directory_id(path) == id, "{}", folder.display());
        }
    }
}

#[test]
fn new_partitions_are_spread_and_the_controller_is_told_where_they_lie() {
    let mut fixture = two_directories();
    assert_eq!(fixture.create_topic("t", 4).0, 0);
    let first = told(&fixture, "t");
    for path in [LOG_DIR, OTHER_LOG_DIR] {
        assert_eq!(first.iter().filter(|id| **id == directory_id(path)).count(), 2, "{first:?}");
    }
    for index in 0..4 {
        assert_eq!(fixture.produce(&fixture.admin, "t", index, b"value"), (0, 0));
    }
    lie_where_told(&fixture, "t");
    // Nothing more is to be told, and a start makes no new choice; a partition without a folder stays where it is told.
    assert_eq!(fixture.create_topic("empty", 3).0, 0);
    let empty = told(&fixture, "empty");
    for clean in [true, false] {
        if clean {
            fixture.stop();
        }
        fixture.disk.kill_process();
        fixture.restart();
        assert_eq!((told(&fixture, "t"), told(&fixture, "empty")), (first.clone(), empty.clone()));
        (0..4).for_each(|index| assert_eq!(fixture.read_all("t", index), [b"value"]));
        let end = fixture.node.published().offset;
        fixture.pass(Duration::from_secs(60));
        assert_eq!(fixture.node.published().offset, end, "the metadata moves on");
    }
    lie_where_told(&fixture, "t");
}

#[test]
fn a_partition_that_was_moved_by_hand_is_found_and_told() {
    let mut fixture = two_directories();
    fixture.create_topic("t", 2);
    (0..2).for_each(|index| assert_eq!(fixture.produce(&fixture.admin, "t", index, b"value"), (0, 0)));
    let before = told(&fixture, "t");
    fixture.stop();
    fixture.disk.kill_process();
    let (from, to) =
        if before[0] == directory_id(LOG_DIR) { (LOG_DIR, OTHER_LOG_DIR) } else { (OTHER_LOG_DIR, LOG_DIR) };
    let folder = |path: &str| Path::new(path).join("t-0");
    ottla_machine::Disk::rename(&fixture.disk, &folder(from), &folder(to)).unwrap();
    fixture.restart();
    assert_eq!(told(&fixture, "t"), [directory_id(to), before[1]]);
    assert_eq!(fixture.read_all("t", 0), [b"value"]);
    lie_where_told(&fixture, "t");
}

#[test]
fn a_full_disk_keeps_an_assignment_waiting_until_there_is_room() {
    // The topic's records fit, and the change of its partition does not.
    let fits = |left: u64| {
        let fixture = two_directories();
        fixture.disk.set_capacity(Some(fixture.disk.used() + left));
        (fixture.create_topic("t", 1).0 == 0).then_some(fixture)
    };
    let mut fixture = (0..4096).step_by(8).find_map(fits).unwrap();
    assert_eq!(told(&fixture, "t"), [Uuid::UNASSIGNED_DIR]);
    fixture.pass(Duration::from_secs(5));
    assert_eq!(told(&fixture, "t"), [Uuid::UNASSIGNED_DIR]);
    fixture.disk.set_capacity(None);
    fixture.pass(Duration::from_secs(10));
    assert!([LOG_DIR, OTHER_LOG_DIR].map(directory_id).contains(&told(&fixture, "t")[0]));
}

/// A request for one partition of a topic, and what is answered: the error of the whole, or of the partition.
fn assign(fixture: &Fixture, user: &str, broker: (i32, i64), directory: Uuid, partition: (Uuid, i32)) -> i16 {
    let partitions = vec![PartitionData { partition_index: partition.1, ..Default::default() }];
    let topics = vec![TopicData { topic_id: partition.0, partitions, ..Default::default() }];
    let directories = vec![DirectoryData { id: directory, topics, ..Default::default() }];
    let (broker_id, broker_epoch) = broker;
    let request = AssignReplicasToDirsRequest { broker_id, broker_epoch, directories, ..Default::default() };
    let reply = fixture.send(&controller_client(user), ApiKey::AssignReplicasToDirs, 0, &request).reply();
    let response: AssignReplicasToDirsResponse<'_> = reply.read();
    match response.directories.first() {
        None => response.error_code,
        Some(told) => {
            assert_eq!((response.error_code, told.id, told.topics[0].topic_id), (0, directory, partition.0));
            told.topics[0].partitions[0].error_code
        }
    }
}

#[test]
fn the_controllers_listener_answers_brokers_and_nobody_else() {
    let super_users = [ottla_security::Principal::user("admin")].into();
    let authorization = Authorization::Standard { super_users, no_acl_found: Decision::Denied };
    let fixture = Fixture::with_log_dirs(&[LOG_DIR, OTHER_LOG_DIR], authorization, &[]);
    let (_, topic) = fixture.create_topic("t", 1);
    let me = (1, fixture.node.broker_epoch());
    let room = directory_id(LOG_DIR);
    let code = |error: ErrorCode| error.code();
    assert_eq!(assign(&fixture, "mallory", me, room, (topic, 0)), code(ErrorCode::ClusterAuthorizationFailed));
    assert_eq!(assign(&fixture, "admin", (1, me.1 - 1), room, (topic, 0)), code(ErrorCode::StaleBrokerEpoch));
    assert_eq!(assign(&fixture, "admin", (2, me.1), room, (topic, 0)), code(ErrorCode::StaleBrokerEpoch));
    assert_eq!(assign(&fixture, "admin", me, room, (Uuid([9; 16]), 0)), code(ErrorCode::UnknownTopicId));
    assert_eq!(assign(&fixture, "admin", me, room, (topic, 7)), code(ErrorCode::UnknownTopicOrPartition));
    // Where the replica lies is the broker's to say: told otherwise, it says it again.
    let (before, lies) = (fixture.node.published().offset, told(&fixture, "t"));
    let elsewhere = if lies[0] == room { directory_id(OTHER_LOG_DIR) } else { room };
    assert_eq!(assign(&fixture, "admin", me, elsewhere, (topic, 0)), 0);
    assert_eq!((fixture.node.published().offset, told(&fixture, "t")), (before + 2, lies));
    // A broker's listener does not know it.
    let request = AssignReplicasToDirsRequest::default();
    let asked = fixture.send(&client("admin"), ApiKey::AssignReplicasToDirs, 0, &request);
    assert!(matches!(asked, crate::harness::Asked::Closed(_)));
}

#[test]
fn a_directory_that_is_taken_away_takes_its_leaders_along() {
    let mut fixture = two_directories();
    fixture.create_topic("t", 2);
    (0..2).for_each(|index| assert_eq!(fixture.produce(&fixture.admin, "t", index, b"value"), (0, 0)));
    let there = told(&fixture, "t").iter().position(|id| *id == directory_id(OTHER_LOG_DIR)).unwrap() as i32;
    fixture.stop();
    fixture.disk.kill_process();
    fixture.log_dirs = vec![LOG_DIR];
    fixture.restart();
    // No empty log is served in the place of one that is not there.
    let not_served = fixture.produce(&fixture.admin, "t", there, b"other").0;
    assert_eq!(not_served, ErrorCode::NotLeaderOrFollower.code());
    assert_eq!(fixture.produce(&fixture.admin, "t", 1 - there, b"more"), (0, 1));
}

#[test]
fn a_cordoned_directory_gets_no_new_partitions() {
    let file = [("log.dirs", "/data,/more")];
    let fixture = Fixture::with_log_dirs(&[LOG_DIR, OTHER_LOG_DIR], Authorization::None, &file);
    let cordon = |dirs: &'static str| crate::configs::alter(&fixture, &[("cordoned.log.dirs", SET, dirs)]);
    let registered = || fixture.node.published().image.brokers[&1].cordoned_log_dirs.clone();
    assert_eq!(registered(), Some(vec![]));
    assert_eq!(cordon(LOG_DIR), (0, None));
    assert_eq!(registered(), Some(vec![directory_id(LOG_DIR)]));
    assert_eq!(fixture.create_topic("a", 3).0, 0);
    assert_eq!(told(&fixture, "a"), [directory_id(OTHER_LOG_DIR); 3]);
    // All of them: nothing new comes to this broker, and what is here already is served.
    assert_eq!(cordon("*"), (0, None));
    assert_eq!(fixture.create_topic("b", 1).0, ErrorCode::InvalidReplicationFactor.code());
    assert_eq!(fixture.produce(&fixture.admin, "a", 0, b"value"), (0, 0));
    assert_eq!(cordon(""), (0, None));
    assert_eq!(registered(), Some(vec![]));
    assert_eq!(fixture.create_topic("b", 3).0, 0);
    assert_eq!(told(&fixture, "b"), [directory_id(LOG_DIR); 3]);
    let (error, message) = cordon("/nowhere");
    assert_eq!(error, ErrorCode::InvalidRequest.code());
    assert!(message.unwrap().contains("/nowhere"));
}

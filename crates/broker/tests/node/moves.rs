//! Replicas that are moved between log directories (KIP-113), while they are written to and read, and whenever the node is
//! killed.

use crate::harness::{Client, Fixture, LOG_DIR, OTHER_LOG_DIR, client, directory_id};
use ottla_broker::Authorization;
use ottla_machine::{Disk, Seed};
use ottla_security::Decision;
use ottla_wire::api::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use ottla_wire::api::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, DeleteRecordsRequest, DescribeLogDirsRequest,
    DescribeLogDirsResponse, delete_records_request,
};
use ottla_wire::{ApiKey, ErrorCode, Uuid};
use std::path::Path;
use std::time::Duration;

const SET: i8 = 0;
const THROTTLE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";

fn node() -> Fixture {
    node_with(&[])
}

fn node_with(more: &[(&str, &str)]) -> Fixture {
    let mut file = vec![("log.dirs", "/data,/more"), ("log.segment.bytes", "20000")];
    // No heartbeats are sent while the clock is moved.
    file.push(("broker.session.timeout.ms", "10000000"));
    file.extend(more);
    Fixture::with_log_dirs(&[LOG_DIR, OTHER_LOG_DIR], Authorization::None, &file)
}

/// The value of a record: its number, made large.
fn value(number: usize) -> Vec<u8> {
    let mut value = number.to_be_bytes().to_vec();
    value.resize(1000, 7);
    value
}

/// Appends records until there are `count`, each of which must be taken.
fn fill(fixture: &Fixture, from: usize, count: usize) {
    for number in from..count {
        assert_eq!(fixture.produce(&fixture.admin, "t", 0, &value(number)), (0, number as i64));
    }
}

fn holds(fixture: &Fixture, count: usize) {
    let read = fixture.read_all("t", 0);
    assert_eq!(read.len(), count);
    assert!(read.iter().enumerate().all(|(number, read)| *read == value(number)));
}

fn told(fixture: &Fixture) -> Uuid {
    fixture.node.published().image.topics.partition("t", 0).unwrap().directory_of(1).unwrap()
}

/// Where the partition lies, as the metadata says, and the other directory.
fn lies(fixture: &Fixture) -> (&'static str, &'static str) {
    if told(fixture) == directory_id(LOG_DIR) { (LOG_DIR, OTHER_LOG_DIR) } else { (OTHER_LOG_DIR, LOG_DIR) }
}

fn alter(fixture: &Fixture, who: &Client, moves: &[(&str, i32, &str)]) -> Vec<(String, i32, i16)> {
    let dir = |(topic, index, path): &(&str, i32, &str)| {
        let topic = AlterReplicaLogDirTopic {
            name: (*topic).to_owned().into(),
            partitions: vec![*index],
            ..Default::default()
        };
        AlterReplicaLogDir { path: (*path).to_owned().into(), topics: vec![topic], ..Default::default() }
    };
    let request = AlterReplicaLogDirsRequest { dirs: moves.iter().map(dir).collect(), ..Default::default() };
    let reply = fixture.send(who, ApiKey::AlterReplicaLogDirs, 2, &request).reply();
    let response: AlterReplicaLogDirsResponse<'_> = reply.read();
    let told = response.results.iter().flat_map(|topic| {
        topic.partitions.iter().map(|p| (topic.topic_name.to_string(), p.partition_index, p.error_code))
    });
    told.collect()
}

fn alter_one(fixture: &Fixture, topic: &str, index: i32, path: &str) -> i16 {
    alter(fixture, &fixture.admin, &[(topic, index, path)])[0].2
}

/// What DescribeLogDirs says of the partition in a directory: whether it is on its way, and its lag.
fn described(fixture: &Fixture, dir: &str) -> Vec<(bool, i64)> {
    let reply = fixture.ask(ApiKey::DescribeLogDirs, 4, &DescribeLogDirsRequest { topics: None, ..Default::default() });
    let response: DescribeLogDirsResponse<'_> = reply.read();
    let dir = response.results.iter().find(|one| one.log_dir == dir).unwrap();
    let partitions = dir.topics.iter().filter(|topic| topic.name == "t").flat_map(|topic| &topic.partitions);
    partitions.map(|p| (p.is_future_key, p.offset_lag)).collect()
}

/// The folders of the partition in a directory, but for those that wait for their removal.
fn folders(fixture: &Fixture, dir: &str) -> Vec<String> {
    all_folders(fixture, dir).into_iter().filter(|name| !name.ends_with("-delete")).collect()
}

fn all_folders(fixture: &Fixture, dir: &str) -> Vec<String> {
    let names = fixture.disk.list(Path::new(dir)).unwrap();
    names.iter().map(|name| name.to_str().unwrap().to_owned()).filter(|name| name.starts_with("t-0")).collect()
}

fn throttle(fixture: &Fixture, bytes: &'static str) {
    assert_eq!(crate::configs::alter(fixture, &[(THROTTLE, SET, bytes)]), (0, None));
}

#[test]
fn a_replica_is_moved_and_all_that_knows_of_it_follows() {
    let mut fixture = node();
    fixture.create_topic("t", 1);
    fill(&fixture, 0, 100);
    let (from, to) = lies(&fixture);
    assert_eq!(alter_one(&fixture, "t", 0, to), 0);
    assert_eq!(lies(&fixture), (to, from));
    assert_eq!((folders(&fixture, from), folders(&fixture, to)), (vec![], vec!["t-0".to_owned()]));
    assert_eq!((described(&fixture, from), described(&fixture, to)), (vec![], vec![(false, 0)]));
    holds(&fixture, 100);
    fill(&fixture, 100, 130);
    // What it was copied from is there for a while.
    assert_eq!(all_folders(&fixture, from).len(), 1);
    fixture.pass(Duration::from_secs(61));
    assert_eq!(all_folders(&fixture, from), Vec::<String>::new());
    let checkpoint = |dir: &str| {
        let content = fixture.disk.read(&Path::new(dir).join("replication-offset-checkpoint")).unwrap_or_default();
        String::from_utf8(content).unwrap().lines().find(|line| line.starts_with("t 0 ")).map(str::to_owned)
    };
    assert_eq!((checkpoint(from), checkpoint(to)), (None, Some("t 0 100".to_owned())));
    for clean in [true, false] {
        if clean {
            fixture.stop();
        }
        fixture.disk.kill_process();
        fixture.restart();
        assert_eq!(lies(&fixture), (to, from));
        holds(&fixture, 130);
    }
    // And back; asked for again, nothing is left to do.
    assert_eq!(alter_one(&fixture, "t", 0, from), 0);
    assert_eq!(alter_one(&fixture, "t", 0, from), 0);
    assert_eq!(lies(&fixture), (from, to));
    holds(&fixture, 130);
    fill(&fixture, 130, 131);
}

#[test]
fn a_throttled_move_is_told_of_and_kept_up_with_the_log() {
    let mut fixture = node();
    fixture.create_topic("t", 1);
    fill(&fixture, 0, 3000);
    let (from, to) = lies(&fixture);
    throttle(&fixture, "100000");
    assert_eq!(alter_one(&fixture, "t", 0, to), 0);
    let lag = |fixture: &Fixture| described(fixture, to)[0];
    let first = lag(&fixture);
    assert!(first.0 && first.1 > 1000 && first.1 < 3000, "{first:?}");
    assert_eq!(described(&fixture, from), [(false, 0)]);
    assert!(folders(&fixture, to)[0].ends_with("-future"));
    // It goes on as time does, while records are appended, and old ones deleted.
    fill(&fixture, 3000, 3500);
    assert_eq!(lag(&fixture), (true, first.1 + 500));
    fixture.pass(Duration::from_secs(15));
    assert!(lag(&fixture).1 < first.1 + 500);
    let delete =
        delete_records_request::DeleteRecordsPartition { partition_index: 0, offset: 3321, ..Default::default() };
    let topic =
        delete_records_request::DeleteRecordsTopic { name: "t".into(), partitions: vec![delete], ..Default::default() };
    fixture.ask(ApiKey::DeleteRecords, 2, &DeleteRecordsRequest { topics: vec![topic], ..Default::default() });
    fixture.clean_up();
    let mut end = 3500;
    while told(&fixture) == directory_id(from) || !described(&fixture, from).is_empty() {
        fixture.pass(Duration::from_secs(5));
        fill(&fixture, end, end + 1);
        end += 1;
        assert!(end < 3600);
    }
    assert_eq!(folders(&fixture, from), Vec::<String>::new());
    fill(&fixture, end, end + 10);
    let published = fixture.node.published();
    let offsets = published.partition_named("t", 0).unwrap().log().offsets();
    assert_eq!((offsets.log_start_offset.0, offsets.log_end_offset.0), (3321, end as i64 + 10));
    drop(published);
    // Without a limit it is at once.
    throttle(&fixture, "9223372036854775807");
    assert_eq!(alter_one(&fixture, "t", 0, from), 0);
    assert_eq!(described(&fixture, from), [(false, 0)]);
}

#[test]
fn a_move_can_be_taken_back() {
    let fixture = node();
    fixture.create_topic("t", 1);
    fill(&fixture, 0, 3000);
    let (from, to) = lies(&fixture);
    throttle(&fixture, "1000");
    assert_eq!(alter_one(&fixture, "t", 0, to), 0);
    assert_eq!(folders(&fixture, to).len(), 1);
    assert_eq!(alter_one(&fixture, "t", 0, from), 0);
    assert_eq!((folders(&fixture, to), lies(&fixture)), (vec![], (from, to)));
    // A topic that is deleted on the way leaves nothing behind.
    throttle(&fixture, "2000");
    assert_eq!(alter_one(&fixture, "t", 0, to), 0);
    assert_eq!(fixture.delete_topic("t"), 0);
    assert_eq!((folders(&fixture, from), folders(&fixture, to)), (vec![], vec![]));
}

#[test]
fn a_move_goes_on_at_the_next_start() {
    for clean in [true, false] {
        let mut fixture = node();
        fixture.create_topic("t", 1);
        fill(&fixture, 0, 3000);
        let (from, to) = lies(&fixture);
        throttle(&fixture, "100000");
        assert_eq!(alter_one(&fixture, "t", 0, to), 0);
        assert_eq!(described(&fixture, to).len(), 1);
        throttle(&fixture, "1");
        if clean {
            fixture.stop();
        }
        fixture.disk.kill_process();
        fixture.restart();
        let (is_future, lag) = described(&fixture, to)[0];
        assert!(is_future && lag < 3000, "it begins anew");
        throttle(&fixture, "9223372036854775807");
        fixture.pass(Duration::from_secs(1));
        assert_eq!(lies(&fixture), (to, from));
        assert_eq!(folders(&fixture, from), Vec::<String>::new());
        holds(&fixture, 3000);
    }
}

#[test]
fn what_cannot_be_moved_is_told_as_kafka_does() {
    let super_users = [ottla_security::Principal::user("admin")].into();
    let authorization = Authorization::Standard { super_users, no_acl_found: Decision::Denied };
    let file = [("log.dirs", "/data,/more")];
    let fixture = Fixture::with_log_dirs(&[LOG_DIR, OTHER_LOG_DIR], authorization, &file);
    fixture.create_topic("t", 2);
    let code = |error: ErrorCode| error.code();
    assert_eq!(alter_one(&fixture, "t", 0, "/nowhere"), code(ErrorCode::LogDirNotFound));
    assert_eq!(alter_one(&fixture, "t", 7, LOG_DIR), code(ErrorCode::UnknownTopicOrPartition));
    assert_eq!(alter_one(&fixture, &"t".repeat(240), 0, LOG_DIR), code(ErrorCode::InvalidTopicException));
    let mallory = client("mallory");
    let refused = alter(&fixture, &mallory, &[("t", 0, LOG_DIR), ("u", 1, LOG_DIR)]);
    let denied = code(ErrorCode::ClusterAuthorizationFailed);
    assert_eq!(refused, [("t".to_owned(), 0, denied), ("u".to_owned(), 1, denied)]);
    let (from, to) = lies(&fixture);
    assert_eq!(crate::configs::alter(&fixture, &[("cordoned.log.dirs", SET, to)]), (0, None));
    assert_eq!(alter_one(&fixture, "t", 0, to), code(ErrorCode::InvalidReplicaAssignment));
    assert_eq!(crate::configs::alter(&fixture, &[("cordoned.log.dirs", SET, "")]), (0, None));
    // Asked for before the topic is there, it is where the partition goes then.
    for index in 0..4 {
        assert_eq!(alter_one(&fixture, "later", index, from), code(ErrorCode::UnknownTopicOrPartition));
    }
    assert_eq!(fixture.create_topic("later", 4).0, 0);
    let published = fixture.node.published();
    let partitions = &published.image.topics.named("later").unwrap().partitions;
    assert!(partitions.values().all(|partition| partition.directory_of(1) == Some(directory_id(from))));
    drop(published);
    let broken = if from == LOG_DIR { to } else { from };
    assert_eq!(broken, OTHER_LOG_DIR);
    fixture.disk.break_dir(Path::new(broken));
    fixture.node.checkpoint_all();
    fixture.settle();
    let storage = code(ErrorCode::KafkaStorageError);
    (0..2).for_each(|index| {
        assert_eq!(alter_one(&fixture, "t", index, OTHER_LOG_DIR), storage);
    });
}

#[test]
fn a_directory_that_fails_ends_its_moves() {
    // The one that is moved to: the replica stays where it is.
    let mut fixture = node();
    fixture.create_topic("t", 2);
    let index = (0..2).find(|index| {
        let published = fixture.node.published();
        published.image.topics.partition("t", *index).unwrap().directory_of(1) == Some(directory_id(LOG_DIR))
    });
    let index = index.unwrap();
    for number in 0..3000 {
        assert_eq!(fixture.produce(&fixture.admin, "t", index, &value(number)).0, 0);
    }
    throttle(&fixture, "1000");
    assert_eq!(alter_one(&fixture, "t", index, OTHER_LOG_DIR), 0);
    fixture.disk.break_dir(Path::new(OTHER_LOG_DIR));
    throttle(&fixture, "9223372036854775807");
    fixture.pass(Duration::from_secs(20));
    assert_eq!(fixture.produce(&fixture.admin, "t", index, b"value"), (0, 3000));
    assert_eq!(fixture.node.published().image.brokers[&1].log_dirs, [directory_id(LOG_DIR)]);
    // Mended, it is moved there after all.
    fixture.disk.mend_dir(Path::new(OTHER_LOG_DIR));
    fixture.disk.kill_process();
    fixture.restart();
    fixture.pass(Duration::from_secs(20));
    let published = fixture.node.published();
    let partition = published.image.topics.partition("t", index).unwrap();
    assert_eq!(partition.directory_of(1), Some(directory_id(OTHER_LOG_DIR)));
    assert_eq!(fixture.read_all("t", index).len(), 3001);
}

/// What is done while a replica is moved and the process lives; gives how many records were taken.
fn move_and_append(fixture: &Fixture, to: &str, first: usize) -> usize {
    let mut next = first;
    let mut append = || {
        let (error, offset) = fixture.produce(&fixture.admin, "t", 0, &value(next));
        if error == 0 {
            assert_eq!(offset, next as i64);
            next += 1;
        }
    };
    append();
    if !fixture.disk.is_dead() {
        alter_one(fixture, "t", 0, to);
    }
    append();
    next
}

#[test]
fn killed_at_any_use_of_the_disk_nothing_is_lost_or_repeated() {
    let mut dead = true;
    let mut uses = 0;
    let mut was_between_the_renames = false;
    while dead {
        let mut fixture = node();
        fixture.create_topic("t", 1);
        fill(&fixture, 0, 60);
        let (from, to) = lies(&fixture);
        fixture.disk.die_after(uses);
        let taken = move_and_append(&fixture, to, 60);
        dead = fixture.disk.is_dead();
        fixture.disk.kill_process();
        let (left, copied) = (all_folders(&fixture, from), folders(&fixture, to));
        was_between_the_renames |= left.len() == 1 && left[0].ends_with("-delete") && copied[0].ends_with("-future");
        fixture.restart();
        fixture.pass(Duration::from_secs(5));
        // What was refused at the end may be there: the answer was lost, not the record.
        let read = fixture.read_all("t", 0);
        assert!((taken..=62).contains(&read.len()), "{uses} uses: {} of {taken}", read.len());
        assert!(read.iter().enumerate().all(|(number, read)| *read == value(number)), "{uses} uses");
        let all = [folders(&fixture, from), folders(&fixture, to)].concat();
        assert_eq!(all, ["t-0"], "{uses} uses");
        // The topic is written to, and moved, as before.
        fill(&fixture, read.len(), read.len() + 3);
        assert_eq!(alter_one(&fixture, "t", 0, to), 0);
        assert_eq!(lies(&fixture).0, to, "{uses} uses");
        holds(&fixture, read.len() + 3);
        uses += 1;
    }
    assert!(uses > 50 && was_between_the_renames, "{uses}");
}

#[test]
fn a_power_loss_at_any_use_of_the_disk_loses_nothing_that_was_durable() {
    for seed in 0..150u64 {
        let mut random = Seed(seed);
        // What is acknowledged is durable.
        let mut fixture = node_with(&[("log.flush.interval.messages", "1")]);
        fixture.create_topic("t", 1);
        fill(&fixture, 0, 60);
        let (from, to) = lies(&fixture);
        fixture.disk.die_after(random.below(70));
        let taken = move_and_append(&fixture, to, 60);
        fixture.disk.crash(&mut random);
        fixture.restart();
        fixture.pass(Duration::from_secs(5));
        let read = fixture.read_all("t", 0);
        assert!((taken..=62).contains(&read.len()), "seed {seed}: {} of {taken}", read.len());
        assert!(read.iter().enumerate().all(|(number, read)| *read == value(number)), "seed {seed}");
        let all = [folders(&fixture, from), folders(&fixture, to)].concat();
        assert_eq!(all, ["t-0"], "seed {seed}");
        fill(&fixture, read.len(), read.len() + 3);
    }
}

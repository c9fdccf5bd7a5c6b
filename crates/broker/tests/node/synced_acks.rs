//! Acknowledgements that wait for the disk (`ottla.log.sync.before.ack`): nobody is told, and nobody sees, what a power loss
//! could take back; and nobody who handles requests waits.

use crate::harness::{Asked, Fixture, LOG_DIR, OTHER_LOG_DIR, client, fetch_request, produced, values_of};
use ottla_broker::Authorization;
use ottla_machine::{Fault, Seed, seeds};
use ottla_wire::api::describe_configs_request::DescribeConfigsResource;
use ottla_wire::api::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_wire::api::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_wire::api::{
    CreateTopicsRequest, CreateTopicsResponse, DescribeConfigsRequest, DescribeConfigsResponse, FetchResponse,
    FindCoordinatorRequest, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
    create_topics_request::CreatableTopic,
};
use ottla_wire::{ApiKey, ErrorCode};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many seeds an ordinary run of the tests takes; OTTLA_SEEDS asks for more.
const SEEDS: u64 = 80;

fn fixture() -> Fixture {
    Fixture::with(
        Authorization::None,
        &[
            ("ottla.log.sync.before.ack", "true"),
            ("log.segment.bytes", "1048576"),
            ("offsets.topic.num.partitions", "2"),
        ],
    )
}

/// What a consumer sees: values and the high watermark.
fn visible(fixture: &Fixture, topic: &str) -> (Vec<Vec<u8>>, i64) {
    let reply = fixture.begin(&client("reader"), ApiKey::Fetch, 12, &fetch_request(topic, 0, 0, 0)).reply();
    let response: FetchResponse<'_> = reply.read();
    let data = &response.responses[0].partitions[0];
    assert_eq!(data.error_code, 0);
    (values_of(data.records.as_ref().map_or(&[][..], |records| records.bytes())), data.high_watermark)
}

#[test]
fn many_producers_share_a_sync_and_consumers_see_nothing_before() {
    let fixture = fixture();
    fixture.create_topic("events", 1);
    let clients: Vec<_> = (0..20).map(|n| client(&format!("producer-{n}"))).collect();
    let acks = |n: usize| if n.is_multiple_of(2) { -1 } else { 1 };
    let waiting: Vec<_> = (0..20)
        .map(|n| fixture.begin_produce(&clients[n], "events", 0, (None, &[n as u8]), acks(n)).pending())
        .collect();
    assert_eq!(visible(&fixture, "events"), (Vec::new(), 0));
    let before = fixture.disk.sync_count();
    fixture.settle();
    let syncs = fixture.disk.sync_count() - before;
    assert_eq!(syncs, 1, "one sync for all of them");
    for (n, pending) in waiting.into_iter().enumerate() {
        assert_eq!(produced(fixture.look(pending)), (0, n as i64));
    }
    assert_eq!(visible(&fixture, "events").1, 20);
}

#[test]
fn without_the_setting_and_without_acks_nobody_waits() {
    let unset = Fixture::new();
    unset.create_topic("events", 1);
    // The first record makes the folder.
    assert_eq!(produced(unset.begin_produce(&unset.admin, "events", 0, (None, b"a"), -1)), (0, 0));
    let before = unset.disk.sync_count();
    assert_eq!(produced(unset.begin_produce(&unset.admin, "events", 0, (None, b"b"), -1)), (0, 1));
    assert_eq!(unset.disk.sync_count(), before);
    let fixture = fixture();
    fixture.create_topic("events", 1);
    assert!(
        matches!(fixture.begin_produce(&fixture.admin, "events", 0, (None, b"a"), 0), Asked::Closed(why) if why == "silence")
    );
    fixture.settle();
    assert_eq!(visible(&fixture, "events").1, 1);
}

#[test]
fn a_producer_whose_time_is_up_is_told_so_and_the_record_stays() {
    let mut fixture = fixture();
    fixture.create_topic("events", 1);
    let pending = fixture.begin_produce(&fixture.admin, "events", 0, (None, b"a"), 1).pending();
    fixture.hold_jobs();
    fixture.pass(Duration::from_millis(1001));
    assert_eq!(produced(fixture.look(pending)).0, ErrorCode::RequestTimedOut.code());
    fixture.release_jobs();
    fixture.settle();
    assert_eq!(visible(&fixture, "events").0, [b"a"]);
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_or_synced_again() {
    for fault in [Fault::Sync, Fault::SyncDir] {
        let mut fixture = fixture();
        fixture.create_topic("events", 1);
        assert_eq!(fixture.produce(&fixture.admin, "events", 0, b"first"), (0, 0));
        if fault == Fault::SyncDir {
            fixture.create_topic("other", 1);
        }
        let topic = if fault == Fault::SyncDir { "other" } else { "events" };
        fixture.disk.fail_after(fault, 0);
        for _ in 0..3 {
            assert_eq!(
                fixture.produce(&fixture.admin, topic, 0, b"lost").0,
                ErrorCode::KafkaStorageError.code(),
                "{fault:?}"
            );
        }
        let of_topic = |path: &std::path::PathBuf| path.to_string_lossy().contains(topic);
        assert!(!fixture.disk.synced_after_failure().iter().any(of_topic));
        assert_eq!(visible(&fixture, "events").0, [b"first"]);
        fixture.stop();
        assert!(!fixture.disk.synced_after_failure().iter().any(of_topic), "nor at the end");
        fixture.disk.crash(&mut Seed(1));
        fixture.restart();
        let found = fixture.read_all("events", 0);
        assert_eq!(found[0], b"first");
    }
}

#[test]
fn a_failed_sync_ends_the_syncs_of_its_directory_and_no_others() {
    let key = [("ottla.log.sync.before.ack", "true")];
    let fixture = Fixture::with_log_dirs(&[LOG_DIR, OTHER_LOG_DIR], Authorization::None, &key);
    fixture.create_topic("events", 4);
    let lies_in = |index: i32, dir: &str| {
        let folder = std::path::Path::new(dir).join(format!("events-{index}"));
        ottla_machine::Disk::exists(&fixture.disk, &folder).unwrap()
    };
    for index in 0..4 {
        assert_eq!(fixture.produce(&fixture.admin, "events", index, b"first"), (0, 0));
    }
    let (there, here): (Vec<i32>, Vec<i32>) = (0..4).partition(|index| lies_in(*index, OTHER_LOG_DIR));
    assert_eq!((there.len(), here.len()), (2, 2));
    fixture.disk.fail_after(Fault::Sync, 0);
    for index in there {
        let answer = fixture.produce(&fixture.admin, "events", index, b"lost");
        assert_eq!(answer.0, ErrorCode::KafkaStorageError.code(), "{index}");
    }
    for index in here {
        assert_eq!(fixture.produce(&fixture.admin, "events", index, b"second"), (0, 1));
    }
    fixture.node.checkpoint_all();
    fixture.stop();
    let synced = fixture.disk.synced_after_failure();
    assert!(!synced.iter().any(|path| path.starts_with(OTHER_LOG_DIR)), "{synced:?}");
    assert!(synced.iter().any(|path| path.starts_with(LOG_DIR)));
}

#[test]
fn a_record_that_only_the_page_cache_has_counts_after_the_next_start_once_it_is_synced() {
    let mut fixture = fixture();
    fixture.create_topic("events", 1);
    let _unanswered = fixture.begin_produce(&fixture.admin, "events", 0, (None, b"a"), -1).pending();
    fixture.disk.kill_process();
    fixture.restart();
    assert_eq!(visible(&fixture, "events").0, [b"a"]);
    fixture.disk.crash(&mut Seed(3));
    fixture.restart();
    assert_eq!(visible(&fixture, "events").0, [b"a"]);
}

#[test]
fn tools_are_shown_the_key_as_they_are_shown_a_plugins() {
    let fixture = fixture();
    let resource = DescribeConfigsResource { resource_type: 4, resource_name: "1".into(), ..Default::default() };
    let request = DescribeConfigsRequest { resources: vec![resource], include_synonyms: true, ..Default::default() };
    let reply = fixture.ask(ApiKey::DescribeConfigs, 4, &request);
    let response: DescribeConfigsResponse<'_> = reply.read();
    let configs = &response.results[0].configs;
    let own: Vec<_> = configs.iter().filter(|config| config.name.starts_with("ottla.")).collect();
    assert_eq!(own.len(), 1);
    assert_eq!((own[0].value.as_deref(), own[0].is_sensitive, own[0].read_only), (None, true, true));
    assert_eq!((own[0].config_type, own[0].config_source), (0, 4), "of no known type, from the file");
}

/// What was asked of the node, and what it has acknowledged.
#[derive(Default)]
struct Model {
    /// Of each topic the values in the order in which they were sent, and how many are acknowledged.
    topics: BTreeMap<String, (Vec<Vec<u8>>, usize)>,
    /// Offsets that were sent, and the last that was acknowledged.
    committed: Vec<i64>,
    acknowledged: Option<i64>,
    made: u64,
}

fn run(seed: u64) {
    let mut seed = Seed(seed);
    let mut fixture = fixture();
    let mut model = Model::default();
    for _ in 0..5 {
        if seed.chance(2, 3) {
            fixture.disk.power_off_after(seed.below(120));
        }
        for _ in 0..seed.below(25) {
            match seed.below(8) {
                0 => create(&fixture, &mut model),
                1 | 2 => commit(&fixture, &mut model),
                _ => produce(&fixture, &mut model, &mut seed),
            }
        }
        if seed.chance(1, 5) {
            fixture.stop();
        }
        if seed.chance(1, 4) && !fixture.disk.is_off() {
            fixture.disk.kill_process();
        } else {
            fixture.disk.crash(&mut seed);
        }
        restart(&mut fixture, &mut seed);
        check(&fixture, &mut model);
    }
}

/// The power may go off again while it starts.
fn restart(fixture: &mut Fixture, seed: &mut Seed) {
    if seed.chance(1, 3) {
        fixture.disk.power_off_after(seed.below(60));
    }
    while let Err(error) = fixture.try_restart() {
        assert!(fixture.disk.is_off(), "{error}");
        fixture.disk.crash(seed);
    }
    if fixture.disk.is_off() {
        fixture.disk.crash(seed);
        restart(fixture, seed);
    }
}

fn create(fixture: &Fixture, model: &mut Model) {
    model.made += 1;
    let name = format!("topic-{}", model.made);
    let topic =
        CreatableTopic { name: name.clone().into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    if let Asked::Answered(reply) = fixture.send(&fixture.admin, ApiKey::CreateTopics, 7, &request) {
        let response: CreateTopicsResponse<'_> = reply.read();
        if response.topics[0].error_code == 0 {
            model.topics.insert(name, (Vec::new(), 0));
        }
    }
}

/// Several producers at a time, whose records share a sync.
fn produce(fixture: &Fixture, model: &mut Model, seed: &mut Seed) {
    let Some(name) = model.topics.keys().nth(seed.below(model.topics.len() as u64) as usize).cloned() else { return };
    let clients: Vec<_> = (0..1 + seed.below(4)).map(|n| client(&n.to_string())).collect();
    let mut asked = Vec::new();
    for client in &clients {
        let value = seed.draw().to_be_bytes().repeat(1 + seed.below(200) as usize);
        let acks = if seed.chance(1, 2) { 1 } else { -1 };
        asked.push(fixture.begin_produce(client, &name, 0, (None, &value), acks));
        if let Some((sent, _)) = model.topics.get_mut(&name) {
            sent.push(value);
        }
    }
    let _ = fixture.try_settle();
    for asked in asked {
        let asked = if let Asked::Waits(pending) = asked { fixture.look(pending) } else { asked };
        if let Asked::Answered(_) = asked
            && let (0, offset) = produced(asked)
            && let Some((_, acknowledged)) = model.topics.get_mut(&name)
        {
            *acknowledged = (*acknowledged).max(offset as usize + 1);
        }
    }
}

fn commit(fixture: &Fixture, model: &mut Model) {
    let find = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
    fixture.send(&fixture.admin, ApiKey::FindCoordinator, 4, &find);
    let Some(name) = model.topics.keys().next().cloned() else { return };
    model.made += 1;
    let offset = model.made as i64;
    let partition = OffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
    let topic = OffsetCommitRequestTopic { name: name.into(), partitions: vec![partition], ..Default::default() };
    let request = OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    model.committed.push(offset);
    if let Asked::Answered(reply) = fixture.send(&fixture.admin, ApiKey::OffsetCommit, 8, &request) {
        let response: OffsetCommitResponse<'_> = reply.read();
        if response.topics[0].partitions[0].error_code == 0 {
            model.acknowledged = Some(offset);
        }
    }
}

fn check(fixture: &Fixture, model: &mut Model) {
    let there = fixture.topics(&fixture.admin);
    for (name, (sent, acknowledged)) in &mut model.topics {
        assert!(there.contains_key(name), "{name} was acknowledged");
        let found = fixture.read_all(name, 0);
        assert!(found.len() >= *acknowledged, "{name}: {} of {acknowledged} acknowledged", found.len());
        // What failed was not appended, or was: in the order in which it was sent.
        let mut next = sent.iter();
        assert!(found.iter().all(|value| next.any(|sent| sent == value)), "{name}");
        (*sent, *acknowledged) = (found.clone(), found.len());
    }
    let Some(acknowledged) = model.acknowledged else { return };
    let Some(name) = model.topics.keys().next() else { return };
    let topic =
        OffsetFetchRequestTopics { name: name.clone().into(), partition_indexes: vec![0], ..Default::default() };
    let group = OffsetFetchRequestGroup { group_id: "g".into(), topics: Some(vec![topic]), ..Default::default() };
    let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
    let reply = fixture.ask(ApiKey::OffsetFetch, 8, &request);
    let response: OffsetFetchResponse<'_> = reply.read();
    let found = response.groups[0].topics[0].partitions[0].committed_offset;
    assert!(found >= acknowledged && model.committed.contains(&found), "{found}, and {acknowledged} was acknowledged");
    model.acknowledged = Some(found);
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes_off() {
    seeds::run("-p ottla-broker --test node nothing_acknowledged_is_lost", SEEDS, run);
}

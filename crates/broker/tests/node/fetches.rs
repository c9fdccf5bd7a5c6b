//! Fetches that wait, sessions, and offsets looked up by time.

use crate::harness::{BY_NAME, Fixture, client, fetch_request, values_of};
use ottla_wire::api::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_wire::api::{FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse};
use ottla_wire::{ApiKey, ErrorCode};
use std::sync::mpsc;
use std::time::Duration;

#[test]
fn a_waiting_fetch_is_answered_by_the_append_that_it_waits_for() {
    let fixture = Fixture::new();
    assert_eq!(fixture.create_topic("events", 2).0, 0);
    let reader = client("reader");
    let pending = fixture.send(&reader, ApiKey::Fetch, BY_NAME, &fetch_request("events", 0, 0, 500)).pending();
    // Another partition's record is none of its business.
    assert_eq!(fixture.produce(&fixture.admin, "events", 1, b"elsewhere"), (0, 0));
    let pending = fixture.look(pending).pending();
    assert_eq!(fixture.produce(&fixture.admin, "events", 0, b"here"), (0, 0));
    let reply = fixture.look(pending).reply();
    let response: FetchResponse<'_> = reply.read();
    let data = &response.responses[0].partitions[0];
    assert_eq!(values_of(data.records.as_ref().unwrap().bytes()), [b"here"]);
    assert_eq!(data.high_watermark, 1);
}

#[test]
fn a_waiting_fetch_is_answered_when_its_time_is_up() {
    let mut fixture = Fixture::new();
    fixture.create_topic("events", 1);
    let reader = client("reader");
    let pending = fixture.send(&reader, ApiKey::Fetch, BY_NAME, &fetch_request("events", 0, 0, 500)).pending();
    fixture.pass(Duration::from_millis(499));
    let pending = fixture.look(pending).pending();
    fixture.pass(Duration::from_millis(1));
    let reply = fixture.look(pending).reply();
    let response: FetchResponse<'_> = reply.read();
    let data = &response.responses[0].partitions[0];
    assert_eq!((data.error_code, data.high_watermark), (0, 0));
    assert!(data.records.as_ref().is_none_or(|records| records.is_empty()));
}

#[test]
fn a_waiting_fetch_hears_that_its_topic_is_gone() {
    let fixture = Fixture::new();
    fixture.create_topic("events", 1);
    let reader = client("reader");
    let pending = fixture.send(&reader, ApiKey::Fetch, BY_NAME, &fetch_request("events", 0, 0, 60_000)).pending();
    assert_eq!(fixture.delete_topic("events"), 0);
    let reply = fixture.look(pending).reply();
    let response: FetchResponse<'_> = reply.read();
    assert_eq!(response.responses[0].partitions[0].error_code, ErrorCode::UnknownTopicOrPartition.code());
}

#[test]
fn whoever_a_deletion_wakes_finds_the_topic_gone() {
    let fixture = Fixture::new();
    fixture.create_topic("events", 1);
    let reader = client("reader");
    let fetch = fetch_request("events", 0, 0, 60_000);
    let pending = fixture.send(&reader, ApiKey::Fetch, BY_NAME, &fetch).pending();
    let (tell, told) = mpsc::channel();
    let look = fixture.later(ApiKey::Fetch, BY_NAME, &fetch);
    reader.when_woken(move || {
        let reply = look();
        let response: FetchResponse<'_> = reply.read();
        tell.send(response.responses[0].partitions[0].error_code).unwrap();
    });
    assert_eq!(fixture.delete_topic("events"), 0);
    assert_eq!(told.try_recv(), Ok(ErrorCode::UnknownTopicOrPartition.code()));
    fixture.look(pending).reply();
}

#[test]
fn a_fetch_with_an_old_epoch_hears_the_new_leader_from_version_16_on() {
    let mut fixture = Fixture::new();
    let (_, topic_id) = fixture.create_topic("events", 1);
    // Its leader goes, and is elected anew: two epochs.
    fixture.stop();
    fixture.disk.kill_process();
    fixture.restart();
    let mut request = fetch_request("events", 0, 0, 0);
    request.topics[0].partitions[0].current_leader_epoch = 0;
    request.topics[0].topic_id = topic_id;
    for version in [9, 12, 15, 16, 18] {
        let by_name = FetchRequest { ..request.clone() };
        let reply = fixture.ask(ApiKey::Fetch, version, &by_name);
        let response: FetchResponse<'_> = reply.read();
        let data = &response.responses[0].partitions[0];
        assert_eq!(data.error_code, ErrorCode::FencedLeaderEpoch.code(), "version {version}");
        let endpoints: Vec<_> =
            response.node_endpoints.iter().map(|node| (node.node_id, &*node.host, node.port)).collect();
        let leader = (data.current_leader.leader_id, data.current_leader.leader_epoch);
        match version {
            ..16 => assert_eq!((leader, endpoints), ((-1, -1), vec![]), "version {version}"),
            _ => assert_eq!((leader, endpoints), ((1, 2), vec![(1, "localhost", 9092)]), "version {version}"),
        }
    }
}

#[test]
fn a_session_tells_only_what_is_new() {
    let fixture = Fixture::new();
    fixture.create_topic("events", 3);
    fixture.produce(&fixture.admin, "events", 0, b"first");
    let full = {
        let mut request = fetch_request("events", 0, 0, 0);
        let partition = request.topics[0].partitions[0].clone();
        request.topics[0].partitions = (0..3)
            .map(|partition_index| ottla_wire::api::fetch_request::FetchPartition {
                partition: partition_index,
                ..partition.clone()
            })
            .collect();
        FetchRequest { session_epoch: 0, ..request }
    };
    let reply = fixture.ask(ApiKey::Fetch, BY_NAME, &full);
    let response: FetchResponse<'_> = reply.read();
    assert_eq!(response.responses[0].partitions.len(), 3, "a new session tells everything");
    let session_id = response.session_id;
    assert_ne!(session_id, 0);

    let next = |epoch, offset| {
        let mut request = fetch_request("events", 0, offset, 0);
        request.session_id = session_id;
        request.session_epoch = epoch;
        request
    };
    // From partition 0 it has now what there is.
    let reply = fixture.ask(ApiKey::Fetch, BY_NAME, &next(1, 1));
    let response: FetchResponse<'_> = reply.read();
    assert_eq!((response.error_code, response.session_id), (0, session_id));
    assert!(response.responses.is_empty(), "{response:?}");

    fixture.produce(&fixture.admin, "events", 2, b"third");
    let request = FetchRequest { topics: Vec::new(), ..next(2, 1) };
    let reply = fixture.ask(ApiKey::Fetch, BY_NAME, &request);
    let response: FetchResponse<'_> = reply.read();
    let told: Vec<i32> = response.responses.iter().flat_map(|t| &t.partitions).map(|p| p.partition_index).collect();
    assert_eq!(told, [2]);

    let error = |request: &FetchRequest<'_>| {
        let reply = fixture.ask(ApiKey::Fetch, BY_NAME, request);
        let response: FetchResponse<'_> = reply.read();
        response.error_code
    };
    assert_eq!(error(&next(7, 1)), ErrorCode::InvalidFetchSessionEpoch.code());
    let stranger = FetchRequest { session_id: session_id ^ 1, ..next(3, 1) };
    assert_eq!(error(&stranger), ErrorCode::FetchSessionIdNotFound.code());
}

#[test]
fn offsets_are_found_by_their_time() {
    let mut fixture = Fixture::new();
    fixture.create_topic("events", 1);
    let begun = 1_700_000_000_000;
    for _ in 0..3 {
        fixture.produce(&fixture.admin, "events", 0, b"tick");
        fixture.pass(Duration::from_secs(10));
    }
    let find = |timestamp| {
        let partition = ListOffsetsPartition { timestamp, current_leader_epoch: -1, ..Default::default() };
        let topic = ListOffsetsTopic { name: "events".into(), partitions: vec![partition], ..Default::default() };
        let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
        let reply = fixture.ask(ApiKey::ListOffsets, 7, &request);
        let response: ListOffsetsResponse<'_> = reply.read();
        let found = &response.topics[0].partitions[0];
        (found.error_code, found.offset, found.timestamp)
    };
    assert_eq!(find(-2), (0, 0, -1), "earliest");
    assert_eq!(find(-1), (0, 3, -1), "latest");
    assert_eq!(find(-3), (0, 2, begun + 20_000), "of the largest time");
    assert_eq!(find(begun), (0, 0, begun));
    assert_eq!(find(begun + 1), (0, 1, begun + 10_000));
    assert_eq!(find(begun + 20_001), (0, -1, -1), "nothing is as late");
}

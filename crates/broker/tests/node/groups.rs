//! A classic group on a node: it joins, is assigned, beats, and dies with the clock; what it committed stays.

use crate::harness::{Client, Fixture, Pending, client};
use ottla_wire::api::find_coordinator_response::Coordinator;
use ottla_wire::api::join_group_request::JoinGroupRequestProtocol;
use ottla_wire::api::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_wire::api::offset_fetch_request::OffsetFetchRequestGroup;
use ottla_wire::api::sync_group_request::SyncGroupRequestAssignment;
use ottla_wire::api::{
    FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest,
    JoinGroupResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
    SyncGroupRequest, SyncGroupResponse,
};
use ottla_wire::{ApiKey, ErrorCode};
use std::time::Duration;

fn fixture() -> Fixture {
    fixture_with(&[])
}

fn fixture_with(file: &[(&str, &str)]) -> Fixture {
    let file: Vec<(&str, &str)> = file.iter().copied().chain([("group.initial.rebalance.delay.ms", "0")]).collect();
    let fixture = Fixture::with(ottla_broker::Authorization::None, &file);
    // Looking for the coordinator creates the topic of offsets.
    for expected in [ErrorCode::CoordinatorNotAvailable, ErrorCode::None] {
        let request = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
        let reply = fixture.ask(ApiKey::FindCoordinator, 4, &request);
        let response: FindCoordinatorResponse<'_> = reply.read();
        let Coordinator { error_code, node_id, .. } = &response.coordinators[0];
        assert_eq!(*error_code, expected.code());
        assert_eq!(*node_id, if expected == ErrorCode::None { 1 } else { -1 });
    }
    fixture
}

fn join(member_id: &str) -> JoinGroupRequest<'_> {
    let protocol = JoinGroupRequestProtocol { name: "range".into(), metadata: b"m"[..].into(), ..Default::default() };
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 30_000,
        member_id: member_id.into(),
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..Default::default()
    }
}

/// Joins as one who has no id yet; gives the id and the join that follows.
fn first_join(fixture: &Fixture, client: &Client) -> (String, crate::harness::Asked) {
    let reply = fixture.send(client, ApiKey::JoinGroup, 5, &join("")).reply();
    let response: JoinGroupResponse<'_> = reply.read();
    assert_eq!(response.error_code, ErrorCode::MemberIdRequired.code());
    let id = response.member_id.into_owned();
    let asked = fixture.send(client, ApiKey::JoinGroup, 5, &join(&id));
    (id, asked)
}

fn sync<'a>(member: &'a str, generation_id: i32, all: &[(&'a str, &'a [u8])]) -> SyncGroupRequest<'a> {
    let assignments = all.iter().map(|(member_id, assignment)| SyncGroupRequestAssignment {
        member_id: (*member_id).into(),
        assignment: (*assignment).into(),
        ..Default::default()
    });
    SyncGroupRequest {
        group_id: "g".into(),
        generation_id,
        member_id: member.into(),
        assignments: assignments.collect(),
        ..Default::default()
    }
}

fn assignment(reply: &crate::harness::Reply) -> (i16, Vec<u8>) {
    let response: SyncGroupResponse<'_> = reply.read();
    (response.error_code, response.assignment.into_owned())
}

fn beat(fixture: &Fixture, client: &Client, member_id: &str, generation_id: i32) -> i16 {
    let request =
        HeartbeatRequest { group_id: "g".into(), generation_id, member_id: member_id.into(), ..Default::default() };
    let reply = fixture.send(client, ApiKey::Heartbeat, 3, &request).reply();
    let response: HeartbeatResponse<'_> = reply.read();
    response.error_code
}

fn joined(pending: crate::harness::Asked) -> (i32, String, usize) {
    let reply = pending.reply();
    let response: JoinGroupResponse<'_> = reply.read();
    assert_eq!(response.error_code, 0);
    (response.generation_id, response.leader.into_owned(), response.members.len())
}

#[test]
fn members_join_are_assigned_and_are_missed_when_they_fall_silent() {
    let mut fixture = fixture();
    let (ann, bob) = (client("ann"), client("bob"));
    let (ann_id, asked) = first_join(&fixture, &ann);
    assert_eq!(joined(asked), (1, ann_id.clone(), 1));
    let reply = fixture.send(&ann, ApiKey::SyncGroup, 3, &sync(&ann_id, 1, &[(&ann_id, b"all")])).reply();
    assert_eq!(assignment(&reply), (0, b"all".to_vec()));
    assert_eq!(beat(&fixture, &ann, &ann_id, 1), 0);

    // Bob waits until Ann has heard of the rebalance and joins again.
    let (bob_id, asked) = first_join(&fixture, &bob);
    let bob_waits: Pending = asked.pending();
    assert_eq!(beat(&fixture, &ann, &ann_id, 1), ErrorCode::RebalanceInProgress.code());
    assert_eq!(joined(fixture.send(&ann, ApiKey::JoinGroup, 5, &join(&ann_id))), (2, ann_id.clone(), 2));
    assert_eq!(joined(fixture.look(bob_waits)), (2, ann_id.clone(), 0));
    let bob_waits = fixture.send(&bob, ApiKey::SyncGroup, 3, &sync(&bob_id, 2, &[])).pending();
    let halves: [(&str, &[u8]); 2] = [(&ann_id, b"left"), (&bob_id, b"right")];
    let reply = fixture.send(&ann, ApiKey::SyncGroup, 3, &sync(&ann_id, 2, &halves)).reply();
    assert_eq!(assignment(&reply), (0, b"left".to_vec()));
    assert_eq!(assignment(&fixture.look(bob_waits).reply()), (0, b"right".to_vec()));

    // Bob falls silent; when his session has run out, Ann is told to join again, and is alone.
    for _ in 0..2 {
        fixture.pass(Duration::from_secs(5));
        let error = beat(&fixture, &ann, &ann_id, 2);
        assert!(error == 0 || error == ErrorCode::RebalanceInProgress.code());
    }
    assert_eq!(beat(&fixture, &ann, &ann_id, 2), ErrorCode::RebalanceInProgress.code());
    assert_eq!(joined(fixture.send(&ann, ApiKey::JoinGroup, 5, &join(&ann_id))), (3, ann_id.clone(), 1));
    assert_eq!(beat(&fixture, &bob, &bob_id, 2), ErrorCode::UnknownMemberId.code());
}

fn commit(fixture: &Fixture, offset: i64, metadata: &str) {
    let partition = OffsetCommitRequestPartition {
        committed_offset: offset,
        committed_leader_epoch: -1,
        committed_metadata: Some(metadata.into()),
        ..Default::default()
    };
    let topic = OffsetCommitRequestTopic { name: "events".into(), partitions: vec![partition], ..Default::default() };
    let request = OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    let reply = fixture.ask(ApiKey::OffsetCommit, 8, &request);
    let response: OffsetCommitResponse<'_> = reply.read();
    assert_eq!(response.topics[0].partitions[0].error_code, 0);
}

fn committed(fixture: &Fixture) -> i64 {
    let group = OffsetFetchRequestGroup { group_id: "g".into(), topics: None, ..Default::default() };
    let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
    let reply = fixture.ask(ApiKey::OffsetFetch, 8, &request);
    let response: OffsetFetchResponse<'_> = reply.read();
    let found = &response.groups[0];
    assert_eq!(found.error_code, 0);
    found.topics[0].partitions[0].committed_offset
}

#[test]
fn committed_offsets_survive_a_clean_stop_and_a_kill() {
    let mut fixture = fixture();
    fixture.create_topic("events", 1);
    for (round, offset) in [10, 20, 30].into_iter().enumerate() {
        commit(&fixture, offset, "");
        if round % 2 == 0 {
            fixture.stop();
        }
        fixture.disk.kill_process();
        fixture.restart();
        assert_eq!(committed(&fixture), offset);
    }
}

#[test]
fn the_topic_of_offsets_is_compacted_and_tells_the_same_afterwards() {
    let mut fixture = fixture_with(&[("offsets.topic.segment.bytes", "1048576")]);
    fixture.create_topic("events", 1);
    for round in 0..3 {
        for offset in 0..700 {
            commit(&fixture, round * 1000 + offset, &"m".repeat(4000));
        }
        let before = offsets_bytes(&fixture);
        fixture.clean_all();
        let after = offsets_bytes(&fixture);
        assert!(after * 2 < before, "{after} of {before} bytes are left");
        fixture.disk.kill_process();
        fixture.restart();
        assert_eq!(committed(&fixture), round * 1000 + 699);
    }
}

/// The bytes of `__consumer_offsets`.
fn offsets_bytes(fixture: &Fixture) -> u64 {
    let published = fixture.node.published();
    (0..2).map(|index| published.partition_named("__consumer_offsets", index).unwrap().log().size()).sum()
}

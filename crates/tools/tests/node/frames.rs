//! Frames that are wrong: Kafka's error or a closed connection, nothing worse, and nobody else notices.

use crate::client::{Client, FETCH_BY_NAME, PRODUCE_BY_NAME, batch, frame, produce_request, raw_frame};
use crate::process::{Home, Node};
use ottla_wire::api::fetch_request::{FetchPartition, FetchTopic};
use ottla_wire::api::{
    ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest, FetchRequest, MetadataRequest, OffsetFetchRequest,
    create_topics_request::CreatableTopic,
};
use ottla_wire::{ApiKey, ErrorCode};
use std::io::Write;
use std::net::Shutdown;

/// A node and somebody who uses it as one should.
struct Scene {
    _home: Home,
    node: Node,
    witness: Client,
    served: i64,
}

impl Scene {
    fn new() -> Self {
        let home = Home::formatted(1);
        let node = home.start();
        let mut witness = Client::connect(node.address);
        witness.create_topic("witness", 1);
        Self { _home: home, node, witness, served: 0 }
    }

    fn client(&self) -> Client {
        Client::connect(self.node.address)
    }

    /// Others are served as before.
    fn goes_on(&mut self) {
        let written = self.witness.produce("witness", 0, &batch(&[b"still here".to_vec()], None));
        assert_eq!(written, (0, self.served));
        self.served += 1;
        self.node.assert_sound();
    }

    /// These bytes, alone on a connection, are answered with its end.
    fn closes(&mut self, bytes: &[u8], what: &str) {
        let mut client = self.client();
        // The node may close before it has read everything.
        let _ = client.stream.write_all(bytes);
        assert!(client.is_closed(), "{what}: answered");
    }
}

#[test]
fn lengths_that_no_request_has_close_the_connection() {
    let mut scene = Scene::new();
    for length in [-1, i32::MIN, 104_857_601, i32::MAX] {
        scene.closes(&length.to_be_bytes(), &format!("length {length}"));
    }
    for length in [0, 1, 3, 7] {
        let mut bytes = i32::to_be_bytes(length).to_vec();
        bytes.resize(4 + length as usize, 0);
        scene.closes(&bytes, &format!("a frame of {length} zeros"));
    }
    scene.goes_on();
}

#[test]
fn what_came_before_a_broken_frame_is_answered() {
    let mut scene = Scene::new();
    let mut client = scene.client();
    let mut bytes = frame(ApiKey::Metadata, 12, 5, &MetadataRequest::default());
    bytes.extend((-5i32).to_be_bytes());
    client.send(&bytes);
    assert_eq!(client.receive(ApiKey::Metadata, 12).unwrap().correlation_id, 5);
    assert!(client.is_closed());
    scene.goes_on();
}

#[test]
fn apis_and_versions_that_are_not_served_close_the_connection() {
    let mut scene = Scene::new();
    let header = |key: i16, version: i16| {
        let mut bytes = 10i32.to_be_bytes().to_vec();
        bytes.extend(key.to_be_bytes());
        bytes.extend(version.to_be_bytes());
        bytes.extend(1i32.to_be_bytes());
        bytes.extend((-1i16).to_be_bytes());
        bytes
    };
    for (key, version) in [(-1, 0), (4, 0), (999, 0), (i16::MAX, i16::MAX), (3, 14), (3, -1), (0, 2), (1, 3), (52, 0)] {
        scene.closes(&header(key, version), &format!("API {key} version {version}"));
    }
    scene.goes_on();
}

#[test]
fn a_newer_version_of_api_versions_is_told_which_to_use() {
    let mut scene = Scene::new();
    let mut client = scene.client();
    // Whatever version 99 may have behind the header.
    client.send(&raw_frame(ApiKey::ApiVersions, 99, 7, &[1, 2, 3, 4, 5]));
    let reply = client.receive(ApiKey::ApiVersions, 0).unwrap();
    assert_eq!(reply.correlation_id, 7);
    let response: ApiVersionsResponse<'_> = reply.read();
    assert_eq!(response.error_code, ErrorCode::UnsupportedVersion.code());
    let told: Vec<_> = response.api_keys.iter().map(|k| (k.api_key, k.min_version, k.max_version)).collect();
    assert_eq!(told, [(18, 0, 5)]);
    assert!(!client.api_versions().is_empty(), "the connection stays");
    scene.goes_on();
}

#[test]
fn garbage_in_the_body_of_any_request_hurts_nobody() {
    let mut scene = Scene::new();
    let apis = scene.client().api_versions();
    assert!(apis.len() > 30);
    let mut seed = ottla_machine::Seed(4);
    let mut bodies: Vec<Vec<u8>> = vec![Vec::new(), vec![0; 64], vec![0xff; 64], vec![0x7f; 64], vec![0x01; 256]];
    for length in [3usize, 17, 90, 400] {
        bodies.push((0..length).map(|_| seed.draw() as u8).collect());
    }
    for (code, low, high) in apis {
        let key = ApiKey::from_code(code).unwrap();
        for version in low..=high {
            for body in &bodies {
                let mut client = scene.client();
                let _ = client.stream.write_all(&raw_frame(key, version, 1, body));
                // It may mean something by chance, and then may even wait: nobody stays for the answer.
                let _ = client.stream.shutdown(Shutdown::Write);
                let _ = client.receive(key, version);
            }
        }
        scene.goes_on();
    }
}

#[test]
fn a_request_that_ends_too_soon_closes_the_connection() {
    let mut scene = Scene::new();
    let records = batch(&[vec![7; 100]], None);
    let produce = produce_request("witness", 0, -1, &records);
    let topic = CreatableTopic { name: "cut".into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let create = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    let partition = FetchPartition { partition_max_bytes: 1000, ..Default::default() };
    let fetch_topic = FetchTopic { topic: "witness".into(), partitions: vec![partition], ..Default::default() };
    let fetch = FetchRequest { topics: vec![fetch_topic], max_bytes: 1000, session_epoch: -1, ..Default::default() };
    let whole = [
        frame(ApiKey::Produce, PRODUCE_BY_NAME, 1, &produce),
        frame(ApiKey::CreateTopics, 7, 1, &create),
        frame(ApiKey::Fetch, FETCH_BY_NAME, 1, &fetch),
        frame(ApiKey::OffsetFetch, 8, 1, &OffsetFetchRequest::default()),
    ];
    for request in &whole {
        for length in 0..request.len() - 4 {
            let mut cut = request[..4 + length].to_vec();
            cut[..4].copy_from_slice(&(length as i32).to_be_bytes());
            scene.closes(&cut, &format!("API {} cut to {length} bytes", request[5]));
        }
    }
    scene.goes_on();
}

#[test]
fn clients_that_leave_in_the_middle_of_a_request_are_forgotten() {
    let mut scene = Scene::new();
    let request = frame(
        ApiKey::Produce,
        PRODUCE_BY_NAME,
        1,
        &produce_request("witness", 0, -1, &batch(&[vec![7; 300_000]], None)),
    );
    for length in [1, 3, 4, 5, 20, 60_000, 65_540, 131_073, request.len() - 1] {
        let mut client = scene.client();
        client.send(&request[..length]);
        client.stream.shutdown(Shutdown::Write).unwrap();
        assert!(client.is_closed());
        scene.goes_on();
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let mut scene = Scene::new();
    let mut client = scene.client();
    for byte in frame(ApiKey::Metadata, 12, 5, &MetadataRequest::default()) {
        client.send(&[byte]);
    }
    assert_eq!(client.receive(ApiKey::Metadata, 12).unwrap().correlation_id, 5);
    scene.goes_on();
}

#[test]
fn requests_sent_together_are_answered_in_their_order() {
    let mut scene = Scene::new();
    let mut client = scene.client();
    let records = batch(&[b"pipelined".to_vec()], None);
    let large = batch(&[vec![1; 200_000]], None);
    let partition = FetchPartition {
        partition: 0,
        fetch_offset: 1_000_000,
        current_leader_epoch: -1,
        partition_max_bytes: 1000,
        ..Default::default()
    };
    let at_the_end = |offset| {
        let partition = FetchPartition { fetch_offset: offset, ..partition.clone() };
        let topic = FetchTopic { topic: "witness".into(), partitions: vec![partition], ..Default::default() };
        // Nobody writes meanwhile: it waits for its time.
        FetchRequest {
            replica_id: -1,
            max_wait_ms: 20,
            min_bytes: 1,
            max_bytes: 1000,
            session_epoch: -1,
            topics: vec![topic],
            ..Default::default()
        }
    };
    let mut bytes = Vec::new();
    let mut expected = Vec::new();
    let mut end = 0;
    for round in 0..40 {
        let (key, version, frame) = match round % 4 {
            0 => {
                end += 1;
                let records = if round % 8 == 0 { &large } else { &records };
                let request = produce_request("witness", 0, -1, records);
                (ApiKey::Produce, PRODUCE_BY_NAME, frame(ApiKey::Produce, PRODUCE_BY_NAME, round, &request))
            }
            1 => (ApiKey::Fetch, FETCH_BY_NAME, frame(ApiKey::Fetch, FETCH_BY_NAME, round, &at_the_end(end))),
            2 => (ApiKey::Metadata, 12, frame(ApiKey::Metadata, 12, round, &MetadataRequest::default())),
            _ => (ApiKey::ApiVersions, 0, frame(ApiKey::ApiVersions, 0, round, &ApiVersionsRequest::default())),
        };
        bytes.extend(frame);
        expected.push((key, version, round));
    }
    client.send(&bytes);
    for (key, version, correlation_id) in expected {
        assert_eq!(client.receive(key, version).unwrap().correlation_id, correlation_id);
    }
    scene.served = end;
    scene.goes_on();
}

//! Quotas as clients feel them: an answer that tells of a wait, a connection that is then not listened to while others are,
//! and connections that are closed late.

use crate::client::{Client, PRODUCE_BY_NAME, batch, frame_from, produce_request};
use crate::process::{Home, Node};
use ottla_wire::api::alter_client_quotas_request::{EntityData, EntryData, OpData};
use ottla_wire::api::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, ApiVersionsRequest, ApiVersionsResponse, ProduceResponse,
};
use ottla_wire::{ApiKey, Encode};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

const VERSIONS: i16 = 4;

fn started() -> (Home, Node, Client) {
    let home = Home::formatted(1);
    let node = home.start();
    let mut admin = Client::connect(node.address);
    admin.create_topic("t", 1);
    (home, node, admin)
}

fn set(admin: &mut Client, kind: &'static str, name: &'static str, key: &'static str, value: Option<f64>) {
    let entity = EntityData { entity_type: kind.into(), entity_name: Some(name.into()), ..Default::default() };
    let op =
        OpData { key: key.into(), value: value.unwrap_or_default(), remove: value.is_none(), ..Default::default() };
    let entries = vec![EntryData { entity: vec![entity], ops: vec![op], ..Default::default() }];
    let request = AlterClientQuotasRequest { entries, ..Default::default() };
    let reply = admin.call(ApiKey::AlterClientQuotas, 1, &request);
    let response: AlterClientQuotasResponse<'_> = reply.read();
    assert_eq!(response.entries[0].error_code, 0, "{response:?}");
}

fn versions_request() -> ApiVersionsRequest<'static> {
    ApiVersionsRequest {
        client_software_name: "test".into(),
        client_software_version: "1".into(),
        ..Default::default()
    }
}

/// A client with the id "greedy"; those of the others is "test".
struct Greedy(Client);

impl Greedy {
    fn at(node: &Node) -> Self {
        Self(Client::connect(node.address))
    }

    fn send(&mut self, key: ApiKey, version: i16, request: &dyn Encode) {
        self.0.send(&frame_from("greedy", key, version, 7, request));
    }

    /// How long it is told to wait after a value of this size.
    fn produce(&mut self, bytes: usize) -> Duration {
        let records = batch(&[vec![7; bytes]], None);
        self.send(ApiKey::Produce, PRODUCE_BY_NAME, &produce_request("t", 0, -1, &records));
        let reply = self.0.receive(ApiKey::Produce, PRODUCE_BY_NAME).unwrap();
        let response: ProduceResponse<'_> = reply.read();
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
        Duration::from_millis(u64::try_from(response.throttle_time_ms).unwrap())
    }

    /// Asks another thing, and others go on while it is not answered; how long that takes.
    fn is_passed_by(&mut self, other: &mut Client) -> Duration {
        let began = Instant::now();
        self.send(ApiKey::ApiVersions, VERSIONS, &versions_request());
        for _ in 0..20 {
            assert!(!other.api_versions().is_empty());
        }
        self.0.stream.set_nonblocking(true).unwrap();
        let found = self.0.stream.peek(&mut [0]);
        assert!(matches!(found, Err(error) if error.kind() == ErrorKind::WouldBlock), "it is answered already");
        self.0.stream.set_nonblocking(false).unwrap();
        self.0.receive(ApiKey::ApiVersions, VERSIONS).unwrap();
        began.elapsed()
    }
}

#[test]
fn a_producer_that_is_told_to_wait_is_not_heard_meanwhile_and_others_are() {
    let (_home, mut node, mut admin) = started();
    set(&mut admin, "client-id", "greedy", "producer_byte_rate", Some(10_000.0));
    let mut greedy = Greedy::at(&node);
    assert_eq!(greedy.produce(50_000), Duration::ZERO);
    let wait = greedy.produce(60_000);
    assert!(wait > Duration::from_millis(800) && wait < Duration::from_millis(1500), "{wait:?}");
    // Milliseconds are rounded, and the node began to wait a moment before this program.
    assert!(greedy.is_passed_by(&mut admin) + Duration::from_millis(50) >= wait);
    // Another connection of the same client is counted with it.
    assert!(Greedy::at(&node).produce(1000) > Duration::ZERO);
    set(&mut admin, "client-id", "greedy", "producer_byte_rate", None);
    assert_eq!(Greedy::at(&node).produce(100_000), Duration::ZERO);
    node.assert_sound();
}

#[test]
fn a_producer_that_wants_no_answers_is_slowed_down_as_well() {
    let (_home, mut node, mut admin) = started();
    set(&mut admin, "client-id", "greedy", "producer_byte_rate", Some(10_000.0));
    let mut greedy = Greedy::at(&node);
    let records = batch(&[vec![7; 110_000]], None);
    let began = Instant::now();
    greedy.send(ApiKey::Produce, PRODUCE_BY_NAME, &produce_request("t", 0, 0, &records));
    greedy.is_passed_by(&mut admin);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    node.assert_sound();
}

#[test]
fn requests_that_take_more_time_than_they_may_are_slowed_down() {
    let (_home, mut node, mut admin) = started();
    set(&mut admin, "client-id", "greedy", "request_percentage", Some(0.01));
    let mut greedy = Greedy::at(&node);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        greedy.send(ApiKey::ApiVersions, VERSIONS, &versions_request());
        let reply = greedy.0.receive(ApiKey::ApiVersions, VERSIONS).unwrap();
        let response: ApiVersionsResponse<'_> = reply.read();
        // A thousandth of a second in ten is soon used up; a short wait says little about who is passed by.
        if response.throttle_time_ms >= 500 {
            assert!(response.throttle_time_ms <= 1000, "no longer than a window");
            break;
        }
        assert!(Instant::now() < deadline, "{}", node.log());
    }
    assert!(greedy.is_passed_by(&mut admin) >= Duration::from_millis(400));
    node.assert_sound();
}

#[test]
fn an_address_that_connects_too_fast_is_closed_late() {
    let (_home, mut node, mut admin) = started();
    set(&mut admin, "ip", "127.0.0.1", "connection_creation_rate", Some(1.0));
    // Ten seconds' worth may come at once.
    let mut clients: Vec<Client> = (0..10).map(|_| Client::connect(node.address)).collect();
    clients.iter_mut().for_each(|client| assert!(!client.api_versions().is_empty()));
    let began = Instant::now();
    assert!(Client::connect(node.address).is_closed());
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
    // Those who are in are served, and a new one is once the quota is gone.
    set(&mut admin, "ip", "127.0.0.1", "connection_creation_rate", None);
    assert!(!Client::connect(node.address).api_versions().is_empty());
    node.assert_sound();
}

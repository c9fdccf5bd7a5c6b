//! How many connections there may be and how fast they may come: who waits, who is closed, and who is exempt.

use crate::client::Client;
use crate::process::{Home, Node};
use ottla_wire::ApiKey;
use ottla_wire::api::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_wire::api::{ApiVersionsRequest, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const VERSION: i16 = 4;

/// A node with one listener for brokers and one for clients.
fn two_listeners(settings: &[&str]) -> (Home, Node) {
    let home = Home::formatted(1);
    home.set("listeners=PLAINTEXT://127.0.0.1:0,CLIENTS://127.0.0.1:0,CONTROLLER://127.0.0.1:0");
    home.set("listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT");
    home.set("inter.broker.listener.name=PLAINTEXT");
    settings.iter().for_each(|line| home.set(line));
    let node = home.start();
    (home, node)
}

fn served(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    assert!(!client.api_versions().is_empty());
    client
}

/// Connected, with a request on its way; it is answered when the connection has its place.
struct Waiting(Client);

impl Waiting {
    fn at(address: SocketAddr) -> Self {
        let mut client = Client::connect(address);
        let request = ApiVersionsRequest {
            client_software_name: "test".into(),
            client_software_version: "1".into(),
            ..Default::default()
        };
        client.send(&crate::client::frame(ApiKey::ApiVersions, VERSION, 7, &request));
        Self(client)
    }

    /// Not served, although others are meanwhile.
    fn is_passed_by(&mut self, others: &mut [Client]) -> bool {
        for _ in 0..20 {
            others.iter_mut().for_each(|other| assert!(!other.api_versions().is_empty()));
        }
        self.0.stream.set_nonblocking(true).unwrap();
        let waits = matches!(self.0.stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        self.0.stream.set_nonblocking(false).unwrap();
        waits
    }

    fn once_served(mut self) -> Client {
        assert_eq!(self.0.receive(ApiKey::ApiVersions, VERSION).unwrap().correlation_id, 7);
        self.0
    }
}

#[test]
fn an_address_with_too_many_connections_is_closed_at_once() {
    for settings in [
        &["max.connections.per.ip=3"][..],
        &["max.connections.per.ip=0", "max.connections.per.ip.overrides=10.0.0.1:1,127.0.0.1:3"],
    ] {
        let (_home, mut node) = two_listeners(settings);
        let mut clients: Vec<Client> = (0..3).map(|_| served(node.address)).collect();
        // All listeners count together.
        for name in ["PLAINTEXT", "CLIENTS"] {
            assert!(Client::connect(node.addresses[name]).is_closed());
        }
        // The controller's do not.
        served(node.addresses["CONTROLLER"]);
        clients.iter_mut().for_each(|client| assert!(!client.api_versions().is_empty()));
        clients.pop();
        let deadline = Instant::now() + Duration::from_secs(20);
        // The node notices in its own time that a client has left.
        while Client::connect(node.address).try_call(ApiKey::ApiVersions, 0, &ApiVersionsRequest::default()).is_err() {
            assert!(Instant::now() < deadline, "{}", node.log());
        }
        node.assert_sound();
    }
}

#[test]
fn who_comes_while_all_places_are_taken_waits_for_one() {
    let (_home, mut node) = two_listeners(&["max.connections=3"]);
    let address = node.addresses["CLIENTS"];
    let mut clients: Vec<Client> = (0..3).map(|_| served(address)).collect();
    let mut next = Waiting::at(address);
    assert!(next.is_passed_by(&mut clients));
    clients.pop();
    next.once_served();
    node.assert_sound();
}

#[test]
fn the_listener_between_brokers_goes_beyond_and_the_quietest_other_makes_room() {
    let (_home, mut node) = two_listeners(&["max.connections=2"]);
    let mut quiet = served(node.addresses["CLIENTS"]);
    let mut busy = served(node.addresses["CLIENTS"]);
    // In this order, so that the second was heard of later.
    assert!(!quiet.api_versions().is_empty());
    assert!(!busy.api_versions().is_empty());
    let mut broker = served(node.address);
    assert!(quiet.is_closed());
    assert!(!busy.api_versions().is_empty());
    assert!(!broker.api_versions().is_empty());
    // Its own connections are bounded too.
    let mut brokers = vec![broker, served(node.address)];
    assert!(busy.is_closed());
    assert!(Waiting::at(node.address).is_passed_by(&mut brokers));
    node.assert_sound();
}

#[test]
fn a_listeners_own_limit_holds_for_it_alone_and_may_be_changed() {
    let (_home, mut node) = two_listeners(&["listener.name.clients.max.connections=1"]);
    let mut clients = vec![served(node.addresses["CLIENTS"])];
    let mut next = Waiting::at(node.addresses["CLIENTS"]);
    let mut brokers: Vec<Client> = (0..5).map(|_| served(node.address)).collect();
    assert!(next.is_passed_by(&mut brokers));
    assert!(!clients[0].api_versions().is_empty());
    let config = AlterableConfig {
        name: "listener.name.clients.max.connections".into(),
        value: Some("2".into()),
        ..Default::default()
    };
    let resource = AlterConfigsResource {
        resource_type: 4,
        resource_name: "1".into(),
        configs: vec![config],
        ..Default::default()
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    let reply = brokers[0].call(ApiKey::IncrementalAlterConfigs, 1, &request);
    let response: IncrementalAlterConfigsResponse<'_> = reply.read();
    assert_eq!((response.responses[0].error_code, &response.responses[0].error_message), (0, &None));
    clients.push(next.once_served());
    assert!(Waiting::at(node.addresses["CLIENTS"]).is_passed_by(&mut clients));
    node.assert_sound();
}

#[test]
fn connections_that_come_too_fast_wait() {
    let (_home, mut node) = two_listeners(&["listener.name.clients.max.connection.creation.rate=1"]);
    let begun = Instant::now();
    (0..12).for_each(|_| drop(served(node.addresses["CLIENTS"])));
    // Ten seconds' worth may come at once; each further one waits for a second.
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    let begun = Instant::now();
    (0..12).for_each(|_| drop(served(node.address)));
    assert!(begun.elapsed() < Duration::from_secs(1), "the other listener is not slower: {:?}", begun.elapsed());
    node.assert_sound();
}

#[test]
fn a_connection_that_is_idle_for_too_long_is_closed() {
    let (_home, mut node) = two_listeners(&["connections.max.idle.ms=500"]);
    let begun = Instant::now();
    let mut idle = served(node.address);
    assert!(idle.is_closed());
    assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
    node.assert_sound();
}

//! Listeners and threads that change while a node runs.

use super::{Place, text};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// A port that is free now, and most likely in a moment.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn alter(place: &Place, change: &str) -> std::process::Output {
    place.command(&format!("configs --alter --entity-type brokers --entity-name 1 {change}")).output().unwrap()
}

/// Connects as soon as somebody listens.
fn connected(port: u16) -> TcpStream {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < deadline, "nobody listens on {port}: {error}"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_listener_comes_and_goes_with_its_connections() {
    let place = Place::start();
    place.run("topics --create --topic orders");
    let first = place.node.bootstrap();
    let port = free_port();
    let listeners = format!("listeners=[PLAINTEXT://{first},CONTROLLER://127.0.0.1:0,EXTRA://127.0.0.1:{port}]");
    let map = "listener.security.protocol.map=[PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,EXTRA:PLAINTEXT]";
    text(alter(&place, &format!("--add-config {listeners},{map}")));
    let mut open = connected(port);
    open.set_read_timeout(Some(PATIENCE)).unwrap();
    // ApiVersions, version 0, correlation id 7, without a client's id. Who asks there for brokers is told of none, as in
    // Kafka: the new listener is told to nobody.
    open.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 255, 255]).unwrap();
    let mut head = [0; 8];
    open.read_exact(&mut head).unwrap();
    assert_eq!(head[4..], [0, 0, 0, 7]);
    let mut rest = vec![0; usize::try_from(u32::from_be_bytes(*head.first_chunk().unwrap())).unwrap() - 4];
    open.read_exact(&mut rest).unwrap();
    text(alter(&place, "--delete-config listeners,listener.security.protocol.map"));
    assert_eq!(open.read(&mut [0]).unwrap(), 0, "its connection is closed");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "nobody listens any more");
    assert!(place.run("topics --list").contains("orders"));
}

#[test]
fn what_clients_were_told_of_stays() {
    let place = Place::start();
    let refused = |change: &str| {
        let output = alter(&place, &format!("--add-config {change}"));
        assert!(!output.status.success());
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let told = refused("listeners=[CONTROLLER://127.0.0.1:0]");
    let words = "Advertised listeners 'Set(ListenerName(PLAINTEXT))' must be a subset of listeners 'Set(ListenerName(CONTROLLER))'";
    assert!(told.contains(words), "{told}");
    let first = place.node.bootstrap();
    let told = refused(&format!(
        "listeners=[PLAINTEXT://{first},SASL_PLAINTEXT://127.0.0.1:0],listener.security.protocol.map=[PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT]"
    ));
    assert!(told.contains("PLAINTEXT and SSL are served"), "{told}");
    let told = refused("listener.security.protocol.map=[PLAINTEXT:SSL,CONTROLLER:PLAINTEXT]");
    assert!(told.contains("Security protocol cannot be updated for existing listener"), "{told}");
}

#[test]
fn threads_are_more_or_fewer_while_the_node_runs() {
    let place = Place::start();
    let output = alter(&place, "--add-config num.io.threads=100");
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(told.contains("value should not be greater than double the current value 8"), "{told}");
    for count in [16, 8, 4] {
        text(alter(&place, &format!("--add-config num.io.threads={count}")));
        place.produce("orders", &["one"]);
    }
    assert_eq!(place.run("tail orders --no-follow --json").lines().count(), 3);
}

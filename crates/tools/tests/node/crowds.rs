//! Many connections at once. Memory follows the bytes that came, never the word of a length.

use crate::client::{Client, PRODUCE_BY_NAME, batch, frame, produce_request};
use crate::process::{Home, raise_open_files};
use ottla_wire::ApiKey;
use std::io::Write;
use std::net::TcpStream;

const MIB: u64 = 1 << 20;

fn serves(client: &mut Client, rounds: i64) {
    for round in 0..rounds {
        assert_eq!(client.produce("events", 0, &batch(&[vec![7; 100]], None)).0, 0, "round {round}");
    }
}

#[test]
fn announced_bytes_cost_nothing_until_they_come() {
    raise_open_files();
    let home = Home::formatted(1);
    let mut node = home.start();
    let mut client = Client::connect(node.address);
    client.create_topic("events", 1);
    // Large requests that were answered leave free buffers behind; their room is not for those who only announce.
    let large = batch(&(0..16).map(|_| vec![1; 60_000]).collect::<Vec<_>>(), None);
    for _ in 0..10 {
        let mut burst: Vec<Client> = (0..4).map(|_| Client::connect(node.address)).collect();
        let request = frame(ApiKey::Produce, PRODUCE_BY_NAME, 1, &produce_request("events", 0, -1, &large));
        burst.iter_mut().for_each(|client| client.send(&request[..request.len() - 1]));
        burst.iter_mut().for_each(|client| client.send(&request[request.len() - 1..]));
        for client in &mut burst {
            client.receive(ApiKey::Produce, PRODUCE_BY_NAME).unwrap();
        }
    }
    let before = node.resident_bytes();

    let mut beginning = 100_000_000i32.to_be_bytes().to_vec();
    beginning.extend(&frame(ApiKey::Produce, PRODUCE_BY_NAME, 1, &produce_request("events", 0, -1, &large))[4..20_000]);
    let waiting: Vec<TcpStream> = (0..500)
        .map(|_| {
            let mut stream = TcpStream::connect(node.address).unwrap();
            stream.write_all(&beginning).unwrap();
            stream
        })
        .collect();
    serves(&mut client, 200);
    let held = node.resident_bytes().saturating_sub(before);
    let came = beginning.len() as u64 * waiting.len() as u64;
    assert!(held < 10 * came, "{} MiB for {} MiB that came", held / MIB, came / MIB);
    assert!(node.resident_bytes() < 250 * MIB, "{} MiB in all", node.resident_bytes() / MIB);
    node.assert_sound();

    drop(waiting);
    serves(&mut client, 20);
    node.assert_sound();
}

#[test]
fn unfinished_requests_share_one_bound() {
    let home = Home::formatted(1);
    home.set("socket.request.max.bytes=2000000");
    home.set("queued.max.request.bytes=2000000");
    let mut node = home.start();
    let mut client = Client::connect(node.address);
    client.create_topic("events", 1);
    // As much as may wait, from those who never finish.
    let mut beginning = 1_900_000i32.to_be_bytes().to_vec();
    beginning.resize(60_000, 0);
    let crowd: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(node.address).unwrap();
            stream.write_all(&beginning).unwrap();
            stream
        })
        .collect();
    // When they go, whoever was held up is served again.
    drop(crowd);
    serves(&mut client, 50);
    node.assert_sound();
}

#[test]
fn a_crowd_of_large_requests_is_served_within_the_bound() {
    const BOUND: u64 = 4_000_000;
    let home = Home::formatted(1);
    home.set("socket.request.max.bytes=2000000");
    home.set(&format!("queued.max.request.bytes={BOUND}"));
    let mut node = home.start();
    let mut client = Client::connect(node.address);
    client.create_topic("events", 1);
    serves(&mut client, 10);
    let large = batch(&(0..16).map(|_| vec![1; 60_000]).collect::<Vec<_>>(), None);
    let request = frame(ApiKey::Produce, PRODUCE_BY_NAME, 1, &produce_request("events", 0, -1, &large));
    let crowd: Vec<Client> = (0..60).map(|_| Client::connect(node.address)).collect();
    assert!(request.len() * crowd.len() > 10 * BOUND as usize);

    let before = node.resident_bytes();
    let (come, came) = std::sync::mpsc::channel();
    let last_byte = std::sync::RwLock::new(());
    std::thread::scope(|scope| {
        let nobody_ends = last_byte.write().unwrap();
        for mut client in crowd {
            let (come, last_byte, request) = (come.clone(), &last_byte, &request);
            scope.spawn(move || {
                // Whoever has no room is not read, and gets here when others are done.
                client.send(&request[..request.len() - 1]);
                come.send(()).unwrap();
                drop(last_byte.read().unwrap());
                client.send(&request[request.len() - 1..]);
                client.receive(ApiKey::Produce, PRODUCE_BY_NAME).unwrap();
                assert!(!client.api_versions().is_empty());
            });
        }
        // As many as have room have sent all but the end.
        (0..3).for_each(|_| came.recv().unwrap());
        drop(nobody_ends);
    });
    // What is free is kept for the next, and is no more than what may be in use.
    let grown = node.peak_bytes().saturating_sub(before);
    assert!(grown < 2 * BOUND + 4 * MIB, "{} MiB", grown / MIB);
    serves(&mut client, 50);
    node.assert_sound();
}

#[test]
fn thousands_of_idle_connections_are_in_nobodys_way() {
    // Each costs a file here and one in the node.
    let count = usize::try_from(raise_open_files().saturating_sub(200)).unwrap_or(usize::MAX).min(2000);
    let home = Home::formatted(1);
    // They come faster than a busy machine may take them.
    home.set("socket.listen.backlog.size=4096");
    let mut node = home.start();
    let mut client = Client::connect(node.address);
    client.create_topic("events", 1);
    let before = node.resident_bytes();
    let mut idle: Vec<Client> = (0..count).map(|_| Client::connect(node.address)).collect();
    serves(&mut client, 100);
    let each = node.resident_bytes().saturating_sub(before) / count as u64;
    assert!(each < 16 << 10, "{each} bytes an idle connection");
    // They are not forgotten either.
    for client in idle.iter_mut().step_by(50) {
        assert!(!client.api_versions().is_empty());
    }
    node.assert_sound();
    assert!(node.terminate().as_millis() < 3000, "nor in the way of a stop");
}

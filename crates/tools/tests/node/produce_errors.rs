//! Batches that are damaged, old or misplaced: the producer hears Kafka's error, and the log takes none of it.

use crate::client::{Client, PRODUCE_BY_NAME, batch, frame, produce_request};
use crate::process::Home;
use ottla_wire::{ApiKey, ErrorCode};

#[test]
fn damaged_batches_are_refused_and_leave_no_trace() {
    let home = Home::formatted(1);
    let mut node = home.start();
    let mut client = Client::connect(node.address);
    client.create_topic("events", 1);
    let good = batch(&[b"first".to_vec(), b"second".to_vec()], None);
    assert_eq!(client.produce("events", 0, &good), (0, 0));

    // A bit in the records, in the CRC, and in what the CRC covers of the header.
    for at in [good.len() - 1, 17, 24, 27, 60] {
        let mut damaged = good.clone();
        damaged[at] ^= 0x10;
        let (error, _) = client.produce("events", 0, &damaged);
        assert_eq!(error, ErrorCode::CorruptMessage.code(), "byte {at}");
    }
    for magic in [0, 1] {
        let mut old = good.clone();
        old[16] = magic;
        assert_eq!(client.produce("events", 0, &old).0, ErrorCode::InvalidRecord.code(), "magic {magic}");
    }
    for magic in [3, -1i8 as u8] {
        let mut unknown = good.clone();
        unknown[16] = magic;
        assert_eq!(client.produce("events", 0, &unknown).0, ErrorCode::CorruptMessage.code(), "magic {magic}");
    }
    let two = [good.clone(), good.clone()].concat();
    assert_eq!(client.produce("events", 0, &two).0, ErrorCode::InvalidRecord.code(), "two batches");
    assert_eq!(client.produce("events", 0, &[]).0, ErrorCode::InvalidRecord.code(), "no batch");
    for length in 1..good.len() {
        let (error, _) = client.produce("events", 0, &good[..length]);
        assert!(error != 0, "a batch cut to {length} bytes");
    }

    let found = client.fetch_all("events", 0, 0);
    assert_eq!(found, [(0, b"first".to_vec()), (1, b"second".to_vec())]);
    assert_eq!(client.produce("events", 0, &good), (0, 2));
    node.assert_sound();
}

#[test]
fn without_acknowledgements_an_error_closes_the_connection() {
    let home = Home::formatted(1);
    let mut node = home.start();
    let mut client = Client::connect(node.address);
    client.create_topic("events", 1);
    let good = batch(&[b"value".to_vec()], None);

    // What goes well is not answered: the next answer is the next request's.
    client.send(&frame(ApiKey::Produce, PRODUCE_BY_NAME, 100, &produce_request("events", 0, 0, &good)));
    assert_eq!(client.fetch_all("events", 0, 0), [(0, b"value".to_vec())]);

    client.send(&frame(ApiKey::Produce, PRODUCE_BY_NAME, 101, &produce_request("events", 7, 0, &good)));
    assert!(client.is_closed());
    let mut client = Client::connect(node.address);
    let mut damaged = good.clone();
    damaged[20] ^= 1;
    client.send(&frame(ApiKey::Produce, PRODUCE_BY_NAME, 101, &produce_request("events", 0, 0, &damaged)));
    assert!(client.is_closed());
    assert_eq!(Client::connect(node.address).produce("events", 0, &good), (0, 1));
    node.assert_sound();
}

//! kill -9 in the middle of writes, again and again: what was acknowledged is there, in order, once. The producer is
//! idempotent and sends what was not acknowledged again, with the same sequence numbers, as Kafka's producers do.

use crate::client::{Client, PRODUCE_BY_NAME, batch, frame, outcome, produce_request};
use crate::process::{Home, Node};
use ottla_machine::Seed;
use ottla_wire::ApiKey;
use ottla_wire::api::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use ottla_wire::api::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse,
};
use ottla_wire::batch::ProducerStamp;
use std::collections::VecDeque;
use std::io::Write;
use std::sync::mpsc;

const ROUNDS: usize = 50;
const PARTITIONS: usize = 3;
/// As many batches as Kafka remembers of a producer.
const IN_FLIGHT: usize = 5;
const RECORDS_PER_BATCH: usize = 4;

/// A producer's view of one partition.
#[derive(Default)]
struct Stream {
    /// Records that the node has acknowledged.
    acknowledged: usize,
    /// Records of which a batch was made; those above `acknowledged` are sent again after a kill.
    made: usize,
}

/// The record at an offset: its number, and bytes of which some batches have many, so that segments roll.
fn value(partition: usize, number: usize) -> Vec<u8> {
    let mut value = (number as u64).to_be_bytes().to_vec();
    let length = if number.is_multiple_of(8) { 30_000 } else { 20 };
    value.resize(length, partition as u8);
    value
}

struct Producer {
    id: (i64, i16),
    streams: [Stream; PARTITIONS],
}

impl Producer {
    fn send(&self, client: &mut Client, partition: usize, first: usize) -> std::io::Result<()> {
        let values: Vec<Vec<u8>> = (first..first + RECORDS_PER_BATCH).map(|n| value(partition, n)).collect();
        let stamp = ProducerStamp {
            producer_id: self.id.0,
            producer_epoch: self.id.1,
            base_sequence: i32::try_from(first).unwrap(),
        };
        let records = batch(&values, Some(stamp));
        let request = produce_request("events", partition as i32, -1, &records);
        client.stream.write_all(&frame(ApiKey::Produce, PRODUCE_BY_NAME, first as i32, &request))
    }

    /// Writes until the node is gone; tells `acks` of each acknowledgement.
    fn write(&mut self, client: &mut Client, acks: &mpsc::Sender<()>) {
        let mut in_flight: VecDeque<(usize, usize)> = VecDeque::new();
        // What was in flight when the node was killed goes first, as it was.
        for (partition, stream) in self.streams.iter().enumerate() {
            in_flight
                .extend((stream.acknowledged..stream.made).step_by(RECORDS_PER_BATCH).map(|first| (partition, first)));
        }
        for (partition, first) in in_flight.clone() {
            if self.send(client, partition, first).is_err() {
                return;
            }
        }
        let mut turn = 0;
        loop {
            while in_flight.len() < IN_FLIGHT {
                let partition = turn % PARTITIONS;
                turn += 1;
                let first = self.streams[partition].made;
                self.streams[partition].made += RECORDS_PER_BATCH;
                in_flight.push_back((partition, first));
                if self.send(client, partition, first).is_err() {
                    return;
                }
            }
            let Ok(reply) = client.receive(ApiKey::Produce, PRODUCE_BY_NAME) else { return };
            let (partition, first) = in_flight.pop_front().unwrap();
            assert_eq!(reply.correlation_id, first as i32);
            assert_eq!(outcome(&reply), (0, first as i64), "partition {partition}");
            self.streams[partition].acknowledged = first + RECORDS_PER_BATCH;
            let _ = acks.send(());
        }
    }

    /// Everything acknowledged is there, in order, once; beyond it there may be what was in flight, and nothing else.
    fn check(&self, client: &mut Client, from: &[usize; PARTITIONS]) {
        for (partition, stream) in self.streams.iter().enumerate() {
            let found = client.fetch_all("events", partition as i32, from[partition] as i64);
            let end = from[partition] + found.len();
            assert!(end >= stream.acknowledged, "{} were acknowledged, {end} are there", stream.acknowledged);
            assert!(end <= stream.made, "{} were sent, {end} are there", stream.made);
            for (at, (offset, found)) in (from[partition]..).zip(found) {
                assert_eq!(offset, at as i64);
                assert!(found == value(partition, at), "partition {partition}: another record at offset {at}");
            }
        }
    }
}

#[test]
fn what_was_acknowledged_survives_fifty_kills() {
    let home = Home::formatted(1);
    home.set("log.segment.bytes=1048576");
    let mut seed = Seed(50);
    let mut node = home.start();
    let mut client = Client::connect(node.address);
    client.create_topic("events", PARTITIONS as i32);
    let mut producer = Producer { id: client.init_producer_id(), streams: Default::default() };
    for _ in 0..ROUNDS {
        let checked = [0, 1, 2].map(|partition: usize| producer.streams[partition].acknowledged);
        let acks_before_kill = 1 + seed.draw() % 40;
        kill_while_writing(&mut node, &mut client, &mut producer, |acks| wait_for(acks, acks_before_kill), || {});
        node = home.start();
        client = Client::connect(node.address);
        producer.check(&mut client, &checked);
        node.assert_sound();
    }
    producer.check(&mut client, &[0; PARTITIONS]);
    assert!(producer.streams.iter().all(|stream| stream.acknowledged > 500));
    node.terminate();
    let mut node = home.start();
    producer.check(&mut Client::connect(node.address), &[0; PARTITIONS]);
    node.assert_sound();
}

/// Sends the partitions from one directory to the other, and back, until the node is gone. Most are let arrive, some called
/// back at once.
fn move_to_and_fro(client: &mut Client, dirs: &[String], arrivals: &mpsc::Sender<()>) {
    for turn in 0.. {
        let partition = (turn % PARTITIONS) as i32;
        let topic =
            AlterReplicaLogDirTopic { name: "events".into(), partitions: vec![partition], ..Default::default() };
        let path = dirs[turn / PARTITIONS % dirs.len()].as_str().into();
        let dir = AlterReplicaLogDir { path, topics: vec![topic], ..Default::default() };
        let request = AlterReplicaLogDirsRequest { dirs: vec![dir], ..Default::default() };
        let Ok(reply) = client.try_call(ApiKey::AlterReplicaLogDirs, 2, &request) else { return };
        let response: AlterReplicaLogDirsResponse<'_> = reply.read();
        assert_eq!(response.results[0].partitions[0].error_code, 0);
        let is_awaited = turn % 5 != 4;
        loop {
            let request = DescribeLogDirsRequest { topics: None, ..Default::default() };
            let Ok(reply) = client.try_call(ApiKey::DescribeLogDirs, 4, &request) else { return };
            let response: DescribeLogDirsResponse<'_> = reply.read();
            let topics = response.results.iter().flat_map(|dir| &dir.topics);
            if !is_awaited {
                break;
            }
            if topics.flat_map(|topic| &topic.partitions).all(|one| !one.is_future_key) {
                let _ = arrivals.send(());
                break;
            }
        }
    }
}

#[test]
fn what_was_acknowledged_survives_kills_while_replicas_are_moved() {
    let home = Home::formatted(2);
    home.set("log.segment.bytes=1048576");
    let dirs: Vec<String> = home.log_dirs.iter().map(|dir| dir.display().to_string()).collect();
    let mut seed = Seed(51);
    let mut node = home.start();
    let mut client = Client::connect(node.address);
    client.create_topic("events", PARTITIONS as i32);
    let mut producer = Producer { id: client.init_producer_id(), streams: Default::default() };
    let mut moved = 0;
    for _ in 0..ROUNDS / 2 {
        let checked = [0, 1, 2].map(|partition: usize| producer.streams[partition].acknowledged);
        let (moves_before_kill, acks_before_kill) = ((seed.draw() % 12) as usize, seed.draw() % 50);
        let (arrivals, arrived) = mpsc::channel();
        let mut mover = Client::connect(node.address);
        let beside = {
            let dirs = &dirs;
            move || move_to_and_fro(&mut mover, dirs, &arrivals)
        };
        let until = move |acks: &mpsc::Receiver<()>| {
            let mut moves = 0;
            // A log that grows faster than it is copied never arrives.
            for _ in 0..600 {
                moves += arrived.try_iter().count();
                if moves >= moves_before_kill || acks.recv().is_err() {
                    break;
                }
            }
            wait_for(acks, acks_before_kill);
        };
        kill_while_writing(&mut node, &mut client, &mut producer, until, beside);
        moved += node.log().matches(" was moved to ").count();
        node = home.start();
        client = Client::connect(node.address);
        producer.check(&mut client, &checked);
        node.assert_sound();
    }
    producer.check(&mut client, &[0; PARTITIONS]);
    assert!(moved > 0);
    node.terminate();
    let mut node = home.start();
    producer.check(&mut Client::connect(node.address), &[0; PARTITIONS]);
    node.assert_sound();
    for dir in &home.log_dirs {
        let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().all(|name| !name.to_string_lossy().ends_with("-stray")), "{}", dir.display());
    }
}

/// Until as many have come, or nobody is left to send one.
fn wait_for(heard: &mpsc::Receiver<()>, count: u64) {
    for _ in 0..count {
        if heard.recv().is_err() {
            return;
        }
    }
}

/// The kill comes from elsewhere, at whatever point the writes and the node have reached by then.
fn kill_while_writing(
    node: &mut Node,
    client: &mut Client,
    producer: &mut Producer,
    until: impl FnOnce(&mpsc::Receiver<()>) + Send,
    beside: impl FnOnce() + Send,
) {
    let (acks, heard) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(beside);
        scope.spawn(move || {
            until(&heard);
            node.kill();
        });
        producer.write(client, &acks);
        drop(acks);
    });
}

//! The threads that requests are handled on, as `num.io.threads` changes while the node runs: connections move to them, with
//! what waits on them, and the threads that they leave end.

use crate::client::{Client, batch, frame};
use crate::process::{Home, Node};
use ottla_wire::ApiKey;
use ottla_wire::api::fetch_request::{FetchPartition, FetchTopic};
use ottla_wire::api::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_wire::api::{FetchRequest, FetchResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use std::time::{Duration, Instant};

const TOPIC: &str = "orders";
/// The last version of Fetch that names topics.
const FETCH: i16 = 12;

fn set_threads(client: &mut Client, count: usize) {
    let count = count.to_string();
    let config =
        AlterableConfig { name: "num.io.threads".into(), value: Some(count.as_str().into()), ..Default::default() };
    let resource = AlterConfigsResource {
        resource_type: 4,
        resource_name: "1".into(),
        configs: vec![config],
        ..Default::default()
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    let reply = client.call(ApiKey::IncrementalAlterConfigs, 1, &request);
    let response: IncrementalAlterConfigsResponse<'_> = reply.read();
    assert_eq!((response.responses[0].error_code, &response.responses[0].error_message), (0, &None));
}

/// Waits until so many times threads were left by their last connection.
fn await_ends(node: &Node, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let log = node.log();
        let ends = log.matches("the last connection has left").count();
        if ends == count {
            return;
        }
        assert!(ends < count && Instant::now() < deadline, "{ends} instead of {count}:\n{log}");
        std::thread::yield_now();
    }
}

/// Asks for the record at an offset, and does not wait for the answer.
fn ask_for(client: &mut Client, offset: i64) {
    let partition = FetchPartition {
        partition: 0,
        fetch_offset: offset,
        current_leader_epoch: -1,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let request = FetchRequest {
        replica_id: -1,
        max_wait_ms: 60_000,
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..Default::default() }],
        ..Default::default()
    };
    client.send(&frame(ApiKey::Fetch, FETCH, i32::try_from(offset).unwrap(), &request));
}

fn await_record(client: &mut Client, offset: i64) {
    let reply = client.receive(ApiKey::Fetch, FETCH).unwrap();
    assert_eq!(i64::from(reply.correlation_id), offset);
    let response: FetchResponse<'_> = reply.read();
    assert_eq!(response.responses[0].partitions[0].high_watermark, offset + 1);
}

#[test]
fn connections_move_with_what_waits_on_them_and_the_threads_that_they_leave_end() {
    let home = Home::formatted(1);
    home.set("num.io.threads=4");
    let mut node = home.start();
    let mut writer = Client::connect(node.address);
    writer.create_topic(TOPIC, 1);
    let mut idle: Vec<Client> = (0..20).map(|_| Client::connect(node.address)).collect();
    let mut waiting: Vec<Client> = (0..5).map(|_| Client::connect(node.address)).collect();
    // A frame that has begun goes along, too.
    let whole = frame(ApiKey::ApiVersions, 0, 99, &ottla_wire::api::ApiVersionsRequest::default());
    // The node's own threads, four, stay, as they listen; others end when they are not those of today.
    for (offset, (count, ends)) in (0..).zip([(2, 0), (3, 1), (6, 2), (4, 3), (2, 3), (1, 4)]) {
        waiting.iter_mut().for_each(|client| ask_for(client, offset));
        let mut begun = Client::connect(node.address);
        begun.send(&whole[..7]);
        set_threads(&mut writer, count);
        await_ends(&node, ends);
        begun.send(&whole[7..]);
        assert_eq!(begun.receive(ApiKey::ApiVersions, 0).unwrap().correlation_id, 99);
        idle.iter_mut().for_each(|client| assert!(!client.api_versions().is_empty()));
        assert_eq!(writer.produce(TOPIC, 0, &batch(&[b"value".to_vec()], None)), (0, offset));
        waiting.iter_mut().for_each(|client| await_record(client, offset));
    }
    assert!(node.terminate() < Duration::from_secs(20));
}

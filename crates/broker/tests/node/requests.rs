//! What many tests ask, and what they read out of the answer.

use ottla_wire::api::FetchRequest;
use ottla_wire::api::fetch_request::{FetchPartition, FetchTopic};
use ottla_wire::batch::{Batches, Records};

/// A fetch of one partition, without a session.
pub fn fetch_request(topic: &str, index: i32, offset: i64, max_wait_ms: i32) -> FetchRequest<'static> {
    let partition = FetchPartition {
        partition: index,
        fetch_offset: offset,
        current_leader_epoch: -1,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let topic = FetchTopic { topic: topic.to_owned().into(), partitions: vec![partition], ..Default::default() };
    FetchRequest {
        replica_id: -1,
        max_wait_ms,
        min_bytes: 1,
        max_bytes: 8 << 20,
        session_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    }
}

pub fn values_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    for batch in Batches::new(bytes) {
        let batch = batch.unwrap();
        for record in Records::new(batch.record_bytes(), batch.header.record_count) {
            values.push(record.unwrap().value.unwrap().to_vec());
        }
    }
    values
}

//! Elections of leaders (KIP-460).

use super::{Admin, Target};
use crate::error::{ClientError, Result};
use crate::shell::reply::Reply;
use ottla_wire::api::elect_leaders_request::TopicPartitions;
use ottla_wire::api::{ElectLeadersRequest, ElectLeadersResponse};
use std::collections::BTreeMap;

/// Which leaders are asked for; the numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionType {
    Preferred = 0,
    Unclean = 1,
}

/// A partition, and what became of it.
pub type PartitionResult = ((String, i32), Result<()>);

impl Admin {
    /// Elects leaders of these partitions, or of all that need one. Each has its own result, in the order of the answer.
    pub async fn elect_leaders(
        &self,
        kind: ElectionType,
        partitions: Option<&[(String, i32)]>,
    ) -> Result<Vec<PartitionResult>> {
        let timeout_ms = self.request_timeout_ms();
        let request = |_| {
            let named = partitions.map(|partitions| {
                let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
                for (topic, index) in partitions {
                    topics.entry(topic).or_default().push(*index);
                }
                let topic = |(topic, partitions): (&'_ str, Vec<i32>)| TopicPartitions {
                    topic: topic.to_owned().into(),
                    partitions,
                    ..Default::default()
                };
                topics.into_iter().map(topic).collect()
            });
            ElectLeadersRequest { election_type: kind as i8, topic_partitions: named, timeout_ms, ..Default::default() }
        };
        let read = |reply: &Reply| {
            let response: ElectLeadersResponse<'_> = reply.read()?;
            ClientError::check(response.error_code, None)?;
            let mut results = Vec::new();
            for topic in &response.replica_election_results {
                for told in &topic.partition_result {
                    let result = ClientError::check(told.error_code, told.error_message.as_deref());
                    results.push(((topic.topic.to_string(), told.partition_id), result));
                }
            }
            Ok(results)
        };
        self.call("electLeaders", Target::Controller, request, read).await
    }
}

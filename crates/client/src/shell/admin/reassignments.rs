//! Partitions that move to other brokers (KIP-455).

use super::elections::PartitionResult;
use super::{Admin, Target};
use crate::error::{ClientError, Result};
use crate::shell::reply::Reply;
use ottla_wire::api::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use ottla_wire::api::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use ottla_wire::api::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
};
use std::collections::BTreeMap;

/// A partition's new brokers; None ends what is under way.
pub type Reassignment = ((String, i32), Option<Vec<i32>>);

/// Whether replicas may become more or fewer (KIP-860).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicationFactor {
    MayChange,
    Stays,
}

/// A move that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OngoingReassignment {
    pub replicas: Vec<i32>,
    pub adding: Vec<i32>,
    pub removing: Vec<i32>,
}

impl Admin {
    /// Moves partitions. Each has its own result, in the order of their topics' names.
    pub async fn alter_partition_reassignments(
        &self,
        moves: &[Reassignment],
        factor: ReplicationFactor,
    ) -> Result<Vec<PartitionResult>> {
        let timeout_ms = self.request_timeout_ms();
        let request = |_| {
            let mut topics: BTreeMap<&str, Vec<ReassignablePartition<'_>>> = BTreeMap::new();
            for ((topic, partition_index), replicas) in moves {
                let partition = ReassignablePartition {
                    partition_index: *partition_index,
                    replicas: replicas.clone(),
                    ..Default::default()
                };
                topics.entry(topic).or_default().push(partition);
            }
            let topic = |(name, partitions): (&'_ str, _)| ReassignableTopic {
                name: name.to_owned().into(),
                partitions,
                ..Default::default()
            };
            AlterPartitionReassignmentsRequest {
                timeout_ms,
                allow_replication_factor_change: factor == ReplicationFactor::MayChange,
                topics: topics.into_iter().map(topic).collect(),
                ..Default::default()
            }
        };
        let read = |reply: &Reply| {
            let response: AlterPartitionReassignmentsResponse<'_> = reply.read()?;
            ClientError::check(response.error_code, response.error_message.as_deref())?;
            let mut results = Vec::new();
            for topic in &response.responses {
                for told in &topic.partitions {
                    let result = ClientError::check(told.error_code, told.error_message.as_deref());
                    results.push(((topic.name.to_string(), told.partition_index), result));
                }
            }
            Ok(results)
        };
        self.call("alterPartitionReassignments", Target::Controller, request, read).await
    }

    /// What is under way: of these partitions, or of all.
    pub async fn list_partition_reassignments(
        &self,
        partitions: Option<&[(String, i32)]>,
    ) -> Result<BTreeMap<(String, i32), OngoingReassignment>> {
        let timeout_ms = self.request_timeout_ms();
        let request = |_| {
            let named = partitions.map(|partitions| {
                let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
                for (topic, index) in partitions {
                    topics.entry(topic).or_default().push(*index);
                }
                let topic = |(name, partition_indexes): (&'_ str, Vec<i32>)| ListPartitionReassignmentsTopics {
                    name: name.to_owned().into(),
                    partition_indexes,
                    ..Default::default()
                };
                topics.into_iter().map(topic).collect()
            });
            ListPartitionReassignmentsRequest { timeout_ms, topics: named, ..Default::default() }
        };
        let read = |reply: &Reply| {
            let response: ListPartitionReassignmentsResponse<'_> = reply.read()?;
            ClientError::check(response.error_code, response.error_message.as_deref())?;
            let mut ongoing = BTreeMap::new();
            for topic in &response.topics {
                for told in &topic.partitions {
                    let one = OngoingReassignment {
                        replicas: told.replicas.clone(),
                        adding: told.adding_replicas.clone(),
                        removing: told.removing_replicas.clone(),
                    };
                    ongoing.insert((topic.name.to_string(), told.partition_index), one);
                }
            }
            Ok(ongoing)
        };
        self.call("listPartitionReassignments", Target::Controller, request, read).await
    }
}

//! Partitions are moved to other brokers (KIP-455), step by step: the new replicas are added to the old ones, and the old
//! ones go when the new are in sync. What needs no waiting is done in one record.

use super::partition_change::{Change, Election};
use super::{Controller, Outcome, RECORDS_PER_REQUEST_MAX};
use crate::image::{Partition, Topic};
use ottla_wire::api::AlterPartitionReassignmentsRequest;
use ottla_wire::api::alter_partition_reassignments_request::ReassignablePartition;
use ottla_wire::metadata::PartitionChangeRecord;
use ottla_wire::{ApiError, ErrorCode};

/// The partitions of one topic, each with what became of its request.
#[derive(Debug, Clone, PartialEq)]
pub struct ReassignedTopic {
    pub name: String,
    pub partitions: Vec<(i32, Result<(), ApiError>)>,
}

/// Whether replicas may become more or fewer (KIP-860).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReplicationFactor {
    MayChange,
    Stays,
}

impl Partition {
    /// Whether replicas are being added or removed.
    #[must_use]
    pub fn is_reassigning(&self) -> bool {
        !self.adding_replicas.is_empty() || !self.removing_replicas.is_empty()
    }
}

impl Controller<'_> {
    /// Each partition's own result, in the order of the request.
    pub fn alter_partition_reassignments(
        &self,
        request: &AlterPartitionReassignmentsRequest<'_>,
    ) -> Outcome<Vec<ReassignedTopic>> {
        let factor = match request.allow_replication_factor_change {
            true => ReplicationFactor::MayChange,
            false => ReplicationFactor::Stays,
        };
        let version = self.image.record_versions().partition();
        let mut outcome = Outcome { records: Vec::new(), response: Vec::new() };
        for topic in &request.topics {
            let name = topic.name.to_string();
            let mut alter = |wanted: &ReassignablePartition<'_>| {
                let record = self.reassign(&name, wanted, factor)?;
                if outcome.records.len() == RECORDS_PER_REQUEST_MAX {
                    return Err(ErrorCode::PolicyViolation.into());
                }
                outcome.records.extend(record.map(|record| (record.into(), version)));
                Ok(())
            };
            let partitions = topic.partitions.iter().map(|wanted| (wanted.partition_index, alter(wanted))).collect();
            outcome.response.push(ReassignedTopic { name, partitions });
        }
        outcome
    }

    fn reassign(
        &self,
        name: &str,
        wanted: &ReassignablePartition<'_>,
        factor: ReplicationFactor,
    ) -> Result<Option<PartitionChangeRecord<'static>>, ApiError> {
        let unknown = |message: String| ApiError::new(ErrorCode::UnknownTopicOrPartition, message);
        let index = wanted.partition_index;
        let topic = self.image.topics.named(name);
        let topic = topic.ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
        let partition = topic.partitions.get(&index);
        let partition = partition.ok_or_else(|| unknown(format!("Unable to find partition {name}:{index}.")))?;
        match &wanted.replicas {
            Some(replicas) => self.begin_reassignment(topic, index, partition, replicas, factor),
            None => self.cancel_reassignment(topic, index, partition),
        }
    }

    fn begin_reassignment(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
        wanted: &[i32],
        factor: ReplicationFactor,
    ) -> Result<Option<PartitionChangeRecord<'static>>, ApiError> {
        self.check_manual_replicas(wanted, None)?;
        // Those on their way out do not count; those on their way in do.
        let staying = partition.replicas.iter().filter(|id| !partition.removing_replicas.contains(id)).count();
        if factor == ReplicationFactor::Stays && staying != wanted.len() {
            let message = format!("The replication factor is changed from {staying} to {}", wanted.len());
            return Err(ApiError::new(ErrorCode::InvalidReplicationFactor, message));
        }
        let without = |ids: &[i32], others: &[i32]| -> Vec<i32> {
            let mut left: Vec<i32> = ids.iter().copied().filter(|id| !others.contains(id)).collect();
            left.sort_unstable();
            left
        };
        let mut change = Change::of(partition);
        let removing = without(&partition.replicas, wanted);
        let adding = without(wanted, &partition.replicas);
        change.replicas = [wanted, &removing].concat();
        if !removing.is_empty() {
            change.removing = removing;
        }
        if !adding.is_empty() {
            change.adding = adding;
        }
        Ok(self.change(topic, index, partition, change))
    }

    fn cancel_reassignment(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
    ) -> Result<Option<PartitionChangeRecord<'static>>, ApiError> {
        if !partition.is_reassigning() {
            return Err(ApiError::new(
                ErrorCode::NoReassignmentInProgress,
                "No partition reassignment is in progress.",
            ));
        }
        let refuse = |message: String| Err(ApiError::new(ErrorCode::InvalidReplicaAssignment, message));
        let unclean_allowed = self.unclean_leader_election(&topic.name);
        let stays = |id: &i32| !partition.adding_replicas.contains(id);
        let mut change = Change::of(partition);
        change.replicas.retain(stays);
        change.isr.retain(stays);
        if change.isr.is_empty() {
            // All that are in sync were to be added: somebody else must lead, and records may be lost.
            let Some(first) = change.replicas.first().copied() else {
                return refuse("Invalid replica assignment: addingReplicas contains all replicas.".to_owned());
            };
            if !unclean_allowed {
                return refuse(format!(
                    "Unable to revert partition assignment for {}:{index} because it would require an unclean leader \
                     election.",
                    topic.name
                ));
            }
            change.isr.push(first);
        }
        if unclean_allowed {
            change.election = Election::Unclean;
        }
        change.removing.clear();
        change.adding.clear();
        Ok(self.change(topic, index, partition, change))
    }
}

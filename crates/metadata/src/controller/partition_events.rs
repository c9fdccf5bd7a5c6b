//! What becomes of partitions when brokers come and go, and when they tell where their replicas lie.

use super::partition_change::{Change, Election};
use super::{Controller, VersionedRecord};
use crate::image::{NO_LEADER, Partition, Topic};
use ottla_wire::Uuid;
use ottla_wire::metadata::PartitionChangeRecord;

/// What happened to a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// It leaves: fenced, shutting down, shut down cleanly, or unregistered.
    Removed(i32),
    /// It may lead from now on.
    Added(i32),
    /// It came back and may have lost what it had.
    UncleanShutdown(i32),
}

impl Controller<'_> {
    /// The changes that an event brings to the partitions it concerns.
    pub(super) fn partition_changes(&self, event: Event) -> Vec<VersionedRecord> {
        let mut records = Vec::new();
        let version = self.image.record_versions().partition();
        for topic in self.image.topics.iter() {
            let election = self.allowed_election(topic);
            for (index, partition) in &topic.partitions {
                let concerned = match event {
                    Event::Removed(id) => partition.isr.contains(&id),
                    Event::Added(_) => partition.leader == NO_LEADER,
                    Event::UncleanShutdown(id) => {
                        partition.isr.contains(&id) || partition.eligible_leader_replicas.contains(&id)
                    }
                };
                if concerned && let Some(record) = self.after(topic, *index, partition, event, election) {
                    records.push((record.into(), version));
                }
            }
        }
        records
    }

    /// What changes when a broker has a replica in this directory. Who tells of a directory asks for no election that
    /// may lose records.
    pub(super) fn assign_directory(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
        told: (i32, Uuid),
    ) -> Option<PartitionChangeRecord<'static>> {
        self.change(topic, index, partition, Change { told: Some(told), ..Change::of(partition) })
    }

    /// What changes when a broker cannot serve one of its replicas.
    pub(super) fn remove_replica(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
        broker: i32,
    ) -> Option<PartitionChangeRecord<'static>> {
        self.after(topic, index, partition, Event::Removed(broker), self.allowed_election(topic))
    }

    fn after(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
        event: Event,
        election: Election,
    ) -> Option<PartitionChangeRecord<'static>> {
        let mut change = Change { election, ..Change::of(partition) };
        match event {
            Event::Removed(id) => change.leaving = Some(id),
            Event::Added(id) => change.returning = Some(id),
            Event::UncleanShutdown(id) => {
                change.leaving = Some(id);
                change.is_unclean_shutdown = true;
            }
        }
        change.isr.retain(|id| Some(*id) != change.leaving);
        self.change(topic, index, partition, change)
    }

    fn allowed_election(&self, topic: &Topic) -> Election {
        if self.unclean_leader_election(&topic.name) { Election::Unclean } else { Election::Online }
    }
}

//! How a partition changes when brokers come and go: its ISR, its eligible leader replicas (KIP-966), and its leader.

use super::{Controller, VersionedRecord};
use crate::image::{Broker, LEADER_UNCHANGED, NO_LEADER, Partition, Topic};
use ottla_wire::Uuid;
use ottla_wire::metadata::PartitionChangeRecord;

/// What happened to a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// It leaves: fenced, shutting down, or shut down cleanly.
    Removed(i32),
    /// It may lead from now on.
    Added(i32),
    /// It came back and may have lost what it had.
    UncleanShutdown(i32),
    /// It told in which directory its replica lies.
    Assigned(i32, Uuid),
}

const RECOVERING: i8 = 1;

impl Controller<'_> {
    /// The changes that an event brings to the partitions it concerns.
    pub(super) fn partition_changes(&self, event: Event) -> Vec<VersionedRecord> {
        let mut records = Vec::new();
        for topic in self.image.topics.iter() {
            for (index, partition) in &topic.partitions {
                let concerned = match event {
                    Event::Removed(id) => partition.isr.contains(&id),
                    Event::Added(_) => partition.leader == NO_LEADER,
                    Event::Assigned(id, _) => partition.replicas.contains(&id),
                    Event::UncleanShutdown(id) => {
                        partition.isr.contains(&id) || partition.eligible_leader_replicas.contains(&id)
                    }
                };
                if concerned && let Some(record) = self.change(topic, *index, partition, event) {
                    records.push((record.into(), self.image.record_versions().partition()));
                }
            }
        }
        records
    }

    /// What changes when a broker has a replica in this directory.
    pub(super) fn assign_directory(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
        (broker, directory): (i32, Uuid),
    ) -> Option<PartitionChangeRecord<'static>> {
        self.change(topic, index, partition, Event::Assigned(broker, directory))
    }

    /// What changes when a broker cannot serve one of its replicas.
    pub(super) fn remove_replica(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
        broker: i32,
    ) -> Option<PartitionChangeRecord<'static>> {
        self.change(topic, index, partition, Event::Removed(broker))
    }

    fn change(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
        event: Event,
    ) -> Option<PartitionChangeRecord<'static>> {
        let elr_enabled = self.image.has_elr();
        let gone = match event {
            Event::Removed(id) | Event::UncleanShutdown(id) => Some(id),
            Event::Added(_) | Event::Assigned(..) => None,
        };
        let acceptable = |id: i32| {
            let online = |broker: &Broker| {
                partition.directory_of(id).is_some_and(|directory| broker.has_online_directory(directory))
            };
            Some(id) != gone
                && self
                    .image
                    .brokers
                    .get(&id)
                    .is_some_and(|broker| (event == Event::Added(id) || broker.is_active()) && online(broker))
        };
        let mut isr: Vec<i32> = partition.isr.iter().copied().filter(|id| Some(*id) != gone).collect();
        let mut elr = Vec::new();
        if elr_enabled && isr.len() < self.min_insync_replicas(&topic.name) {
            let unclean = matches!(event, Event::UncleanShutdown(_));
            elr.clone_from(&partition.eligible_leader_replicas);
            elr.extend(partition.isr.iter().filter(|id| !partition.eligible_leader_replicas.contains(id)));
            elr.retain(|id| !(isr.contains(id) || unclean && Some(*id) == gone));
        }

        let mut record = PartitionChangeRecord { partition_id: index, topic_id: topic.id, ..Default::default() };
        let valid = |id: i32| acceptable(id) && (isr.contains(&id) || isr.is_empty() && elr.contains(&id));
        let last_known = match partition.last_known_elr.as_slice() {
            [id] if elr_enabled && elr.is_empty() && isr.is_empty() && acceptable(*id) => Some(*id),
            _ => None,
        };
        // Who tells of a directory asks for no election that may lose records.
        let unclean_allowed = !matches!(event, Event::Assigned(..)) && self.unclean_leader_election(&topic.name);
        let any = || partition.replicas.iter().copied().find(|id| unclean_allowed && acceptable(*id));
        let clean = Some(partition.leader)
            .filter(|id| valid(*id))
            .or_else(|| partition.replicas.iter().copied().find(|id| valid(*id)));
        let unclean = if clean.is_none() { last_known.or_else(any) } else { None };
        let leader = clean.or(unclean).unwrap_or(NO_LEADER);
        if leader != partition.leader {
            record.leader = leader;
            if elr.contains(&leader) {
                isr = vec![leader];
                elr.retain(|id| *id != leader);
            }
            if unclean.is_some() {
                record.isr = Some(vec![leader]);
                if partition.leader_recovery_state != RECOVERING {
                    record.leader_recovery_state = RECOVERING;
                }
            }
        }
        if unclean.is_some() || !elr_enabled {
            elr.clear();
        }
        if elr != partition.eligible_leader_replicas {
            record.eligible_leader_replicas = Some(elr);
        }
        if record.isr.is_none() && (!isr.is_empty() || elr_enabled) && isr != partition.isr {
            record.isr = Some(isr);
        }
        let shrank = record.isr.as_ref().is_some_and(|now| partition.isr.iter().any(|id| !now.contains(id)));
        if shrank && record.leader == LEADER_UNCHANGED && self.image.record_versions().bumps_epoch_on_isr_shrink() {
            record.leader = partition.leader;
        }
        if elr_enabled {
            // Where the first leader is lost, it is remembered, to be taken again if no one else may lead.
            if record.leader == NO_LEADER && partition.last_known_elr.is_empty() {
                record.last_known_elr = Some(vec![partition.leader]);
            } else if record.leader >= 0 && !partition.last_known_elr.is_empty() {
                record.last_known_elr = Some(Vec::new());
            }
        }
        if let Event::Assigned(broker, directory) = event {
            let told = |(id, known): (&i32, &Uuid)| if *id == broker { directory } else { *known };
            let directories: Vec<Uuid> = partition.replicas.iter().zip(&partition.directories).map(told).collect();
            record.directories = (directories != partition.directories).then_some(directories);
        }
        let unchanged = PartitionChangeRecord { partition_id: index, topic_id: topic.id, ..Default::default() };
        (record != unchanged).then_some(record)
    }
}

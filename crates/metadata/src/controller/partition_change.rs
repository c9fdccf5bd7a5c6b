//! How a partition changes: its replicas, its ISR, its eligible leader replicas (KIP-966), and its leader. Whoever wants a
//! change says what the partition is to become; an ongoing reassignment that the change completes is completed with it.

use super::Controller;
use crate::image::{Broker, LEADER_UNCHANGED, NO_LEADER, Partition, Topic};
use ottla_wire::Uuid;
use ottla_wire::metadata::PartitionChangeRecord;

/// Who may become the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Election {
    /// The first replica if it is in sync, else as [`Election::Online`].
    Preferred,
    /// The leader stays if it may; otherwise a replica that is in sync.
    Online,
    /// The same, and where none is in sync, any replica that is there: records may be lost.
    Unclean,
}

/// What a partition is to become.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub isr: Vec<i32>,
    pub replicas: Vec<i32>,
    pub removing: Vec<i32>,
    pub adding: Vec<i32>,
    pub election: Election,
    /// A broker that may not lead any more, though the image does not say so yet.
    pub leaving: Option<i32>,
    /// The one that leaves may have lost records, so it is no eligible leader either.
    pub is_unclean_shutdown: bool,
    /// A broker that may lead again, though the image does not say so yet.
    pub returning: Option<i32>,
    /// In which directory a broker has its replica.
    pub told: Option<(i32, Uuid)>,
}

impl Change {
    /// No change yet: the partition as it is.
    pub(super) fn of(partition: &Partition) -> Self {
        Self {
            isr: partition.isr.to_vec(),
            replicas: partition.replicas.to_vec(),
            removing: partition.removing_replicas.to_vec(),
            adding: partition.adding_replicas.to_vec(),
            election: Election::Online,
            leaving: None,
            is_unclean_shutdown: false,
            returning: None,
            told: None,
        }
    }

    /// Ends a reassignment, once all that are added are in sync and one is left that is not removed. Where fewer stay than
    /// go, all that stay must be in sync: the ISR would shrink otherwise.
    fn complete_reassignment(&mut self) {
        if self.removing.is_empty() && self.adding.is_empty() {
            return;
        }
        let staying =
            |ids: &[i32]| -> Vec<i32> { ids.iter().copied().filter(|id| !self.removing.contains(id)).collect() };
        let (isr, replicas) = (staying(&self.isr), staying(&self.replicas));
        let left = self.removing.is_empty() || !isr.is_empty() && !replicas.is_empty();
        let joined = self.adding.iter().all(|id| isr.contains(id));
        let whole = self.adding.len() >= self.removing.len() || replicas.iter().all(|id| isr.contains(id));
        if left && joined && whole {
            (self.isr, self.replicas) = (isr, replicas);
            self.removing.clear();
            self.adding.clear();
        }
    }
}

/// A leader, and whether records may be lost under it.
struct Elected {
    leader: i32,
    is_unclean: bool,
}

const RECOVERING: i8 = 1;

impl Controller<'_> {
    /// The record that says a change; None where nothing changes.
    pub(super) fn change(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
        mut change: Change,
    ) -> Option<PartitionChangeRecord<'static>> {
        let elr_enabled = self.image.has_elr();
        let mut record = PartitionChangeRecord { partition_id: index, topic_id: topic.id, ..Default::default() };
        change.complete_reassignment();
        let mut elr = self.eligible(topic, partition, &change);
        let elected = self.elect(partition, &change, &elr);
        let is_unclean = elected.is_unclean && elected.leader != partition.leader;
        if elected.leader != partition.leader {
            record.leader = elected.leader;
            if elr.contains(&elected.leader) {
                change.isr = vec![elected.leader];
                elr.retain(|id| *id != elected.leader);
            }
            if is_unclean {
                record.isr = Some(vec![elected.leader]);
                if partition.leader_recovery_state != RECOVERING {
                    record.leader_recovery_state = RECOVERING;
                }
            }
        }
        if record.leader == LEADER_UNCHANGED && partition.replicas.iter().any(|id| !change.replicas.contains(id)) {
            // Replicas that are gone must not go on fetching: the leader begins a new epoch.
            record.leader = partition.leader;
        }
        if is_unclean || !elr_enabled {
            elr.clear();
        }
        if *elr != *partition.eligible_leader_replicas {
            record.eligible_leader_replicas = Some(elr);
        }
        if record.isr.is_none() && (!change.isr.is_empty() || elr_enabled) && *change.isr != *partition.isr {
            record.isr = Some(change.isr.clone());
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
        self.set_assignment(&mut record, partition, change);
        let unchanged = PartitionChangeRecord { partition_id: index, topic_id: topic.id, ..Default::default() };
        (record != unchanged).then_some(record)
    }

    /// Who may lead though it is not in sync: those that left an ISR smaller than it must be (KIP-966).
    fn eligible(&self, topic: &Topic, partition: &Partition, change: &Change) -> Vec<i32> {
        // A topic cannot ask for more replicas in sync than it has; what it asks for is looked up last.
        let factor = topic.partitions.get(&0).map_or(usize::MAX, |first| first.replicas.len());
        let isr = change.isr.len();
        if !self.image.has_elr() || isr >= factor || isr >= self.min_insync_replicas(&topic.name) {
            return Vec::new();
        }
        let mut elr = partition.eligible_leader_replicas.to_vec();
        elr.extend(partition.isr.iter().filter(|id| !partition.eligible_leader_replicas.contains(id)));
        elr.retain(|id| !(change.isr.contains(id) || change.is_unclean_shutdown && Some(*id) == change.leaving));
        elr.sort_unstable();
        elr
    }

    fn elect(&self, partition: &Partition, change: &Change, elr: &[i32]) -> Elected {
        let acceptable = |id: i32| self.may_lead(partition, change, id);
        let valid =
            |id: i32| (change.isr.contains(&id) || change.isr.is_empty() && elr.contains(&id)) && acceptable(id);
        let preferred = change.replicas.first().copied().filter(|_| change.election == Election::Preferred);
        let clean = preferred
            .filter(|id| valid(*id))
            .or_else(|| Some(partition.leader).filter(|id| valid(*id)))
            .or_else(|| change.replicas.iter().copied().find(|id| valid(*id)));
        if let Some(leader) = clean {
            return Elected { leader, is_unclean: false };
        }
        let last_known = match &*partition.last_known_elr {
            [id] if self.image.has_elr() && elr.is_empty() && change.isr.is_empty() && acceptable(*id) => Some(*id),
            _ => None,
        };
        let any = || match change.election {
            Election::Unclean => change.replicas.iter().copied().find(|id| acceptable(*id)),
            Election::Preferred | Election::Online => None,
        };
        match last_known.or_else(any) {
            Some(leader) => Elected { leader, is_unclean: true },
            None => Elected { leader: NO_LEADER, is_unclean: false },
        }
    }

    /// Whether a broker is there, with the directory of its replica.
    fn may_lead(&self, partition: &Partition, change: &Change, id: i32) -> bool {
        let online = |broker: &Broker| {
            partition.directory_of(id).is_some_and(|directory| broker.has_online_directory(directory))
        };
        let there = |broker: &Broker| change.returning == Some(id) || broker.is_active();
        change.leaving != Some(id) && self.image.brokers.get(&id).is_some_and(|broker| there(broker) && online(broker))
    }

    fn set_assignment(&self, record: &mut PartitionChangeRecord<'static>, partition: &Partition, change: Change) {
        if self.image.record_versions().has_directories() && !change.replicas.is_empty() {
            let directory = |id: &i32| match change.told {
                Some((broker, told)) if broker == *id => told,
                _ => partition.directory_of(*id).unwrap_or_else(|| self.default_directory(*id)),
            };
            let directories: Vec<Uuid> = change.replicas.iter().map(directory).collect();
            record.directories = (*directories != *partition.directories).then_some(directories);
        }
        let changed = |now: Vec<i32>, before: &[i32]| (*now != *before).then_some(now);
        if !change.replicas.is_empty() {
            record.replicas = changed(change.replicas, &partition.replicas);
        }
        record.removing_replicas = changed(change.removing, &partition.removing_replicas);
        record.adding_replicas = changed(change.adding, &partition.adding_replicas);
    }

    /// Where a new replica goes: a broker with one directory has no choice; one with several chooses, and tells (KIP-858).
    pub(super) fn default_directory(&self, broker: i32) -> Uuid {
        match self.image.brokers.get(&broker).map(|broker| broker.log_dirs.as_slice()) {
            Some([only]) => *only,
            Some([]) => Uuid::MIGRATING_DIR,
            Some(_) | None => Uuid::UNASSIGNED_DIR,
        }
    }
}

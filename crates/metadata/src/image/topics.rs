//! Topics and their partitions.

use crate::features::RecordVersions;
use imbl::OrdMap;
use ottla_wire::Uuid;
use ottla_wire::metadata::{PartitionChangeRecord, PartitionRecord, TopicRecord};
use std::ops::Bound;
use std::sync::Arc;

/// No broker: the leader of a partition that has none.
pub const NO_LEADER: i32 = -1;
/// In a PartitionChange record: the leader stays, and so does its epoch.
pub const LEADER_UNCHANGED: i32 = -2;

/// All topics, found by name and by id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Topics {
    by_id: OrdMap<Uuid, Arc<Topic>>,
    ids: OrdMap<Arc<str>, Uuid>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Topic {
    pub name: Arc<str>,
    pub id: Uuid,
    pub partitions: OrdMap<i32, Arc<Partition>>,
}

/// Ids of brokers. What is equal is shared, and what is empty costs nothing: there may be a million partitions.
pub type BrokerIds = Arc<[i32]>;

/// What the metadata says of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub replicas: BrokerIds,
    /// The directory of each replica, in their order.
    pub directories: Arc<[Uuid]>,
    pub isr: BrokerIds,
    pub removing_replicas: BrokerIds,
    pub adding_replicas: BrokerIds,
    pub eligible_leader_replicas: BrokerIds,
    pub last_known_elr: BrokerIds,
    pub leader: i32,
    /// 0: recovered; 1: recovering, after an unclean election (KIP-704).
    pub leader_recovery_state: i8,
    pub leader_epoch: i32,
    pub partition_epoch: i32,
}

impl Topics {
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_id.get(self.ids.get(name)?)
    }

    #[must_use]
    pub fn with_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    #[must_use]
    pub fn partition(&self, name: &str, index: i32) -> Option<&Arc<Partition>> {
        self.named(name)?.partitions.get(&index)
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.ids.values().filter_map(|id| self.by_id.get(id))
    }

    /// The topics whose names are at least `name`, in their order.
    pub fn from_name<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Arc<Topic>> {
        self.ids.range::<_, str>((Bound::Included(name), Bound::Unbounded)).filter_map(|(_, id)| self.by_id.get(id))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(super) fn add(&mut self, record: &TopicRecord<'_>) -> bool {
        let name: Arc<str> = record.name.as_ref().into();
        if self.ids.contains_key(&name) || self.by_id.contains_key(&record.topic_id) {
            return false;
        }
        self.ids.insert(Arc::clone(&name), record.topic_id);
        let topic = Topic { name, id: record.topic_id, partitions: OrdMap::new() };
        self.by_id.insert(record.topic_id, Arc::new(topic));
        true
    }

    pub(super) fn remove(&mut self, id: Uuid) -> Option<Arc<Topic>> {
        let topic = self.by_id.remove(&id)?;
        self.ids.remove(&topic.name);
        Some(topic)
    }

    pub(super) fn add_partition(&mut self, record: &PartitionRecord<'_>) -> bool {
        let Some(topic) = self.by_id.get_mut(&record.topic_id) else { return false };
        let topic = Arc::make_mut(topic);
        let beside = topic.partitions.get_max().map(|(_, partition)| &**partition);
        let partition = Partition::from_record(record, beside);
        topic.partitions.insert(record.partition_id, Arc::new(partition));
        true
    }

    pub(super) fn change_partition(&mut self, record: &PartitionChangeRecord<'_>) -> bool {
        let Some(topic) = self.by_id.get_mut(&record.topic_id) else { return false };
        let topic = Arc::make_mut(topic);
        let Some(partition) = topic.partitions.get_mut(&record.partition_id) else { return false };
        Arc::make_mut(partition).change(record);
        true
    }

    /// Forgets eligible leader replicas: of one topic, or of all.
    pub(super) fn clear_elr(&mut self, name: &str) {
        let ids: Vec<Uuid> = match self.ids.get(name) {
            Some(id) => vec![*id],
            None if name.is_empty() => self.ids.values().copied().collect(),
            None => Vec::new(),
        };
        for id in ids {
            let Some(topic) = self.by_id.get(&id) else { continue };
            let has_elr = |p: &Partition| !p.eligible_leader_replicas.is_empty() || !p.last_known_elr.is_empty();
            let affected: Vec<i32> = topic.partitions.iter().filter(|(_, p)| has_elr(p)).map(|(i, _)| *i).collect();
            if affected.is_empty() {
                continue;
            }
            let Some(topic) = self.by_id.get_mut(&id).map(Arc::make_mut) else { continue };
            for index in affected {
                if let Some(partition) = topic.partitions.get_mut(&index).map(Arc::make_mut) {
                    partition.eligible_leader_replicas = BrokerIds::default();
                    partition.last_known_elr = BrokerIds::default();
                    partition.partition_epoch += 1;
                }
            }
        }
    }
}

impl Partition {
    /// A partition of a topic may well lie where another of it lies, `beside`.
    fn from_record(record: &PartitionRecord<'_>, beside: Option<&Partition>) -> Self {
        // Before KIP-858 a replica had no directory.
        let directories = match record.directories.len() == record.replicas.len() {
            true => shared(&record.directories, beside.map(|other| &other.directories)),
            false => vec![Uuid::MIGRATING_DIR; record.replicas.len()].into(),
        };
        let replicas = shared(&record.replicas, beside.map(|other| &other.replicas));
        let listed = |ids: &Option<Vec<i32>>| ids.as_deref().map(|ids| shared(ids, None)).unwrap_or_default();
        Self {
            isr: shared(&record.isr, Some(&replicas)),
            replicas,
            directories,
            removing_replicas: shared(&record.removing_replicas, None),
            adding_replicas: shared(&record.adding_replicas, None),
            eligible_leader_replicas: listed(&record.eligible_leader_replicas),
            last_known_elr: listed(&record.last_known_elr),
            leader: record.leader,
            leader_recovery_state: record.leader_recovery_state,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
        }
    }

    fn change(&mut self, record: &PartitionChangeRecord<'_>) {
        let set = |field: &mut BrokerIds, value: &Option<Vec<i32>>| {
            if let Some(value) = value {
                *field = shared(value, Some(field));
            }
        };
        if let Some(directories) = &record.directories {
            self.directories = shared(directories, Some(&self.directories));
        } else if let Some(replicas) = &record.replicas {
            let known = |id: &i32| self.directory_of(*id).unwrap_or(Uuid::UNASSIGNED_DIR);
            self.directories = replicas.iter().map(known).collect();
        }
        set(&mut self.replicas, &record.replicas);
        set(&mut self.isr, &record.isr);
        set(&mut self.removing_replicas, &record.removing_replicas);
        set(&mut self.adding_replicas, &record.adding_replicas);
        set(&mut self.eligible_leader_replicas, &record.eligible_leader_replicas);
        set(&mut self.last_known_elr, &record.last_known_elr);
        if record.leader != LEADER_UNCHANGED {
            self.leader = record.leader;
            self.leader_epoch += 1;
        }
        if record.leader_recovery_state >= 0 {
            self.leader_recovery_state = record.leader_recovery_state;
        }
        self.partition_epoch += 1;
    }

    /// The directory of a broker's replica.
    #[must_use]
    pub fn directory_of(&self, broker: i32) -> Option<Uuid> {
        self.replicas.iter().position(|id| *id == broker).and_then(|at| self.directories.get(at)).copied()
    }

    /// The record that says all of this partition, in the form of a level.
    #[must_use]
    pub fn to_record(&self, topic_id: Uuid, index: i32, versions: RecordVersions) -> PartitionRecord<'static> {
        let some = |ids: &BrokerIds| (!ids.is_empty() && versions.partition() >= 2).then(|| ids.to_vec());
        PartitionRecord {
            partition_id: index,
            topic_id,
            replicas: self.replicas.to_vec(),
            isr: self.isr.to_vec(),
            removing_replicas: self.removing_replicas.to_vec(),
            adding_replicas: self.adding_replicas.to_vec(),
            leader: self.leader,
            leader_recovery_state: self.leader_recovery_state,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: if versions.has_directories() { self.directories.to_vec() } else { Vec::new() },
            eligible_leader_replicas: some(&self.eligible_leader_replicas),
            last_known_elr: some(&self.last_known_elr),
            ..Default::default()
        }
    }
}

/// A list that takes the place of an equal one, if there is one.
fn shared<T: Copy + PartialEq>(list: &[T], equal: Option<&Arc<[T]>>) -> Arc<[T]> {
    match equal.filter(|equal| ***equal == *list) {
        Some(equal) => Arc::clone(equal),
        None if list.is_empty() => Arc::default(),
        None => list.into(),
    }
}

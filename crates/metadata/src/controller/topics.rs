//! Topics come, grow and go.

use super::configs::{ConfigOperation, ConfigOperationKind};
use super::topic_names::{collision_form, validate_topic_name};
use super::{Controller, Outcome, RECORDS_PER_REQUEST_MAX, VersionedRecord, new_id, placement};
use crate::image::{BrokerIds, ConfigResource, Partition};
use ottla_machine::Seed;
use ottla_wire::api::create_partitions_request::CreatePartitionsTopic;
use ottla_wire::api::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest};
use ottla_wire::metadata::{RemoveTopicRecord, TopicRecord};
use ottla_wire::{ApiError, ErrorCode, Uuid};
use std::collections::{BTreeMap, BTreeSet};

/// A topic that will be there once its records are committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    pub name: String,
    pub id: Uuid,
    pub partitions: i32,
    pub replication_factor: i16,
}

/// Asked before a topic's partitions are made or removed, with their number: whether whoever wants it has that much left
/// (KIP-599).
pub type Charge<'a> = &'a mut dyn FnMut(usize) -> Result<(), ApiError>;

/// The most partitions that one request may create.
const PARTITIONS_PER_REQUEST_MAX: i64 = 10_000;

impl Controller<'_> {
    /// Each topic's own result, in the order of the request.
    pub fn create_topics(
        &self,
        request: &CreateTopicsRequest<'_>,
        seed: &mut Seed,
        charge: Charge<'_>,
    ) -> Result<Outcome<Vec<Result<CreatedTopic, ApiError>>>, ApiError> {
        let count = |topic: &CreatableTopic<'_>| match (topic.num_partitions, topic.assignments.len()) {
            (-1, 0) => i64::from(self.settings.num_partitions),
            (-1, assigned) => assigned as i64,
            (count, _) => i64::from(count),
        };
        if request.topics.iter().map(count).sum::<i64>() > PARTITIONS_PER_REQUEST_MAX {
            return Err(ApiError::new(
                ErrorCode::PolicyViolation,
                "Excessively large number of partitions per request.",
            ));
        }
        let mut outcome = Outcome { records: Vec::new(), response: Vec::new() };
        let mut made = BTreeSet::new();
        let forms: BTreeMap<String, &str> = match request.topics.iter().any(|t| t.name.contains(['.', '_'])) {
            true => self.image.topics.iter().filter_map(|t| Some((collision_form(&t.name)?, &*t.name))).collect(),
            false => BTreeMap::new(),
        };
        for topic in &request.topics {
            let result = self.create_topic(topic, &forms, seed, &mut made, charge).and_then(|(created, records)| {
                if outcome.records.len() + records.len() > RECORDS_PER_REQUEST_MAX {
                    return Err(ErrorCode::PolicyViolation.into());
                }
                outcome.records.extend(records);
                Ok(created)
            });
            outcome.response.push(result);
        }
        if request.validate_only {
            outcome.records.clear();
        }
        Ok(outcome)
    }

    fn create_topic(
        &self,
        topic: &CreatableTopic<'_>,
        forms: &BTreeMap<String, &str>,
        seed: &mut Seed,
        made: &mut BTreeSet<Uuid>,
        charge: Charge<'_>,
    ) -> Result<(CreatedTopic, Vec<VersionedRecord>), ApiError> {
        let name = topic.name.as_ref();
        validate_topic_name(name)?;
        if self.image.topics.named(name).is_some() {
            return Err(ApiError::new(ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
        }
        if let Some(existing) = collision_form(name).and_then(|form| forms.get(&form)) {
            return Err(ApiError::new(
                ErrorCode::InvalidTopicException,
                format!("Topic '{name}' collides with existing topic: {existing}"),
            ));
        }
        let configs = self.topic_configs(topic)?;
        let partitions = match topic.assignments.is_empty() {
            false => self.assigned(topic)?,
            true => self.placed(topic, seed)?,
        };
        charge(partitions.len())?;
        let id = new_id(seed, |id| self.image.topics.with_id(id).is_some() || made.contains(&id));
        made.insert(id);
        let versions = self.image.record_versions();
        let record = TopicRecord { name: name.to_owned().into(), topic_id: id, ..Default::default() };
        let mut records: Vec<VersionedRecord> = vec![(record.into(), 0)];
        records.extend(configs);
        for (index, partition) in (0..).zip(&partitions) {
            records.push((partition.to_record(id, index, versions).into(), versions.partition()));
        }
        let created = CreatedTopic {
            name: name.to_owned(),
            id,
            partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
            replication_factor: i16::try_from(partitions[0].replicas.len()).unwrap_or(i16::MAX),
        };
        Ok((created, records))
    }

    fn topic_configs(&self, topic: &CreatableTopic<'_>) -> Result<Vec<VersionedRecord>, ApiError> {
        let nulls: Vec<&str> = topic.configs.iter().filter(|c| c.value.is_none()).map(|c| c.name.as_ref()).collect();
        if !nulls.is_empty() {
            let message = format!("Null value not supported for topic configs: {}", nulls.join(","));
            return Err(ApiError::new(ErrorCode::InvalidConfig, message));
        }
        let set = |value: &Option<std::borrow::Cow<'_, str>>| ConfigOperation {
            kind: ConfigOperationKind::Set,
            value: value.as_ref().map(ToString::to_string),
        };
        let operations = topic.configs.iter().map(|c| (c.name.to_string(), set(&c.value))).collect();
        self.incremental(&ConfigResource::topic(&topic.name), &operations)
    }

    fn assigned(&self, topic: &CreatableTopic<'_>) -> Result<Vec<Partition>, ApiError> {
        if topic.replication_factor != -1 {
            return Err(ApiError::new(
                ErrorCode::InvalidRequest,
                "A manual partition assignment was specified, but replication factor was not set to -1.",
            ));
        }
        if topic.num_partitions != -1 {
            return Err(ApiError::new(
                ErrorCode::InvalidRequest,
                "A manual partition assignment was specified, but numPartitions was not set to -1.",
            ));
        }
        let refuse = |message: String| ApiError::new(ErrorCode::InvalidReplicaAssignment, message);
        let mut by_index: BTreeMap<i32, &CreatableReplicaAssignment<'_>> = BTreeMap::new();
        for assignment in &topic.assignments {
            if by_index.insert(assignment.partition_index, assignment).is_some() {
                return Err(refuse(format!(
                    "Found multiple manual partition assignments for partition {}",
                    assignment.partition_index
                )));
            }
        }
        let mut partitions = Vec::new();
        let mut factor = None;
        for (index, assignment) in &by_index {
            partitions.push(self.manual(*index, &assignment.broker_ids, factor)?);
            factor = Some(assignment.broker_ids.len());
        }
        if by_index.keys().zip(0..).any(|(index, expected)| *index != expected) {
            return Err(refuse("partitions should be a consecutive 0-based integer sequence".to_owned()));
        }
        Ok(partitions)
    }

    /// A partition on the brokers that a person named.
    fn manual(&self, index: i32, replicas: &[i32], factor: Option<usize>) -> Result<Partition, ApiError> {
        self.check_manual_replicas(replicas, factor)?;
        self.new_partition(replicas.to_vec()).ok_or_else(|| {
            ApiError::new(
                ErrorCode::InvalidReplicaAssignment,
                format!(
                    "All brokers specified in the manual partition assignment for partition {index} are fenced or in \
                     controlled shutdown."
                ),
            )
        })
    }

    /// Whether replicas may lie where a person wants them.
    pub(super) fn check_manual_replicas(&self, replicas: &[i32], factor: Option<usize>) -> Result<(), ApiError> {
        let refuse = |what: String| {
            Err(ApiError::new(
                ErrorCode::InvalidReplicaAssignment,
                format!("The manual partition assignment includes {what}"),
            ))
        };
        if replicas.is_empty() {
            return refuse("an empty replica list.".to_owned());
        }
        let mut sorted = replicas.to_vec();
        sorted.sort_unstable();
        for (at, id) in sorted.iter().enumerate() {
            let Some(broker) = self.image.brokers.get(id) else {
                return refuse(format!("broker {id}, but no such broker is registered."));
            };
            let cordoned = broker.cordoned_log_dirs.as_deref().unwrap_or_default();
            if !cordoned.is_empty() && broker.log_dirs.iter().all(|dir| cordoned.contains(dir)) {
                return refuse(format!("broker {id}, but all its log directories are cordoned."));
            }
            if at > 0 && sorted[at - 1] == *id {
                return refuse(format!("the broker {id} more than once."));
            }
        }
        if factor.is_some_and(|factor| factor != replicas.len()) {
            return refuse(format!(
                "a partition with {} replica(s), but this is not consistent with previous partitions, which have {} \
                 replica(s).",
                replicas.len(),
                factor.unwrap_or_default()
            ));
        }
        Ok(())
    }

    fn placed(&self, topic: &CreatableTopic<'_>, seed: &mut Seed) -> Result<Vec<Partition>, ApiError> {
        if topic.replication_factor < -1 || topic.replication_factor == 0 {
            return Err(ApiError::new(
                ErrorCode::InvalidReplicationFactor,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            ));
        }
        if topic.num_partitions < -1 || topic.num_partitions == 0 {
            return Err(ApiError::new(
                ErrorCode::InvalidPartitions,
                "Number of partitions was set to an invalid non-positive value.",
            ));
        }
        let count = if topic.num_partitions == -1 { self.settings.num_partitions } else { topic.num_partitions };
        let factor = match topic.replication_factor {
            -1 => self.settings.default_replication_factor,
            factor => factor,
        };
        let explain = |error: ApiError| {
            let reason = error.message.unwrap_or_default();
            ApiError::new(error.code, format!("Unable to replicate the partition {factor} time(s): {reason}"))
        };
        self.place(count, factor, seed).map_err(explain)
    }

    fn place(&self, count: i32, factor: i16, seed: &mut Seed) -> Result<Vec<Partition>, ApiError> {
        let count = usize::try_from(count).unwrap_or(0);
        let placed = placement::place(self.image, seed, count, factor)?;
        let inactive = || {
            ApiError::new(
                ErrorCode::InvalidReplicationFactor,
                "All brokers are currently fenced or in controlled shutdown.",
            )
        };
        placed.into_iter().map(|replicas| self.new_partition(replicas).ok_or_else(inactive)).collect()
    }

    /// A partition that begins; None when none of its replicas may lead.
    fn new_partition(&self, replicas: Vec<i32>) -> Option<Partition> {
        let active = |id: &i32| self.image.brokers.get(id).is_some_and(|broker| broker.is_active());
        let isr: Vec<i32> = replicas.iter().copied().filter(active).collect();
        Some(Partition {
            directories: replicas.iter().map(|id| self.default_directory(*id)).collect(),
            leader: *isr.first()?,
            isr: isr.into(),
            replicas: replicas.into(),
            removing_replicas: BrokerIds::default(),
            adding_replicas: BrokerIds::default(),
            eligible_leader_replicas: BrokerIds::default(),
            last_known_elr: BrokerIds::default(),
            leader_recovery_state: 0,
            leader_epoch: 0,
            partition_epoch: 0,
        })
    }

    /// CreatePartitions: each topic's own result, in the order of the request.
    pub fn create_partitions(
        &self,
        topics: &[CreatePartitionsTopic<'_>],
        seed: &mut Seed,
        charge: Charge<'_>,
    ) -> Outcome<Vec<Result<(), ApiError>>> {
        let mut outcome = Outcome { records: Vec::new(), response: Vec::new() };
        for topic in topics {
            let result = self.grow(topic, seed, charge).and_then(|records| {
                if outcome.records.len() + records.len() > RECORDS_PER_REQUEST_MAX {
                    return Err(ErrorCode::PolicyViolation.into());
                }
                outcome.records.extend(records);
                Ok(())
            });
            outcome.response.push(result);
        }
        outcome
    }

    fn grow(
        &self,
        topic: &CreatePartitionsTopic<'_>,
        seed: &mut Seed,
        charge: Charge<'_>,
    ) -> Result<Vec<VersionedRecord>, ApiError> {
        let Some(existing) = self.image.topics.named(&topic.name) else {
            return Err(ErrorCode::UnknownTopicOrPartition.into());
        };
        let has = i32::try_from(existing.partitions.len()).unwrap_or(i32::MAX);
        let invalid = |message: String| Err(ApiError::new(ErrorCode::InvalidPartitions, message));
        if topic.count == has {
            return invalid(format!("Topic already has {has} partition(s)."));
        }
        if topic.count < has {
            return invalid(format!(
                "The topic {} currently has {has} partition(s); {} would not be an increase.",
                topic.name, topic.count
            ));
        }
        let additional = topic.count - has;
        if i64::from(additional) > PARTITIONS_PER_REQUEST_MAX {
            return Err(ApiError::new(
                ErrorCode::PolicyViolation,
                "Excessively large number of partitions per request.",
            ));
        }
        let factor = existing.partitions.values().next().map_or(1, |p| p.replicas.len());
        if let Some(assignments) = &topic.assignments
            && assignments.len() != additional as usize
        {
            return Err(ApiError::new(
                ErrorCode::InvalidReplicaAssignment,
                format!(
                    "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
                    assignments.len()
                ),
            ));
        }
        charge(additional as usize)?;
        let partitions = match &topic.assignments {
            Some(assignments) => (has..)
                .zip(assignments)
                .map(|(index, assignment)| self.manual(index, &assignment.broker_ids, Some(factor)))
                .collect::<Result<Vec<_>, _>>()?,
            None => self.place(additional, i16::try_from(factor).unwrap_or(i16::MAX), seed)?,
        };
        let versions = self.image.record_versions();
        let record = |(index, partition): (i32, &Partition)| {
            (partition.to_record(existing.id, index, versions).into(), versions.partition())
        };
        Ok((has..).zip(&partitions).map(record).collect())
    }

    /// DeleteTopics, of topics that are known to be there or not by their ids: each id's own result.
    #[must_use]
    pub fn delete_topics(&self, ids: &[Uuid], charge: Charge<'_>) -> Outcome<Vec<Result<(), ApiError>>> {
        let mut outcome = Outcome { records: Vec::new(), response: Vec::new() };
        for topic_id in ids {
            let known = self.image.topics.with_id(*topic_id).ok_or_else(|| ErrorCode::UnknownTopicId.into());
            let paid = known.and_then(|topic| charge(topic.partitions.len()));
            outcome.response.push(paid.map(|()| {
                let record = RemoveTopicRecord { topic_id: *topic_id, ..Default::default() };
                outcome.records.push((record.into(), 0));
            }));
        }
        outcome
    }
}

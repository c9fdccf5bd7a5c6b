//! The image: all that committed metadata says, at one offset. It is cheap to copy, since copies share what is equal;
//! it changes by records only, and [`Image::to_records`] writes it out without loss.

mod cluster;
mod identity;
mod loader;
mod topics;

pub use cluster::{Broker, Controller, Endpoint, SupportedFeatures};
pub use identity::{Acl, DelegationToken, QuotaEntity, Quotas, ScramCredential, quota_record};
pub use loader::{Delta, Loader};
pub use topics::{BrokerIds, LEADER_UNCHANGED, NO_LEADER, Partition, Topic, Topics};

use crate::features::{METADATA_VERSION, METADATA_VERSION_MIN, RecordVersions};
use imbl::OrdMap;
use ottla_wire::Uuid;
use ottla_wire::metadata::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a configuration belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigResource {
    pub kind: ConfigResourceKind,
    /// The topic, the broker's id (empty: the cluster's default), the group, and so on.
    pub name: String,
}

/// Kafka's codes of configuration resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum ConfigResourceKind {
    Topic = 2,
    Broker = 4,
    BrokerLogger = 8,
    ClientMetrics = 16,
    Group = 32,
}

impl ConfigResourceKind {
    #[must_use]
    pub fn from_code(code: i8) -> Option<Self> {
        [Self::Topic, Self::Broker, Self::BrokerLogger, Self::ClientMetrics, Self::Group]
            .into_iter()
            .find(|kind| *kind as i8 == code)
    }
}

impl ConfigResource {
    #[must_use]
    pub fn topic(name: &str) -> Self {
        Self { kind: ConfigResourceKind::Topic, name: name.to_owned() }
    }

    /// A broker's own, or with None the cluster's default.
    #[must_use]
    pub fn broker(id: Option<i32>) -> Self {
        Self { kind: ConfigResourceKind::Broker, name: id.map(|id| id.to_string()).unwrap_or_default() }
    }
}

pub type Configs = BTreeMap<String, String>;

/// The quotas of all entities that have any.
pub type ClientQuotas = OrdMap<QuotaEntity, Arc<Quotas>>;

/// All metadata at one offset.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The finalized `metadata.version`; None before the first FeatureLevel record.
    pub metadata_version: Option<i16>,
    /// The other finalized features with levels above 0.
    pub features: BTreeMap<String, i16>,
    pub brokers: OrdMap<i32, Arc<Broker>>,
    pub controllers: OrdMap<i32, Arc<Controller>>,
    pub topics: Topics,
    pub configs: OrdMap<ConfigResource, Arc<Configs>>,
    pub quotas: ClientQuotas,
    /// The first producer id that no block has; 0 before the first block.
    pub next_producer_id: i64,
    producer_ids: Option<(i32, i64)>,
    pub acls: OrdMap<Uuid, Arc<Acl>>,
    /// By mechanism (1: SCRAM-SHA-256, 2: SCRAM-SHA-512) and user.
    pub scram: OrdMap<(i8, String), Arc<ScramCredential>>,
    pub delegation_tokens: OrdMap<String, Arc<DelegationToken>>,
    pub zk_migration_state: Option<i8>,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            metadata_version: None,
            features: BTreeMap::new(),
            brokers: OrdMap::new(),
            controllers: OrdMap::new(),
            topics: Topics::default(),
            configs: OrdMap::new(),
            quotas: OrdMap::new(),
            next_producer_id: 0,
            producer_ids: None,
            acls: OrdMap::new(),
            scram: OrdMap::new(),
            delegation_tokens: OrdMap::new(),
            zk_migration_state: None,
        }
    }
}

/// A record that does not fit what is known: metadata that cannot be trusted, so a node stops at it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {record} record does not fit the metadata before it: {what}")]
pub struct ReplayError {
    pub record: &'static str,
    pub what: String,
}

fn misfit(record: &'static str, what: impl Into<String>) -> ReplayError {
    ReplayError { record, what: what.into() }
}

impl Image {
    /// The form in which records are to be written.
    #[must_use]
    pub fn record_versions(&self) -> RecordVersions {
        RecordVersions { level: self.metadata_version.unwrap_or(METADATA_VERSION_MIN) }
    }

    #[must_use]
    pub fn feature(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    #[must_use]
    pub fn has_elr(&self) -> bool {
        self.feature("eligible.leader.replicas.version") > 0
    }

    #[must_use]
    pub fn config(&self, resource: &ConfigResource, key: &str) -> Option<&str> {
        self.configs.get(resource)?.get(key).map(String::as_str)
    }

    /// Takes in one record. Transactions are the loader's.
    pub fn replay(&mut self, record: &MetadataRecord<'_>) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::RegisterBroker(r) => {
                self.brokers.insert(r.broker_id, Arc::new(Broker::from_record(r)));
            }
            MetadataRecord::UnregisterBroker(r) => {
                self.brokers.remove(&r.broker_id).ok_or_else(|| misfit("UnregisterBroker", "no such broker"))?;
            }
            MetadataRecord::Topic(r) => {
                if !self.topics.add(r) {
                    return Err(misfit("Topic", format!("topic {} or its id {} is there", r.name, r.topic_id)));
                }
            }
            MetadataRecord::Partition(r) => {
                if !self.topics.add_partition(r) {
                    return Err(misfit("Partition", format!("no topic has the id {}", r.topic_id)));
                }
            }
            MetadataRecord::Config(r) => self.replay_config(r)?,
            MetadataRecord::PartitionChange(r) => {
                if !self.topics.change_partition(r) {
                    return Err(misfit(
                        "PartitionChange",
                        format!("no partition {} of {}", r.partition_id, r.topic_id),
                    ));
                }
            }
            MetadataRecord::FenceBroker(r) => self.broker_mut(r.id, r.epoch, "FenceBroker")?.fenced = true,
            MetadataRecord::UnfenceBroker(r) => self.broker_mut(r.id, r.epoch, "UnfenceBroker")?.fenced = false,
            MetadataRecord::BrokerRegistrationChange(r) => {
                self.broker_mut(r.broker_id, r.broker_epoch, "BrokerRegistrationChange")?.change(r);
            }
            MetadataRecord::RemoveTopic(r) => {
                let topic = self.topics.remove(r.topic_id);
                let topic =
                    topic.ok_or_else(|| misfit("RemoveTopic", format!("no topic has the id {}", r.topic_id)))?;
                self.configs.remove(&ConfigResource::topic(&topic.name));
            }
            MetadataRecord::DelegationToken(r) => {
                self.delegation_tokens.insert(r.token_id.to_string(), Arc::new(DelegationToken::from_record(r)));
            }
            MetadataRecord::RemoveDelegationToken(r) => {
                self.delegation_tokens.remove(r.token_id.as_ref());
            }
            MetadataRecord::UserScramCredential(r) => {
                let key = (r.mechanism, r.name.to_string());
                self.scram.insert(key, Arc::new(ScramCredential::from_record(r)));
            }
            MetadataRecord::RemoveUserScramCredential(r) => {
                self.scram.remove(&(r.mechanism, r.name.to_string()));
            }
            MetadataRecord::FeatureLevel(r) => self.replay_feature(r),
            MetadataRecord::ClientQuota(r) => self.replay_quota(r),
            MetadataRecord::ProducerIds(r) => {
                if r.next_producer_id < self.next_producer_id {
                    return Err(misfit("ProducerIds", format!("{} comes before a block", r.next_producer_id)));
                }
                self.next_producer_id = r.next_producer_id;
                self.producer_ids = Some((r.broker_id, r.broker_epoch));
            }
            MetadataRecord::AccessControlEntry(r) => {
                self.acls.insert(r.id, Arc::new(Acl::from_record(r)));
            }
            MetadataRecord::RemoveAccessControlEntry(r) => {
                self.acls.remove(&r.id).ok_or_else(|| misfit("RemoveAccessControlEntry", "no such entry"))?;
            }
            MetadataRecord::ZkMigrationState(r) => self.zk_migration_state = Some(r.zk_migration_state),
            MetadataRecord::RegisterController(r) => {
                self.controllers.insert(r.controller_id, Arc::new(Controller::from_record(r)));
            }
            MetadataRecord::UnregisterController(r) => {
                self.controllers.remove(&r.controller_id);
            }
            MetadataRecord::ClearElr(r) => self.topics.clear_elr(&r.topic_name),
            MetadataRecord::NoOp(_)
            | MetadataRecord::BeginTransaction(_)
            | MetadataRecord::EndTransaction(_)
            | MetadataRecord::AbortTransaction(_) => {}
        }
        Ok(())
    }

    fn broker_mut(&mut self, id: i32, epoch: i64, record: &'static str) -> Result<&mut Broker, ReplayError> {
        match self.brokers.get_mut(&id) {
            Some(broker) if broker.epoch == epoch => Ok(Arc::make_mut(broker)),
            _ => Err(misfit(record, format!("no broker {id} with epoch {epoch}"))),
        }
    }

    fn replay_config(&mut self, record: &ConfigRecord<'_>) -> Result<(), ReplayError> {
        let kind = ConfigResourceKind::from_code(record.resource_type)
            .ok_or_else(|| misfit("Config", format!("resource type {}", record.resource_type)))?;
        let resource = ConfigResource { kind, name: record.resource_name.to_string() };
        let mut configs = self.configs.get(&resource).map(|c| Configs::clone(c)).unwrap_or_default();
        match &record.value {
            Some(value) => configs.insert(record.name.to_string(), value.to_string()),
            None => configs.remove(record.name.as_ref()),
        };
        match configs.is_empty() {
            true => self.configs.remove(&resource),
            false => self.configs.insert(resource, Arc::new(configs)),
        };
        Ok(())
    }

    fn replay_feature(&mut self, record: &FeatureLevelRecord<'_>) {
        if record.name == METADATA_VERSION {
            self.metadata_version = Some(record.feature_level);
        } else if record.feature_level == 0 {
            self.features.remove(record.name.as_ref());
        } else {
            self.features.insert(record.name.to_string(), record.feature_level);
        }
    }

    fn replay_quota(&mut self, record: &ClientQuotaRecord<'_>) {
        let entity = identity::quota_entity(record);
        let mut quotas = self.quotas.get(&entity).map(|q| Quotas::clone(q)).unwrap_or_default();
        match record.remove {
            true => quotas.remove(record.key.as_ref()),
            false => quotas.insert(record.key.to_string(), record.value),
        };
        match quotas.is_empty() {
            true => self.quotas.remove(&entity),
            false => self.quotas.insert(entity, Arc::new(quotas)),
        };
    }

    /// The records, each with the version to write it in, that make this image from an empty one: features first, then
    /// in Kafka's order of snapshots.
    pub fn to_records(&self, mut emit: impl FnMut(MetadataRecord<'static>, i16)) {
        let versions = self.record_versions();
        let feature = |name: &str, level: i16| FeatureLevelRecord {
            name: name.to_owned().into(),
            feature_level: level,
            ..Default::default()
        };
        if let Some(level) = self.metadata_version {
            emit(feature(METADATA_VERSION, level).into(), 0);
        }
        for (name, level) in &self.features {
            emit(feature(name, *level).into(), 0);
        }
        if let Some(state) = self.zk_migration_state {
            emit(ZkMigrationStateRecord { zk_migration_state: state, ..Default::default() }.into(), 0);
        }
        for broker in self.brokers.values() {
            emit(broker.to_record(versions.register_broker()).into(), versions.register_broker());
        }
        for controller in self.controllers.values() {
            emit(controller.to_record().into(), 0);
        }
        for topic in self.topics.iter() {
            let name = topic.name.to_string().into();
            emit(TopicRecord { name, topic_id: topic.id, ..Default::default() }.into(), 0);
            for (index, partition) in &topic.partitions {
                emit(partition.to_record(topic.id, *index, versions).into(), versions.partition());
            }
        }
        for (resource, configs) in &self.configs {
            for (name, value) in configs.iter() {
                emit(config_record(resource, name, Some(value)).into(), 0);
            }
        }
        for (entity, quotas) in &self.quotas {
            for (key, value) in quotas.iter() {
                emit(quota_record(entity, key, *value).into(), 0);
            }
        }
        if let Some((broker_id, broker_epoch)) = self.producer_ids {
            let next_producer_id = self.next_producer_id;
            emit(ProducerIdsRecord { broker_id, broker_epoch, next_producer_id, ..Default::default() }.into(), 0);
        }
        for (id, acl) in &self.acls {
            emit(acl.to_record(*id).into(), 0);
        }
        for ((mechanism, user), credential) in &self.scram {
            emit(credential.to_record(user, *mechanism).into(), 0);
        }
        for (id, token) in &self.delegation_tokens {
            emit(token.to_record(id).into(), 0);
        }
    }
}

/// The record that sets a configuration, or with None removes it.
#[must_use]
pub fn config_record(resource: &ConfigResource, name: &str, value: Option<&str>) -> ConfigRecord<'static> {
    ConfigRecord {
        resource_type: resource.kind as i8,
        resource_name: resource.name.clone().into(),
        name: name.to_owned().into(),
        value: value.map(|v| v.to_owned().into()),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests;

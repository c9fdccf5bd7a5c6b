//! Changes to configurations: each resource as a whole, or not at all.

use super::{Controller, Outcome, RECORDS_PER_REQUEST_MAX, VersionedRecord};
use crate::image::{ConfigResource, ConfigResourceKind, Configs, config_record};
use ottla_wire::metadata::{ClearElrRecord, MetadataRecord};
use ottla_wire::{ApiError, ErrorCode};
use std::collections::BTreeMap;

/// What is to be done with one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigOperation {
    pub kind: ConfigOperationKind,
    pub value: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigOperationKind {
    Set,
    Delete,
    Append,
    Subtract,
}

impl ConfigOperationKind {
    #[must_use]
    pub fn from_code(code: i8) -> Option<Self> {
        [Self::Set, Self::Delete, Self::Append, Self::Subtract].get(usize::try_from(code).ok()?).copied()
    }
}

const VALUE_LENGTH_MAX: usize = i16::MAX as usize;
const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

impl Controller<'_> {
    /// IncrementalAlterConfigs: each resource's own result.
    #[must_use]
    pub fn incremental_alter_configs(
        &self,
        changes: &BTreeMap<ConfigResource, BTreeMap<String, ConfigOperation>>,
    ) -> Outcome<BTreeMap<ConfigResource, Result<(), ApiError>>> {
        self.each(changes, |resource, operations| {
            self.incremental(resource, operations).and_then(|records| {
                self.check_exists(resource)?;
                Ok(records)
            })
        })
    }

    /// What the named keys will be; those that are deleted are left out, whatever value came with the deletion.
    pub fn values_after(
        &self,
        resource: &ConfigResource,
        operations: &BTreeMap<String, ConfigOperation>,
    ) -> Result<Configs, ApiError> {
        let mut values = Configs::new();
        for (key, operation) in operations {
            if let Some(value) = self.apply(resource, key, self.image.config(resource, key), operation)? {
                values.insert(key.clone(), value);
            }
        }
        Ok(values)
    }

    /// AlterConfigs, the older way: what is not named is removed.
    #[must_use]
    pub fn alter_configs(
        &self,
        changes: &BTreeMap<ConfigResource, Configs>,
    ) -> Outcome<BTreeMap<ConfigResource, Result<(), ApiError>>> {
        self.each(changes, |resource, wanted| {
            let current = self.image.configs.get(resource).map(|c| Configs::clone(c)).unwrap_or_default();
            let mut records = Vec::new();
            for (key, value) in wanted {
                if current.get(key) != Some(value) || resource.kind == ConfigResourceKind::Broker {
                    records.push(config_record(resource, key, Some(value)));
                }
            }
            records
                .extend(current.keys().filter(|k| !wanted.contains_key(*k)).map(|k| config_record(resource, k, None)));
            let records = self.checked(resource, records)?;
            self.check_exists(resource)?;
            Ok(records)
        })
    }

    fn each<T>(
        &self,
        changes: &BTreeMap<ConfigResource, T>,
        decide: impl Fn(&ConfigResource, &T) -> Result<Vec<VersionedRecord>, ApiError>,
    ) -> Outcome<BTreeMap<ConfigResource, Result<(), ApiError>>> {
        let mut outcome = Outcome { records: Vec::new(), response: BTreeMap::new() };
        for (resource, change) in changes {
            let result = decide(resource, change).and_then(|records| {
                if outcome.records.len() + records.len() > RECORDS_PER_REQUEST_MAX {
                    return Err(ErrorCode::PolicyViolation.into());
                }
                outcome.records.extend(records);
                Ok(())
            });
            outcome.response.insert(resource.clone(), result);
        }
        outcome
    }

    /// The records of one resource's changes, without asking whether the resource exists.
    pub(super) fn incremental(
        &self,
        resource: &ConfigResource,
        operations: &BTreeMap<String, ConfigOperation>,
    ) -> Result<Vec<VersionedRecord>, ApiError> {
        let mut records = Vec::new();
        for (key, operation) in operations {
            let current = self.image.config(resource, key);
            let new = self.apply(resource, key, current, operation)?;
            // A broker's value is written even if it stays, so that brokers load the files it names again.
            if current != new.as_deref() || resource.kind == ConfigResourceKind::Broker {
                records.push(config_record(resource, key, new.as_deref()));
            }
        }
        self.checked(resource, records)
    }

    fn apply(
        &self,
        resource: &ConfigResource,
        key: &str,
        current: Option<&str>,
        operation: &ConfigOperation,
    ) -> Result<Option<String>, ApiError> {
        let verb = match operation.kind {
            ConfigOperationKind::Set => return Ok(operation.value.clone()),
            ConfigOperationKind::Delete => return Ok(None),
            ConfigOperationKind::Append => "APPEND",
            ConfigOperationKind::Subtract => "SUBTRACT",
        };
        let Some(default) = self.list_default(resource, key) else {
            let message = format!("Can't {verb} to key {key} because its type is not LIST.");
            return Err(ApiError::new(ErrorCode::InvalidConfig, message));
        };
        let parts = current.unwrap_or(&default).split(',').filter(|part| !part.is_empty());
        let mut parts: Vec<&str> = parts.collect();
        for value in operation.value.as_deref().unwrap_or_default().split(',') {
            match (operation.kind, parts.iter().position(|part| *part == value)) {
                (ConfigOperationKind::Append, None) => parts.push(value),
                (ConfigOperationKind::Subtract, Some(at)) => {
                    parts.remove(at);
                }
                _ => {}
            }
        }
        Ok(Some(parts.join(",")))
    }

    /// Whether the resource may be so afterwards.
    fn checked(
        &self,
        resource: &ConfigResource,
        records: Vec<ottla_wire::metadata::ConfigRecord<'static>>,
    ) -> Result<Vec<VersionedRecord>, ApiError> {
        let invalid = |message: String| Err(ApiError::new(ErrorCode::InvalidConfig, message));
        let mut all = self.image.configs.get(resource).map(|c| Configs::clone(c)).unwrap_or_default();
        let of_broker = resource.kind == ConfigResourceKind::Broker && self.image.has_elr();
        for record in &records {
            let min_isr = of_broker && record.name == MIN_INSYNC_REPLICAS;
            match &record.value {
                _ if min_isr && !resource.name.is_empty() => {
                    return invalid(format!(
                        "Broker-level {MIN_INSYNC_REPLICAS} cannot be altered while ELR is enabled."
                    ));
                }
                None if min_isr => {
                    return invalid(format!(
                        "Cluster-level {MIN_INSYNC_REPLICAS} cannot be removed while ELR is enabled."
                    ));
                }
                None => {
                    all.remove(record.name.as_ref());
                }
                Some(value) if value.encode_utf16().count() > VALUE_LENGTH_MAX => {
                    return invalid(format!(
                        "The configuration value cannot be added because it exceeds the maximum value size of \
                         {VALUE_LENGTH_MAX} bytes."
                    ));
                }
                Some(value) => {
                    all.insert(record.name.to_string(), value.to_string());
                }
            }
        }
        self.validate_configs(resource, &all)?;
        let mut out: Vec<VersionedRecord> = Vec::new();
        let clears_elr = self.image.has_elr() && records.iter().any(|r| r.name == MIN_INSYNC_REPLICAS);
        out.extend(records.into_iter().map(|record| (MetadataRecord::Config(record), 0)));
        if clears_elr {
            let topic_name = match resource.kind {
                ConfigResourceKind::Topic => resource.name.clone().into(),
                _ => "".into(),
            };
            out.push((ClearElrRecord { topic_name, ..Default::default() }.into(), 0));
        }
        Ok(out)
    }

    fn check_exists(&self, resource: &ConfigResource) -> Result<(), ApiError> {
        match resource.kind {
            ConfigResourceKind::Topic if self.image.topics.named(&resource.name).is_none() => Err(ApiError::new(
                ErrorCode::UnknownTopicOrPartition,
                format!("The topic '{}' does not exist.", resource.name),
            )),
            ConfigResourceKind::Broker if !resource.name.is_empty() => {
                let known = |id: i32| self.image.brokers.contains_key(&id) || self.image.controllers.contains_key(&id);
                match resource.name.parse() {
                    Ok(id) if known(id) => Ok(()),
                    Ok(id) => {
                        Err(ApiError::new(ErrorCode::BrokerIdNotRegistered, format!("No node with id {id} found.")))
                    }
                    Err(_) => {
                        let message = format!("Invalid broker name {}", resource.name);
                        Err(ApiError::new(ErrorCode::InvalidRequest, message))
                    }
                }
            }
            _ => Ok(()),
        }
    }
}

//! The life of a broker in the metadata: registration, heartbeats, fencing, and its orderly leave.

use super::partition_events::Event;
use super::{Controller, Outcome, VersionedRecord};
use crate::features::{METADATA_VERSION, RecordVersions};
use crate::image::Broker;
use ottla_wire::api::{BrokerHeartbeatRequest, BrokerRegistrationRequest, ControllerRegistrationRequest};
use ottla_wire::metadata::{
    BrokerRegistrationChangeRecord, RegisterBrokerRecord, RegisterControllerRecord, UnregisterBrokerRecord,
    UnregisterControllerRecord, register_broker_record, register_controller_record,
};
use ottla_wire::{ApiError, ErrorCode, Uuid};

/// Whether the last incarnation is known to have closed its logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShutdownKind {
    Clean,
    Unclean,
}

/// What a heartbeat leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerState {
    Fenced,
    Unfenced,
    ControlledShutdown,
    /// It may stop at once.
    ShutdownNow,
}

impl Controller<'_> {
    /// A broker starts: `broker_epoch` is the offset that its registration will have.
    pub fn register_broker(
        &self,
        request: &BrokerRegistrationRequest<'_>,
        last_record_offset: impl Fn(usize) -> i64,
        has_session: bool,
    ) -> Result<Outcome<i64>, ApiError> {
        if request.cluster_id != self.settings.cluster_id {
            return Err(ApiError::new(
                ErrorCode::InconsistentClusterId,
                format!("Expected cluster ID {}, but got cluster ID {}", self.settings.cluster_id, request.cluster_id),
            ));
        }
        let existing = self.image.brokers.get(&request.broker_id);
        let same = existing.is_some_and(|broker| broker.incarnation_id == request.incarnation_id);
        if existing.is_some() && has_session && !same {
            return Err(ErrorCode::DuplicateBrokerRegistration.into());
        }
        let versions = self.image.record_versions();
        if versions.has_directories() {
            self.check_directories(request)?;
        }
        self.check_features(request)?;
        let mut record = registration(request, versions);
        let mut records = Vec::new();
        match existing.filter(|_| same) {
            Some(existing) => {
                record.fenced = existing.fenced;
                record.in_controlled_shutdown = existing.in_controlled_shutdown;
                record.broker_epoch = existing.epoch;
            }
            None => {
                let clean = self.image.has_elr() && existing.is_some_and(|b| b.epoch == request.previous_broker_epoch);
                let event = match (self.image.has_elr(), clean) {
                    (true, false) => Event::UncleanShutdown(request.broker_id),
                    _ => Event::Removed(request.broker_id),
                };
                records = self.partition_changes(event);
                record.broker_epoch = last_record_offset(records.len());
            }
        }
        let response = record.broker_epoch;
        records.push((record.into(), versions.register_broker()));
        Ok(Outcome { records, response })
    }

    fn check_directories(&self, request: &BrokerRegistrationRequest<'_>) -> Result<(), ApiError> {
        let refuse = |message: String| Err(ApiError::new(ErrorCode::InvalidRegistration, message));
        if request.log_dirs.is_empty() {
            return refuse("No directories specified in request".to_owned());
        }
        // The hundred lowest ids are reserved.
        if request.log_dirs.iter().any(|id| u128::from_be_bytes(id.0) < 100) {
            return refuse("Reserved directory ID in request".to_owned());
        }
        let mut sorted: Vec<Uuid> = request.log_dirs.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return refuse("Duplicate directory ID in request".to_owned());
        }
        for other in self.image.brokers.values().filter(|b| b.id != request.broker_id) {
            if let Some(directory) = request.log_dirs.iter().find(|dir| other.log_dirs.contains(dir)) {
                return refuse(format!("Broker {} is already registered with directory {directory}", other.id));
            }
        }
        Ok(())
    }

    fn check_features(&self, request: &BrokerRegistrationRequest<'_>) -> Result<(), ApiError> {
        let refuse = |name: &str, level: i16, (min, max): (i16, i16)| {
            Err(ApiError::new(
                ErrorCode::UnsupportedVersion,
                format!(
                    "Unable to register because the broker does not support finalized version {level} of {name}. The \
                     broker wants a version between {min} and {max}, inclusive."
                ),
            ))
        };
        for feature in &request.features {
            let range = (feature.min_supported_version, feature.max_supported_version);
            let level = match feature.name.as_ref() {
                METADATA_VERSION => self.image.record_versions().level,
                name => self.image.feature(name),
            };
            if level < range.0 || level > range.1 {
                return refuse(&feature.name, level, range);
            }
        }
        let told = |name: &str| request.features.iter().any(|f| f.name == name);
        if !told(METADATA_VERSION) {
            let message = format!("Request features do not contain '{METADATA_VERSION}'");
            return Err(ApiError::new(ErrorCode::InvalidRegistration, message));
        }
        match self.image.features.iter().find(|(name, _)| !told(name)) {
            Some((name, level)) => refuse(name, *level, (0, 0)),
            None => Ok(()),
        }
    }

    /// A broker says that it lives, and what it wants. `registered_at` is the offset of its registration.
    pub fn heartbeat(
        &self,
        request: &BrokerHeartbeatRequest<'_>,
        registered_at: i64,
    ) -> Result<Outcome<BrokerState>, ApiError> {
        let id = request.broker_id;
        let Some(broker) = self.image.brokers.get(&id) else {
            return Err(ApiError::new(
                ErrorCode::BrokerIdNotRegistered,
                format!("Broker ID {id} is not currently registered"),
            ));
        };
        if broker.epoch != request.broker_epoch {
            return Err(ApiError::new(
                ErrorCode::StaleBrokerEpoch,
                format!("Expected broker epoch {}, but got broker epoch {}", request.broker_epoch, broker.epoch),
            ));
        }
        let leads =
            || self.image.topics.iter().any(|topic| topic.partitions.values().any(|partition| partition.leader == id));
        let (mut records, response) = if broker.in_controlled_shutdown {
            match leads() {
                true => (self.partition_changes(Event::Removed(id)), BrokerState::ControlledShutdown),
                false => (self.fence(broker), BrokerState::ShutdownNow),
            }
        } else if broker.fenced {
            match (request.want_shut_down, request.want_fence) {
                (true, _) => (Vec::new(), BrokerState::ShutdownNow),
                (false, false) if request.current_metadata_offset >= registered_at => {
                    (self.unfence(broker), BrokerState::Unfenced)
                }
                _ => (Vec::new(), BrokerState::Fenced),
            }
        } else {
            match (request.want_fence, request.want_shut_down) {
                (true, true) => (self.fence(broker), BrokerState::ShutdownNow),
                (true, false) => (self.fence(broker), BrokerState::Fenced),
                (false, true) if leads() => (self.begin_controlled_shutdown(broker), BrokerState::ControlledShutdown),
                (false, true) => (self.fence(broker), BrokerState::ShutdownNow),
                (false, false) => (Vec::new(), BrokerState::Unfenced),
            }
        };
        records.extend(self.directories_told(broker, request));
        Ok(Outcome { records, response })
    }

    /// A broker whose session ran out, or that asked for it.
    pub fn fence(&self, broker: &Broker) -> Vec<VersionedRecord> {
        if broker.fenced {
            return Vec::new();
        }
        let mut records = self.partition_changes(Event::Removed(broker.id));
        records.push(self.registration_change(broker, |record| record.fenced = 1));
        records
    }

    /// A broker that will not come back is taken out of the metadata (KIP-500).
    pub fn unregister_broker(&self, id: i32) -> Result<Vec<VersionedRecord>, ApiError> {
        let Some(broker) = self.image.brokers.get(&id) else {
            let message = format!("Broker ID {id} is not currently registered");
            return Err(ApiError::new(ErrorCode::BrokerIdNotRegistered, message));
        };
        let mut records = self.partition_changes(Event::Removed(id));
        let record = UnregisterBrokerRecord { broker_id: id, broker_epoch: broker.epoch, ..Default::default() };
        records.push((record.into(), 0));
        Ok(records)
    }

    /// A controller that will not come back is taken out of the metadata. The one that decides stays.
    pub fn unregister_controller(&self, id: i32) -> Result<Vec<VersionedRecord>, ApiError> {
        if id == self.settings.node_id {
            let message = "Controller cannot unregister itself while it is active.";
            return Err(ApiError::new(ErrorCode::InvalidRequest, message));
        }
        if !self.image.record_versions().has_controller_unregistration() {
            let message = "The current MetadataVersion is too old to support controller unregistration.";
            return Err(ApiError::new(ErrorCode::UnsupportedVersion, message));
        }
        if !self.image.controllers.contains_key(&id) {
            let message = format!("Controller ID {id} is not currently registered.");
            return Err(ApiError::new(ErrorCode::ControllerIdNotRegistered, message));
        }
        Ok(vec![(UnregisterControllerRecord { controller_id: id, ..Default::default() }.into(), 0)])
    }

    fn unfence(&self, broker: &Broker) -> Vec<VersionedRecord> {
        let mut records = vec![self.registration_change(broker, |record| record.fenced = -1)];
        records.extend(self.partition_changes(Event::Added(broker.id)));
        records
    }

    fn begin_controlled_shutdown(&self, broker: &Broker) -> Vec<VersionedRecord> {
        let mut records = vec![self.registration_change(broker, |record| record.in_controlled_shutdown = 1)];
        records.extend(self.partition_changes(Event::Removed(broker.id)));
        records
    }

    pub(super) fn registration_change(
        &self,
        broker: &Broker,
        change: impl FnOnce(&mut BrokerRegistrationChangeRecord<'static>),
    ) -> VersionedRecord {
        let mut record =
            BrokerRegistrationChangeRecord { broker_id: broker.id, broker_epoch: broker.epoch, ..Default::default() };
        change(&mut record);
        // Kafka writes the lowest version that can say it.
        let version = match &record {
            record if record.cordoned_log_dirs.is_some() => 3,
            record if !record.log_dirs.is_empty() => 2,
            record => i16::from(record.in_controlled_shutdown != 0),
        };
        (record.into(), version)
    }

    /// A controller tells where it listens (KIP-919).
    pub fn register_controller(&self, request: &ControllerRegistrationRequest<'_>) -> Result<Outcome<()>, ApiError> {
        if !self.image.record_versions().has_controller_registration() {
            return Err(ApiError::new(
                ErrorCode::UnsupportedVersion,
                "The current MetadataVersion is too old to support controller registrations.",
            ));
        }
        let endpoint = |l: &ottla_wire::api::controller_registration_request::Listener<'_>| {
            register_controller_record::ControllerEndpoint {
                name: l.name.to_string().into(),
                host: l.host.to_string().into(),
                port: l.port,
                security_protocol: l.security_protocol,
                ..Default::default()
            }
        };
        let record = RegisterControllerRecord {
            controller_id: request.controller_id,
            incarnation_id: request.incarnation_id,
            end_points: request.listeners.iter().map(endpoint).collect(),
            features: request
                .features
                .iter()
                .map(|f| register_controller_record::ControllerFeature {
                    name: f.name.to_string().into(),
                    min_supported_version: f.min_supported_version,
                    max_supported_version: f.max_supported_version,
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        Ok(Outcome { records: vec![(record.into(), 0)], response: () })
    }
}

fn registration(request: &BrokerRegistrationRequest<'_>, versions: RecordVersions) -> RegisterBrokerRecord<'static> {
    let endpoint =
        |l: &ottla_wire::api::broker_registration_request::Listener<'_>| register_broker_record::BrokerEndpoint {
            name: l.name.to_string().into(),
            host: l.host.to_string().into(),
            port: l.port,
            security_protocol: l.security_protocol,
            ..Default::default()
        };
    RegisterBrokerRecord {
        broker_id: request.broker_id,
        incarnation_id: request.incarnation_id,
        end_points: request.listeners.iter().map(endpoint).collect(),
        features: request
            .features
            .iter()
            .map(|f| register_broker_record::BrokerFeature {
                name: f.name.to_string().into(),
                min_supported_version: f.min_supported_version,
                max_supported_version: f.max_supported_version,
                ..Default::default()
            })
            .collect(),
        rack: request.rack.as_ref().map(|r| r.to_string().into()),
        log_dirs: if versions.has_directories() { request.log_dirs.clone() } else { Vec::new() },
        ..Default::default()
    }
}

//! The nodes: brokers and controllers, as they registered.

use ottla_wire::Uuid;
use ottla_wire::metadata::{
    BrokerRegistrationChangeRecord, RegisterBrokerRecord, RegisterControllerRecord, register_broker_record,
    register_controller_record,
};
use std::collections::BTreeMap;

/// Where a node listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub name: String,
    pub host: String,
    pub port: u16,
    /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

/// The levels of each feature that a node supports, both included.
pub type SupportedFeatures = BTreeMap<String, (i16, i16)>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    pub id: i32,
    /// The offset of the record that registered this incarnation.
    pub epoch: i64,
    pub incarnation_id: Uuid,
    pub endpoints: Vec<Endpoint>,
    pub features: SupportedFeatures,
    pub rack: Option<String>,
    pub fenced: bool,
    pub in_controlled_shutdown: bool,
    pub is_migrating_zk_broker: bool,
    pub log_dirs: Vec<Uuid>,
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    pub id: i32,
    pub incarnation_id: Uuid,
    pub zk_migration_ready: bool,
    pub endpoints: Vec<Endpoint>,
    pub features: SupportedFeatures,
}

impl Broker {
    /// Whether it may lead and be found: registered, not fenced, not on its way out.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// Whether a replica in this directory can be served: the directory is one of the broker's, or not known yet.
    #[must_use]
    pub fn has_online_directory(&self, directory: Uuid) -> bool {
        match directory {
            Uuid::UNASSIGNED_DIR | Uuid::MIGRATING_DIR => true,
            Uuid::LOST_DIR => false,
            // A registration from before KIP-858 tells no directories, and all of them are taken to be there.
            known => self.log_dirs.is_empty() || self.log_dirs.contains(&known),
        }
    }

    #[must_use]
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|e| e.name == listener)
    }

    pub(super) fn from_record(record: &RegisterBrokerRecord<'_>) -> Self {
        let endpoint = |e: &register_broker_record::BrokerEndpoint<'_>| Endpoint {
            name: e.name.to_string(),
            host: e.host.to_string(),
            port: e.port,
            security_protocol: e.security_protocol,
        };
        let features = record.features.iter();
        Self {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            endpoints: record.end_points.iter().map(endpoint).collect(),
            features: features
                .map(|f| (f.name.to_string(), (f.min_supported_version, f.max_supported_version)))
                .collect(),
            rack: record.rack.as_ref().map(ToString::to_string),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            is_migrating_zk_broker: record.is_migrating_zk_broker,
            log_dirs: record.log_dirs.clone(),
            cordoned_log_dirs: record.cordoned_log_dirs.clone(),
        }
    }

    #[must_use]
    pub fn to_record(&self, version: i16) -> RegisterBrokerRecord<'static> {
        let endpoint = |e: &Endpoint| register_broker_record::BrokerEndpoint {
            name: e.name.clone().into(),
            host: e.host.clone().into(),
            port: e.port,
            security_protocol: e.security_protocol,
            ..Default::default()
        };
        let feature = |(name, (min, max)): (&String, &(i16, i16))| register_broker_record::BrokerFeature {
            name: name.clone().into(),
            min_supported_version: *min,
            max_supported_version: *max,
            ..Default::default()
        };
        RegisterBrokerRecord {
            broker_id: self.id,
            is_migrating_zk_broker: self.is_migrating_zk_broker,
            incarnation_id: self.incarnation_id,
            broker_epoch: self.epoch,
            end_points: self.endpoints.iter().map(endpoint).collect(),
            features: self.features.iter().map(feature).collect(),
            rack: self.rack.clone().map(Into::into),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: if version >= 3 { self.log_dirs.clone() } else { Vec::new() },
            cordoned_log_dirs: if version >= 4 { self.cordoned_log_dirs.clone() } else { None },
            ..Default::default()
        }
    }

    pub(super) fn change(&mut self, record: &BrokerRegistrationChangeRecord<'_>) {
        match record.fenced {
            1 => self.fenced = true,
            -1 => self.fenced = false,
            _ => {}
        }
        if record.in_controlled_shutdown == 1 {
            self.in_controlled_shutdown = true;
        }
        if !record.log_dirs.is_empty() {
            self.log_dirs.clone_from(&record.log_dirs);
        }
        if record.cordoned_log_dirs.is_some() {
            self.cordoned_log_dirs.clone_from(&record.cordoned_log_dirs);
        }
    }
}

impl Controller {
    pub(super) fn from_record(record: &RegisterControllerRecord<'_>) -> Self {
        let endpoint = |e: &register_controller_record::ControllerEndpoint<'_>| Endpoint {
            name: e.name.to_string(),
            host: e.host.to_string(),
            port: e.port,
            security_protocol: e.security_protocol,
        };
        let features = record.features.iter();
        Self {
            id: record.controller_id,
            incarnation_id: record.incarnation_id,
            zk_migration_ready: record.zk_migration_ready,
            endpoints: record.end_points.iter().map(endpoint).collect(),
            features: features
                .map(|f| (f.name.to_string(), (f.min_supported_version, f.max_supported_version)))
                .collect(),
        }
    }

    #[must_use]
    pub fn to_record(&self) -> RegisterControllerRecord<'static> {
        let endpoint = |e: &Endpoint| register_controller_record::ControllerEndpoint {
            name: e.name.clone().into(),
            host: e.host.clone().into(),
            port: e.port,
            security_protocol: e.security_protocol,
            ..Default::default()
        };
        let feature = |(name, (min, max)): (&String, &(i16, i16))| register_controller_record::ControllerFeature {
            name: name.clone().into(),
            min_supported_version: *min,
            max_supported_version: *max,
            ..Default::default()
        };
        RegisterControllerRecord {
            controller_id: self.id,
            incarnation_id: self.incarnation_id,
            zk_migration_ready: self.zk_migration_ready,
            end_points: self.endpoints.iter().map(endpoint).collect(),
            features: self.features.iter().map(feature).collect(),
            ..Default::default()
        }
    }
}

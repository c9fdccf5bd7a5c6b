//! The controller: what decides what the metadata becomes. It reads an image (all that was appended, committed or not)
//! and answers with records, one atomic batch unless said otherwise, and a response that waits for their commit. It
//! changes nothing itself: the records, replayed, do.
//!
//! It holds no clock, no log and no sessions of brokers: who calls it brings them.

mod acls;
mod activation;
mod brokers;
mod configs;
mod directories;
mod elections;
mod features;
mod partition_change;
mod partition_events;
mod placement;
mod producer_ids;
mod quotas;
mod reassignments;
mod scram;
mod topic_names;
mod topics;
mod validation;

pub use acls::DeletedAcls;
pub use activation::activation_records;
pub use brokers::{BrokerState, ShutdownKind};
pub use configs::{ConfigOperation, ConfigOperationKind};
pub use elections::{Elected, ElectedTopic, ElectionType};
pub use features::FeatureChange;
pub use placement::place as place_replicas;
pub use quotas::{QuotaAlteration, QuotaOperation};
pub use reassignments::ReassignedTopic;
pub use scram::{ScramDeletion, ScramResults, ScramUpsertion};
pub use topic_names::{is_internal_topic, validate_topic_name};
pub use topics::{Charge, CreatedTopic};

use crate::image::{ConfigResource, Configs, Image};
use ottla_machine::Seed;
use ottla_wire::metadata::MetadataRecord;

/// A record and the version in which it is to be written.
pub type VersionedRecord = (MetadataRecord<'static>, i16);

/// What a decision leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<R> {
    pub records: Vec<VersionedRecord>,
    pub response: R,
}

/// What a node's own file says to its controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub node_id: i32,
    pub cluster_id: String,
    /// `num.partitions`
    pub num_partitions: i32,
    /// `default.replication.factor`
    pub default_replication_factor: i16,
    /// `min.insync.replicas`
    pub min_insync_replicas: i32,
    /// `unclean.leader.election.enable`
    pub unclean_leader_election: bool,
    /// All of it, as text.
    pub file: Configs,
}

/// One look at the metadata, to decide something.
pub struct Controller<'a> {
    pub image: &'a Image,
    pub settings: &'a Settings,
}

/// The most records that one request of a user may make.
pub const RECORDS_PER_REQUEST_MAX: usize = 10_000;

impl Controller<'_> {
    /// A topic's own value, else the cluster's default, else what the node's file says.
    fn min_insync_replicas(&self, topic: &str) -> usize {
        let own = self.image.config(&ConfigResource::topic(topic), "min.insync.replicas");
        let set = own.or_else(|| self.image.config(&ConfigResource::broker(None), "min.insync.replicas"));
        let count = set.and_then(|v| v.parse().ok()).unwrap_or(self.settings.min_insync_replicas);
        usize::try_from(count).unwrap_or(1)
    }

    fn unclean_leader_election(&self, topic: &str) -> bool {
        let own = self.image.config(&ConfigResource::topic(topic), "unclean.leader.election.enable");
        let set = own.or_else(|| self.image.config(&ConfigResource::broker(None), "unclean.leader.election.enable"));
        set.map_or(self.settings.unclean_leader_election, |v| v == "true")
    }
}

/// An id that no record has, made of random bytes.
fn new_id(seed: &mut Seed, taken: impl Fn(ottla_wire::Uuid) -> bool) -> ottla_wire::Uuid {
    loop {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&seed.draw().to_be_bytes());
        bytes[8..].copy_from_slice(&seed.draw().to_be_bytes());
        if let Some(id) = ottla_wire::Uuid::from_random(bytes)
            && !taken(id)
        {
            return id;
        }
    }
}

#[cfg(test)]
mod tests;

//! From records to published images. Records of a transaction (KIP-868) are taken in as they come, but nothing is
//! published before it ends; an aborted one is as if it had never been. The delta between two publications names what
//! changed, so that a broker looks at no more than that.

use super::{ConfigResource, Image, ReplayError, Topic};
use ottla_wire::Uuid;
use ottla_wire::metadata::MetadataRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What changed between two images.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delta {
    /// Created, or with a changed partition.
    pub topics: BTreeSet<Uuid>,
    pub removed_topics: BTreeMap<Uuid, Arc<Topic>>,
    pub configs: BTreeSet<ConfigResource>,
    pub nodes: bool,
    pub features: bool,
    pub quotas: bool,
    pub acls: bool,
    pub credentials: bool,
}

impl Delta {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn note(&mut self, record: &MetadataRecord<'_>, before: &Image) {
        match record {
            MetadataRecord::Topic(r) => {
                self.topics.insert(r.topic_id);
            }
            MetadataRecord::Partition(r) => {
                self.topics.insert(r.topic_id);
            }
            MetadataRecord::PartitionChange(r) => {
                self.topics.insert(r.topic_id);
            }
            MetadataRecord::ClearElr(r) if !r.topic_name.is_empty() => {
                self.topics.extend(before.topics.named(&r.topic_name).map(|t| t.id));
            }
            MetadataRecord::ClearElr(_) => self.topics.extend(before.topics.iter().map(|t| t.id)),
            MetadataRecord::RemoveTopic(r) => {
                self.topics.remove(&r.topic_id);
                if let Some(topic) = before.topics.with_id(r.topic_id) {
                    self.configs.insert(ConfigResource::topic(&topic.name));
                    self.removed_topics.insert(r.topic_id, Arc::clone(topic));
                }
            }
            MetadataRecord::Config(r) => {
                if let Some(kind) = super::ConfigResourceKind::from_code(r.resource_type) {
                    self.configs.insert(ConfigResource { kind, name: r.resource_name.to_string() });
                }
            }
            MetadataRecord::RegisterBroker(_)
            | MetadataRecord::UnregisterBroker(_)
            | MetadataRecord::FenceBroker(_)
            | MetadataRecord::UnfenceBroker(_)
            | MetadataRecord::BrokerRegistrationChange(_)
            | MetadataRecord::RegisterController(_)
            | MetadataRecord::UnregisterController(_) => self.nodes = true,
            MetadataRecord::FeatureLevel(_) | MetadataRecord::ZkMigrationState(_) => self.features = true,
            MetadataRecord::ClientQuota(_) => self.quotas = true,
            MetadataRecord::AccessControlEntry(_) | MetadataRecord::RemoveAccessControlEntry(_) => self.acls = true,
            MetadataRecord::UserScramCredential(_)
            | MetadataRecord::RemoveUserScramCredential(_)
            | MetadataRecord::DelegationToken(_)
            | MetadataRecord::RemoveDelegationToken(_) => self.credentials = true,
            MetadataRecord::ProducerIds(_)
            | MetadataRecord::NoOp(_)
            | MetadataRecord::BeginTransaction(_)
            | MetadataRecord::EndTransaction(_)
            | MetadataRecord::AbortTransaction(_) => {}
        }
    }
}

/// Takes in committed records and says what may be published.
#[derive(Debug, Clone, Default)]
pub struct Loader {
    image: Image,
    delta: Delta,
    /// What image and delta were before the transaction that is under way.
    before_transaction: Option<Box<(Image, Delta)>>,
}

impl Loader {
    #[must_use]
    pub fn new(image: Image) -> Self {
        Self { image, ..Self::default() }
    }

    /// All that was taken in, the records of an open transaction included.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.image
    }

    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.before_transaction.is_some()
    }

    pub fn replay(&mut self, record: &MetadataRecord<'_>) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::BeginTransaction(_) if self.in_transaction() => {
                return Err(super::misfit("BeginTransaction", "one is under way"));
            }
            MetadataRecord::BeginTransaction(_) => {
                self.before_transaction = Some(Box::new((self.image.clone(), self.delta.clone())));
            }
            MetadataRecord::EndTransaction(_) => {
                self.before_transaction.take().ok_or_else(|| super::misfit("EndTransaction", "none is under way"))?;
            }
            MetadataRecord::AbortTransaction(_) => {
                let before = self.before_transaction.take();
                let before = before.ok_or_else(|| super::misfit("AbortTransaction", "none is under way"))?;
                (self.image, self.delta) = *before;
            }
            record => {
                self.delta.note(record, &self.image);
                self.image.replay(record)?;
            }
        }
        Ok(())
    }

    /// What changed since the last call and the image it led to; None within a transaction.
    pub fn publish(&mut self) -> Option<(Image, Delta)> {
        if self.in_transaction() {
            return None;
        }
        Some((self.image.clone(), std::mem::take(&mut self.delta)))
    }
}

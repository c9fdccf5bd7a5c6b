//! What requests read: the metadata as last published, and what this node made of it. A request sees one publication
//! from its beginning to its end.

use imbl::OrdMap;
use ottla_machine::Disk;
use ottla_metadata::image::Image;
use ottla_replica::Partition;
use ottla_security::Authorizer;
use ottla_wire::Uuid;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The partitions of one topic that this node hosts.
pub type HostedTopic<D> = Arc<BTreeMap<i32, Arc<Partition<D>>>>;

pub struct Published<D: Disk> {
    /// The last record that the image holds.
    pub offset: i64,
    pub leader_epoch: i32,
    pub image: Image,
    pub kraft_version: i16,
    pub authorizer: Arc<dyn Authorizer>,
    /// What this node hosts, by topic.
    pub hosted: OrdMap<Uuid, HostedTopic<D>>,
}

impl<D: Disk> Clone for Published<D> {
    fn clone(&self) -> Self {
        Self {
            offset: self.offset,
            leader_epoch: self.leader_epoch,
            image: self.image.clone(),
            kraft_version: self.kraft_version,
            authorizer: Arc::clone(&self.authorizer),
            hosted: self.hosted.clone(),
        }
    }
}

impl<D: Disk> Published<D> {
    #[must_use]
    pub fn partition(&self, topic_id: Uuid, index: i32) -> Option<&Arc<Partition<D>>> {
        self.hosted.get(&topic_id)?.get(&index)
    }

    /// By the topic's name.
    #[must_use]
    pub fn partition_named(&self, topic: &str, index: i32) -> Option<&Arc<Partition<D>>> {
        self.partition(self.image.topics.named(topic)?.id, index)
    }

    /// All that this node hosts.
    pub fn all_hosted(&self) -> impl Iterator<Item = &Arc<Partition<D>>> {
        self.hosted.values().flat_map(|partitions| partitions.values())
    }
}

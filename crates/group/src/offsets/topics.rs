//! What the offset operations must know of topics. The broker answers from its metadata image.

use ottla_wire::Uuid;

/// Names, ids and partitions of topics.
pub trait TopicResolver {
    fn topic_name(&self, id: Uuid) -> Option<&str>;
    fn topic_id(&self, name: &str) -> Option<Uuid>;
    fn has_partition(&self, name: &str, partition: i32) -> bool;
}

/// A topic that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    pub name: String,
    pub id: Uuid,
}

//! What a client knows of its cluster: brokers, the controller, topics and their leaders. A picture of one moment.

use ottla_wire::Uuid;
use ottla_wire::api::MetadataResponse;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    pub id: Option<String>,
    pub controller: Option<i32>,
    pub nodes: BTreeMap<i32, Node>,
    pub topics: BTreeMap<String, Topic>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub id: i32,
    pub host: String,
    pub port: u16,
    pub rack: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    pub id: Uuid,
    pub is_internal: bool,
    /// The broker's code; the rest is empty unless it is 0.
    pub error_code: i16,
    /// In the order of their numbers.
    pub partitions: Vec<Partition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub index: i32,
    pub leader: Option<i32>,
    pub leader_epoch: i32,
    pub replicas: Vec<i32>,
    pub in_sync: Vec<i32>,
    pub offline: Vec<i32>,
}

impl Cluster {
    #[must_use]
    pub fn of(response: &MetadataResponse<'_>) -> Self {
        let nodes = response.brokers.iter().map(|broker| {
            let node = Node {
                id: broker.node_id,
                host: broker.host.to_string(),
                port: u16::try_from(broker.port).unwrap_or_default(),
                rack: broker.rack.as_deref().map(str::to_owned),
            };
            (broker.node_id, node)
        });
        let topics = response.topics.iter().filter_map(|topic| {
            let mut partitions: Vec<_> = topic
                .partitions
                .iter()
                .map(|partition| Partition {
                    index: partition.partition_index,
                    leader: (partition.leader_id >= 0).then_some(partition.leader_id),
                    leader_epoch: partition.leader_epoch,
                    replicas: partition.replica_nodes.clone(),
                    in_sync: partition.isr_nodes.clone(),
                    offline: partition.offline_replicas.clone(),
                })
                .collect();
            partitions.sort_by_key(|partition| partition.index);
            let topic_known =
                Topic { id: topic.topic_id, is_internal: topic.is_internal, error_code: topic.error_code, partitions };
            Some((topic.name.as_deref()?.to_owned(), topic_known))
        });
        Self {
            id: response.cluster_id.as_deref().map(str::to_owned),
            controller: (response.controller_id >= 0).then_some(response.controller_id),
            nodes: nodes.collect(),
            topics: topics.collect(),
        }
    }

    /// Who leads a partition, with the epoch of its leadership.
    #[must_use]
    pub fn leader(&self, topic: &str, partition: i32) -> Option<(i32, i32)> {
        let known = self.topics.get(topic)?.partitions.iter().find(|known| known.index == partition)?;
        Some((known.leader?, known.leader_epoch))
    }
}

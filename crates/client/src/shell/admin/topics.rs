//! Topics: list, describe, create, grow, delete.

use super::{Admin, Target};
use crate::error::{ClientError, Result};
use crate::session::cluster::Partition;
use crate::shell::network::Topics;
use crate::shell::reply::Reply;
use ottla_wire::api::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use ottla_wire::api::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use ottla_wire::api::delete_topics_request::DeleteTopicState;
use ottla_wire::api::describe_topic_partitions_request::{Cursor, TopicRequest};
use ottla_wire::api::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
};
use ottla_wire::{ErrorCode, Uuid};
use std::collections::BTreeMap;

/// How long the controller may take over a change.
const CHANGE_TIMEOUT_MS: i32 = 30_000;

/// A topic to be made.
#[derive(Debug, Clone, Default)]
pub struct NewTopic {
    pub name: String,
    /// None for the cluster's default.
    pub partitions: Option<i32>,
    pub replication_factor: Option<i16>,
    /// Brokers by partition; instead of the two above.
    pub assignment: Vec<Vec<i32>>,
    pub configs: Vec<(String, String)>,
}

/// More partitions for a topic.
#[derive(Debug, Clone)]
pub struct NewPartitions {
    pub topic: String,
    /// How many it shall have, the present ones included.
    pub count: i32,
    /// Brokers of each new partition, chosen by hand.
    pub assignment: Option<Vec<Vec<i32>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    pub name: String,
    pub id: Uuid,
    pub is_internal: bool,
    pub partitions: Vec<PartitionDescription>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDescription {
    pub partition: Partition,
    /// None where the broker does not tell (KIP-966).
    pub eligible_leaders: Option<Vec<i32>>,
    pub last_known_eligible_leaders: Option<Vec<i32>>,
}

impl Admin {
    /// Makes one topic.
    pub async fn create_topic(&self, topic: &NewTopic) -> Result<()> {
        let request = |_| {
            let assignment = topic.assignment.iter().zip(0..).map(|(brokers, index)| CreatableReplicaAssignment {
                partition_index: index,
                broker_ids: brokers.clone(),
                ..Default::default()
            });
            let configs = topic.configs.iter().map(|(name, value)| CreatableTopicConfig {
                name: name.as_str().into(),
                value: Some(value.as_str().into()),
                ..Default::default()
            });
            let created = CreatableTopic {
                name: topic.name.as_str().into(),
                num_partitions: topic.partitions.unwrap_or(-1),
                replication_factor: topic.replication_factor.unwrap_or(-1),
                assignments: assignment.collect(),
                configs: configs.collect(),
                ..Default::default()
            };
            CreateTopicsRequest { topics: vec![created], timeout_ms: CHANGE_TIMEOUT_MS, ..Default::default() }
        };
        let read = |reply: &Reply| {
            let response: CreateTopicsResponse<'_> = reply.read()?;
            let result = response.topics.first().ok_or_else(nothing)?;
            ClientError::check(result.error_code, result.error_message.as_deref())
        };
        self.call("createTopics", Target::Controller, request, read).await
    }

    /// Grows topics; the first error ends it.
    pub async fn create_partitions(&self, topics: &[NewPartitions]) -> Result<()> {
        let request = |_| {
            let topics = topics.iter().map(|topic| CreatePartitionsTopic {
                name: topic.topic.as_str().into(),
                count: topic.count,
                assignments: topic.assignment.as_ref().map(|partitions| {
                    let brokers =
                        |ids: &Vec<i32>| CreatePartitionsAssignment { broker_ids: ids.clone(), ..Default::default() };
                    partitions.iter().map(brokers).collect()
                }),
                ..Default::default()
            });
            CreatePartitionsRequest { topics: topics.collect(), timeout_ms: CHANGE_TIMEOUT_MS, ..Default::default() }
        };
        let read = |reply: &Reply| {
            let response: CreatePartitionsResponse<'_> = reply.read()?;
            response
                .results
                .iter()
                .try_for_each(|result| ClientError::check(result.error_code, result.error_message.as_deref()))
        };
        self.call("createPartitions", Target::Controller, request, read).await
    }

    /// Deletes topics; the first error is told after all were tried.
    pub async fn delete_topics(&self, names: &[String]) -> Result<()> {
        let request = |version| {
            let mut request = DeleteTopicsRequest { timeout_ms: CHANGE_TIMEOUT_MS, ..Default::default() };
            if version >= 6 {
                let states = names
                    .iter()
                    .map(|name| DeleteTopicState { name: Some(name.as_str().into()), ..Default::default() });
                request.topics = states.collect();
            } else {
                request.topic_names = names.iter().map(|name| name.as_str().into()).collect();
            }
            request
        };
        let read = |reply: &Reply| {
            let response: DeleteTopicsResponse<'_> = reply.read()?;
            response
                .responses
                .iter()
                .try_for_each(|result| ClientError::check(result.error_code, result.error_message.as_deref()))
        };
        self.call("deleteTopics", Target::Controller, request, read).await
    }

    /// The names of all topics, in order, and whether each is internal.
    pub async fn list_topics(&self) -> Result<BTreeMap<String, bool>> {
        let cluster = self.cluster("listTopics", Topics::All).await?;
        Ok(cluster.topics.iter().map(|(name, topic)| (name.clone(), topic.is_internal)).collect())
    }

    /// Describes topics, in the order of their names; the first error ends it. Brokers without
    /// DescribeTopicPartitions are asked for their metadata.
    pub async fn describe_topics(&self, names: &[&str], partitions_per_answer: i32) -> Result<Vec<TopicDescription>> {
        let mut names = names.to_vec();
        names.sort_unstable();
        let mut described: Vec<TopicDescription> = Vec::new();
        let mut cursor: Option<(String, i32)> = None;
        loop {
            let page = match self.describe_page(&names, partitions_per_answer, cursor.as_ref()).await {
                Err(ClientError::UnsupportedVersion(_)) => return self.describe_by_metadata(&names).await,
                page => page?,
            };
            for topic in page.topics {
                match described.last_mut() {
                    // A topic of many partitions goes on in the next answer.
                    Some(last) if last.name == topic.name => last.partitions.extend(topic.partitions),
                    _ => described.push(topic),
                }
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(described),
            }
        }
    }

    async fn describe_page(&self, names: &[&str], limit: i32, cursor: Option<&(String, i32)>) -> Result<Page> {
        let request = |_| {
            // Topics before the cursor have been told.
            let wanted = names.iter().filter(|name| cursor.is_none_or(|(from, _)| **name >= from.as_str()));
            DescribeTopicPartitionsRequest {
                topics: wanted.map(|name| TopicRequest { name: (*name).into(), ..Default::default() }).collect(),
                response_partition_limit: limit,
                cursor: cursor.map(|(topic, partition)| Cursor {
                    topic_name: topic.as_str().into(),
                    partition_index: *partition,
                    ..Default::default()
                }),
                ..Default::default()
            }
        };
        self.call("describeTopics", Target::Any, request, read_page).await
    }

    async fn describe_by_metadata(&self, names: &[&str]) -> Result<Vec<TopicDescription>> {
        let cluster = self.cluster("describeTopics", Topics::Named(names)).await?;
        let describe = |(name, topic): (&String, &crate::session::cluster::Topic)| {
            ClientError::check(topic.error_code, None)?;
            let bare = |partition: &Partition| PartitionDescription {
                partition: partition.clone(),
                eligible_leaders: None,
                last_known_eligible_leaders: None,
            };
            Ok(TopicDescription {
                name: name.clone(),
                id: topic.id,
                is_internal: topic.is_internal,
                partitions: topic.partitions.iter().map(bare).collect(),
            })
        };
        cluster.topics.iter().map(describe).collect()
    }
}

struct Page {
    topics: Vec<TopicDescription>,
    next: Option<(String, i32)>,
}

fn read_page(reply: &Reply) -> Result<Page> {
    let response: DescribeTopicPartitionsResponse<'_> = reply.read()?;
    let mut topics = Vec::with_capacity(response.topics.len());
    for topic in &response.topics {
        ClientError::check(topic.error_code, None)?;
        let describe =
            |told: &ottla_wire::api::describe_topic_partitions_response::DescribeTopicPartitionsResponsePartition<
                '_,
            >| {
                PartitionDescription {
                    partition: Partition {
                        index: told.partition_index,
                        leader: (told.leader_id >= 0).then_some(told.leader_id),
                        leader_epoch: told.leader_epoch,
                        replicas: told.replica_nodes.clone(),
                        in_sync: told.isr_nodes.clone(),
                        offline: told.offline_replicas.clone(),
                    },
                    eligible_leaders: Some(told.eligible_leader_replicas.clone().unwrap_or_default()),
                    last_known_eligible_leaders: Some(told.last_known_elr.clone().unwrap_or_default()),
                }
            };
        let mut partitions: Vec<_> = topic.partitions.iter().map(describe).collect();
        partitions.sort_by_key(|described| described.partition.index);
        topics.push(TopicDescription {
            name: topic.name.as_deref().unwrap_or_default().to_owned(),
            id: topic.topic_id,
            is_internal: topic.is_internal,
            partitions,
        });
    }
    let next = response.next_cursor.as_ref().map(|next| (next.topic_name.to_string(), next.partition_index));
    Ok(Page { topics, next })
}

fn nothing() -> ClientError {
    ClientError::Api(ErrorCode::UnknownServerError.into())
}

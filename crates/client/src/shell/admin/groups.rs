//! Groups: list, describe, their offsets, and their end. Each is asked of its coordinator.

use super::offsets::TopicPartition;
use super::{Admin, CoordinatorKind, Target};
use crate::error::{ClientError, Result};
use crate::session::assignors::{Partitions, decode_assignment};
use crate::shell::network::Topics;
use crate::shell::reply::Reply;
use ottla_wire::api::consumer_group_describe_response::Assignment;
use ottla_wire::api::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_wire::api::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use ottla_wire::api::offset_fetch_request::OffsetFetchRequestGroup;
use ottla_wire::api::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DeleteGroupsRequest, DeleteGroupsResponse,
    DescribeGroupsRequest, DescribeGroupsResponse, ListGroupsRequest, ListGroupsResponse, OffsetCommitRequest,
    OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchResponse,
};
use ottla_wire::{ErrorCode, Message, VersionRange};
use std::collections::BTreeMap;

/// The last version of offset requests that names topics.
const BY_NAME: i16 = 9;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    pub id: String,
    pub protocol_type: String,
    /// As the broker writes it: `Stable`, `Empty` …; empty where it does not tell.
    pub state: String,
    /// `classic`, `consumer`, `share` …; empty where it does not tell.
    pub kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    pub id: String,
    pub coordinator: i32,
    pub state: String,
    pub assignor: String,
    pub members: Vec<MemberDescription>,
    /// Of groups of the newer protocol (KIP-848) alone.
    pub epochs: Option<GroupEpochs>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupEpochs {
    pub group: i32,
    pub target_assignment: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDescription {
    pub id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub host: String,
    pub assigned: Partitions,
    /// Epoch, target and whether it speaks the newer protocol, where the group is of that kind.
    pub target: Option<MemberTarget>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberTarget {
    pub epoch: i32,
    pub assigned: Partitions,
    /// None where the broker does not tell.
    pub is_upgraded: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    pub offset: i64,
    pub leader_epoch: Option<i32>,
}

pub type CommittedOffsets = BTreeMap<TopicPartition, CommittedOffset>;

impl Admin {
    /// The groups that all brokers know, by id; filters are left to brokers that have them.
    pub async fn list_groups(&self, states: &[String], kinds: &[String]) -> Result<Vec<GroupListing>> {
        let low = match (states.is_empty(), kinds.is_empty()) {
            (_, false) => 5,
            (false, true) => 4,
            (true, true) => 0,
        };
        let versions = VersionRange::new(low, <ListGroupsRequest<'static> as Message>::VERSIONS.high);
        let request = |_| ListGroupsRequest {
            states_filter: states.iter().map(|state| state.as_str().into()).collect(),
            types_filter: kinds.iter().map(|kind| kind.as_str().into()).collect(),
            ..Default::default()
        };
        let read = |reply: &Reply| {
            let response: ListGroupsResponse<'_> = reply.read()?;
            ClientError::check(response.error_code, None)?;
            let listing = |told: &ottla_wire::api::list_groups_response::ListedGroup<'_>| GroupListing {
                id: told.group_id.to_string(),
                protocol_type: told.protocol_type.to_string(),
                state: told.group_state.to_string(),
                kind: told.group_type.to_string(),
            };
            Ok(response.groups.iter().map(listing).collect::<Vec<_>>())
        };
        let mut groups = BTreeMap::new();
        let cluster = self.cluster("findAllBrokers", Topics::None).await;
        let cluster = cluster.map_err(|_| ClientError::Failed("Failed to find brokers to send ListGroups".into()))?;
        let nodes: Vec<i32> = cluster.nodes.keys().copied().collect();
        for node in nodes {
            let told = self.call_in("listGroups", Target::Node(node), versions, request, read).await?;
            groups.extend(told.into_iter().map(|group| (group.id.clone(), group)));
        }
        Ok(groups.into_values().collect())
    }

    /// A group of consumers, of either protocol. One that is not there is an error, or is dead, as the broker has it.
    pub async fn describe_group(&self, id: &str) -> Result<GroupDescription> {
        let coordinator = self.coordinator("describeConsumerGroups", CoordinatorKind::Group, id).await?;
        match self.describe_consumer_group(coordinator, id).await {
            Err(ClientError::UnsupportedVersion(_)) => self.describe_classic_group(coordinator, id).await,
            Err(error) if matches!(error.code(), Some(ErrorCode::GroupIdNotFound | ErrorCode::UnsupportedVersion)) => {
                self.describe_classic_group(coordinator, id).await
            }
            told => told,
        }
    }

    async fn describe_consumer_group(&self, coordinator: i32, id: &str) -> Result<GroupDescription> {
        let request = |_| ConsumerGroupDescribeRequest { group_ids: vec![id.into()], ..Default::default() };
        let read = |reply: &Reply| {
            let response: ConsumerGroupDescribeResponse<'_> = reply.read()?;
            let group = response.groups.first().ok_or_else(nothing)?;
            ClientError::check(group.error_code, group.error_message.as_deref())?;
            let members = group.members.iter().map(|member| MemberDescription {
                id: member.member_id.to_string(),
                instance_id: member.instance_id.as_deref().map(str::to_owned),
                client_id: member.client_id.to_string(),
                host: member.client_host.to_string(),
                assigned: partitions(&member.assignment),
                target: Some(MemberTarget {
                    epoch: member.member_epoch,
                    assigned: partitions(&member.target_assignment),
                    is_upgraded: match member.member_type {
                        0 => Some(false),
                        1 => Some(true),
                        _ => None,
                    },
                }),
            });
            Ok(GroupDescription {
                id: id.to_owned(),
                coordinator,
                state: group.group_state.to_string(),
                assignor: group.assignor_name.to_string(),
                members: members.collect(),
                epochs: Some(GroupEpochs { group: group.group_epoch, target_assignment: group.assignment_epoch }),
            })
        };
        self.call("describeConsumerGroups", Target::Node(coordinator), request, read).await
    }

    async fn describe_classic_group(&self, coordinator: i32, id: &str) -> Result<GroupDescription> {
        let request = |_| DescribeGroupsRequest { groups: vec![id.into()], ..Default::default() };
        let read = |reply: &Reply| {
            let response: DescribeGroupsResponse<'_> = reply.read()?;
            let group = response.groups.first().ok_or_else(nothing)?;
            ClientError::check(group.error_code, group.error_message.as_deref())?;
            let mut members = Vec::with_capacity(group.members.len());
            for member in &group.members {
                members.push(MemberDescription {
                    id: member.member_id.to_string(),
                    instance_id: member.group_instance_id.as_deref().map(str::to_owned),
                    client_id: member.client_id.to_string(),
                    host: member.client_host.to_string(),
                    // Other protocols than the consumers' keep something else there.
                    assigned: match group.protocol_type.as_ref() {
                        "consumer" => decode_assignment(&member.member_assignment)
                            .map_err(|error| ClientError::Malformed(id.to_owned(), error))?,
                        _ => Partitions::new(),
                    },
                    target: None,
                });
            }
            Ok(GroupDescription {
                id: id.to_owned(),
                coordinator,
                state: group.group_state.to_string(),
                assignor: group.protocol_data.to_string(),
                members,
                epochs: None,
            })
        };
        self.call("describeConsumerGroups", Target::Node(coordinator), request, read).await
    }

    /// All offsets that a group has committed.
    pub async fn committed_offsets(&self, id: &str) -> Result<CommittedOffsets> {
        let coordinator = self.coordinator("listConsumerGroupOffsets", CoordinatorKind::Group, id).await?;
        let request = |version| {
            let mut request = OffsetFetchRequest::default();
            if version >= 8 {
                request.groups = vec![OffsetFetchRequestGroup {
                    group_id: id.into(),
                    member_epoch: -1,
                    topics: None,
                    ..Default::default()
                }];
            } else {
                request.group_id = id.into();
                request.topics = None;
            }
            request
        };
        let versions = VersionRange::new(2, BY_NAME);
        self.call_in("listConsumerGroupOffsets", Target::Node(coordinator), versions, request, read_committed).await
    }

    /// Sets offsets of a group without members. Each partition has its own outcome.
    pub async fn alter_committed_offsets(
        &self,
        id: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, Result<()>>> {
        let coordinator = self.coordinator("alterConsumerGroupOffsets", CoordinatorKind::Group, id).await?;
        let request = |_| {
            let mut topics: Vec<OffsetCommitRequestTopic<'_>> = Vec::new();
            for ((topic, partition), offset) in offsets {
                let committed = OffsetCommitRequestPartition {
                    partition_index: *partition,
                    committed_offset: *offset,
                    committed_metadata: Some("".into()),
                    ..Default::default()
                };
                match topics.last_mut() {
                    Some(last) if last.name == topic.as_str() => last.partitions.push(committed),
                    _ => topics.push(OffsetCommitRequestTopic {
                        name: topic.as_str().into(),
                        partitions: vec![committed],
                        ..Default::default()
                    }),
                }
            }
            OffsetCommitRequest { group_id: id.into(), generation_id_or_member_epoch: -1, topics, ..Default::default() }
        };
        let read = |reply: &Reply| {
            let response: OffsetCommitResponse<'_> = reply.read()?;
            let mut told = BTreeMap::new();
            for topic in &response.topics {
                for one in &topic.partitions {
                    let place = (topic.name.to_string(), one.partition_index);
                    told.insert(place, ClientError::check(one.error_code, None));
                }
            }
            Ok(told)
        };
        let versions = VersionRange::new(<OffsetCommitRequest<'static> as Message>::VERSIONS.low, BY_NAME);
        self.call_in("alterConsumerGroupOffsets", Target::Node(coordinator), versions, request, read).await
    }

    /// Forgets offsets of a group. The group's error ends it; each partition has its own.
    pub async fn delete_committed_offsets(
        &self,
        id: &str,
        places: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Result<()>>> {
        let coordinator = self.coordinator("deleteConsumerGroupOffsets", CoordinatorKind::Group, id).await?;
        let request = |_| {
            let mut topics: Vec<OffsetDeleteRequestTopic<'_>> = Vec::new();
            for (topic, partition) in places {
                let one = OffsetDeleteRequestPartition { partition_index: *partition };
                match topics.iter_mut().find(|known| known.name == topic.as_str()) {
                    Some(known) => known.partitions.push(one),
                    None => {
                        topics.push(OffsetDeleteRequestTopic { name: topic.as_str().into(), partitions: vec![one] })
                    }
                }
            }
            OffsetDeleteRequest { group_id: id.into(), topics }
        };
        let read = |reply: &Reply| {
            let response: OffsetDeleteResponse<'_> = reply.read()?;
            ClientError::check(response.error_code, None)?;
            let mut told = BTreeMap::new();
            for topic in &response.topics {
                for one in &topic.partitions {
                    let place = (topic.name.to_string(), one.partition_index);
                    told.insert(place, ClientError::check(one.error_code, None));
                }
            }
            Ok(told)
        };
        self.call("deleteConsumerGroupOffsets", Target::Node(coordinator), request, read).await
    }

    /// Deletes a group without members.
    pub async fn delete_group(&self, id: &str) -> Result<()> {
        let coordinator = self.coordinator("deleteConsumerGroups", CoordinatorKind::Group, id).await?;
        let request = |_| DeleteGroupsRequest { groups_names: vec![id.into()], ..Default::default() };
        let read = |reply: &Reply| {
            let response: DeleteGroupsResponse<'_> = reply.read()?;
            let result = response.results.first().ok_or_else(nothing)?;
            ClientError::check(result.error_code, result.error_message.as_deref())
        };
        self.call("deleteConsumerGroups", Target::Node(coordinator), request, read).await
    }
}

fn read_committed(reply: &Reply) -> Result<CommittedOffsets> {
    let response: OffsetFetchResponse<'_> = reply.read()?;
    ClientError::check(response.error_code, None)?;
    let mut committed = CommittedOffsets::new();
    let mut take = |topic: &str, partition: i32, offset: i64, epoch: i32, code: i16| {
        ClientError::check(code, None)?;
        if offset >= 0 {
            let leader_epoch = (epoch >= 0).then_some(epoch);
            committed.insert((topic.to_owned(), partition), CommittedOffset { offset, leader_epoch });
        }
        Ok::<_, ClientError>(())
    };
    for group in &response.groups {
        ClientError::check(group.error_code, None)?;
        for topic in &group.topics {
            for one in &topic.partitions {
                let (offset, epoch) = (one.committed_offset, one.committed_leader_epoch);
                take(&topic.name, one.partition_index, offset, epoch, one.error_code)?;
            }
        }
    }
    for topic in &response.topics {
        for one in &topic.partitions {
            let (offset, epoch) = (one.committed_offset, one.committed_leader_epoch);
            take(&topic.name, one.partition_index, offset, epoch, one.error_code)?;
        }
    }
    Ok(committed)
}

fn partitions(assignment: &Assignment<'_>) -> Partitions {
    let told = assignment.topic_partitions.iter();
    told.map(|topic| (topic.topic_name.to_string(), topic.partitions.clone())).collect()
}

fn nothing() -> ClientError {
    ErrorCode::UnknownServerError.into()
}

//! OffsetFetch, versions 1 to 10. v2 adds an error for the whole answer and "all topics", v5 leader epochs, v7 stable offsets
//! (KIP-447), v8 several groups at once (KIP-709), v9 member epochs (KIP-848), v10 topic ids instead of names.

use super::{Standing, TopicResolver};
use crate::state::{CommittedOffset, ForeignKind, GroupEntry, GroupState};
use crate::text::text;
use ottla_wire::api::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_wire::api::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use ottla_wire::api::{OffsetFetchRequest, OffsetFetchResponse};
use ottla_wire::{ErrorCode, Uuid};
use std::borrow::Cow;

const GROUPS_VERSION: i16 = 8;
const TOPIC_IDS_VERSION: i16 = 10;
const GROUP_ERROR_VERSION: i16 = 2;

/// The groups that a request asks for, in the shape of version 8 and later: up to v7 it is one.
#[must_use]
pub fn requested_groups<'r>(
    version: i16,
    request: &'r OffsetFetchRequest<'r>,
) -> Cow<'r, [OffsetFetchRequestGroup<'r>]> {
    if version >= GROUPS_VERSION {
        return Cow::Borrowed(&request.groups);
    }
    let topics = request.topics.as_ref().map(|topics| {
        let widened = topics.iter().map(|topic| OffsetFetchRequestTopics {
            name: Cow::Borrowed(&*topic.name),
            partition_indexes: topic.partition_indexes.clone(),
            ..OffsetFetchRequestTopics::default()
        });
        widened.collect()
    });
    let group_id = Cow::Borrowed(&*request.group_id);
    Cow::Owned(vec![OffsetFetchRequestGroup { group_id, topics, member_epoch: -1, ..Default::default() }])
}

/// The answer in the shape of a version: up to v7 it is the one group's.
#[must_use]
pub fn fetch_response(version: i16, groups: Vec<OffsetFetchResponseGroup<'static>>) -> OffsetFetchResponse<'static> {
    if version >= GROUPS_VERSION {
        return OffsetFetchResponse { groups, ..OffsetFetchResponse::default() };
    }
    let Some(group) = groups.into_iter().next() else { return OffsetFetchResponse::default() };
    let narrowed = |partition: OffsetFetchResponsePartitions<'static>| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
        ..OffsetFetchResponsePartition::default()
    };
    let topics = group.topics.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(narrowed).collect(),
        ..OffsetFetchResponseTopic::default()
    });
    OffsetFetchResponse { topics: topics.collect(), error_code: group.error_code, ..OffsetFetchResponse::default() }
}

/// An error for a whole group; version 1 can only tell it for each partition.
#[must_use]
pub fn group_error(
    version: i16,
    group: &OffsetFetchRequestGroup<'_>,
    error: ErrorCode,
) -> OffsetFetchResponseGroup<'static> {
    let group_id = text(&group.group_id);
    if version >= GROUP_ERROR_VERSION {
        return OffsetFetchResponseGroup { group_id, error_code: error.code(), ..Default::default() };
    }
    let topics = group.topics.iter().flatten().map(|topic| failed_topic(topic, &topic.name, error));
    OffsetFetchResponseGroup { group_id, topics: topics.collect(), ..Default::default() }
}

/// Reads the offsets of one group. `stable` asks for UNSTABLE_OFFSET_COMMIT where a transaction may still change them.
pub(crate) fn fetch(
    state: &GroupState,
    version: i16,
    request: &OffsetFetchRequestGroup<'_>,
    stable: bool,
    resolver: &dyn TopicResolver,
) -> OffsetFetchResponseGroup<'static> {
    let standing = Standing { entry: state.group(&request.group_id), live: None };
    let reader = match validate(standing, request) {
        Ok(true) => Reader { state: Some(state), group: &request.group_id, stable },
        // A group that is not there has no offsets, which is no error.
        Ok(false) => Reader { state: None, group: &request.group_id, stable },
        Err(error) => return group_error(version, request, error),
    };
    let topics = match &request.topics {
        Some(topics) => topics.iter().map(|topic| reader.topic(version, topic, resolver)).collect(),
        None => reader.all_topics(version, resolver),
    };
    OffsetFetchResponseGroup { group_id: text(&request.group_id), topics, ..OffsetFetchResponseGroup::default() }
}

/// Whether the group is there, and whether this member may read.
fn validate(standing: Standing<'_>, request: &OffsetFetchRequestGroup<'_>) -> Result<bool, ErrorCode> {
    let group = match standing.entry {
        None => return Ok(false),
        Some(GroupEntry::Classic(_)) => return Ok(true),
        Some(GroupEntry::Foreign(group)) if group.kind == ForeignKind::Share => return Ok(false),
        Some(GroupEntry::Foreign(group)) => group,
    };
    let member_id = request.member_id.as_deref();
    if member_id.is_none() && request.member_epoch < 0 {
        return Ok(true);
    }
    let present = member_id.and_then(|id| group.member_epoch(id)).ok_or(ErrorCode::UnknownMemberId)?;
    if present == request.member_epoch { Ok(true) } else { Err(ErrorCode::StaleMemberEpoch) }
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    state: Option<&'a GroupState>,
    group: &'a str,
    stable: bool,
}

impl Reader<'_> {
    fn topic(
        &self,
        version: i16,
        topic: &OffsetFetchRequestTopics<'_>,
        resolver: &dyn TopicResolver,
    ) -> OffsetFetchResponseTopics<'static> {
        let name = if version >= TOPIC_IDS_VERSION { resolver.topic_name(topic.topic_id) } else { Some(&*topic.name) };
        let Some(name) = name else { return failed_topic(topic, "", ErrorCode::UnknownTopicId) };
        let partitions = topic.partition_indexes.iter().map(|&index| {
            let committed = self.state.and_then(|state| state.offsets.get(self.group, name, index));
            // The id of a topic of the same name that is gone is no id of this one.
            let is_other = |committed: &&CommittedOffset| {
                let (own, asked) = (committed.topic_id, topic.topic_id);
                !own.is_zero() && !asked.is_zero() && own != asked
            };
            self.partition(name, index, committed.filter(|committed| !is_other(committed)))
        });
        OffsetFetchResponseTopics {
            name: text(name),
            topic_id: topic.topic_id,
            partitions: partitions.collect(),
            ..OffsetFetchResponseTopics::default()
        }
    }

    fn all_topics(&self, version: i16, resolver: &dyn TopicResolver) -> Vec<OffsetFetchResponseTopics<'static>> {
        let mut topics: Vec<OffsetFetchResponseTopics<'static>> = Vec::new();
        for (key, committed) in self.state.iter().flat_map(|state| state.offsets.of_group(self.group)) {
            let partition = self.partition(&key.topic, key.partition, Some(committed));
            match topics.last_mut() {
                Some(last) if *last.name == *key.topic => last.partitions.push(partition),
                _ => topics.push(OffsetFetchResponseTopics {
                    name: text(&key.topic),
                    topic_id: resolver.topic_id(&key.topic).unwrap_or(Uuid::ZERO),
                    partitions: vec![partition],
                    ..OffsetFetchResponseTopics::default()
                }),
            }
        }
        // A topic without an id cannot be told where ids stand for names.
        topics.retain(|topic| version < TOPIC_IDS_VERSION || !topic.topic_id.is_zero());
        topics
    }

    fn partition(
        &self,
        topic: &str,
        index: i32,
        committed: Option<&CommittedOffset>,
    ) -> OffsetFetchResponsePartitions<'static> {
        if self.stable && self.state.is_some_and(|state| state.offsets.is_pending(self.group, topic, index)) {
            return no_offset(index, ErrorCode::UnstableOffsetCommit);
        }
        let Some(committed) = committed else { return no_offset(index, ErrorCode::None) };
        OffsetFetchResponsePartitions {
            partition_index: index,
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch,
            metadata: Some(text(committed.metadata.as_deref().unwrap_or_default())),
            ..OffsetFetchResponsePartitions::default()
        }
    }
}

fn no_offset(index: i32, error: ErrorCode) -> OffsetFetchResponsePartitions<'static> {
    OffsetFetchResponsePartitions {
        partition_index: index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some(Cow::Borrowed("")),
        error_code: error.code(),
        ..OffsetFetchResponsePartitions::default()
    }
}

fn failed_topic(
    topic: &OffsetFetchRequestTopics<'_>,
    name: &str,
    error: ErrorCode,
) -> OffsetFetchResponseTopics<'static> {
    OffsetFetchResponseTopics {
        name: text(name),
        topic_id: topic.topic_id,
        partitions: topic.partition_indexes.iter().map(|&index| no_offset(index, error)).collect(),
        ..OffsetFetchResponseTopics::default()
    }
}

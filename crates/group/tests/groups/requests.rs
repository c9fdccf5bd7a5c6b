//! The requests of a transcript, from words to messages and back.

use crate::render;
use crate::transcript::{Bed, Topics, Words, client, topic_id};
use ottla_group::{GroupAnswer, requested_groups};
use ottla_wire::api::join_group_request::JoinGroupRequestProtocol;
use ottla_wire::api::leave_group_request::MemberIdentity;
use ottla_wire::api::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_wire::api::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use ottla_wire::api::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_wire::api::sync_group_request::SyncGroupRequestAssignment;
use ottla_wire::api::{
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest, SyncGroupRequest,
};
use ottla_wire::other::ConsumerProtocolSubscription;
use ottla_wire::{Decode, Encode, Message, Reader, Writer, encode_to_vec};
use std::borrow::Cow;

pub(crate) fn run(bed: &mut Bed, words: &Words<'_>, command: &str) -> Vec<String> {
    let name = words.plain().next().unwrap_or_default();
    let group = words.get("g").unwrap_or_default();
    match command.split_whitespace().next().unwrap_or_default() {
        "join" => join(bed, words, name, group),
        "sync" => sync(bed, words, name, group),
        "heartbeat" => heartbeat(bed, words, group),
        "leave" => leave(bed, words, name, group),
        "commit" => commit(bed, words, name, group),
        "fetch" => fetch(bed, words, name, group),
        "offset-delete" => offset_delete(bed, words, name, group),
        "describe" => {
            let version = words.number("v", 6);
            let described = bed.shard.describe(version, name);
            render::described(&mut bed.names, version, &described)
        }
        "list" => list(bed, words),
        "delete" => {
            let groups: Vec<&str> = words.plain().skip(1).collect();
            bed.call((name, 3), GroupAnswer::DeleteGroups, |shard, env, waiter| {
                shard.delete_groups(env, &groups, waiter)
            })
        }
        unknown => panic!("no command {unknown}"),
    }
}

/// What a member says of itself: the consumer protocol's version 0 with its topics.
pub(crate) fn subscription(topics: &str) -> Vec<u8> {
    let topics = topics.split(',').filter(|topic| !topic.is_empty()).map(Cow::Borrowed).collect();
    let mut writer = Writer::new();
    writer.i16(0);
    ConsumerProtocolSubscription { topics, ..Default::default() }.encode(&mut writer, 0).unwrap();
    writer.into_bytes()
}

fn list_of<'a>(words: &Words<'a>, key: &str) -> Vec<&'a str> {
    words.get(key).into_iter().flat_map(|text| text.split(',')).filter(|text| !text.is_empty()).collect()
}

/// Through the wire and back, so that a request has what its version can tell.
pub(crate) fn sent<T: Message>(message: &T, version: i16, then: impl FnOnce(&[u8])) {
    then(&encode_to_vec(message, version).unwrap());
}

fn decoded<'a, T: Decode<'a>>(bytes: &'a [u8], version: i16) -> T {
    T::decode(&mut Reader::new(bytes), version).unwrap()
}

fn join(bed: &mut Bed, words: &Words<'_>, name: &str, group: &str) -> Vec<String> {
    let version = words.number("v", 9);
    let metadata = subscription(words.get("topics").unwrap_or("t"));
    let protocols = words.get("protocols").unwrap_or("range").split(',').filter(|name| !name.is_empty());
    let request = JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: words.number("session", 10_000),
        rebalance_timeout_ms: if version == 0 { -1 } else { words.number("rebalance", 60_000) },
        member_id: bed.names.id(words.get("member").unwrap_or_default()).into(),
        group_instance_id: words.get("instance").map(Cow::Borrowed),
        protocol_type: words.get("type").unwrap_or("consumer").into(),
        protocols: protocols
            .map(|name| JoinGroupRequestProtocol {
                name: name.into(),
                metadata: Cow::Borrowed(&metadata),
                ..Default::default()
            })
            .collect(),
        ..JoinGroupRequest::default()
    };
    let mut lines = Vec::new();
    sent(&request, version, |bytes| {
        let request: JoinGroupRequest<'_> = decoded(bytes, version);
        lines = bed.call((name, version), GroupAnswer::Join, |shard, env, waiter| {
            shard.join(env, &client(name), version, &request, waiter)
        });
    });
    lines
}

fn sync(bed: &mut Bed, words: &Words<'_>, name: &str, group: &str) -> Vec<String> {
    let version = words.number("v", 5);
    let assignments = list_of(words, "assign").into_iter().map(|pair| {
        let (member, assignment) = pair.split_once(':').unwrap();
        SyncGroupRequestAssignment {
            member_id: bed.names.id(member).into(),
            assignment: Cow::Owned(assignment.as_bytes().to_vec()),
            ..Default::default()
        }
    });
    let request = SyncGroupRequest {
        group_id: group.into(),
        generation_id: words.number("gen", 0),
        member_id: bed.names.id(words.get("member").unwrap_or_default()).into(),
        group_instance_id: words.get("instance").map(Cow::Borrowed),
        protocol_type: words.get("type").map(Cow::Borrowed),
        protocol_name: words.get("protocol").map(Cow::Borrowed),
        assignments: assignments.collect(),
        ..SyncGroupRequest::default()
    };
    bed.call((name, version), GroupAnswer::Sync, |shard, env, waiter| shard.sync(env, &request, waiter))
}

fn heartbeat(bed: &mut Bed, words: &Words<'_>, group: &str) -> Vec<String> {
    let request = HeartbeatRequest {
        group_id: group.into(),
        generation_id: words.number("gen", 0),
        member_id: bed.names.id(words.get("member").unwrap_or_default()).into(),
        group_instance_id: words.get("instance").map(Cow::Borrowed),
        ..HeartbeatRequest::default()
    };
    let answer = bed.with(|shard, env| shard.heartbeat(env, &request));
    let mut lines = vec![render::answer(&mut bed.names, 4, &GroupAnswer::Heartbeat(answer))];
    lines.extend(bed.outputs());
    lines
}

fn leave(bed: &mut Bed, words: &Words<'_>, name: &str, group: &str) -> Vec<String> {
    let version = words.number("v", 5);
    let members = list_of(words, "members").into_iter().map(|member| {
        let (member, instance) = member.split_once('/').map_or((member, None), |(member, i)| (member, Some(i)));
        MemberIdentity {
            member_id: bed.names.id(member).into(),
            group_instance_id: instance.map(|instance| Cow::Owned(instance.to_owned())),
            ..Default::default()
        }
    });
    let mut request = LeaveGroupRequest { group_id: group.into(), ..LeaveGroupRequest::default() };
    if version < 3 {
        request.member_id = bed.names.id(words.get("members").unwrap_or_default()).into();
    } else {
        request.members = members.collect();
    }
    bed.call((name, version), GroupAnswer::Leave, |shard, env, waiter| shard.leave(env, version, &request, waiter))
}

fn commit(bed: &mut Bed, words: &Words<'_>, name: &str, group: &str) -> Vec<String> {
    let version = words.number("v", 9);
    let mut topics: Vec<OffsetCommitRequestTopic<'_>> = Vec::new();
    for (topic, partition_index, value) in words.partitions() {
        let (offset, metadata) = value.split_once(':').map_or((value, None), |(offset, text)| (offset, Some(text)));
        let partition = OffsetCommitRequestPartition {
            partition_index,
            committed_offset: offset.parse().unwrap(),
            committed_leader_epoch: -1,
            committed_metadata: metadata.map(Cow::Borrowed),
            ..Default::default()
        };
        match topics.iter_mut().find(|known| known.name == topic) {
            Some(known) => known.partitions.push(partition),
            None => topics.push(OffsetCommitRequestTopic {
                name: topic.into(),
                topic_id: if version >= 10 { topic_id(topic) } else { Default::default() },
                partitions: vec![partition],
                ..Default::default()
            }),
        }
    }
    let request = OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: words.number("gen", -1),
        member_id: bed.names.id(words.get("member").unwrap_or_default()).into(),
        group_instance_id: words.get("instance").map(Cow::Borrowed),
        retention_time_ms: words.number("retention", -1),
        topics,
        ..OffsetCommitRequest::default()
    };
    let mut lines = Vec::new();
    sent(&request, version, |bytes| {
        let request: OffsetCommitRequest<'_> = decoded(bytes, version);
        lines = bed.call((name, version), GroupAnswer::OffsetCommit, |shard, env, waiter| {
            shard.commit_offsets(env, version, &request, &Topics, waiter)
        });
    });
    lines
}

fn fetch(bed: &mut Bed, words: &Words<'_>, name: &str, group: &str) -> Vec<String> {
    let version = words.number("v", 9);
    let stable = words.has("stable");
    let mut topics: Vec<OffsetFetchRequestTopics<'_>> = Vec::new();
    for (topic, partition, _) in words.partitions() {
        match topics.iter_mut().find(|known| known.name == topic) {
            Some(known) => known.partition_indexes.push(partition),
            None => topics.push(OffsetFetchRequestTopics {
                name: topic.into(),
                topic_id: if version >= 10 { topic_id(topic) } else { Default::default() },
                partition_indexes: vec![partition],
                ..Default::default()
            }),
        }
    }
    let group = OffsetFetchRequestGroup {
        group_id: group.into(),
        topics: if topics.is_empty() { None } else { Some(topics) },
        member_epoch: -1,
        ..Default::default()
    };
    if version >= 8 {
        let request = OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() };
        let mut lines = Vec::new();
        sent(&request, version, |bytes| {
            let request: OffsetFetchRequest<'_> = decoded(bytes, version);
            let groups = requested_groups(version, &request);
            lines = bed.call((name, version), GroupAnswer::OffsetFetch, |shard, env, waiter| {
                shard.fetch_offsets(env, version, &groups[0], stable, &Topics, waiter)
            });
        });
        return lines;
    }
    bed.call((name, version), GroupAnswer::OffsetFetch, |shard, env, waiter| {
        shard.fetch_offsets(env, version, &group, stable, &Topics, waiter)
    })
}

fn offset_delete(bed: &mut Bed, words: &Words<'_>, name: &str, group: &str) -> Vec<String> {
    let mut topics: Vec<OffsetDeleteRequestTopic<'_>> = Vec::new();
    for (topic, partition_index, _) in words.partitions() {
        let partition = OffsetDeleteRequestPartition { partition_index };
        match topics.iter_mut().find(|known| known.name == topic) {
            Some(known) => known.partitions.push(partition),
            None => topics.push(OffsetDeleteRequestTopic { name: topic.into(), partitions: vec![partition] }),
        }
    }
    let request = OffsetDeleteRequest { group_id: group.into(), topics };
    bed.call((name, 0), GroupAnswer::OffsetDelete, |shard, env, waiter| {
        shard.delete_offsets(env, &request, &Topics, waiter)
    })
}

fn list(bed: &mut Bed, words: &Words<'_>) -> Vec<String> {
    let request = ListGroupsRequest {
        states_filter: list_of(words, "states").into_iter().map(Cow::Borrowed).collect(),
        types_filter: list_of(words, "types").into_iter().map(Cow::Borrowed).collect(),
        ..ListGroupsRequest::default()
    };
    match bed.shard.list(&request) {
        Err(error) => vec![error.name().to_owned()],
        Ok(groups) => groups
            .iter()
            .map(|group| {
                let (id, kind, state) = (&group.group_id, &group.group_type, &group.group_state);
                format!("{id} {kind} {state} protocol_type={}", render::shown(group.protocol_type.as_bytes()))
            })
            .collect(),
    }
}

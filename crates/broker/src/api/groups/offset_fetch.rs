//! OffsetFetch (1-10): v8 asks for several groups at once (KIP-709), v10 names topics by id. Topics that the client may
//! not see are answered here, or left out where all were asked for.

use super::{Part, ask, finish};
use crate::node::{ImageTopics, Node};
use crate::request::{Answer, Context};
use ottla_group::{GroupAnswer, fetch_response, group_error, requested_groups};
use ottla_machine::Disk;
use ottla_metadata::image::Image;
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::OffsetFetchRequest;
use ottla_wire::api::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_wire::api::offset_fetch_response::{OffsetFetchResponsePartitions, OffsetFetchResponseTopics};

/// From this version on topics are named by id.
const TOPIC_IDS_VERSION: i16 = 10;

type RefusedTopics = Vec<OffsetFetchResponseTopics<'static>>;

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &OffsetFetchRequest<'_>) -> Answer<D> {
    let image = node.published().image.clone();
    let mut parts = Vec::new();
    let mut refused = Vec::new();
    for group in requested_groups(context.version, request).iter() {
        let (part, topics) = fetch(node, context, &image, group, request.require_stable);
        parts.push(part);
        refused.push(topics);
    }
    finish(node, context, parts, move |node, context, answers| {
        let mut groups = Vec::with_capacity(answers.len());
        for (answer, refused) in answers.into_iter().zip(refused) {
            let GroupAnswer::OffsetFetch(mut group) = answer else {
                return Answer::Close("a shard answered something else".to_owned());
            };
            let image = node.published().image.clone();
            group.topics.retain(|topic| visible(node, context, &image, topic));
            if group.error_code == 0 {
                group.topics.extend(refused);
            }
            groups.push(group);
        }
        context.reply(&fetch_response(context.version, groups))
    })
}

fn fetch<D: Disk>(
    node: &Node<D>,
    context: &Context,
    image: &Image,
    group: &OffsetFetchRequestGroup<'_>,
    require_stable: bool,
) -> (Part<D>, RefusedTopics) {
    let version = context.version;
    if !context.may_to_group(node, AclOperation::Describe, &group.group_id) {
        let error = group_error(version, group, ErrorCode::GroupAuthorizationFailed);
        return (Part::Known(GroupAnswer::OffsetFetch(error)), Vec::new());
    }
    let may = |topic: &&OffsetFetchRequestTopics<'_>| {
        let name = match version >= TOPIC_IDS_VERSION {
            true => image.topics.with_id(topic.topic_id).map(|topic| &*topic.name),
            false => Some(topic.name.as_ref()),
        };
        name.is_none_or(|name| context.may_to_topic(node, AclOperation::Describe, name))
    };
    let mut refused = Vec::new();
    let topics = group.topics.as_ref().map(|topics| {
        let (allowed, hidden): (Vec<_>, Vec<_>) = topics.iter().partition(may);
        refused = hidden.into_iter().map(refused_topic).collect();
        allowed.into_iter().cloned().collect()
    });
    let asked = OffsetFetchRequestGroup { topics, ..group.clone() };
    let unavailable = |error| group_error(version, group, error);
    let part = ask(node, context, &group.group_id, GroupAnswer::OffsetFetch, unavailable, |shard, env, waiter| {
        shard.fetch_offsets(env, version, &asked, require_stable, &ImageTopics(image), waiter)
    });
    (part, refused)
}

/// Where all topics were asked for, those that the client may not see are left out.
fn visible<D: Disk>(node: &Node<D>, context: &Context, image: &Image, topic: &OffsetFetchResponseTopics<'_>) -> bool {
    let by_id = || image.topics.with_id(topic.topic_id).map(|topic| topic.name.to_string());
    let name = if topic.name.is_empty() { by_id() } else { Some(topic.name.to_string()) };
    name.is_none_or(|name| context.may_to_topic(node, AclOperation::Describe, &name))
}

fn refused_topic(topic: &OffsetFetchRequestTopics<'_>) -> OffsetFetchResponseTopics<'static> {
    let partition = |index: &i32| OffsetFetchResponsePartitions {
        partition_index: *index,
        committed_offset: -1,
        metadata: Some("".into()),
        error_code: ErrorCode::TopicAuthorizationFailed.into(),
        ..Default::default()
    };
    OffsetFetchResponseTopics {
        name: topic.name.to_string().into(),
        topic_id: topic.topic_id,
        partitions: topic.partition_indexes.iter().map(partition).collect(),
        ..Default::default()
    }
}

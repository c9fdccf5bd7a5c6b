//! OffsetCommit (2-10): v10 names topics by id. Topics that the client may not read are answered here and never reach the
//! shard.

use super::{ask, finish};
use crate::node::{ImageTopics, Node};
use crate::request::{Answer, Context};
use ottla_group::GroupAnswer;
use ottla_machine::Disk;
use ottla_metadata::image::Image;
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::offset_commit_request::OffsetCommitRequestTopic;
use ottla_wire::api::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use ottla_wire::api::{OffsetCommitRequest, OffsetCommitResponse};
use std::sync::Arc;

/// From this version on topics are named by id.
const TOPIC_IDS_VERSION: i16 = 10;

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &OffsetCommitRequest<'_>) -> Answer<D> {
    let failed = |topics: &[OffsetCommitRequestTopic<'_>], error: ErrorCode| OffsetCommitResponse {
        topics: topics.iter().map(|topic| failed_topic(topic, error)).collect(),
        ..Default::default()
    };
    if !context.may_to_group(node, AclOperation::Read, &request.group_id) {
        return context.reply(&failed(&request.topics, ErrorCode::GroupAuthorizationFailed));
    }
    let published = node.published();
    let image = published.image.clone();
    let may = |topic: &&OffsetCommitRequestTopic<'_>| match topic_name(context, &image, topic) {
        // An id that nobody has is the shard's to answer.
        None => true,
        Some(name) => context.may_to_topic(node, AclOperation::Read, name),
    };
    let (allowed, refused): (Vec<_>, Vec<_>) = request.topics.iter().partition(may);
    let refused: Vec<_> =
        refused.into_iter().map(|topic| failed_topic(topic, ErrorCode::TopicAuthorizationFailed)).collect();
    if allowed.is_empty() && !refused.is_empty() {
        return context.reply(&OffsetCommitResponse { topics: refused, ..Default::default() });
    }
    let request = OffsetCommitRequest { topics: allowed.into_iter().cloned().collect(), ..request.clone() };
    let version = context.version;
    let unavailable = |error| failed(&request.topics, error);
    let part = ask(node, context, &request.group_id, GroupAnswer::OffsetCommit, unavailable, |shard, env, waiter| {
        shard.commit_offsets(env, version, &request, &ImageTopics(&image), waiter)
    });
    finish(node, context, vec![part], move |_, context, answers| match answers.into_iter().next() {
        Some(GroupAnswer::OffsetCommit(mut answer)) => {
            answer.topics.extend(refused);
            context.reply(&answer)
        }
        _ => Answer::Close("a shard answered something else".to_owned()),
    })
}

fn topic_name<'a>(context: &Context, image: &'a Image, topic: &'a OffsetCommitRequestTopic<'_>) -> Option<&'a str> {
    match context.version >= TOPIC_IDS_VERSION {
        true => image.topics.with_id(topic.topic_id).map(Arc::as_ref).map(|topic| &*topic.name),
        false => Some(&topic.name),
    }
}

fn failed_topic(topic: &OffsetCommitRequestTopic<'_>, error: ErrorCode) -> OffsetCommitResponseTopic<'static> {
    let partitions = topic.partitions.iter().map(|p| OffsetCommitResponsePartition {
        partition_index: p.partition_index,
        error_code: error.into(),
        ..Default::default()
    });
    OffsetCommitResponseTopic {
        name: topic.name.to_string().into(),
        topic_id: topic.topic_id,
        partitions: partitions.collect(),
        ..Default::default()
    }
}

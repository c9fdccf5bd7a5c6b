//! OffsetDelete (0, KIP-496).

use super::{ask, finish};
use crate::node::{ImageTopics, Node};
use crate::request::{Answer, Context};
use ottla_group::GroupAnswer;
use ottla_machine::Disk;
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::offset_delete_request::OffsetDeleteRequestTopic;
use ottla_wire::api::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use ottla_wire::api::{OffsetDeleteRequest, OffsetDeleteResponse};

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &OffsetDeleteRequest<'_>) -> Answer<D> {
    let failed = |error: ErrorCode| OffsetDeleteResponse { error_code: error.into(), ..Default::default() };
    if !context.may_to_group(node, AclOperation::Delete, &request.group_id) {
        return context.reply(&failed(ErrorCode::GroupAuthorizationFailed));
    }
    let may = |topic: &&OffsetDeleteRequestTopic<'_>| context.may_to_topic(node, AclOperation::Read, &topic.name);
    let (allowed, refused): (Vec<_>, Vec<_>) = request.topics.iter().partition(may);
    let refused: Vec<_> = refused.into_iter().map(refused_topic).collect();
    let image = node.published().image.clone();
    let request =
        OffsetDeleteRequest { group_id: request.group_id.clone(), topics: allowed.into_iter().cloned().collect() };
    let part = ask(node, context, &request.group_id, GroupAnswer::OffsetDelete, failed, |shard, env, waiter| {
        shard.delete_offsets(env, &request, &ImageTopics(&image), waiter)
    });
    finish(node, context, vec![part], move |_, context, answers| match answers.into_iter().next() {
        Some(GroupAnswer::OffsetDelete(mut answer)) => {
            if answer.error_code == 0 {
                answer.topics.extend(refused);
            }
            context.reply(&answer)
        }
        _ => Answer::Close("a shard answered something else".to_owned()),
    })
}

fn refused_topic(topic: &OffsetDeleteRequestTopic<'_>) -> OffsetDeleteResponseTopic<'static> {
    let partitions = topic.partitions.iter().map(|p| OffsetDeleteResponsePartition {
        partition_index: p.partition_index,
        error_code: ErrorCode::TopicAuthorizationFailed.into(),
    });
    OffsetDeleteResponseTopic { name: topic.name.to_string().into(), partitions: partitions.collect() }
}

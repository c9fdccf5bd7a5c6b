//! Heartbeat (0-4): a member lives, and hears whether the group rebalances.

use super::{ask, reply_with};
use crate::node::Node;
use crate::request::{Answer, Context};
use ottla_group::GroupAnswer;
use ottla_machine::Disk;
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::{HeartbeatRequest, HeartbeatResponse};
use std::task::Poll;

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &HeartbeatRequest<'_>) -> Answer<D> {
    let failed = |error: ErrorCode| HeartbeatResponse { error_code: error.into(), ..Default::default() };
    if !context.may_to_group(node, AclOperation::Read, &request.group_id) {
        return context.reply(&failed(ErrorCode::GroupAuthorizationFailed));
    }
    let part = ask(node, context, &request.group_id, GroupAnswer::Heartbeat, failed, |shard, env, _| {
        Poll::Ready(shard.heartbeat(env, request))
    });
    reply_with(node, context, part)
}

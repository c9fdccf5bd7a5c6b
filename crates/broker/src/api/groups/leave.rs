//! LeaveGroup (0-5): members go; v3 takes several at once (KIP-345).

use super::{ask, reply_with};
use crate::node::Node;
use crate::request::{Answer, Context};
use ottla_group::GroupAnswer;
use ottla_machine::Disk;
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::{LeaveGroupRequest, LeaveGroupResponse};

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &LeaveGroupRequest<'_>) -> Answer<D> {
    let failed = |error: ErrorCode| LeaveGroupResponse { error_code: error.into(), ..Default::default() };
    if !context.may_to_group(node, AclOperation::Read, &request.group_id) {
        return context.reply(&failed(ErrorCode::GroupAuthorizationFailed));
    }
    let version = context.version;
    let part = ask(node, context, &request.group_id, GroupAnswer::Leave, failed, |shard, env, waiter| {
        shard.leave(env, version, request, waiter)
    });
    reply_with(node, context, part)
}

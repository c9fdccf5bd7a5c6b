//! SyncGroup (0-5): the leader brings the assignment, the others wait for theirs. v5 names the protocol (KIP-559).

use super::{ask, reply_with};
use crate::node::Node;
use crate::request::{Answer, Context};
use ottla_group::GroupAnswer;
use ottla_machine::Disk;
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::{SyncGroupRequest, SyncGroupResponse};

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &SyncGroupRequest<'_>) -> Answer<D> {
    let failed = |error: ErrorCode| SyncGroupResponse { error_code: error.into(), ..Default::default() };
    if context.version >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
        return context.reply(&failed(ErrorCode::InconsistentGroupProtocol));
    }
    if !context.may_to_group(node, AclOperation::Read, &request.group_id) {
        return context.reply(&failed(ErrorCode::GroupAuthorizationFailed));
    }
    let part = ask(node, context, &request.group_id, GroupAnswer::Sync, failed, |shard, env, waiter| {
        shard.sync(env, request, waiter)
    });
    reply_with(node, context, part)
}

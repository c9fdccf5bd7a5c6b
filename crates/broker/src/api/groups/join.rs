//! JoinGroup (0-9): a member comes, or comes again. v4 gives an id first (KIP-394), v5 brings static members (KIP-345), v9
//! lets a returning static leader keep its assignment.

use super::{ask, reply_with};
use crate::node::Node;
use crate::request::{Answer, Context};
use ottla_group::{ClientContext, GroupAnswer};
use ottla_machine::Disk;
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::{JoinGroupRequest, JoinGroupResponse};

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &JoinGroupRequest<'_>) -> Answer<D> {
    let version = context.version;
    // Null names are told from version 7 on.
    let failed = |error: ErrorCode| JoinGroupResponse {
        error_code: error.into(),
        generation_id: -1,
        protocol_name: (version < 7).then(|| "".into()),
        member_id: request.member_id.to_string().into(),
        ..Default::default()
    };
    if !context.may_to_group(node, AclOperation::Read, &request.group_id) {
        return context.reply(&failed(ErrorCode::GroupAuthorizationFailed));
    }
    let client_host = format!("/{}", context.connection.host.as_str());
    let client =
        ClientContext { client_id: context.client_id.as_deref().unwrap_or_default(), client_host: &client_host };
    let part = ask(node, context, &request.group_id, GroupAnswer::Join, failed, |shard, env, waiter| {
        shard.join(env, &client, version, request, waiter)
    });
    reply_with(node, context, part)
}

//! DeleteGroups (0-3): each group's own result; v3 says why in words.

use super::{ask, finish};
use crate::node::Node;
use crate::request::{Answer, Context};
use ottla_group::GroupAnswer;
use ottla_machine::Disk;
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::delete_groups_response::DeletableGroupResult;
use ottla_wire::api::{DeleteGroupsRequest, DeleteGroupsResponse};
use std::collections::BTreeSet;

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &DeleteGroupsRequest<'_>) -> Answer<D> {
    let groups: BTreeSet<&str> = request.groups_names.iter().map(AsRef::as_ref).collect();
    let failed = |group: &str, error: ErrorCode| DeleteGroupsResponse {
        results: vec![DeletableGroupResult {
            group_id: group.to_owned().into(),
            error_code: error.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut parts = Vec::new();
    let mut results = Vec::new();
    for group in groups {
        if !context.may_to_group(node, AclOperation::Delete, group) {
            results.extend(failed(group, ErrorCode::GroupAuthorizationFailed).results);
            continue;
        }
        let unavailable = |error| failed(group, error);
        parts.push(ask(node, context, group, GroupAnswer::DeleteGroups, unavailable, |shard, env, waiter| {
            shard.delete_groups(env, &[group], waiter)
        }));
    }
    finish(node, context, parts, move |_, context, answers| {
        for answer in answers {
            if let GroupAnswer::DeleteGroups(answer) = answer {
                results.extend(answer.results);
            }
        }
        context.reply(&DeleteGroupsResponse { results, ..Default::default() })
    })
}

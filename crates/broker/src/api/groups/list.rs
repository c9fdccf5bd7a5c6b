//! ListGroups (0-5): v4 filters by state, v5 by type. One shard that loads makes the whole answer wait.

use crate::node::Node;
use crate::request::{Answer, Context};
use ottla_machine::Disk;
use ottla_security::AclOperation;
use ottla_wire::api::{ListGroupsRequest, ListGroupsResponse};

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &ListGroupsRequest<'_>) -> Answer<D> {
    let all = context.may_to_cluster(node, AclOperation::Describe);
    let listed: Result<Vec<_>, _> = node.each_shard(|shard| shard.list(request)).into_iter().collect();
    let response = match listed {
        Err(error) => ListGroupsResponse { error_code: error.into(), ..Default::default() },
        Ok(groups) => {
            let visible = groups.into_iter().flatten();
            let visible =
                visible.filter(|group| all || context.may_to_group(node, AclOperation::Describe, &group.group_id));
            ListGroupsResponse { groups: visible.collect(), ..Default::default() }
        }
    };
    context.reply(&response)
}

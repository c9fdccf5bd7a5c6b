//! DescribeGroups (0-6): v3 tells what the client may do, v6 says in words why a group is not there (KIP-1043).

use crate::node::Node;
use crate::request::{Answer, Context};
use ottla_machine::Disk;
use ottla_security::{AclOperation, ResourceType};
use ottla_wire::ErrorCode;
use ottla_wire::api::describe_groups_response::DescribedGroup;
use ottla_wire::api::{DescribeGroupsRequest, DescribeGroupsResponse};

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &DescribeGroupsRequest<'_>) -> Answer<D> {
    let failed = |group: &str, error: ErrorCode| DescribedGroup {
        group_id: group.to_owned().into(),
        error_code: error.into(),
        ..Default::default()
    };
    let describe = |group: &std::borrow::Cow<'_, str>| {
        if !context.may_to_group(node, AclOperation::Describe, group) {
            return failed(group, ErrorCode::GroupAuthorizationFailed);
        }
        let described = node.look_at_group(group, |shard| shard.describe(context.version, group));
        let mut described = described.unwrap_or_else(|error| failed(group, error));
        if context.version >= 3 && request.include_authorized_operations && described.error_code == 0 {
            described.authorized_operations = context.operations(node, ResourceType::Group, group);
        }
        described
    };
    let groups = request.groups.iter().map(describe).collect();
    context.reply(&DescribeGroupsResponse { groups, ..Default::default() })
}

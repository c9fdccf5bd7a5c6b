//! DescribeAcls (1-3).

use super::throttle::NOT_THROTTLED_MS;
use crate::node::Node;
use crate::request::{Answer, Context};
use ottla_machine::Disk;
use ottla_security::{Acl, AclFilter, AclOperation, AclPermissionType, PatternType, ResourceType};
use ottla_wire::ErrorCode;
use ottla_wire::api::describe_acls_response::{AclDescription, DescribeAclsResource};
use ottla_wire::api::{DescribeAclsRequest, DescribeAclsResponse};
use std::collections::BTreeMap;

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &DescribeAclsRequest<'_>) -> Answer<D> {
    let failed = |error: ErrorCode, message: Option<String>| DescribeAclsResponse {
        throttle_time_ms: NOT_THROTTLED_MS,
        error_code: error.into(),
        error_message: message.map(Into::into),
        ..Default::default()
    };
    if !context.may_to_cluster(node, AclOperation::Describe) {
        return context.reply(&failed(ErrorCode::ClusterAuthorizationFailed, None));
    }
    let published = node.published();
    let Some(acls) = published.authorizer.acls() else {
        let message = "No Authorizer is configured on the broker".to_owned();
        return context.reply(&failed(ErrorCode::SecurityDisabled, Some(message)));
    };
    let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_ref().map(ToString::to_string);
    let filter = AclFilter {
        resource_type: ResourceType::from_code(request.resource_type_filter),
        resource_name: text(&request.resource_name_filter),
        pattern_type: PatternType::from_code(request.pattern_type_filter),
        principal: text(&request.principal_filter),
        host: text(&request.host_filter),
        operation: AclOperation::from_code(request.operation),
        permission_type: AclPermissionType::from_code(request.permission_type),
    };
    if let Err(error) = filter.validate() {
        return context.reply(&failed(ErrorCode::InvalidRequest, Some(error.to_string())));
    }
    let mut by_pattern: BTreeMap<(i8, &str, i8), Vec<AclDescription<'_>>> = BTreeMap::new();
    let describe = |acl: &Acl| AclDescription {
        principal: acl.principal.clone().into(),
        host: acl.host.clone().into(),
        operation: acl.operation.code(),
        permission_type: acl.permission_type.code(),
        ..Default::default()
    };
    for (_, acl) in acls.matching(&filter) {
        let pattern = (acl.resource_type.code(), acl.resource_name.as_str(), acl.pattern_type.code());
        by_pattern.entry(pattern).or_default().push(describe(acl));
    }
    let resource = |((resource_type, name, pattern_type), acls)| DescribeAclsResource {
        resource_type,
        resource_name: std::borrow::Cow::Borrowed(name),
        pattern_type,
        acls,
        ..Default::default()
    };
    let resources = by_pattern.into_iter().map(resource).collect();
    context.reply(&DescribeAclsResponse {
        throttle_time_ms: NOT_THROTTLED_MS,
        error_message: Some("".into()),
        resources,
        ..Default::default()
    })
}

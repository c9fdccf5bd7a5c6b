//! CreateAcls and DeleteAcls (1-3): SECURITY_DISABLED where no authorizer is configured.

use super::{Asker, Decision, owned};
use crate::node::Desk;
use ottla_metadata::image;
use ottla_security::{Acl, AclFilter, AclOperation, AclPermissionType, PatternType, ResourceType};
use ottla_wire::api::create_acls_response::AclCreationResult;
use ottla_wire::api::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl};
use ottla_wire::api::{CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse};
use ottla_wire::{ApiError, ErrorCode};

/// Kafka's words for a node without an authorizer.
pub(crate) const NO_AUTHORIZER: &str = "No Authorizer is configured.";

fn refusal(asker: &Asker) -> Option<ApiError> {
    if asker.authorizer.acls().is_none() {
        return Some(ApiError::new(ErrorCode::SecurityDisabled, NO_AUTHORIZER));
    }
    (!asker.may_to_cluster(AclOperation::Alter)).then(|| ErrorCode::ClusterAuthorizationFailed.into())
}

/// What a broker asks of a name before the controller sees it.
fn check_name(acl: &Acl) -> Result<(), ApiError> {
    let refusal = match (acl.resource_type, acl.resource_name.as_str()) {
        (_, "") => "Invalid empty resource name",
        (ResourceType::Cluster, name) if name != "kafka-cluster" => {
            "The only valid name for the CLUSTER resource is kafka-cluster"
        }
        _ => return Ok(()),
    };
    Err(ApiError::new(ErrorCode::InvalidRequest, refusal))
}

pub(super) fn decide_create(desk: &mut Desk<'_>, asker: &Asker, request: &CreateAclsRequest<'_>) -> Decision {
    let acls: Vec<Acl> = request
        .creations
        .iter()
        .map(|c| Acl {
            resource_type: ResourceType::from_code(c.resource_type),
            resource_name: c.resource_name.to_string(),
            pattern_type: PatternType::from_code(c.resource_pattern_type),
            principal: c.principal.to_string(),
            host: c.host.to_string(),
            operation: AclOperation::from_code(c.operation),
            permission_type: AclPermissionType::from_code(c.permission_type),
        })
        .collect();
    let (records, results) = match refusal(asker) {
        Some(error) => (Vec::new(), vec![Err(error); acls.len()]),
        None => {
            let named: Vec<Result<(), ApiError>> = acls.iter().map(check_name).collect();
            let well_named = acls.into_iter().zip(&named).filter(|(_, check)| check.is_ok());
            let well_named: Vec<Acl> = well_named.map(|(acl, _)| acl).collect();
            let outcome = desk.controller.create_acls(&well_named, desk.seed);
            let mut decided = outcome.response.into_iter();
            let results = named.into_iter().map(|check| check.and_then(|()| decided.next().unwrap_or(Ok(()))));
            (outcome.records, results.collect())
        }
    };
    let result = |result: Result<(), ApiError>| match result {
        // What Kafka leaves unset in this message is the empty text, not none.
        Ok(()) => AclCreationResult { error_message: Some("".into()), ..Default::default() },
        Err(error) => {
            AclCreationResult { error_code: error.code.into(), error_message: error.message, ..Default::default() }
        }
    };
    let results = results.into_iter().map(result).collect();
    (records, Box::new(CreateAclsResponse { results, ..Default::default() }))
}

pub(super) fn decide_delete(desk: &mut Desk<'_>, asker: &Asker, request: &DeleteAclsRequest<'_>) -> Decision {
    let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_ref().map(ToString::to_string);
    let filters: Vec<AclFilter> = request
        .filters
        .iter()
        .map(|f| AclFilter {
            resource_type: ResourceType::from_code(f.resource_type_filter),
            resource_name: text(&f.resource_name_filter),
            pattern_type: PatternType::from_code(f.pattern_type_filter),
            principal: text(&f.principal_filter),
            host: text(&f.host_filter),
            operation: AclOperation::from_code(f.operation),
            permission_type: AclPermissionType::from_code(f.permission_type),
        })
        .collect();
    let decided = match refusal(asker) {
        Some(error) => Err(error),
        None => desk.controller.delete_acls(&filters),
    };
    let (records, results) = match decided {
        Ok(outcome) => (outcome.records, outcome.response),
        Err(error) => (Vec::new(), vec![Err(error); filters.len()]),
    };
    let matching = |acl: image::Acl| DeleteAclsMatchingAcl {
        resource_type: acl.resource_type,
        resource_name: owned(&acl.resource_name),
        pattern_type: acl.pattern_type,
        principal: owned(&acl.principal),
        host: owned(&acl.host),
        operation: acl.operation,
        permission_type: acl.permission_type,
        ..Default::default()
    };
    let result = |result: Result<Vec<image::Acl>, ApiError>| match result {
        Ok(acls) => {
            DeleteAclsFilterResult { matching_acls: acls.into_iter().map(matching).collect(), ..Default::default() }
        }
        Err(error) => {
            DeleteAclsFilterResult { error_code: error.code.into(), error_message: error.message, ..Default::default() }
        }
    };
    let filter_results = results.into_iter().map(result).collect();
    (records, Box::new(DeleteAclsResponse { filter_results, ..Default::default() }))
}

//! Access control entries: what is allowed and denied, and changes to it.

use super::{Admin, Target};
use crate::error::{ClientError, Result};
use crate::shell::reply::Reply;
use ottla_wire::api::create_acls_request::AclCreation;
use ottla_wire::api::delete_acls_request::DeleteAclsFilter;
use ottla_wire::api::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest,
    DescribeAclsResponse,
};

/// The protocol's code for anything, in filters.
pub const ANY: i8 = 1;

/// What entries are about; the numbers are the protocol's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourcePattern {
    pub resource_type: i8,
    pub name: String,
    pub pattern_type: i8,
}

/// Who may do what, or may not; the numbers are the protocol's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AclEntry {
    pub principal: String,
    pub host: String,
    pub operation: i8,
    pub permission_type: i8,
}

/// Which resources a call is about; None is any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceFilter {
    pub resource_type: i8,
    pub name: Option<String>,
    pub pattern_type: i8,
}

impl ResourceFilter {
    pub const EVERYTHING: Self = Self { resource_type: ANY, name: None, pattern_type: ANY };
}

impl From<&ResourcePattern> for ResourceFilter {
    fn from(pattern: &ResourcePattern) -> Self {
        Self {
            resource_type: pattern.resource_type,
            name: Some(pattern.name.clone()),
            pattern_type: pattern.pattern_type,
        }
    }
}

impl Admin {
    /// All entries of resources that match, in the order of the answer.
    pub async fn describe_acls(&self, filter: &ResourceFilter) -> Result<Vec<(ResourcePattern, AclEntry)>> {
        let request = |_| DescribeAclsRequest {
            resource_type_filter: filter.resource_type,
            resource_name_filter: filter.name.as_deref().map(Into::into),
            pattern_type_filter: filter.pattern_type,
            principal_filter: None,
            host_filter: None,
            operation: ANY,
            permission_type: ANY,
            ..Default::default()
        };
        let read = |reply: &Reply| {
            let response: DescribeAclsResponse<'_> = reply.read()?;
            ClientError::check(response.error_code, response.error_message.as_deref())?;
            let mut found = Vec::new();
            for resource in &response.resources {
                let pattern = ResourcePattern {
                    resource_type: resource.resource_type,
                    name: resource.resource_name.to_string(),
                    pattern_type: resource.pattern_type,
                };
                for acl in &resource.acls {
                    let entry = AclEntry {
                        principal: acl.principal.to_string(),
                        host: acl.host.to_string(),
                        operation: acl.operation,
                        permission_type: acl.permission_type,
                    };
                    found.push((pattern.clone(), entry));
                }
            }
            Ok(found)
        };
        self.call("describeAcls", Target::Any, request, read).await
    }

    /// Adds entries to one resource; the first error is told after all were tried.
    pub async fn create_acls(&self, resource: &ResourcePattern, entries: &[AclEntry]) -> Result<()> {
        let request = |_| {
            let creation = |entry: &AclEntry| AclCreation {
                resource_type: resource.resource_type,
                resource_name: resource.name.clone().into(),
                resource_pattern_type: resource.pattern_type,
                principal: entry.principal.clone().into(),
                host: entry.host.clone().into(),
                operation: entry.operation,
                permission_type: entry.permission_type,
                ..Default::default()
            };
            CreateAclsRequest { creations: entries.iter().map(creation).collect(), ..Default::default() }
        };
        let read = |reply: &Reply| {
            let response: CreateAclsResponse<'_> = reply.read()?;
            let mut results = response.results.iter();
            results.try_for_each(|result| ClientError::check(result.error_code, result.error_message.as_deref()))
        };
        self.call("createAcls", Target::Controller, request, read).await
    }

    /// Removes these entries from all resources that match, or with None all entries.
    pub async fn delete_acls(&self, resources: &ResourceFilter, entries: Option<&[AclEntry]>) -> Result<()> {
        let request = |_| {
            let filter = |entry: Option<&AclEntry>| DeleteAclsFilter {
                resource_type_filter: resources.resource_type,
                resource_name_filter: resources.name.clone().map(Into::into),
                pattern_type_filter: resources.pattern_type,
                principal_filter: entry.map(|entry| entry.principal.clone().into()),
                host_filter: entry.map(|entry| entry.host.clone().into()),
                operation: entry.map_or(ANY, |entry| entry.operation),
                permission_type: entry.map_or(ANY, |entry| entry.permission_type),
                ..Default::default()
            };
            let filters = match entries {
                Some(entries) => entries.iter().map(|entry| filter(Some(entry))).collect(),
                None => vec![filter(None)],
            };
            DeleteAclsRequest { filters, ..Default::default() }
        };
        let read = |reply: &Reply| {
            let response: DeleteAclsResponse<'_> = reply.read()?;
            for result in &response.filter_results {
                ClientError::check(result.error_code, result.error_message.as_deref())?;
                let mut matching = result.matching_acls.iter();
                matching.try_for_each(|acl| ClientError::check(acl.error_code, acl.error_message.as_deref()))?;
            }
            Ok(())
        };
        self.call("deleteAcls", Target::Controller, request, read).await
    }
}

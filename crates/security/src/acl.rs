//! An ACL, what may be created as one, and the filters of DescribeAcls and DeleteAcls.
//!
//! The texts of refusals are Kafka's: tools show them to people, and scripts look for them.

use crate::host::Cidr;
use crate::{AclOperation, AclPermissionType, PatternType, ResourceType};
use std::fmt;

/// The name that stands for every resource of a type, and the host that stands for every host.
pub const WILDCARD: &str = "*";

/// One binding of a resource pattern to an access control entry, as an AccessControlEntryRecord holds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acl {
    pub resource_type: ResourceType,
    pub resource_name: String,
    pub pattern_type: PatternType,
    /// `Type:Name`, as it was given.
    pub principal: String,
    pub host: String,
    pub operation: AclOperation,
    pub permission_type: AclPermissionType,
}

/// Whether the finalized metadata.version knows address ranges as hosts (KIP-1276, from 4.4-IV1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CidrHosts {
    Supported,
    Unsupported,
}

/// Why an ACL may not be created or a filter not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AclError {
    /// INVALID_REQUEST
    #[error("{0}")]
    InvalidRequest(String),
    /// UNSUPPORTED_VERSION
    #[error("{0}")]
    UnsupportedVersion(String),
}

impl Acl {
    /// What the controller checks before it creates an ACL, in its order.
    pub fn validate(&self, cidr_hosts: CidrHosts) -> Result<(), AclError> {
        let invalid = |text: String| Err(AclError::InvalidRequest(text));
        if matches!(self.resource_type, ResourceType::Unknown | ResourceType::Any) {
            return invalid(format!("Invalid resourceType {}", self.resource_type));
        }
        if !matches!(self.pattern_type, PatternType::Literal | PatternType::Prefixed) {
            return invalid(format!("Invalid patternType {}", self.pattern_type));
        }
        if matches!(self.operation, AclOperation::Unknown | AclOperation::Any) {
            return invalid(format!("Invalid operation {}", self.operation));
        }
        if !matches!(self.permission_type, AclPermissionType::Deny | AclPermissionType::Allow) {
            return invalid(format!("Invalid permissionType {}", self.permission_type));
        }
        if self.resource_name.is_empty() {
            return invalid("Resource name should not be empty".to_owned());
        }
        if !self.principal.contains(':') {
            return invalid(format!(
                "Could not parse principal from `{}` (no colon is present separating the principal type from the principal name)",
                self.principal
            ));
        }
        validate_host(&self.host, cidr_hosts)
    }
}

fn validate_host(host: &str, cidr_hosts: CidrHosts) -> Result<(), AclError> {
    if host.is_empty() {
        return Err(AclError::InvalidRequest("Host pattern cannot be null or empty".to_owned()));
    }
    if !host.contains('/') {
        return Ok(());
    }
    if cidr_hosts == CidrHosts::Unsupported {
        return Err(AclError::UnsupportedVersion(
            "CIDR-based ACL host patterns require metadata version 4.4-IV1 or higher.".to_owned(),
        ));
    }
    Cidr::parse(host)
        .map(drop)
        .map_err(|error| AclError::InvalidRequest(format!("Invalid CIDR notation '{host}': {error}")))
}

/// As Kafka prints an ACL in its audit log.
impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "StandardAcl[resourceType={}, resourceName={}, patternType={}, principal={}, host={}, operation={}, permissionType={}]",
            self.resource_type,
            self.resource_name,
            self.pattern_type,
            self.principal,
            self.host,
            self.operation,
            self.permission_type
        )
    }
}

/// Which ACLs a DescribeAcls or DeleteAcls request means. `None` and `Any` leave a field open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclFilter {
    pub resource_type: ResourceType,
    pub resource_name: Option<String>,
    pub pattern_type: PatternType,
    pub principal: Option<String>,
    pub host: Option<String>,
    pub operation: AclOperation,
    pub permission_type: AclPermissionType,
}

impl AclFilter {
    /// Every ACL there is.
    pub const ANY: Self = Self {
        resource_type: ResourceType::Any,
        resource_name: None,
        pattern_type: PatternType::Any,
        principal: None,
        host: None,
        operation: AclOperation::Any,
        permission_type: AclPermissionType::Any,
    };

    /// A filter with a code that this node does not know is refused, as it could mean more than it seems to.
    pub fn validate(&self) -> Result<(), AclError> {
        if self.resource_type == ResourceType::Unknown || self.pattern_type == PatternType::Unknown {
            return Err(AclError::InvalidRequest("Unknown patternFilter.".to_owned()));
        }
        if self.operation == AclOperation::Unknown || self.permission_type == AclPermissionType::Unknown {
            return Err(AclError::InvalidRequest("Unknown entryFilter.".to_owned()));
        }
        Ok(())
    }

    pub fn matches(&self, acl: &Acl) -> bool {
        self.matches_pattern(acl)
            && self.principal.as_ref().is_none_or(|p| *p == acl.principal)
            && self.host.as_ref().is_none_or(|h| *h == acl.host)
            && (self.operation == AclOperation::Any || self.operation == acl.operation)
            && (self.permission_type == AclPermissionType::Any || self.permission_type == acl.permission_type)
    }

    fn matches_pattern(&self, acl: &Acl) -> bool {
        if self.resource_type != ResourceType::Any && self.resource_type != acl.resource_type {
            return false;
        }
        let open = matches!(self.pattern_type, PatternType::Any | PatternType::Match);
        if !open && self.pattern_type != acl.pattern_type {
            return false;
        }
        let Some(name) = &self.resource_name else {
            return true;
        };
        if self.pattern_type != PatternType::Match {
            return *name == acl.resource_name;
        }
        // MATCH asks which ACLs would be looked at for a resource of this name.
        match acl.pattern_type {
            PatternType::Literal => *name == acl.resource_name || acl.resource_name == WILDCARD,
            PatternType::Prefixed => name.starts_with(&acl.resource_name),
            _ => false,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn acl(pattern_type: PatternType, name: &str) -> Acl {
        Acl {
            resource_type: ResourceType::Topic,
            resource_name: name.to_owned(),
            pattern_type,
            principal: "User:alice".to_owned(),
            host: WILDCARD.to_owned(),
            operation: AclOperation::Read,
            permission_type: AclPermissionType::Allow,
        }
    }

    fn refused(change: impl Fn(&mut Acl)) -> String {
        let mut acl = acl(PatternType::Literal, "orders");
        change(&mut acl);
        acl.validate(CidrHosts::Supported).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_an_acl_is_refused_in_kafkas_words() {
        assert_eq!(refused(|a| a.resource_type = ResourceType::Any), "Invalid resourceType ANY");
        assert_eq!(refused(|a| a.pattern_type = PatternType::Match), "Invalid patternType MATCH");
        assert_eq!(refused(|a| a.operation = AclOperation::Unknown), "Invalid operation UNKNOWN");
        assert_eq!(refused(|a| a.permission_type = AclPermissionType::Any), "Invalid permissionType ANY");
        assert_eq!(refused(|a| a.resource_name.clear()), "Resource name should not be empty");
        assert_eq!(refused(|a| a.host.clear()), "Host pattern cannot be null or empty");
        assert_eq!(
            refused(|a| a.principal = "alice".to_owned()),
            "Could not parse principal from `alice` (no colon is present separating the principal type from the principal name)"
        );
        assert_eq!(
            refused(|a| a.host = "10.0.0.0/33".to_owned()),
            "Invalid CIDR notation '10.0.0.0/33': Value [33] not in range [0,32]"
        );
    }

    #[test]
    fn ranges_wait_for_their_metadata_version() {
        let mut acl = acl(PatternType::Literal, "orders");
        acl.host = "10.0.0.0/8".to_owned();
        assert_eq!(acl.validate(CidrHosts::Supported), Ok(()));
        assert!(matches!(acl.validate(CidrHosts::Unsupported), Err(AclError::UnsupportedVersion(_))));
        acl.host = "a-name".to_owned();
        assert_eq!(acl.validate(CidrHosts::Unsupported), Ok(()));
    }

    fn found(pattern_type: PatternType, name: &str) -> Vec<String> {
        let acls = [
            acl(PatternType::Literal, "orders"),
            acl(PatternType::Literal, "*"),
            acl(PatternType::Prefixed, "ord"),
            acl(PatternType::Prefixed, "orders"),
            acl(PatternType::Prefixed, "bills"),
        ];
        let filter = AclFilter { pattern_type, resource_name: Some(name.to_owned()), ..AclFilter::ANY };
        acls.iter()
            .filter(|acl| filter.matches(acl))
            .map(|acl| format!("{}:{}", acl.pattern_type, acl.resource_name))
            .collect()
    }

    #[test]
    fn pattern_types_of_filters() {
        assert_eq!(found(PatternType::Literal, "orders"), ["LITERAL:orders"]);
        assert_eq!(found(PatternType::Prefixed, "orders"), ["PREFIXED:orders"]);
        assert_eq!(found(PatternType::Any, "orders"), ["LITERAL:orders", "PREFIXED:orders"]);
        assert_eq!(
            found(PatternType::Match, "orders"),
            ["LITERAL:orders", "LITERAL:*", "PREFIXED:ord", "PREFIXED:orders"]
        );
        assert_eq!(found(PatternType::Match, "order"), ["LITERAL:*", "PREFIXED:ord"]);
    }

    #[test]
    fn entries_are_compared_as_text_and_code() {
        let acl = acl(PatternType::Literal, "orders");
        assert!(AclFilter::ANY.matches(&acl));
        let not = |filter: AclFilter| assert!(!filter.matches(&acl), "{filter:?}");
        not(AclFilter { principal: Some("User:bob".to_owned()), ..AclFilter::ANY });
        // The wildcard is a value like any other here.
        not(AclFilter { host: Some("10.0.0.1".to_owned()), ..AclFilter::ANY });
        not(AclFilter { operation: AclOperation::All, ..AclFilter::ANY });
        not(AclFilter { permission_type: AclPermissionType::Deny, ..AclFilter::ANY });
        not(AclFilter { resource_type: ResourceType::Group, ..AclFilter::ANY });
        assert!(AclFilter { operation: AclOperation::Unknown, ..AclFilter::ANY }.validate().is_err());
    }
}

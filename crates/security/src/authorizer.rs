//! The order in which a node decides who may do what: super users, then denials, then permissions, then the default.
//!
//! The decisions are those of Kafka's StandardAuthorizer. An authorizer is a value: with new ACLs the node makes a
//! new one and publishes it, so a request sees one version throughout. It lacks a state of "not loaded yet", since
//! listeners open after the first publication; and it writes no audit log, but says which rule decided.

use crate::store::Rule as AclRule;
use crate::{
    Acl, AclOperation, AclPermissionType, AclStore, ClientHost, InvalidPrincipal, PatternType, Principal, ResourceType,
    WILDCARD,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

/// What an API asks before it acts.
pub trait Authorizer: Send + Sync + fmt::Debug {
    /// May this client do this to this resource?
    fn authorize(&self, context: &RequestContext<'_>, action: &Action<'_>) -> Decision {
        self.rule(context, action).decision()
    }

    /// The same, with the reason, for the audit log.
    fn rule<'a>(&'a self, context: &RequestContext<'_>, action: &Action<'_>) -> Rule<'a>;

    /// May this client do this to at least one resource of the type? (InitProducerId and idempotent Produce)
    fn authorize_by_resource_type(
        &self,
        context: &RequestContext<'_>,
        operation: AclOperation,
        resource_type: ResourceType,
    ) -> Decision;

    /// The ACLs behind the decisions. `None`: the ACL APIs answer SECURITY_DISABLED.
    fn acls(&self) -> Option<&AclStore>;

    /// What this client may do to a resource, as the bit field of Metadata, DescribeGroups and DescribeCluster.
    fn authorized_operations(
        &self,
        context: &RequestContext<'_>,
        resource_type: ResourceType,
        resource_name: &str,
    ) -> i32 {
        resource_type
            .supported_operations()
            .iter()
            .filter(|operation| {
                let action = Action::new(**operation, resource_type, resource_name);
                self.authorize(context, &action) == Decision::Allowed
            })
            .fold(0, |bits, operation| bits | 1 << operation.code())
    }
}

/// Who asks, and from where.
#[derive(Debug, Clone, Copy)]
pub struct RequestContext<'a> {
    pub principal: &'a Principal,
    pub host: &'a ClientHost,
}

/// An operation on a resource, named literally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action<'a> {
    pub operation: AclOperation,
    pub resource_type: ResourceType,
    pub resource_name: &'a str,
}

impl<'a> Action<'a> {
    pub fn new(operation: AclOperation, resource_type: ResourceType, resource_name: &'a str) -> Self {
        Self { operation, resource_type, resource_name }
    }

    /// The cluster has one name.
    pub fn cluster(operation: AclOperation) -> Self {
        Self::new(operation, ResourceType::Cluster, "kafka-cluster")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    Denied,
}

impl Decision {
    pub fn is_allowed(self) -> bool {
        self == Self::Allowed
    }
}

/// What decided. Printed as in Kafka's audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule<'a> {
    SuperUser,
    Acl(&'a Acl, Decision),
    Default(Decision),
}

impl Rule<'_> {
    pub fn decision(&self) -> Decision {
        match self {
            Self::SuperUser => Decision::Allowed,
            Self::Acl(_, decision) | Self::Default(decision) => *decision,
        }
    }
}

impl fmt::Display for Rule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SuperUser => f.write_str("SuperUser"),
            Self::Acl(acl, _) => write!(f, "MatchingAcl(acl={acl})"),
            Self::Default(Decision::Allowed) => f.write_str("DefaultAllow"),
            Self::Default(Decision::Denied) => f.write_str("DefaultDeny"),
        }
    }
}

/// No authorizer is configured: everybody may do everything, and there are no ACLs.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowAll;

impl Authorizer for AllowAll {
    fn rule<'a>(&'a self, _: &RequestContext<'_>, _: &Action<'_>) -> Rule<'a> {
        Rule::Default(Decision::Allowed)
    }

    fn authorize_by_resource_type(&self, _: &RequestContext<'_>, _: AclOperation, _: ResourceType) -> Decision {
        Decision::Allowed
    }

    fn acls(&self) -> Option<&AclStore> {
        None
    }
}

/// `super.users`: principals separated by semicolons (a comma may stand in a distinguished name).
pub fn parse_super_users(text: &str) -> Result<BTreeSet<Principal>, InvalidPrincipal> {
    text.split(';').map(str::trim).filter(|user| !user.is_empty()).map(str::parse).collect()
}

/// Kafka's StandardAuthorizer over one version of the ACLs.
#[derive(Debug, Clone)]
pub struct StandardAuthorizer {
    super_users: Arc<BTreeSet<Principal>>,
    no_acl_found: Decision,
    acls: AclStore,
}

impl StandardAuthorizer {
    /// `no_acl_found` is `allow.everyone.if.no.acl.found`: what holds for a resource that no ACL names.
    pub fn new(super_users: BTreeSet<Principal>, no_acl_found: Decision) -> Self {
        Self { super_users: Arc::new(super_users), no_acl_found, acls: AclStore::new() }
    }

    /// The next version, with the ACLs of a newer image.
    #[must_use]
    pub fn with_acls(&self, acls: AclStore) -> Self {
        Self { acls, ..self.clone() }
    }
}

impl Authorizer for StandardAuthorizer {
    fn rule<'a>(&'a self, context: &RequestContext<'_>, action: &Action<'_>) -> Rule<'a> {
        if self.super_users.contains(context.principal) {
            return Rule::SuperUser;
        }
        let mut resource_has_acls = false;
        let mut allow = None;
        let mut deny = None;
        self.acls.visit(action.resource_type, action.resource_name, |rule| {
            resource_has_acls = true;
            if is_for(rule, context) && covers(&rule.acl, action.operation) {
                if rule.acl.permission_type != AclPermissionType::Allow {
                    deny = Some(rule.acl.as_ref());
                    return ControlFlow::Break(());
                }
                allow = Some(rule.acl.as_ref());
            }
            ControlFlow::Continue(())
        });
        match (deny, allow) {
            (Some(acl), _) => Rule::Acl(acl, Decision::Denied),
            (None, Some(acl)) => Rule::Acl(acl, Decision::Allowed),
            (None, None) if resource_has_acls => Rule::Default(Decision::Denied),
            (None, None) => Rule::Default(self.no_acl_found),
        }
    }

    fn authorize_by_resource_type(
        &self,
        context: &RequestContext<'_>,
        operation: AclOperation,
        resource_type: ResourceType,
    ) -> Decision {
        // A name that stands for any resource without ACLs of its own, so that super users and the default count.
        if self.authorize(context, &Action::new(operation, resource_type, "hardcode")).is_allowed() {
            return Decision::Allowed;
        }
        let mut names: BTreeMap<(Permission, PatternKind), BTreeSet<&str>> = BTreeMap::new();
        for rule in self.acls.of_type(resource_type) {
            let acl = &rule.acl;
            // What an operation implies does not count here.
            let same = acl.operation == operation || acl.operation == AclOperation::All;
            if same && is_for(rule, context) {
                let key = (Permission::of(acl), PatternKind::of(acl));
                names.entry(key).or_default().insert(&acl.resource_name);
            }
        }
        let of = |permission, kind| names.get(&(permission, kind));
        let has_wildcard =
            |permission| of(permission, PatternKind::Literal).is_some_and(|names| names.contains(WILDCARD));
        if has_wildcard(Permission::Deny) {
            return Decision::Denied;
        }
        if has_wildcard(Permission::Allow) {
            return Decision::Allowed;
        }
        let denied_prefix = |name: &str| {
            of(Permission::Deny, PatternKind::Prefixed)
                .is_some_and(|denied| denied.iter().any(|prefix| name.starts_with(prefix)))
        };
        let denied_literal =
            |name: &str| of(Permission::Deny, PatternKind::Literal).is_some_and(|denied| denied.contains(name));
        let allowed = |kind| of(Permission::Allow, kind).into_iter().flatten();
        let any = allowed(PatternKind::Prefixed).any(|name| !denied_prefix(name))
            || allowed(PatternKind::Literal).any(|name| !denied_literal(name) && !denied_prefix(name));
        if any { Decision::Allowed } else { Decision::Denied }
    }

    fn acls(&self) -> Option<&AclStore> {
        Some(&self.acls)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Permission {
    Allow,
    Deny,
}

impl Permission {
    fn of(acl: &Acl) -> Self {
        match acl.permission_type {
            AclPermissionType::Allow => Self::Allow,
            _ => Self::Deny,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PatternKind {
    Literal,
    Prefixed,
}

impl PatternKind {
    fn of(acl: &Acl) -> Self {
        match acl.pattern_type {
            PatternType::Literal => Self::Literal,
            _ => Self::Prefixed,
        }
    }
}

fn is_for(rule: &AclRule, context: &RequestContext<'_>) -> bool {
    rule.principal.as_ref().is_some_and(|principal| principal.is_wildcard() || principal == context.principal)
        && rule.host.matches(context.host)
}

/// Permission to change or use a thing implies permission to see it. A denial implies nothing.
fn covers(acl: &Acl, operation: AclOperation) -> bool {
    if acl.operation == AclOperation::All || acl.operation == operation {
        return true;
    }
    if acl.permission_type != AclPermissionType::Allow {
        return false;
    }
    match operation {
        AclOperation::Describe => matches!(
            acl.operation,
            AclOperation::Read | AclOperation::Write | AclOperation::Delete | AclOperation::Alter
        ),
        AclOperation::DescribeConfigs => acl.operation == AclOperation::AlterConfigs,
        _ => false,
    }
}

#[cfg(test)]
#[path = "authorizer_tests.rs"]
mod tests;

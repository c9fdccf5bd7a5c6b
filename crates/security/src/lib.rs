//! Who may do what: principals, ACL matching, the order in which an authorizer decides, and SCRAM credentials.
//!
//! All of it is values and functions: no socket, no clock, no randomness. The SASL exchanges come here too.

mod acl;
mod authorizer;
mod codes;
mod host;
mod principal;
mod principal_rules;
pub mod scram;
mod scram_argument;
mod store;

pub use acl::{Acl, AclError, AclFilter, CidrHosts, WILDCARD};
pub use authorizer::{
    Action, AllowAll, Authorizer, Decision, RequestContext, Rule, StandardAuthorizer, parse_super_users,
};
pub use codes::{AclOperation, AclPermissionType, PatternType, ResourceType};
pub use host::{Cidr, ClientHost, InvalidCidr};
pub use principal::{InvalidPrincipal, Principal, USER_TYPE};
pub use principal_rules::{InvalidRule, PrincipalRules};
pub use scram_argument::{InvalidScramArgument, ScramUser};
pub use store::{AclId, AclStore, StoreError};

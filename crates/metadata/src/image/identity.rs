//! Who may connect, and how much: ACLs, SCRAM credentials, delegation tokens and client quotas, as the records say.

use ottla_security as security;
use ottla_wire::Uuid;
use ottla_wire::metadata::{
    AccessControlEntryRecord, ClientQuotaRecord, DelegationTokenRecord, UserScramCredentialRecord, client_quota_record,
};
use std::collections::BTreeMap;

/// One access control entry; the numbers are Kafka's codes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acl {
    pub resource_type: i8,
    pub resource_name: String,
    pub pattern_type: i8,
    pub principal: String,
    pub host: String,
    pub operation: i8,
    pub permission_type: i8,
}

impl Acl {
    pub(super) fn from_record(record: &AccessControlEntryRecord<'_>) -> Self {
        Self {
            resource_type: record.resource_type,
            resource_name: record.resource_name.to_string(),
            pattern_type: record.pattern_type,
            principal: record.principal.to_string(),
            host: record.host.to_string(),
            operation: record.operation,
            permission_type: record.permission_type,
        }
    }

    #[must_use]
    pub fn to_record(&self, id: Uuid) -> AccessControlEntryRecord<'static> {
        AccessControlEntryRecord {
            id,
            resource_type: self.resource_type,
            resource_name: self.resource_name.clone().into(),
            pattern_type: self.pattern_type,
            principal: self.principal.clone().into(),
            host: self.host.clone().into(),
            operation: self.operation,
            permission_type: self.permission_type,
            ..Default::default()
        }
    }
}

/// As the authorizer takes it.
impl From<&Acl> for security::Acl {
    fn from(acl: &Acl) -> Self {
        Self {
            resource_type: security::ResourceType::from_code(acl.resource_type),
            resource_name: acl.resource_name.clone(),
            pattern_type: security::PatternType::from_code(acl.pattern_type),
            principal: acl.principal.clone(),
            host: acl.host.clone(),
            operation: security::AclOperation::from_code(acl.operation),
            permission_type: security::AclPermissionType::from_code(acl.permission_type),
        }
    }
}

/// What proves a password without holding it (RFC 5802).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramCredential {
    pub salt: Vec<u8>,
    pub stored_key: Vec<u8>,
    pub server_key: Vec<u8>,
    pub iterations: i32,
}

impl ScramCredential {
    pub(super) fn from_record(record: &UserScramCredentialRecord<'_>) -> Self {
        Self {
            salt: record.salt.to_vec(),
            stored_key: record.stored_key.to_vec(),
            server_key: record.server_key.to_vec(),
            iterations: record.iterations,
        }
    }

    #[must_use]
    pub fn to_record(&self, user: &str, mechanism: i8) -> UserScramCredentialRecord<'static> {
        UserScramCredentialRecord {
            name: user.to_owned().into(),
            mechanism,
            salt: self.salt.clone().into(),
            stored_key: self.stored_key.clone().into(),
            server_key: self.server_key.clone().into(),
            iterations: self.iterations,
            ..Default::default()
        }
    }
}

/// A delegation token (KIP-48), without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegationToken {
    pub owner: String,
    pub requester: String,
    pub renewers: Vec<String>,
    pub issue_timestamp: i64,
    pub max_timestamp: i64,
    pub expiration_timestamp: i64,
}

impl DelegationToken {
    pub(super) fn from_record(record: &DelegationTokenRecord<'_>) -> Self {
        Self {
            owner: record.owner.to_string(),
            requester: record.requester.to_string(),
            renewers: record.renewers.iter().map(ToString::to_string).collect(),
            issue_timestamp: record.issue_timestamp,
            max_timestamp: record.max_timestamp,
            expiration_timestamp: record.expiration_timestamp,
        }
    }

    #[must_use]
    pub fn to_record(&self, token_id: &str) -> DelegationTokenRecord<'static> {
        DelegationTokenRecord {
            owner: self.owner.clone().into(),
            requester: self.requester.clone().into(),
            renewers: self.renewers.iter().map(|r| r.clone().into()).collect(),
            issue_timestamp: self.issue_timestamp,
            max_timestamp: self.max_timestamp,
            expiration_timestamp: self.expiration_timestamp,
            token_id: token_id.to_owned().into(),
            ..Default::default()
        }
    }
}

/// Whom a quota is for: `user`, `client-id` or `ip` to a name, or to the default (None).
pub type QuotaEntity = BTreeMap<String, Option<String>>;

/// The quotas of an entity: Kafka's keys, such as `producer_byte_rate`.
pub type Quotas = BTreeMap<String, f64>;

pub(super) fn quota_entity(record: &ClientQuotaRecord<'_>) -> QuotaEntity {
    let name = |name: &std::borrow::Cow<'_, str>| name.to_string();
    record.entity.iter().map(|e| (e.entity_type.to_string(), e.entity_name.as_ref().map(name))).collect()
}

/// The record that sets one quota.
#[must_use]
pub fn quota_record(entity: &QuotaEntity, key: &str, value: f64) -> ClientQuotaRecord<'static> {
    let data = |(kind, name): (&String, &Option<String>)| client_quota_record::EntityData {
        entity_type: kind.clone().into(),
        entity_name: name.clone().map(Into::into),
        ..Default::default()
    };
    ClientQuotaRecord {
        entity: entity.iter().map(data).collect(),
        key: key.to_owned().into(),
        value,
        ..Default::default()
    }
}

//! Access control entries come and go.

use super::{Controller, Outcome, RECORDS_PER_REQUEST_MAX, new_id};
use crate::image::Acl;
use ottla_machine::Seed;
use ottla_security as security;
use ottla_wire::metadata::RemoveAccessControlEntryRecord;
use ottla_wire::{ApiError, ErrorCode};
use std::collections::BTreeSet;

/// What one filter of DeleteAcls removed.
pub type DeletedAcls = Result<Vec<Acl>, ApiError>;

/// From this `metadata.version` on hosts may be ranges (KIP-1276).
const CIDR_FROM: i16 = 32;

impl Controller<'_> {
    /// Each entry's own result. One that is there already is a success, and makes no record.
    pub fn create_acls(&self, acls: &[security::Acl], seed: &mut Seed) -> Outcome<Vec<Result<(), ApiError>>> {
        let cidr = match self.image.record_versions().level >= CIDR_FROM {
            true => security::CidrHosts::Supported,
            false => security::CidrHosts::Unsupported,
        };
        let mut known: BTreeSet<Acl> = self.image.acls.values().map(|acl| Acl::clone(acl)).collect();
        let mut outcome = Outcome { records: Vec::new(), response: Vec::new() };
        for acl in acls {
            let result = acl.validate(cidr).map_err(refusal).and_then(|()| {
                let acl = to_image(acl);
                if known.insert(acl.clone()) {
                    if outcome.records.len() == RECORDS_PER_REQUEST_MAX {
                        return Err(ErrorCode::PolicyViolation.into());
                    }
                    let id = new_id(seed, |id| self.image.acls.contains_key(&id));
                    outcome.records.push((acl.to_record(id).into(), 0));
                }
                Ok(())
            });
            outcome.response.push(result);
        }
        outcome
    }

    /// Each filter's own result; an entry that several filters match is removed once and told by each.
    pub fn delete_acls(&self, filters: &[security::AclFilter]) -> Result<Outcome<Vec<DeletedAcls>>, ApiError> {
        let mut outcome = Outcome { records: Vec::new(), response: Vec::new() };
        let mut removed = BTreeSet::new();
        for filter in filters {
            if let Err(error) = filter.validate() {
                outcome.response.push(Err(refusal(error)));
                continue;
            }
            let mut deleted = Vec::new();
            for (id, acl) in self.image.acls.iter().filter(|(_, acl)| filter.matches(&security::Acl::from(&***acl))) {
                if removed.insert(*id) {
                    if removed.len() > RECORDS_PER_REQUEST_MAX {
                        return Err(ApiError::new(
                            ErrorCode::InvalidRequest,
                            format!(
                                "Cannot remove more than {RECORDS_PER_REQUEST_MAX} acls in a single delete operation."
                            ),
                        ));
                    }
                    let record = RemoveAccessControlEntryRecord { id: *id, ..Default::default() };
                    outcome.records.push((record.into(), 0));
                }
                deleted.push(Acl::clone(acl));
            }
            outcome.response.push(Ok(deleted));
        }
        Ok(outcome)
    }
}

fn to_image(acl: &security::Acl) -> Acl {
    Acl {
        resource_type: acl.resource_type.code(),
        resource_name: acl.resource_name.clone(),
        pattern_type: acl.pattern_type.code(),
        principal: acl.principal.clone(),
        host: acl.host.clone(),
        operation: acl.operation.code(),
        permission_type: acl.permission_type.code(),
    }
}

fn refusal(error: security::AclError) -> ApiError {
    let code = match &error {
        security::AclError::InvalidRequest(_) => ErrorCode::InvalidRequest,
        security::AclError::UnsupportedVersion(_) => ErrorCode::UnsupportedVersion,
    };
    ApiError::new(code, error.to_string())
}

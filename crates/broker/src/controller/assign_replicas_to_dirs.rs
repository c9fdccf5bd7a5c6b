//! AssignReplicasToDirs (0): a broker tells in which directories its replicas lie (KIP-858). Only brokers may ask, and only
//! a controller's listener serves it.

use super::{Asker, Decision, Response};
use crate::node::Desk;
use ottla_security::AclOperation;
use ottla_wire::api::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};
use ottla_wire::{ApiError, ErrorCode};

pub(super) fn decide(desk: &mut Desk<'_>, asker: &Asker, request: &AssignReplicasToDirsRequest<'_>) -> Decision {
    let outcome = match asker.may_to_cluster(AclOperation::ClusterAction) {
        true => desk.controller.assign_replicas_to_dirs(request),
        false => Err(ApiError::from(ErrorCode::ClusterAuthorizationFailed)),
    };
    match outcome {
        Ok(outcome) => (outcome.records, Box::new(outcome.response)),
        Err(error) => (Vec::new(), refusal(error.code)),
    }
}

/// The answer when nothing was assigned.
pub(super) fn refusal(error: ErrorCode) -> Response {
    Box::new(AssignReplicasToDirsResponse { error_code: error.into(), ..Default::default() })
}

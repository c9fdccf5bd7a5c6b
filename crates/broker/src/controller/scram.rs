//! AlterUserScramCredentials (0, KIP-554).

use super::{Asker, Decision, Response, owned};
use crate::node::Desk;
use ottla_metadata::controller::{ScramDeletion, ScramResults, ScramUpsertion};
use ottla_security::AclOperation;
use ottla_wire::api::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use ottla_wire::api::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};
use ottla_wire::{ApiError, ErrorCode};

pub(super) fn decide(desk: &mut Desk<'_>, asker: &Asker, request: &AlterUserScramCredentialsRequest<'_>) -> Decision {
    if !asker.may_to_cluster(AclOperation::Alter) {
        return (Vec::new(), refusal(request, ErrorCode::ClusterAuthorizationFailed));
    }
    let deletions: Vec<ScramDeletion> =
        request.deletions.iter().map(|d| ScramDeletion { user: d.name.to_string(), mechanism: d.mechanism }).collect();
    let upsertions: Vec<ScramUpsertion> = request
        .upsertions
        .iter()
        .map(|u| ScramUpsertion {
            user: u.name.to_string(),
            mechanism: u.mechanism,
            iterations: u.iterations,
            salt: u.salt.to_vec(),
            salted_password: u.salted_password.to_vec(),
        })
        .collect();
    let outcome = desk.controller.alter_scram(&deletions, &upsertions);
    (outcome.records, respond(outcome.response))
}

/// Every user that the request names fails.
pub(super) fn refusal(request: &AlterUserScramCredentialsRequest<'_>, error: ErrorCode) -> Response {
    let deleted = request.deletions.iter().map(|d| &d.name);
    let users = deleted.chain(request.upsertions.iter().map(|u| &u.name));
    respond(users.map(|user| (user.to_string(), Err(error.into()))).collect())
}

fn respond(results: ScramResults) -> Response {
    let result = |(user, result): (String, Result<(), ApiError>)| {
        let (code, error_message) = match result {
            Ok(()) => (ErrorCode::None, None),
            Err(error) => (error.code, error.message),
        };
        AlterUserScramCredentialsResult {
            user: owned(&user),
            error_code: code.into(),
            error_message,
            ..Default::default()
        }
    };
    let results = results.into_iter().map(result).collect();
    Box::new(AlterUserScramCredentialsResponse { results, ..Default::default() })
}

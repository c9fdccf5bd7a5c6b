//! AddRaftVoter (0-1) and RemoveRaftVoter (0): controllers come into the quorum and leave it (KIP-853).

use super::{Asker, Decision, Response};
use crate::node::{Desk, QuorumChange};
use ottla_raft::{Voter, VoterEndpoint, VoterSet};
use ottla_security::AclOperation;
use ottla_wire::api::{AddRaftVoterRequest, AddRaftVoterResponse, RemoveRaftVoterRequest, RemoveRaftVoterResponse};
use ottla_wire::metadata::NoOpRecord;
use ottla_wire::{ApiError, ErrorCode};

fn decide(
    desk: &mut Desk<'_>,
    asker: &Asker,
    check: impl FnOnce(&Desk<'_>) -> Result<VoterSet, ApiError>,
) -> Result<Vec<ottla_metadata::controller::VersionedRecord>, ApiError> {
    if !asker.may_to_cluster(AclOperation::Alter) {
        return Err(ErrorCode::ClusterAuthorizationFailed.into());
    }
    let voters = check(desk)?;
    desk.quorum_change = Some(QuorumChange::Voters(voters));
    // Something to wait for, since control records are nobody's answer.
    Ok(vec![(NoOpRecord::default().into(), 0)])
}

pub(super) fn decide_add(desk: &mut Desk<'_>, asker: &Asker, request: &AddRaftVoterRequest<'_>) -> Decision {
    let endpoints = request.listeners.iter().map(|listener| VoterEndpoint {
        name: listener.name.to_string(),
        host: listener.host.to_string(),
        port: listener.port,
    });
    let voter = Voter {
        id: request.voter_id,
        directory_id: request.voter_directory_id,
        endpoints: endpoints.collect(),
        kraft_versions: (0, 0),
    };
    let cluster_id = request.cluster_id.as_deref();
    match decide(desk, asker, |desk| desk.membership.check_addition(cluster_id, &voter)) {
        Ok(records) => (records, Box::new(AddRaftVoterResponse::default())),
        Err(error) => (Vec::new(), add_refusal(error)),
    }
}

pub(super) fn decide_remove(desk: &mut Desk<'_>, asker: &Asker, request: &RemoveRaftVoterRequest<'_>) -> Decision {
    let (cluster_id, id, directory) = (request.cluster_id.as_deref(), request.voter_id, request.voter_directory_id);
    match decide(desk, asker, |desk| desk.membership.check_removal(cluster_id, id, directory)) {
        Ok(records) => (records, Box::new(RemoveRaftVoterResponse::default())),
        Err(error) => (Vec::new(), remove_refusal(error)),
    }
}

pub(super) fn add_refusal(error: ApiError) -> Response {
    let (error_code, error_message) = (error.code.into(), error.message);
    Box::new(AddRaftVoterResponse { error_code, error_message, ..Default::default() })
}

pub(super) fn remove_refusal(error: ApiError) -> Response {
    let (error_code, error_message) = (error.code.into(), error.message);
    Box::new(RemoveRaftVoterResponse { error_code, error_message, ..Default::default() })
}

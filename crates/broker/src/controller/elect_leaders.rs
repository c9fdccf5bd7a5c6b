//! ElectLeaders (0-2): v0 knows preferred leaders only and has no error of the whole.

use super::{Asker, Decision, Response, owned};
use crate::node::Desk;
use ottla_metadata::controller::{ElectedTopic, Outcome};
use ottla_security::AclOperation;
use ottla_wire::api::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use ottla_wire::api::{ElectLeadersRequest, ElectLeadersResponse};
use ottla_wire::{ApiError, ErrorCode};

pub(super) fn decide(desk: &mut Desk<'_>, asker: &Asker, request: &ElectLeadersRequest<'_>) -> Decision {
    let version = asker.context.version;
    if !asker.may_to_cluster(AclOperation::Alter) {
        return (Vec::new(), refusal(request, version, &ErrorCode::ClusterAuthorizationFailed.into()));
    }
    // Nothing is asked for: not even the type is looked at.
    if request.topic_partitions.as_ref().is_some_and(Vec::is_empty) {
        return (Vec::new(), Box::new(ElectLeadersResponse::default()));
    }
    match desk.controller.elect_leaders(request) {
        Ok(Outcome { records, response }) => {
            let replica_election_results = response.iter().map(result).collect();
            (records, Box::new(ElectLeadersResponse { replica_election_results, ..Default::default() }))
        }
        Err(error) => (Vec::new(), refusal(request, version, &error)),
    }
}

fn result(topic: &ElectedTopic) -> ReplicaElectionResult<'static> {
    let partition = |(index, result): &(i32, Result<(), ApiError>)| {
        let error = result.as_ref().err();
        PartitionResult {
            partition_id: *index,
            error_code: error.map_or(ErrorCode::None, |error| error.code).into(),
            error_message: error.and_then(|error| error.message.clone()),
            ..Default::default()
        }
    };
    let partition_result = topic.partitions.iter().map(partition).collect();
    ReplicaElectionResult { topic: owned(&topic.name), partition_result, ..Default::default() }
}

/// The answer when nothing was elected: the whole has the error, and each partition that was named.
pub(super) fn refusal(request: &ElectLeadersRequest<'_>, version: i16, error: &ApiError) -> Response {
    let topics = request.topic_partitions.iter().flatten().map(|topic| ElectedTopic {
        name: topic.topic.to_string(),
        partitions: topic.partitions.iter().map(|index| (*index, Err(error.clone()))).collect(),
    });
    Box::new(ElectLeadersResponse {
        error_code: if version >= 1 { error.code.into() } else { 0 },
        replica_election_results: topics.map(|topic| result(&topic)).collect(),
        ..Default::default()
    })
}

//! AlterPartitionReassignments (0-1) and ListPartitionReassignments (0): partitions move to other brokers (KIP-455). v1 of
//! the first can forbid that replicas become more or fewer (KIP-860).

use super::{Asker, Decision, Response, owned};
use crate::node::Desk;
use ottla_metadata::image::{Partition, Topic};
use ottla_security::AclOperation;
use ottla_wire::api::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use ottla_wire::api::list_partition_reassignments_response::{OngoingPartitionReassignment, OngoingTopicReassignment};
use ottla_wire::api::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
};
use ottla_wire::{ApiError, ErrorCode};

pub(super) fn decide(desk: &mut Desk<'_>, asker: &Asker, request: &AlterPartitionReassignmentsRequest<'_>) -> Decision {
    if !asker.may_to_cluster(AclOperation::Alter) {
        return (Vec::new(), refusal(request, ErrorCode::ClusterAuthorizationFailed));
    }
    if request.topics.is_empty() {
        return (Vec::new(), Box::new(AlterPartitionReassignmentsResponse::default()));
    }
    let outcome = desk.controller.alter_partition_reassignments(request);
    let topics = outcome.response.into_iter().map(|topic| ReassignableTopicResponse {
        name: topic.name.into(),
        partitions: topic.partitions.into_iter().map(|(index, result)| answer(index, result)).collect(),
        ..Default::default()
    });
    let response = AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: request.allow_replication_factor_change,
        responses: topics.collect(),
        ..Default::default()
    };
    (outcome.records, Box::new(response))
}

fn answer(partition_index: i32, result: Result<(), ApiError>) -> ReassignablePartitionResponse<'static> {
    let (code, error_message) = match result {
        Ok(()) => (ErrorCode::None, None),
        Err(error) => (error.code, error.message),
    };
    ReassignablePartitionResponse { partition_index, error_code: code.into(), error_message, ..Default::default() }
}

/// The answer when nothing was changed.
pub(super) fn refusal(request: &AlterPartitionReassignmentsRequest<'_>, error: ErrorCode) -> Response {
    let topics = request.topics.iter().map(|topic| ReassignableTopicResponse {
        name: owned(&topic.name),
        partitions: topic.partitions.iter().map(|wanted| answer(wanted.partition_index, Err(error.into()))).collect(),
        ..Default::default()
    });
    let responses = topics.collect();
    Box::new(AlterPartitionReassignmentsResponse { error_code: error.into(), responses, ..Default::default() })
}

/// It changes nothing, but what it tells was decided, and so it waits for the commit like all that is decided.
pub(super) fn list(desk: &mut Desk<'_>, asker: &Asker, request: &ListPartitionReassignmentsRequest<'_>) -> Decision {
    if !asker.may_to_cluster(AclOperation::Describe) {
        return (Vec::new(), list_refusal(request, ErrorCode::ClusterAuthorizationFailed));
    }
    let image = desk.controller.image;
    let topics: Vec<OngoingTopicReassignment<'static>> = match &request.topics {
        None => image.topics.iter().filter_map(|topic| ongoing(topic, topic.partitions.keys())).collect(),
        Some(wanted) => wanted
            .iter()
            .filter_map(|wanted| ongoing(image.topics.named(&wanted.name)?, wanted.partition_indexes.iter()))
            .collect(),
    };
    (Vec::new(), Box::new(ListPartitionReassignmentsResponse { topics, ..Default::default() }))
}

/// What of a topic's partitions is under way; None if nothing is.
fn ongoing<'a>(topic: &Topic, indexes: impl Iterator<Item = &'a i32>) -> Option<OngoingTopicReassignment<'static>> {
    let tell = |index: &i32, partition: &Partition| OngoingPartitionReassignment {
        partition_index: *index,
        replicas: partition.replicas.to_vec(),
        adding_replicas: partition.adding_replicas.to_vec(),
        removing_replicas: partition.removing_replicas.to_vec(),
        ..Default::default()
    };
    let known = indexes.filter_map(|index| Some((index, topic.partitions.get(index)?)));
    let partitions: Vec<_> =
        known.filter(|(_, partition)| partition.is_reassigning()).map(|(index, known)| tell(index, known)).collect();
    if partitions.is_empty() {
        return None;
    }
    Some(OngoingTopicReassignment { name: owned(&topic.name), partitions, ..Default::default() })
}

/// The answer when nothing can be told.
pub(super) fn list_refusal(request: &ListPartitionReassignmentsRequest<'_>, error: ErrorCode) -> Response {
    let partition = |index: &i32| OngoingPartitionReassignment { partition_index: *index, ..Default::default() };
    let topics = request.topics.iter().flatten().map(|topic| OngoingTopicReassignment {
        name: owned(&topic.name),
        partitions: topic.partition_indexes.iter().map(partition).collect(),
        ..Default::default()
    });
    let topics = topics.collect();
    Box::new(ListPartitionReassignmentsResponse { error_code: error.into(), topics, ..Default::default() })
}

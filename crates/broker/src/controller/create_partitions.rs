//! CreatePartitions (0-3).

use super::{Asker, Decision, duplicates, owned};
use crate::node::Desk;
use ottla_security::AclOperation;
use ottla_wire::api::create_partitions_request::CreatePartitionsTopic;
use ottla_wire::api::create_partitions_response::CreatePartitionsTopicResult;
use ottla_wire::api::{CreatePartitionsRequest, CreatePartitionsResponse};
use ottla_wire::{ApiError, ErrorCode};

/// From this version on a client knows that it has made too many partitions (KIP-599).
const REFUSES_SINCE: i16 = 3;

pub(super) fn decide(desk: &mut Desk<'_>, asker: &Asker, request: &CreatePartitionsRequest<'_>) -> Decision {
    let twice = duplicates(request.topics.iter().map(|t| t.name.as_ref()));
    let answer = |name: &str, result: Result<(), ApiError>| {
        let (code, error_message) = match result {
            Ok(()) => (ErrorCode::None, None),
            Err(error) => (error.code, error.message),
        };
        CreatePartitionsTopicResult { name: owned(name), error_code: code.into(), error_message, ..Default::default() }
    };
    let duplicate = || Err(ApiError::new(ErrorCode::InvalidRequest, "Duplicate topic name."));
    let mut results: Vec<CreatePartitionsTopicResult<'static>> =
        twice.iter().map(|name| answer(name, duplicate())).collect();
    let mut allowed: Vec<CreatePartitionsTopic<'_>> = Vec::new();
    for topic in request.topics.iter().filter(|t| !twice.contains(t.name.as_ref())) {
        match asker.may_to_topic(AclOperation::Alter, &topic.name) {
            true => allowed.push(topic.clone()),
            false => results.push(answer(&topic.name, Err(ErrorCode::TopicAuthorizationFailed.into()))),
        }
    }
    let now = desk.now;
    let mut charge = |partitions| asker.charge(partitions, REFUSES_SINCE, now);
    let outcome = desk.controller.create_partitions(&allowed, desk.seed, &mut charge);
    results.extend(allowed.iter().zip(outcome.response).map(|(topic, result)| answer(&topic.name, result)));
    let records = if request.validate_only { Vec::new() } else { outcome.records };
    (records, Box::new(CreatePartitionsResponse { results, ..Default::default() }))
}

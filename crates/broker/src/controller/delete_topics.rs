//! DeleteTopics (1-6): v5 says why in words; v6 takes ids as well as names.

use super::{Asker, Decision};
use crate::node::Desk;
use ottla_metadata::config_defs::BrokerLayers;
use ottla_security::AclOperation;
use ottla_wire::api::delete_topics_request::DeleteTopicState;
use ottla_wire::api::delete_topics_response::DeletableTopicResult;
use ottla_wire::api::{DeleteTopicsRequest, DeleteTopicsResponse};
use ottla_wire::{ApiError, ErrorCode, Uuid};
use std::collections::{BTreeMap, BTreeSet};

/// From this version on a client knows that it has removed too many partitions (KIP-599).
const REFUSES_SINCE: i16 = 5;

type Answers = Vec<(Option<String>, Uuid, Result<(), ApiError>)>;

pub(super) fn decide(desk: &mut Desk<'_>, asker: &Asker, request: &DeleteTopicsRequest<'_>) -> Decision {
    let mut answers = Answers::new();
    let (names, ids) = provided(request, &mut answers);
    let enabled = BrokerLayers::of_file(&desk.controller.settings.file).value("delete.topic.enable").as_bool();
    if enabled == Some(false) {
        let error = match asker.context.version {
            ..3 => ApiError::new(ErrorCode::InvalidRequest, "This version does not support topic deletion."),
            _ => ErrorCode::TopicDeletionDisabled.into(),
        };
        answers.clear();
        answers.extend(names.into_iter().map(|name| (Some(name), Uuid::ZERO, Err(error.clone()))));
        answers.extend(ids.into_iter().map(|id| (None, id, Err(error.clone()))));
        return (Vec::new(), respond(desk, answers));
    }
    let doomed = allowed(desk, asker, &names, &ids, &mut answers);
    let ids: Vec<Uuid> = doomed.keys().copied().collect();
    let now = desk.now;
    let outcome = desk.controller.delete_topics(&ids, &mut |partitions| asker.charge(partitions, REFUSES_SINCE, now));
    for ((id, name), result) in doomed.into_iter().zip(outcome.response) {
        answers.push((Some(name), id, result));
    }
    (outcome.records, respond(desk, answers))
}

/// What was named once, by name and by id; the rest is answered.
fn provided(request: &DeleteTopicsRequest<'_>, answers: &mut Answers) -> (BTreeSet<String>, BTreeSet<Uuid>) {
    let invalid = |message: &'static str| Err(ApiError::new(ErrorCode::InvalidRequest, message));
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut ids: BTreeMap<Uuid, usize> = BTreeMap::new();
    for name in &request.topic_names {
        *names.entry(name.to_string()).or_default() += 1;
    }
    for DeleteTopicState { name, topic_id, .. } in &request.topics {
        match (name, topic_id.is_zero()) {
            (None, true) => answers.push((None, Uuid::ZERO, invalid("Neither topic name nor id were specified."))),
            (None, false) => *ids.entry(*topic_id).or_default() += 1,
            (Some(name), true) => *names.entry(name.to_string()).or_default() += 1,
            (Some(name), false) => {
                let error = invalid("You may not specify both topic name and topic id.");
                answers.push((Some(name.to_string()), *topic_id, error));
            }
        }
    }
    for (name, _) in names.iter().filter(|(_, count)| **count > 1) {
        answers.push((Some(name.clone()), Uuid::ZERO, invalid("Duplicate topic name.")));
    }
    for (id, _) in ids.iter().filter(|(_, count)| **count > 1) {
        answers.push((None, *id, invalid("Duplicate topic id.")));
    }
    names.retain(|_, count| *count == 1);
    ids.retain(|_, count| *count == 1);
    (names.into_keys().collect(), ids.into_keys().collect())
}

/// The topics that are there and that the client may delete; the rest is answered, and says no more than the client may
/// know.
fn allowed(
    desk: &Desk<'_>,
    asker: &Asker,
    names: &BTreeSet<String>,
    ids: &BTreeSet<Uuid>,
    answers: &mut Answers,
) -> BTreeMap<Uuid, String> {
    let may_all = asker.may_to_cluster(AclOperation::Delete);
    let may = |operation, name: &str| may_all || asker.may_to_topic(operation, name);
    let refused = |code: ErrorCode| Err(ApiError::from(code));
    let topics = &desk.controller.image.topics;
    let mut doomed = BTreeMap::new();
    for id in ids {
        let Some(topic) = topics.with_id(*id) else {
            answers.push((None, *id, refused(ErrorCode::UnknownTopicId)));
            continue;
        };
        if may(AclOperation::Delete, &topic.name) {
            doomed.insert(*id, topic.name.to_string());
        } else {
            let name = may(AclOperation::Describe, &topic.name).then(|| topic.name.to_string());
            answers.push((name, *id, refused(ErrorCode::TopicAuthorizationFailed)));
        }
    }
    for name in names {
        let answer = |code| (Some(name.clone()), Uuid::ZERO, refused(code));
        if !may(AclOperation::Describe, name) {
            answers.push(answer(ErrorCode::TopicAuthorizationFailed));
            continue;
        }
        let Some(topic) = topics.named(name) else {
            answers.push(answer(ErrorCode::UnknownTopicOrPartition));
            continue;
        };
        if !may(AclOperation::Delete, name) {
            answers.push(answer(ErrorCode::TopicAuthorizationFailed));
        } else if doomed.remove(&topic.id).is_some() {
            let message = "The provided topic name maps to an ID that was already supplied.";
            let error = Err(ApiError::new(ErrorCode::InvalidRequest, message));
            answers.push((Some(name.clone()), topic.id, error));
        } else {
            doomed.insert(topic.id, name.clone());
        }
    }
    doomed
}

/// In random order: an answer's place must not tell topics that are missing from topics that are hidden.
fn respond(desk: &mut Desk<'_>, mut answers: Answers) -> super::Response {
    for end in (1..answers.len()).rev() {
        answers.swap(end, desk.seed.below(end as u64 + 1) as usize);
    }
    let result = |(name, topic_id, result): (Option<String>, Uuid, Result<(), ApiError>)| {
        let (code, error_message) = match result {
            Ok(()) => (ErrorCode::None, None),
            Err(error) => (error.code, error.message),
        };
        DeletableTopicResult {
            name: name.map(Into::into),
            topic_id,
            error_code: code.into(),
            error_message,
            ..Default::default()
        }
    };
    Box::new(DeleteTopicsResponse { responses: answers.into_iter().map(result).collect(), ..Default::default() })
}

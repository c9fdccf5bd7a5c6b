//! InitProducerId (0-5): an id for an idempotent producer. A transactional id is refused at once and for good: there are
//! no transactions yet, and a producer must not go on trying.

use super::throttle::NOT_THROTTLED_MS;
use crate::node::Node;
use crate::request::{Answer, Context, Now, Parked, Worker};
use ottla_machine::{Disk, Instant};
use ottla_security::{AclOperation, ResourceType};
use ottla_wire::ErrorCode;
use ottla_wire::api::{InitProducerIdRequest, InitProducerIdResponse};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &InitProducerIdRequest<'_>) -> Answer<D> {
    if let Some(error) = refusal(node, context, request) {
        return context.reply(&answer(error, -1));
    }
    let patience = Duration::from_millis(node.settings().request_timeout_ms);
    let deadline = context.now.instant + patience;
    let mut waiting = Waiting { context: context.clone(), deadline, failures: node.producer_id_failures() };
    match waiting.try_take(node) {
        Some(answer) => answer,
        None => Answer::Parked(Box::new(waiting)),
    }
}

fn refusal<D: Disk>(node: &Node<D>, context: &Context, request: &InitProducerIdRequest<'_>) -> Option<ErrorCode> {
    if request.transactional_id.is_some() {
        // Fatal to every client: nothing else would keep it from asking again for ever.
        return Some(ErrorCode::TransactionalIdAuthorizationFailed);
    }
    let authorizer = Arc::clone(&node.published().authorizer);
    let may = context.may_to_cluster(node, AclOperation::IdempotentWrite)
        || authorizer
            .authorize_by_resource_type(&context.security(), AclOperation::Write, ResourceType::Topic)
            .is_allowed();
    if !may {
        return Some(ErrorCode::ClusterAuthorizationFailed);
    }
    match (request.producer_id, request.producer_epoch) {
        (-1, -1) => None,
        (-1, _) | (_, -1) => Some(ErrorCode::InvalidRequest),
        _ => None,
    }
}

fn answer(error: ErrorCode, producer_id: i64) -> InitProducerIdResponse<'static> {
    InitProducerIdResponse {
        throttle_time_ms: NOT_THROTTLED_MS,
        error_code: error.into(),
        producer_id,
        producer_epoch: if error == ErrorCode::None { 0 } else { -1 },
        ..Default::default()
    }
}

/// Waits for the next block of ids.
struct Waiting {
    context: Context,
    deadline: Instant,
    /// Of asking the controller, when this request came.
    failures: u64,
}

impl Waiting {
    fn try_take<D: Disk>(&mut self, node: &Node<D>) -> Option<Answer<D>> {
        let id = node.take_producer_id(&self.context.connection.waker)?;
        Some(self.context.reply(&answer(ErrorCode::None, id)))
    }
}

impl<D: Disk> Parked<D> for Waiting {
    fn resume(&mut self, node: &Node<D>, now: Now, _worker: &mut Worker) -> Option<Answer<D>> {
        let failed = node.producer_id_failures() != self.failures;
        match self.try_take(node) {
            None if failed || now.instant >= self.deadline => {
                // Retriable: the controller may answer yet.
                Some(self.context.reply(&answer(ErrorCode::CoordinatorLoadInProgress, -1)))
            }
            answer => answer,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }
}

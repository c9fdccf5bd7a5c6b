//! What is the controller's to decide: the request goes to it whole, with the client's name and address, and the answer
//! comes when its records are committed.

use super::throttle::slow_down;
use crate::controller::{self, Asker, Response};
use crate::node::{Decided, Node, lock};
use crate::request::{Answer, Context, Now, Parked, Worker};
use ottla_machine::{Disk, Instant};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The controller's answer.
struct Given {
    /// Or why the connection is closed.
    response: Result<Response, String>,
    /// How long the client is to wait then.
    wait: Duration,
}

/// The answer, once it is there.
type Slot = Arc<Mutex<Option<Given>>>;

struct Forwarded {
    context: Context,
    slot: Slot,
}

/// `body` is the frame behind its header.
pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, body: &[u8]) -> Answer<D> {
    let slot: Slot = Arc::default();
    let given = Arc::clone(&slot);
    let body = body.to_vec();
    let authorizer = Arc::clone(&node.published().authorizer);
    let asker = Asker::new(context.clone(), authorizer, Arc::clone(&node.quotas));
    let waker = Arc::clone(&context.connection.waker);
    node.submit(Box::new(move |desk| {
        let (records, response) = match controller::decide(desk, &asker, &body) {
            Ok((records, response)) => (records, Ok(response)),
            Err(error) => (Vec::new(), Err(error.to_string())),
        };
        let finish = move |committed: Result<(), ottla_wire::ErrorCode>| {
            let response = match committed {
                Ok(()) => response,
                Err(error) => controller::refuse(&asker.context, &body, error).map_err(|error| error.to_string()),
            };
            *lock(&given) = Some(Given { response, wait: asker.wait.get() });
            waker.wake();
        };
        Decided { records, finish: Box::new(finish) }
    }));
    Answer::Parked(Box::new(Forwarded { context: context.clone(), slot }))
}

impl<D: Disk> Parked<D> for Forwarded {
    fn resume(&mut self, _node: &Node<D>, _now: Now, _worker: &mut Worker) -> Option<Answer<D>> {
        let Given { response, wait } = lock(&self.slot).take()?;
        Some(match response.map(|response| self.context.reply(&*response)) {
            Ok(Answer::Reply(reply)) => Answer::Reply(slow_down(&self.context, reply, wait)),
            Ok(other) => other,
            Err(reason) => Answer::Close(reason),
        })
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

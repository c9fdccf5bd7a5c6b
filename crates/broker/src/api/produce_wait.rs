//! A Produce whose records are appended and not acknowledged yet: it waits until the in-sync replicas have them, and until
//! they are durable where that is asked for. No thread waits with it.
//!
//! As Kafka's delayed produce: what is not acknowledged when `timeout.ms` is over is REQUEST_TIMED_OUT, and stays appended; a
//! partition whose leader is another by now says so.

use super::produce;
use crate::node::Node;
use crate::request::{Answer, Context, Now, Parked, Worker};
use ottla_log::Appended;
use ottla_machine::{Disk, Instant, Offset};
use ottla_replica::{Partition, RequiredAcks};
use ottla_wire::ErrorCode;
use ottla_wire::api::produce_response::TopicProduceResponse;
use std::sync::Arc;
use std::time::Duration;

/// What one partition took and has not acknowledged.
pub(super) struct Unacknowledged<D: Disk> {
    partition: Arc<Partition<D>>,
    acks: RequiredAcks,
    /// All below counts.
    required: Offset,
    leader_epoch: i32,
    /// Topic and partition among the responses.
    place: (usize, usize),
}

impl<D: Disk> Unacknowledged<D> {
    /// None for what is acknowledged already, as almost all is.
    pub(super) fn new(
        partition: &Arc<Partition<D>>,
        appended: &Appended,
        acks: i16,
        place: (usize, usize),
    ) -> Option<Self> {
        let acks = RequiredAcks::from_code(acks)?;
        let required = appended.last_offset.next();
        if partition.is_acknowledged(required, acks) {
            return None;
        }
        let leader_epoch = partition.leadership().leader_epoch;
        Some(Self { partition: Arc::clone(partition), acks, required, leader_epoch, place })
    }

    /// What came of it, once it is known.
    fn outcome(&self) -> Option<ErrorCode> {
        let leadership = self.partition.leadership();
        if !leadership.is_leader || leadership.leader_epoch != self.leader_epoch {
            return Some(ErrorCode::NotLeaderOrFollower);
        }
        if self.partition.is_acknowledged(self.required, self.acks) {
            return Some(ErrorCode::None);
        }
        self.partition.log().is_offline().then_some(ErrorCode::KafkaStorageError)
    }
}

/// The parked request.
pub(super) struct Waiting<D: Disk> {
    context: Context,
    responses: Vec<TopicProduceResponse<'static>>,
    waits: Vec<Unacknowledged<D>>,
    deadline: Instant,
    /// The time that it took before it waited.
    spent: Duration,
}

impl<D: Disk> Waiting<D> {
    pub(super) fn park(
        context: &Context,
        responses: Vec<TopicProduceResponse<'static>>,
        waits: Vec<Unacknowledged<D>>,
        timeout_ms: i32,
    ) -> Answer<D> {
        let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
        let waiting = Self {
            context: context.clone(),
            responses,
            waits,
            deadline: context.now.instant + timeout,
            spent: context.spent(),
        };
        waiting.register();
        Answer::Parked(Box::new(waiting))
    }

    fn register(&self) {
        for wait in &self.waits {
            wait.partition.wait(&self.context.connection.waker);
        }
    }

    fn tell(responses: &mut [TopicProduceResponse<'static>], (topic, partition): (usize, usize), error: ErrorCode) {
        let told = responses.get_mut(topic).and_then(|topic| topic.partition_responses.get_mut(partition));
        if let Some(told) = told {
            told.error_code = error.code();
        }
    }
}

impl<D: Disk> Parked<D> for Waiting<D> {
    fn resume(&mut self, node: &Node<D>, now: Now, _worker: &mut Worker) -> Option<Answer<D>> {
        let responses = &mut self.responses;
        self.waits.retain(|wait| match wait.outcome() {
            None => true,
            Some(error) => {
                Self::tell(responses, wait.place, error);
                false
            }
        });
        if !self.waits.is_empty() && now.instant < self.deadline {
            return None;
        }
        for wait in self.waits.drain(..) {
            Self::tell(responses, wait.place, ErrorCode::RequestTimedOut);
        }
        let responses = std::mem::take(&mut self.responses);
        Some(produce::answer(node, &self.context, responses, Some(self.spent)))
    }

    fn wait_again(&mut self, _node: &Node<D>) {
        self.register();
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }
}

//! Producer ids for InitProducerId, handed out of the block that the controller gave (KIP-730).

use super::{Decided, Node, lock};
use ottla_machine::Disk;
use ottla_replica::Wake;
use ottla_wire::ErrorCode;
use ottla_wire::api::AllocateProducerIdsRequest;
use std::sync::{Arc, Mutex};

/// The current block, and who waits for the next.
#[derive(Default)]
pub(crate) struct ProducerIds {
    next: i64,
    end: i64,
    asked: bool,
    /// How often the controller gave none.
    failures: u64,
    waiting: Vec<Arc<dyn Wake>>,
}

impl<D: Disk> Node<D> {
    /// How often no block could be had: if it grows, whoever waits gives up.
    pub(crate) fn producer_id_failures(&self) -> u64 {
        lock(&self.producer_ids).failures
    }

    /// An id that nobody has. None: the next block is asked for, and the waiter is woken when it has come.
    pub(crate) fn take_producer_id(&self, waiter: &Arc<dyn Wake>) -> Option<i64> {
        let asks = {
            let mut ids = lock(&self.producer_ids);
            if let Some(id) = ids.take() {
                return Some(id);
            }
            ids.wait(Arc::clone(waiter))
        };
        if asks {
            self.ask_for_producer_ids();
        }
        None
    }

    fn ask_for_producer_ids(&self) {
        let request =
            AllocateProducerIdsRequest { broker_id: self.id, broker_epoch: self.broker_epoch(), ..Default::default() };
        let ids: Arc<Mutex<ProducerIds>> = Arc::clone(&self.producer_ids);
        self.submit(Box::new(move |desk| {
            let (records, block) = match desk.controller.allocate_producer_ids(&request) {
                Ok(outcome) => {
                    let block = (outcome.response.producer_id_start, outcome.response.producer_id_len);
                    (outcome.records, Some(block))
                }
                Err(error) => {
                    tracing::warn!("the controller gives no producer ids: {error}");
                    (Vec::new(), None)
                }
            };
            let finish = move |committed: Result<(), ErrorCode>| {
                let woken = lock(&ids).refill(block.filter(|_| committed.is_ok()));
                woken.iter().for_each(|waiter| waiter.wake());
            };
            Decided { records, finish: Box::new(finish) }
        }));
    }
}

impl ProducerIds {
    /// An id that nobody has; None: a block must be asked for first.
    pub fn take(&mut self) -> Option<i64> {
        (self.next < self.end).then(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// Lists one who waits. True if the block is to be asked for now: nobody has.
    pub fn wait(&mut self, waiter: Arc<dyn Wake>) -> bool {
        self.waiting.push(waiter);
        !std::mem::replace(&mut self.asked, true)
    }

    /// The controller's answer: a block, or none if it failed. Gives those to wake.
    pub fn refill(&mut self, block: Option<(i64, i32)>) -> Vec<Arc<dyn Wake>> {
        match block {
            Some((start, count)) => {
                self.next = start;
                self.end = start + i64::from(count);
            }
            None => self.failures += 1,
        }
        self.asked = false;
        std::mem::take(&mut self.waiting)
    }
}

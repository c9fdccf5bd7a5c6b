//! Answers on their way out. An answer leaves once: a waiter that was answered or cancelled gets nothing more, whatever the
//! group's state still holds of it.

use crate::answer::{GroupAnswer, WaiterId};
use std::collections::{BTreeSet, VecDeque};

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    open: BTreeSet<WaiterId>,
    ready: VecDeque<(WaiterId, GroupAnswer)>,
}

impl Outbox {
    pub(crate) fn begin(&mut self, waiter: WaiterId) {
        self.open.insert(waiter);
    }

    pub(crate) fn push(&mut self, waiter: WaiterId, answer: GroupAnswer) {
        if self.open.remove(&waiter) {
            self.ready.push_back((waiter, answer));
        }
    }

    pub(crate) fn pop(&mut self) -> Option<(WaiterId, GroupAnswer)> {
        self.ready.pop_front()
    }

    /// The answer of a call that has just been made, if it is there already.
    pub(crate) fn take(&mut self, waiter: WaiterId) -> Option<GroupAnswer> {
        let at = self.ready.iter().rposition(|(ready, _)| *ready == waiter)?;
        self.ready.remove(at).map(|(_, answer)| answer)
    }

    pub(crate) fn cancel(&mut self, waiter: WaiterId) {
        if !self.open.remove(&waiter) {
            self.ready.retain(|(ready, _)| *ready != waiter);
        }
    }

    pub(crate) fn is_open(&self, waiter: WaiterId) -> bool {
        self.open.contains(&waiter)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.open.len()
    }
}

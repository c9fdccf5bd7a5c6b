//! Deadlines of many groups and members in one ordered queue.
//!
//! A deadline that moves back, as a heartbeat moves it, costs no queue operation: the entry stays where it is, and when it comes
//! up it goes to where its deadline is by then. So the queue may wake its caller too early, never too late.

use ottla_machine::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKey {
    /// The session of a member, or how long a member that has only an id so far may take to join.
    Session { group: Arc<str>, member: Arc<str> },
    /// The end of a join phase.
    Join { group: Arc<str> },
    /// The end of the wait for all members' SyncGroup.
    Sync { group: Arc<str> },
    /// The next look for expired offsets and groups.
    Expiration,
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeSet<(Instant, TimerKey)>,
    set: BTreeMap<TimerKey, Timer>,
}

#[derive(Clone, Copy, Debug)]
struct Timer {
    deadline: Instant,
    /// Where its entry stands in the queue: at the deadline or before.
    queued: Instant,
}

impl Timers {
    pub(crate) fn set(&mut self, key: TimerKey, deadline: Instant) {
        match self.set.get_mut(&key) {
            Some(timer) if timer.queued <= deadline => timer.deadline = deadline,
            Some(timer) => {
                self.queue.remove(&(timer.queued, key.clone()));
                *timer = Timer { deadline, queued: deadline };
                self.queue.insert((deadline, key));
            }
            None => {
                self.set.insert(key.clone(), Timer { deadline, queued: deadline });
                self.queue.insert((deadline, key));
            }
        }
    }

    pub(crate) fn cancel(&mut self, key: &TimerKey) {
        if let Some(timer) = self.set.remove(key) {
            self.queue.remove(&(timer.queued, key.clone()));
        }
    }

    /// When to call [`Timers::expired`] next.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes one timer whose deadline has passed.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<TimerKey> {
        while self.queue.first().is_some_and(|(at, _)| *at <= now) {
            let (_, key) = self.queue.pop_first()?;
            let Some(timer) = self.set.get_mut(&key) else { continue };
            if timer.deadline <= now {
                self.set.remove(&key);
                return Some(key);
            }
            timer.queued = timer.deadline;
            self.queue.insert((timer.queued, key));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(member: &str) -> TimerKey {
        TimerKey::Session { group: "g".into(), member: member.into() }
    }

    #[test]
    fn a_deadline_that_moves_is_kept_exactly() {
        let mut timers = Timers::default();
        timers.set(session("a"), Instant(10));
        timers.set(session("b"), Instant(20));
        timers.set(session("a"), Instant(30));
        // The entry still stands at 10; nothing is due there.
        assert_eq!(timers.next(), Some(Instant(10)));
        assert_eq!(timers.expired(Instant(19)), None);
        assert_eq!(timers.next(), Some(Instant(20)));
        assert_eq!(timers.expired(Instant(40)), Some(session("b")));
        assert_eq!(timers.expired(Instant(40)), Some(session("a")));
        assert_eq!((timers.expired(Instant(99)), timers.next()), (None, None));
    }

    #[test]
    fn a_deadline_may_come_nearer_and_be_cancelled() {
        let mut timers = Timers::default();
        timers.set(session("a"), Instant(30));
        timers.set(session("a"), Instant(5));
        assert_eq!(timers.next(), Some(Instant(5)));
        timers.cancel(&session("a"));
        assert_eq!((timers.expired(Instant(99)), timers.next()), (None, None));
    }
}

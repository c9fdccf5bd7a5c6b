//! What an operation on one group may use beside the group itself, and what it leaves to be done when its records are
//! committed.

use crate::answer::{GroupAnswer, WaiterId};
use crate::classic::Member;
use crate::outbox::Outbox;
use crate::settings::GroupSettings;
use crate::state::GroupState;
use crate::timers::{TimerKey, Timers};
use ottla_coordinator::{AppendOptions, Appended, Atomicity, CoordinatorRecord, Env, Failed, Shard};
use ottla_machine::{Instant, Seed};
use ottla_wire::{EncodeError, ErrorCode};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What happens once records are committed; or, with an error instead, once they cannot be.
#[derive(Debug)]
pub(crate) enum Effect {
    Nothing,
    Answer {
        waiter: WaiterId,
        answer: GroupAnswer,
    },
    /// The waiter is answered by something else, unless this fails.
    AnswerFailure {
        waiter: WaiterId,
        answer: GroupAnswer,
    },
    /// The leader's assignment is stored: hand it out.
    Stabilize {
        group: Arc<str>,
        generation: i32,
        assignment: BTreeMap<Arc<str>, Arc<[u8]>>,
    },
    /// A static member that came back under a new id is stored: let it go on without a rebalance.
    StaticRejoin(Box<StaticRejoin>),
}

#[derive(Debug)]
pub(crate) struct StaticRejoin {
    pub(crate) group: Arc<str>,
    pub(crate) new_id: Arc<str>,
    /// As it was before, to go back to.
    pub(crate) old: Member,
    /// The leader before, which old clients are told so that none of them takes itself for the leader.
    pub(crate) old_leader: Option<Arc<str>>,
}

/// An effect that is due.
pub(crate) type Settled = Result<Effect, Failed<Effect>>;

pub(crate) struct Context<'a, 'e> {
    pub(crate) env: &'a mut Env<'e>,
    pub(crate) settings: &'a GroupSettings,
    pub(crate) shard: &'a mut Shard<GroupState, Effect>,
    pub(crate) timers: &'a mut Timers,
    pub(crate) outbox: &'a mut Outbox,
    pub(crate) seed: &'a mut Seed,
    pub(crate) settled: &'a mut VecDeque<Settled>,
}

impl Context<'_, '_> {
    pub(crate) fn after(&self, wait: Duration) -> Instant {
        self.env.now.instant + wait
    }

    pub(crate) fn set_timer(&mut self, key: TimerKey, wait: Duration) {
        let deadline = self.after(wait);
        self.timers.set(key, deadline);
    }

    /// Appends records; the effect is queued for when they are committed, at once or later. False if they were refused:
    /// then its failure is queued.
    pub(crate) fn write(
        &mut self,
        records: Result<Vec<CoordinatorRecord>, EncodeError>,
        atomicity: Atomicity,
        effect: Effect,
    ) -> bool {
        let options = AppendOptions {
            compression: self.settings.offsets_topic_compression,
            commit_timeout: self.settings.offsets_commit_timeout,
            atomicity,
        };
        let result = match records {
            Ok(records) => self.shard.append(self.env, &options, &records, effect),
            // A name is too long for the record's format.
            Err(_) => Err(Failed { code: ErrorCode::UnknownServerError, effect }),
        };
        match result {
            Ok(Appended::Waiting) => true,
            Ok(Appended::Committed(effect)) => {
                self.settled.push_back(Ok(effect));
                true
            }
            Err(failed) => {
                self.settled.push_back(Err(failed));
                false
            }
        }
    }
}

/// A wait in milliseconds from a request; what is negative is no wait.
pub(crate) fn millis(wait: i32) -> Duration {
    Duration::from_millis(u64::try_from(wait).unwrap_or(0))
}

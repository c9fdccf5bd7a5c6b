//! All groups of one partition of `__consumer_offsets`, as the broker that leads it holds them.
//!
//! Poll order: after any call that takes an [`Env`] or that ends with answers ([`GroupShard::committed`],
//! [`GroupShard::resigned`]), take [`GroupShard::poll_output`] until it is empty, then look at [`GroupShard::poll_timeout`].
//! A call that answers at once gives `Poll::Ready`; for the others the answer comes out under its [`WaiterId`].
//!
//! Invariants: a classic group with members or with ids given out has soft state in `live`, an idle one has none; an answer that
//! depends on records leaves after their commit. Authorization is the caller's: it filters groups and topics before it calls.

mod life;
mod membership;
mod offsets;

use crate::admin;
use crate::answer::{GroupAnswer, WaiterId};
use crate::classic::ClassicGroup;
use crate::context::{Context, Effect, Settled};
use crate::offsets::{LiveGroups, Standing};
use crate::outbox::Outbox;
use crate::settings::GroupSettings;
use crate::state::GroupState;
use crate::timers::Timers;
use ottla_coordinator::{Atomicity, Env, Failed, Phase, ReplayWarnings, Shard};
use ottla_machine::{LeaderEpoch, Offset, Seed};
use ottla_wire::api::describe_groups_response::DescribedGroup;
use ottla_wire::api::list_groups_response::ListedGroup;
use ottla_wire::api::{DeleteGroupsResponse, ListGroupsRequest};
use ottla_wire::{EncodeError, ErrorCode};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Poll;

/// Who sent a request.
#[derive(Clone, Copy, Debug)]
pub struct ClientContext<'a> {
    /// The request header's; empty where it is null.
    pub client_id: &'a str,
    /// In Java's form, with a slash before the address: `/127.0.0.1`.
    pub client_host: &'a str,
}

/// See the module.
#[derive(Debug)]
pub struct GroupShard {
    shard: Shard<GroupState, Effect>,
    live: LiveGroups,
    timers: Timers,
    outbox: Outbox,
    /// Effects that are due.
    settled: VecDeque<Settled>,
    settings: GroupSettings,
    seed: Seed,
    /// The group after which the look for expired ones goes on.
    expiration_cursor: Option<Arc<str>>,
}

impl GroupShard {
    /// A shard that is not led yet. The seed makes its member ids.
    #[must_use]
    pub fn new(settings: GroupSettings, seed: Seed) -> GroupShard {
        GroupShard {
            shard: Shard::default(),
            live: LiveGroups::new(),
            timers: Timers::default(),
            outbox: Outbox::default(),
            settled: VecDeque::new(),
            settings,
            seed,
            expiration_cursor: None,
        }
    }

    #[must_use]
    pub fn phase(&self) -> Phase {
        self.shard.phase()
    }

    /// New settings count from the next call on; timers that run keep their deadlines.
    pub fn set_settings(&mut self, settings: GroupSettings) {
        self.settings = settings;
    }

    /// The replicated state, everything appended.
    #[must_use]
    pub fn state(&self) -> &GroupState {
        self.shard.state()
    }

    /// What was passed over in the log since the last call, for the node to log.
    pub fn take_warnings(&mut self) -> ReplayWarnings {
        self.shard.take_warnings()
    }

    /// How many requests wait for an answer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outbox.waiting()
    }

    /// An answer that was waited for.
    pub fn poll_output(&mut self) -> Option<(WaiterId, GroupAnswer)> {
        self.outbox.pop()
    }

    /// The connection of a waiting request is gone. The member stays in its group until its session ends, as in Kafka: it may
    /// come back over another connection.
    pub fn cancel(&mut self, waiter: WaiterId) {
        self.outbox.cancel(waiter);
    }

    /// DescribeGroups: one group, as it is committed.
    #[must_use]
    pub fn describe(&self, version: i16, group_id: &str) -> DescribedGroup<'static> {
        if let Err(error) = self.shard.check_active() {
            let group_id = crate::text::text(group_id);
            return DescribedGroup { group_id, error_code: error.code(), ..DescribedGroup::default() };
        }
        admin::describe(Standing::of(self.shard.committed_state(), &self.live, group_id), version, group_id)
    }

    /// ListGroups: this shard's part. A shard that is not led here has none; one that loads is an error for the whole answer.
    pub fn list(&self, request: &ListGroupsRequest<'_>) -> Result<Vec<ListedGroup<'static>>, ErrorCode> {
        match self.shard.check_active() {
            Err(ErrorCode::NotCoordinator) => Ok(Vec::new()),
            Err(error) => Err(error),
            Ok(_) => Ok(admin::list(self.shard.committed_state(), &self.live, request)),
        }
    }

    /// DeleteGroups: those of a request's groups that belong to this shard. The broker joins the results of the shards.
    pub fn delete_groups(
        &mut self,
        env: &mut Env<'_>,
        groups: &[&str],
        waiter: WaiterId,
    ) -> Poll<DeleteGroupsResponse<'static>> {
        self.outbox.begin(waiter);
        let (records, answer) = match admin::delete(self.shard.state(), &self.live, groups) {
            Ok(decision) => (Ok(decision.records), decision.answer),
            Err(error) => (Err(error), admin::failed(groups, ErrorCode::UnknownServerError)),
        };
        let deleted: Vec<Arc<str>> =
            groups.iter().filter(|id| self.live.contains_key(**id)).map(|id| (*id).into()).collect();
        self.answer_after(env, records, waiter, GroupAnswer::DeleteGroups(answer));
        for group in deleted {
            if self.shard.state().group(&group).is_none() {
                self.drop_live(&group);
            }
        }
        self.settle(env);
        self.ready(waiter, |answer| match answer {
            GroupAnswer::DeleteGroups(answer) => Some(answer),
            _ => None,
        })
    }

    /// Writes records, and answers once they are committed.
    fn answer_after(
        &mut self,
        env: &mut Env<'_>,
        records: Result<Vec<ottla_coordinator::CoordinatorRecord>, EncodeError>,
        waiter: WaiterId,
        answer: GroupAnswer,
    ) {
        let (mut cx, _) = self.split(env);
        cx.write(records, Atomicity::OneBatch, Effect::Answer { waiter, answer });
    }

    /// The groups' soft state, and beside it all that an operation on one of them needs.
    fn split<'a, 'e>(&'a mut self, env: &'a mut Env<'e>) -> (Context<'a, 'e>, &'a mut LiveGroups) {
        let context = Context {
            env,
            settings: &self.settings,
            shard: &mut self.shard,
            timers: &mut self.timers,
            outbox: &mut self.outbox,
            seed: &mut self.seed,
            settled: &mut self.settled,
        };
        (context, &mut self.live)
    }

    /// Runs an operation on a group that has soft state.
    fn with_live<R>(
        &mut self,
        env: &mut Env<'_>,
        group: &str,
        operation: impl FnOnce(&mut ClassicGroup, &mut Context<'_, '_>) -> R,
    ) -> Option<R> {
        let (mut cx, live) = self.split(env);
        live.get_mut(group).map(|group| operation(group, &mut cx))
    }

    /// Does what is due now that records are committed or refused.
    fn settle(&mut self, env: &mut Env<'_>) {
        loop {
            let due = self.shard.advance(env.log.high_watermark());
            self.settled.extend(due.into_iter().map(Ok));
            let Some(settled) = self.settled.pop_front() else { return };
            match settled {
                Ok(effect) => self.apply(env, effect),
                Err(Failed { code, effect }) => self.fail(env, effect, code),
            }
        }
    }

    fn apply(&mut self, env: &mut Env<'_>, effect: Effect) {
        match effect {
            Effect::Nothing | Effect::AnswerFailure { .. } => {}
            Effect::Answer { waiter, answer } => self.outbox.push(waiter, answer),
            Effect::Stabilize { group, generation, assignment } => {
                self.with_live(env, &group, |group, cx| group.stabilize(cx, generation, &assignment));
            }
            Effect::StaticRejoin(rejoin) => {
                self.with_live(env, &rejoin.group, |group, cx| group.static_rejoined(cx, &rejoin));
            }
        }
    }

    fn fail(&mut self, env: &mut Env<'_>, effect: Effect, code: ErrorCode) {
        match effect {
            Effect::Nothing => {}
            Effect::Answer { waiter, answer } | Effect::AnswerFailure { waiter, answer } => {
                self.outbox.push(waiter, answer.failed(code));
            }
            Effect::Stabilize { group, generation, .. } => {
                self.with_live(env, &group, |group, cx| group.stabilize_failed(cx, generation, code));
            }
            Effect::StaticRejoin(rejoin) => {
                self.with_live(env, &rejoin.group, |group, cx| group.static_rejoin_failed(cx, &rejoin, code));
            }
        }
    }

    /// Drops the soft state of a group in which nobody is, if its record says the same.
    fn forget_if_idle(&mut self, group: &str) {
        let Some(live) = self.live.get(group).filter(|live| live.is_idle()) else { return };
        let is_recorded = self.shard.state().classic(group).is_some_and(|record| {
            record.members.is_empty()
                && record.generation == live.generation
                && record.protocol_type == live.protocol_type
        });
        if is_recorded {
            self.drop_live(group);
        }
    }

    fn drop_live(&mut self, group: &str) {
        if let Some(live) = self.live.remove(group) {
            live.cancel_timers(&mut self.timers);
        }
    }

    /// The answer to the call at hand, if it is there.
    fn ready<T>(&mut self, waiter: WaiterId, pick: impl FnOnce(GroupAnswer) -> Option<T>) -> Poll<T> {
        match self.outbox.take(waiter).and_then(pick) {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        }
    }

    /// The epoch in which this node leads, if requests are served.
    #[must_use]
    pub fn active_epoch(&self) -> Option<LeaderEpoch> {
        self.shard.check_active().ok()
    }

    /// The offset after the last record that was replayed: where loading goes on.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.shard.next_offset()
    }
}

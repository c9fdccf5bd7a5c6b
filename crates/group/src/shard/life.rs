//! A shard's election, loading, commits, timers and end.

use super::GroupShard;
use crate::answer::{GroupAnswer, WaiterId};
use crate::classic::{ClassicGroup, join_error, sync_error};
use crate::context::Effect;
use crate::offsets::{EXPIRATION_STEP_GROUPS, Standing, expire_group};
use crate::state::GroupEntry;
use crate::timers::TimerKey;
use ottla_coordinator::{Atomicity, Env, Failed, LoadError, LoadStep, Phase};
use ottla_machine::{Instant, LeaderEpoch, Offset};
use ottla_wire::ErrorCode;
use ottla_wire::batch::Codecs;
use std::sync::Arc;
use std::time::Duration;

/// Timers that one call works off; the rest are due at once again.
const TIMERS_PER_CALL_MAX: usize = 10_000;
/// The pause between two steps of the look for expired groups.
const EXPIRATION_STEP_PAUSE: Duration = Duration::from_millis(1);

impl GroupShard {
    /// This node leads the partition from `epoch` on: load it from the log's start. Requests that waited in an earlier epoch
    /// are answered NOT_COORDINATOR. An epoch that is not newer than the present one changes nothing.
    pub fn elected(&mut self, epoch: LeaderEpoch) {
        if let Phase::Loading(present) | Phase::Active(present) = self.shard.phase()
            && present >= epoch
        {
            return;
        }
        self.resigned();
        self.shard.elected(epoch);
    }

    /// Replays the whole batches at the front of `chunk`; the next chunk begins at the step's `next_offset`. A batch that is
    /// cut off at the chunk's end is left for the next; a step of no bytes means that the chunk is too small for one batch.
    pub fn load(&mut self, chunk: &[u8], high_watermark: Offset, codecs: &mut Codecs) -> Result<LoadStep, LoadError> {
        self.shard.load(chunk, high_watermark, codecs)
    }

    /// The log is read to its end: requests are served from now on, and every member's session begins anew.
    pub fn loaded(&mut self, env: &mut Env<'_>) {
        if !matches!(self.shard.phase(), Phase::Loading(_)) {
            return;
        }
        self.shard.loaded();
        for (id, entry) in self.shard.state().groups() {
            if let GroupEntry::Classic(record) = entry
                && !record.members.is_empty()
            {
                self.live.insert(id.clone(), ClassicGroup::from_record(id.clone(), record));
            }
        }
        let (mut cx, live) = self.split(env);
        for group in live.values_mut() {
            for member_id in group.members.ids() {
                group.renew_session(&mut cx, &member_id);
            }
            // Too many since the limit was lowered: consumers get to commit before somebody has to go.
            if group.members.len() > cx.settings.size_max {
                group.prepare_rebalance(&mut cx);
            }
        }
        let interval = cx.settings.offsets_retention_check_interval;
        cx.set_timer(TimerKey::Expiration, interval);
        self.settle(env);
    }

    /// This node no longer leads: everything that waits is answered NOT_COORDINATOR, and the state is dropped.
    pub fn resigned(&mut self) {
        let error = ErrorCode::NotCoordinator;
        for group in std::mem::take(&mut self.live).values_mut() {
            for member_id in group.members.ids() {
                if let Some(joining) = group.members.take_joining(&member_id) {
                    let answer = join_error(joining.version, &member_id, error);
                    self.outbox.push(joining.waiter, GroupAnswer::Join(answer));
                }
                if let Some(waiter) = group.members.get_mut(&member_id).and_then(|member| member.syncing.take()) {
                    self.outbox.push(waiter, GroupAnswer::Sync(sync_error(error)));
                }
            }
        }
        for Failed { code, effect } in self.shard.resigned() {
            if let Effect::Answer { waiter, answer } | Effect::AnswerFailure { waiter, answer } = effect {
                self.outbox.push(waiter, answer.failed(code));
            }
        }
        self.timers = Default::default();
        self.settled.clear();
        self.expiration_cursor = None;
    }

    /// The log's high watermark moved: what waited for it is done.
    pub fn committed(&mut self, env: &mut Env<'_>) {
        self.settle(env);
    }

    /// When to call [`GroupShard::handle_timeout`] at the latest; it may find nothing to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.timers.next(), self.shard.poll_timeout()].into_iter().flatten().min()
    }

    pub fn handle_timeout(&mut self, env: &mut Env<'_>) {
        let now = env.now.instant;
        let overdue = self.shard.handle_timeout(now);
        self.settled.extend(overdue.into_iter().map(Err));
        self.settle(env);
        for _ in 0..TIMERS_PER_CALL_MAX {
            let Some(key) = self.timers.expired(now) else { break };
            match &key {
                TimerKey::Session { group, member } => {
                    self.with_live(env, group, |group, cx| group.session_timed_out(cx, member));
                    self.after_timer(env, group);
                }
                TimerKey::Join { group } => {
                    self.with_live(env, group, ClassicGroup::join_timed_out);
                    self.after_timer(env, group);
                }
                TimerKey::Sync { group } => {
                    self.with_live(env, group, ClassicGroup::sync_timed_out);
                    self.after_timer(env, group);
                }
                TimerKey::Expiration => {
                    let pause = self.expire_step(env);
                    self.timers.set(TimerKey::Expiration, now + pause);
                }
            }
        }
    }

    fn after_timer(&mut self, env: &mut Env<'_>, group: &Arc<str>) {
        self.settle(env);
        self.forget_if_idle(group);
    }

    /// Looks for expired offsets in some groups, and says how long to wait before the next step.
    fn expire_step(&mut self, env: &mut Env<'_>) -> Duration {
        let state = self.shard.state();
        let cursor = self.expiration_cursor.take();
        let ids = || -> Vec<Arc<str>> {
            match &cursor {
                Some(last) => state.groups_after(last).take(EXPIRATION_STEP_GROUPS).map(|(id, _)| id.clone()).collect(),
                None => state.groups().take(EXPIRATION_STEP_GROUPS).map(|(id, _)| id.clone()).collect(),
            }
        };
        let groups = ids();
        let mut tombstones = Vec::new();
        for group in &groups {
            let standing = Standing::of(state, &self.live, group);
            let before = tombstones.len();
            let decided = expire_group(state, standing, group, &self.settings, env.now.timestamp, &mut tombstones);
            if decided.is_err() {
                // A name that no record can hold cannot have come from a record.
                tombstones.truncate(before);
            }
        }
        let is_last = groups.len() < EXPIRATION_STEP_GROUPS;
        self.expiration_cursor = groups.last().filter(|_| !is_last).cloned();
        if !tombstones.is_empty() {
            let (mut cx, _) = self.split(env);
            cx.write(Ok(tombstones), Atomicity::Split, Effect::Nothing);
            self.settle(env);
            for group in &groups {
                if self.shard.state().group(group).is_none() {
                    self.drop_live(group);
                }
            }
        }
        if is_last {
            self.settings.offsets_retention_check_interval.max(EXPIRATION_STEP_PAUSE)
        } else {
            EXPIRATION_STEP_PAUSE
        }
    }

    /// Whether an answer to this request is still to come.
    #[must_use]
    pub fn is_waiting(&self, waiter: WaiterId) -> bool {
        self.outbox.is_open(waiter)
    }
}

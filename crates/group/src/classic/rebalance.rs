//! From one generation to the next: the join phase, its end, and what happens to members that do not come.

use super::answers::join_error;
use super::group::{Arrivals, ClassicGroup, ClassicState, JoinPhase};
use super::member::Tenure;
use crate::answer::GroupAnswer;
use crate::context::{Context, Effect, millis};
use ottla_coordinator::Atomicity;
use ottla_wire::ErrorCode;
use std::sync::Arc;
use std::time::Duration;

/// The least wait before the next look at a group whose static members all stay away: a member may ask for no wait at all.
const JOIN_RETRY_MIN: Duration = Duration::from_millis(100);

impl ClassicGroup {
    /// A change that needs a new generation: begins a join phase, or ends the one that was only waiting for it.
    pub(super) fn rebalance_or_complete_join(&mut self, cx: &mut Context<'_, '_>) {
        match self.state {
            ClassicState::PreparingRebalance => self.maybe_complete_join(cx),
            ClassicState::Empty | ClassicState::CompletingRebalance | ClassicState::Stable => {
                self.prepare_rebalance(cx);
            }
        }
    }

    pub(crate) fn prepare_rebalance(&mut self, cx: &mut Context<'_, '_>) {
        if self.state == ClassicState::CompletingRebalance {
            self.reset_assignments(cx, ErrorCode::RebalanceInProgress);
        }
        self.pending_syncs.clear();
        cx.timers.cancel(&self.sync_key());
        let is_first = self.state == ClassicState::Empty;
        self.transition(ClassicState::PreparingRebalance, cx.env.now.timestamp);
        if is_first {
            let delay = cx.settings.initial_rebalance_delay;
            let remaining = millis(self.members.rebalance_timeout_ms()).saturating_sub(delay);
            self.begin_delay(cx, delay, remaining);
        } else {
            self.join_phase = JoinPhase::Rejoin;
            if self.has_all_members_joined() {
                self.complete_join(cx);
            } else {
                cx.set_timer(self.join_key(), millis(self.members.rebalance_timeout_ms()));
            }
        }
    }

    fn begin_delay(&mut self, cx: &mut Context<'_, '_>, delay: Duration, remaining: Duration) {
        self.join_phase = JoinPhase::Initial {
            delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            remaining_ms: u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX),
            arrivals: Arrivals::None,
        };
        cx.set_timer(self.join_key(), delay);
    }

    /// Ends the join phase if everybody is there. The first one goes on for its whole delay.
    pub(super) fn maybe_complete_join(&mut self, cx: &mut Context<'_, '_>) {
        if self.state == ClassicState::PreparingRebalance
            && self.previous_state != ClassicState::Empty
            && self.has_all_members_joined()
        {
            self.complete_join(cx);
        }
    }

    /// The join phase has lasted as long as it may.
    pub(crate) fn join_timed_out(&mut self, cx: &mut Context<'_, '_>) {
        if self.state != ClassicState::PreparingRebalance {
            return;
        }
        if let JoinPhase::Initial { delay_ms, remaining_ms, arrivals: Arrivals::Some } = self.join_phase
            && remaining_ms != 0
        {
            let remaining = Duration::from_millis(remaining_ms);
            let delay = cx.settings.initial_rebalance_delay.min(remaining);
            self.begin_delay(cx, delay, remaining.saturating_sub(Duration::from_millis(delay_ms)));
            return;
        }
        self.complete_join(cx);
    }

    /// Ends the join phase: who did not come is out, except static members, whose place stays theirs until their session ends.
    fn complete_join(&mut self, cx: &mut Context<'_, '_>) {
        cx.timers.cancel(&self.join_key());
        let is_missing = |member: &&super::Member| member.joining.is_none() && member.instance_id.is_none();
        let missing: Vec<Arc<str>> = self.members.iter().filter(is_missing).map(|member| member.id.clone()).collect();
        for member_id in missing {
            self.remove(&member_id);
            cx.timers.cancel(&self.session_key(&member_id));
        }
        if !self.members.is_empty() && !self.elect_joined_leader() {
            // Only static members are left, and none of them came: there is nobody to make a generation with.
            self.join_phase = JoinPhase::Rejoin;
            cx.set_timer(self.join_key(), millis(self.members.rebalance_timeout_ms()).max(JOIN_RETRY_MIN));
            return;
        }
        self.begin_generation(cx);
    }

    /// Makes sure that the leader is a member that joined.
    fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |id: &Arc<str>| self.members.get(id).is_some_and(|member| member.joining.is_some());
        if !self.leader.as_ref().is_some_and(has_joined) {
            let Some(joined) = self.members.iter().find(|member| member.joining.is_some()) else { return false };
            self.leader = Some(joined.id.clone());
        }
        true
    }

    fn begin_generation(&mut self, cx: &mut Context<'_, '_>) {
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.protocol_name = self.members.elected_protocol();
        self.pending_syncs.clear();
        self.read_subscriptions();
        if self.members.is_empty() {
            self.transition(ClassicState::Empty, cx.env.now.timestamp);
            cx.write(self.record(None), Atomicity::OneBatch, Effect::Nothing);
            return;
        }
        self.transition(ClassicState::CompletingRebalance, cx.env.now.timestamp);
        for member_id in self.members.ids() {
            if let Some(waiter) = self.members.take_joining(&member_id) {
                let answer = self.joined_now(&member_id, waiter);
                cx.outbox.push(waiter.waiter, GroupAnswer::Join(answer));
            }
            self.renew_session(cx, &member_id);
            if let Some(member) = self.members.get_mut(&member_id) {
                member.tenure = Tenure::Settled;
            }
            self.pending_syncs.insert(member_id);
        }
        cx.set_timer(self.sync_key(), millis(self.members.rebalance_timeout_ms()));
    }

    /// The member was heard of: its session begins anew.
    pub(crate) fn renew_session(&self, cx: &mut Context<'_, '_>, member_id: &str) {
        if let Some(member) = self.members.get(member_id) {
            cx.set_timer(self.session_key(&member.id), member.session_timeout());
        }
    }

    /// Nothing was heard of a member for its session timeout, or an id that was given out was not used.
    pub(crate) fn session_timed_out(&mut self, cx: &mut Context<'_, '_>, member_id: &Arc<str>) {
        if self.is_pending(member_id) {
            self.pending_joins.remove(member_id);
            // It may have been the one that the join phase still waited for.
            if self.state == ClassicState::PreparingRebalance && self.has_all_members_joined() {
                self.complete_join(cx);
            }
            return;
        }
        if self.members.get(member_id).is_none_or(super::Member::has_satisfied_heartbeat) {
            return;
        }
        self.dismiss(cx, member_id);
        match self.state {
            ClassicState::Stable | ClassicState::CompletingRebalance => self.prepare_rebalance(cx),
            ClassicState::PreparingRebalance if self.has_all_members_joined() => self.complete_join(cx),
            ClassicState::PreparingRebalance | ClassicState::Empty => {}
        }
    }

    /// Takes a member out and answers what it waits for.
    pub(super) fn dismiss(&mut self, cx: &mut Context<'_, '_>, member_id: &Arc<str>) {
        if let Some(joining) = self.members.take_joining(member_id) {
            let answer = join_error(joining.version, "", ErrorCode::UnknownMemberId);
            cx.outbox.push(joining.waiter, GroupAnswer::Join(answer));
        }
        let removed = self.remove(member_id);
        if let Some(waiter) = removed.and_then(|member| member.syncing) {
            cx.outbox.push(waiter, GroupAnswer::Sync(super::sync_error(ErrorCode::UnknownMemberId)));
        }
        cx.timers.cancel(&self.session_key(member_id));
    }

    /// Some members never asked for their assignment.
    pub(crate) fn sync_timed_out(&mut self, cx: &mut Context<'_, '_>) {
        let is_waiting = matches!(self.state, ClassicState::CompletingRebalance | ClassicState::Stable);
        if !is_waiting || self.pending_syncs.is_empty() {
            return;
        }
        for member_id in std::mem::take(&mut self.pending_syncs) {
            self.dismiss(cx, &member_id);
        }
        self.prepare_rebalance(cx);
    }
}

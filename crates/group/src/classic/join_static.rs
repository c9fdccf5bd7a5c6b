//! A static member that comes back under a new member id (KIP-345): its old id is fenced, and where the group's protocol stays
//! the same, it goes on in the present generation without a rebalance.

use super::answers::{Roster, SKIP_ASSIGNMENT_VERSION, join_error};
use super::group::{ClassicGroup, ClassicState};
use super::join::JoinCall;
use super::member::JoinWaiter;
use super::members::Wishes;
use crate::answer::GroupAnswer;
use crate::context::{Context, Effect, StaticRejoin};
use crate::text::text;
use ottla_coordinator::Atomicity;
use ottla_wire::ErrorCode;
use ottla_wire::api::{JoinGroupResponse, SyncGroupResponse};
use std::sync::Arc;

impl ClassicGroup {
    pub(super) fn replace_static_member(
        &mut self,
        cx: &mut Context<'_, '_>,
        call: JoinCall<'_>,
        wishes: Wishes,
        old_id: &Arc<str>,
        new_id: Arc<str>,
    ) -> Option<JoinGroupResponse<'static>> {
        let old_leader = self.leader.clone();
        self.fence(cx, old_id);
        let old = self.rename(old_id, &new_id)?;
        cx.timers.cancel(&self.session_key(old_id));
        cx.set_timer(self.session_key(&new_id), old.session_timeout());
        self.members.rejoin(&new_id, wishes, Some(call.join_waiter()));
        match self.state {
            ClassicState::Stable if self.members.elected_protocol() == self.protocol_name => {
                let rejoin = StaticRejoin { group: self.id.clone(), new_id, old, old_leader };
                cx.write(self.record(None), Atomicity::OneBatch, Effect::StaticRejoin(Box::new(rejoin)));
            }
            ClassicState::Stable | ClassicState::PreparingRebalance => self.rebalance_or_complete_join(cx),
            ClassicState::CompletingRebalance => self.prepare_rebalance(cx),
            // An empty group has no members, static or not.
            ClassicState::Empty => {}
        }
        None
    }

    /// The old holder of a static member's place is told to stop.
    fn fence(&mut self, cx: &mut Context<'_, '_>, member_id: &Arc<str>) {
        if let Some(joining) = self.members.take_joining(member_id) {
            let answer = join_error(joining.version, member_id, ErrorCode::FencedInstanceId);
            cx.outbox.push(joining.waiter, GroupAnswer::Join(answer));
        }
        if let Some(waiter) = self.members.get_mut(member_id).and_then(|member| member.syncing.take()) {
            let error_code = ErrorCode::FencedInstanceId.code();
            let answer = SyncGroupResponse { error_code, ..SyncGroupResponse::default() };
            cx.outbox.push(waiter, GroupAnswer::Sync(answer));
        }
    }

    /// Gives a member another id; its place as the leader and its unsent SyncGroup go with it. Gives the member as it was.
    fn rename(&mut self, old_id: &Arc<str>, new_id: &Arc<str>) -> Option<super::Member> {
        let old = self.members.remove(old_id)?;
        let mut renamed = old.clone();
        renamed.id = new_id.clone();
        self.members.insert(renamed);
        if self.is_leader(old_id) {
            self.leader = Some(new_id.clone());
        }
        if self.pending_syncs.remove(old_id) {
            self.pending_syncs.insert(new_id.clone());
        }
        Some(old)
    }

    /// The new id is stored: the member goes on.
    pub(crate) fn static_rejoined(&mut self, cx: &mut Context<'_, '_>, rejoin: &StaticRejoin) {
        // A rebalance that began meanwhile answers the member at its end.
        if self.state != ClassicState::Stable {
            return;
        }
        let Some(JoinWaiter { waiter, version }) = self.members.take_joining(&rejoin.new_id) else { return };
        let answer = if version >= SKIP_ASSIGNMENT_VERSION {
            JoinGroupResponse {
                skip_assignment: self.is_leader(&rejoin.new_id),
                ..self.joined(&rejoin.new_id, version, self.roster(&rejoin.new_id))
            }
        } else {
            // A client that cannot skip the assignment must not take itself for the leader: it would assign anew.
            JoinGroupResponse {
                leader: text(rejoin.old_leader.as_deref().unwrap_or_default()),
                ..self.joined(&rejoin.new_id, version, Roster::Follower)
            }
        };
        cx.outbox.push(waiter, GroupAnswer::Join(answer));
    }

    /// The new id could not be stored: everything is as before, and the member may try again.
    pub(crate) fn static_rejoin_failed(&mut self, cx: &mut Context<'_, '_>, rejoin: &StaticRejoin, error: ErrorCode) {
        let Some(present) = self.members.get(&rejoin.new_id) else { return };
        let joining = present.joining;
        if self.state == ClassicState::Stable {
            self.rename(&rejoin.new_id, &rejoin.old.id);
            self.members.remove(&rejoin.old.id);
            self.members.insert(rejoin.old.clone());
            cx.timers.cancel(&self.session_key(&rejoin.new_id));
            cx.set_timer(self.session_key(&rejoin.old.id), rejoin.old.session_timeout());
        } else {
            self.members.take_joining(&rejoin.new_id);
        }
        if let Some(JoinWaiter { waiter, version }) = joining {
            let answer = JoinGroupResponse {
                error_code: error.code(),
                leader: text(rejoin.old_leader.as_deref().unwrap_or_default()),
                ..self.joined("", version, Roster::Follower)
            };
            cx.outbox.push(waiter, GroupAnswer::Join(answer));
        }
    }
}

//! SyncGroup, versions 0 to 5: members wait for the assignment that the leader brings. v3 adds static members, v5 protocol type
//! and name, which are checked and told (KIP-559).

use super::answers::sync_error;
use super::group::{ClassicGroup, ClassicState};
use crate::answer::{GroupAnswer, WaiterId};
use crate::context::{Context, Effect};
use crate::text::bytes;
use ottla_coordinator::Atomicity;
use ottla_wire::ErrorCode;
use ottla_wire::api::{SyncGroupRequest, SyncGroupResponse};
use std::collections::BTreeMap;
use std::sync::Arc;

impl ClassicGroup {
    /// Handles a sync. Some: the answer. None: the member waits, or was answered on the way.
    pub(crate) fn sync(
        &mut self,
        cx: &mut Context<'_, '_>,
        request: &SyncGroupRequest<'_>,
        waiter: WaiterId,
    ) -> Option<SyncGroupResponse<'static>> {
        if let Err(error) = self.validate_sync(request) {
            return Some(sync_error(error));
        }
        let member_id = &*request.member_id;
        match self.state {
            ClassicState::Empty => Some(sync_error(ErrorCode::UnknownMemberId)),
            ClassicState::PreparingRebalance => Some(sync_error(ErrorCode::RebalanceInProgress)),
            ClassicState::CompletingRebalance => {
                self.has_synced(cx, member_id);
                let earlier = self.members.get_mut(member_id).and_then(|member| member.syncing.replace(waiter));
                if let Some(earlier) = earlier {
                    let answer = sync_error(ErrorCode::RebalanceInProgress);
                    cx.outbox.push(earlier, GroupAnswer::Sync(answer));
                }
                if self.is_leader(member_id) {
                    self.store_assignment(cx, request);
                }
                None
            }
            ClassicState::Stable => {
                self.has_synced(cx, member_id);
                let assignment = self.members.get(member_id).map(|member| member.assignment.clone());
                Some(self.synced(&assignment.unwrap_or_default()))
            }
        }
    }

    fn validate_sync(&self, request: &SyncGroupRequest<'_>) -> Result<(), ErrorCode> {
        self.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        let differs =
            |told: Option<&str>, own: Option<&Arc<str>>| told.is_some_and(|told| own.is_some_and(|own| **own != *told));
        if differs(request.protocol_type.as_deref(), self.protocol_type.as_ref())
            || differs(request.protocol_name.as_deref(), self.protocol_name.as_ref())
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        Ok(())
    }

    fn has_synced(&mut self, cx: &mut Context<'_, '_>, member_id: &str) {
        self.pending_syncs.remove(member_id);
        if self.pending_syncs.is_empty() {
            cx.timers.cancel(&self.sync_key());
        }
    }

    fn store_assignment(&mut self, cx: &mut Context<'_, '_>, request: &SyncGroupRequest<'_>) {
        let mut assignment: BTreeMap<Arc<str>, Arc<[u8]>> = BTreeMap::new();
        for assigned in &request.assignments {
            // Whoever is not a member gets nothing; a member that was forgotten gets an empty assignment.
            if let Some(member) = self.members.get(&assigned.member_id) {
                assignment.insert(member.id.clone(), bytes(&assigned.assignment));
            }
        }
        let record = self.record(Some(&assignment));
        let effect = Effect::Stabilize { group: self.id.clone(), generation: self.generation, assignment };
        cx.write(record, Atomicity::OneBatch, effect);
    }

    /// The assignment is stored: everybody who waits gets theirs.
    pub(crate) fn stabilize(
        &mut self,
        cx: &mut Context<'_, '_>,
        generation: i32,
        assignment: &BTreeMap<Arc<str>, Arc<[u8]>>,
    ) {
        if self.state != ClassicState::CompletingRebalance || self.generation != generation {
            return;
        }
        for member in self.members.iter_mut() {
            member.assignment = assignment.get(&member.id).cloned().unwrap_or_default();
        }
        for member_id in self.members.ids() {
            let Some(member) = self.members.get_mut(&member_id) else { continue };
            let (waiter, assigned) = (member.syncing.take(), member.assignment.clone());
            if let Some(waiter) = waiter {
                cx.outbox.push(waiter, GroupAnswer::Sync(self.synced(&assigned)));
                self.renew_session(cx, &member_id);
            }
        }
        self.transition(ClassicState::Stable, cx.env.now.timestamp);
    }

    /// The assignment could not be stored: everybody joins again.
    pub(crate) fn stabilize_failed(&mut self, cx: &mut Context<'_, '_>, generation: i32, error: ErrorCode) {
        if self.state == ClassicState::CompletingRebalance && self.generation == generation {
            self.reset_assignments(cx, error);
            self.rebalance_or_complete_join(cx);
        }
    }

    /// Nobody has an assignment any more, and who waits for one is told why.
    pub(super) fn reset_assignments(&mut self, cx: &mut Context<'_, '_>, error: ErrorCode) {
        for member_id in self.members.ids() {
            let Some(member) = self.members.get_mut(&member_id) else { continue };
            member.assignment = Arc::default();
            if let Some(waiter) = member.syncing.take() {
                cx.outbox.push(waiter, GroupAnswer::Sync(sync_error(error)));
                self.renew_session(cx, &member_id);
            }
        }
    }
}

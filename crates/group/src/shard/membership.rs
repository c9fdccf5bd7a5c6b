//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup: from the request to the group's soft state.

use super::{ClientContext, GroupShard};
use crate::answer::{GroupAnswer, WaiterId};
use crate::classic::{ClassicGroup, JoinCall, join_error, leave_answer, leaving_members, sync_error, unknown_members};
use crate::context::Effect;
use crate::records;
use crate::state::GroupEntry;
use ottla_coordinator::{Atomicity, Env};
use ottla_wire::ErrorCode;
use ottla_wire::api::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    SyncGroupRequest, SyncGroupResponse,
};
use ottla_wire::group::GroupMetadataValue;
use std::sync::Arc;
use std::task::Poll;

impl GroupShard {
    /// JoinGroup, versions 0 to 9.
    pub fn join(
        &mut self,
        env: &mut Env<'_>,
        client: &ClientContext<'_>,
        version: i16,
        request: &JoinGroupRequest<'_>,
        waiter: WaiterId,
    ) -> Poll<JoinGroupResponse<'static>> {
        if let Err((member_id, error)) = self.check_join(request) {
            return Poll::Ready(join_error(version, member_id, error));
        }
        self.outbox.begin(waiter);
        let group_id = &*request.group_id;
        let is_new = self.shard.state().group(group_id).is_none();
        self.ensure_live(env, group_id);
        let call = JoinCall { client, version, request, waiter };
        let answer = self.with_live(env, group_id, |group, cx| group.join(cx, call)).flatten();
        if is_new {
            self.create_group(env, call, answer);
        } else if let Some(answer) = answer {
            self.outbox.push(waiter, GroupAnswer::Join(answer));
        }
        self.settle(env);
        self.forget_if_idle(group_id);
        self.ready(waiter, |answer| match answer {
            GroupAnswer::Join(answer) => Some(answer),
            _ => None,
        })
    }

    /// What is wrong with a join before its group is looked at, and under which member id it is told.
    fn check_join<'r>(&self, request: &'r JoinGroupRequest<'_>) -> Result<(), (&'r str, ErrorCode)> {
        let member_id = &*request.member_id;
        if request.group_id.is_empty() {
            return Err((member_id, ErrorCode::InvalidGroupId));
        }
        let timeouts = self.settings.session_timeout_ms_min..=self.settings.session_timeout_ms_max;
        if !timeouts.contains(&request.session_timeout_ms) {
            return Err((member_id, ErrorCode::InvalidSessionTimeout));
        }
        self.shard.check_active().map_err(|error| ("", error))?;
        match self.shard.state().group(&request.group_id) {
            // The name belongs to a group of another protocol.
            Some(GroupEntry::Foreign(_)) => Err(("", ErrorCode::InconsistentGroupProtocol)),
            None if !member_id.is_empty() => Err((member_id, ErrorCode::UnknownMemberId)),
            Some(GroupEntry::Classic(_)) | None => Ok(()),
        }
    }

    /// Makes the soft state of a group whose record has none, or of a new group.
    fn ensure_live(&mut self, env: &Env<'_>, group_id: &str) {
        if self.live.contains_key(group_id) {
            return;
        }
        let id: Arc<str> = group_id.into();
        let group = match self.shard.state().classic(group_id) {
            Some(record) => ClassicGroup::from_record(id.clone(), record),
            None => ClassicGroup::new(id.clone(), env.now.timestamp),
        };
        self.live.insert(id, group);
    }

    /// A group is recorded as soon as somebody asks to join, so that its offsets and its name are its own from then on.
    fn create_group(&mut self, env: &mut Env<'_>, call: JoinCall<'_>, answer: Option<JoinGroupResponse<'static>>) {
        let group_id = &*call.request.group_id;
        let value =
            GroupMetadataValue { current_state_timestamp: env.now.timestamp.0, ..GroupMetadataValue::default() };
        let record = records::group_metadata(group_id, Some(&value)).map(|record| vec![record]);
        let waiter = call.waiter;
        let effect = match answer {
            Some(answer) => Effect::Answer { waiter, answer: GroupAnswer::Join(answer) },
            None => {
                let answer = join_error(call.version, "", ErrorCode::None);
                Effect::AnswerFailure { waiter, answer: GroupAnswer::Join(answer) }
            }
        };
        let (mut cx, _) = self.split(env);
        if !cx.write(record, Atomicity::OneBatch, effect) {
            self.drop_live(group_id);
        }
    }

    /// SyncGroup, versions 0 to 5.
    pub fn sync(
        &mut self,
        env: &mut Env<'_>,
        request: &SyncGroupRequest<'_>,
        waiter: WaiterId,
    ) -> Poll<SyncGroupResponse<'static>> {
        if request.group_id.is_empty() {
            return Poll::Ready(sync_error(ErrorCode::InvalidGroupId));
        }
        if let Err(error) = self.shard.check_active() {
            return Poll::Ready(sync_error(error));
        }
        if !self.live.contains_key(&*request.group_id) {
            return Poll::Ready(sync_error(ErrorCode::UnknownMemberId));
        }
        self.outbox.begin(waiter);
        let answer = self.with_live(env, &request.group_id, |group, cx| group.sync(cx, request, waiter)).flatten();
        if let Some(answer) = answer {
            self.outbox.push(waiter, GroupAnswer::Sync(answer));
        }
        self.settle(env);
        self.ready(waiter, |answer| match answer {
            GroupAnswer::Sync(answer) => Some(answer),
            _ => None,
        })
    }

    /// Heartbeat, versions 0 to 4.
    pub fn heartbeat(&mut self, env: &mut Env<'_>, request: &HeartbeatRequest<'_>) -> HeartbeatResponse<'static> {
        let error = if request.group_id.is_empty() {
            ErrorCode::InvalidGroupId
        } else {
            match self.shard.check_active() {
                // The member is most likely one of those being loaded: it goes on without a rebalance.
                Err(ErrorCode::CoordinatorLoadInProgress) => ErrorCode::None,
                Err(error) => error,
                Ok(_) => self
                    .with_live(env, &request.group_id, |group, cx| group.heartbeat(cx, request))
                    .unwrap_or(ErrorCode::UnknownMemberId),
            }
        };
        HeartbeatResponse { error_code: error.code(), ..HeartbeatResponse::default() }
    }

    /// LeaveGroup, versions 0 to 5.
    pub fn leave(
        &mut self,
        env: &mut Env<'_>,
        version: i16,
        request: &LeaveGroupRequest<'_>,
        waiter: WaiterId,
    ) -> Poll<LeaveGroupResponse<'static>> {
        let failed = |error: ErrorCode| {
            Poll::Ready(LeaveGroupResponse { error_code: error.code(), ..LeaveGroupResponse::default() })
        };
        if request.group_id.is_empty() {
            return failed(ErrorCode::InvalidGroupId);
        }
        if let Err(error) = self.shard.check_active() {
            return failed(error);
        }
        self.outbox.begin(waiter);
        let members = leaving_members(version, request);
        let left = self.with_live(env, &request.group_id, |group, cx| group.leave(cx, &members));
        let answer = leave_answer(version, left.unwrap_or_else(|| unknown_members(&members)));
        // Behind the record of the group that became empty, if it did.
        self.answer_after(env, Ok(Vec::new()), waiter, GroupAnswer::Leave(answer));
        self.settle(env);
        self.forget_if_idle(&request.group_id);
        self.ready(waiter, |answer| match answer {
            GroupAnswer::Leave(answer) => Some(answer),
            _ => None,
        })
    }
}

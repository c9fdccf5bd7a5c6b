//! Heartbeat, versions 0 to 4. v3 adds static members.

use super::group::{ClassicGroup, ClassicState};
use crate::context::Context;
use ottla_wire::ErrorCode;
use ottla_wire::api::HeartbeatRequest;

impl ClassicGroup {
    pub(crate) fn heartbeat(&mut self, cx: &mut Context<'_, '_>, request: &HeartbeatRequest<'_>) -> ErrorCode {
        if let Err(error) = self.validate_member(&request.member_id, request.group_instance_id.as_deref()) {
            return error;
        }
        if request.generation_id != self.generation {
            return ErrorCode::IllegalGeneration;
        }
        match self.state {
            ClassicState::Empty => ErrorCode::UnknownMemberId,
            ClassicState::PreparingRebalance => {
                self.renew_session(cx, &request.member_id);
                ErrorCode::RebalanceInProgress
            }
            ClassicState::CompletingRebalance | ClassicState::Stable => {
                self.renew_session(cx, &request.member_id);
                ErrorCode::None
            }
        }
    }
}

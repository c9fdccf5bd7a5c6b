//! LeaveGroup, versions 0 to 5. Up to v2 one member leaves and the answer's error is its own; v3 adds a list of members, also
//! static ones by their instance alone (KIP-345), v5 a reason (KIP-800).

use super::group::{ClassicGroup, ClassicState};
use crate::context::Context;
use crate::text::text;
use ottla_wire::ErrorCode;
use ottla_wire::api::leave_group_request::MemberIdentity;
use ottla_wire::api::leave_group_response::MemberResponse;
use ottla_wire::api::{LeaveGroupRequest, LeaveGroupResponse};
use std::borrow::Cow;
use std::sync::Arc;

/// From this version on, several members may leave at once.
const MEMBERS_VERSION: i16 = 3;

impl ClassicGroup {
    pub(crate) fn leave(
        &mut self,
        cx: &mut Context<'_, '_>,
        members: &[MemberIdentity<'_>],
    ) -> Vec<MemberResponse<'static>> {
        let answers: Vec<_> = members.iter().map(|member| told(member, self.leave_one(cx, member))).collect();
        if answers.iter().any(|answer| answer.error_code == ErrorCode::None.code()) {
            match self.state {
                ClassicState::Stable | ClassicState::CompletingRebalance => self.prepare_rebalance(cx),
                ClassicState::PreparingRebalance => self.maybe_complete_join(cx),
                ClassicState::Empty => {}
            }
        }
        answers
    }

    fn leave_one(&mut self, cx: &mut Context<'_, '_>, member: &MemberIdentity<'_>) -> ErrorCode {
        let instance_id = member.group_instance_id.as_deref();
        if member.member_id.is_empty() {
            let present = instance_id.and_then(|instance_id| self.members.of_instance(instance_id)).cloned();
            return match present {
                Some(present) => {
                    self.dismiss(cx, &present);
                    ErrorCode::None
                }
                None => ErrorCode::UnknownMemberId,
            };
        }
        let member_id: Arc<str> = Arc::from(&*member.member_id);
        if !self.is_pending(&member_id)
            && let Err(error) = self.validate_member(&member_id, instance_id)
        {
            return error;
        }
        self.dismiss(cx, &member_id);
        ErrorCode::None
    }
}

/// Who leaves.
pub(crate) fn leaving_members<'r>(version: i16, request: &'r LeaveGroupRequest<'r>) -> Cow<'r, [MemberIdentity<'r>]> {
    if version >= MEMBERS_VERSION {
        return Cow::Borrowed(&request.members);
    }
    let member_id = Cow::Borrowed(&*request.member_id);
    Cow::Owned(vec![MemberIdentity { member_id, ..MemberIdentity::default() }])
}

/// The answer of a group that is not there.
pub(crate) fn unknown_members(members: &[MemberIdentity<'_>]) -> Vec<MemberResponse<'static>> {
    members.iter().map(|member| told(member, ErrorCode::UnknownMemberId)).collect()
}

/// The members' answers as a version tells them.
pub(crate) fn answer(version: i16, members: Vec<MemberResponse<'static>>) -> LeaveGroupResponse<'static> {
    if version >= MEMBERS_VERSION {
        return LeaveGroupResponse { members, ..LeaveGroupResponse::default() };
    }
    let error_code = members.first().map_or(ErrorCode::None.code(), |member| member.error_code);
    LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() }
}

fn told(member: &MemberIdentity<'_>, error: ErrorCode) -> MemberResponse<'static> {
    MemberResponse {
        member_id: text(&member.member_id),
        group_instance_id: member.group_instance_id.as_deref().map(text),
        error_code: error.code(),
        ..MemberResponse::default()
    }
}

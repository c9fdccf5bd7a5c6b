//! JoinGroup, versions 0 to 9. v1 adds the rebalance timeout (v0: the session timeout counts), v4 a first round in which a
//! dynamic member only gets its id (KIP-394), v5 static members (KIP-345), v7 the protocol type in the answer, v8 a reason
//! (KIP-800), v9 leaders that skip the assignment (KIP-814).

use super::answers::{Roster, join_error};
use super::group::{Arrivals, ClassicGroup, ClassicState, JoinPhase};
use super::member::{JoinWaiter, Member, Protocol, Tenure, protocols};
use super::members::Wishes;
use crate::answer::{GroupAnswer, WaiterId};
use crate::context::{Context, millis};
use crate::settings::GroupSettings;
use crate::shard::ClientContext;
use ottla_machine::Seed;
use ottla_wire::ErrorCode;
use ottla_wire::api::{JoinGroupRequest, JoinGroupResponse};
use std::sync::Arc;

/// From this version on, a dynamic member must come with an id that it was given.
const MEMBER_ID_REQUIRED_VERSION: i16 = 4;
/// Ids of a group that were given out and not used yet. Each expires with its session timeout; Kafka has no bound.
pub(crate) const PENDING_JOINS_MAX: usize = 100_000;

/// A JoinGroup with who sent it.
#[derive(Clone, Copy)]
pub(crate) struct JoinCall<'a> {
    pub(crate) client: &'a ClientContext<'a>,
    pub(crate) version: i16,
    pub(crate) request: &'a JoinGroupRequest<'a>,
    pub(crate) waiter: WaiterId,
}

impl JoinCall<'_> {
    pub(super) fn wishes(&self) -> Wishes {
        let request = self.request;
        Wishes {
            protocols: protocols(&request.protocols),
            rebalance_timeout_ms: match self.version {
                0 => request.session_timeout_ms,
                _ => request.rebalance_timeout_ms,
            },
            session_timeout_ms: request.session_timeout_ms,
        }
    }

    pub(super) fn join_waiter(&self) -> JoinWaiter {
        JoinWaiter { waiter: self.waiter, version: self.version }
    }

    fn error(&self, member_id: &str, error: ErrorCode) -> JoinGroupResponse<'static> {
        join_error(self.version, member_id, error)
    }
}

impl ClassicGroup {
    /// Handles a join. Some: the answer. None: the member waits, or was answered on the way.
    pub(crate) fn join(&mut self, cx: &mut Context<'_, '_>, call: JoinCall<'_>) -> Option<JoinGroupResponse<'static>> {
        let member_id = &*call.request.member_id;
        if !self.has_room_for(member_id, call.request.group_instance_id.as_deref(), cx.settings) {
            // A member of a group that was loaded with more than it may have.
            if self.remove(member_id).is_some() {
                let key = self.session_key(&member_id.into());
                cx.timers.cancel(&key);
            }
            return Some(call.error("", ErrorCode::GroupMaxSizeReached));
        }
        let wishes = call.wishes();
        if !self.supports(&call.request.protocol_type, &wishes.protocols) {
            return Some(call.error(member_id, ErrorCode::InconsistentGroupProtocol));
        }
        if member_id.is_empty() { self.join_new(cx, call, wishes) } else { self.join_known(cx, call, wishes) }
    }

    fn has_room_for(&self, member_id: &str, instance_id: Option<&str>, settings: &GroupSettings) -> bool {
        // Since 4.4 a static member may take its own place in a full group.
        let present = match instance_id.and_then(|instance_id| self.members.of_instance(instance_id)) {
            Some(present) if member_id.is_empty() => self.members.get(present),
            _ => self.members.get(member_id),
        };
        match self.state {
            ClassicState::Empty => true,
            ClassicState::PreparingRebalance => {
                present.is_some_and(|member| member.joining.is_some())
                    || self.members.awaiting_joins() < settings.size_max
            }
            ClassicState::CompletingRebalance | ClassicState::Stable => {
                present.is_some() || self.members.len() < settings.size_max
            }
        }
    }

    fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.state == ClassicState::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let is_same_type = self.protocol_type.as_deref() == Some(protocol_type);
        // When the last member of a rebalance has left, there is nobody to agree with.
        let supported =
            if self.members.is_empty() { !protocols.is_empty() } else { self.members.support_any(protocols) };
        is_same_type && supported
    }

    fn join_new(
        &mut self,
        cx: &mut Context<'_, '_>,
        call: JoinCall<'_>,
        wishes: Wishes,
    ) -> Option<JoinGroupResponse<'static>> {
        if let Some(instance_id) = call.request.group_instance_id.as_deref() {
            let member_id = new_member_id(instance_id, cx.seed);
            return match self.members.of_instance(instance_id).cloned() {
                Some(present) => self.replace_static_member(cx, call, wishes, &present, member_id),
                None => {
                    self.add_member(cx, call, wishes, member_id);
                    None
                }
            };
        }
        let member_id = new_member_id(call.client.client_id, cx.seed);
        if call.version < MEMBER_ID_REQUIRED_VERSION {
            self.add_member(cx, call, wishes, member_id);
            return None;
        }
        if self.pending_joins.len() >= PENDING_JOINS_MAX {
            return Some(call.error("", ErrorCode::GroupMaxSizeReached));
        }
        self.pending_joins.insert(member_id.clone());
        cx.set_timer(self.session_key(&member_id), millis(call.request.session_timeout_ms));
        Some(call.error(&member_id, ErrorCode::MemberIdRequired))
    }

    fn join_known(
        &mut self,
        cx: &mut Context<'_, '_>,
        call: JoinCall<'_>,
        wishes: Wishes,
    ) -> Option<JoinGroupResponse<'static>> {
        let member_id = &*call.request.member_id;
        if self.is_pending(member_id) {
            if call.request.group_instance_id.is_some() {
                // Ids are only given out in advance to dynamic members.
                return Some(call.error(member_id, ErrorCode::UnknownMemberId));
            }
            self.add_member(cx, call, wishes, member_id.into());
            return None;
        }
        if let Err(error) = self.validate_member(member_id, call.request.group_instance_id.as_deref()) {
            return Some(call.error(member_id, error));
        }
        let is_unchanged = self.members.get(member_id).is_some_and(|member| member.protocols == wishes.protocols);
        match self.state {
            // The answer to the join was lost: it is told again.
            ClassicState::CompletingRebalance if is_unchanged => {
                return Some(self.joined_now(member_id, call.join_waiter()));
            }
            ClassicState::Stable if is_unchanged && !self.is_leader(member_id) => {
                return Some(self.joined(member_id, call.version, Roster::Follower));
            }
            ClassicState::Empty => return Some(call.error(member_id, ErrorCode::UnknownMemberId)),
            // A leader that joins again asks for a new assignment.
            ClassicState::PreparingRebalance | ClassicState::CompletingRebalance | ClassicState::Stable => {}
        }
        // Who waited under this id is not there any more, or it would not ask twice.
        if let Some(earlier) = self.members.take_joining(member_id) {
            let answer = join_error(earlier.version, member_id, ErrorCode::RebalanceInProgress);
            cx.outbox.push(earlier.waiter, GroupAnswer::Join(answer));
        }
        self.members.rejoin(member_id, wishes, Some(call.join_waiter()));
        self.rebalance_or_complete_join(cx);
        None
    }

    fn add_member(&mut self, cx: &mut Context<'_, '_>, call: JoinCall<'_>, wishes: Wishes, member_id: Arc<str>) {
        if self.state == ClassicState::PreparingRebalance
            && let JoinPhase::Initial { arrivals, .. } = &mut self.join_phase
        {
            *arrivals = Arrivals::Some;
        }
        let member = Member {
            id: member_id.clone(),
            instance_id: call.request.group_instance_id.as_deref().map(Arc::from),
            client_id: call.client.client_id.into(),
            client_host: call.client.client_host.into(),
            rebalance_timeout_ms: wishes.rebalance_timeout_ms,
            session_timeout_ms: wishes.session_timeout_ms,
            protocols: wishes.protocols,
            assignment: Arc::default(),
            joining: Some(call.join_waiter()),
            syncing: None,
            tenure: Tenure::New,
        };
        self.add(member, &call.request.protocol_type);
        // A new member that never hears back is given up on, since it might have gone and come again under another id.
        cx.set_timer(self.session_key(&member_id), GroupSettings::NEW_MEMBER_JOIN_TIMEOUT);
        self.rebalance_or_complete_join(cx);
    }
}

/// A client id, or a static member's instance id, and a random UUID in Java's text form.
fn new_member_id(prefix: &str, seed: &mut Seed) -> Arc<str> {
    let random = (u128::from(seed.draw()) << 64) | u128::from(seed.draw());
    let version_4 = random & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let part = |shift: u32, bits: u32| (version_4 >> shift) & ((1 << bits) - 1);
    let (a, b, c, d, e) = (part(96, 32), part(80, 16), part(64, 16), part(48, 16), part(0, 48));
    format!("{prefix}-{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_ids_are_version_4_uuids_behind_the_client_id() {
        let id = new_member_id("consumer-1", &mut Seed(7));
        let uuid = id.strip_prefix("consumer-1-").unwrap();
        let parts: Vec<&str> = uuid.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('4'), "{uuid}");
        assert!(["8", "9", "a", "b"].contains(&&parts[3][..1]), "{uuid}");
    }
}

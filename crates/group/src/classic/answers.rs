//! JoinGroup and SyncGroup answers, as each version can tell them.

use super::group::ClassicGroup;
use super::member::JoinWaiter;
use crate::text::text;
use ottla_wire::ErrorCode;
use ottla_wire::api::join_group_response::JoinGroupResponseMember;
use ottla_wire::api::{JoinGroupResponse, SyncGroupResponse};
use std::borrow::Cow;

/// From this version on, a protocol's name may be null.
const NULL_PROTOCOL_VERSION: i16 = 7;
/// From this version on, a static leader is told to skip the assignment (KIP-814).
pub(super) const SKIP_ASSIGNMENT_VERSION: i16 = 9;

pub(super) fn protocol_name(name: Option<&str>, version: i16) -> Option<Cow<'static, str>> {
    match name {
        Some(name) => Some(text(name)),
        None if version < NULL_PROTOCOL_VERSION => Some(Cow::Borrowed("")),
        None => None,
    }
}

/// A JoinGroup that failed, and under which member id.
pub(crate) fn join_error(version: i16, member_id: &str, error: ErrorCode) -> JoinGroupResponse<'static> {
    JoinGroupResponse {
        error_code: error.code(),
        generation_id: -1,
        protocol_name: protocol_name(None, version),
        member_id: text(member_id),
        ..JoinGroupResponse::default()
    }
}

pub(crate) fn sync_error(error: ErrorCode) -> SyncGroupResponse<'static> {
    SyncGroupResponse { error_code: error.code(), ..SyncGroupResponse::default() }
}

/// Whether an answer carries the members' metadata, for the leader to assign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Roster {
    Leader,
    Follower,
}

impl ClassicGroup {
    /// The roster that a member gets: only the leader sees the others.
    pub(super) fn roster(&self, member_id: &str) -> Roster {
        if self.is_leader(member_id) { Roster::Leader } else { Roster::Follower }
    }

    /// The present generation, told to a member.
    pub(super) fn joined(&self, member_id: &str, version: i16, roster: Roster) -> JoinGroupResponse<'static> {
        let protocol = self.protocol_name.as_deref();
        let members = match roster {
            Roster::Follower => Vec::new(),
            Roster::Leader => self
                .members
                .iter()
                .map(|member| JoinGroupResponseMember {
                    member_id: text(&member.id),
                    group_instance_id: member.instance_id.as_deref().map(text),
                    metadata: Cow::Owned(
                        protocol.and_then(|name| member.metadata(name)).map(|bytes| bytes.to_vec()).unwrap_or_default(),
                    ),
                    ..JoinGroupResponseMember::default()
                })
                .collect(),
        };
        JoinGroupResponse {
            generation_id: self.generation,
            protocol_type: self.protocol_type.as_deref().map(text),
            protocol_name: protocol_name(protocol, version),
            leader: text(self.leader.as_deref().unwrap_or_default()),
            member_id: text(member_id),
            members,
            ..JoinGroupResponse::default()
        }
    }

    pub(super) fn joined_now(&self, member_id: &str, waiter: JoinWaiter) -> JoinGroupResponse<'static> {
        self.joined(member_id, waiter.version, self.roster(member_id))
    }

    /// The assignment of a member, told to it.
    pub(super) fn synced(&self, assignment: &[u8]) -> SyncGroupResponse<'static> {
        SyncGroupResponse {
            protocol_type: self.protocol_type.as_deref().map(text),
            protocol_name: self.protocol_name.as_deref().map(text),
            assignment: Cow::Owned(assignment.to_vec()),
            ..SyncGroupResponse::default()
        }
    }
}

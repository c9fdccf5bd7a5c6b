//! A classic group as its record tells it.
//!
//! In a record a member has one protocol left: the one that the group chose.

use crate::text::bytes;
use ottla_coordinator::ReplayError;
use ottla_machine::Timestamp;
use ottla_wire::group::GroupMetadataValue;
use std::sync::Arc;

/// What is left of a classic group after a restart. The default is a "simple" group: offsets without a protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClassicRecord {
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<Arc<str>>,
    pub(crate) protocol_name: Option<Arc<str>>,
    pub(crate) leader: Option<Arc<str>>,
    /// When the group came into its state; old records do not say.
    pub(crate) state_since: Option<Timestamp>,
    pub(crate) members: Vec<MemberRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberRecord {
    pub(crate) member_id: Arc<str>,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    pub(crate) subscription: Arc<[u8]>,
    pub(crate) assignment: Arc<[u8]>,
}

impl ClassicRecord {
    pub(crate) fn is_simple(&self) -> bool {
        self.protocol_type.is_none() && self.members.is_empty()
    }

    pub(crate) fn from_value(value: &GroupMetadataValue<'_>) -> Result<ClassicRecord, ReplayError> {
        let protocol_type = Some(&value.protocol_type).filter(|name| !name.is_empty()).map(|name| Arc::from(&**name));
        let mut members: Vec<MemberRecord> = Vec::with_capacity(value.members.len());
        for member in &value.members {
            // Version 0 knows only one timeout.
            let rebalance_timeout_ms =
                if member.rebalance_timeout == -1 { member.session_timeout } else { member.rebalance_timeout };
            members.push(MemberRecord {
                member_id: Arc::from(&*member.member_id),
                instance_id: member.group_instance_id.as_deref().map(Arc::from),
                client_id: Arc::from(&*member.client_id),
                client_host: Arc::from(&*member.client_host),
                rebalance_timeout_ms,
                session_timeout_ms: member.session_timeout,
                subscription: bytes(&member.subscription),
                assignment: bytes(&member.assignment),
            });
        }
        members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
        if members.windows(2).any(|pair| pair[0].member_id == pair[1].member_id) {
            return Err(ReplayError::Contradiction("a member stands twice in its group"));
        }
        let mut instances: Vec<&Arc<str>> = members.iter().filter_map(|m| m.instance_id.as_ref()).collect();
        instances.sort();
        if instances.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(ReplayError::Contradiction("a static member stands twice in its group"));
        }
        if !members.is_empty() && (protocol_type.is_none() || value.protocol.is_none()) {
            return Err(ReplayError::Contradiction("a group with members but without a protocol"));
        }
        Ok(ClassicRecord {
            generation: value.generation,
            protocol_type,
            protocol_name: value.protocol.as_deref().map(Arc::from),
            leader: value.leader.as_deref().map(Arc::from),
            state_since: Some(Timestamp(value.current_state_timestamp)).filter(|time| *time != Timestamp::NONE),
            members,
        })
    }
}

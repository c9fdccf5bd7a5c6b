//! A member of a classic group.

use crate::answer::WaiterId;
use crate::context::millis;
use crate::state::MemberRecord;
use crate::text::bytes;
use ottla_wire::api::join_group_request::JoinGroupRequestProtocol;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: Arc<str>,
    /// `group.instance.id`: set for static members (KIP-345).
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    /// In the member's order of preference.
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) assignment: Arc<[u8]>,
    pub(crate) joining: Option<JoinWaiter>,
    pub(crate) syncing: Option<WaiterId>,
    pub(crate) tenure: Tenure,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Protocol {
    pub(crate) name: Arc<str>,
    pub(crate) metadata: Arc<[u8]>,
}

/// Who waits for a JoinGroup answer, and how it must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JoinWaiter {
    pub(crate) waiter: WaiterId,
    pub(crate) version: i16,
}

/// A member that has not lived through a rebalance may be given up on even while it waits for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenure {
    New,
    Settled,
}

impl Member {
    pub(crate) fn from_record(record: &MemberRecord, protocol: Arc<str>) -> Member {
        Member {
            id: record.member_id.clone(),
            instance_id: record.instance_id.clone(),
            client_id: record.client_id.clone(),
            client_host: record.client_host.clone(),
            rebalance_timeout_ms: record.rebalance_timeout_ms,
            session_timeout_ms: record.session_timeout_ms,
            protocols: vec![Protocol { name: protocol, metadata: record.subscription.clone() }],
            assignment: record.assignment.clone(),
            joining: None,
            syncing: None,
            tenure: Tenure::Settled,
        }
    }

    pub(crate) fn session_timeout(&self) -> Duration {
        millis(self.session_timeout_ms)
    }

    /// What the member says for a protocol.
    pub(crate) fn metadata(&self, protocol: &str) -> Option<&Arc<[u8]>> {
        self.protocols.iter().find(|own| *own.name == *protocol).map(|own| &own.metadata)
    }

    /// Whoever waits for the group does not send heartbeats meanwhile.
    pub(crate) fn has_satisfied_heartbeat(&self) -> bool {
        self.tenure == Tenure::Settled && (self.joining.is_some() || self.syncing.is_some())
    }
}

/// A request's protocols, owned; of two with one name the first counts.
pub(crate) fn protocols(requested: &[JoinGroupRequestProtocol<'_>]) -> Vec<Protocol> {
    let mut protocols: Vec<Protocol> = Vec::with_capacity(requested.len());
    for protocol in requested {
        if protocols.iter().all(|known| *known.name != *protocol.name) {
            let metadata = bytes(&protocol.metadata);
            protocols.push(Protocol { name: Arc::from(&*protocol.name), metadata });
        }
    }
    protocols
}

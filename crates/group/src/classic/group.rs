//! A classic group's soft state and its five states.
//!
//! ```text
//! Empty ─────────────► PreparingRebalance ─► CompletingRebalance ─► Stable
//!   ▲                      │    ▲ ▲                  │                 │
//!   └── all members left ──┘    │ └──────────────────┘                 │
//!                               └──────────────────────────────────────┘
//! ```
//! Dead is only told of groups that are not there. Invariants: a group without members has no leader; a leader is a member;
//! members exist in every state but Empty, or are about to be found gone by the end of the join phase.

use super::member::Member;
use super::members::Members;
use crate::records;
use crate::state::ClassicRecord;
use crate::timers::{TimerKey, Timers};
use ottla_coordinator::CoordinatorRecord;
use ottla_machine::Timestamp;
use ottla_wire::group::GroupMetadataValue;
use ottla_wire::group::group_metadata_value::MemberMetadata;
use ottla_wire::other::ConsumerProtocolSubscription;
use ottla_wire::{Decode, EncodeError, ErrorCode, Reader};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The protocol type of consumers, whose subscriptions can be read.
pub(crate) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClassicState {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

impl ClassicState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ClassicState::Empty => "Empty",
            ClassicState::PreparingRebalance => "PreparingRebalance",
            ClassicState::CompletingRebalance => "CompletingRebalance",
            ClassicState::Stable => "Stable",
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ClassicGroup {
    pub(crate) id: Arc<str>,
    pub(crate) state: ClassicState,
    /// The state before this one: Empty during the first rebalance, which waits for more members.
    pub(super) previous_state: ClassicState,
    pub(crate) state_since: Option<Timestamp>,
    pub(crate) protocol_type: Option<Arc<str>>,
    pub(crate) protocol_name: Option<Arc<str>>,
    pub(crate) generation: i32,
    pub(crate) leader: Option<Arc<str>>,
    pub(crate) members: Members,
    /// Ids that were given out and have not joined yet (KIP-394).
    pub(super) pending_joins: BTreeSet<Arc<str>>,
    /// Members that have not sent the SyncGroup of this generation.
    pub(super) pending_syncs: BTreeSet<Arc<str>>,
    /// The topics that the members consume, where they can be known.
    subscribed_topics: Option<BTreeSet<Box<str>>>,
    /// What the timer of the join phase is for.
    pub(super) join_phase: JoinPhase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JoinPhase {
    /// The first rebalance: it is put off while members keep coming, up to the rebalance timeout.
    Initial { delay_ms: u64, remaining_ms: u64, arrivals: Arrivals },
    /// Members are given their rebalance timeout to come back.
    Rejoin,
}

/// Whether a member came since the delay of the first rebalance began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrivals {
    None,
    Some,
}

impl ClassicGroup {
    pub(crate) fn new(id: Arc<str>, now: Timestamp) -> ClassicGroup {
        ClassicGroup::from_record(id, &ClassicRecord { state_since: Some(now), ..ClassicRecord::default() })
    }

    pub(crate) fn from_record(id: Arc<str>, record: &ClassicRecord) -> ClassicGroup {
        let mut group = ClassicGroup {
            id,
            state: if record.members.is_empty() { ClassicState::Empty } else { ClassicState::Stable },
            previous_state: ClassicState::Empty,
            state_since: record.state_since,
            protocol_type: record.protocol_type.clone(),
            protocol_name: record.protocol_name.clone(),
            generation: record.generation,
            leader: record.leader.clone(),
            members: Members::default(),
            pending_joins: BTreeSet::new(),
            pending_syncs: BTreeSet::new(),
            subscribed_topics: None,
            join_phase: JoinPhase::Rejoin,
        };
        if let Some(protocol) = &record.protocol_name {
            for member in &record.members {
                group.members.insert(Member::from_record(member, protocol.clone()));
            }
        }
        if group.leader.as_ref().is_none_or(|leader| !group.members.contains(leader)) {
            group.leader = group.members.iter().next().map(|member| member.id.clone());
        }
        group.read_subscriptions();
        group
    }

    pub(crate) fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    pub(crate) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// Whether nobody is in it and nobody was told to come.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == ClassicState::Empty && self.members.is_empty() && self.pending_joins.is_empty()
    }

    pub(crate) fn is_pending(&self, member_id: &str) -> bool {
        self.pending_joins.contains(member_id)
    }

    /// Where subscriptions cannot be read, a consumer group counts as subscribed to everything.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    pub(crate) fn knows_subscriptions(&self) -> bool {
        self.subscribed_topics.is_some()
    }

    pub(super) fn transition(&mut self, state: ClassicState, now: Timestamp) {
        self.previous_state = self.state;
        self.state = state;
        self.state_since = Some(now);
    }

    /// Whether a request's member is who it says it is (KIP-345).
    pub(crate) fn validate_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.members.of_instance(instance_id) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(present) if **present != *member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains(member_id) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    pub(super) fn add(&mut self, member: Member, protocol_type: &str) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.into());
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        self.pending_joins.remove(&member.id);
        self.members.insert(member);
    }

    pub(super) fn remove(&mut self, member_id: &str) -> Option<Member> {
        let removed = self.members.remove(member_id);
        if self.is_leader(member_id) {
            self.leader = self.members.iter().next().map(|member| member.id.clone());
        }
        self.pending_joins.remove(member_id);
        self.pending_syncs.remove(member_id);
        removed
    }

    pub(super) fn has_all_members_joined(&self) -> bool {
        self.members.len() == self.members.awaiting_joins() && self.pending_joins.is_empty()
    }

    /// Reads what the members subscribe to, from the part of the consumer protocol that all its versions begin with.
    pub(super) fn read_subscriptions(&mut self) {
        self.subscribed_topics = match &self.protocol_name {
            _ if !self.uses_consumer_protocol() => None,
            _ if self.members.is_empty() => Some(BTreeSet::new()),
            None => None,
            Some(protocol) => subscriptions(self.members.iter().filter_map(|member| member.metadata(protocol))),
        };
    }

    /// The group as a record. Members' assignments are those given, or where none are given their own.
    pub(super) fn record(
        &self,
        assignment: Option<&BTreeMap<Arc<str>, Arc<[u8]>>>,
    ) -> Result<Vec<CoordinatorRecord>, EncodeError> {
        let members = self.members.iter().map(|member| {
            let assigned = match assignment {
                Some(assignment) => assignment.get(&member.id).map(|bytes| &**bytes).unwrap_or_default(),
                None => &*member.assignment,
            };
            let subscription = self.protocol_name.as_deref().and_then(|name| member.metadata(name));
            MemberMetadata {
                member_id: Cow::Borrowed(&*member.id),
                group_instance_id: member.instance_id.as_deref().map(Cow::Borrowed),
                client_id: Cow::Borrowed(&*member.client_id),
                client_host: Cow::Borrowed(&*member.client_host),
                rebalance_timeout: member.rebalance_timeout_ms,
                session_timeout: member.session_timeout_ms,
                subscription: Cow::Borrowed(subscription.map(|bytes| &**bytes).unwrap_or_default()),
                assignment: Cow::Borrowed(assigned),
                ..MemberMetadata::default()
            }
        });
        let value = GroupMetadataValue {
            protocol_type: Cow::Borrowed(self.protocol_type.as_deref().unwrap_or_default()),
            generation: self.generation,
            protocol: self.protocol_name.as_deref().map(Cow::Borrowed),
            leader: self.leader.as_deref().map(Cow::Borrowed),
            current_state_timestamp: self.state_since.unwrap_or(Timestamp::NONE).0,
            members: members.collect(),
            ..GroupMetadataValue::default()
        };
        Ok(vec![records::group_metadata(&self.id, Some(&value))?])
    }

    pub(crate) fn session_key(&self, member_id: &Arc<str>) -> TimerKey {
        TimerKey::Session { group: self.id.clone(), member: member_id.clone() }
    }

    pub(crate) fn cancel_timers(&self, timers: &mut Timers) {
        for member_id in self.members.ids().iter().chain(&self.pending_joins) {
            timers.cancel(&self.session_key(member_id));
        }
        timers.cancel(&self.join_key());
        timers.cancel(&self.sync_key());
    }

    pub(super) fn join_key(&self) -> TimerKey {
        TimerKey::Join { group: self.id.clone() }
    }

    pub(super) fn sync_key(&self) -> TimerKey {
        TimerKey::Sync { group: self.id.clone() }
    }
}

fn subscriptions<'m>(metadata: impl Iterator<Item = &'m Arc<[u8]>>) -> Option<BTreeSet<Box<str>>> {
    let mut topics = BTreeSet::new();
    for metadata in metadata {
        let mut reader = Reader::new(metadata);
        let version = reader.i16().ok().filter(|version| *version >= 0);
        let subscription = version.and_then(|_| ConsumerProtocolSubscription::decode(&mut reader, 0).ok())?;
        topics.extend(subscription.topics.iter().map(|topic| Box::from(&**topic)));
    }
    Some(topics)
}

//! The members of a classic group with what is counted about them: who waits for a join, which protocols how many support.
//!
//! Invariants: `awaiting_joins` is the number of members with a join waiter; `supported` counts each member once for each of
//! its protocols; a static member's instance leads to its present id. All changes to those fields go through here.

use super::member::{JoinWaiter, Member, Protocol};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(crate) struct Members {
    by_id: BTreeMap<Arc<str>, Member>,
    instances: BTreeMap<Arc<str>, Arc<str>>,
    awaiting_joins: usize,
    supported: BTreeMap<Arc<str>, usize>,
}

impl Members {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Member> {
        self.by_id.get(id)
    }

    /// For fields that nothing counts: assignment, sync waiter, tenure.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.by_id.get_mut(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.by_id.values()
    }

    /// For fields that nothing counts, see [`Members::get_mut`].
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.by_id.values_mut()
    }

    pub(crate) fn ids(&self) -> Vec<Arc<str>> {
        self.by_id.keys().cloned().collect()
    }

    pub(crate) fn awaiting_joins(&self) -> usize {
        self.awaiting_joins
    }

    /// The present id of a static member.
    pub(crate) fn of_instance(&self, instance_id: &str) -> Option<&Arc<str>> {
        self.instances.get(instance_id)
    }

    pub(crate) fn insert(&mut self, member: Member) {
        self.remove(&member.id.clone());
        if let Some(instance) = &member.instance_id {
            self.instances.insert(instance.clone(), member.id.clone());
        }
        self.awaiting_joins += usize::from(member.joining.is_some());
        self.count_protocols(&member.protocols);
        self.by_id.insert(member.id.clone(), member);
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Member> {
        let member = self.by_id.remove(id)?;
        if let Some(instance) = &member.instance_id {
            self.instances.remove(instance);
        }
        self.awaiting_joins -= usize::from(member.joining.is_some());
        self.discount_protocols(&member.protocols);
        Some(member)
    }

    /// A member joins again, perhaps with other wishes.
    pub(crate) fn rejoin(&mut self, id: &str, wishes: Wishes, joining: Option<JoinWaiter>) {
        if let Some(mut member) = self.remove(id) {
            member.protocols = wishes.protocols;
            member.rebalance_timeout_ms = wishes.rebalance_timeout_ms;
            member.session_timeout_ms = wishes.session_timeout_ms;
            member.joining = joining;
            self.insert(member);
        }
    }

    /// Takes the one who waits for the member's join.
    pub(crate) fn take_joining(&mut self, id: &str) -> Option<JoinWaiter> {
        let joining = self.by_id.get_mut(id)?.joining.take()?;
        self.awaiting_joins -= 1;
        Some(joining)
    }

    /// Whether any of these protocols is one that every member supports.
    pub(crate) fn support_any(&self, protocols: &[Protocol]) -> bool {
        protocols.iter().any(|protocol| self.supported.get(&protocol.name) == Some(&self.by_id.len()))
    }

    /// The protocol that all support and most prefer; of equals the first by name.
    pub(crate) fn elected_protocol(&self) -> Option<Arc<str>> {
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in self.by_id.values() {
            let supported_by_all = |protocol: &&Protocol| self.supported.get(&protocol.name) == Some(&self.by_id.len());
            if let Some(vote) = member.protocols.iter().find(supported_by_all) {
                *votes.entry(&vote.name).or_default() += 1;
            }
        }
        votes.into_iter().rev().max_by_key(|(_, count)| *count).map(|(name, _)| name.clone())
    }

    pub(crate) fn rebalance_timeout_ms(&self) -> i32 {
        self.by_id.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    fn count_protocols(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            *self.supported.entry(protocol.name.clone()).or_default() += 1;
        }
    }

    fn discount_protocols(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            if let Some(count) = self.supported.get_mut(&protocol.name) {
                *count -= 1;
                if *count == 0 {
                    self.supported.remove(&protocol.name);
                }
            }
        }
    }
}

/// What a member asks for with each join.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
}

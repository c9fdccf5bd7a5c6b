//! What measures each client that is counted by itself, found without making a key; forgotten when its client is quiet
//! for an hour.

use ottla_machine::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// As long as Kafka keeps a sensor that nothing is recorded with.
const IDLE_MAX: Duration = Duration::from_secs(3600);

/// By user and client id.
#[derive(Debug, Clone)]
pub(crate) struct Meters<M> {
    by_user: BTreeMap<Box<str>, BTreeMap<Box<str>, Used<M>>>,
}

#[derive(Debug, Clone)]
struct Used<M> {
    meter: M,
    at: Instant,
}

impl<M> Default for Meters<M> {
    fn default() -> Self {
        Self { by_user: BTreeMap::new() }
    }
}

impl<M> Meters<M> {
    /// The meter of a client, made where there is none.
    pub(crate) fn of(&mut self, user: &str, client: &str, now: Instant, new: impl FnOnce() -> M) -> &mut M {
        // No entry(): it wants a key of its own for a client that is known.
        if !self.by_user.contains_key(user) {
            self.by_user.insert(user.into(), BTreeMap::new());
        }
        let Some(of_user) = self.by_user.get_mut(user) else { unreachable!("it was put there") };
        if !of_user.contains_key(client) {
            of_user.insert(client.into(), Used { meter: new(), at: now });
        }
        let Some(used) = of_user.get_mut(client) else { unreachable!("it was put there") };
        used.at = now;
        &mut used.meter
    }

    pub(crate) fn expire(&mut self, now: Instant) {
        self.by_user.retain(|_, of_user| {
            of_user.retain(|_, used| now.saturating_since(used.at) < IDLE_MAX);
            !of_user.is_empty()
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.by_user.values().map(BTreeMap::len).sum()
    }
}

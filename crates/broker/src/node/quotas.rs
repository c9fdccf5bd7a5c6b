//! The quotas of this node's clients: what the metadata says of them, and what they took. Where nothing is set, asking
//! costs the load of one flag; else each kind has a lock of its own, held for a few lookups.

use super::lock;
use crate::request::Context;
use ottla_machine::Instant;
use ottla_metadata::image::ClientQuotas;
use ottla_quota::{ClientQuota, Limits, MutationQuota, Whom, Window};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// `quota.window.*` and `controller.quota.window.*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaWindows {
    pub clients: Window,
    pub mutations: Window,
}

pub(crate) struct NodeQuotas {
    pub produced: Kind<ClientQuota>,
    pub fetched: Kind<ClientQuota>,
    /// Percents of a second.
    pub requested: Kind<ClientQuota>,
    pub mutations: Kind<MutationQuota>,
}

/// One kind of quota.
pub(crate) struct Kind<Q> {
    is_set: AtomicBool,
    quota: Mutex<Q>,
}

impl<Q> Kind<Q> {
    fn new(quota: Q) -> Self {
        Self { is_set: AtomicBool::new(false), quota: Mutex::new(quota) }
    }

    /// Whether anybody has such a quota.
    pub fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    /// What the quota says, if anybody has one.
    pub fn ask<T>(&self, ask: impl FnOnce(&mut Q) -> T) -> Option<T> {
        self.is_set().then(|| ask(&mut lock(&self.quota)))
    }
}

impl Kind<ClientQuota> {
    /// Counts what the client of a request took; how long it is to wait.
    pub fn record(&self, context: &Context, value: f64, now: Instant) -> Duration {
        let (user, client) = context.taker();
        self.ask(|quota| quota.record(user, client, value, now)).unwrap_or_default()
    }
}

impl NodeQuotas {
    pub fn new(windows: QuotaWindows) -> Arc<Self> {
        let QuotaWindows { clients, mutations } = windows;
        Arc::new(Self {
            produced: Kind::new(ClientQuota::new(clients, Duration::MAX)),
            fetched: Kind::new(ClientQuota::new(clients, Duration::MAX)),
            requested: Kind::new(ClientQuota::new(clients, clients.length)),
            mutations: Kind::new(MutationQuota::new(mutations)),
        })
    }

    /// Takes in what the metadata says now.
    pub fn set(&self, quotas: &ClientQuotas) {
        let limits = limits_of(quotas, "producer_byte_rate");
        self.produced.set(limits, ClientQuota::set_limits);
        let limits = limits_of(quotas, "consumer_byte_rate");
        self.fetched.set(limits, ClientQuota::set_limits);
        let limits = limits_of(quotas, "request_percentage");
        self.requested.set(limits, ClientQuota::set_limits);
        let limits = limits_of(quotas, "controller_mutation_rate");
        self.mutations.set(limits, MutationQuota::set_limits);
    }

    /// Forgets clients that were quiet for long.
    pub fn expire(&self, now: Instant) {
        for kind in [&self.produced, &self.fetched, &self.requested] {
            lock(&kind.quota).expire(now);
        }
        lock(&self.mutations.quota).expire(now);
    }
}

impl<Q> Kind<Q> {
    fn set(&self, limits: Limits, set: impl FnOnce(&mut Q, Limits)) {
        let is_set = !limits.is_empty();
        set(&mut lock(&self.quota), limits);
        self.is_set.store(is_set, Ordering::Release);
    }
}

fn limits_of(quotas: &ClientQuotas, key: &str) -> Limits {
    let mut limits = Limits::default();
    for (entity, values) in quotas {
        let Some(max) = values.get(key) else { continue };
        let whom = |kind: &str| match entity.get(kind) {
            None => Whom::Any,
            Some(None) => Whom::Default,
            Some(Some(name)) => Whom::Named(name),
        };
        limits.set(whom("user"), whom("client-id"), *max);
    }
    limits
}

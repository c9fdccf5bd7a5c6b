//! How many connections there may be, and how fast they may come: `max.connections`, `max.connections.per.ip` with its
//! overrides, `max.connection.creation.rate`, and `listener.name.<listener>.` before the first and the last; and the quota
//! `connection_creation_rate` of addresses (KIP-612).
//!
//! As Apache Kafka has it. Who comes while all places are taken, or too fast, waits, and his listener with him; who has too
//! many from one address is closed at once, and who comes too often from one after the time that he should have waited. The
//! listener between brokers is not held by the node's limit and rate, if there are others: it may go beyond, and then the
//! connection of another that was quiet for longest is closed. Brokers' and controllers' listeners are counted apart, with
//! the same limits. The limits are read anew for each connection, since they may be changed while the node runs.

mod limits;

use ottla_machine::Instant;
use ottla_quota::Rate;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

pub(crate) use limits::{Limits, Source};

/// Those who wait look at the limits again after this time: they may have been raised.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The connections of the listeners of one role.
pub(crate) struct Admission {
    state: Mutex<State>,
    /// A place is free, or a limit may be another.
    changed: Notify,
}

#[derive(Default)]
struct State {
    listeners: BTreeMap<Arc<str>, OfListener>,
    by_address: BTreeMap<IpAddr, usize>,
    /// Of addresses that have a quota, with the time when each was last come from.
    rates: BTreeMap<IpAddr, (Rate, Instant)>,
    rates_swept: Instant,
    rate: Rate,
    held: BTreeMap<u64, Arc<Held>>,
    next: u64,
}

#[derive(Default)]
struct OfListener {
    count: usize,
    rate: Rate,
}

/// A connection that was let in.
struct Held {
    listener: Arc<str>,
    address: IpAddr,
    last_active: AtomicU64,
    told_to_go: Notify,
    /// Why.
    reason: OnceLock<&'static str>,
}

/// A connection's place; dropped, it is free.
pub(crate) struct Place {
    admission: Arc<Admission>,
    id: u64,
    held: Arc<Held>,
}

/// Where a connection notes that it was heard of.
#[derive(Clone)]
pub(crate) struct Activity(Arc<Held>);

/// Why a connection is not let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The address has as many as it may.
    TooMany(usize),
    /// The address makes them too fast. It is closed after this time, so that whoever tries again and again is slowed down.
    TooFast(Duration),
}

/// As long as Kafka remembers an address that nobody comes from.
const RATE_IDLE_MAX: Duration = Duration::from_secs(3600);
const RATES_SWEEP_INTERVAL: Duration = Duration::from_secs(60);

impl Admission {
    pub(crate) fn new(listeners: impl IntoIterator<Item = Arc<str>>) -> Arc<Self> {
        let listeners = listeners.into_iter().map(|name| (name, OfListener::default())).collect();
        Arc::new(Self { state: Mutex::new(State { listeners, ..State::default() }), changed: Notify::new() })
    }

    /// Counts a listener that was not there at the start.
    pub(crate) fn open(&self, listener: &str) {
        self.lock().listeners.entry(listener.into()).or_default();
    }

    /// Sends the connections of a listener away that is there no longer.
    pub(crate) fn close(&self, listener: &str) {
        let mut state = self.lock();
        state.listeners.remove(listener);
        let its = state.held.values().filter(|held| *held.listener == *listener);
        its.for_each(|held| held.send_away("is closed: its listener is gone"));
    }

    /// A place for a connection, when there is one for it.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        listener: &Arc<str>,
        address: IpAddr,
        limits: impl Fn() -> Arc<Limits>,
        now: impl Fn() -> Instant,
    ) -> Result<Place, Refused> {
        let began = now();
        let pause = self.lock().count_arrival(listener, &limits(), began);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        loop {
            // Heard of from here on: a place that is given back while it is looked for is not missed.
            let changed = self.changed.notified();
            let limits = limits();
            {
                let mut state = self.lock();
                if state.has_place(listener, &limits) {
                    state.count_address(listener, address, &limits, now())?;
                    let held = state.take_place(listener, address, &limits, now())?;
                    state.send_away(&limits);
                    let id = state.next;
                    return Ok(Place { admission: Arc::clone(self), id, held });
                }
            }
            let _ = tokio::time::timeout(LOOK_INTERVAL, changed).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts who comes; how long he is to wait so that they do not come too fast.
    fn count_arrival(&mut self, listener: &Arc<str>, limits: &Limits, now: Instant) -> Duration {
        let mut pause = Duration::ZERO;
        if !self.is_exempt(listener, limits) {
            pause = count(&mut self.rate, limits.creation_rate, limits, now);
        }
        if let Some(of_listener) = self.listeners.get_mut(listener) {
            pause = pause.max(count(&mut of_listener.rate, limits.of(listener).creation_rate, limits, now));
        }
        pause
    }

    /// Counts who comes from an address that has a quota. Who is refused was never there, for the other rates as well.
    fn count_address(
        &mut self,
        listener: &Arc<str>,
        address: IpAddr,
        limits: &Limits,
        now: Instant,
    ) -> Result<(), Refused> {
        let Some(max) = limits.rate_of_address(address) else { return Ok(()) };
        if now.saturating_since(self.rates_swept) >= RATES_SWEEP_INTERVAL {
            self.rates_swept = now;
            self.rates.retain(|_, (_, last)| now.saturating_since(*last) < RATE_IDLE_MAX);
        }
        let (rate, last) = self.rates.entry(address).or_default();
        *last = now;
        let pause = count(rate, max, limits, now);
        if pause.is_zero() {
            return Ok(());
        }
        rate.record(-1.0, limits.window, now);
        if !self.is_exempt(listener, limits) {
            self.rate.record(-1.0, limits.window, now);
        }
        if let Some(of_listener) = self.listeners.get_mut(listener) {
            of_listener.rate.record(-1.0, limits.window, now);
        }
        Err(Refused::TooFast(pause))
    }

    /// The listener between brokers, if there are others.
    fn is_exempt(&self, listener: &str, limits: &Limits) -> bool {
        *limits.inter_broker_listener == *listener && self.listeners.len() > 1
    }

    fn has_place(&self, listener: &Arc<str>, limits: &Limits) -> bool {
        let count = self.listeners.get(listener).map_or(0, |of_listener| of_listener.count);
        count < limits.of(listener).connections
            && (self.is_exempt(listener, limits) || self.held.len() < limits.connections)
    }

    fn take_place(
        &mut self,
        listener: &Arc<str>,
        address: IpAddr,
        limits: &Limits,
        now: Instant,
    ) -> Result<Arc<Held>, Refused> {
        let max = limits.of_address(address);
        let count = self.by_address.entry(address).or_default();
        if *count >= max {
            return Err(Refused::TooMany(max));
        }
        *count += 1;
        if let Some(of_listener) = self.listeners.get_mut(listener) {
            of_listener.count += 1;
        }
        let held = Arc::new(Held {
            listener: Arc::clone(listener),
            address,
            last_active: AtomicU64::new(now.0),
            told_to_go: Notify::new(),
            reason: OnceLock::new(),
        });
        self.next += 1;
        self.held.insert(self.next, Arc::clone(&held));
        Ok(held)
    }

    /// While there are more than there may be: who was quiet for longest goes, of those who are not exempt.
    fn send_away(&self, limits: &Limits) {
        let excess = self.held.len().saturating_sub(limits.connections);
        if excess == 0 {
            return;
        }
        let others = self.held.values().filter(|held| !self.is_exempt(&held.listener, limits));
        let mut quiet: Vec<&Arc<Held>> = others.collect();
        quiet.sort_by_key(|held| held.last_active.load(Ordering::Relaxed));
        quiet.iter().take(excess).for_each(|held| held.send_away("was quiet for longest, and makes room for another"));
    }
}

/// Counts one more; how long it is to wait, no longer than a window.
fn count(rate: &mut Rate, max: usize, limits: &Limits, now: Instant) -> Duration {
    rate.record(1.0, limits.window, now);
    rate.excess(max as f64, limits.window, now).min(limits.window.length)
}

impl Held {
    fn send_away(&self, reason: &'static str) {
        let _ = self.reason.set(reason);
        self.told_to_go.notify_one();
    }
}

impl Place {
    pub(crate) fn activity(&self) -> Activity {
        Activity(Arc::clone(&self.held))
    }

    /// Serves the connection until it ends, or has to go to make room. Where it did not have to go, the place is given back
    /// with what came of it.
    pub(crate) async fn hold<T>(self, serving: impl Future<Output = T>) -> Option<(Self, T)> {
        tokio::select! {
            served = serving => Some((self, served)),
            () = self.held.told_to_go.notified() => {
                tracing::info!("a connection of {} {}", self.held.address, self.held.reason.get().unwrap_or(&"is closed"));
                None
            }
        }
    }
}

impl Activity {
    pub(crate) fn note(&self, now: Instant) {
        self.0.last_active.store(now.0, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.admission.lock();
        state.held.remove(&self.id);
        if let Some(count) = state.by_address.get_mut(&self.held.address) {
            *count -= 1;
            if *count == 0 {
                state.by_address.remove(&self.held.address);
            }
        }
        if let Some(of_listener) = state.listeners.get_mut(&self.held.listener) {
            of_listener.count -= 1;
        }
        drop(state);
        self.admission.changed.notify_waiters();
    }
}

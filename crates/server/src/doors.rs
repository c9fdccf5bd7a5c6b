//! The listeners of a running node: served from its start, and opened and closed as `listeners` and
//! `listener.security.protocol.map` of this broker change in the metadata.
//!
//! As Apache Kafka has it: listeners are told apart by their names, so one whose address alone changes stays where it is; an
//! advertised listener cannot go, since clients and other nodes were told of it; a new one is not told to anybody. The
//! controller's listeners are as the file has them. A listener that goes takes its connections along.

use crate::admission::Admission;
use crate::config::{
    Listener, NodeConfig, ProtocolMap, SecurityProtocol, SocketSettings, TlsSettings, check_served, listeners_of,
};
use crate::connection::Shared;
use crate::listen::{self, Bound};
use crate::tls::Tls;
use ottla_broker::ListenerKind;
use ottla_metadata::config_defs::{BrokerLayers, Configs};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// What is set in the metadata for this broker, and for all.
#[derive(Clone, Default)]
pub(crate) struct Set {
    pub(crate) own: Arc<Configs>,
    pub(crate) all: Arc<Configs>,
}

pub(crate) struct Doors {
    file: Configs,
    sockets: SocketSettings,
    advertised: Vec<String>,
    controllers: Vec<String>,
    set: Mutex<Set>,
    open: Mutex<BTreeMap<String, Door>>,
}

struct Door {
    protocol: SecurityProtocol,
    tls: Option<Arc<Tls>>,
    /// `None` until it is served.
    serving: Option<JoinHandle<()>>,
}

/// What serving a listener takes.
pub(crate) struct Service {
    pub(crate) shared: Arc<Shared>,
    pub(crate) runtime: Handle,
    /// The broker's connections.
    pub(crate) admission: Arc<Admission>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Doors {
    /// The listeners of the file, with the TLS of those that have it; or all that is wrong with their stores.
    pub(crate) fn new(config: &NodeConfig) -> Result<Arc<Self>, String> {
        let mut open = BTreeMap::new();
        let mut mistakes = Vec::new();
        for listener in &config.network.listeners {
            let settings = config.network.tls.get(&listener.name);
            match settings.map(|settings| Tls::new(listener, settings.clone(), config.file.clone())).transpose() {
                Ok(tls) => {
                    let door = Door { protocol: listener.protocol, tls: tls.map(Arc::new), serving: None };
                    open.insert(listener.name.clone(), door);
                }
                Err(why) => mistakes.push(why),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes.join("\n"));
        }
        Ok(Arc::new(Self {
            file: config.file.clone(),
            sockets: config.sockets.clone(),
            advertised: config.network.advertised.iter().map(|listener| listener.name.clone()).collect(),
            controllers: config.network.controller_listener_names.clone(),
            set: Mutex::default(),
            open: Mutex::new(open),
        }))
    }

    pub(crate) fn set(&self) -> Set {
        lock(&self.set).clone()
    }

    /// Notes what is set from now on; [`Doors::follow`] acts on it.
    pub(crate) fn note(&self, set: Set) {
        *lock(&self.set) = set;
    }

    /// Serves a listener that was bound at the start.
    pub(crate) fn serve(&self, bound: Bound, kind: ListenerKind, service: &Service) {
        let name = bound.listener.name.clone();
        if let Some(door) = lock(&self.open).get_mut(&name) {
            let (shared, admission) = (Arc::clone(&service.shared), Arc::clone(&service.admission));
            door.serving = Some(service.runtime.spawn(bound.serve(shared, kind, admission, door.tls.clone())));
        }
    }

    /// Opens what is to be open and is not, and closes what is not to be. What cannot be bound is told, and tried again with
    /// the next change.
    pub(crate) fn follow(&self, service: &Service) {
        let set = self.set();
        let layers = BrokerLayers { dynamic: &set.own, dynamic_default: &set.all, file: &self.file };
        let (wanted, _) = match self.wanted(layers) {
            Ok(wanted) => wanted,
            Err(why) => return tracing::error!("the listeners stay as they are: {why}"),
        };
        let mut open = lock(&self.open);
        open.retain(|name, door| {
            let stays = self.controllers.contains(name) || wanted.iter().any(|listener| listener.name == *name);
            if !stays {
                tracing::info!("the listener {name} is closed, as the configuration of this broker says");
                if let Some(serving) = door.serving.take() {
                    serving.abort();
                }
                service.admission.close(name);
            }
            stays
        });
        for listener in wanted {
            if open.contains_key(&listener.name) || self.controllers.contains(&listener.name) {
                continue;
            }
            match self.open(&listener, layers, service) {
                Ok(door) => drop(open.insert(listener.name, door)),
                Err(why) => tracing::error!("the listener {listener} cannot be opened: {why}"),
            }
        }
        service.shared.limits.know(open.keys().cloned().collect());
    }

    fn open(&self, listener: &Listener, layers: BrokerLayers<'_>, service: &Service) -> Result<Door, String> {
        let tls = self.tls_of(listener, layers)?.map(Arc::new);
        let bound = listen::bind(listener, &self.sockets).map_err(|error| error.to_string())?;
        tracing::info!("the listener {listener} is open, on {}", bound.address);
        service.admission.open(&listener.name);
        let (shared, admission) = (Arc::clone(&service.shared), Arc::clone(&service.admission));
        let serving = bound.serve(shared, ListenerKind::Broker, admission, tls.clone());
        // Its socket must be known to the runtime before the caller goes on.
        let serving = service.runtime.spawn(serving);
        Ok(Door { protocol: listener.protocol, tls, serving: Some(serving) })
    }

    fn tls_of(&self, listener: &Listener, layers: BrokerLayers<'_>) -> Result<Option<Tls>, String> {
        if listener.protocol != SecurityProtocol::Ssl {
            return Ok(None);
        }
        let settings = TlsSettings::read(listener, layers).map_err(|mistakes| {
            let texts: Vec<String> = mistakes.into_iter().map(|(key, text)| format!("{key}: {text}")).collect();
            texts.join("; ")
        })?;
        Tls::new(listener, settings, self.file.clone()).map(Some)
    }

    fn wanted(&self, layers: BrokerLayers<'_>) -> Result<(Vec<Listener>, ProtocolMap), String> {
        listeners_of(layers, &self.controllers)
    }

    /// Whether `own` can be all that is set for this broker.
    pub(crate) fn check(&self, own: &Configs) -> Result<(), String> {
        let open = lock(&self.open);
        open.values().filter_map(|door| door.tls.as_ref()).try_for_each(|tls| tls.check(own))?;
        if !["listeners", "listener.security.protocol.map"].iter().any(|key| own.contains_key(*key)) {
            return Ok(());
        }
        let all = self.set().all;
        let layers = BrokerLayers { dynamic: own, dynamic_default: &all, file: &self.file };
        let (wanted, protocols) = self.wanted(layers)?;
        let shown = |names: &mut dyn Iterator<Item = &String>| {
            let names: Vec<String> = names.map(|name| format!("ListenerName({name})")).collect();
            format!("Set({})", names.join(", "))
        };
        if !self.advertised.iter().all(|name| wanted.iter().any(|listener| listener.name == *name)) {
            return Err(format!(
                "Advertised listeners '{}' must be a subset of listeners '{}'",
                shown(&mut self.advertised.iter()),
                shown(&mut wanted.iter().map(|listener| &listener.name))
            ));
        }
        for (name, door) in open.iter() {
            if protocols.get(name).is_some_and(|protocol| protocol != door.protocol) {
                return Err(format!("Security protocol cannot be updated for existing listener ListenerName({name})"));
            }
        }
        for listener in wanted.iter().filter(|listener| !open.contains_key(&listener.name)) {
            check_served(listener)?;
            self.tls_of(listener, layers)?;
        }
        Ok(())
    }
}

//! The nodes of a cluster: who they are, and a connection to each that is asked something.

use super::connection::{Connection, Pending};
use super::meter::Meter;
use super::reply::Reply;
use super::tls;
use crate::config::ClientConfig;
use crate::error::{ClientError, Result};
use crate::session::cluster::{Cluster, Node};
use ottla_wire::api::metadata_request::MetadataRequestTopic;
use ottla_wire::api::{DescribeClusterRequest, DescribeClusterResponse, MetadataRequest, MetadataResponse};
use ottla_wire::{Request, VersionRange};
use std::collections::BTreeMap;
use std::net::ToSocketAddrs;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Whom to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Whoever can be reached.
    Any,
    /// The controller where controllers are asked; elsewhere any broker, which passes the request on.
    Controller,
    Node(i32),
    /// A node by a connection of its own, for what may be held up there: a member that joins waits for the others, and
    /// what comes behind it on the same connection waits too.
    Coordinator(i32),
}

/// Whether any of the addresses to begin with has a name that is known. Asks the system, and may wait for it.
pub fn resolve(config: &ClientConfig) -> Result<()> {
    let mut addresses = config.bootstrap.addresses().iter();
    if addresses.any(|(host, port)| (host.as_str(), *port).to_socket_addrs().is_ok()) {
        return Ok(());
    }
    let key = if config.bootstrap.is_controllers() { "bootstrap.controllers" } else { "bootstrap.servers" };
    Err(ClientError::Bootstrap(format!("No resolvable bootstrap urls given in {key}")))
}

/// A cluster as one client sees it. Many calls may go on at once.
pub struct Network {
    config: ClientConfig,
    cluster: Mutex<Arc<Cluster>>,
    /// When it was last learned.
    learned: Mutex<Option<Instant>>,
    connections: tokio::sync::Mutex<BTreeMap<Peer, Arc<Connection>>>,
    /// Made from the stores with the first connection.
    tls: OnceLock<Result<TlsConnector>>,
    /// None where nobody asks for metrics.
    meter: Option<Arc<Meter>>,
}

/// A node by its id, or by its place among the bootstrap addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Peer {
    Bootstrap(usize),
    Node(i32),
    Coordinator(i32),
}

impl Network {
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        Self {
            config,
            cluster: Mutex::default(),
            learned: Mutex::default(),
            connections: tokio::sync::Mutex::default(),
            tls: OnceLock::new(),
            meter: None,
        }
    }

    /// One whose connections are counted.
    pub(crate) fn metered(config: ClientConfig, meter: Arc<Meter>) -> Self {
        Self { meter: Some(meter), ..Self::new(config) }
    }

    pub const fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// What was last learned; empty before [`Network::refresh`].
    pub fn cluster(&self) -> Arc<Cluster> {
        Arc::clone(&self.cluster.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks for the brokers and for the topics named, or all. Fails with the first broken connection.
    pub async fn refresh(&self, topics: Topics<'_>) -> Result<Arc<Cluster>> {
        let cluster = if self.config.bootstrap.is_controllers() {
            self.controllers().await?
        } else {
            let reply = self.ask(Target::Any, MetadataRequest::VERSIONS_ALL, |_| topics.request()).await?;
            let response: MetadataResponse<'_> = reply.read()?;
            ClientError::check(response.error_code, None)?;
            Cluster::of(&response)
        };
        let cluster = Arc::new(cluster);
        *self.cluster.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&cluster);
        *self.learned.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(cluster)
    }

    /// How long ago metadata was learned; None before the first time.
    pub(crate) fn metadata_age(&self) -> Option<Duration> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }

    /// Controllers tell of themselves by DescribeCluster (KIP-919).
    async fn controllers(&self) -> Result<Cluster> {
        let request = |_| DescribeClusterRequest { endpoint_type: 2, ..Default::default() };
        let reply = self.ask(Target::Any, DescribeClusterRequest::VERSIONS_ALL, request).await?;
        let response: DescribeClusterResponse<'_> = reply.read()?;
        ClientError::check(response.error_code, response.error_message.as_deref())?;
        let nodes = response.brokers.iter().map(|node| {
            let port = u16::try_from(node.port).unwrap_or_default();
            let rack = node.rack.as_deref().map(str::to_owned);
            (node.broker_id, Node { id: node.broker_id, host: node.host.to_string(), port, rack })
        });
        Ok(Cluster {
            id: Some(response.cluster_id.to_string()),
            controller: (response.controller_id >= 0).then_some(response.controller_id),
            nodes: nodes.collect(),
            topics: BTreeMap::new(),
        })
    }

    /// Sends one request once and waits for its answer, no longer than `request.timeout.ms`.
    pub async fn ask<'r, R: Request<'r>>(
        &self,
        to: Target,
        versions: VersionRange,
        build: impl FnOnce(i16) -> R,
    ) -> Result<Reply> {
        self.ask_within(self.config.request_timeout, to, versions, build).await
    }

    pub async fn ask_within<'r, R: Request<'r>>(
        &self,
        limit: Duration,
        to: Target,
        versions: VersionRange,
        build: impl FnOnce(i16) -> R,
    ) -> Result<Reply> {
        let whole = async { self.send(to, versions, build).await?.wait().await };
        timeout(limit, whole).await.unwrap_or_else(|_| {
            Err(ClientError::TimedOut(format!("No answer to {} within {} ms.", R::KEY.info().name, limit.as_millis())))
        })
    }

    pub(crate) async fn send<'r, R: Request<'r>>(
        &self,
        to: Target,
        versions: VersionRange,
        build: impl FnOnce(i16) -> R,
    ) -> Result<Pending> {
        self.connection(to).await?.send(versions, build).await
    }

    /// The answer to ApiVersions of a node, as it came.
    pub async fn hello(&self, to: Target) -> Result<Reply> {
        let connection = self.connection(to).await?;
        connection.hello.clone().ok_or_else(|| ClientError::Failed("the node has not said what it speaks".into()))
    }

    pub(crate) async fn connection(&self, to: Target) -> Result<Arc<Connection>> {
        let cluster = self.cluster();
        match to {
            Target::Node(id) | Target::Coordinator(id) => match cluster.nodes.get(&id) {
                Some(node) if to == Target::Node(id) => self.connect(Peer::Node(id), &node.host, node.port).await,
                Some(node) => self.connect(Peer::Coordinator(id), &node.host, node.port).await,
                None => Err(ClientError::Unreachable(format!("node {id}"), "no such node is known".into())),
            },
            Target::Controller if self.config.bootstrap.is_controllers() => {
                match cluster.controller.and_then(|id| cluster.nodes.get(&id)) {
                    Some(node) => self.connect(Peer::Node(node.id), &node.host, node.port).await,
                    None => self.connect_any(&cluster).await,
                }
            }
            Target::Controller | Target::Any => self.connect_any(&cluster).await,
        }
    }

    /// One that is connected already, else the first that can be.
    async fn connect_any(&self, cluster: &Cluster) -> Result<Arc<Connection>> {
        {
            let mut connections = self.connections.lock().await;
            connections.retain(|_, connection| !connection.is_closed());
            let mut free = connections.iter().filter(|(peer, _)| !matches!(peer, Peer::Coordinator(_)));
            if let Some((_, connection)) = free.next() {
                return Ok(Arc::clone(connection));
            }
        }
        let mut failed = None;
        for node in cluster.nodes.values() {
            match self.connect(Peer::Node(node.id), &node.host, node.port).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failed = Some(error),
            }
        }
        for (place, (host, port)) in self.config.bootstrap.addresses().iter().enumerate() {
            match self.connect(Peer::Bootstrap(place), host, *port).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| ClientError::Failed("no address to connect to".into())))
    }

    async fn connect(&self, peer: Peer, host: &str, port: u16) -> Result<Arc<Connection>> {
        let mut connections = self.connections.lock().await;
        if let Some(connection) = connections.get(&peer).filter(|connection| !connection.is_closed()) {
            return Ok(Arc::clone(connection));
        }
        let setup = self.config.socket_connection_setup_timeout;
        let tls = match &self.config.tls {
            None => None,
            Some(config) => Some(self.tls.get_or_init(|| tls::connector(config)).as_ref().map_err(Clone::clone)?),
        };
        let meter = self.meter.as_ref().map(|meter| meter.node(peer.id()));
        let opened = Connection::open(host, port, &self.config.client_id, setup, tls, meter).await;
        let connection = Arc::new(opened.inspect_err(|_| self.warn(peer, host, port))?);
        connections.insert(peer, Arc::clone(&connection));
        Ok(connection)
    }

    /// A produce or a fetch took so long.
    pub(crate) fn took(&self, node: i32, millis: f64) {
        if let Some(meter) = &self.meter {
            meter.node(node).took(millis);
        }
    }

    /// How many connections stand, and how many requests wait for answers on them.
    pub(crate) async fn load(&self) -> (usize, usize) {
        let connections = self.connections.lock().await;
        let open = connections.values().filter(|connection| !connection.is_closed());
        open.fold((0, 0), |(count, in_flight), connection| (count + 1, in_flight + connection.in_flight()))
    }

    fn warn(&self, peer: Peer, host: &str, port: u16) {
        let id = match peer {
            Peer::Coordinator(id) => id,
            _ => peer.id(),
        };
        tracing::warn!(
            "[{}] Connection to node {id} ({host}:{port}) could not be established. Node may not be available.",
            self.config.client_id
        );
    }
}

impl Peer {
    /// The number that Kafka's clients know it by.
    fn id(self) -> i32 {
        match self {
            Self::Node(id) => id,
            Self::Bootstrap(place) => -1 - i32::try_from(place).unwrap_or(0),
            Self::Coordinator(id) => i32::MAX - id,
        }
    }
}

/// Which topics a client wants to know of.
#[derive(Debug, Clone, Copy)]
pub enum Topics<'a> {
    None,
    All,
    Named(&'a [&'a str]),
    /// Makes those that are missing, where the broker does so.
    NamedOrCreated(&'a [&'a str]),
}

impl<'a> Topics<'a> {
    fn request(self) -> MetadataRequest<'a> {
        let named = |names: &'a [&'a str]| {
            let topic = |name: &&'a str| MetadataRequestTopic { name: Some((*name).into()), ..Default::default() };
            Some(names.iter().map(topic).collect())
        };
        let topics = match self {
            Self::None => Some(Vec::new()),
            Self::All => None,
            Self::Named(names) | Self::NamedOrCreated(names) => named(names),
        };
        let allow_auto_topic_creation = matches!(self, Self::NamedOrCreated(_));
        MetadataRequest { topics, allow_auto_topic_creation, ..Default::default() }
    }
}

/// All versions that we know of a request.
pub trait Versions {
    const VERSIONS_ALL: VersionRange;
}

impl<'r, R: Request<'r>> Versions for R {
    const VERSIONS_ALL: VersionRange = R::VERSIONS;
}

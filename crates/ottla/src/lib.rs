//! A node of Ottla inside a test, a benchmark or a program: Kafka on a free port, with data that goes when it goes.
//!
//! ```
//! let node = ottla::Node::start()?;
//! // Any client of Kafka connects there.
//! println!("bootstrap.servers={}", node.bootstrap());
//! # Ok::<(), ottla::StartError>(())
//! ```
//!
//! A node is a broker and its own controller, and formats its directory. It is ready when `start` comes back, and stops
//! when it is dropped. Several may run beside one another. Neither call may be made where blocking is forbidden for long:
//! both take some milliseconds, on a thread of their own, so that they may stand in an `async` test.

mod data;

pub use data::Data;
use ottla_server::config::{InvalidConfig, NodeConfig, Origin, Properties, embedded};
use ottla_server::{RunError, Running, storage};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("there is no directory for the node's data: {path}: {error}")]
    Directory { path: PathBuf, error: std::io::Error },
    #[error("data in memory need a file system in memory, and {} is none", data::MEMORY)]
    NoMemory,
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    #[error("the directory cannot be formatted: {0}")]
    Format(String),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("the properties give the node no listener for clients")]
    NoListener,
    #[error("the node's start has failed; the log says why")]
    Failed,
}

/// A node that serves until it is stopped or dropped.
pub struct Node {
    /// Nothing once it is stopped.
    running: Option<Running>,
    bootstrap: SocketAddr,
    /// Removed after the node has stopped.
    data: Data,
}

impl Node {
    /// A node on a free port of this machine, with its data in a temporary directory.
    ///
    /// # Errors
    ///
    /// If the directory cannot be made or written, or no port is free.
    pub fn start() -> Result<Self, StartError> {
        Self::builder().start()
    }

    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// What a client takes as `bootstrap.servers`: `127.0.0.1:` and the port.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.bootstrap.to_string()
    }

    /// Where the data are, in Kafka's files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.data.path()
    }

    /// Every listener's name and address.
    pub fn listeners(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        let running = self.running.iter();
        running.flat_map(|running| running.listeners.iter().map(|(name, address)| (name.as_str(), *address)))
    }

    /// Whether the node can go on no longer, as where its disk has failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.running.as_ref().is_none_or(Running::has_failed)
    }

    /// Stops in an orderly way, and removes the data unless the directory is the caller's. So does dropping the node.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        // A runtime must not be dropped inside of another.
        apart(|| running.stop());
    }
}

/// What a node is started with.
#[derive(Debug, Default)]
pub struct Builder {
    place: data::Place,
    properties: Vec<(String, String)>,
}

impl Builder {
    /// Keeps the data in memory: in a file system there, `/dev/shm` on Linux. Elsewhere the start fails.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.place = data::Place::Memory;
        self
    }

    /// Keeps the data in this directory, which is made if it is not there, and stays. A directory that a node (or Apache
    /// Kafka, with `node.id=1`) has written before is gone on with.
    #[must_use]
    pub fn directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.place = data::Place::Given(path.into());
        self
    }

    /// A key of `server.properties`.
    #[must_use]
    pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.push((key.into(), value.into()));
        self
    }

    /// Starts the node, and comes back when it serves.
    ///
    /// # Errors
    ///
    /// If a property is wrong, the directory cannot be used, or a port is taken.
    pub fn start(self) -> Result<Node, StartError> {
        let data = Data::new(self.place)?;
        let mut properties = single_node(data.path());
        for (key, value) in self.properties {
            properties.set(key, value, Origin::Program);
        }
        let config = NodeConfig::load(&properties)?.config;
        let running = apart(|| run(&config)).ok_or(StartError::Failed)??;
        let is_broker = |name: &str| !config.network.is_controller_listener(name);
        let listener = running.listeners.iter().find(|(name, _)| is_broker(name));
        let bootstrap = listener.ok_or(StartError::NoListener)?.1;
        Ok(Node { running: Some(running), bootstrap, data })
    }
}

fn run(config: &NodeConfig) -> Result<Running, StartError> {
    if storage::is_empty(config) {
        storage::format_alone(config, None).map_err(StartError::Format)?;
    }
    Ok(ottla_server::start(config)?)
}

/// A node that stands alone on this machine, for a test: the system chooses its ports.
#[must_use]
pub fn single_node(directory: &Path) -> Properties {
    let mut properties = embedded(&directory.to_string_lossy());
    for (key, value) in [
        ("listeners", "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0"),
        ("controller.quorum.bootstrap.servers", "127.0.0.1:0"),
        // Members of a group in a test do not come late.
        ("group.initial.rebalance.delay.ms", "0"),
    ] {
        properties.set(key, value, Origin::Program);
    }
    properties
}

/// Runs something that blocks, on a thread of its own; nothing if it failed there.
fn apart<T: Send>(what: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| scope.spawn(what).join()).ok()
}

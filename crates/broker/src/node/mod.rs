//! The node: everything that a broker and a controller are, without sockets, threads or clocks. Requests come in through
//! [`Node::handle`]; what takes time or waits for the disk is the [`Host`]'s to run.
//!
//! Locks, in the order in which they are taken: the controller's (held through a step), a coordinator shard's, a
//! partition's append. Readers take none but the image's, which is a load of a pointer.

mod assignments;
mod cleaner;
mod commit;
mod coordinators;
mod directories;
mod host;
mod lifecycle;
mod producer_ids;
mod publish;
mod published;
mod quorum;
mod quorum_files;
mod quotas;
mod recovery;
mod scrub;
mod settings;
mod start;
mod step;
mod stop;
mod topic_config;
mod upkeep;

pub use cleaner::CleanerWorker;
pub(crate) use cleaner::check_change as check_cleaner_change;
pub(crate) use commit::Committer;
pub use commit::SYNCS_AT_ONCE;
use coordinators::Coordinators;
pub(crate) use coordinators::{Asked, GroupWait, ImageTopics, OFFSETS_TOPIC};
pub use host::{Host, Job, Work};
pub use published::Published;
pub(crate) use quotas::NodeQuotas;
pub use quotas::QuotaWindows;
pub use settings::{Authorization, InternalTopic, Place, Settings};
pub(crate) use step::{Decided, Desk, Operation, QuorumChange};

use crate::controller::create_topics::Creations;
use crate::request::{Answer, Connection, Now, Worker};
use arc_swap::ArcSwap;
use assignments::Assignments;
use directories::Directories;
use ottla_machine::{Disk, Seed};
use ottla_metadata::image::Image;
use ottla_replica::FetchSessions;
use ottla_wire::Uuid;
use producer_ids::ProducerIds;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use step::ControllerState;

/// Why a node does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    #[error("{}: {reason}", path.display())]
    Io { path: PathBuf, reason: String },
    #[error("another process holds {}: is Kafka or Ottla running on it?", .0.display())]
    Locked(PathBuf),
    #[error("{} is not formatted: run `ottla storage format` first", .0.display())]
    NotFormatted(PathBuf),
    #[error("{} belongs to {what} {found}, this node is {expected}", path.display())]
    Stranger { path: PathBuf, what: &'static str, found: String, expected: String },
    #[error("the metadata cannot be read: {0}")]
    Metadata(String),
    #[error("a log cannot be opened: {0}")]
    Log(String),
    #[error(
        "the quorum has no voters: set controller.quorum.voters, or format with --standalone or --initial-controllers"
    )]
    NoVoters,
    #[error("the quorum's voters are {voters:?}; node {node_id} can lead only a quorum of itself")]
    OtherVoters { node_id: i32, voters: Vec<i32> },
    #[error("the broker cannot register: {0}")]
    Registration(String),
}

impl StartError {
    pub(crate) fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), reason: error.to_string() }
    }
}

/// The metadata quorum as its only voter sees it.
pub(crate) struct QuorumStatus {
    pub epoch: i32,
    pub end_offset: i64,
    pub directory_id: Uuid,
}

pub struct Node<D: Disk> {
    pub id: i32,
    pub cluster_id: Arc<str>,
    settings: Settings,
    host: Arc<dyn Host>,
    published: ArcSwap<Published<D>>,
    directories: Directories<D>,
    controller: Mutex<ControllerState<D>>,
    operations: Mutex<Vec<Operation>>,
    pub(crate) sessions: Mutex<FetchSessions>,
    producer_ids: Arc<Mutex<ProducerIds>>,
    assignments: Arc<Mutex<Assignments>>,
    pub(crate) coordinators: Arc<Coordinators<D>>,
    pub(crate) committer: Arc<Committer<D>>,
    cleaners: cleaner::Cleaners,
    scrub: Mutex<scrub::Scrub<D>>,
    /// Topics whose creation was asked for on the way and is not decided yet.
    creating: Creations,
    pub(crate) quotas: Arc<NodeQuotas>,
    seed: Mutex<Seed>,
}

impl<D: Disk> Node<D> {
    /// Answers one request frame, without its length.
    pub fn handle(&self, connection: &Arc<Connection>, frame: &[u8], now: Now, worker: &mut Worker) -> Answer<D> {
        crate::api::handle(self, connection, frame, now, worker)
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The metadata as last published. A request takes it once and stays with it.
    pub fn published(&self) -> arc_swap::Guard<Arc<Published<D>>> {
        self.published.load()
    }

    pub(crate) fn host(&self) -> &Arc<dyn Host> {
        &self.host
    }

    pub(crate) fn draw(&self) -> u64 {
        lock(&self.seed).draw()
    }

    /// The directories that are online, with their ids.
    pub(crate) fn log_directories(&self) -> Vec<(Uuid, PathBuf)> {
        self.directories.all.iter().map(|d| (d.id, d.files.path().to_owned())).collect()
    }

    /// Where the metadata quorum stands, and as which voter this node takes part in it.
    pub(crate) fn quorum_status(&self) -> QuorumStatus {
        let published = self.published();
        QuorumStatus {
            epoch: published.leader_epoch,
            end_offset: published.offset + 1,
            directory_id: self.directories.metadata_id,
        }
    }

    pub(crate) fn creations(&self) -> Creations {
        Arc::clone(&self.creating)
    }

    /// A broker that clients may take for the controller: in KRaft brokers forward what is the controller's.
    pub(crate) fn random_alive_broker(&self, image: &Image) -> i32 {
        let alive: Vec<i32> = image.brokers.values().filter(|b| !b.fenced).map(|b| b.id).collect();
        match alive.len() {
            0 => -1,
            count => alive[(self.draw() % count as u64) as usize],
        }
    }
}

/// What a lock guards is changed in whole steps, so a panic elsewhere leaves it whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

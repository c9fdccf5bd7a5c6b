//! What the node's own file says, as far as the node acts on it. Listeners and directories are checked by whoever reads
//! the file; here they are final.

use super::{MoveSettings, QuotaWindows};
use ottla_metadata::config_defs::{BrokerLayers, own_value};
use ottla_metadata::controller;
use ottla_metadata::image::{Configs, Endpoint};
use ottla_quota::Window;
use ottla_raft::VoterSet;
use ottla_replica::{Acknowledgement, SessionLimits};
use ottla_security::{Decision, Principal};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Settings {
    pub place: Place,
    /// All of it, as text: the lowest of the layers that decide a value.
    pub file: Configs,
    pub auto_create_topics: bool,
    pub offsets_topic: InternalTopic,
    pub sessions: SessionLimits,
    /// `fetch.max.bytes`
    pub fetch_max_bytes: usize,
    /// `max.request.partition.size.limit`
    pub request_partitions_max: i32,
    /// `request.timeout.ms`
    pub request_timeout_ms: u64,
    /// `broker.heartbeat.interval.ms`
    pub heartbeat_interval_ms: u64,
    /// `broker.session.timeout.ms`
    pub session_timeout_ms: u64,
    /// `log.dir.failure.timeout.ms`
    pub log_dir_failure_timeout: Duration,
    /// `metadata.log.max.record.bytes.between.snapshots`
    pub snapshot_after_bytes: u64,
    /// `ottla.log.sync.before.ack`
    pub acknowledgement: Acknowledgement,
    pub quotas: QuotaWindows,
    pub moves: MoveSettings,
    pub controller: controller::Settings,
}

/// Who decides what clients may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// Everybody may do everything.
    None,
    Standard {
        super_users: BTreeSet<Principal>,
        no_acl_found: Decision,
    },
}

/// `offsets.topic.*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InternalTopic {
    pub partitions: i32,
    pub replication_factor: i16,
    pub segment_bytes: i32,
}

/// Who the node is and where it lies.
#[derive(Debug, Clone)]
pub struct Place {
    pub node_id: i32,
    pub cluster_id: String,
    pub rack: Option<String>,
    /// What brokers and clients are told.
    pub advertised: Vec<Endpoint>,
    /// What controllers are told.
    pub advertised_controllers: Vec<Endpoint>,
    pub log_dirs: Vec<PathBuf>,
    pub metadata_log_dir: PathBuf,
    /// `controller.quorum.voters`; empty for a dynamic quorum, whose voters stand in the metadata log.
    pub static_voters: VoterSet,
    /// `authorizer.class.name`
    pub authorization: Authorization,
}

impl Settings {
    #[must_use]
    pub fn new(place: Place, file: Configs) -> Self {
        let layers = BrokerLayers::of_file(&file);
        let int = |key: &str| layers.value(key).as_i32().unwrap_or_default();
        let long = |key: &str| layers.value(key).as_i64().unwrap_or_default();
        let yes = |key: &str| layers.value(key).as_bool().unwrap_or_default();
        let short = |key: &str| i16::try_from(int(key)).unwrap_or(1);
        let positive = |value: i64| u64::try_from(value).unwrap_or(0);
        let window = |seconds: &str, count: &str| Window {
            length: Duration::from_secs(positive(int(seconds).into()).max(1)),
            count: usize::try_from(int(count)).unwrap_or(1),
        };
        let controller = controller::Settings {
            node_id: place.node_id,
            cluster_id: place.cluster_id.clone(),
            num_partitions: int("num.partitions"),
            default_replication_factor: short("default.replication.factor"),
            min_insync_replicas: int("min.insync.replicas"),
            unclean_leader_election: yes("unclean.leader.election.enable"),
            file: file.clone(),
        };
        Self {
            auto_create_topics: yes("auto.create.topics.enable"),
            offsets_topic: InternalTopic {
                partitions: int("offsets.topic.num.partitions"),
                replication_factor: short("offsets.topic.replication.factor"),
                segment_bytes: int("offsets.topic.segment.bytes"),
            },
            sessions: SessionLimits {
                slots: usize::try_from(int("max.incremental.fetch.session.cache.slots")).unwrap_or(0),
                eviction_ms: 120_000,
            },
            fetch_max_bytes: usize::try_from(int("fetch.max.bytes")).unwrap_or(0),
            request_partitions_max: int("max.request.partition.size.limit"),
            request_timeout_ms: positive(int("request.timeout.ms").into()),
            heartbeat_interval_ms: positive(int("broker.heartbeat.interval.ms").into()),
            session_timeout_ms: positive(int("broker.session.timeout.ms").into()),
            log_dir_failure_timeout: Duration::from_millis(positive(long("log.dir.failure.timeout.ms"))),
            acknowledgement: match own_value(&file, "ottla.log.sync.before.ack").as_bool() {
                Some(true) => Acknowledgement::Synced,
                _ => Acknowledgement::Written,
            },
            snapshot_after_bytes: positive(long("metadata.log.max.record.bytes.between.snapshots")),
            quotas: QuotaWindows {
                clients: window("quota.window.size.seconds", "quota.window.num"),
                mutations: window("controller.quota.window.size.seconds", "controller.quota.window.num"),
            },
            moves: MoveSettings {
                threads: layers
                    .value("num.replica.alter.log.dirs.threads")
                    .as_i32()
                    .map_or(place.log_dirs.len(), |threads| usize::try_from(threads).unwrap_or(0)),
                window: window(
                    "alter.log.dirs.replication.quota.window.size.seconds",
                    "alter.log.dirs.replication.quota.window.num",
                ),
            },
            controller,
            place,
            file,
        }
    }
}

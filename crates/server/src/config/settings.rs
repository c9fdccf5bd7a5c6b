//! The settings of a node's parts, each a struct of what its part needs.
//!
//! Numbers keep Kafka's types and units; the unit is the last word of the name. Ranges were checked before.

use ottla_metadata::config_defs::{BrokerLayers, ConfigValue};

/// Typed reading of keys that `broker.defs` defines. A key of another type is our own mistake.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) layers: BrokerLayers<'a>,
}

impl Reader<'_> {
    pub(super) fn value(&self, name: &str) -> ConfigValue {
        self.layers.value(name)
    }

    #[track_caller]
    pub(super) fn int(&self, name: &str) -> i32 {
        match self.value(name).as_i32() {
            Some(value) => value,
            None => panic!("{name} is no int with a default"),
        }
    }

    #[track_caller]
    pub(super) fn long(&self, name: &str) -> i64 {
        match self.value(name).as_i64() {
            Some(value) => value,
            None => panic!("{name} is no long with a default"),
        }
    }

    #[track_caller]
    pub(super) fn boolean(&self, name: &str) -> bool {
        match self.value(name).as_bool() {
            Some(value) => value,
            None => panic!("{name} is no boolean with a default"),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.value(name).as_str().map(str::to_owned)
    }

    /// Empty where unset.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        self.value(name).as_list().map(<[String]>::to_vec).unwrap_or_default()
    }
}

/// What new topics get, and who may make and unmake them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSettings {
    pub num_partitions: i32,
    pub default_replication_factor: i32,
    pub auto_create_topics_enable: bool,
    pub delete_topic_enable: bool,
}

/// An internal topic as it is created, and how its coordinator loads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternalTopicSettings {
    pub num_partitions: i32,
    pub replication_factor: i16,
    pub segment_bytes: i32,
    /// `None`: the broker's default.
    pub min_insync_replicas: Option<i32>,
    /// A batch attribute's codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub compression_codec: i32,
    pub load_buffer_bytes: i32,
}

/// Classic groups and committed offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassicGroupSettings {
    pub min_session_timeout_ms: i32,
    pub max_session_timeout_ms: i32,
    pub initial_rebalance_delay_ms: i32,
    pub max_size: i32,
    pub offset_metadata_max_bytes: i32,
    pub offsets_commit_timeout_ms: i32,
    pub offsets_retention_minutes: i32,
    pub offsets_retention_check_interval_ms: i64,
    /// −1 lets the coordinator choose.
    pub append_linger_ms: i32,
    pub coordinator_threads: i32,
}

/// Sockets and the memory behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketSettings {
    pub num_io_threads: i32,
    pub num_network_threads: i32,
    /// −1 leaves it to the system, here and below.
    pub send_buffer_bytes: i32,
    pub receive_buffer_bytes: i32,
    pub listen_backlog_size: i32,
    pub request_max_bytes: i32,
    pub queued_max_requests: i32,
    /// Over all connections; −1 is without bound.
    pub queued_max_request_bytes: i64,
    /// Negative is never.
    pub connections_max_idle_ms: i64,
    pub connection_failed_authentication_delay_ms: i32,
    pub max_connections: i32,
    pub max_connections_per_ip: i32,
    pub max_connection_creation_rate: i32,
}

/// What one request may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSettings {
    pub message_max_bytes: i32,
    pub fetch_max_bytes: i32,
    pub max_incremental_fetch_session_cache_slots: i32,
    pub max_request_partition_size_limit: i32,
    pub request_timeout_ms: i32,
}

/// How the logs of this node are kept. What a topic may override is in `TopicConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    pub flush_scheduler_interval_ms: i64,
    pub flush_offset_checkpoint_interval_ms: i32,
    pub flush_start_offset_checkpoint_interval_ms: i32,
    pub high_watermark_checkpoint_interval_ms: i64,
    pub retention_check_interval_ms: i64,
    pub initial_task_delay_ms: i64,
    pub num_recovery_threads_per_data_dir: i32,
    pub dir_failure_timeout_ms: i64,
    pub producer_id_expiration_ms: i32,
    pub producer_id_expiration_check_interval_ms: i32,
    pub cleaner_enable: bool,
    pub cleaner_threads: i32,
    pub background_threads: i32,
}

/// Followers of partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaSettings {
    pub lag_time_max_ms: i64,
    pub fetch_max_bytes: i32,
    pub fetch_min_bytes: i32,
    pub fetch_wait_max_ms: i32,
    pub fetch_response_max_bytes: i32,
    pub fetch_backoff_ms: i32,
    pub socket_timeout_ms: i32,
    pub num_fetchers: i32,
}

/// The metadata log and its snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataLogSettings {
    pub segment_bytes: i32,
    pub segment_ms: i64,
    pub max_record_bytes_between_snapshots: i64,
    pub max_snapshot_interval_ms: i64,
    pub max_idle_interval_ms: i32,
    pub retention_bytes: i64,
    pub retention_ms: i64,
    pub max_batch_size_bytes: i32,
}

/// A broker's life as its controller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecycleSettings {
    pub heartbeat_interval_ms: i32,
    pub session_timeout_ms: i32,
    pub initial_registration_timeout_ms: i32,
    pub controlled_shutdown_enable: bool,
    pub auto_leader_rebalance_enable: bool,
    pub leader_imbalance_check_interval_seconds: i64,
}

/// Timers of the quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumTimers {
    pub election_timeout_ms: i32,
    pub election_backoff_max_ms: i32,
    pub fetch_timeout_ms: i32,
    pub append_linger_ms: i32,
    pub request_timeout_ms: i32,
    pub retry_backoff_ms: i32,
    pub fetch_max_bytes: i32,
    pub fetch_snapshot_max_bytes: i32,
}

impl TopicSettings {
    pub(super) fn read(r: &Reader<'_>) -> Self {
        Self {
            num_partitions: r.int("num.partitions"),
            default_replication_factor: r.int("default.replication.factor"),
            auto_create_topics_enable: r.boolean("auto.create.topics.enable"),
            delete_topic_enable: r.boolean("delete.topic.enable"),
        }
    }
}

impl InternalTopicSettings {
    pub(super) fn offsets(r: &Reader<'_>) -> Self {
        Self {
            num_partitions: r.int("offsets.topic.num.partitions"),
            replication_factor: short(r, "offsets.topic.replication.factor"),
            segment_bytes: r.int("offsets.topic.segment.bytes"),
            min_insync_replicas: None,
            compression_codec: r.int("offsets.topic.compression.codec"),
            load_buffer_bytes: r.int("offsets.load.buffer.size"),
        }
    }

    pub(super) fn transactions(r: &Reader<'_>) -> Self {
        Self {
            num_partitions: r.int("transaction.state.log.num.partitions"),
            replication_factor: short(r, "transaction.state.log.replication.factor"),
            segment_bytes: r.int("transaction.state.log.segment.bytes"),
            min_insync_replicas: Some(r.int("transaction.state.log.min.isr")),
            compression_codec: 0,
            load_buffer_bytes: r.int("transaction.state.log.load.buffer.size"),
        }
    }

    pub(super) fn shares(r: &Reader<'_>) -> Self {
        Self {
            num_partitions: r.int("share.coordinator.state.topic.num.partitions"),
            replication_factor: short(r, "share.coordinator.state.topic.replication.factor"),
            segment_bytes: r.int("share.coordinator.state.topic.segment.bytes"),
            min_insync_replicas: Some(r.int("share.coordinator.state.topic.min.isr")),
            compression_codec: r.int("share.coordinator.state.topic.compression.codec"),
            load_buffer_bytes: r.int("share.coordinator.load.buffer.size"),
        }
    }
}

fn short(r: &Reader<'_>, name: &str) -> i16 {
    match r.value(name) {
        ConfigValue::Short(value) => value,
        _ => panic!("{name} is no short with a default"),
    }
}

impl ClassicGroupSettings {
    pub(super) fn read(r: &Reader<'_>) -> Self {
        Self {
            min_session_timeout_ms: r.int("group.min.session.timeout.ms"),
            max_session_timeout_ms: r.int("group.max.session.timeout.ms"),
            initial_rebalance_delay_ms: r.int("group.initial.rebalance.delay.ms"),
            max_size: r.int("group.max.size"),
            offset_metadata_max_bytes: r.int("offset.metadata.max.bytes"),
            offsets_commit_timeout_ms: r.int("offsets.commit.timeout.ms"),
            offsets_retention_minutes: r.int("offsets.retention.minutes"),
            offsets_retention_check_interval_ms: r.long("offsets.retention.check.interval.ms"),
            append_linger_ms: r.int("group.coordinator.append.linger.ms"),
            coordinator_threads: r.int("group.coordinator.threads"),
        }
    }
}

impl SocketSettings {
    pub(super) fn read(r: &Reader<'_>) -> Self {
        Self {
            num_io_threads: r.int("num.io.threads"),
            num_network_threads: r.int("num.network.threads"),
            send_buffer_bytes: r.int("socket.send.buffer.bytes"),
            receive_buffer_bytes: r.int("socket.receive.buffer.bytes"),
            listen_backlog_size: r.int("socket.listen.backlog.size"),
            request_max_bytes: r.int("socket.request.max.bytes"),
            queued_max_requests: r.int("queued.max.requests"),
            queued_max_request_bytes: r.long("queued.max.request.bytes"),
            connections_max_idle_ms: r.long("connections.max.idle.ms"),
            connection_failed_authentication_delay_ms: r.int("connection.failed.authentication.delay.ms"),
            max_connections: r.int("max.connections"),
            max_connections_per_ip: r.int("max.connections.per.ip"),
            max_connection_creation_rate: r.int("max.connection.creation.rate"),
        }
    }
}

impl RequestSettings {
    pub(super) fn read(r: &Reader<'_>) -> Self {
        Self {
            message_max_bytes: r.int("message.max.bytes"),
            fetch_max_bytes: r.int("fetch.max.bytes"),
            max_incremental_fetch_session_cache_slots: r.int("max.incremental.fetch.session.cache.slots"),
            max_request_partition_size_limit: r.int("max.request.partition.size.limit"),
            request_timeout_ms: r.int("request.timeout.ms"),
        }
    }
}

impl LogSettings {
    pub(super) fn read(r: &Reader<'_>) -> Self {
        Self {
            flush_scheduler_interval_ms: r.long("log.flush.scheduler.interval.ms"),
            flush_offset_checkpoint_interval_ms: r.int("log.flush.offset.checkpoint.interval.ms"),
            flush_start_offset_checkpoint_interval_ms: r.int("log.flush.start.offset.checkpoint.interval.ms"),
            high_watermark_checkpoint_interval_ms: r.long("replica.high.watermark.checkpoint.interval.ms"),
            retention_check_interval_ms: r.long("log.retention.check.interval.ms"),
            initial_task_delay_ms: r.long("log.initial.task.delay.ms"),
            num_recovery_threads_per_data_dir: r.int("num.recovery.threads.per.data.dir"),
            dir_failure_timeout_ms: r.long("log.dir.failure.timeout.ms"),
            producer_id_expiration_ms: r.int("producer.id.expiration.ms"),
            producer_id_expiration_check_interval_ms: r.int("producer.id.expiration.check.interval.ms"),
            cleaner_enable: r.boolean("log.cleaner.enable"),
            cleaner_threads: r.int("log.cleaner.threads"),
            background_threads: r.int("background.threads"),
        }
    }
}

impl ReplicaSettings {
    pub(super) fn read(r: &Reader<'_>) -> Self {
        Self {
            lag_time_max_ms: r.long("replica.lag.time.max.ms"),
            fetch_max_bytes: r.int("replica.fetch.max.bytes"),
            fetch_min_bytes: r.int("replica.fetch.min.bytes"),
            fetch_wait_max_ms: r.int("replica.fetch.wait.max.ms"),
            fetch_response_max_bytes: r.int("replica.fetch.response.max.bytes"),
            fetch_backoff_ms: r.int("replica.fetch.backoff.ms"),
            socket_timeout_ms: r.int("replica.socket.timeout.ms"),
            num_fetchers: r.int("num.replica.fetchers"),
        }
    }
}

impl MetadataLogSettings {
    pub(super) fn read(r: &Reader<'_>) -> Self {
        Self {
            segment_bytes: r
                .value("internal.metadata.log.segment.bytes")
                .as_i32()
                .unwrap_or_else(|| r.int("metadata.log.segment.bytes")),
            segment_ms: r.long("metadata.log.segment.ms"),
            max_record_bytes_between_snapshots: r.long("metadata.log.max.record.bytes.between.snapshots"),
            max_snapshot_interval_ms: r.long("metadata.log.max.snapshot.interval.ms"),
            max_idle_interval_ms: r.int("metadata.max.idle.interval.ms"),
            retention_bytes: r.long("metadata.max.retention.bytes"),
            retention_ms: r.long("metadata.max.retention.ms"),
            max_batch_size_bytes: r.int("internal.metadata.max.batch.size.in.bytes"),
        }
    }
}

impl LifecycleSettings {
    pub(super) fn read(r: &Reader<'_>) -> Self {
        Self {
            heartbeat_interval_ms: r.int("broker.heartbeat.interval.ms"),
            session_timeout_ms: r.int("broker.session.timeout.ms"),
            initial_registration_timeout_ms: r.int("initial.broker.registration.timeout.ms"),
            controlled_shutdown_enable: r.boolean("controlled.shutdown.enable"),
            auto_leader_rebalance_enable: r.boolean("auto.leader.rebalance.enable"),
            leader_imbalance_check_interval_seconds: r.long("leader.imbalance.check.interval.seconds"),
        }
    }
}

impl QuorumTimers {
    pub(super) fn read(r: &Reader<'_>) -> Self {
        Self {
            election_timeout_ms: r.int("controller.quorum.election.timeout.ms"),
            election_backoff_max_ms: r.int("controller.quorum.election.backoff.max.ms"),
            fetch_timeout_ms: r.int("controller.quorum.fetch.timeout.ms"),
            append_linger_ms: r.int("controller.quorum.append.linger.ms"),
            request_timeout_ms: r.int("controller.quorum.request.timeout.ms"),
            retry_backoff_ms: r.int("controller.quorum.retry.backoff.ms"),
            fetch_max_bytes: r.int("controller.quorum.fetch.max.bytes"),
            fetch_snapshot_max_bytes: r.int("controller.quorum.fetch.snapshot.max.bytes"),
        }
    }
}

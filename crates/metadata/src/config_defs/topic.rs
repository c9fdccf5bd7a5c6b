//! The configuration of one topic, typed, and what may be set for it.

use super::resolve::Configs;
use super::{BrokerLayers, ConfigError, ConfigValue, topic};

/// All that holds for one topic on one broker.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    pub cleanup_policy: CleanupPolicy,
    pub retention: RetentionLimits,
    pub segment: SegmentLimits,
    pub cleaner: CleanerLimits,
    pub message: MessageLimits,
    pub compression: CompressionSettings,
    pub replication: ReplicationSettings,
    /// Whether the topic may be a dead-letter queue (KIP-1191).
    pub dead_letter_queue_enable: bool,
}

/// What happens to old records. Neither means that they stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    pub compact: bool,
    pub delete: bool,
}

/// How long and how much is kept. −1 is without bound; for the local limits −2 is "as the others".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionLimits {
    pub ms: i64,
    pub bytes: i64,
    pub local_ms: i64,
    pub local_bytes: i64,
    /// How long a deleted file stays for those who still read it.
    pub file_delete_delay_ms: i64,
}

/// When a segment is full, and when it is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentLimits {
    pub bytes: i32,
    pub ms: i64,
    pub jitter_ms: i64,
    pub index_bytes: i32,
    pub index_interval_bytes: i32,
    pub preallocate: bool,
    /// `i64::MAX` is never.
    pub flush_messages: i64,
    pub flush_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CleanerLimits {
    pub min_cleanable_dirty_ratio: f64,
    /// How long a tombstone stays.
    pub delete_retention_ms: i64,
    pub min_compaction_lag_ms: i64,
    pub max_compaction_lag_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageLimits {
    /// The largest batch as it lies on disk.
    pub max_bytes: i32,
    /// The largest single record after decompression (new in 4.4).
    pub max_decompressed_bytes: i32,
    pub timestamp_type: TimestampType,
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

/// `compression_type` is one of Kafka's names, `producer` for whatever comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompressionSettings {
    pub compression_type: String,
    /// −1 is zlib's own default.
    pub gzip_level: i32,
    pub lz4_level: i32,
    pub zstd_level: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationSettings {
    pub min_insync_replicas: i32,
    pub unclean_leader_election_enable: bool,
    /// `partition:broker`, or `*` alone.
    pub leader_throttled_replicas: Vec<String>,
    pub follower_throttled_replicas: Vec<String>,
}

impl TopicConfig {
    /// What holds where `overrides` are set for the topic.
    pub fn new(overrides: &Configs, layers: &BrokerLayers<'_>) -> Self {
        let get = Values { overrides, layers };
        let policies = get.list("cleanup.policy");
        let has = |policy: &str| policies.iter().any(|p| p == policy);
        Self {
            cleanup_policy: CleanupPolicy { compact: has("compact"), delete: has("delete") },
            retention: RetentionLimits {
                ms: get.long("retention.ms"),
                bytes: get.long("retention.bytes"),
                local_ms: get.long("local.retention.ms"),
                local_bytes: get.long("local.retention.bytes"),
                file_delete_delay_ms: get.long("file.delete.delay.ms"),
            },
            segment: SegmentLimits {
                bytes: get.value("internal.segment.bytes").as_i32().unwrap_or_else(|| get.int("segment.bytes")),
                ms: get.long("segment.ms"),
                jitter_ms: get.long("segment.jitter.ms"),
                index_bytes: get.int("segment.index.bytes"),
                index_interval_bytes: get.int("index.interval.bytes"),
                preallocate: get.boolean("preallocate"),
                flush_messages: get.long("flush.messages"),
                flush_ms: get.long("flush.ms"),
            },
            cleaner: CleanerLimits {
                min_cleanable_dirty_ratio: get.double("min.cleanable.dirty.ratio"),
                delete_retention_ms: get.long("delete.retention.ms"),
                min_compaction_lag_ms: get.long("min.compaction.lag.ms"),
                max_compaction_lag_ms: get.long("max.compaction.lag.ms"),
            },
            message: MessageLimits {
                max_bytes: get.int("max.message.bytes"),
                max_decompressed_bytes: get.int("max.decompressed.message.bytes"),
                timestamp_type: match get.string("message.timestamp.type").as_str() {
                    "LogAppendTime" => TimestampType::LogAppendTime,
                    _ => TimestampType::CreateTime,
                },
                timestamp_before_max_ms: get.long("message.timestamp.before.max.ms"),
                timestamp_after_max_ms: get.long("message.timestamp.after.max.ms"),
            },
            compression: CompressionSettings {
                compression_type: get.string("compression.type"),
                gzip_level: get.int("compression.gzip.level"),
                lz4_level: get.int("compression.lz4.level"),
                zstd_level: get.int("compression.zstd.level"),
            },
            replication: ReplicationSettings {
                min_insync_replicas: get.int("min.insync.replicas"),
                unclean_leader_election_enable: get.boolean("unclean.leader.election.enable"),
                leader_throttled_replicas: get.list("leader.replication.throttled.replicas"),
                follower_throttled_replicas: get.list("follower.replication.throttled.replicas"),
            },
            dead_letter_queue_enable: get.boolean("errors.deadletterqueue.group.enable"),
        }
    }
}

/// Whether `configs` may be all that is set for a topic. `existing` is what was set before (empty for a new topic).
pub fn validate_topic(configs: &Configs, existing: &Configs, layers: &BrokerLayers<'_>) -> Result<(), ConfigError> {
    for name in configs.keys() {
        if topic().get(name).is_none() {
            return Err(ConfigError(format!("Unknown topic config name: {name}")));
        }
    }
    for (name, text) in configs {
        if let Some(def) = topic().get(name) {
            def.parse(text)?;
        }
    }
    let get = Values { overrides: configs, layers };
    let (min, max) = (get.long("min.compaction.lag.ms"), get.long("max.compaction.lag.ms"));
    if min > max {
        return Err(ConfigError(format!(
            "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
        )));
    }
    if get.boolean("remote.storage.enable") {
        return Err(ConfigError(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."
                .to_owned(),
        ));
    }
    let was_remote = existing.get("remote.storage.enable").is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
    if was_remote && !get.boolean("remote.log.delete.on.disable") {
        return Err(ConfigError(
            "It is invalid to disable remote storage without deleting remote data. \
             If you want to keep the remote data and turn to read only, please set `remote.storage.enable=true,remote.log.copy.disable=true`. \
             If you want to disable remote storage and delete all remote data, please set `remote.storage.enable=false,remote.log.delete.on.disable=true`."
                .to_owned(),
        ));
    }
    Ok(())
}

/// Values by type. That a key is defined, has its type and a default is a promise of `topic.defs`, held by a test.
struct Values<'a> {
    overrides: &'a Configs,
    layers: &'a BrokerLayers<'a>,
}

impl Values<'_> {
    fn value(&self, name: &str) -> ConfigValue {
        self.layers.topic_value(self.overrides, name)
    }

    fn int(&self, name: &str) -> i32 {
        promised(name, self.value(name).as_i32())
    }

    fn long(&self, name: &str) -> i64 {
        promised(name, self.value(name).as_i64())
    }

    fn double(&self, name: &str) -> f64 {
        promised(name, self.value(name).as_f64())
    }

    fn boolean(&self, name: &str) -> bool {
        promised(name, self.value(name).as_bool())
    }

    fn string(&self, name: &str) -> String {
        promised(name, self.value(name).as_str()).to_owned()
    }

    fn list(&self, name: &str) -> Vec<String> {
        promised(name, self.value(name).as_list()).to_vec()
    }
}

#[track_caller]
fn promised<T>(name: &str, value: Option<T>) -> T {
    match value {
        Some(value) => value,
        None => panic!("topic.defs has no value of that type for {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configs(pairs: &[(&str, &str)]) -> Configs {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn refused(pairs: &[(&str, &str)]) -> String {
        let file = Configs::new();
        validate_topic(&configs(pairs), &Configs::new(), &BrokerLayers::of_file(&file)).unwrap_err().to_string()
    }

    #[test]
    fn defaults_and_overrides_are_typed() {
        let file = configs(&[("min.insync.replicas", "2"), ("log.cleanup.policy", "compact,delete")]);
        let overrides = configs(&[("message.timestamp.type", "LogAppendTime"), ("retention.bytes", "10")]);
        let config = TopicConfig::new(&overrides, &BrokerLayers::of_file(&file));
        assert_eq!(config.replication.min_insync_replicas, 2);
        assert_eq!(config.cleanup_policy, CleanupPolicy { compact: true, delete: true });
        assert_eq!(config.message.timestamp_type, TimestampType::LogAppendTime);
        assert_eq!(config.message.max_bytes, 1_048_588);
        assert_eq!((config.retention.ms, config.retention.bytes), (604_800_000, 10));
        assert_eq!(config.segment.bytes, 1_073_741_824);
        let small = TopicConfig::new(&configs(&[("internal.segment.bytes", "1024")]), &BrokerLayers::of_file(&file));
        assert_eq!(small.segment.bytes, 1024);
    }

    #[test]
    fn neither_policy_keeps_everything() {
        let file = Configs::new();
        let config = TopicConfig::new(&configs(&[("cleanup.policy", "")]), &BrokerLayers::of_file(&file));
        assert_eq!(config.cleanup_policy, CleanupPolicy { compact: false, delete: false });
    }

    #[test]
    fn what_a_topic_cannot_have() {
        assert_eq!(
            refused(&[("message.downconversion.enable", "true")]),
            "Unknown topic config name: message.downconversion.enable"
        );
        assert_eq!(
            refused(&[("retention.ms", "a")]),
            "Invalid value a for configuration retention.ms: Not a number of type LONG"
        );
        assert_eq!(
            refused(&[("segment.bytes", "1000")]),
            "Invalid value 1000 for configuration segment.bytes: Value must be at least 1048576"
        );
        assert_eq!(
            refused(&[("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")]),
            "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"
        );
        assert!(refused(&[("remote.storage.enable", "true")]).starts_with("Tiered Storage functionality is disabled"));
    }

    #[test]
    fn the_brokers_defaults_take_part_in_the_checks() {
        let file = configs(&[("log.cleaner.max.compaction.lag.ms", "5")]);
        let layers = BrokerLayers::of_file(&file);
        assert!(validate_topic(&configs(&[("min.compaction.lag.ms", "10")]), &Configs::new(), &layers).is_err());
        assert!(validate_topic(&configs(&[("min.compaction.lag.ms", "5")]), &Configs::new(), &layers).is_ok());
    }
}

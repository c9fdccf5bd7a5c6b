//! A topic's configuration as its logs act on it.

use super::Settings;
use ottla_log::{CleanupPolicy, CompactionConfig, CompressionPolicy, LogConfig, UnsyncedBytes};
use ottla_metadata::config_defs::{self, TopicConfig};
use ottla_metadata::image::{ConfigResource, Configs, Image};
use ottla_replica::Acknowledgement;
use ottla_wire::batch::{Compression, TimestampType};
use std::sync::Arc;

static NONE: Configs = Configs::new();

/// What holds for a topic: its own values, the broker's, the cluster's, the file's, the defaults.
pub(crate) fn topic_config(image: &Image, settings: &Settings, topic: &str) -> TopicConfig {
    let layers = image.broker_layers(settings.place.node_id, &settings.file);
    let overrides = image.configs.get(&ConfigResource::topic(topic)).map_or(&NONE, |configs| &**configs);
    TopicConfig::new(overrides, &layers)
}

pub(super) fn log_config(image: &Image, config: &TopicConfig, settings: &Settings) -> LogConfig {
    let layers = image.broker_layers(settings.place.node_id, &settings.file);
    let positive = |value: i32| u32::try_from(value).unwrap_or(0);
    LogConfig {
        segment_bytes: positive(config.segment.bytes),
        segment_ms: config.segment.ms,
        segment_jitter_ms: config.segment.jitter_ms,
        segment_index_bytes: positive(config.segment.index_bytes),
        preallocate: config.segment.preallocate,
        index_interval_bytes: positive(config.segment.index_interval_bytes),
        max_message_bytes: positive(config.message.max_bytes),
        max_decompressed_message_bytes: positive(config.message.max_decompressed_bytes),
        compression: compression(&config.compression),
        cleanup_policy: match (config.cleanup_policy.compact, config.cleanup_policy.delete) {
            (true, true) => CleanupPolicy::CompactAndDelete,
            (true, false) => CleanupPolicy::Compact,
            (false, true) => CleanupPolicy::Delete,
            (false, false) => CleanupPolicy::None,
        },
        compaction: CompactionConfig {
            min_cleanable_dirty_ratio: config.cleaner.min_cleanable_dirty_ratio,
            min_lag_ms: config.cleaner.min_compaction_lag_ms,
            max_lag_ms: config.cleaner.max_compaction_lag_ms,
            delete_retention_ms: config.cleaner.delete_retention_ms,
        },
        message_timestamp_type: match config.message.timestamp_type {
            config_defs::TimestampType::CreateTime => TimestampType::CreateTime,
            config_defs::TimestampType::LogAppendTime => TimestampType::LogAppendTime,
        },
        message_timestamp_before_max_ms: config.message.timestamp_before_max_ms,
        message_timestamp_after_max_ms: config.message.timestamp_after_max_ms,
        retention_ms: config.retention.ms,
        retention_bytes: config.retention.bytes,
        file_delete_delay_ms: config.retention.file_delete_delay_ms,
        flush_messages: config.segment.flush_messages,
        flush_ms: config.segment.flush_ms,
        producer_id_expiration_ms: layers.value("producer.id.expiration.ms").as_i64().unwrap_or(i64::MAX),
        unsynced_bytes: match settings.acknowledgement {
            Acknowledgement::Written => UnsyncedBytes::Kept,
            Acknowledgement::Synced => UnsyncedBytes::WrittenAnew,
        },
    }
}

/// The settings of logs, of which most topics have equal ones: those share them.
#[derive(Default)]
pub(super) struct LogConfigs(Option<Arc<LogConfig>>);

impl LogConfigs {
    /// These, or the last ones if they are equal.
    pub fn shared(&mut self, config: LogConfig) -> Arc<LogConfig> {
        match &self.0 {
            Some(last) if **last == config => Arc::clone(last),
            _ => Arc::clone(self.0.insert(Arc::new(config))),
        }
    }
}

fn compression(settings: &config_defs::CompressionSettings) -> CompressionPolicy {
    let (codec, level) = match settings.compression_type.as_str() {
        "uncompressed" => (Compression::None, None),
        "gzip" => (Compression::Gzip, Some(settings.gzip_level)),
        "snappy" => (Compression::Snappy, None),
        "lz4" => (Compression::Lz4, Some(settings.lz4_level)),
        "zstd" => (Compression::Zstd, Some(settings.zstd_level)),
        _ => return CompressionPolicy::Producer,
    };
    CompressionPolicy::Fixed { codec, level }
}

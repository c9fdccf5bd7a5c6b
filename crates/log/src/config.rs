//! The topic-level settings that a log acts on, with Kafka's names and defaults. What the settings of a topic mean together
//! with those of the broker is decided by the caller; here they are final.

use ottla_wire::batch::{Compression, TimestampType};

/// Settings of one log; replaced as a whole at run time ([`crate::Log::set_config`]).
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`
    pub segment_bytes: u32,
    /// `segment.ms`
    pub segment_ms: i64,
    /// `segment.jitter.ms`
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`
    pub segment_index_bytes: u32,
    /// `preallocate`: whether the room of a whole segment is reserved when it is begun.
    pub preallocate: bool,
    /// `index.interval.bytes`
    pub index_interval_bytes: u32,
    /// `max.message.bytes`: the largest batch, after compression.
    pub max_message_bytes: u32,
    /// `max.decompressed.message.bytes` (since 4.4): the largest record of a compressed batch.
    pub max_decompressed_message_bytes: u32,
    /// `compression.type` with the codec's level
    pub compression: CompressionPolicy,
    /// `cleanup.policy`
    pub cleanup_policy: CleanupPolicy,
    pub compaction: CompactionConfig,
    /// `message.timestamp.type`
    pub message_timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`
    pub message_timestamp_after_max_ms: i64,
    /// `retention.ms`; negative for none.
    pub retention_ms: i64,
    /// `retention.bytes`; negative for none.
    pub retention_bytes: i64,
    /// `file.delete.delay.ms`: how long files stay, set aside, that are no longer part of the log.
    pub file_delete_delay_ms: i64,
    /// `flush.messages`: the most records that are not synced when an append is done; `i64::MAX` is as many as may be.
    pub flush_messages: i64,
    /// `flush.ms`: how long at the most after a sync the next one is, where somebody asks.
    pub flush_ms: i64,
    /// `producer.id.expiration.ms`, a broker's setting
    pub producer_id_expiration_ms: i64,
    /// Of whoever acknowledges what is synced.
    pub unsynced_bytes: UnsyncedBytes,
}

/// What a recovery does with good batches that are not known to be durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnsyncedBytes {
    /// The next sync is believed to cover them.
    #[default]
    Kept,
    /// They are written once more. The process before may have ended because a sync failed: the system shows the bytes from
    /// its page cache then, counts them as written, and no sync would cover them.
    WrittenAnew,
}

/// When a log is compacted that is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct CompactionConfig {
    /// `min.cleanable.dirty.ratio`
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`
    pub min_lag_ms: i64,
    /// `max.compaction.lag.ms`; `i64::MAX` for none.
    pub max_lag_ms: i64,
    /// `delete.retention.ms`: how long tombstones and markers stay once nothing is left of what they end.
    pub delete_retention_ms: i64,
}

/// What happens to the compression that a producer chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompressionPolicy {
    /// `producer`: kept as it came.
    #[default]
    Producer,
    /// Batches in another codec are compressed anew; the level is the codec's own setting (`compression.gzip.level` …).
    Fixed { codec: Compression, level: Option<i32> },
}

/// `cleanup.policy`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CleanupPolicy {
    #[default]
    Delete,
    Compact,
    CompactAndDelete,
    /// An empty list (since 4.1): neither.
    None,
}

impl Default for CompactionConfig {
    fn default() -> CompactionConfig {
        CompactionConfig {
            min_cleanable_dirty_ratio: 0.5,
            min_lag_ms: 0,
            max_lag_ms: i64::MAX,
            delete_retention_ms: 86_400_000,
        }
    }
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            preallocate: false,
            index_interval_bytes: 4096,
            max_message_bytes: 1_048_588,
            max_decompressed_message_bytes: 2_147_483_639,
            compression: CompressionPolicy::Producer,
            cleanup_policy: CleanupPolicy::Delete,
            compaction: CompactionConfig::default(),
            message_timestamp_type: TimestampType::CreateTime,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_after_max_ms: 3_600_000,
            retention_ms: 7 * 24 * 3_600_000,
            retention_bytes: -1,
            file_delete_delay_ms: 60_000,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            producer_id_expiration_ms: 86_400_000,
            unsynced_bytes: UnsyncedBytes::Kept,
        }
    }
}

impl LogConfig {
    /// The codec that a batch is stored in which came in `source`.
    pub(crate) fn target_codec(&self, source: Compression) -> Compression {
        match self.compression {
            CompressionPolicy::Producer => source,
            CompressionPolicy::Fixed { codec, .. } => codec,
        }
    }
}

impl CleanupPolicy {
    pub const fn compacts(self) -> bool {
        matches!(self, CleanupPolicy::Compact | CleanupPolicy::CompactAndDelete)
    }

    pub const fn deletes(self) -> bool {
        matches!(self, CleanupPolicy::Delete | CleanupPolicy::CompactAndDelete)
    }
}

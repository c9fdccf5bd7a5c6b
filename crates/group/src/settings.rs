//! What can be configured, in Kafka's names and with its defaults. All of it may change between two calls.

use ottla_wire::batch::Compression;
use std::time::Duration;

/// The settings of the group coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// `group.min.session.timeout.ms`
    pub session_timeout_ms_min: i32,
    /// `group.max.session.timeout.ms`
    pub session_timeout_ms_max: i32,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay: Duration,
    /// `group.max.size`
    pub size_max: usize,
    /// `offset.metadata.max.bytes`; Kafka counts UTF-16 units, not bytes.
    pub offset_metadata_max: usize,
    /// `offsets.retention.minutes`
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`
    pub offsets_retention_check_interval: Duration,
    /// `offsets.commit.timeout.ms`: how long an answer waits for its records to be committed.
    pub offsets_commit_timeout: Duration,
    /// `offsets.topic.compression.codec`
    pub offsets_topic_compression: Compression,
}

impl GroupSettings {
    /// How long a new member may wait for its first rebalance before it is given up on; not configurable in Kafka.
    pub const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(300);
}

impl Default for GroupSettings {
    fn default() -> Self {
        GroupSettings {
            session_timeout_ms_min: 6_000,
            session_timeout_ms_max: 1_800_000,
            initial_rebalance_delay: Duration::from_millis(3_000),
            size_max: i32::MAX as usize,
            offset_metadata_max: 4_096,
            offsets_retention: Duration::from_secs(10_080 * 60),
            offsets_retention_check_interval: Duration::from_millis(600_000),
            offsets_commit_timeout: Duration::from_millis(5_000),
            offsets_topic_compression: Compression::None,
        }
    }
}

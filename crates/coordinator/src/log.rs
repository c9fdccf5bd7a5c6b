//! The log as a shard sees it, and what a shard is told with every call.
//!
//! The broker implements [`ShardLog`] over a partition that it leads. An append may fail; it never half succeeds.

use ottla_machine::{Instant, LeaderEpoch, Offset, Timestamp};
use ottla_wire::ErrorCode;
use ottla_wire::batch::Codecs;

/// The two times of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For waits.
    pub instant: Instant,
    /// For records.
    pub timestamp: Timestamp,
}

/// What a call may use: the time, the log, and the worker's codecs.
pub struct Env<'a> {
    pub now: Now,
    pub log: &'a dyn ShardLog,
    pub codecs: &'a mut Codecs,
}

/// The partition's log, led by this node.
pub trait ShardLog {
    /// Appends one whole batch; base offset and leader epoch are the log's to stamp. The epoch fences: a log that is led in
    /// another epoch refuses.
    fn append(&self, batch: &[u8], leader_epoch: LeaderEpoch, now: Timestamp) -> Result<AppendedRange, AppendFailure>;

    /// The offset below which all is committed.
    fn high_watermark(&self) -> Offset;

    /// The largest batch that the topic takes (`max.message.bytes`).
    fn batch_bytes_max(&self) -> usize;
}

/// The offsets that a batch was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendedRange {
    pub first: Offset,
    pub last: Offset,
}

/// Why a batch was not appended, in the error code that a producer would have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the append failed: {}", .0.name())]
pub struct AppendFailure(pub ErrorCode);

/// What a coordinator's client is told for an error of the log below it: errors that name a topic or a partition mean nothing
/// to it, so they become "ask again later" or "ask another".
#[must_use]
pub fn coordinator_error(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::UnknownTopicOrPartition | ErrorCode::NotEnoughReplicas | ErrorCode::RequestTimedOut => {
            ErrorCode::CoordinatorNotAvailable
        }
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge | ErrorCode::InvalidFetchSize => {
            ErrorCode::UnknownServerError
        }
        ErrorCode::NetworkException => ErrorCode::CoordinatorLoadInProgress,
        other => other,
    }
}

//! What can go wrong, by who has to hear it: the producer ([`AppendError`]), the reader ([`ReadError`]), or the node
//! ([`LogError`]).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_machine::{Disk, Offset, failed_sync, is_failed_sync, is_storage_full};
use ottla_wire::batch::BatchError;

/// The disk failed, or what is on it cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// There is no room. The log is whole and takes appends again once there is.
    #[error("no space left while {action} {}: free some, or move partitions away", path.display())]
    StorageFull { action: &'static str, path: PathBuf },
    #[error("{action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: Arc<io::Error> },
    /// A file holds what it cannot hold.
    #[error("{}: {reason}", path.display())]
    Malformed { path: PathBuf, reason: String },
    /// A batch is not what was written (CORRUPT_MESSAGE).
    #[error("{}: at position {position}: {reason}", path.display())]
    Damaged { path: PathBuf, position: u64, first: Offset, last: Offset, reason: String },
    /// An earlier failure left the files in a state that only a restart can judge.
    #[error("the log in {} is offline after an earlier disk failure; it is recovered at the next start", path.display())]
    Offline { path: PathBuf },
    /// The folder belongs to another topic of the same name.
    #[error("{}: topic id {found} does not match {expected}", path.display())]
    TopicIdMismatch { path: PathBuf, expected: String, found: String },
}

/// Why nothing was appended. [`AppendError::error_code`] is what the producer hears.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    #[error(transparent)]
    Log(#[from] LogError),
    /// The batch does not carry what it says.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The batch as a whole breaks a rule.
    #[error("invalid batch: {0}")]
    InvalidRecord(&'static str),
    /// Some records break a rule; the caller returns them one by one.
    #[error("{} records were rejected", .0.len())]
    InvalidRecords(Vec<RecordError>),
    /// At least one record's time is out of range, or claims to be the broker's.
    #[error("{} records were rejected, some for their timestamp", .0.len())]
    InvalidTimestamps(Vec<RecordError>),
    #[error("a batch of {size} bytes exceeds max.message.bytes = {max}")]
    MessageTooLarge { size: usize, max: u32 },
    #[error("{size} bytes exceed segment.bytes = {max}")]
    RecordListTooLarge { size: usize, max: u32 },
    #[error("producer {producer_id}: epoch {epoch} is older than {current}")]
    InvalidProducerEpoch { producer_id: i64, epoch: i16, current: i16 },
    #[error("producer {producer_id}: sequence {sequence} does not follow {last}")]
    OutOfOrderSequence { producer_id: i64, sequence: i32, last: i32 },
    #[error("producer {producer_id} has a transaction open and wrote outside of it")]
    InvalidTxnState { producer_id: i64 },
    #[error("coordinator epoch {epoch} is older than {current}")]
    TransactionCoordinatorFenced { epoch: i32, current: i32 },
    /// A follower was given offsets that do not follow its log's end.
    #[error("offset {first} was appended where {expected} is next")]
    UnexpectedOffset { first: Offset, expected: Offset },
}

/// One record that was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Its place in the batch, from 0.
    pub batch_index: i32,
    pub reason: RecordErrorReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordErrorReason {
    #[error("A record without a key cannot be appended to a compacted topic.")]
    MissingKey,
    #[error("Timestamp {timestamp} is out of range: it must lie within [{min}, {max}].")]
    TimestampOutOfRange { timestamp: i64, min: i64, max: i64 },
    #[error("A producer must not set the timestamp type LogAppendTime.")]
    LogAppendTimeFromProducer,
}

/// Why nothing was read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    OffsetOutOfRange(#[from] OffsetOutOfRange),
    #[error(transparent)]
    Log(#[from] LogError),
    /// What is there is known to be damaged (CORRUPT_MESSAGE).
    #[error("offsets {first} to {last} are damaged on disk")]
    Corrupt { first: Offset, last: Offset },
}

/// The offset is not in the log (OFFSET_OUT_OF_RANGE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("offset {offset} is not within [{log_start_offset}, {log_end_offset}]")]
pub struct OffsetOutOfRange {
    pub offset: Offset,
    pub log_start_offset: Offset,
    pub log_end_offset: Offset,
}

impl LogError {
    /// Whether a sync has failed. Nobody knows what the medium holds then, and no later sync can tell: the log takes nothing
    /// any more, and whoever holds the directory gives all of it up.
    pub fn is_failed_sync(&self) -> bool {
        matches!(self, LogError::Io { source, .. } if is_failed_sync(source))
    }

    /// Wraps what the disk said, keeping a full disk apart.
    pub(crate) fn io(action: &'static str, path: &Path, error: io::Error) -> LogError {
        if is_storage_full(&error) && !is_failed_sync(&error) {
            return LogError::StorageFull { action, path: path.to_owned() };
        }
        LogError::Io { action, path: path.to_owned(), source: Arc::new(error) }
    }

    /// A sync that failed, whatever its reason.
    pub(crate) fn unsynced(path: &Path, error: io::Error) -> LogError {
        LogError::Io { action: "syncing", path: path.to_owned(), source: Arc::new(failed_sync(error)) }
    }

    pub(crate) fn malformed(path: &Path, reason: impl ToString) -> LogError {
        LogError::Malformed { path: path.to_owned(), reason: reason.to_string() }
    }

    /// KAFKA_STORAGE_ERROR, but where Kafka has a word that says more.
    pub const fn error_code(&self) -> i16 {
        match self {
            LogError::Damaged { .. } => 2,
            LogError::TopicIdMismatch { .. } => 103,
            _ => 56,
        }
    }
}

impl AppendError {
    /// The number of Kafka's error.
    pub const fn error_code(&self) -> i16 {
        match self {
            AppendError::Log(error) => error.error_code(),
            AppendError::Batch(error) => match error {
                BatchError::InvalidLength(_) | BatchError::CrcMismatch { .. } => 2,
                BatchError::UnsupportedMagic(0 | 1) => 43,
                BatchError::UnsupportedMagic(_) => 2,
                BatchError::UnknownCompression(_) => 76,
                BatchError::DecompressedTooLarge(_) => 10,
                _ => 87,
            },
            AppendError::InvalidRecord(_) | AppendError::InvalidRecords(_) => 87,
            AppendError::InvalidTimestamps(_) => 32,
            AppendError::MessageTooLarge { .. } => 10,
            AppendError::RecordListTooLarge { .. } => 18,
            AppendError::InvalidProducerEpoch { .. } => 47,
            AppendError::OutOfOrderSequence { .. } => 45,
            AppendError::InvalidTxnState { .. } => 48,
            AppendError::TransactionCoordinatorFenced { .. } => 52,
            AppendError::UnexpectedOffset { .. } => -1,
        }
    }

    /// The records to name in the answer.
    pub fn record_errors(&self) -> &[RecordError] {
        match self {
            AppendError::InvalidRecords(errors) | AppendError::InvalidTimestamps(errors) => errors,
            _ => &[],
        }
    }
}

impl ReadError {
    /// The number of Kafka's error.
    pub const fn error_code(&self) -> i16 {
        match self {
            ReadError::OffsetOutOfRange(_) => 1,
            ReadError::Log(error) => error.error_code(),
            ReadError::Corrupt { .. } => 2,
        }
    }
}

/// For `map_err`: what was being done to which file.
pub(crate) fn doing(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
    move |error| LogError::io(action, path, error)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir<D: Disk>(disk: &D, dir: &Path) -> Result<(), LogError> {
    disk.sync_dir(dir).map_err(|error| LogError::unsynced(dir, error))
}

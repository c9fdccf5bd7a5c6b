//! One partition's log over a disk, in Apache Kafka's files: segments, indexes, producer state, epochs, recovery.
//!
//! Start at [`Log`]: `create` or `open` it, `append_as_leader` or `append_as_follower`, `read`, and let jobs ([`Log::sync`],
//! [`Log::delete_old_segments`]) do what may wait for the disk. [`directory`] is a whole `log.dir`: its lock, marks and
//! checkpoints, and the folders in it. The formats are told in `docs/formats/log.md` and `docs/formats/checkpoints.md`.
//!
//! A log that is to be compacted is cleaned step by step: [`Log::cleanable`], [`Log::plan_cleaning`], [`CleanJob::step`]. What
//! lies on disk is held against itself by [`Verifier`], step by step as well.
//!
//! Deliberately absent: replication (the caller moves the high watermark), the verification of transactions, and any thread
//! or clock: time is an argument, and what may wait is a job that the caller runs where it likes.

mod append;
mod clean;
mod config;
mod corrupt;
pub mod directory;
mod epochs;
mod error;
mod file_names;
mod file_slot;
mod jobs;
mod log;
mod lookup;
mod open;
mod partition_metadata;
mod producers;
mod rare;
mod read;
mod roll;
#[cfg(test)]
mod scenarios;
mod segment;
mod truncate;
mod verify;

pub use append::{AppendOrigin, AppendOutcome, Appended, Scratch, SegmentRoll};
pub use clean::{CleanJob, CleanStats, CleanStep, Cleanable, CleanerBuffers, CleanerLimits, Leftovers, Replacement};
pub use config::{CleanupPolicy, CompactionConfig, CompressionPolicy, LogConfig, UnsyncedBytes};
pub use epochs::{EpochEnd, EpochEntry, LeaderEpochs};
pub use error::{AppendError, LogError, OffsetOutOfRange, ReadError, RecordError, RecordErrorReason};
pub use jobs::{DeleteJob, RemoveJob};
pub use log::{Log, LogOffsets, OffsetMetadata, TopicId};
pub use lookup::TimestampOffset;
pub use open::{OpenOptions, Recovery, ShutdownKind, Truncation};
pub use producers::ActiveProducer;
pub use read::{AbortedTransaction, FetchedSlice, MinOneBatch, ReadBound};
pub use verify::{Finding, Verified, Verifier, VerifyStep};

//! The life of a coordinator's shard over a log that it is given: election, loading, append, replay, commit, unload.
//!
//! A shard holds the state that replaying one partition of an internal topic gives. Its owner (groups, transactions, share
//! groups) decides records; the shard appends them as one batch, replays what was appended, and keeps the [`Shard::append`]'s
//! effect back until the high watermark has passed the batch. Everything runs inside the caller's call: no thread, no clock,
//! no queue. Deliberately absent: sockets, the log itself (see [`ShardLog`]), and what a record means (see [`RecordMachine`]).

mod batch;
mod load;
mod log;
pub mod mem_log;
mod record;
mod shard;

pub use load::{LoadError, LoadStep};
pub use log::{AppendFailure, AppendedRange, Env, Now, ShardLog, coordinator_error};
pub use record::{CoordinatorRecord, ReplayError, ReplayWarning, ReplayWarnings, Replayed, TransactionResult};
pub use shard::{AppendOptions, Appended, Atomicity, Failed, Phase, RecordMachine, Shard, UNCOMMITTED_BATCHES_MAX};

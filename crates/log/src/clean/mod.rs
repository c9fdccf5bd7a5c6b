//! Compaction: of the records of one key the last one stays (KIP-58, KIP-280 left out), of a deleted key a tombstone for a while.
//!
//! A cleaning goes over the log twice, as Kafka's does. It notes the last offset of each key of the dirty part, as far as the
//! map's memory reaches; then it writes all segments from the log's start up to there anew, without the records that have a
//! successor in the map, and swaps them in group by group. What the map could not hold stays dirty for the next time.
//!
//! [`CleanJob`] does this in steps of one buffer, for whoever has time: between two steps nothing is locked and nothing is
//! half done that a start would not undo. Invariants: offsets do not change; nothing at or above the last stable offset, nor
//! the active segment, is touched; a cleaning whose log was cut meanwhile gives up. Deliberately absent: when to clean which
//! log, the checkpoint of what was cleaned, pauses, threads.

mod filter;
mod group;
mod job;
mod map;
mod pass;
mod range;
mod swap;
mod transactions;

pub use job::{CleanJob, CleanStats, CleanStep};
pub use pass::{CleanerBuffers, CleanerLimits};
pub use range::Cleanable;
pub use swap::{Leftovers, Replacement};

//! Appending: as a leader, who judges a client's batch and gives it its offsets, or as a follower, who takes them as given.
//!
//! The input is never changed: a leader writes a patched copy of the 61-byte header and the rest as it lies, in one call.
//! What can be judged without the log's state is judged before its lock is taken.

mod follower;
mod leader;
mod validate;
mod write;

use ottla_machine::{Offset, Timestamp};
use ottla_wire::batch::{BatchHeader, Codecs};

pub(crate) use leader::{is_emptied_marker, producer_batch};

/// Who appends, and therefore what is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A producer: everything is checked.
    Client,
    /// A coordinator writing its own records: trusted, but for the epoch of a transactional producer.
    Coordinator,
    /// A transaction coordinator's marker; from version 2 on its epoch must be above the producer's (KIP-890).
    TransactionMarker { transaction_version: i16 },
    /// The leader of the metadata quorum: the batches carry their offsets and this epoch already.
    RaftLeader,
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub first_offset: Offset,
    pub last_offset: Offset,
    /// The leader's time if the topic uses LogAppendTime, else −1.
    pub log_append_time: Timestamp,
    pub max_timestamp: Timestamp,
    pub log_start_offset: Offset,
    pub log_end_offset: Offset,
    /// The bytes that were written.
    pub bytes: usize,
    pub records: u64,
    pub outcome: AppendOutcome,
    pub roll: SegmentRoll,
}

/// Whether an append began a segment. If so, a sync is due soon: a recovery reads all that was not synced, and the end of an
/// unsynced segment that is lost takes those behind it with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentRoll {
    Stayed,
    Rolled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    Appended,
    /// An idempotent producer repeated a batch that is there already; the offsets are the original's.
    Duplicate,
    /// The input held no whole batch that belongs here.
    Nothing,
}

/// Buffers and codecs of one worker, reused from append to append.
#[derive(Default)]
pub struct Scratch {
    pub codecs: Codecs,
    /// A batch that had to be written anew.
    rewritten: Vec<u8>,
    /// Its records, uncompressed.
    plain: Vec<u8>,
    headers: Vec<BatchHeader>,
}

/// A buffer that grew beyond this for an unusual batch is given back before the next.
const KEPT_BYTES_MAX: usize = 4 << 20;

impl Scratch {
    /// Empties the buffers of a rewritten batch.
    fn give_back(&mut self) {
        for buffer in [&mut self.plain, &mut self.rewritten] {
            if buffer.capacity() > KEPT_BYTES_MAX {
                *buffer = Vec::new();
            }
            buffer.clear();
        }
    }
}

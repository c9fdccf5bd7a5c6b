//! Copying a log to the one that is to take its place: a chunk at a time, batches as they are, and before each chunk the
//! copy is cut to what the log in use still holds.

use ottla_log::{AppendError, Log, LogError, MinOneBatch, ReadBound, ReadError, Scratch, SegmentRoll};
use ottla_machine::{Disk, LeaderEpoch, Offset, Timestamp};
use std::sync::Arc;

/// As much as a follower fetches of a partition, with Kafka's `replica.fetch.max.bytes`.
pub(super) const CHUNK_BYTES: usize = 1 << 20;

/// What a job has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pub bytes: u64,
    /// The copy ends where the log does.
    pub caught_up: bool,
    /// The copy has begun a segment.
    pub rolled: bool,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum MoveError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl MoveError {
    /// What the disk said, if it was the disk.
    pub(super) fn of_log(&self) -> Option<&LogError> {
        match self {
            Self::Log(error) | Self::Append(AppendError::Log(error)) | Self::Read(ReadError::Log(error)) => Some(error),
            _ => None,
        }
    }
}

/// [`copy_chunk`], and what is full is made durable, as in any log; its files need not stay open then.
pub(super) fn copy_durably<D: Disk>(
    current: &Log<D>,
    future: &Log<D>,
    leader_epoch: i32,
    now: Timestamp,
) -> Result<Progress, MoveError> {
    let progress = copy_chunk(current, future, leader_epoch, now)?;
    if progress.rolled {
        future.sync()?;
        future.release_files();
    }
    Ok(progress)
}

/// Copies what comes next, and takes over the offsets that readers see.
pub(super) fn copy_chunk<D: Disk>(
    current: &Log<D>,
    future: &Log<D>,
    leader_epoch: i32,
    now: Timestamp,
) -> Result<Progress, MoveError> {
    align(current, future, now)?;
    let from = future.log_end_offset();
    let mut bytes = Vec::new();
    let mut rolled = SegmentRoll::Stayed;
    if from < current.log_end_offset() {
        let slice = current.read(from, CHUNK_BYTES, ReadBound::LogEnd, MinOneBatch::Yes)?;
        slice.read_into(&mut bytes).map_err(|error| {
            let (path, source) = (current.dir().to_path_buf(), Arc::new(error));
            LogError::Io { action: "reading", path, source }
        })?;
        rolled = append(current, future, &bytes, leader_epoch, now)?;
    }
    follow_offsets(current, future)?;
    let caught_up = future.log_end_offset() == current.log_end_offset();
    Ok(Progress { bytes: bytes.len() as u64, caught_up, rolled: rolled == SegmentRoll::Rolled })
}

fn append<D: Disk>(
    current: &Log<D>,
    future: &Log<D>,
    bytes: &[u8],
    leader_epoch: i32,
    now: Timestamp,
) -> Result<SegmentRoll, MoveError> {
    let mut scratch = Scratch::default();
    match future.append_as_follower(bytes, LeaderEpoch(leader_epoch), now, &mut scratch) {
        // The log begins in the middle of its first batch: records were deleted up to there.
        Err(AppendError::UnexpectedOffset { first, expected }) if first < expected && future.size() == 0 => {
            future.truncate_fully_and_start_at(first, Some(current.log_start_offset().min(first)))?;
            Ok(future.append_as_follower(bytes, LeaderEpoch(leader_epoch), now, &mut scratch)?.roll)
        }
        appended => Ok(appended?.roll),
    }
}

/// Cuts the copy where it is no part of the log: what the log lost at its end, by the epochs of both, and a gap that the
/// log's start left.
fn align<D: Disk>(current: &Log<D>, future: &Log<D>, now: Timestamp) -> Result<(), MoveError> {
    while let Some(latest) = future.latest_epoch() {
        let Some(end) = current.end_offset_for_epoch(latest.epoch) else { break };
        let own = match end.epoch == latest.epoch {
            true => Some(future.log_end_offset()),
            false => future.end_offset_for_epoch(end.epoch).map(|own| own.end_offset),
        };
        let to = own.unwrap_or(future.log_start_offset()).min(end.end_offset);
        if to >= future.log_end_offset() {
            break;
        }
        future.truncate_to(to, now)?;
    }
    let offsets = current.offsets();
    if future.log_end_offset() > offsets.log_end_offset {
        future.truncate_to(offsets.log_end_offset, now)?;
    }
    if future.log_end_offset() < offsets.log_start_offset {
        future.truncate_fully_and_start_at(offsets.log_start_offset, None)?;
    }
    Ok(())
}

/// The high watermark and the start of the log are also the copy's, as far as it goes.
pub(super) fn follow_offsets<D: Disk>(current: &Log<D>, future: &Log<D>) -> Result<(), MoveError> {
    let offsets = current.offsets();
    let high_watermark = future.set_high_watermark(offsets.high_watermark);
    let start: Offset = offsets.log_start_offset.min(high_watermark);
    future.increment_log_start_offset(start)?;
    Ok(())
}

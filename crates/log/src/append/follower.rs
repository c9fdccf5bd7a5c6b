//! The append of a follower, and of a Raft leader: batches that carry their offsets and epochs already.

use ottla_machine::{Disk, LeaderEpoch, Offset, Timestamp};
use ottla_wire::batch::{Batch, Batches};

use super::leader::{is_emptied_marker, producer_batch};
use super::{AppendOutcome, Appended, Scratch, SegmentRoll};
use crate::config::LogConfig;
use crate::error::AppendError;
use crate::log::{Log, State};
use crate::producers::{Staged, Strictness};

/// Where batches come from that carry their offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// A fetch from the leader. Batches of an epoch above the one that was fetched for are left out.
    Replication,
    /// This node, as the quorum's leader: every batch must be of its epoch.
    RaftLeader,
}

impl<D: Disk> Log<D> {
    /// Appends what was fetched from the leader in `leader_epoch`. A batch that the buffer cuts off at its end is left out.
    ///
    /// Checksums are verified, and that offsets grow from the log's end on; they may leave gaps, as a compacted log does.
    /// Batches are appended in runs no larger than a segment, so after an error the first of them can be there.
    pub fn append_as_follower(
        &self,
        batches: &[u8],
        leader_epoch: LeaderEpoch,
        now: Timestamp,
        scratch: &mut Scratch,
    ) -> Result<Appended, AppendError> {
        self.append_given(batches, leader_epoch, Given::Replication, now, scratch)
    }

    pub(super) fn append_given(
        &self,
        bytes: &[u8],
        leader_epoch: LeaderEpoch,
        given: Given,
        now: Timestamp,
        scratch: &mut Scratch,
    ) -> Result<Appended, AppendError> {
        let config = self.config();
        let valid = self.check_given(bytes, leader_epoch, given, &config, scratch)?;
        let mut state = self.state();
        self.check_online(&state)?;
        let expected = self.log_end_offset();
        let Some(first) = scratch.headers.first().map(|header| Offset(header.base_offset)) else {
            return Ok(self.nothing_appended());
        };
        if first < expected {
            return Err(AppendError::UnexpectedOffset { first, expected });
        }
        let mut from = 0;
        let mut rolled = SegmentRoll::Stayed;
        let mut rest = &bytes[..valid];
        while from < scratch.headers.len() {
            let run = run_length(&scratch.headers[from..], config.segment_bytes as usize);
            let headers = &scratch.headers[from..from + run];
            let size = headers.iter().map(|header| header.size_in_bytes()).sum();
            let (part, after) = rest.split_at(size);
            let staged = stage(&state, part)?;
            let roll = self.write_batches(&mut state, &config, headers, &[part], staged, now)?;
            if roll == SegmentRoll::Rolled {
                rolled = SegmentRoll::Rolled;
            }
            (rest, from) = (after, from + run);
        }
        Ok(Appended { roll: rolled, ..self.appended(first, valid, scratch) })
    }

    /// Fills `scratch.headers` with the batches to append; gives how many bytes they are.
    fn check_given(
        &self,
        bytes: &[u8],
        leader_epoch: LeaderEpoch,
        given: Given,
        config: &LogConfig,
        scratch: &mut Scratch,
    ) -> Result<usize, AppendError> {
        scratch.headers.clear();
        let mut valid = 0;
        let mut next_offset = i64::MIN;
        for batch in Batches::new(bytes) {
            let batch = batch?;
            let header = batch.header;
            let epoch = header.partition_leader_epoch;
            match given {
                Given::Replication if epoch != LeaderEpoch::NONE.0 && epoch > leader_epoch.0 => {
                    break;
                }
                Given::RaftLeader if epoch != leader_epoch.0 => {
                    return Err(AppendError::InvalidRecord("the batch does not have the leader's epoch"));
                }
                _ => {}
            }
            if header.base_offset < next_offset.max(0) || header.last_offset_delta < 0 {
                return Err(AppendError::InvalidRecord("offsets are out of order"));
            }
            if header.size_in_bytes() > config.segment_bytes as usize {
                let size = header.size_in_bytes();
                return Err(AppendError::RecordListTooLarge { size, max: config.segment_bytes });
            }
            batch.verify_crc()?;
            next_offset = header.next_offset();
            valid += header.size_in_bytes();
            scratch.headers.push(header);
        }
        Ok(valid)
    }

    fn appended(&self, first_offset: Offset, bytes: usize, scratch: &Scratch) -> Appended {
        let offsets = self.offsets();
        let max_timestamp = scratch.headers.iter().map(|header| header.max_timestamp).max().unwrap_or(-1);
        Appended {
            first_offset,
            last_offset: Offset(offsets.log_end_offset.0 - 1),
            log_append_time: Timestamp::NONE,
            max_timestamp: Timestamp(max_timestamp),
            log_start_offset: offsets.log_start_offset,
            log_end_offset: offsets.log_end_offset,
            bytes,
            records: scratch.headers.iter().map(|header| u64::from(header.record_count.max(0).unsigned_abs())).sum(),
            outcome: AppendOutcome::Appended,
            roll: SegmentRoll::Stayed,
        }
    }

    fn nothing_appended(&self) -> Appended {
        let offsets = self.offsets();
        Appended {
            first_offset: offsets.log_end_offset,
            last_offset: Offset(offsets.log_end_offset.0 - 1),
            log_append_time: Timestamp::NONE,
            max_timestamp: Timestamp::NONE,
            log_start_offset: offsets.log_start_offset,
            log_end_offset: offsets.log_end_offset,
            bytes: 0,
            records: 0,
            outcome: AppendOutcome::Nothing,
            roll: SegmentRoll::Stayed,
        }
    }
}

/// How many of the batches fit into one segment, and into its offsets; at least one.
fn run_length(headers: &[ottla_wire::batch::BatchHeader], segment_bytes: usize) -> usize {
    let mut size = 0usize;
    let first = headers.first().map_or(0, |header| header.base_offset);
    let fits = |header: &&ottla_wire::batch::BatchHeader| {
        size = size.saturating_add(header.size_in_bytes());
        size <= segment_bytes && header.last_offset().saturating_sub(first) <= i64::from(i32::MAX)
    };
    headers.iter().take_while(fits).count().max(1)
}

fn stage(state: &State, bytes: &[u8]) -> Result<Staged, AppendError> {
    let mut staged = Staged::default();
    for batch in Batches::new(bytes) {
        let batch: Batch<'_> = batch?;
        if batch.header.has_producer_id() && !is_emptied_marker(&batch.header) {
            staged.check(&state.producers, &producer_batch(&batch, batch.header)?, Strictness::Replica)?;
        }
    }
    Ok(staged)
}

//! The append of a leader.

use ottla_machine::{Disk, LeaderEpoch, Offset, Timestamp};
use ottla_wire::batch::{Batch, ControlRecordType, EndTransactionMarker, HEADER_LEN, TimestampType};

use super::validate::{Body, Validated, single_batch, validate};
use super::{AppendOrigin, AppendOutcome, Appended, Scratch, SegmentRoll};
use crate::config::LogConfig;
use crate::error::AppendError;
use crate::log::{Log, State};
use crate::producers::{BatchMetadata, ProducerBatch, Staged, Strictness};

impl<D: Disk> Log<D> {
    /// Appends what a client or a coordinator gives: exactly one batch, which gets the next offsets and this epoch. From a Raft
    /// leader: batches that carry both already.
    ///
    /// A repeated batch of an idempotent producer is not appended; the answer tells the original's offsets. After an
    /// error nothing was appended.
    pub fn append_as_leader(
        &self,
        batches: &[u8],
        origin: AppendOrigin,
        leader_epoch: LeaderEpoch,
        now: Timestamp,
        scratch: &mut Scratch,
    ) -> Result<Appended, AppendError> {
        if origin == AppendOrigin::RaftLeader {
            return self.append_given(batches, leader_epoch, super::follower::Given::RaftLeader, now, scratch);
        }
        let config = self.config();
        let batch = single_batch(batches)?;
        let validated = validate(&batch, origin, &config, now, scratch)?;
        let size = validated.header.size_in_bytes();
        if size > config.segment_bytes as usize {
            return Err(AppendError::RecordListTooLarge { size, max: config.segment_bytes });
        }
        let mut state = self.state();
        self.check_online(&state)?;
        let next_offset = self.log_end_offset();
        self.append_assigned(&mut state, &config, &batch, validated, origin, leader_epoch, now, next_offset, scratch)
    }

    #[expect(clippy::too_many_arguments, reason = "one call, split off for its length")]
    fn append_assigned(
        &self,
        state: &mut State,
        config: &LogConfig,
        batch: &Batch<'_>,
        validated: Validated,
        origin: AppendOrigin,
        leader_epoch: LeaderEpoch,
        now: Timestamp,
        next_offset: Offset,
        scratch: &Scratch,
    ) -> Result<Appended, AppendError> {
        let mut header = validated.header;
        header.base_offset = next_offset.0;
        header.partition_leader_epoch = leader_epoch.0;
        let mut staged = Staged::default();
        if header.has_producer_id() {
            if origin == AppendOrigin::Client {
                let known = state.producers.get(header.producer_id);
                if let Some(original) = known.and_then(|producer| producer.duplicate_of(&header)) {
                    return Ok(self.duplicate(config, original));
                }
            }
            let producer_batch = producer_batch(batch, header)?;
            staged.check(&state.producers, &producer_batch, strictness(origin))?;
        }
        let body = match validated.body {
            Body::Input => batch.record_bytes(),
            Body::Rewritten => &scratch.rewritten[HEADER_LEN..],
        };
        let roll = self.write_batches(state, config, &[header], &[&header.encode(), body], staged, now)?;
        let append_time = config.message_timestamp_type == TimestampType::LogAppendTime;
        Ok(Appended {
            first_offset: next_offset,
            last_offset: Offset(header.last_offset()),
            log_append_time: if append_time { now } else { Timestamp::NONE },
            max_timestamp: Timestamp(header.max_timestamp),
            log_start_offset: self.log_start_offset(),
            log_end_offset: Offset(header.next_offset()),
            bytes: header.size_in_bytes(),
            records: u64::from(header.record_count.unsigned_abs()),
            outcome: AppendOutcome::Appended,
            roll,
        })
    }

    fn duplicate(&self, config: &LogConfig, original: BatchMetadata) -> Appended {
        let append_time = config.message_timestamp_type == TimestampType::LogAppendTime;
        let offsets = self.offsets();
        Appended {
            first_offset: Offset(original.first_offset()),
            last_offset: Offset(original.last_offset),
            log_append_time: if append_time { Timestamp(original.timestamp) } else { Timestamp::NONE },
            max_timestamp: Timestamp(original.timestamp),
            log_start_offset: offsets.log_start_offset,
            log_end_offset: offsets.log_end_offset,
            bytes: 0,
            records: 0,
            outcome: AppendOutcome::Duplicate,
            roll: SegmentRoll::Stayed,
        }
    }
}

fn strictness(origin: AppendOrigin) -> Strictness {
    match origin {
        AppendOrigin::Client => Strictness::Client,
        AppendOrigin::Coordinator => Strictness::Coordinator { transaction_version: 0 },
        AppendOrigin::TransactionMarker { transaction_version } => Strictness::Coordinator { transaction_version },
        AppendOrigin::RaftLeader => Strictness::Replica,
    }
}

/// Whether compaction has taken the record of a control batch: what it said is forgotten with its transaction.
pub(crate) fn is_emptied_marker(header: &ottla_wire::batch::BatchHeader) -> bool {
    header.attributes.is_control() && header.record_count == 0
}

/// What the batch means for its producer. `header` is the batch's, with its final offsets.
pub(crate) fn producer_batch(
    batch: &Batch<'_>,
    header: ottla_wire::batch::BatchHeader,
) -> Result<ProducerBatch, AppendError> {
    if !header.attributes.is_control() {
        return Ok(ProducerBatch::Data(header));
    }
    let record = batch.records().and_then(|mut records| records.next());
    let record = record.ok_or(AppendError::InvalidRecord("a control batch must hold a record, uncompressed"))??;
    let kind = record.key.and_then(ControlRecordType::from_key);
    let aborted = match kind {
        Some(ControlRecordType::Abort) => true,
        Some(ControlRecordType::Commit) => false,
        _ => {
            return Err(AppendError::InvalidRecord("a producer's control batch must end a transaction"));
        }
    };
    let marker = record.value.and_then(EndTransactionMarker::from_value);
    let marker = marker.ok_or(AppendError::InvalidRecord("the marker's value cannot be read"))?;
    let timestamp = header.record_timestamp(record.timestamp_delta);
    Ok(ProducerBatch::Marker { header, aborted, coordinator_epoch: marker.coordinator_epoch, timestamp })
}

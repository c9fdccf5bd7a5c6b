//! Offsets by time: what ListOffsets asks.

use ottla_machine::{Disk, LeaderEpoch, Offset, Timestamp};
use ottla_wire::batch::{Codecs, ScanLimits};

use crate::error::LogError;
use crate::log::Log;

/// A record's time and offset, and the epoch of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    pub timestamp: Timestamp,
    pub offset: Offset,
    /// −1 if the batch has none.
    pub leader_epoch: LeaderEpoch,
}

impl<D: Disk> Log<D> {
    /// The first record whose timestamp is at or above `timestamp`; `None` if there is none. Exact: the batch that may hold it
    /// is read, and decompressed if need be. Reads the disk: a job.
    pub fn offset_for_timestamp(
        &self,
        timestamp: Timestamp,
        codecs: &mut Codecs,
    ) -> Result<Option<TimestampOffset>, LogError> {
        self.noting_damage(self.unless_replaced(|| self.offset_for_timestamp_once(timestamp, codecs)))
    }

    fn offset_for_timestamp_once(
        &self,
        timestamp: Timestamp,
        codecs: &mut Codecs,
    ) -> Result<Option<TimestampOffset>, LogError> {
        let dir = self.dir();
        let place = self.place(&dir);
        let (segments, start) = {
            let view = self.view();
            (view.segments.clone(), view.log_start_offset)
        };
        for segment in segments.iter() {
            if segment.max_timestamp(place).timestamp < timestamp.0 {
                continue;
            }
            if let Some((found, epoch)) =
                segment.find_timestamp(place, timestamp.0, start, codecs, self.scan_limits())?
            {
                return Ok(Some(TimestampOffset {
                    timestamp: Timestamp(found.timestamp),
                    offset: Offset(found.offset),
                    leader_epoch: LeaderEpoch(epoch),
                }));
            }
        }
        Ok(None)
    }

    /// The first record that has the largest timestamp of the log (KIP-734); `None` if no record has one. A job.
    pub fn offset_of_max_timestamp(&self, codecs: &mut Codecs) -> Result<Option<TimestampOffset>, LogError> {
        self.noting_damage(self.unless_replaced(|| self.offset_of_max_timestamp_once(codecs)))
    }

    fn offset_of_max_timestamp_once(&self, codecs: &mut Codecs) -> Result<Option<TimestampOffset>, LogError> {
        let dir = self.dir();
        let place = self.place(&dir);
        let segments = self.segments();
        // Of equal ones the first: `max_by_key` would give the last.
        let latest = segments.iter().rev().max_by_key(|segment| segment.max_timestamp(place).timestamp);
        let Some(segment) = latest else {
            return Ok(None);
        };
        let max = segment.max_timestamp(place);
        if max.timestamp < 0 {
            return Ok(None);
        }
        let Some(found) = segment.find(place, max.offset, segment.size())? else {
            return Ok(None);
        };
        let fits = |entry: &crate::segment::TimeEntry| entry.timestamp == max.timestamp;
        let record = segment.first_record(place, found, codecs, self.scan_limits(), fits)?;
        Ok(record.map(|record| TimestampOffset {
            timestamp: Timestamp(record.timestamp),
            offset: Offset(record.offset),
            leader_epoch: LeaderEpoch(found.header.partition_leader_epoch),
        }))
    }

    /// The log's start, with the epoch there.
    pub fn earliest_offset(&self) -> TimestampOffset {
        let offset = self.log_start_offset();
        let first = self.epochs().earliest().filter(|entry| entry.start_offset <= offset);
        let leader_epoch = first.map_or(LeaderEpoch::NONE, |entry| entry.epoch);
        TimestampOffset { timestamp: Timestamp::NONE, offset, leader_epoch }
    }

    /// The log's end, with the latest epoch.
    pub fn latest_offset(&self) -> TimestampOffset {
        let leader_epoch = self.latest_epoch().map_or(LeaderEpoch::NONE, |entry| entry.epoch);
        TimestampOffset { timestamp: Timestamp::NONE, offset: self.log_end_offset(), leader_epoch }
    }

    fn scan_limits(&self) -> ScanLimits {
        ScanLimits { record_bytes_max: u64::from(self.config().max_decompressed_message_bytes) }
    }
}

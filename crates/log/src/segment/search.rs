//! Finding a place in a segment, by offset or by time: the index gives a start, a walk over headers the rest.

use ottla_machine::{Disk, DiskFile, Offset};
use ottla_wire::batch::{Batch, BatchError, BatchHeader, Codecs, HEADER_LEN, ScanLimits, scan};

use super::{HeaderWalk, Place, Segment, TimeEntry, WalkStop};
use crate::error::LogError;
use crate::file_names::LOG;

/// A batch and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) position: u64,
    pub(crate) header: BatchHeader,
}

impl<D: Disk> Segment<D> {
    /// The first batch whose last offset is at or above `offset`, among those before the position `end`.
    pub(crate) fn find(&self, place: Place<'_, D>, offset: i64, end: u64) -> Result<Option<Found>, LogError> {
        let start = self.offsets.last_where(place, |entry| entry.offset <= offset)?;
        self.find_from(place, offset, start.map_or(0, |entry| u64::from(entry.position)), end)
    }

    /// Like [`Segment::find`], from the position of a batch that is not behind the one looked for.
    pub(crate) fn find_from(
        &self,
        place: Place<'_, D>,
        offset: i64,
        start: u64,
        end: u64,
    ) -> Result<Option<Found>, LogError> {
        let mut walk = self.walk(place, start, end)?;
        while let Some((position, header)) = self.step(place, &mut walk)? {
            if header.last_offset() >= offset {
                return Ok(Some(Found { position, header }));
            }
        }
        Ok(None)
    }

    /// The last batch of all.
    pub(crate) fn last_batch(&self, place: Place<'_, D>) -> Result<Option<Found>, LogError> {
        let start = self.offsets.last(place)?.map_or(0, |entry| u64::from(entry.position));
        let mut walk = self.walk(place, start, self.size())?;
        let mut last = None;
        while let Some((position, header)) = self.step(place, &mut walk)? {
            last = Some(Found { position, header });
        }
        Ok(last)
    }

    /// The offset of an index entry behind the position, the first one: what a read from there cannot reach.
    pub(crate) fn offset_after(&self, place: Place<'_, D>, position: u64) -> Result<Option<i64>, LogError> {
        let after = self.offsets.first_not(place, |entry| u64::from(entry.position) < position)?;
        Ok(after.map(|entry| entry.offset))
    }

    /// The first record at or above `starting_offset` whose timestamp is at or above `timestamp`, with its leader epoch.
    pub(crate) fn find_timestamp(
        &self,
        place: Place<'_, D>,
        timestamp: i64,
        starting_offset: i64,
        codecs: &mut Codecs,
        limits: ScanLimits,
    ) -> Result<Option<(TimeEntry, i32)>, LogError> {
        let by_time = self.times.last_where(place, |entry| entry.timestamp <= timestamp)?;
        let from = by_time.map_or(self.base_offset, |entry| entry.offset).max(starting_offset);
        let start = self.offsets.last_where(place, |entry| entry.offset <= from)?;
        let mut walk = self.walk(place, start.map_or(0, |entry| u64::from(entry.position)), self.size())?;
        while let Some((position, header)) = self.step(place, &mut walk)? {
            if header.max_timestamp < timestamp || header.last_offset() < starting_offset {
                continue;
            }
            let found = Found { position, header };
            let record = self.first_record(place, found, codecs, limits, |entry| {
                entry.timestamp >= timestamp && entry.offset >= starting_offset
            })?;
            if let Some(record) = record {
                return Ok(Some((record, header.partition_leader_epoch)));
            }
        }
        Ok(None)
    }

    /// The first record of a batch that fits, decompressing the batch if need be.
    pub(crate) fn first_record(
        &self,
        place: Place<'_, D>,
        found: Found,
        codecs: &mut Codecs,
        limits: ScanLimits,
        fits: impl Fn(&TimeEntry) -> bool,
    ) -> Result<Option<TimeEntry>, LogError> {
        let bytes = self.read_batch(place, found)?;
        let batch = Batch { header: found.header, bytes: &bytes };
        let mut first = None;
        let whole = batch.verify_crc();
        let scanned = whole.and_then(|()| {
            scan(&batch, codecs, limits, |shape| {
                let entry = TimeEntry {
                    timestamp: found.header.record_timestamp(shape.timestamp_delta),
                    offset: found.header.base_offset.saturating_add(i64::from(shape.offset_delta)),
                };
                if first.is_none() && fits(&entry) {
                    first = Some(entry);
                }
            })
        });
        scanned.map_err(|error| self.damaged(place, found.position, Some(&found.header), &error))?;
        Ok(first)
    }

    /// What is wrong with a batch. Where its checksum says so, its offsets are lost; others may read what is not understood here.
    pub(crate) fn damaged(
        &self,
        place: Place<'_, D>,
        position: u64,
        header: Option<&BatchHeader>,
        error: &BatchError,
    ) -> LogError {
        let (path, reason) = (self.path(place, LOG), error.to_string());
        let is_lost = matches!(error, BatchError::CrcMismatch { .. });
        match header.filter(|header| is_lost && header.base_offset >= self.base_offset) {
            Some(header) => {
                let (first, last) = (header.base_offset, header.last_offset().max(header.base_offset));
                LogError::Damaged { path, position, first: Offset(first), last: Offset(last), reason }
            }
            None => LogError::malformed(&path, format!("at position {position}: {reason}")),
        }
    }

    /// The bytes of a batch that a walk found, and which therefore are there.
    pub(crate) fn read_batch(&self, place: Place<'_, D>, found: Found) -> Result<Vec<u8>, LogError> {
        let mut bytes = vec![0; found.header.size_in_bytes()];
        let file = self.log_file(place)?;
        let read = file
            .read_at(found.position, &mut bytes)
            .map_err(|error| LogError::io("reading", &self.path(place, LOG), error))?;
        if read < bytes.len() || read < HEADER_LEN {
            return Err(LogError::malformed(&self.path(place, LOG), "a batch ends too early"));
        }
        Ok(bytes)
    }

    pub(crate) fn walk(&self, place: Place<'_, D>, from: u64, end: u64) -> Result<HeaderWalk<D::File>, LogError> {
        Ok(HeaderWalk::new(self.log_file(place)?, from, end.min(self.size())))
    }

    /// The next batch of a walk over bytes that were judged good before.
    pub(crate) fn step(
        &self,
        place: Place<'_, D>,
        walk: &mut HeaderWalk<D::File>,
    ) -> Result<Option<(u64, BatchHeader)>, LogError> {
        walk.next_header().map_err(|stop| match stop {
            WalkStop::Io(error) => LogError::io("reading", &self.path(place, LOG), error),
            WalkStop::Corrupt(error) => {
                LogError::malformed(&self.path(place, LOG), format!("at position {}: {error}", walk.position()))
            }
        })
    }

    /// Whether the segment ends with a whole batch below `next_base`, as its index leads there. Looks up the largest timestamp as
    /// well, since the time index may lack its last entry after a crash.
    pub(crate) fn check_tail(&self, place: Place<'_, D>, next_base: i64) -> Result<bool, LogError> {
        let sound = match self.last_batch(place) {
            Ok(Some(last)) => {
                last.position + last.header.size_in_bytes() as u64 == self.size()
                    && last.header.next_offset() <= next_base
            }
            Ok(None) => self.size() == 0,
            Err(error @ LogError::Io { .. }) => return Err(error),
            Err(_) => false,
        };
        if !sound {
            return Ok(false);
        }
        match self.largest_from_index(place) {
            Ok(largest) => {
                self.set_max_timestamp(largest);
                Ok(true)
            }
            Err(error @ LogError::Io { .. }) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Whether the entries of both indexes are in order.
    pub(crate) fn indexes_are_in_order(&self, place: Place<'_, D>) -> Result<bool, LogError> {
        Ok(self.offsets.is_in_order(place)? && self.times.is_in_order(place)?)
    }

    /// The largest timestamp as the time index and the batches behind its last entry tell it.
    pub(super) fn largest_from_index(&self, place: Place<'_, D>) -> Result<TimeEntry, LogError> {
        let none = TimeEntry { timestamp: -1, offset: self.base_offset };
        let mut largest = self.times.last(place)?.unwrap_or(none);
        let start = self.offsets.last_where(place, |entry| entry.offset <= largest.offset)?;
        let mut walk = self.walk(place, start.map_or(0, |entry| u64::from(entry.position)), self.size())?;
        while let Some((_, header)) = self.step(place, &mut walk)? {
            if header.max_timestamp > largest.timestamp {
                largest = TimeEntry { timestamp: header.max_timestamp, offset: header.last_offset() };
            }
        }
        Ok(largest)
    }
}

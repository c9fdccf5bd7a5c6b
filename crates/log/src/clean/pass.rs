//! Going over segments batch by batch, through a buffer that is reused, and into the segment that is made of them.

use ottla_machine::{Disk, DiskFile};
use ottla_wire::batch::{BatchError, BatchHeader, Batches, HEADER_LEN};

use super::filter::{FilterBuffers, Judge, KEPT_BYTES_MAX};
use super::job::CleanStats;
use super::map::OffsetMap;
use super::transactions::Transactions;
use crate::error::LogError;
use crate::file_names::LOG;
use crate::segment::{Place, Segment};

/// How much memory one cleaner may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanerLimits {
    /// Its share of `log.cleaner.dedupe.buffer.size`.
    pub dedupe_bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`
    pub load_factor: f64,
    /// Its share of `log.cleaner.io.buffer.size`, halved: there is a buffer for reading and one for writing. A batch that is
    /// larger is taken whole.
    pub io_bytes: usize,
}

/// The buffers of a cleaner, reused from cleaning to cleaning.
#[derive(Default)]
pub struct CleanerBuffers {
    read: Vec<u8>,
    write: Vec<u8>,
    headers: Vec<BatchHeader>,
    filter: FilterBuffers,
}

/// One step of a pass over a segment.
pub(super) struct Passed {
    /// Where the next step goes on.
    pub(super) position: u64,
    /// Read and written.
    pub(super) bytes: u64,
    /// The map has no room for what comes next.
    pub(super) is_full: bool,
}

impl CleanerBuffers {
    /// Notes the keys of the batches from a position on, from `start` on, where they were not aborted.
    pub(super) fn map_step<D: Disk>(
        &mut self,
        place: Place<'_, D>,
        (segment, position): (&Segment<D>, u64),
        io_bytes: usize,
        (map, entries_max, start): (&mut OffsetMap, usize, i64),
        transactions: &mut Transactions,
    ) -> Result<Passed, LogError> {
        let read = self.read_batches(place, segment, position, io_bytes)?;
        let mut passed = Passed { position, bytes: 0, is_full: false };
        for batch in Batches::new(&self.read[..read]) {
            let header = batch.as_ref().ok().map(|batch| batch.header);
            let mapped = batch.and_then(|batch| {
                batch.verify_crc()?;
                let header = batch.header;
                if header.attributes.is_control() {
                    transactions.see_control(&batch)?;
                } else if !transactions.see_data(&header) {
                    self.filter.visit(&batch, |record| {
                        let offset = header.base_offset.saturating_add(i64::from(record.offset_delta));
                        let Some(key) = record.key.filter(|_| offset >= start) else { return true };
                        passed.is_full = map.len() >= entries_max || !map.put(key, offset);
                        !passed.is_full
                    })?;
                }
                if !passed.is_full && header.last_offset() >= start {
                    map.set_latest_offset(header.last_offset());
                }
                Ok(header.size_in_bytes() as u64)
            });
            let bytes = mapped.map_err(|error| segment.damaged(place, passed.position, header.as_ref(), &error))?;
            passed.bytes += bytes;
            passed.position += bytes;
            if passed.is_full {
                break;
            }
        }
        Ok(passed)
    }

    /// Writes what stays of the batches from a position on behind what `target` holds.
    pub(super) fn clean_step<D: Disk>(
        &mut self,
        place: Place<'_, D>,
        (segment, position): (&Segment<D>, u64),
        (target, index_interval_bytes): (&Segment<D>, u32),
        io_bytes: usize,
        mut judge: Judge<'_>,
        stats: &mut CleanStats,
    ) -> Result<Passed, LogError> {
        let read = self.read_batches(place, segment, position, io_bytes)?;
        if self.write.capacity() > KEPT_BYTES_MAX.max(io_bytes) {
            self.write = Vec::new();
        }
        self.write.clear();
        self.headers.clear();
        let mut passed = Passed { position, bytes: 0, is_full: false };
        let mut aborted = Ok(());
        for batch in Batches::new(&self.read[..read]) {
            let header = batch.as_ref().ok().map(|batch| batch.header);
            let filtered = batch.and_then(|batch| {
                batch.verify_crc()?;
                let filtered = self.filter.filter(&batch, &mut judge, &mut self.write)?;
                Ok((batch.header.size_in_bytes() as u64, filtered))
            });
            let (bytes, filtered) =
                filtered.map_err(|error| segment.damaged(place, passed.position, header.as_ref(), &error))?;
            passed.position += bytes;
            passed.bytes += bytes;
            stats.bytes_read += bytes;
            stats.records_read += filtered.records;
            stats.records_kept += filtered.records_kept;
            stats.keyless_records += filtered.keyless;
            self.headers.extend(filtered.header);
            if let Some(txn) = filtered.aborted {
                aborted = aborted.and_then(|()| target.txns().append(place, txn));
            }
        }
        aborted?;
        if !self.write.is_empty() {
            target.write(place, &[&self.write])?;
            for header in &self.headers {
                target.publish(place, header, index_interval_bytes);
            }
            passed.bytes += self.write.len() as u64;
            stats.bytes_written += self.write.len() as u64;
        }
        Ok(passed)
    }

    /// Fills the buffer from a position on, with one whole batch at least; gives how much of it was read.
    fn read_batches<D: Disk>(
        &mut self,
        place: Place<'_, D>,
        segment: &Segment<D>,
        position: u64,
        io_bytes: usize,
    ) -> Result<usize, LogError> {
        let left = segment.size().saturating_sub(position);
        let file = segment.log_file(place)?;
        let mut wanted = io_bytes.max(HEADER_LEN);
        if self.read.len() > KEPT_BYTES_MAX.max(wanted) {
            self.read = Vec::new();
        }
        loop {
            let bytes = usize::try_from(left).unwrap_or(usize::MAX).min(wanted);
            if self.read.len() < bytes {
                self.read.resize(bytes, 0);
            }
            let read = file
                .read_at(position, &mut self.read[..bytes])
                .map_err(|error| LogError::io("reading", &segment.path(place, LOG), error))?;
            let first = BatchHeader::parse(&self.read[..read]);
            let size = first.map_err(|error| segment.damaged(place, position, None, &error))?.size_in_bytes();
            if size <= read {
                return Ok(read);
            }
            // Nothing of the size is allocated unless the file is as long.
            if size as u64 > left || read < bytes {
                return Err(segment.damaged(place, position, None, &BatchError::InvalidLength(size as i32)));
            }
            wanted = size;
        }
    }
}

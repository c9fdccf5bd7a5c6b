//! Reading: an offset becomes a stretch of a file, which the caller sends or reads; no bytes are touched here but headers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_machine::{Disk, DiskFile, Offset, ProducerId};

use crate::error::{LogError, OffsetOutOfRange, ReadError};
use crate::log::{Log, LogOffsets, OffsetMetadata, Segments};
use crate::segment::{Found, Place, Segment};

/// Up to where a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBound {
    /// A follower: everything.
    LogEnd,
    /// A consumer.
    HighWatermark,
    /// A consumer with `read_committed`; aborted transactions are listed.
    LastStableOffset,
}

/// What happens when the first batch is larger than the size asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinOneBatch {
    /// It is given whole.
    Yes,
    /// It is given cut off, and said to be.
    No,
}

/// A stretch of a log, in a file that stays readable even if the segment is deleted.
#[derive(Clone, Debug)]
pub struct FetchedSlice<F> {
    /// `None` if there is nothing to read.
    pub file: Option<F>,
    pub position: u64,
    pub length: usize,
    /// The offset asked for, and where its batch begins; the position is 0 if there is nothing to read.
    pub fetch_offset: OffsetMetadata,
    /// The slice ends within its first batch.
    pub first_entry_incomplete: bool,
    pub offsets: LogOffsets,
    /// For [`ReadBound::LastStableOffset`]: the aborted transactions among the records.
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
}

/// A transaction whose records a `read_committed` consumer leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    pub producer_id: ProducerId,
    pub first_offset: Offset,
}

impl<F: DiskFile> FetchedSlice<F> {
    /// Reads the slice behind what `out` holds. Less than `length` comes if the log was truncated meanwhile.
    pub fn read_into(&self, out: &mut Vec<u8>) -> std::io::Result<usize> {
        let Some(file) = &self.file else { return Ok(0) };
        let start = out.len();
        out.resize(start + self.length, 0);
        let read = file.read_at(self.position, &mut out[start..]);
        out.truncate(start + *read.as_ref().unwrap_or(&0));
        read
    }
}

impl<D: Disk> Log<D> {
    /// The batches from the one that holds `offset` on, at most `max_bytes` of one segment, up to the bound.
    ///
    /// An offset at or above the bound and not above the log's end gives an empty slice, as does an empty log.
    pub fn read(
        &self,
        offset: Offset,
        max_bytes: usize,
        bound: ReadBound,
        min_one: MinOneBatch,
    ) -> Result<FetchedSlice<D::File>, ReadError> {
        self.unless_replaced(|| self.read_once(offset, max_bytes, bound, min_one))
    }

    /// Reads again if cleaning has replaced segments meanwhile: their files are gone, or others have their names. The count is
    /// raised before any name changes.
    pub(crate) fn unless_replaced<T>(&self, mut read: impl FnMut() -> T) -> T {
        loop {
            let before = self.inner.replacements.load(Ordering::SeqCst);
            let done = read();
            if before == self.inner.replacements.load(Ordering::SeqCst) {
                return done;
            }
        }
    }

    fn read_once(
        &self,
        offset: Offset,
        max_bytes: usize,
        bound: ReadBound,
        min_one: MinOneBatch,
    ) -> Result<FetchedSlice<D::File>, ReadError> {
        let (segments, offsets, end, known) = {
            let view = self.view();
            (view.segments.clone(), view.offsets(), view.end, view.known_place(offset.0))
        };
        check_range(offset, &offsets)?;
        let corrupt = self.first_corrupt(offset.0);
        if let Some((first, last)) = corrupt.filter(|(first, _)| *first <= offset.0) {
            return Err(ReadError::Corrupt { first: Offset(first), last: Offset(last) });
        }
        let bound_offset = match bound {
            ReadBound::LogEnd => offsets.log_end_offset,
            ReadBound::HighWatermark => offsets.high_watermark,
            ReadBound::LastStableOffset => offsets.last_stable_offset,
        };
        let mut slice = FetchedSlice {
            file: None,
            position: 0,
            length: 0,
            fetch_offset: OffsetMetadata { offset, ..known.unwrap_or_default() },
            first_entry_incomplete: false,
            offsets,
            aborted_transactions: (bound == ReadBound::LastStableOffset).then(Vec::new),
        };
        if offset >= bound_offset {
            return Ok(slice);
        }
        let dir = self.dir();
        let place = self.place(&dir);
        let bound_place = if bound_offset == end.offset { end } else { self.place_of(bound_offset, &segments)? };
        let located = self.locate(place, offset, known, &segments, bound_place);
        let Some((at, found, readable)) = located.map_err(|error| self.or_deleted(offset, error))? else {
            return Ok(slice);
        };
        let segment = &segments[at];
        // A batch that reaches into what is damaged is not whole itself; one before it can be read.
        let readable =
            match corrupt.filter(|(first, _)| segments.get(at + 1).is_none_or(|next| *first < next.base_offset())) {
                None => readable,
                Some((first, last)) if found.header.last_offset() >= first => {
                    return Err(ReadError::Corrupt { first: Offset(first), last: Offset(last) });
                }
                Some((first, _)) => match segment.find_from(place, first, found.position, readable) {
                    Ok(Some(damaged)) => damaged.position,
                    Ok(None) => readable,
                    // The walk ends where no batch can be told any more.
                    Err(_) => found.position + found.header.size_in_bytes() as u64,
                },
            };
        slice.fetch_offset = OffsetMetadata {
            offset,
            segment_base_offset: Offset(segment.base_offset()),
            relative_position_in_segment: found.position,
        };
        let first_size = found.header.size_in_bytes();
        let wanted = if min_one == MinOneBatch::Yes { max_bytes.max(first_size) } else { max_bytes };
        slice.first_entry_incomplete = wanted < first_size;
        slice.position = found.position;
        slice.length = usize::try_from(readable - found.position).unwrap_or(usize::MAX).min(wanted);
        slice.file = Some(segment.log_file(place).map_err(|error| self.or_deleted(offset, error))?);
        if let Some(aborted) = &mut slice.aborted_transactions {
            *aborted = aborted_in(place, &segments[at..], offset, found.position + slice.length as u64, end.offset)?;
        }
        Ok(slice)
    }

    /// Where the batch that holds `offset` begins, which is below the log's end; remembered for the next reader.
    pub(crate) fn place_of(&self, offset: Offset, segments: &Segments<D>) -> Result<OffsetMetadata, LogError> {
        if let Some(known) = self.view().known_place(offset.0) {
            return Ok(known);
        }
        let dir = self.dir();
        let place = self.place(&dir);
        let from = floor_segment(segments, offset.0);
        for segment in &segments[from..] {
            if let Some(found) = segment.find(place, offset.0, segment.size())? {
                let found = OffsetMetadata {
                    offset,
                    segment_base_offset: Offset(segment.base_offset()),
                    relative_position_in_segment: found.position,
                };
                let mut view = self.view();
                if Arc::ptr_eq(&view.segments, segments) {
                    view.remember(found);
                }
                return Ok(found);
            }
        }
        Ok(self.view().end)
    }

    /// The segment, the first batch and the position up to which may be read.
    fn locate(
        &self,
        place: Place<'_, D>,
        offset: Offset,
        known: Option<OffsetMetadata>,
        segments: &[Arc<Segment<D>>],
        bound: OffsetMetadata,
    ) -> Result<Option<(usize, Found, u64)>, LogError> {
        for (at, segment) in segments.iter().enumerate().skip(floor_segment(segments, offset.0)) {
            let base_offset = segment.base_offset();
            let readable = match base_offset.cmp(&bound.segment_base_offset.0) {
                std::cmp::Ordering::Less => segment.size(),
                std::cmp::Ordering::Equal => bound.relative_position_in_segment,
                std::cmp::Ordering::Greater => return Ok(None),
            };
            let start = known.filter(|known| known.segment_base_offset.0 == base_offset);
            let found = match start {
                Some(known) => segment.find_from(place, offset.0, known.relative_position_in_segment, readable)?,
                None => segment.find(place, offset.0, readable)?,
            };
            if let Some(found) = found {
                return Ok(Some((at, found, readable)));
            }
        }
        Ok(None)
    }

    /// A file that is gone because the log's start moved is no failure of the disk.
    fn or_deleted(&self, offset: Offset, error: LogError) -> ReadError {
        let offsets = self.offsets();
        match check_range(offset, &offsets) {
            Err(out_of_range) => out_of_range.into(),
            Ok(()) => error.into(),
        }
    }
}

fn check_range(offset: Offset, offsets: &LogOffsets) -> Result<(), OffsetOutOfRange> {
    let LogOffsets { log_start_offset, log_end_offset, .. } = *offsets;
    if offset < log_start_offset || offset > log_end_offset {
        return Err(OffsetOutOfRange { offset, log_start_offset, log_end_offset });
    }
    Ok(())
}

/// The segment in which an offset is, if it is there: the last that begins at or below it, else the first.
pub(crate) fn floor_segment<D: Disk>(segments: &[Arc<Segment<D>>], offset: i64) -> usize {
    segments.partition_point(|segment| segment.base_offset() <= offset).saturating_sub(1)
}

/// The aborted transactions that have records from `offset` on, before the position in the first of the segments.
fn aborted_in<D: Disk>(
    place: Place<'_, D>,
    segments: &[Arc<Segment<D>>],
    offset: Offset,
    end_position: u64,
    log_end_offset: Offset,
) -> Result<Vec<AbortedTransaction>, LogError> {
    let Some(first) = segments.first() else {
        return Ok(Vec::new());
    };
    let upper_bound = match first.offset_after(place, end_position)? {
        Some(offset) => offset,
        None => segments.get(1).map_or(log_end_offset.0, |next| next.base_offset()),
    };
    let mut found = Vec::new();
    for segment in segments {
        if segment.txns().collect(place, offset.0, upper_bound, &mut found)? {
            break;
        }
    }
    let aborted = found.iter().map(|txn| AbortedTransaction {
        producer_id: ProducerId(txn.producer_id),
        first_offset: Offset(txn.first_offset),
    });
    Ok(aborted.collect())
}

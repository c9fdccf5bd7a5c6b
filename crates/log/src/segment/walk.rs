//! Walking over the headers of a segment's batches without reading their records.

use std::io;

use ottla_machine::DiskFile;
use ottla_wire::batch::{BatchError, BatchHeader, HEADER_LEN};

/// What is read at once: a run of small batches costs one call.
const READ_BYTES: usize = 4096;

/// Headers of the batches from a position to an end.
pub(crate) struct HeaderWalk<F> {
    file: F,
    next: u64,
    end: u64,
    buffer: [u8; READ_BYTES],
    buffered: std::ops::Range<u64>,
}

/// Why a walk cannot go on.
#[derive(Debug)]
pub(crate) enum WalkStop {
    Io(io::Error),
    /// What stands at the walk's position is no batch.
    Corrupt(BatchError),
}

impl<F: DiskFile> HeaderWalk<F> {
    pub(crate) fn new(file: F, from: u64, end: u64) -> Self {
        HeaderWalk { file, next: from, end, buffer: [0; READ_BYTES], buffered: 0..0 }
    }

    /// Where the next batch begins.
    pub(crate) fn position(&self) -> u64 {
        self.next
    }

    pub(crate) fn file(&self) -> &F {
        &self.file
    }

    /// The next batch's position and header; `None` at the end, and where the end cuts a batch off.
    pub(crate) fn next_header(&mut self) -> Result<Option<(u64, BatchHeader)>, WalkStop> {
        let position = self.next;
        if position + HEADER_LEN as u64 > self.end {
            return Ok(None);
        }
        if position < self.buffered.start || position + HEADER_LEN as u64 > self.buffered.end {
            let wanted = usize::try_from(self.end - position).unwrap_or(READ_BYTES).min(READ_BYTES);
            let read = self.file.read_at(position, &mut self.buffer[..wanted]).map_err(WalkStop::Io)?;
            self.buffered = position..position + read as u64;
            if read < HEADER_LEN {
                return Ok(None);
            }
        }
        let at = (position - self.buffered.start) as usize;
        let header = BatchHeader::parse(&self.buffer[at..at + HEADER_LEN]).map_err(WalkStop::Corrupt)?;
        let after = position + header.size_in_bytes() as u64;
        if after > self.end {
            return Ok(None);
        }
        self.next = after;
        Ok(Some((position, header)))
    }
}

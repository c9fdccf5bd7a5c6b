//! The batches of one segment.

use std::path::PathBuf;

use crc_fast::{CrcAlgorithm, Digest};
use ottla_machine::DiskFile;
use ottla_wire::batch::{BatchHeader, HEADER_LEN};

use super::index::Indexes;
use super::{Finding, read};
use crate::error::LogError;

/// The most that is read at once.
const PIECE_BYTES: usize = 256 << 10;

/// Where a segment begins.
pub(super) struct Start {
    pub(super) path: PathBuf,
    pub(super) base_offset: i64,
    pub(super) length: u64,
    /// Behind the last offset of the segments before.
    pub(super) next_offset: i64,
    /// The next segment's first offset.
    pub(super) bound: Option<i64>,
    /// The last leader epoch of the segments before.
    pub(super) last_epoch: i32,
}

pub(super) struct SegmentVerifier<F> {
    path: PathBuf,
    file: F,
    base_offset: i64,
    length: u64,
    /// Where the next batch begins.
    position: u64,
    /// What is being read of the current batch: its header, and how far its checksum has come.
    batch: Option<(BatchHeader, Digest, u64)>,
    pub(super) next_offset: i64,
    /// The next segment's first offset.
    bound: Option<i64>,
    pub(super) last_epoch: i32,
    pub(super) batches: u64,
    indexes: Indexes,
    is_done: bool,
    /// Batches could not be told apart any more.
    is_broken: bool,
}

impl<F: DiskFile> SegmentVerifier<F> {
    pub(super) fn new(start: Start, file: F, indexes: Indexes) -> Self {
        let Start { path, base_offset, length, next_offset, bound, last_epoch } = start;
        Self {
            path,
            file,
            base_offset,
            length,
            position: 0,
            batch: None,
            next_offset,
            bound,
            last_epoch,
            batches: 0,
            indexes,
            is_done: false,
            is_broken: false,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Reads on, about `bytes`; gives how much it was.
    pub(super) fn step(&mut self, bytes: usize, findings: &mut Vec<Finding>) -> Result<u64, LogError> {
        let mut done = 0;
        while done < bytes as u64 && !self.is_done {
            done += match self.batch.take() {
                None => self.header(findings)?,
                Some((header, digest, at)) => self.records(header, digest, at, findings)?,
            };
        }
        Ok(done)
    }

    fn header(&mut self, findings: &mut Vec<Finding>) -> Result<u64, LogError> {
        if self.position + HEADER_LEN as u64 > self.length {
            self.is_done = true;
            return Ok(0);
        }
        let bytes = read(&self.file, &self.path, self.position, HEADER_LEN)?;
        if bytes.len() < HEADER_LEN {
            // Cut off since the beginning.
            self.length = self.position;
            self.is_done = true;
            return Ok(0);
        }
        match BatchHeader::parse(&bytes) {
            Ok(header) if self.position + header.size_in_bytes() as u64 > self.length => self.is_done = true,
            Ok(header) => {
                let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
                digest.update(&bytes[21..]);
                self.batch = Some((header, digest, self.position + HEADER_LEN as u64));
            }
            Err(error) => {
                // Where the next one begins cannot be told.
                let what = format!("no batch begins here: {error}; what follows in the file is not looked at");
                let lost = (self.next_offset, self.bound.map_or(i64::MAX, |bound| bound - 1));
                findings.push(Finding { corrupt: Some(lost), ..self.finding(None, what) });
                self.position = self.length;
                self.is_broken = true;
                self.is_done = true;
            }
        }
        Ok(HEADER_LEN as u64)
    }

    fn records(
        &mut self,
        header: BatchHeader,
        mut digest: Digest,
        at: u64,
        findings: &mut Vec<Finding>,
    ) -> Result<u64, LogError> {
        let end = self.position + header.size_in_bytes() as u64;
        let wanted = usize::try_from(end - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let bytes = read(&self.file, &self.path, at, wanted)?;
        digest.update(&bytes);
        let at = at + bytes.len() as u64;
        if bytes.len() < wanted {
            self.length = self.position;
            self.is_done = true;
        } else if at < end {
            self.batch = Some((header, digest, at));
        } else {
            self.check(&header, u32::try_from(digest.finalize()).unwrap_or(0), findings);
            self.position = end;
        }
        Ok(bytes.len() as u64)
    }

    fn check(&mut self, header: &BatchHeader, crc: u32, findings: &mut Vec<Finding>) {
        let offset = Some(header.base_offset);
        if crc != header.crc {
            let what = format!("the batch's checksum is {crc}, and should be {}", header.crc);
            findings.push(Finding { corrupt: Some(self.damaged(header)), ..self.finding(offset, what) });
        }
        let mut found = |what: String| findings.push(self.finding(offset, what));
        if header.last_offset_delta < 0 {
            found(format!("the batch ends {} offsets before it begins", -i64::from(header.last_offset_delta)));
        } else if header.base_offset < self.next_offset {
            found(format!("offset {} cannot follow {}", header.base_offset, self.next_offset - 1));
        }
        if self.bound.is_some_and(|bound| header.last_offset() >= bound) {
            found(format!("offset {} belongs into the next segment", header.last_offset()));
        }
        if header.last_offset() - self.base_offset > i64::from(i32::MAX) {
            found(format!("offset {} is too far from the segment's first for an index", header.last_offset()));
        }
        if header.partition_leader_epoch < self.last_epoch {
            found(format!("leader epoch {} cannot follow {}", header.partition_leader_epoch, self.last_epoch));
        }
        // From what is there, so that what is wrong once is told once.
        self.next_offset = header.next_offset();
        self.last_epoch = header.partition_leader_epoch;
        self.batches += 1;
        self.indexes.see(self.position, header, findings);
    }

    /// The end: only the last segment may end within a batch, since it may be written to.
    pub(super) fn finish(&mut self, is_last: bool, findings: &mut Vec<Finding>) {
        if is_last {
            return;
        }
        if self.position < self.length {
            let left = self.length - self.position;
            let lost = (self.next_offset, self.bound.map_or(i64::MAX, |bound| bound - 1));
            let what = format!("the file ends within a batch: {left} bytes are left");
            findings.push(Finding { corrupt: Some(lost), ..self.finding(None, what) });
        } else if !self.is_broken {
            self.indexes.finish(findings);
        }
    }

    fn finding(&self, offset: Option<i64>, what: String) -> Finding {
        Finding { file: self.path.clone(), position: Some(self.position), offset, what, corrupt: None }
    }

    /// The offsets of a batch whose checksum is wrong, so far as its header can be believed.
    fn damaged(&self, header: &BatchHeader) -> (i64, i64) {
        let end = self.bound.unwrap_or(i64::MAX);
        let first =
            if (self.next_offset..end).contains(&header.base_offset) { header.base_offset } else { self.next_offset };
        (first, header.last_offset().clamp(first, end - 1))
    }
}

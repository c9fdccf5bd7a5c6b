//! A scrub: everything that a partition's folder holds is read and held against itself, and nothing is changed.
//!
//! Batches must be whole, with right checksums and offsets that grow; an index must lead to batches that are there; epochs
//! must not go back; snapshots of producers must be readable. It works on files alone, so that the folder of a node that is
//! stopped can be looked at as well as one in use. Of a folder in use only what was there at the beginning is looked at, and
//! the end of the last segment may lie within a batch.

mod index;
mod segment;

use std::path::{Path, PathBuf};

use ottla_machine::{Disk, DiskFile, OpenMode};

use crate::epochs::LeaderEpochs;
use crate::error::{LogError, doing};
use crate::file_names::{LEADER_EPOCHS, LOG, PRODUCER_SNAPSHOT, offset_file, parse};
use index::Indexes;
use segment::{SegmentVerifier, Start};

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub file: PathBuf,
    /// Of a batch, or of an entry of an index, in bytes.
    pub position: Option<u64>,
    /// The first offset of the batch, where that can be told.
    pub offset: Option<i64>,
    pub what: String,
    /// The offsets that cannot be trusted for it, first and last; the last is `i64::MAX` where the segment's end is the log's.
    pub corrupt: Option<(i64, i64)>,
}

/// What a step of [`Verifier`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyStep {
    /// So many bytes were read.
    Read(u64),
    Done,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    pub segments: u64,
    pub batches: u64,
    pub bytes: u64,
}

/// Looks at one folder, a piece with each step.
pub struct Verifier<D: Disk> {
    disk: D,
    dir: PathBuf,
    /// The segments that are still to be looked at, with the lengths that they had at the beginning; the next is the last.
    left: Vec<(i64, u64)>,
    current: Option<SegmentVerifier<D::File>>,
    next_offset: i64,
    last_epoch: i32,
    verified: Verified,
    findings: Vec<Finding>,
}

impl<D: Disk> Verifier<D> {
    /// Looks at the small files at once, and at the names of the others.
    pub fn new(disk: D, dir: &Path) -> Result<Self, LogError> {
        let names = disk.list(dir).map_err(doing("listing", dir))?;
        let mut verifier = Self {
            disk,
            dir: dir.to_owned(),
            left: Vec::new(),
            current: None,
            next_offset: i64::MIN,
            last_epoch: i32::MIN,
            verified: Verified::default(),
            findings: Vec::new(),
        };
        for file in names.iter().filter_map(|name| parse(name)).filter(|file| file.suffix.is_none()) {
            let path = offset_file(dir, file.offset, file.kind);
            match file.kind {
                LOG => {
                    let length = verifier.disk.file_len(&path).map_err(doing("reading", &path))?;
                    verifier.left.push((file.offset, length));
                }
                PRODUCER_SNAPSHOT => verifier.snapshot(&path),
                _ => {}
            }
        }
        verifier.left.sort_unstable_by_key(|(base, _)| std::cmp::Reverse(*base));
        verifier.epochs();
        Ok(verifier)
    }

    /// Reads on, about `bytes`. A file that is gone meanwhile is passed over.
    pub fn step(&mut self, bytes: usize) -> Result<VerifyStep, LogError> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => match self.open_next()? {
                Some(next) => next,
                None => return Ok(VerifyStep::Done),
            },
        };
        let read = current.step(bytes, &mut self.findings)?;
        if current.is_done() {
            self.next_offset = current.next_offset;
            self.last_epoch = current.last_epoch;
            self.verified.segments += 1;
            self.verified.batches += current.batches;
            let is_last = self.left.is_empty();
            current.finish(is_last, &mut self.findings);
        } else {
            self.current = Some(current);
        }
        self.verified.bytes += read;
        Ok(VerifyStep::Read(read))
    }

    pub fn verified(&self) -> Verified {
        self.verified
    }

    /// What was found since this was last asked.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    fn open_next(&mut self) -> Result<Option<SegmentVerifier<D::File>>, LogError> {
        while let Some((base_offset, length)) = self.left.pop() {
            let path = offset_file(&self.dir, base_offset, LOG);
            let bound = self.left.last().map(|(next, _)| *next);
            match self.disk.open(&path, OpenMode::Read) {
                Ok(file) => {
                    let indexes = Indexes::open(&self.disk, &self.dir, base_offset, &mut self.findings)?;
                    let next_offset = self.next_offset.max(base_offset);
                    let last_epoch = self.last_epoch;
                    let start = Start { path, base_offset, length, next_offset, bound, last_epoch };
                    return Ok(Some(SegmentVerifier::new(start, file, indexes)));
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(doing("opening", &path)(error)),
            }
        }
        Ok(None)
    }

    fn snapshot(&mut self, path: &Path) {
        let Some(bytes) = self.small(path) else { return };
        if let Err(why) = crate::producers::decode(&bytes) {
            self.findings.push(Finding {
                file: path.to_owned(),
                position: None,
                offset: None,
                what: why.to_owned(),
                corrupt: None,
            });
        }
    }

    fn epochs(&mut self) {
        let path = self.dir.join(LEADER_EPOCHS);
        let Some(bytes) = self.small(&path) else { return };
        // Kafka makes the file with the log, and writes to it with the first record.
        let is_new = bytes.is_empty() && self.left.iter().all(|(_, length)| *length == 0);
        if !is_new && LeaderEpochs::parse(&bytes).is_none() {
            let what = "it is not a list of leader epochs and their first offsets, both growing".to_owned();
            self.findings.push(Finding { file: path, position: None, offset: None, what, corrupt: None });
        }
    }

    /// A file that may be gone, or not be there at all.
    fn small(&mut self, path: &Path) -> Option<Vec<u8>> {
        match self.disk.read(path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                let what = format!("it cannot be read: {error}");
                self.findings.push(Finding {
                    file: path.to_owned(),
                    position: None,
                    offset: None,
                    what,
                    corrupt: None,
                });
                None
            }
        }
    }
}

/// Bytes of a file at a position; fewer at its end.
fn read<F: DiskFile>(file: &F, path: &Path, position: u64, bytes: usize) -> Result<Vec<u8>, LogError> {
    let mut buffer = vec![0; bytes];
    let read = file.read_at(position, &mut buffer).map_err(doing("reading", path))?;
    buffer.truncate(read);
    Ok(buffer)
}

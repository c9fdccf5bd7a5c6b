//! The indexes of one segment, held against its batches as these are read. What stands behind the last entry of an index
//! that is open is zeros.

use std::path::{Path, PathBuf};

use ottla_machine::Disk;
use ottla_wire::batch::BatchHeader;

use super::Finding;
use crate::error::{LogError, doing};
use crate::file_names::{OFFSET_INDEX, TIME_INDEX, TXN_INDEX, offset_file};
use crate::segment::AbortedTxn;

const OFFSET_ENTRY_BYTES: usize = 8;
const TIME_ENTRY_BYTES: usize = 12;
const TXN_ENTRY_BYTES: usize = 34;

/// An index, and the next of its entries.
struct Cursor {
    path: PathBuf,
    bytes: Vec<u8>,
    entry_bytes: usize,
    next: usize,
}

/// The two indexes that lead to batches.
pub(super) struct Indexes {
    base_offset: i64,
    offsets: Cursor,
    times: Cursor,
    last_indexed: i64,
    last_offset: i64,
    max_timestamp: i64,
}

impl Cursor {
    fn open<D: Disk>(
        disk: &D,
        path: PathBuf,
        entry_bytes: usize,
        findings: &mut Vec<Finding>,
    ) -> Result<Self, LogError> {
        let bytes = match disk.read(&path) {
            Ok(bytes) => bytes,
            // A start makes it anew.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(doing("reading", &path)(error)),
        };
        let odd = bytes.len() % entry_bytes;
        let cursor = Self { path, bytes, entry_bytes, next: 0 };
        if odd > 0 {
            findings.push(cursor.finding(cursor.bytes.len() - odd, format!("{odd} bytes at its end are no entry")));
        }
        Ok(cursor)
    }

    /// The next entry; none behind the last, or where zeros follow it.
    fn peek(&self) -> Option<&[u8]> {
        let entry = self.bytes.get(self.next..self.next + self.entry_bytes)?;
        entry.iter().any(|byte| *byte != 0).then_some(entry)
    }

    fn advance(&mut self) {
        self.next += self.entry_bytes;
    }

    /// Says what is wrong with the next entry, and looks at none behind it.
    fn condemn(&mut self, what: String, findings: &mut Vec<Finding>) {
        findings.push(self.finding(self.next, what));
        self.next = self.bytes.len();
    }

    fn finding(&self, position: usize, what: String) -> Finding {
        Finding { file: self.path.clone(), position: Some(position as u64), offset: None, what, corrupt: None }
    }
}

impl Indexes {
    /// Reads the indexes whole: an index holds a few megabytes at the most.
    pub(super) fn open<D: Disk>(
        disk: &D,
        dir: &Path,
        base_offset: i64,
        findings: &mut Vec<Finding>,
    ) -> Result<Self, LogError> {
        let mut open =
            |kind, entry_bytes| Cursor::open(disk, offset_file(dir, base_offset, kind), entry_bytes, findings);
        let (offsets, times) = (open(OFFSET_INDEX, OFFSET_ENTRY_BYTES)?, open(TIME_INDEX, TIME_ENTRY_BYTES)?);
        let txns = open(TXN_INDEX, TXN_ENTRY_BYTES)?;
        transactions(&txns, base_offset, findings);
        Ok(Self { base_offset, offsets, times, last_indexed: i64::MIN, last_offset: i64::MIN, max_timestamp: -1 })
    }

    /// Looks at the entries that concern the next batch.
    pub(super) fn see(&mut self, position: u64, header: &BatchHeader, findings: &mut Vec<Finding>) {
        while let Some(entry) = self.offsets.peek() {
            let (offset, at) = (self.base_offset + i64::from(i32_at(entry, 0)), i64::from(i32_at(entry, 4)));
            let position = position.cast_signed();
            if at > position {
                break;
            }
            // A search for the offset begins there: what holds it must not stand before, and entries must be in order.
            let in_order = self.last_indexed < offset;
            if at == position && in_order && self.last_offset < offset && header.base_offset <= offset {
                self.last_indexed = offset;
                self.offsets.advance();
            } else {
                self.offsets.condemn(format!("a search for offset {offset} must not begin at {at}"), findings);
            }
        }
        self.last_offset = header.last_offset();
        self.max_timestamp = self.max_timestamp.max(header.max_timestamp);
        while let Some(entry) = self.times.peek() {
            let timestamp = entry.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes));
            let offset = self.base_offset + i64::from(i32_at(entry, 8));
            if offset > self.last_offset {
                break;
            }
            if timestamp == self.max_timestamp {
                self.times.advance();
            } else {
                let largest = self.max_timestamp;
                let what = format!("the largest time up to offset {offset} is {largest}, not {timestamp}");
                self.times.condemn(what, findings);
            }
        }
    }

    /// What is left of the indexes leads nowhere, unless the segment is written to.
    pub(super) fn finish(&mut self, findings: &mut Vec<Finding>) {
        for cursor in [&mut self.offsets, &mut self.times] {
            if cursor.peek().is_some() {
                cursor.condemn("it leads behind the last batch".to_owned(), findings);
            }
        }
    }
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_be_bytes)
}

fn transactions(index: &Cursor, base_offset: i64, findings: &mut Vec<Finding>) {
    for (at, entry) in index.bytes.chunks_exact(TXN_ENTRY_BYTES).enumerate() {
        let what = match AbortedTxn::decode(entry) {
            None => "it is no aborted transaction of a version that is known".to_owned(),
            Some(txn) if txn.first_offset > txn.last_offset || txn.last_offset < base_offset => {
                format!("no transaction that ends here goes from offset {} to {}", txn.first_offset, txn.last_offset)
            }
            Some(_) => continue,
        };
        findings.push(index.finding(at * TXN_ENTRY_BYTES, what));
        return;
    }
}

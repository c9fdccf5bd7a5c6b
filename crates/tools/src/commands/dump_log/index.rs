//! `.index` and `.timeindex`: their entries, held against the log beside them.
//!
//! An index of a log that is open may be longer than its entries: Kafka prepares space for more, filled with zeros.

use super::{Done, Dump, DumpedFile, Failure, Line, note};
use crate::log_file::{Source, read_whole};
use ottla_wire::batch::{Codecs, NO_TIMESTAMP};
use std::cmp::Ordering;

/// i32 offset from the segment's first, i32 position.
const OFFSET_ENTRY_BYTES: usize = 8;
/// i64 timestamp, i32 offset from the segment's first.
const TIME_ENTRY_BYTES: usize = 12;

#[derive(Clone, Copy)]
struct OffsetEntry {
    offset: i64,
    position: i32,
}

#[derive(Clone, Copy)]
struct TimeEntry {
    timestamp: i64,
    offset: i64,
}

struct OffsetIndex {
    base_offset: i64,
    bytes: Vec<u8>,
}

impl OffsetIndex {
    fn entries(&self) -> usize {
        self.bytes.len() / OFFSET_ENTRY_BYTES
    }

    fn entry(&self, at: usize) -> Option<OffsetEntry> {
        let bytes = self.bytes.chunks_exact(OFFSET_ENTRY_BYTES).nth(at)?;
        let (offset, position) = (i32_at(bytes, 0), i32_at(bytes, 4));
        Some(OffsetEntry { offset: self.base_offset.wrapping_add(i64::from(offset)), position })
    }

    /// The position of the last entry at or before an offset. Zeros behind the entries make the search go wrong now and
    /// then, which is why Kafka looks at the end first; so does this, to find what it finds.
    fn position_before(&self, offset: i64) -> i32 {
        const WARM_ENTRIES: usize = 8192 / OFFSET_ENTRY_BYTES;
        let is_before = |at: usize| self.entry(at).is_some_and(|entry| entry.offset < offset);
        let Some(last) = self.entries().checked_sub(1) else { return 0 };
        let first_hot = last.saturating_sub(WARM_ENTRIES);
        let (mut low, mut high) = if is_before(first_hot) {
            (first_hot, last)
        } else if self.entry(0).is_some_and(|entry| entry.offset > offset) {
            return 0;
        } else {
            (0, first_hot)
        };
        while low < high {
            let middle = (low + high).div_ceil(2);
            let Some(found) = self.entry(middle) else { return 0 };
            match found.offset.cmp(&offset) {
                Ordering::Greater => high = middle - 1,
                Ordering::Less => low = middle,
                Ordering::Equal => return found.position,
            }
        }
        self.entry(low).map_or(0, |entry| entry.position)
    }
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_be_bytes)
}

fn time_entries(base_offset: i64, bytes: &[u8]) -> impl Iterator<Item = TimeEntry> {
    bytes.chunks_exact(TIME_ENTRY_BYTES).map(move |bytes| {
        let timestamp = bytes.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes));
        TimeEntry { timestamp, offset: base_offset.wrapping_add(i64::from(i32_at(bytes, 8))) }
    })
}

fn corrupt(why: String) -> Failure {
    Failure::told(format!("org.apache.kafka.storage.internals.log.CorruptIndexException: {why}"))
}

/// A place in the log that an index points to.
fn place(source: &Source, position: i32) -> Done<u64> {
    match u64::try_from(position) {
        Err(_) => Err(Failure::told(format!(
            "java.lang.IllegalArgumentException: Invalid position: {position} in read from {}",
            source.name
        ))),
        Ok(at) if at > source.size => Err(Failure::told(format!(
            "java.lang.IllegalArgumentException: Slice from position {position} exceeds end position of {}",
            source.name
        ))),
        Ok(at) => Ok(at),
    }
}

pub(super) fn dump_offsets(dump: &mut Dump<'_>, file: &DumpedFile, batch_bytes_max: i32) -> Done {
    let base_offset = file.base_offset()?;
    let source = Source::open(&file.sibling(".log"))?;
    let index = OffsetIndex { base_offset, bytes: read_whole(&file.path)? };
    let Some(last) = index.entries().checked_sub(1) else {
        return dump.words("entries", 0, &format!("{} is empty.", file.shown));
    };
    if dump.parsed.has("index-sanity-check") {
        if let Some(last) = index.entry(last).filter(|last| last.offset < base_offset) {
            return Err(corrupt(format!(
                "Corrupt index found, index file {} has non-zero size but the last offset is {} which is less than the base offset {base_offset}",
                file.absolute, last.offset
            )));
        }
        check_length("Index", file, index.bytes.len(), OFFSET_ENTRY_BYTES)?;
        return dump.words("isSane", true, &format!("{} passed sanity check.", file.shown));
    }
    let is_quiet = dump.parsed.has("verify-index-only");
    for at in 0..index.entries() {
        let Some(entry) = index.entry(at) else { break };
        // What is behind the entries of a log that is open, or was not closed, is zeros.
        if entry.offset == base_offset && at > 0 {
            break;
        }
        let position = place(&source, entry.position)?;
        let room = u64::try_from(batch_bytes_max).map_err(|_| {
            Failure::told(format!(
                "java.lang.IllegalArgumentException: Invalid size: {batch_bytes_max} in read from {}",
                source.name
            ))
        })?;
        let batch = source.batch_at(position, source.size.min(position + room))?;
        let batch = batch.ok_or_else(|| Failure::told("java.util.NoSuchElementException"))?;
        if batch.header.last_offset() != entry.offset {
            note(&mut dump.index_mismatches, file, (entry.offset, batch.header.last_offset()));
        }
        if !is_quiet {
            dump.fields(Line::default().with("offset", entry.offset).with("position", entry.position))?;
        }
    }
    Ok(())
}

fn check_length(kind: &str, file: &DumpedFile, length: usize, entry: usize) -> Done {
    if length.is_multiple_of(entry) {
        return Ok(());
    }
    Err(corrupt(format!(
        "{kind} file {} is corrupt, found {length} bytes which is neither positive nor a multiple of {entry}",
        file.absolute
    )))
}

pub(super) fn dump_times(dump: &mut Dump<'_>, file: &DumpedFile) -> Done {
    let base_offset = file.base_offset()?;
    let source = Source::open(&file.sibling(".log"))?;
    let offsets = OffsetIndex { base_offset, bytes: read_whole(&file.sibling(".index"))? };
    let bytes = read_whole(&file.path)?;
    if dump.parsed.has("index-sanity-check") {
        check_times(file, base_offset, &bytes)?;
        return dump.words("isSane", true, &format!("{} passed sanity check.", file.shown));
    }
    let is_quiet = dump.parsed.has("verify-index-only");
    let mut codecs = Codecs::default();
    let mut before = NO_TIMESTAMP;
    for (at, entry) in time_entries(base_offset, &bytes).enumerate() {
        if entry.offset == base_offset && at > 0 {
            break;
        }
        let mut position = place(&source, offsets.position_before(entry.offset))?;
        let mut found = None;
        while let Some(batch) = source.batch_at(position, source.size)? {
            position += batch.size;
            if batch.header.last_offset() >= entry.offset {
                found = Some(batch);
                break;
            }
        }
        match found {
            Some(batch) if batch.header.last_offset() == entry.offset => {
                let mut newest = NO_TIMESTAMP;
                source.records(&batch, &mut codecs, |record| {
                    newest = newest.max(record.timestamp);
                    Ok(())
                })?;
                if newest != entry.timestamp {
                    note(&mut dump.time_mismatches, file, (entry.timestamp, newest));
                }
                if before >= entry.timestamp {
                    note(&mut dump.time_disorder, file, (entry.timestamp, before));
                }
            }
            other => {
                let offset = other.map_or(-1, |batch| batch.header.last_offset());
                note(&mut dump.time_not_found, file, (entry.offset, offset));
            }
        }
        if !is_quiet {
            dump.fields(Line::default().with("timestamp", entry.timestamp).with("offset", entry.offset))?;
        }
        before = entry.timestamp;
    }
    Ok(())
}

/// The check that decides at a start whether an index of times is made anew.
fn check_times(file: &DumpedFile, base_offset: i64, bytes: &[u8]) -> Done {
    let mut entries = time_entries(base_offset, bytes);
    if let Some(first) = entries.next() {
        let last = entries.last().unwrap_or(first);
        let start =
            format!("Corrupt time index found, time index file ({}) has non-zero size but the last", file.absolute);
        if last.timestamp < first.timestamp {
            return Err(corrupt(format!(
                "{start} timestamp is {} which is less than the first timestamp {}",
                last.timestamp, first.timestamp
            )));
        }
        if last.offset < base_offset {
            return Err(corrupt(format!(
                "{start} offset is {} which is less than the first offset {base_offset}",
                last.offset
            )));
        }
    }
    check_length("Time index", file, bytes.len(), TIME_ENTRY_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(entries: &[(i32, i32)], zeros: usize) -> OffsetIndex {
        let mut bytes: Vec<u8> = entries
            .iter()
            .flat_map(|(offset, position)| [offset.to_be_bytes(), position.to_be_bytes()].concat())
            .collect();
        bytes.resize(bytes.len() + zeros * OFFSET_ENTRY_BYTES, 0);
        OffsetIndex { base_offset: 100, bytes }
    }

    #[test]
    fn a_search_finds_the_entry_at_or_before() {
        let index = index(&[(9, 10), (19, 20), (29, 30)], 0);
        for (offset, position) in [(100, 0), (109, 10), (118, 10), (119, 20), (125, 20), (129, 30), (500, 30)] {
            assert_eq!(index.position_before(offset), position, "{offset}");
        }
    }

    #[test]
    fn indexes_of_any_bytes_are_searched_to_an_end() {
        for zeros in [0, 1, 5, 2000] {
            let index = index(&[(9, 10), (-5, 20), (i32::MAX, i32::MIN)], zeros);
            for offset in [i64::MIN, -1, 0, 99, 100, 109, i64::MAX] {
                index.position_before(offset);
            }
        }
        assert_eq!(index(&[], 0).position_before(7), 0);
        assert_eq!(time_entries(0, &[0; 25]).count(), 2);
    }
}

//! A log's file, or a snapshot's, batch by batch, as Kafka's tools read it.
//!
//! A batch is read whole only where its records or its checksum are asked for, and never on the word of a length: the file
//! must have its bytes. What ends Kafka's tool with an exception is an error that begins with the exception's name.

use crate::cli::{Done, Failure};
use crate::old_format;
use ottla_wire::batch::{
    Attributes, BatchError, BatchHeader, Codecs, Compression, HEADER_LEN, Headers, NO_PARTITION_LEADER_EPOCH,
    NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, Record, Records,
};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A file, read at positions: a log may be larger than memory.
pub(crate) struct Source {
    file: File,
    pub(crate) size: u64,
    /// As it was given.
    pub(crate) name: String,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Done<Self> {
        let told = |error: io::Error| could_not_read(path, &error);
        let file = File::open(path).map_err(told)?;
        let size = file.metadata().map_err(told)?.len();
        Ok(Self { file, size, name: path.display().to_string() })
    }

    pub(crate) fn read(&self, position: u64, size: usize) -> Done<Vec<u8>> {
        let mut bytes = vec![0; size];
        self.file
            .read_exact_at(&mut bytes, position)
            .map_err(|error| Failure::told(format!("java.io.EOFException: {}: {error}", self.name)))?;
        Ok(bytes)
    }
}

pub(crate) fn could_not_read(path: &Path, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound => Failure::told(format!("java.nio.file.NoSuchFileException: {}", path.display())),
        io::ErrorKind::PermissionDenied => {
            Failure::told(format!("java.nio.file.AccessDeniedException: {}", path.display()))
        }
        _ => Failure::told(format!("java.io.IOException: {}: {error}", path.display())),
    }
}

/// A whole small file.
pub(crate) fn read_whole(path: &Path) -> Done<Vec<u8>> {
    std::fs::read(path).map_err(|error| could_not_read(path, &error))
}

/// What precedes the bytes that a batch's length counts.
pub(crate) const LOG_OVERHEAD: usize = 12;
/// As far as a reader must see to know a batch's format.
const HEADER_UP_TO_MAGIC: u64 = 17;
/// What stands before the key of a message of format 1. In format 0 it is a time less, but a message is as long as that.
const OLD_HEADER_LEN: usize = 26;
/// The least that Kafka takes for the length of a batch of any format.
const RECORD_OVERHEAD_MIN: i32 = old_format::MESSAGE_BYTES_MIN;
/// What Java's arrays can hold, and so the most that its tool can decompress.
const DECOMPRESSED_BYTES_MAX: usize = i32::MAX as usize;

/// A batch in a file.
pub(crate) struct FoundBatch {
    /// Of a message of an old format, what it has of it: offset, attributes, time, and its own kind of checksum.
    pub(crate) header: BatchHeader,
    pub(crate) magic: i8,
    pub(crate) position: u64,
    /// With what its length does not count.
    pub(crate) size: u64,
}

impl FoundBatch {
    /// Whether it is of format 0 or 1: a message, perhaps a wrapper of others.
    pub(crate) const fn is_old(&self) -> bool {
        self.magic < 2
    }
}

/// A record of a batch.
pub(crate) struct FoundRecord<'a> {
    /// As far as the numbers of a damaged file have one.
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) record: Record<'a>,
    /// In an old format, records have checksums: whether it is right, and what it says.
    pub(crate) seal: Option<(bool, u32)>,
}

impl Source {
    /// The batch at a position, if it is whole before `end`.
    pub(crate) fn batch_at(&self, position: u64, end: u64) -> Done<Option<FoundBatch>> {
        if position + HEADER_UP_TO_MAGIC >= end {
            return Ok(None);
        }
        let start = self.read(position, HEADER_UP_TO_MAGIC as usize)?;
        let length = i32::from_be_bytes([start[8], start[9], start[10], start[11]]);
        if length < RECORD_OVERHEAD_MIN {
            return Err(Failure::told(format!(
                "org.apache.kafka.common.errors.CorruptRecordException: Found record size {length} smaller than minimum record overhead ({RECORD_OVERHEAD_MIN}) in file {}.",
                self.name
            )));
        }
        let size = LOG_OVERHEAD as u64 + u64::from(length.unsigned_abs());
        if position + size > end {
            return Ok(None);
        }
        let magic = start[16].cast_signed();
        if magic < 2 {
            let header = self.old_header(position, length)?;
            return Ok(Some(FoundBatch { header, magic, position, size }));
        }
        // The numbers are shown as they stand, also where the length or the format cannot be that of a batch.
        let mut bytes = self.read(position, HEADER_LEN)?;
        bytes[8..12].copy_from_slice(&length.max(HEADER_LEN as i32).to_be_bytes());
        bytes[16] = 2;
        let header = BatchHeader::parse(&bytes).map_err(|error| invalid(&error))?;
        Ok(Some(FoundBatch { header, magic, position, size }))
    }

    /// The message at a position, of which the shortest is as long as what is read here.
    fn old_header(&self, position: u64, length: i32) -> Done<BatchHeader> {
        let bytes = self.read(position, OLD_HEADER_LEN)?;
        let eight = |from: usize| {
            let mut field = [0; 8];
            field.copy_from_slice(&bytes[from..from + 8]);
            i64::from_be_bytes(field)
        };
        Ok(BatchHeader {
            base_offset: eight(0),
            batch_length: length,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            crc: u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]),
            // Codec and timestamp type are where they are today; nothing else is.
            attributes: Attributes(i16::from(bytes[17] & 0x0f)),
            last_offset_delta: 0,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: if bytes[16] == 0 { NO_TIMESTAMP } else { eight(18) },
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            record_count: 0,
        })
    }

    /// All bytes of a batch.
    pub(crate) fn whole(&self, batch: &FoundBatch) -> Done<Vec<u8>> {
        self.read(batch.position, usize::try_from(batch.size).unwrap_or(usize::MAX))
    }

    /// Calls `each` for the records of a batch.
    pub(crate) fn records(
        &self,
        batch: &FoundBatch,
        codecs: &mut Codecs,
        mut each: impl FnMut(&FoundRecord<'_>) -> Done,
    ) -> Done {
        let bytes = self.whole(batch)?;
        if batch.is_old() {
            return old_format::records(&bytes, codecs, |old| {
                let (key, value, headers) = (old.key, old.value, Headers::default());
                let record = Record { timestamp_delta: 0, offset_delta: 0, key, value, headers, size_in_bytes: 0 };
                let seal = Some((old.is_valid, old.crc));
                each(&FoundRecord { offset: old.offset, timestamp: old.timestamp, record, seal })
            });
        }
        let header = &batch.header;
        let each = |record: &Record<'_>| {
            each(&FoundRecord {
                offset: header.base_offset.wrapping_add(i64::from(record.offset_delta)),
                timestamp: header.record_timestamp(record.timestamp_delta),
                record: *record,
                seal: None,
            })
        };
        let count = batch.header.record_count;
        let Some(payload) = bytes.get(HEADER_LEN..) else {
            return Err(Failure::told("java.lang.IndexOutOfBoundsException"));
        };
        if count == 0 {
            return Ok(());
        }
        let compression = batch.header.attributes.compression().map_err(|error| invalid(&error))?;
        if compression == Compression::None {
            return each_record(payload, count, each);
        }
        let mut plain = Vec::new();
        codecs.decompress(compression, payload, &mut plain, DECOMPRESSED_BYTES_MAX).map_err(|error| invalid(&error))?;
        // Kafka decompresses a whole batch before it shows any of it.
        let records: Result<Vec<_>, _> = Records::new(&plain, count).collect();
        records.map_err(|error| invalid(&error))?.iter().try_for_each(each)
    }
}

/// The records as they come. Bytes behind the last are found before it is shown, as in Kafka's.
fn each_record(payload: &[u8], count: i32, mut each: impl FnMut(&Record<'_>) -> Done) -> Done {
    let mut records = Records::new(payload, count);
    let mut seen = 0;
    let mut next = records.next();
    while let Some(record) = next {
        let record = record.map_err(|error| invalid(&error))?;
        seen += 1;
        next = records.next();
        if let Some(Err(error)) = &next
            && seen == count
        {
            return Err(invalid(error));
        }
        each(&record)?;
    }
    Ok(())
}

fn invalid(error: &BatchError) -> Failure {
    Failure::told(format!("org.apache.kafka.common.InvalidRecordException: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_wire::batch::BatchBuilder;

    fn log() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut codecs = Codecs::default();
        for (base, codec) in [(0, Compression::None), (2, Compression::Zstd)] {
            let mut batch = BatchBuilder::new(base).compression(codec);
            batch.append(1, Some(b"k"), Some(b"value"), &[]).unwrap();
            batch.append(2, None, None, &[]).unwrap();
            batch.build(&mut codecs, &mut bytes).unwrap();
        }
        bytes
    }

    /// The offsets of all records, up to what cannot be read.
    fn offsets(bytes: &[u8]) -> (Vec<i64>, Option<String>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let source = Source::open(file.path()).unwrap();
        let (mut codecs, mut position, mut offsets) = (Codecs::default(), 0_u64, Vec::new());
        loop {
            let batch = match source.batch_at(position, source.size) {
                Ok(Some(batch)) => batch,
                Ok(None) => return (offsets, None),
                Err(failure) => return (offsets, Some(failure.to_string())),
            };
            position += batch.size;
            let done = source.records(&batch, &mut codecs, |record| {
                offsets.push(record.offset);
                Ok(())
            });
            if let Err(failure) = done {
                return (offsets, Some(failure.to_string()));
            }
        }
    }

    #[test]
    fn batches_of_any_codec_are_read_and_a_torn_one_is_left_out() {
        let bytes = log();
        assert_eq!(offsets(&bytes), (vec![0, 1, 2, 3], None));
        assert_eq!(offsets(&bytes[..bytes.len() - 1]), (vec![0, 1], None));
        let zeros = [&bytes[..], &[0; 30]].concat();
        let (read, why) = offsets(&zeros);
        assert_eq!(read, [0, 1, 2, 3]);
        assert!(
            why.unwrap().starts_with("org.apache.kafka.common.errors.CorruptRecordException: Found record size 0 ")
        );
    }

    #[test]
    fn damage_of_every_kind_ends_the_walk_or_is_walked_over() {
        let bytes = log();
        for at in 0..bytes.len() {
            for bit in [at % 8, 7] {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                assert!(offsets(&bad).0.len() <= 4, "byte {at}, bit {bit}");
            }
        }
        for end in 0..bytes.len() {
            assert!(offsets(&bytes[..end]).0.len() <= 2, "end {end}");
        }
    }
}

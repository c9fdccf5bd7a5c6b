//! One pass over the records of a batch, compressed or not, that tells their shape without keeping them: what a leader
//! checks, and what a look-up by time needs. No allocation per record; a compressed batch goes through the codec's buffer
//! in pieces, and a record of any length is skipped, not collected.

use super::codec::Decompressor;
use super::varint::{unzigzag32, unzigzag64};
use super::{Batch, BatchError, Codecs, Compression, Record};

/// What [`scan`] tells of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordShape {
    pub offset_delta: i32,
    pub timestamp_delta: i64,
    pub has_key: bool,
}

/// Bounds for a compressed batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimits {
    /// The largest single record after decompression (`max.decompressed.message.bytes`).
    pub record_bytes_max: u64,
}

impl Default for ScanLimits {
    /// Kafka's default.
    fn default() -> Self {
        ScanLimits { record_bytes_max: 2_147_483_639 }
    }
}

/// Visits every record. Errors if the structure is broken, or if the batch holds more or fewer records than it says.
pub fn scan(
    batch: &Batch<'_>,
    codecs: &mut Codecs,
    limits: ScanLimits,
    mut visit: impl FnMut(RecordShape),
) -> Result<(), BatchError> {
    let stated = batch.header.record_count;
    let Ok(count) = u32::try_from(stated) else {
        return Err(BatchError::RecordCount { stated });
    };
    let compression = batch.header.attributes.compression()?;
    if compression == Compression::None {
        let mut rest = batch.record_bytes();
        for _ in 0..count {
            if rest.is_empty() {
                return Err(BatchError::RecordCount { stated });
            }
            visit(shape(&Record::take(&mut rest)?));
        }
        return if rest.is_empty() { Ok(()) } else { Err(BatchError::RecordCount { stated }) };
    }
    let mut stream = Stream { source: codecs.decompressor(compression, batch.record_bytes())?, taken: 0 };
    for _ in 0..count {
        if stream.source.peek()?.is_empty() {
            return Err(BatchError::RecordCount { stated });
        }
        visit(stream.record(limits)?);
    }
    if stream.source.peek()?.is_empty() { Ok(()) } else { Err(BatchError::RecordCount { stated }) }
}

fn shape(record: &Record<'_>) -> RecordShape {
    RecordShape {
        offset_delta: record.offset_delta,
        timestamp_delta: record.timestamp_delta,
        has_key: record.key.is_some(),
    }
}

/// Records that come in pieces.
struct Stream<'c, 'd> {
    source: Decompressor<'c, 'd>,
    /// Bytes taken since the current record's body began.
    taken: u64,
}

impl Stream<'_, '_> {
    fn record(&mut self, limits: ScanLimits) -> Result<RecordShape, BatchError> {
        let length = self.varint("length")?;
        let length = u64::try_from(length).map_err(|_| BatchError::MalformedRecord("length"))?;
        if length > limits.record_bytes_max {
            return Err(BatchError::RecordTooLarge { size: length, limit: limits.record_bytes_max });
        }
        let piece = self.source.peek()?;
        if piece.len() as u64 >= length {
            // The common case: the record lies in one piece.
            let (body, _) = piece.split_at(usize::try_from(length).unwrap_or(piece.len()));
            let record = body_shape(body)?;
            let length = body.len();
            self.source.consume(length);
            return Ok(record);
        }
        self.taken = 0;
        self.skip(1, length, "attributes")?;
        let timestamp_delta = self.varlong("timestamp delta")?;
        let offset_delta = self.varint("offset delta")?;
        let has_key = self.skip_nullable(length, "key")?;
        self.skip_nullable(length, "value")?;
        let headers = self.varint("number of headers")?;
        if headers < 0 {
            return Err(BatchError::MalformedRecord("number of headers"));
        }
        for _ in 0..headers {
            if !self.skip_nullable(length, "header")? {
                return Err(BatchError::MalformedRecord("header"));
            }
            self.skip_nullable(length, "header")?;
        }
        if self.taken != length {
            return Err(BatchError::MalformedRecord("bytes after the headers"));
        }
        Ok(RecordShape { offset_delta, timestamp_delta, has_key })
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, BatchError> {
        let byte = *self.source.peek()?.first().ok_or(BatchError::MalformedRecord(what))?;
        self.source.consume(1);
        self.taken += 1;
        Ok(byte)
    }

    fn varint(&mut self, what: &'static str) -> Result<i32, BatchError> {
        let mut value = 0;
        for i in 0..5 {
            let byte = self.byte(what)?;
            value |= u32::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                return Ok(unzigzag32(value));
            }
        }
        Err(BatchError::MalformedRecord(what))
    }

    fn varlong(&mut self, what: &'static str) -> Result<i64, BatchError> {
        let mut value = 0;
        for i in 0..10 {
            let byte = self.byte(what)?;
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                return Ok(unzigzag64(value));
            }
        }
        Err(BatchError::MalformedRecord(what))
    }

    /// Skips bytes behind their length; false for null.
    fn skip_nullable(&mut self, body: u64, what: &'static str) -> Result<bool, BatchError> {
        let Ok(length) = u64::try_from(self.varint(what)?) else {
            return Ok(false);
        };
        self.skip(length, body, what)?;
        Ok(true)
    }

    fn skip(&mut self, mut length: u64, body: u64, what: &'static str) -> Result<(), BatchError> {
        if self.taken + length > body {
            return Err(BatchError::MalformedRecord(what));
        }
        self.taken += length;
        while length > 0 {
            let piece = self.source.peek()?;
            if piece.is_empty() {
                return Err(BatchError::MalformedRecord(what));
            }
            let step = usize::try_from(length).unwrap_or(usize::MAX).min(piece.len());
            self.source.consume(step);
            length -= step as u64;
        }
        Ok(())
    }
}

/// The shape of a record whose body is at hand.
fn body_shape(body: &[u8]) -> Result<RecordShape, BatchError> {
    Record::from_body(body).map(|record| shape(&record))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchBuilder, Batches, RecordHeader};
    use proptest::prelude::*;

    fn shapes(bytes: &[u8], limits: ScanLimits) -> Result<Vec<RecordShape>, BatchError> {
        let batch = Batches::new(bytes).next().unwrap()?;
        let mut seen = Vec::new();
        scan(&batch, &mut Codecs::default(), limits, |shape| seen.push(shape))?;
        Ok(seen)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn all_codecs_tell_the_same_shapes(
            records in prop::collection::vec((any::<i32>(), prop::option::of(0..200usize), 0..150_000usize), 1..6)
        ) {
            let mut codecs = Codecs::default();
            let mut expected = None;
            for compression in Compression::ALL {
                let mut builder = BatchBuilder::new(0).compression(compression);
                for (time, key, value) in &records {
                    let key = key.map(|len| vec![1; len]);
                    let value: Vec<u8> = (0..*value).map(|i| ((i * i) >> 8) as u8).collect();
                    let header = [RecordHeader::new(b"h", Some(&value[..value.len() / 9]))];
                    builder.append(i64::from(*time), key.as_deref(), Some(&value), &header).unwrap();
                }
                let mut out = Vec::new();
                builder.build(&mut codecs, &mut out).unwrap();
                let seen = shapes(&out, ScanLimits::default()).unwrap();
                prop_assert_eq!(seen.len(), records.len());
                prop_assert_eq!(expected.get_or_insert_with(|| seen.clone()), &seen);
            }
        }
    }

    proptest! {
        #[test]
        fn damaged_batches_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), codec in 0..5usize) {
            let mut builder = BatchBuilder::new(0).compression(Compression::ALL[codec]);
            for i in 0..100i64 {
                builder.append(i, Some(b"key"), Some(&[i as u8; 900]), &[]).unwrap();
            }
            let mut out = Vec::new();
            builder.build(&mut Codecs::default(), &mut out).unwrap();
            for (at, value) in flips {
                let at = 61 + at.index(out.len() - 61);
                out[at] = value;
            }
            let _ = shapes(&out, ScanLimits::default());
        }
    }

    #[test]
    fn a_record_above_the_limit_is_refused_only_if_compressed() {
        for compression in Compression::ALL {
            let mut builder = BatchBuilder::new(0).compression(compression);
            builder.append(0, None, Some(&vec![0; 200_000]), &[]).unwrap();
            let mut out = Vec::new();
            builder.build(&mut Codecs::default(), &mut out).unwrap();
            let scanned = shapes(&out, ScanLimits { record_bytes_max: 1000 });
            match compression {
                Compression::None => assert_eq!(scanned.unwrap().len(), 1),
                _ => assert!(matches!(scanned, Err(BatchError::RecordTooLarge { size: 200_008, limit: 1000 }))),
            }
        }
    }

    #[test]
    fn a_wrong_count_is_found_in_every_codec() {
        for compression in Compression::ALL {
            for stated in [-1i32, 0, 1, 3] {
                let mut builder = BatchBuilder::new(0).compression(compression);
                for _ in 0..2 {
                    builder.append(0, None, Some(b"x"), &[]).unwrap();
                }
                let mut out = Vec::new();
                builder.build(&mut Codecs::default(), &mut out).unwrap();
                out[57..61].copy_from_slice(&stated.to_be_bytes());
                assert_eq!(shapes(&out, ScanLimits::default()), Err(BatchError::RecordCount { stated }));
            }
        }
    }
}

//! Records of an uncompressed batch, as views into its bytes.
//!
//! A record is: varint length, then i8 attributes, varlong timestamp delta, varint offset delta, key and value (varint
//! length, negative for null), varint number of headers, each a key and a nullable value. Headers keep order and duplicates.

use super::BatchError;
use super::varint::{take_i32, take_i64};

/// One record; its offset and time are relative to the batch (see [`super::BatchHeader`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
    /// The bytes of the whole record, with its length field.
    pub size_in_bytes: usize,
}

/// One header of a record. That the key is UTF-8 is not checked here, as Kafka does not either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// The headers of a record, in the order in which they were set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a> {
    rest: &'a [u8],
    left: u32,
}

/// The records of a batch. Ends with an error if there are not exactly as many as the batch says.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    stated: i32,
    seen: i32,
}

impl<'a> Record<'a> {
    /// Takes a record off the front.
    pub fn take(bytes: &mut &'a [u8]) -> Result<Record<'a>, BatchError> {
        let before = bytes.len();
        let length = take_i32(bytes).ok_or(malformed("length"))?;
        let length = usize::try_from(length).map_err(|_| malformed("length"))?;
        let (body, rest) = bytes.split_at_checked(length).ok_or(malformed("length"))?;
        *bytes = rest;
        Ok(Record { size_in_bytes: before - rest.len(), ..Record::from_body(body)? })
    }

    /// Reads a record whose length field was taken off already.
    pub(super) fn from_body(mut body: &'a [u8]) -> Result<Record<'a>, BatchError> {
        let size_in_bytes = body.len();
        let record = Record::take_body(&mut body)?;
        if !body.is_empty() {
            return Err(malformed("bytes after the headers"));
        }
        Ok(Record { size_in_bytes, ..record })
    }

    fn take_body(body: &mut &'a [u8]) -> Result<Record<'a>, BatchError> {
        *body = body.get(1..).ok_or(malformed("attributes"))?;
        let timestamp_delta = take_i64(body).ok_or(malformed("timestamp delta"))?;
        let offset_delta = take_i32(body).ok_or(malformed("offset delta"))?;
        let key = take_nullable(body).ok_or(malformed("key"))?;
        let value = take_nullable(body).ok_or(malformed("value"))?;
        let count = take_i32(body).and_then(|count| u32::try_from(count).ok()).ok_or(malformed("number of headers"))?;
        let start = *body;
        for _ in 0..count {
            take_header(body).ok_or(malformed("header"))?;
        }
        let headers = Headers { rest: &start[..start.len() - body.len()], left: count };
        Ok(Record { timestamp_delta, offset_delta, key, value, headers, size_in_bytes: 0 })
    }
}

fn malformed(what: &'static str) -> BatchError {
    BatchError::MalformedRecord(what)
}

fn take_header<'a>(body: &mut &'a [u8]) -> Option<Header<'a>> {
    let key = take_nullable(body)??;
    let value = take_nullable(body)?;
    Some(Header { key, value })
}

/// Outer `None`: malformed. Inner `None`: null, which any negative length is.
fn take_nullable<'a>(body: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let Ok(length) = usize::try_from(take_i32(body)?) else {
        return Some(None);
    };
    let (taken, rest) = body.split_at_checked(length)?;
    *body = rest;
    Some(Some(taken))
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.left = self.left.checked_sub(1)?;
        take_header(&mut self.rest)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left as usize))
    }
}

impl<'a> Records<'a> {
    /// The records in `bytes`, uncompressed or decompressed, of a batch that says it holds `stated`.
    pub fn new(bytes: &'a [u8], stated: i32) -> Records<'a> {
        Records { rest: bytes, stated, seen: 0 }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let stated = self.stated;
        if self.seen == stated && self.rest.is_empty() {
            return None;
        }
        let record = if self.seen >= stated || self.rest.is_empty() {
            Err(BatchError::RecordCount { stated })
        } else {
            self.seen += 1;
            Record::take(&mut self.rest)
        };
        if record.is_err() {
            // Nothing comes after an error.
            *self = Records::new(&[], 0);
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchBuilder, Batches, RecordHeader};

    fn batch() -> Vec<u8> {
        let mut builder = BatchBuilder::new(0);
        let twice =
            [RecordHeader::new(b"h", Some(b"1")), RecordHeader::new(b"h", None), RecordHeader::new(b"h", Some(b"1"))];
        builder.append(10, None, Some(b"value"), &twice).unwrap();
        builder.append(7, Some(b""), None, &[]).unwrap();
        let mut out = Vec::new();
        builder.build_plain(&mut out).unwrap();
        out
    }

    #[test]
    fn nulls_empties_and_duplicate_headers_are_told_apart() {
        let bytes = batch();
        let batch = Batches::new(&bytes).next().unwrap().unwrap();
        let records: Vec<Record> = batch.records().unwrap().map(Result::unwrap).collect();
        assert_eq!((records[0].key, records[0].value), (None, Some(&b"value"[..])));
        let headers: Vec<_> = records[0].headers.map(|h| (h.key, h.value)).collect();
        assert_eq!(headers, [(&b"h"[..], Some(&b"1"[..])), (b"h", None), (b"h", Some(b"1"))]);
        assert_eq!((records[1].key, records[1].value), (Some(&b""[..]), None));
        assert_eq!((records[1].timestamp_delta, records[1].offset_delta), (-3, 1));
        assert_eq!(records.iter().map(|r| r.size_in_bytes).sum::<usize>(), batch.record_bytes().len());
    }

    #[test]
    fn a_wrong_count_is_an_error_at_the_end() {
        let bytes = batch();
        let records = Batches::new(&bytes).next().unwrap().unwrap().record_bytes();
        for stated in [-1, 0, 1, 3, i32::MAX] {
            let walked: Vec<_> = Records::new(records, stated).take(10).collect();
            assert!(matches!(walked.last(), Some(Err(BatchError::RecordCount { .. }))), "{stated}: {walked:?}");
        }
    }

    #[test]
    fn bytes_of_any_kind_end_in_an_error_or_a_record() {
        let bytes = batch();
        let records = Batches::new(&bytes).next().unwrap().unwrap().record_bytes();
        for at in 0..records.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bad = records.to_vec();
                bad[at] = value;
                assert!(Records::new(&bad, 2).count() <= 3);
            }
            assert!(Records::new(&records[..at], 2).any(|r| r.is_err()));
        }
    }
}

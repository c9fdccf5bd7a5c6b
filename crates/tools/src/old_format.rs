//! Messages of formats 0 and 1, which Kafka wrote before 0.11 and which lie in old logs.
//!
//! ```text
//!  0 i64 offset             16 i8 magic: 0 or 1
//!  8 i32 size from 12 on    17 i8 attributes: bits 0-2 codec, 3 timestamp type
//! 12 u32 CRC-32 from 16 on  18 i64 timestamp, in format 1 alone
//! then key and value: i32 length, negative for null, and bytes
//! ```
//! A message with a codec is a wrapper: its value holds messages, compressed. In format 1 these count their offsets from the
//! first, and the wrapper has the last one's; in format 0 they have their own. Ottla writes neither, and serves neither.

use crate::cli::{Done, Failure};
use crc_fast::CrcAlgorithm;
use ottla_wire::batch::{BatchError, Codecs, Compression};
use std::collections::VecDeque;

/// The bytes of offset and size.
const LOG_OVERHEAD: usize = 12;
/// The least that a message takes behind its size.
pub(crate) const MESSAGE_BYTES_MIN: i32 = 14;

/// A message, without its offset.
#[derive(Clone, Copy)]
struct Message<'a> {
    /// From the checksum on.
    bytes: &'a [u8],
    magic: i8,
    attributes: u8,
}

/// A record of an old message, as it is shown.
pub(crate) struct OldRecord<'a> {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) crc: u32,
    pub(crate) is_valid: bool,
}

/// Whether the checksum of a message, from that on, is right.
pub(crate) fn is_valid(bytes: &[u8]) -> bool {
    bytes.len() >= MESSAGE_BYTES_MIN as usize && Message::crc_of(bytes) == Some(Message::computed(bytes))
}

/// Calls `each` for the records of a message, whose bytes begin with its offset.
pub(crate) fn records(bytes: &[u8], codecs: &mut Codecs, mut each: impl FnMut(&OldRecord<'_>) -> Done) -> Done {
    let (offset, outer) = Message::read(bytes)?;
    let compression = outer.compression()?;
    if compression == Compression::None {
        return each(&outer.record(offset, outer.timestamp())?);
    }
    if compression == Compression::Zstd {
        return Err(invalid(format!(
            "Invalid wrapper compressionType found in legacy deep record iterator {}",
            outer.magic
        )));
    }
    let packed = outer.value()?.ok_or_else(|| {
        invalid(format!("Found invalid compressed record set with null value (magic = {})", outer.magic))
    })?;
    let mut plain = Vec::new();
    let done = match outer.magic {
        0 => codecs.decompress_of_format_0(compression, packed, &mut plain, i32::MAX as usize),
        _ => codecs.decompress(compression, packed, &mut plain, i32::MAX as usize),
    };
    done.map_err(|error: BatchError| Failure::told(format!("org.apache.kafka.common.KafkaException: {error}")))?;
    let inner = messages(&plain)?;
    let Some((last, _)) = inner.back().copied() else {
        return Err(invalid("Found invalid compressed record set with no inner records"));
    };
    let base = match (outer.magic, offset) {
        // Some versions of librdkafka left it at 0.
        (1, 0) => Some(0),
        (1, _) if offset < last => {
            return Err(invalid(format!(
                "Found invalid wrapper offset in compressed v1 message set, wrapper offset '{offset}' is less than the last inner message offset '{last}' and it is not zero."
            )));
        }
        (1, _) => Some(offset.wrapping_sub(last)),
        _ => None,
    };
    for (own, message) in inner {
        if message.compression()? != Compression::None {
            return Err(invalid("Inner messages must not be compressed"));
        }
        // The leader that set the time set it on the wrapper alone.
        let timestamp = match message.magic {
            1 if outer.attributes & 0x08 != 0 => outer.timestamp(),
            _ => message.timestamp(),
        };
        each(&message.record(base.map_or(own, |base| base.wrapping_add(own)), timestamp)?)?;
    }
    Ok(())
}

/// The messages of a wrapper. What is cut off at the end is not there.
fn messages(mut bytes: &[u8]) -> Done<VecDeque<(i64, Message<'_>)>> {
    let mut messages = VecDeque::new();
    while let Some(head) = bytes.first_chunk::<LOG_OVERHEAD>() {
        let size = i32::from_be_bytes([head[8], head[9], head[10], head[11]]);
        if size < MESSAGE_BYTES_MIN {
            return Err(Failure::told(format!(
                "org.apache.kafka.common.errors.CorruptRecordException: Record size is less than the minimum record overhead ({MESSAGE_BYTES_MIN})"
            )));
        }
        let Some((one, rest)) = bytes.split_at_checked(LOG_OVERHEAD + size.unsigned_abs() as usize) else { break };
        messages.push_back(Message::read(one)?);
        bytes = rest;
    }
    Ok(messages)
}

impl<'a> Message<'a> {
    /// With its offset.
    fn read(bytes: &'a [u8]) -> Done<(i64, Self)> {
        let (head, bytes) = bytes.split_first_chunk::<LOG_OVERHEAD>().ok_or_else(out_of_bounds)?;
        let offset = i64::from_be_bytes([head[0], head[1], head[2], head[3], head[4], head[5], head[6], head[7]]);
        let [magic, attributes] = bytes.get(4..6).and_then(|two| two.first_chunk()).ok_or_else(out_of_bounds)?;
        Ok((offset, Self { bytes, magic: magic.cast_signed(), attributes: *attributes }))
    }

    fn crc_of(bytes: &[u8]) -> Option<u32> {
        bytes.first_chunk().map(|crc| u32::from_be_bytes(*crc))
    }

    fn computed(bytes: &[u8]) -> u32 {
        crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, bytes.get(4..).unwrap_or_default()) as u32
    }

    fn compression(&self) -> Done<Compression> {
        Compression::from_id(self.attributes & 0x07).map_err(|_| {
            Failure::told(format!(
                "java.lang.IllegalArgumentException: Unknown compression type id: {}",
                self.attributes & 0x07
            ))
        })
    }

    /// Format 0 has none.
    fn timestamp(&self) -> i64 {
        let bytes = self.bytes.get(6..).and_then(|rest| rest.first_chunk()).filter(|_| self.magic != 0);
        bytes.map_or(-1, |bytes| i64::from_be_bytes(*bytes))
    }

    /// A length and as many bytes, and what is behind them.
    fn sized(bytes: &'a [u8]) -> Done<(Option<&'a [u8]>, &'a [u8])> {
        let (length, rest) = bytes.split_first_chunk().ok_or_else(out_of_bounds)?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else { return Ok((None, rest)) };
        let (own, rest) = rest.split_at_checked(length).ok_or_else(out_of_bounds)?;
        Ok((Some(own), rest))
    }

    fn key_and_rest(&self) -> Done<(Option<&'a [u8]>, &'a [u8])> {
        let from = if self.magic == 0 { 6 } else { 14 };
        Self::sized(self.bytes.get(from..).ok_or_else(out_of_bounds)?)
    }

    fn value(&self) -> Done<Option<&'a [u8]>> {
        let (_, rest) = self.key_and_rest()?;
        Ok(Self::sized(rest)?.0)
    }

    fn record(&self, offset: i64, timestamp: i64) -> Done<OldRecord<'a>> {
        Ok(OldRecord {
            offset,
            timestamp,
            key: self.key_and_rest()?.0,
            value: self.value()?,
            crc: Self::crc_of(self.bytes).unwrap_or_default(),
            is_valid: is_valid(self.bytes),
        })
    }
}

fn out_of_bounds() -> Failure {
    Failure::told("java.lang.IndexOutOfBoundsException")
}

fn invalid(why: impl Into<String>) -> Failure {
    Failure::told(format!("org.apache.kafka.common.InvalidRecordException: {}", why.into()))
}

/// Old messages, made byte by byte.
#[cfg(test)]
pub(crate) mod made {
    use super::*;

    pub(crate) fn message(magic: u8, attributes: u8, offset: i64, time: i64, parts: [Option<&[u8]>; 2]) -> Vec<u8> {
        let mut body = vec![magic, attributes];
        if magic == 1 {
            body.extend(time.to_be_bytes());
        }
        for part in parts {
            let length = part.map_or(-1, |part| i32::try_from(part.len()).unwrap());
            body.extend(length.to_be_bytes());
            body.extend(part.unwrap_or_default());
        }
        let crc = crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, &body) as u32;
        let size = i32::try_from(body.len() + 4).unwrap();
        [&offset.to_be_bytes()[..], &size.to_be_bytes(), &crc.to_be_bytes(), &body].concat()
    }

    /// A wrapper of messages with these offsets, times and values.
    pub(crate) fn wrapper(
        magic: u8,
        compression: Compression,
        flags: u8,
        (offset, time): (i64, i64),
        inner: &[(i64, i64, &str)],
    ) -> Vec<u8> {
        let plain: Vec<u8> = inner
            .iter()
            .flat_map(|(offset, time, value)| message(magic, 0, *offset, *time, [None, Some(value.as_bytes())]))
            .collect();
        let mut packed = Vec::new();
        Codecs::default().compress(compression, None, &plain, &mut packed).unwrap();
        if (magic, compression) == (0, Compression::Lz4) {
            // As those of their time wrote it.
            packed[6] ^= 0xff;
        }
        message(magic, compression.id() | flags, offset, time, [None, Some(&packed)])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<String>, String> {
        let mut told = Vec::new();
        records(bytes, &mut Codecs::default(), |record| {
            let text = |part: Option<&[u8]>| part.map(|part| String::from_utf8_lossy(part).into_owned());
            let OldRecord { offset, timestamp, key, value, is_valid, .. } = record;
            told.push(format!("{offset} {timestamp} {:?} {:?} {is_valid}", text(*key), text(*value)));
            Ok(())
        })
        .map_err(|failure| failure.to_string())?;
        Ok(told)
    }

    #[test]
    fn a_plain_message_is_its_record() {
        assert_eq!(read(&made::message(0, 0, 7, 0, [Some(b"k"), None])).unwrap(), ["7 -1 Some(\"k\") None true"]);
        let mut bytes = made::message(1, 0, 7, 99, [None, Some(b"v")]);
        assert_eq!(read(&bytes).unwrap(), ["7 99 None Some(\"v\") true"]);
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(read(&bytes).unwrap(), ["7 99 None Some(\"w\") false"]);
    }

    #[test]
    fn a_wrapper_counts_from_its_first_message_in_format_1() {
        for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4] {
            let bytes = made::wrapper(1, compression, 0, (11, 6), &[(0, 5, "a"), (1, 6, "b")]);
            assert_eq!(read(&bytes).unwrap(), ["10 5 None Some(\"a\") true", "11 6 None Some(\"b\") true"]);
            let bytes = made::wrapper(0, compression, 0, (11, 0), &[(10, 0, "a"), (11, 0, "b")]);
            assert_eq!(read(&bytes).unwrap(), ["10 -1 None Some(\"a\") true", "11 -1 None Some(\"b\") true"]);
        }
        let bytes = made::wrapper(1, Compression::Gzip, 0x08, (1, 9), &[(0, 5, "a"), (1, 6, "b")]);
        assert_eq!(read(&bytes).unwrap(), ["0 9 None Some(\"a\") true", "1 9 None Some(\"b\") true"]);
    }

    #[test]
    fn wrappers_that_cannot_be_are_refused() {
        let refused = |bytes: &[u8]| read(bytes).unwrap_err();
        let less = made::wrapper(1, Compression::Gzip, 0, (1, 0), &[(0, 0, "a"), (2, 0, "b")]);
        assert!(refused(&less).contains("wrapper offset '1' is less than the last inner message offset '2'"));
        assert!(refused(&made::wrapper(1, Compression::Gzip, 0, (1, 0), &[])).ends_with("no inner records"));
        assert!(refused(&made::message(1, 1, 0, 0, [None, None])).contains("null value (magic = 1)"));
        assert!(refused(&made::message(1, 4, 0, 0, [None, Some(b"x")])).contains("wrapper compressionType"));
        let inner = made::message(1, 1, 0, 0, [None, Some(b"x")]);
        let mut packed = Vec::new();
        Codecs::default().compress(Compression::Gzip, None, &inner, &mut packed).unwrap();
        assert!(refused(&made::message(1, 1, 3, 0, [None, Some(&packed)])).ends_with("must not be compressed"));
    }

    #[test]
    fn no_damage_makes_it_fall() {
        let bytes = made::wrapper(1, Compression::Lz4, 0, (11, 6), &[(0, 5, "a"), (1, 6, "b")]);
        for at in 12..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                let _ = read(&bad);
            }
        }
    }
}

//! The 61 bytes before the records of a batch.
//!
//! ```text
//!  0 i64 base offset        21 i16 attributes         43 i64 producer id
//!  8 i32 length from 12 on  23 i32 last offset delta  51 i16 producer epoch
//! 12 i32 leader epoch       27 i64 base timestamp     53 i32 base sequence
//! 16 i8  magic              35 i64 max timestamp      57 i32 number of records
//! 17 u32 CRC-32C of the bytes from 21 to the end
//! ```
//! A leader changes base offset and leader epoch without touching the checksum. With the delete-horizon bit set, the base
//! timestamp is the time from which a tombstone or marker may go (KIP-534).

use super::{BatchError, Compression, NO_PRODUCER_ID};

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 61;
/// The bytes of base offset and length, which the length does not count.
pub(super) const LOG_OVERHEAD: usize = 12;
/// Where the checksummed bytes begin.
pub(super) const CRC_FROM: usize = 21;
const _: () = assert!(HEADER_LEN == 8 + 4 + 4 + 1 + 4 + 2 + 4 + 8 + 8 + 8 + 2 + 4 + 4);

/// A parsed header: a copy of the numbers, no borrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: i64,
    /// The bytes that follow the length field.
    pub batch_length: i32,
    pub partition_leader_epoch: i32,
    pub crc: u32,
    pub attributes: Attributes,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub record_count: i32,
}

/// Who set the timestamps of a batch's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer.
    #[default]
    CreateTime,
    /// The leader: every record has the batch's max timestamp.
    LogAppendTime,
}

/// The attributes of a batch: bits 0–2 codec, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const CODEC: i16 = 0x07;
    const LOG_APPEND_TIME: i16 = 0x08;
    const TRANSACTIONAL: i16 = 0x10;
    const CONTROL: i16 = 0x20;
    const DELETE_HORIZON: i16 = 0x40;

    pub fn compression(self) -> Result<Compression, BatchError> {
        Compression::from_id((self.0 & Self::CODEC) as u8)
    }

    pub const fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::LOG_APPEND_TIME == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime }
    }

    pub const fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    pub const fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    pub const fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    #[must_use]
    pub const fn with_compression(self, compression: Compression) -> Attributes {
        Attributes((self.0 & !Self::CODEC) | compression.id() as i16)
    }

    #[must_use]
    pub const fn with_timestamp_type(self, kind: TimestampType) -> Attributes {
        match kind {
            TimestampType::CreateTime => Attributes(self.0 & !Self::LOG_APPEND_TIME),
            TimestampType::LogAppendTime => Attributes(self.0 | Self::LOG_APPEND_TIME),
        }
    }

    #[must_use]
    pub const fn transactional(self) -> Attributes {
        Attributes(self.0 | Self::TRANSACTIONAL)
    }

    #[must_use]
    pub const fn control(self) -> Attributes {
        Attributes(self.0 | Self::CONTROL)
    }

    #[must_use]
    pub const fn delete_horizon(self) -> Attributes {
        Attributes(self.0 | Self::DELETE_HORIZON)
    }
}

/// What the first bytes of a buffer announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) size: usize,
    pub(super) magic: i8,
}

/// Reads size and format of the batch that begins here; `None` while the bytes end before they say it.
///
/// The same 17 bytes mean the same in every format, so that old ones are recognised.
pub(super) fn announced(bytes: &[u8]) -> Result<Option<Announced>, BatchError> {
    let Some(start) = bytes.first_chunk::<17>() else {
        return Ok(None);
    };
    let length = i32::from_be_bytes(field(start, 8));
    let magic = start[16].cast_signed();
    // 14 is the least that a message of format 0 needs: the bound that Kafka checks before it looks at the format.
    let size = usize::try_from(length).ok().filter(|length| *length >= 14);
    let size = size.ok_or(BatchError::InvalidLength(length))? + LOG_OVERHEAD;
    Ok(Some(Announced { size, magic }))
}

impl BatchHeader {
    /// Parses the header at the start of `bytes`. Of the records nothing is looked at, the checksum is not verified; the
    /// length is at least that of a header, but may be more than `bytes` hold.
    ///
    /// `InvalidLength` if there are fewer than 61 bytes, `UnsupportedMagic` for any format but 2.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let Announced { size, magic } = announced(bytes)?.ok_or(BatchError::InvalidLength(0))?;
        if magic != 2 {
            return Err(BatchError::UnsupportedMagic(magic));
        }
        let batch_length = i32::try_from(size - LOG_OVERHEAD).unwrap_or(i32::MAX);
        let Some(b) = bytes.first_chunk::<HEADER_LEN>().filter(|_| size >= HEADER_LEN) else {
            return Err(BatchError::InvalidLength(batch_length));
        };
        Ok(BatchHeader {
            base_offset: i64::from_be_bytes(field(b, 0)),
            batch_length,
            partition_leader_epoch: i32::from_be_bytes(field(b, 12)),
            crc: u32::from_be_bytes(field(b, 17)),
            attributes: Attributes(i16::from_be_bytes(field(b, 21))),
            last_offset_delta: i32::from_be_bytes(field(b, 23)),
            base_timestamp: i64::from_be_bytes(field(b, 27)),
            max_timestamp: i64::from_be_bytes(field(b, 35)),
            producer_id: i64::from_be_bytes(field(b, 43)),
            producer_epoch: i16::from_be_bytes(field(b, 51)),
            base_sequence: i32::from_be_bytes(field(b, 53)),
            record_count: i32::from_be_bytes(field(b, 57)),
        })
    }

    /// The header as bytes, with `crc` as it stands.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut b = [0; HEADER_LEN];
        b[0..8].copy_from_slice(&self.base_offset.to_be_bytes());
        b[8..12].copy_from_slice(&self.batch_length.to_be_bytes());
        b[12..16].copy_from_slice(&self.partition_leader_epoch.to_be_bytes());
        b[16] = 2;
        b[17..21].copy_from_slice(&self.crc.to_be_bytes());
        b[21..23].copy_from_slice(&self.attributes.0.to_be_bytes());
        b[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        b[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        b[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        b[43..51].copy_from_slice(&self.producer_id.to_be_bytes());
        b[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        b[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        b[57..61].copy_from_slice(&self.record_count.to_be_bytes());
        b
    }

    /// The checksum that this header and these records should carry.
    pub fn computed_crc(&self, records: &[u8]) -> u32 {
        let header = self.encode();
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
        digest.update(&header[CRC_FROM..]);
        digest.update(records);
        digest.finalize() as u32
    }

    /// The bytes of the whole batch.
    pub const fn size_in_bytes(&self) -> usize {
        // Parsing and building keep the length from being negative.
        self.batch_length as usize + LOG_OVERHEAD
    }

    /// The offset of the last record, or of the last that was here before compaction took it.
    pub const fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(self.last_offset_delta as i64)
    }

    /// The offset after this batch.
    pub const fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    pub const fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// The sequence number of the last record; they wrap from `i32::MAX` to 0.
    pub const fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return super::NO_SEQUENCE;
        }
        wrapping_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// The timestamp of a record with this delta.
    pub const fn record_timestamp(&self, delta: i64) -> i64 {
        match self.attributes.timestamp_type() {
            TimestampType::LogAppendTime => self.max_timestamp,
            TimestampType::CreateTime => self.base_timestamp.wrapping_add(delta),
        }
    }
}

/// A negative increment, which no valid batch has, moves nothing.
const fn wrapping_sequence(sequence: i32, increment: i32) -> i32 {
    if increment < 0 {
        sequence
    } else if sequence > i32::MAX - increment {
        increment - (i32::MAX - sequence) - 1
    } else {
        sequence + increment
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&bytes[at..at + N]);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn sample() -> BatchHeader {
        BatchHeader {
            base_offset: 0x0102_0304_0506_0708,
            batch_length: 100,
            partition_leader_epoch: 5,
            crc: 0xdead_beef,
            attributes: Attributes(0x7b),
            last_offset_delta: 6,
            base_timestamp: 1_700_000_000_000,
            max_timestamp: 1_700_000_000_009,
            producer_id: 4711,
            producer_epoch: 3,
            base_sequence: i32::MAX - 2,
            record_count: 7,
        }
    }

    #[test]
    fn a_header_comes_back_from_its_bytes() {
        let header = sample();
        assert_eq!(BatchHeader::parse(&header.encode()).unwrap(), header);
        assert_eq!(header.size_in_bytes(), 112);
    }

    #[test]
    fn sequences_wrap_to_zero() {
        assert_eq!(sample().last_sequence(), 3);
        let plain = BatchHeader { base_sequence: 10, ..sample() };
        assert_eq!(plain.last_sequence(), 16);
        let none = BatchHeader { base_sequence: -1, ..sample() };
        assert_eq!(none.last_sequence(), -1);
    }

    #[test]
    fn every_attribute_is_its_own_bit() {
        let all = Attributes::default()
            .with_compression(Compression::Lz4)
            .with_timestamp_type(TimestampType::LogAppendTime)
            .transactional()
            .control()
            .delete_horizon();
        assert_eq!(all.0, 0x7b);
        assert_eq!(all.compression().unwrap(), Compression::Lz4);
        assert!(all.is_transactional() && all.is_control() && all.has_delete_horizon());
        assert_eq!(all.with_timestamp_type(TimestampType::CreateTime).0, 0x73);
        assert_eq!(Attributes(5).compression(), Err(BatchError::UnknownCompression(5)));
    }

    #[test]
    fn old_formats_are_named_and_short_bytes_refused() {
        let mut bytes = sample().encode();
        bytes[16] = 1;
        assert_eq!(BatchHeader::parse(&bytes), Err(BatchError::UnsupportedMagic(1)));
        let bytes = sample().encode();
        for end in 0..HEADER_LEN {
            assert!(BatchHeader::parse(&bytes[..end]).is_err());
        }
        for length in [i32::MIN, -1, 0, 13, 14, 48] {
            let bytes = BatchHeader { batch_length: length, ..sample() }.encode();
            assert_eq!(BatchHeader::parse(&bytes), Err(BatchError::InvalidLength(length)));
        }
    }
}

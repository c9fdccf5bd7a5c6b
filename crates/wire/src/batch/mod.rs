//! Record batches of format version 2 (magic 2), the unit in which records travel, are stored and are compressed.
//!
//! Reading borrows: a [`Batch`] and its [`Record`]s are views into the caller's buffer. Every length and count is checked
//! against the bytes that are there before it is used, and nothing is allocated on its word; decompression is streaming and
//! reuses the buffers of a [`Codecs`]. Deliberately absent: message formats 0 and 1 (Kafka 4 no longer takes them, KIP-896;
//! they are recognised and refused), and any judgement on what a client may send: that is the log's.

mod builder;
pub mod codec;
mod control;
mod header;
mod iter;
mod record;
mod scan;
mod varint;

pub use builder::{BatchBuilder, ProducerStamp, RecordHeader};
pub use codec::{Codecs, Compression};
pub use control::{ControlRecordType, EndTransactionMarker};
pub use header::{Attributes, BatchHeader, HEADER_LEN, TimestampType};
pub use iter::{Batch, Batches};
pub use record::{Header, Headers, Record, Records};
pub use scan::{RecordShape, ScanLimits, scan};

/// No producer id, the value of a batch whose producer is not idempotent.
pub const NO_PRODUCER_ID: i64 = -1;
/// No producer epoch.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// No sequence number.
pub const NO_SEQUENCE: i32 = -1;
/// No timestamp.
pub const NO_TIMESTAMP: i64 = -1;
/// No leader epoch: not yet stamped by a leader.
pub const NO_PARTITION_LEADER_EPOCH: i32 = -1;

/// Why bytes are not a batch, or not one that is accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The length field cannot be that of a batch (CORRUPT_MESSAGE).
    #[error("batch length {0} is impossible")]
    InvalidLength(i32),
    /// Format 0 or 1, which Kafka 4 no longer accepts (UNSUPPORTED_FOR_MESSAGE_FORMAT), or one that never was.
    #[error("message format {0} is not supported, only format 2 is")]
    UnsupportedMagic(i8),
    /// The checksum does not match (CORRUPT_MESSAGE).
    #[error("the batch says CRC {stored:#010x}, its bytes give {computed:#010x}")]
    CrcMismatch { stored: u32, computed: u32 },
    /// The attributes name a codec that there is not.
    #[error("compression codec {0} does not exist")]
    UnknownCompression(u8),
    /// The records do not have the structure that the batch promises (INVALID_RECORD).
    #[error("malformed record: {0}")]
    MalformedRecord(&'static str),
    /// The batch holds more or fewer records than it says (INVALID_RECORD).
    #[error("the batch says {stated} records but does not hold as many")]
    RecordCount { stated: i32 },
    /// One record is larger than allowed after decompression (INVALID_RECORD; `max.decompressed.message.bytes`).
    #[error("a record of {size} bytes after decompression is larger than {limit}")]
    RecordTooLarge { size: u64, limit: u64 },
    /// The compressed bytes are not what the codec makes (INVALID_RECORD).
    #[error("cannot decompress with {codec}: {reason}")]
    Decompression { codec: &'static str, reason: String },
    /// More would come out of decompression than the caller has room for.
    #[error("more than {0} bytes after decompression")]
    DecompressedTooLarge(usize),
    /// A codec failed to compress.
    #[error("cannot compress with {codec}: {reason}")]
    Compression { codec: &'static str, reason: String },
    /// A batch would hold more than its fields can say.
    #[error("a batch cannot hold that much")]
    TooMuch,
}

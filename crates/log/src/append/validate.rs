//! Judging one batch as Kafka's leader does, without the log's state, in Kafka's order of checks; and writing it anew where
//! the topic's compression asks for that.

use ottla_machine::Timestamp;
use ottla_wire::batch::{
    Batch, BatchBuilder, BatchError, BatchHeader, Batches, Compression, ProducerStamp, RecordHeader, Records,
    ScanLimits, TimestampType, scan,
};

use super::{AppendOrigin, Scratch};
use crate::config::{CompressionPolicy, LogConfig};
use crate::error::{AppendError, RecordError, RecordErrorReason};

/// As many rejected records are named in an answer.
const RECORD_ERRORS_MAX: usize = 1000;
/// As many bytes may come out of decompression when a batch is compressed anew.
const REWRITTEN_BYTES_MAX: usize = 256 << 20;

/// A batch that may be appended once it has its offsets.
pub(super) struct Validated {
    /// Timestamps and attributes are final, and so is the checksum; base offset and leader epoch are not.
    pub(super) header: BatchHeader,
    pub(super) body: Body,
}

/// Where the bytes behind the header are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// In the input, as they came.
    Input,
    /// In [`Scratch::rewritten`].
    Rewritten,
}

/// Finds the one batch that a leader may be given. A cut-off batch behind it is passed over, as Kafka does.
pub(super) fn single_batch(bytes: &[u8]) -> Result<Batch<'_>, AppendError> {
    let mut batches = Batches::new(bytes);
    let first =
        batches.next().ok_or(AppendError::InvalidRecord("there must be exactly one batch, but there is none"))??;
    match batches.next() {
        None => Ok(first),
        Some(Ok(_)) => Err(AppendError::InvalidRecord("there must be exactly one batch, but there are more")),
        Some(Err(error)) => Err(error.into()),
    }
}

pub(super) fn validate(
    batch: &Batch<'_>,
    origin: AppendOrigin,
    config: &LogConfig,
    now: Timestamp,
    scratch: &mut Scratch,
) -> Result<Validated, AppendError> {
    let header = batch.header;
    if origin == AppendOrigin::Client && header.base_offset != 0 {
        return Err(AppendError::InvalidRecord("the base offset of a produced batch must be 0"));
    }
    if header.size_in_bytes() > config.max_message_bytes as usize {
        return Err(AppendError::MessageTooLarge { size: header.size_in_bytes(), max: config.max_message_bytes });
    }
    batch.verify_crc()?;
    let source = header.attributes.compression()?;
    check_header(&header, origin)?;

    let records = check_records(batch, config, now, scratch)?;
    let keeps_control = header.attributes.is_control() && source == Compression::None;
    let target = if keeps_control { source } else { config.target_codec(source) };
    if target != source || !records.consecutive {
        return rewrite(batch, source, target, config, now, scratch);
    }
    Ok(Validated { header: with_timestamps(batch, config, now, records.max_timestamp), body: Body::Input })
}

fn check_header(header: &BatchHeader, origin: AppendOrigin) -> Result<(), AppendError> {
    if origin != AppendOrigin::Client {
        return if header.last_offset_delta < 0 {
            Err(AppendError::InvalidRecord("a batch must not be empty"))
        } else {
            Ok(())
        };
    }
    if header.last_offset_delta < 0 {
        return Err(AppendError::InvalidRecord("the last offset delta is negative"));
    }
    if header.record_count <= 0 {
        return Err(AppendError::InvalidRecord("the number of records is not positive"));
    }
    if i64::from(header.last_offset_delta) + 1 != i64::from(header.record_count) {
        return Err(AppendError::InvalidRecord("the range of offsets does not match the number of records"));
    }
    if header.attributes.is_control() {
        return Err(AppendError::InvalidRecord("clients must not write control records"));
    }
    if header.has_producer_id() && header.base_sequence < 0 {
        return Err(AppendError::InvalidRecord("a batch with a producer id needs a sequence number"));
    }
    Ok(())
}

struct RecordFacts {
    max_timestamp: i64,
    /// The offset deltas are 0, 1, 2 …
    consecutive: bool,
}

fn check_records(
    batch: &Batch<'_>,
    config: &LogConfig,
    now: Timestamp,
    scratch: &mut Scratch,
) -> Result<RecordFacts, AppendError> {
    let header = &batch.header;
    let limits = ScanLimits { record_bytes_max: u64::from(config.max_decompressed_message_bytes) };
    let create_time = config.message_timestamp_type == TimestampType::CreateTime;
    let min = now.0.saturating_sub(config.message_timestamp_before_max_ms);
    let max = now.0.saturating_add(config.message_timestamp_after_max_ms);
    let claims_append_time = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
    let needs_key = config.cleanup_policy.compacts() && !header.attributes.is_control();
    let mut facts = RecordFacts { max_timestamp: -1, consecutive: true };
    let mut errors = Vec::new();
    let mut index = 0;
    scan(batch, &mut scratch.codecs, limits, |record| {
        let timestamp = header.record_timestamp(record.timestamp_delta);
        facts.max_timestamp = facts.max_timestamp.max(timestamp);
        facts.consecutive &= record.offset_delta == index;
        let reason = if needs_key && !record.has_key {
            Some(RecordErrorReason::MissingKey)
        } else if create_time && timestamp != -1 {
            (timestamp < min || timestamp > max).then_some(RecordErrorReason::TimestampOutOfRange {
                timestamp,
                min,
                max,
            })
        } else {
            claims_append_time.then_some(RecordErrorReason::LogAppendTimeFromProducer)
        };
        if let Some(reason) = reason.filter(|_| errors.len() < RECORD_ERRORS_MAX) {
            errors.push(RecordError { batch_index: index, reason });
        }
        index += 1;
    })?;
    if errors.is_empty() {
        return Ok(facts);
    }
    let for_time = errors.iter().any(|error| error.reason != RecordErrorReason::MissingKey);
    Err(if for_time { AppendError::InvalidTimestamps(errors) } else { AppendError::InvalidRecords(errors) })
}

/// The header with the timestamp type and the largest timestamp that the log stores, and the checksum that follows from them.
fn with_timestamps(batch: &Batch<'_>, config: &LogConfig, now: Timestamp, max_timestamp: i64) -> BatchHeader {
    let mut header = batch.header;
    header.attributes = header.attributes.with_timestamp_type(config.message_timestamp_type);
    header.max_timestamp = match config.message_timestamp_type {
        TimestampType::CreateTime => max_timestamp,
        TimestampType::LogAppendTime => now.0,
    };
    if header != batch.header {
        header.crc = header.computed_crc(batch.record_bytes());
    }
    header
}

/// Writes the batch anew: in another codec, or with offset deltas that count up.
fn rewrite(
    batch: &Batch<'_>,
    source: Compression,
    target: Compression,
    config: &LogConfig,
    now: Timestamp,
    scratch: &mut Scratch,
) -> Result<Validated, AppendError> {
    let header = batch.header;
    // What becomes an uncompressed batch is bounded like one.
    let limit = if target == Compression::None { config.max_message_bytes as usize } else { REWRITTEN_BYTES_MAX };
    scratch.give_back();
    scratch.codecs.decompress(source, batch.record_bytes(), &mut scratch.plain, limit)?;
    let stamp = ProducerStamp {
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
    };
    let mut builder = BatchBuilder::new(0).producer(stamp).compression(target);
    if let CompressionPolicy::Fixed { level: Some(level), .. } = config.compression {
        builder = builder.compression_level(level);
    }
    if header.attributes.is_transactional() {
        builder = builder.transactional();
    }
    if header.attributes.is_control() {
        builder = builder.control();
    }
    if config.message_timestamp_type == TimestampType::LogAppendTime {
        builder = builder.log_append_time(now.0);
    }
    let mut headers = Vec::new();
    for record in Records::new(&scratch.plain, header.record_count) {
        let record = record?;
        headers.clear();
        headers.extend(record.headers.map(|header| RecordHeader::new(header.key, header.value)));
        builder.append(header.record_timestamp(record.timestamp_delta), record.key, record.value, &headers)?;
    }
    let header = builder.build(&mut scratch.codecs, &mut scratch.rewritten).map_err(too_large)?;
    if header.size_in_bytes() > config.max_message_bytes as usize {
        return Err(AppendError::MessageTooLarge { size: header.size_in_bytes(), max: config.max_message_bytes });
    }
    Ok(Validated { header, body: Body::Rewritten })
}

fn too_large(error: BatchError) -> AppendError {
    match error {
        BatchError::TooMuch => AppendError::Batch(BatchError::DecompressedTooLarge(i32::MAX as usize)),
        other => other.into(),
    }
}

//! Records into batches: one for what must stay together, as many as it takes for what may be split.
//!
//! Every record carries the time of the append (create time), as Kafka's coordinators write them. A batch that is too large
//! for the topic is refused before the log sees it, with the code that the log would give.

use crate::record::CoordinatorRecord;
use crate::{AppendFailure, Atomicity};
use ottla_machine::Timestamp;
use ottla_wire::ErrorCode;
use ottla_wire::batch::{BatchBuilder, Codecs, Compression};

/// The most that a record costs beside its key and value: attributes and varints.
const RECORD_OVERHEAD_MAX: usize = 21;

pub(crate) struct BatchLimits {
    pub(crate) compression: Compression,
    pub(crate) bytes_max: usize,
}

/// The batch of all records; too large is an error.
pub(crate) fn build(
    records: &[CoordinatorRecord],
    now: Timestamp,
    limits: &BatchLimits,
    codecs: &mut Codecs,
) -> Result<Vec<u8>, AppendFailure> {
    let mut builder = BatchBuilder::new(0).compression(limits.compression);
    for record in records {
        builder
            .append(now.0, Some(&record.key), record.value.as_deref(), &[])
            .map_err(|_| AppendFailure(ErrorCode::RecordListTooLarge))?;
    }
    let mut batch = Vec::with_capacity(builder.uncompressed_size().min(limits.bytes_max));
    builder.build(codecs, &mut batch).map_err(|_| AppendFailure(ErrorCode::UnknownServerError))?;
    if batch.len() > limits.bytes_max {
        let code = if records.len() == 1 { ErrorCode::MessageTooLarge } else { ErrorCode::RecordListTooLarge };
        return Err(AppendFailure(code));
    }
    Ok(batch)
}

/// The parts in which records are appended, in order.
pub(crate) fn parts(
    records: &[CoordinatorRecord],
    atomicity: Atomicity,
    bytes_max: usize,
) -> Vec<&[CoordinatorRecord]> {
    if atomicity == Atomicity::OneBatch {
        return vec![records];
    }
    let mut parts = Vec::new();
    let (mut start, mut size) = (0, ottla_wire::batch::HEADER_LEN);
    for (index, record) in records.iter().enumerate() {
        let more = record.size() + RECORD_OVERHEAD_MAX;
        if index > start && size + more > bytes_max {
            parts.push(&records[start..index]);
            (start, size) = (index, ottla_wire::batch::HEADER_LEN);
        }
        size += more;
    }
    parts.push(&records[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(sizes: &[usize]) -> Vec<CoordinatorRecord> {
        sizes.iter().map(|size| CoordinatorRecord { key: vec![1; *size], value: None }).collect()
    }

    #[test]
    fn what_may_be_split_fills_batches_in_order() {
        let records = records(&[100, 100, 100, 500, 10]);
        let split: Vec<usize> = parts(&records, Atomicity::Split, 400).iter().map(|part| part.len()).collect();
        assert_eq!(split, [2, 1, 1, 1]);
        assert_eq!(parts(&records, Atomicity::OneBatch, 400).len(), 1);
    }

    #[test]
    fn a_batch_above_the_limit_is_refused_with_the_logs_code() {
        let mut codecs = Codecs::default();
        let limits = BatchLimits { compression: Compression::None, bytes_max: 300 };
        let one = build(&records(&[400]), Timestamp(5), &limits, &mut codecs);
        assert_eq!(one, Err(AppendFailure(ErrorCode::MessageTooLarge)));
        let two = build(&records(&[200, 200]), Timestamp(5), &limits, &mut codecs);
        assert_eq!(two, Err(AppendFailure(ErrorCode::RecordListTooLarge)));
        let packed = BatchLimits { compression: Compression::Zstd, ..limits };
        assert!(build(&records(&[200, 200]), Timestamp(5), &packed, &mut codecs).is_ok());
    }
}

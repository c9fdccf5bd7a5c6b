//! Replaying batches of the log: on load, chunk by chunk, and after an append the records just written.
//!
//! What cannot be read is noted and passed over. Control batches are markers: the end of a transaction reaches the machine,
//! all others are passed over.

use crate::record::{ReplayError, ReplayWarnings, Replayed, TransactionResult};
use crate::shard::RecordMachine;
use ottla_machine::{Offset, ProducerId};
use ottla_wire::batch::{Batch, BatchError, Codecs, Compression, ControlRecordType, Records};

/// The most that one batch may give when it is decompressed. A coordinator never writes more than a batch's worth of plain
/// bytes, which `max.message.bytes` bounds; this leaves room for other settings.
const DECOMPRESSED_BYTES_MAX: usize = 512 << 20;

/// How far a load came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadStep {
    /// Where the next chunk begins: the offset after the last whole batch.
    pub next_offset: Offset,
    /// The bytes of the chunk that were whole batches.
    pub bytes: usize,
    pub records: u64,
}

/// A chunk that cannot be loaded at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The shard is not loading.
    #[error("the shard is not loading")]
    NotLoading,
    /// The chunk does not consist of batches: where the next one begins is not known.
    #[error("no batch begins at byte {position} of the chunk: {error}")]
    NoBatch { position: usize, error: BatchError },
}

/// Replays one batch and says how many records it held.
pub(crate) fn replay_batch<S: RecordMachine>(
    machine: &mut S,
    batch: &Batch<'_>,
    codecs: &mut Codecs,
    warnings: &mut ReplayWarnings,
) -> u64 {
    let header = &batch.header;
    let base = Offset(header.base_offset);
    if let Err(error) = batch.verify_crc() {
        warnings.push(base, error.into());
        return 0;
    }
    let mut plain = Vec::new();
    let records = match header.attributes.compression() {
        Ok(Compression::None) => batch.record_bytes(),
        Ok(codec) => match codecs.decompress(codec, batch.record_bytes(), &mut plain, DECOMPRESSED_BYTES_MAX) {
            Ok(()) => &plain,
            Err(error) => {
                warnings.push(base, error.into());
                return 0;
            }
        },
        Err(error) => {
            warnings.push(base, error.into());
            return 0;
        }
    };
    let producer_id =
        if header.attributes.is_transactional() { ProducerId(header.producer_id) } else { ProducerId::NONE };
    let mut count = 0;
    for record in Records::new(records, header.record_count) {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                warnings.push(base, error.into());
                break;
            }
        };
        count += 1;
        let offset = Offset(base.0.saturating_add(i64::from(record.offset_delta)));
        if header.attributes.is_control() {
            end_transaction(machine, ProducerId(header.producer_id), record.key);
            continue;
        }
        let Some(key) = record.key else {
            warnings.push(offset, ReplayError::Contradiction("a record without a key"));
            continue;
        };
        if let Err(error) = machine.replay(Replayed { offset, producer_id, key, value: record.value }) {
            warnings.push(offset, error);
        }
    }
    count
}

fn end_transaction<S: RecordMachine>(machine: &mut S, producer_id: ProducerId, key: Option<&[u8]>) {
    match key.and_then(ControlRecordType::from_key) {
        Some(ControlRecordType::Commit) => machine.end_transaction(producer_id, TransactionResult::Commit),
        Some(ControlRecordType::Abort) => machine.end_transaction(producer_id, TransactionResult::Abort),
        _ => {}
    }
}

//! What is kept of one batch.
//!
//! A record goes if a later one of its key is in the map, if it has no key, or if it is a tombstone and the batch's delete
//! horizon has passed; a batch of an aborted transaction goes whole. The first cleaning that meets a tombstone as the last of
//! its key, or a marker of which no data is left, writes the horizon into the batch's header (KIP-534). A batch that
//! somebody still has to know of stays as a header without records: the last one of an active producer, and the last one
//! below the high watermark. Offsets never change, and neither does a batch of which everything stays.

use std::collections::BTreeMap;

use ottla_wire::batch::{
    Attributes, Batch, BatchBuilder, BatchError, BatchHeader, Codecs, Compression, HEADER_LEN, NO_TIMESTAMP,
    ProducerStamp, RecordHeader, Records, TimestampType,
};

use super::map::OffsetMap;
use super::transactions::Transactions;
use crate::producers::LastRecord;
use crate::segment::AbortedTxn;

/// A buffer that grew beyond this for an unusual batch is given back before the next.
pub(super) const KEPT_BYTES_MAX: usize = 4 << 20;

/// What all batches of a cleaning are judged by.
pub(super) struct Retention {
    pub(super) now_ms: i64,
    pub(super) delete_retention_ms: i64,
    pub(super) high_watermark: i64,
    /// Of the active producers whose last record is in reach.
    pub(super) producers: BTreeMap<i64, LastRecord>,
}

/// What a batch is judged by.
pub(super) struct Judge<'a> {
    pub(super) map: &'a OffsetMap,
    pub(super) retention: &'a Retention,
    pub(super) transactions: &'a mut Transactions,
}

/// Buffers that batches go through.
#[derive(Default)]
pub(super) struct FilterBuffers {
    pub(super) codecs: Codecs,
    /// The records of a compressed batch.
    plain: Vec<u8>,
    /// For each record of the batch, whether it stays.
    kept: Vec<bool>,
}

/// What became of a batch.
#[derive(Default)]
pub(super) struct Filtered {
    /// The header of what was written; `None` if nothing was.
    pub(super) header: Option<BatchHeader>,
    pub(super) records: u64,
    pub(super) records_kept: u64,
    /// Records without a key, which a compacted log should not hold.
    pub(super) keyless: u64,
    /// For the transaction index of what is written.
    pub(super) aborted: Option<AbortedTxn>,
}

/// The records of a batch, uncompressed: in the batch, or in `plain`.
pub(super) fn records<'a>(
    batch: &Batch<'a>,
    codecs: &mut Codecs,
    plain: &'a mut Vec<u8>,
) -> Result<Records<'a>, BatchError> {
    let compression = batch.header.attributes.compression()?;
    if compression == Compression::None {
        return Ok(Records::new(batch.record_bytes(), batch.header.record_count));
    }
    if plain.capacity() > KEPT_BYTES_MAX {
        *plain = Vec::new();
    }
    plain.clear();
    // An emptied batch has nothing to decompress, whatever its codec.
    if batch.header.record_count > 0 {
        codecs.decompress(compression, batch.record_bytes(), plain, i32::MAX as usize)?;
    }
    Ok(Records::new(plain, batch.header.record_count))
}

impl FilterBuffers {
    /// Visits the records of a batch, whatever its codec, until `visit` says no.
    pub(super) fn visit(
        &mut self,
        batch: &Batch<'_>,
        mut visit: impl FnMut(&ottla_wire::batch::Record<'_>) -> bool,
    ) -> Result<(), BatchError> {
        for record in records(batch, &mut self.codecs, &mut self.plain)? {
            if !visit(&record?) {
                break;
            }
        }
        Ok(())
    }

    /// Writes what stays of a batch behind what `out` holds.
    pub(super) fn filter(
        &mut self,
        batch: &Batch<'_>,
        judge: &mut Judge<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Filtered, BatchError> {
        let Judge { map, retention, transactions } = judge;
        let header = &batch.header;
        let horizon = header.attributes.has_delete_horizon().then_some(header.base_timestamp);
        let has_passed = horizon.is_some_and(|horizon| horizon <= retention.now_ms);
        let mut filtered =
            Filtered { records: header.record_count.max(0).unsigned_abs().into(), ..Filtered::default() };
        let mut ends_nothing = false;
        let goes = if header.attributes.is_control() {
            let marker = transactions.see_control(batch)?;
            filtered.aborted = marker.aborted;
            ends_nothing = marker.is_obsolete;
            marker.is_obsolete && has_passed
        } else {
            transactions.see_data(header)
        };
        let stays_empty = retention.needs(header);
        if goes && !stays_empty {
            return Ok(filtered);
        }
        let mut tombstones = false;
        self.kept.clear();
        if !goes {
            for record in records(batch, &mut self.codecs, &mut self.plain)? {
                let record = record?;
                let offset = header.base_offset.saturating_add(i64::from(record.offset_delta));
                let stays = header.attributes.is_control()
                    || offset > map.latest_offset()
                    || match record.key {
                        None => {
                            filtered.keyless += 1;
                            false
                        }
                        Some(key) => {
                            (record.value.is_some() || !has_passed) && map.get(key).is_none_or(|last| offset >= last)
                        }
                    };
                tombstones |= stays && record.value.is_none();
                filtered.records_kept += u64::from(stays);
                self.kept.push(stays);
            }
        }
        let needs_horizon = (tombstones || ends_nothing) && horizon.is_none();
        if filtered.records_kept == 0 {
            if stays_empty {
                filtered.header = Some(write_empty(header, out));
            }
        } else if filtered.records_kept == filtered.records && !needs_horizon {
            out.extend_from_slice(batch.bytes);
            filtered.header = Some(*header);
        } else {
            let fresh = retention.now_ms.saturating_add(retention.delete_retention_ms);
            let horizon = if needs_horizon { Some(fresh) } else { horizon };
            filtered.header = Some(self.rewrite(batch, horizon, out)?);
        }
        Ok(filtered)
    }

    /// Writes the batch with the records that stay. Their offsets and times stay as well, and so does the batch's last offset.
    fn rewrite(
        &mut self,
        batch: &Batch<'_>,
        horizon: Option<i64>,
        out: &mut Vec<u8>,
    ) -> Result<BatchHeader, BatchError> {
        let header = &batch.header;
        let compression = header.attributes.compression()?;
        let mut builder = BatchBuilder::new(header.base_offset)
            .leader_epoch(header.partition_leader_epoch)
            .producer(ProducerStamp {
                producer_id: header.producer_id,
                producer_epoch: header.producer_epoch,
                base_sequence: header.base_sequence,
            })
            .compression(compression);
        if header.attributes.is_transactional() {
            builder = builder.transactional();
        }
        if header.attributes.is_control() {
            builder = builder.control();
        }
        if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
            builder = builder.log_append_time(header.max_timestamp);
        }
        if let Some(horizon) = horizon {
            builder = builder.delete_horizon(horizon);
        }
        // Decompressed already when it was judged.
        let bytes = if compression == Compression::None { batch.record_bytes() } else { &self.plain };
        let mut headers = Vec::new();
        for (record, kept) in Records::new(bytes, header.record_count).zip(&self.kept) {
            if *kept {
                let record = record?;
                headers.clear();
                headers.extend(record.headers.map(|header| RecordHeader::new(header.key, header.value)));
                let timestamp = header.record_timestamp(record.timestamp_delta);
                builder.append_at(record.offset_delta, timestamp, record.key, record.value, &headers)?;
            }
        }
        builder.extend_to(header.last_offset_delta);
        builder.build(&mut self.codecs, out)
    }
}

impl Retention {
    /// Whether somebody has to find this batch, even without its records.
    fn needs(&self, header: &BatchHeader) -> bool {
        let of_producer = header.has_producer_id()
            && self.producers.get(&header.producer_id).is_some_and(|last| match last.data_offset {
                Some(offset) => header.last_offset() == offset,
                // The marker that came last tells the producer's epoch.
                None => header.attributes.is_control() && header.producer_epoch == last.producer_epoch,
            });
        of_producer || header.next_offset() == self.high_watermark
    }
}

/// Writes a header without records.
fn write_empty(header: &BatchHeader, out: &mut Vec<u8>) -> BatchHeader {
    let mut attributes = Attributes::default().with_timestamp_type(header.attributes.timestamp_type());
    if header.attributes.is_transactional() {
        attributes = attributes.transactional();
    }
    if header.attributes.is_control() {
        attributes = attributes.control();
    }
    let mut empty = BatchHeader { attributes, base_timestamp: NO_TIMESTAMP, record_count: 0, ..*header };
    // The length does not count base offset and itself.
    empty.batch_length = HEADER_LEN as i32 - 12;
    empty.crc = empty.computed_crc(&[]);
    out.extend_from_slice(&empty.encode());
    empty
}

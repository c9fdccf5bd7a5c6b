//! Making batches: for what brokers write themselves (coordinators, metadata, control records), for rewritten batches, and
//! for clients. Records are encoded as they are appended; compression happens once, at the end.

use super::header::LOG_OVERHEAD;
use super::varint::{len_i64, put_i32, put_i64};
use super::{
    Attributes, BatchError, BatchHeader, Codecs, Compression, ControlRecordType, HEADER_LEN, NO_PARTITION_LEADER_EPOCH,
    NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType,
};

/// Collects the records of one batch.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    header: BatchHeader,
    records: Vec<u8>,
    delete_horizon_ms: Option<i64>,
    log_append_time_ms: Option<i64>,
    compression: Compression,
    compression_level: Option<i32>,
}

/// The producer fields of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerStamp {
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
}

/// A header of a record to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

impl<'a> RecordHeader<'a> {
    pub const fn new(key: &'a [u8], value: Option<&'a [u8]>) -> RecordHeader<'a> {
        RecordHeader { key, value }
    }
}

impl BatchBuilder {
    /// A batch whose first record gets `base_offset`: uncompressed, without a producer, timestamps as they are appended.
    pub fn new(base_offset: i64) -> BatchBuilder {
        let header = BatchHeader {
            base_offset,
            batch_length: 0,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            crc: 0,
            attributes: Attributes::default(),
            last_offset_delta: -1,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            record_count: 0,
        };
        BatchBuilder {
            header,
            records: Vec::new(),
            delete_horizon_ms: None,
            log_append_time_ms: None,
            compression: Compression::None,
            compression_level: None,
        }
    }

    #[must_use]
    pub fn leader_epoch(mut self, epoch: i32) -> Self {
        self.header.partition_leader_epoch = epoch;
        self
    }

    #[must_use]
    pub fn producer(mut self, producer: ProducerStamp) -> Self {
        self.header.producer_id = producer.producer_id;
        self.header.producer_epoch = producer.producer_epoch;
        self.header.base_sequence = producer.base_sequence;
        self
    }

    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// The level for a codec that has levels; without it, the codec's default in Kafka.
    #[must_use]
    pub fn compression_level(mut self, level: i32) -> Self {
        self.compression_level = Some(level);
        self
    }

    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.header.attributes = self.header.attributes.transactional();
        self
    }

    /// A control batch: its records say so by their keys (see [`BatchBuilder::append_control`]).
    #[must_use]
    pub fn control(mut self) -> Self {
        self.header.attributes = self.header.attributes.control();
        self
    }

    /// All records get this time, the leader's.
    #[must_use]
    pub fn log_append_time(mut self, now_ms: i64) -> Self {
        self.log_append_time_ms = Some(now_ms);
        self
    }

    /// From when on the batch's tombstones and markers may go (KIP-534).
    #[must_use]
    pub fn delete_horizon(mut self, horizon_ms: i64) -> Self {
        self.delete_horizon_ms = Some(horizon_ms);
        self
    }

    /// Appends a record at the next offset.
    pub fn append(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader<'_>],
    ) -> Result<(), BatchError> {
        let delta = self.header.last_offset_delta.checked_add(1).ok_or(BatchError::TooMuch)?;
        self.append_at(delta, timestamp_ms, key, value, headers)
    }

    /// Appends a record at an offset relative to the batch, which must be above the last: compaction leaves gaps.
    pub fn append_at(
        &mut self,
        offset_delta: i32,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader<'_>],
    ) -> Result<(), BatchError> {
        if offset_delta <= self.header.last_offset_delta {
            return Err(BatchError::TooMuch);
        }
        if self.header.record_count == 0 {
            self.header.base_timestamp = self.delete_horizon_ms.unwrap_or(timestamp_ms);
        }
        let timestamp_delta = timestamp_ms.wrapping_sub(self.header.base_timestamp);
        let headers_len: usize = headers.iter().map(|h| bytes_len(Some(h.key)) + bytes_len(h.value)).sum::<usize>()
            + len_i64(headers.len() as i64);
        let body = 1
            + len_i64(timestamp_delta)
            + len_i64(i64::from(offset_delta))
            + bytes_len(key)
            + bytes_len(value)
            + headers_len;
        let body = i32::try_from(body).map_err(|_| BatchError::TooMuch)?;
        if self.records.len() + body as usize + 5 > i32::MAX as usize - HEADER_LEN {
            return Err(BatchError::TooMuch);
        }
        put_i32(&mut self.records, body);
        self.records.push(0);
        put_i64(&mut self.records, timestamp_delta);
        put_i32(&mut self.records, offset_delta);
        put_bytes(&mut self.records, key);
        put_bytes(&mut self.records, value);
        put_i64(&mut self.records, headers.len() as i64);
        for header in headers {
            put_bytes(&mut self.records, Some(header.key));
            put_bytes(&mut self.records, header.value);
        }
        self.header.last_offset_delta = offset_delta;
        self.header.record_count += 1;
        self.header.max_timestamp = self.header.max_timestamp.max(timestamp_ms);
        Ok(())
    }

    /// Lets the batch reach up to this offset although its record is gone: what compaction leaves of a batch keeps its last
    /// offset, and with it the last sequence number of its producer. No record can follow.
    pub fn extend_to(&mut self, last_offset_delta: i32) {
        self.header.last_offset_delta = self.header.last_offset_delta.max(last_offset_delta);
    }

    /// Appends a control record; the builder must have been made one for a control batch.
    pub fn append_control(
        &mut self,
        timestamp_ms: i64,
        kind: ControlRecordType,
        value: &[u8],
    ) -> Result<(), BatchError> {
        debug_assert!(self.header.attributes.is_control(), "control records stand in control batches");
        self.append(timestamp_ms, Some(&kind.key()), Some(value), &[])
    }

    pub fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// The bytes that the batch will have, if it is not compressed.
    pub fn uncompressed_size(&self) -> usize {
        HEADER_LEN + self.records.len()
    }

    /// Writes the batch behind what `out` holds, compressing it if that was asked for. Gives the header that was written.
    pub fn build(&self, codecs: &mut Codecs, out: &mut Vec<u8>) -> Result<BatchHeader, BatchError> {
        let start = out.len();
        out.resize(start + HEADER_LEN, 0);
        match self.compression {
            Compression::None => out.extend_from_slice(&self.records),
            codec => codecs.compress(codec, self.compression_level, &self.records, out)?,
        }
        self.finish(start, out)
    }

    /// Writes a batch that is not compressed; `TooMuch` if compression was asked for.
    pub fn build_plain(&self, out: &mut Vec<u8>) -> Result<BatchHeader, BatchError> {
        if self.compression != Compression::None {
            return Err(BatchError::TooMuch);
        }
        let start = out.len();
        out.resize(start + HEADER_LEN, 0);
        out.extend_from_slice(&self.records);
        self.finish(start, out)
    }

    fn finish(&self, start: usize, out: &mut [u8]) -> Result<BatchHeader, BatchError> {
        let length = out.len() - start - LOG_OVERHEAD;
        let mut header = self.header;
        header.batch_length = i32::try_from(length).map_err(|_| BatchError::TooMuch)?;
        header.attributes = header.attributes.with_compression(self.compression);
        if self.delete_horizon_ms.is_some() {
            header.attributes = header.attributes.delete_horizon();
        }
        if let Some(now_ms) = self.log_append_time_ms {
            header.attributes = header.attributes.with_timestamp_type(TimestampType::LogAppendTime);
            header.max_timestamp = now_ms;
        }
        header.crc = header.computed_crc(&out[start + HEADER_LEN..]);
        out[start..start + HEADER_LEN].copy_from_slice(&header.encode());
        Ok(header)
    }
}

fn bytes_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| len_i64(bytes.len() as i64) + bytes.len())
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_i32(out, -1),
        Some(bytes) => {
            put_i64(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batches;

    #[test]
    fn a_built_batch_reads_back_whole() {
        let mut codecs = Codecs::default();
        for compression in Compression::ALL {
            let stamp = ProducerStamp { producer_id: 5, producer_epoch: 1, base_sequence: 9 };
            let mut builder =
                BatchBuilder::new(100).leader_epoch(3).producer(stamp).transactional().compression(compression);
            for i in 0..50i64 {
                builder.append(1000 + i, Some(b"key"), Some(&[7; 300]), &[]).unwrap();
            }
            let mut out = b"before".to_vec();
            let header = builder.build(&mut codecs, &mut out).unwrap();
            let batch = Batches::new(&out[6..]).next().unwrap().unwrap();
            assert_eq!(batch.header, header);
            batch.verify_crc().unwrap();
            assert_eq!((header.last_offset(), header.last_sequence(), header.max_timestamp), (149, 58, 1049));
            assert_eq!(header.attributes.compression().unwrap(), compression);
            let mut plain = Vec::new();
            codecs.decompress(compression, batch.record_bytes(), &mut plain, usize::MAX).unwrap();
            let records: Vec<_> = super::super::Records::new(&plain, 50).map(Result::unwrap).collect();
            assert_eq!(records.len(), 50);
            assert_eq!(records[49].offset_delta, 49);
        }
    }

    #[test]
    fn gaps_horizon_and_append_time_are_kept() {
        let mut builder = BatchBuilder::new(0).delete_horizon(77).log_append_time(99);
        builder.append_at(3, 10, None, None, &[]).unwrap();
        assert_eq!(builder.append_at(3, 10, None, None, &[]), Err(BatchError::TooMuch));
        builder.append_at(8, 10, None, None, &[]).unwrap();
        builder.extend_to(5);
        let header = builder.build_plain(&mut Vec::new()).unwrap();
        assert_eq!((header.base_timestamp, header.max_timestamp, header.last_offset_delta), (77, 99, 8));
        builder.extend_to(11);
        let header = builder.build_plain(&mut Vec::new()).unwrap();
        assert_eq!((header.record_count, header.last_offset()), (2, 11));
        assert!(header.attributes.has_delete_horizon());
        assert_eq!(header.record_timestamp(-67), 99);
    }
}

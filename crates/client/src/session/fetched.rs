//! From fetched bytes to records: checked, decompressed, without control records, and at `read_committed` without those of
//! aborted transactions (KIP-98).

use crate::session::batches::Place;
use bytes::Bytes;
use ottla_wire::batch::{
    Batch, BatchError, Batches, Codecs, Compression, ControlRecordType, Record, Records, TimestampType,
};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// What a batch may become when it is decompressed.
const DECOMPRESSED_BYTES_MAX: usize = 1 << 30;

/// A record as a program gets it. Its bytes are shared with the answer that brought them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerRecord {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: i64,
    pub timestamp_type: TimestampType,
    pub leader_epoch: Option<i32>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// What it takes in its batch, before compression.
    pub size_in_bytes: usize,
}

impl ConsumerRecord {
    /// Key and value, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        length(&self.key) + length(&self.value)
    }
}

/// A partition's part of an answer.
#[derive(Debug)]
pub struct Fetched {
    pub place: Place,
    /// The fetch that brought it, by its number.
    pub fetch: u64,
    /// From here on records are wanted; a batch may begin earlier.
    pub from_offset: i64,
    pub bytes: Bytes,
    /// Producer and first offset of aborted transactions; None unless at `read_committed`.
    pub aborted: Option<Vec<(i64, i64)>>,
    pub check_crcs: bool,
}

impl Fetched {
    /// Where the next fetch goes on: behind the last whole batch.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        let last = Batches::new(&self.bytes).filter_map(Result::ok).last();
        last.map_or(self.from_offset, |batch| batch.header.next_offset().max(self.from_offset))
    }

    /// All records, in order.
    pub fn records(&self, codecs: &mut Codecs) -> Result<VecDeque<ConsumerRecord>, BatchError> {
        let mut aborted = self.aborted.as_ref().map(|list| Aborted::new(list));
        let mut records = VecDeque::new();
        for batch in Batches::new(&self.bytes) {
            let batch = batch?;
            if self.check_crcs {
                batch.verify_crc()?;
            }
            if let Some(aborted) = &mut aborted
                && aborted.hides(&batch)
            {
                continue;
            }
            if batch.header.attributes.is_control() {
                continue;
            }
            match batch.header.attributes.compression()? {
                Compression::None => {
                    self.take(&batch, &self.bytes, batch.record_bytes(), &mut records)?;
                }
                compression => {
                    let mut plain = Vec::new();
                    codecs.decompress(compression, batch.record_bytes(), &mut plain, DECOMPRESSED_BYTES_MAX)?;
                    let plain = Bytes::from(plain);
                    self.take(&batch, &plain, &plain, &mut records)?;
                }
            }
        }
        Ok(records)
    }

    /// The records in `bytes`, a part of `whole`.
    fn take(
        &self,
        batch: &Batch<'_>,
        whole: &Bytes,
        bytes: &[u8],
        records: &mut VecDeque<ConsumerRecord>,
    ) -> Result<(), BatchError> {
        let header = &batch.header;
        let timestamp_type = header.attributes.timestamp_type();
        for record in Records::new(bytes, header.record_count) {
            let record: Record<'_> = record?;
            let offset = header.base_offset + i64::from(record.offset_delta);
            if offset < self.from_offset {
                continue;
            }
            let timestamp_ms = match timestamp_type {
                TimestampType::CreateTime => header.record_timestamp(record.timestamp_delta),
                TimestampType::LogAppendTime => header.max_timestamp,
            };
            let shared = |part: &[u8]| whole.slice_ref(part);
            let mut headers = Vec::new();
            for header in record.headers {
                headers.push((shared(header.key), header.value.map(shared)));
            }
            records.push_back(ConsumerRecord {
                topic: Arc::clone(&self.place.0),
                partition: self.place.1,
                offset,
                timestamp_ms,
                timestamp_type,
                leader_epoch: (header.partition_leader_epoch >= 0).then_some(header.partition_leader_epoch),
                key: record.key.map(shared),
                value: record.value.map(shared),
                headers,
                size_in_bytes: record.size_in_bytes,
            });
        }
        Ok(())
    }
}

/// Which producers' records are to be hidden, at the offset that is being read.
struct Aborted {
    /// By first offset.
    coming: VecDeque<(i64, i64)>,
    producers: BTreeSet<i64>,
}

impl Aborted {
    fn new(list: &[(i64, i64)]) -> Self {
        let mut coming: Vec<_> = list.to_vec();
        coming.sort_by_key(|(_, first_offset)| *first_offset);
        Self { coming: coming.into(), producers: BTreeSet::new() }
    }

    fn hides(&mut self, batch: &Batch<'_>) -> bool {
        let header = &batch.header;
        while let Some((producer, first_offset)) = self.coming.front().copied() {
            if first_offset > header.last_offset() {
                break;
            }
            self.producers.insert(producer);
            self.coming.pop_front();
        }
        if header.attributes.is_control() {
            let marker = batch.records().and_then(|mut records| records.next()?.ok());
            let kind = marker.and_then(|marker| ControlRecordType::from_key(marker.key?));
            if kind == Some(ControlRecordType::Abort) {
                self.producers.remove(&header.producer_id);
            }
            return true;
        }
        header.attributes.is_transactional() && self.producers.contains(&header.producer_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_wire::batch::{BatchBuilder, ProducerStamp};

    fn batch(base: i64, values: &[&str], compression: Compression, producer: Option<i64>) -> Vec<u8> {
        let mut builder = BatchBuilder::new(base).compression(compression);
        if let Some(producer_id) = producer {
            let stamp = ProducerStamp { producer_id, producer_epoch: 0, base_sequence: 0 };
            builder = builder.producer(stamp).transactional();
        }
        for value in values {
            builder.append(5, None, Some(value.as_bytes()), &[]).unwrap();
        }
        let mut bytes = Vec::new();
        builder.build(&mut Codecs::default(), &mut bytes).unwrap();
        bytes
    }

    fn fetched(bytes: Vec<u8>, from_offset: i64, aborted: Option<Vec<(i64, i64)>>) -> Fetched {
        Fetched { place: ("t".into(), 0), fetch: 0, from_offset, bytes: bytes.into(), aborted, check_crcs: true }
    }

    fn values(fetched: &Fetched) -> Vec<String> {
        let records = fetched.records(&mut Codecs::default()).unwrap();
        records.iter().map(|record| String::from_utf8_lossy(record.value.as_ref().unwrap()).into_owned()).collect()
    }

    #[test]
    fn reading_begins_within_a_batch_and_goes_on_behind_the_last() {
        let mut bytes = batch(10, &["a", "b", "c"], Compression::Lz4, None);
        bytes.extend(batch(13, &["d"], Compression::None, None));
        let whole = bytes.len();
        bytes.extend(&batch(14, &["cut off"], Compression::None, None)[..20]);
        let fetched = fetched(bytes, 11, None);
        assert!(whole < fetched.bytes.len());
        assert_eq!(values(&fetched), ["b", "c", "d"]);
        assert_eq!(fetched.next_offset(), 14);
    }

    #[test]
    fn aborted_records_are_hidden_until_their_marker() {
        let mut bytes = batch(0, &["aborted"], Compression::None, Some(7));
        let mut marker = BatchBuilder::new(1)
            .producer(ProducerStamp { producer_id: 7, producer_epoch: 0, base_sequence: -1 })
            .transactional()
            .control();
        marker.append_control(5, ControlRecordType::Abort, &[0, 0, 0, 0, 0, 0]).unwrap();
        marker.build_plain(&mut bytes).unwrap();
        bytes.extend(batch(2, &["kept"], Compression::None, Some(7)));
        assert_eq!(values(&fetched(bytes.clone(), 0, Some(vec![(7, 0)]))), ["kept"]);
        assert_eq!(values(&fetched(bytes, 0, None)), ["aborted", "kept"]);
    }
}

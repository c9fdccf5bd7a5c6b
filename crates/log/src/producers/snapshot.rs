//! The file `<offset>.snapshot`: the producers at an offset, so that the log before it need not be replayed.
//!
//! i16 version 1, u32 CRC-32C of the bytes from 6 on, i32 number of entries; each i64 producer id, i16 epoch, i32 last
//! sequence, i64 last offset, i32 offset delta, i64 timestamp, i32 coordinator epoch, i64 first offset of the open
//! transaction. −1 stands for what there is not.

use crc_fast::CrcAlgorithm;

use super::{BatchMetadata, ProducerEntry, Producers};

const VERSION: i16 = 1;
const HEADER_BYTES: usize = 10;
const CRC_FROM: usize = 6;
const ENTRY_BYTES: usize = 46;
const _: () = assert!(ENTRY_BYTES == 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8);

pub(crate) fn encode(producers: &Producers) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + producers.entries.len() * ENTRY_BYTES);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&(producers.entries.len() as u32).to_be_bytes());
    for (producer_id, entry) in producers.iter() {
        let last = entry.last_batch();
        bytes.extend_from_slice(&producer_id.to_be_bytes());
        bytes.extend_from_slice(&entry.producer_epoch.to_be_bytes());
        bytes.extend_from_slice(&entry.last_sequence().to_be_bytes());
        bytes.extend_from_slice(&last.map_or(-1, |batch| batch.last_offset).to_be_bytes());
        bytes.extend_from_slice(&last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
        bytes.extend_from_slice(&entry.last_timestamp.to_be_bytes());
        bytes.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        bytes.extend_from_slice(&entry.txn_first_offset.unwrap_or(-1).to_be_bytes());
    }
    let crc = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, &bytes[CRC_FROM..]) as u32;
    bytes[2..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// Reads a snapshot; the error says what is wrong with it.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<(i64, ProducerEntry)>, &'static str> {
    let mut fields = Fields(bytes);
    if i16::from_be_bytes(fields.take()?) != VERSION {
        return Err("unknown version");
    }
    let crc = u32::from_be_bytes(fields.take()?);
    if crc != crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, &bytes[CRC_FROM..]) as u32 {
        return Err("the checksum does not match");
    }
    let count = usize::try_from(i32::from_be_bytes(fields.take()?)).map_err(|_| "negative count")?;
    if count > fields.0.len() / ENTRY_BYTES {
        return Err("there are fewer entries than it says");
    }
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let producer_id = i64::from_be_bytes(fields.take()?);
        let producer_epoch = i16::from_be_bytes(fields.take()?);
        let last_sequence = i32::from_be_bytes(fields.take()?);
        let last_offset = i64::from_be_bytes(fields.take()?);
        let offset_delta = i32::from_be_bytes(fields.take()?);
        let timestamp = i64::from_be_bytes(fields.take()?);
        let coordinator_epoch = i32::from_be_bytes(fields.take()?);
        let txn_first_offset = i64::from_be_bytes(fields.take()?);
        let mut entry = ProducerEntry::default();
        entry.begin_epoch(producer_epoch);
        if last_offset >= 0 && offset_delta >= 0 {
            entry.add_batch(producer_epoch, BatchMetadata { last_sequence, last_offset, offset_delta, timestamp });
        }
        entry.last_timestamp = timestamp;
        entry.coordinator_epoch = coordinator_epoch;
        entry.txn_first_offset = (txn_first_offset >= 0).then_some(txn_first_offset);
        entries.push((producer_id, entry));
    }
    Ok(entries)
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or("it ends too early")?;
        self.0 = rest;
        Ok(*field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn producers() -> Producers {
        let mut producers = Producers::default();
        let mut writing = ProducerEntry::default();
        let batch = BatchMetadata { last_sequence: 11, last_offset: 99, offset_delta: 3, timestamp: 5000 };
        writing.add_batch(2, batch);
        writing.txn_first_offset = Some(90);
        let mut ended = ProducerEntry::default();
        ended.coordinator_epoch = 4;
        ended.last_timestamp = 6000;
        ended.begin_epoch(1);
        producers.load(100, vec![(7, writing), (8, ended)], 6000, 86_400_000);
        producers
    }

    #[test]
    fn a_snapshot_comes_back() {
        let producers = producers();
        let bytes = encode(&producers);
        assert_eq!(bytes.len(), 10 + 2 * 46);
        assert_eq!(&bytes[..2], [0, 1]);
        let entries: Vec<(i64, ProducerEntry)> = producers.iter().map(|(id, entry)| (*id, entry.clone())).collect();
        assert_eq!(decode(&bytes).unwrap(), entries);
    }

    #[test]
    fn every_damage_is_found() {
        let bytes = encode(&producers());
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err());
        }
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad).is_err());
        }
    }

    #[test]
    fn expired_producers_are_left_out() {
        let entries = decode(&encode(&producers())).unwrap();
        let mut loaded = Producers::default();
        loaded.load(100, entries, 6000 + 86_400_000, 86_400_000);
        assert!(loaded.get(8).is_none());
        assert!(loaded.get(7).is_some(), "an open transaction keeps its producer");
        assert_eq!(loaded.first_unstable_offset(), Some(90));
    }
}

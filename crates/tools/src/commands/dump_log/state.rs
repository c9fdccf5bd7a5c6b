//! `.snapshot`, the producers at an offset, and `.txnindex`, the aborted transactions of a segment.

use super::{Done, Dump, DumpedFile, Failure, Line};
use crate::log_file::{could_not_read, read_whole};
use crc_fast::CrcAlgorithm;
use ottla_wire::other::ProducerSnapshot;
use ottla_wire::other::producer_snapshot::ProducerEntry;
use ottla_wire::{Decode, DecodeError, Message, Reader};
use std::io;

/// What the checksum of a snapshot of producers covers begins here.
const PRODUCERS_CRC_FROM: usize = 6;
/// An aborted transaction: i16 version, then four i64.
const ABORTED_TXN_BYTES: usize = 34;
const ABORTED_TXN_VERSION: u8 = 0;

pub(super) fn dump_producers(dump: &mut Dump<'_>, file: &DumpedFile) -> Done {
    let bytes = read_whole(&file.path)?;
    match producers(&bytes) {
        Ok(lines) => lines.into_iter().try_for_each(|line| dump.fields(line)),
        // Told, and no failure: the other files are still shown.
        Err(why) => dump.complain(&why),
    }
}

fn producers(bytes: &[u8]) -> Result<Vec<Line>, String> {
    let invalid = |why: String| format!("Snapshot failed schema validation: {why}");
    let mut reader = Reader::new(bytes);
    let decoded = reader.i16().and_then(|version| {
        if ProducerSnapshot::VERSIONS.contains(version) {
            ProducerSnapshot::decode(&mut reader, version)
        } else {
            Err(DecodeError::Version(version))
        }
    });
    let snapshot = decoded.map_err(|error| match error {
        DecodeError::Version(version) => invalid(format!("Snapshot contained an unknown file version {version}")),
        // The word that Java has for a number that is cut off.
        DecodeError::Short { needed: ..=8, .. } => invalid("null".to_owned()),
        error => invalid(error.to_string()),
    })?;
    let computed = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes.get(PRODUCERS_CRC_FROM..).unwrap_or_default());
    if u64::from(snapshot.crc) != computed {
        return Err(format!(
            "Snapshot is corrupt (CRC is no longer valid). Stored crc: {}. Computed crc: {computed}",
            snapshot.crc
        ));
    }
    let line = |entry: &ProducerEntry| {
        let first = Some(entry.current_txn_first_offset).filter(|offset| *offset >= 0);
        let line = Line::default()
            .with("producerId", entry.producer_id)
            .with("producerEpoch", entry.epoch)
            .with("coordinatorEpoch", entry.coordinator_epoch)
            .with_maybe("currentTxnFirstOffset", first)
            .with("lastTimestamp", entry.timestamp);
        if entry.last_offset < 0 {
            return line;
        }
        line.with("firstSequence", sequence_before(entry.last_sequence, entry.offset_delta))
            .with("lastSequence", entry.last_sequence)
            .with("lastOffset", entry.last_offset)
            .with("offsetDelta", entry.offset_delta)
            .with("timestamp", entry.timestamp)
    };
    Ok(snapshot.producer_entries.iter().map(line).collect())
}

/// Sequences wrap from the largest number to 0.
fn sequence_before(sequence: i32, decrement: i32) -> i32 {
    if sequence < decrement {
        i32::MAX.wrapping_sub(decrement.wrapping_sub(sequence)).wrapping_add(1)
    } else {
        sequence.wrapping_sub(decrement)
    }
}

pub(super) fn dump_transactions(dump: &mut Dump<'_>, file: &DumpedFile) -> Done {
    file.base_offset()?;
    let bytes = match std::fs::read(&file.path) {
        Ok(bytes) => bytes,
        // A segment without aborted transactions has no such file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(could_not_read(&file.path, &error)),
    };
    match transactions(&bytes) {
        Ok(lines) => lines.into_iter().try_for_each(|line| dump.fields(line)),
        Err(version) => Err(Failure::told(format!(
            "org.apache.kafka.common.KafkaException: Unexpected aborted transaction version {version} in transaction index {}, current version is {ABORTED_TXN_VERSION}",
            file.absolute
        ))),
    }
}

/// What is cut off at the end is left out. An error names a version that is not known.
fn transactions(bytes: &[u8]) -> Result<Vec<Line>, u8> {
    let mut lines = Vec::new();
    for entry in bytes.chunks_exact(ABORTED_TXN_BYTES) {
        // Kafka looks at the first byte alone.
        let version = entry[0];
        if version.cast_signed() > ABORTED_TXN_VERSION.cast_signed() {
            return Err(version);
        }
        let mut reader = Reader::new(&entry[2..]);
        let mut number = || reader.i64().unwrap_or_default();
        lines.push(
            Line::default()
                .with("version", version.cast_signed())
                .with("producerId", number())
                .with("firstOffset", number())
                .with("lastOffset", number())
                .with("lastStableOffset", number()),
        );
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_wire::encode_to_vec;

    fn snapshot() -> Vec<u8> {
        let with_batch = ProducerEntry {
            producer_id: 7,
            epoch: 1,
            last_sequence: 1,
            last_offset: 20,
            offset_delta: 3,
            timestamp: 5,
            coordinator_epoch: -1,
            current_txn_first_offset: 17,
        };
        let without =
            ProducerEntry { producer_id: 8, last_offset: -1, current_txn_first_offset: -1, ..Default::default() };
        let message = ProducerSnapshot { crc: 0, producer_entries: vec![with_batch, without] };
        let mut bytes = vec![0, 1];
        bytes.extend(encode_to_vec(&message, 1).unwrap());
        let crc = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, &bytes[PRODUCERS_CRC_FROM..]) as u32;
        bytes[2..6].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    fn text(lines: &[Line]) -> String {
        lines.iter().map(|line| line.text() + "\n").collect()
    }

    #[test]
    fn producers_are_a_line_each() {
        let told = producers(&snapshot()).unwrap();
        assert_eq!(
            text(&told),
            "producerId: 7 producerEpoch: 1 coordinatorEpoch: -1 currentTxnFirstOffset: OptionalLong[17] lastTimestamp: 5 \
             firstSequence: 2147483646 lastSequence: 1 lastOffset: 20 offsetDelta: 3 timestamp: 5\n\
             producerId: 8 producerEpoch: 0 coordinatorEpoch: 0 currentTxnFirstOffset: OptionalLong.empty lastTimestamp: 0\n"
        );
    }

    #[test]
    fn every_damage_of_a_snapshot_is_told() {
        let bytes = snapshot();
        for end in 0..bytes.len() {
            assert!(producers(&bytes[..end]).is_err());
        }
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(producers(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_cut_off_transaction_is_left_out_and_a_new_version_refused() {
        let mut bytes = [0; ABORTED_TXN_BYTES + 5];
        bytes[9] = 4;
        assert_eq!(
            text(&transactions(&bytes).unwrap()),
            "version: 0 producerId: 4 firstOffset: 0 lastOffset: 0 lastStableOffset: 0\n"
        );
        bytes[0] = 1;
        assert_eq!(transactions(&bytes).err(), Some(1));
    }
}

//! `.log` and `.checkpoint`: batches, and their records.

use super::decoders::Decoders;
use super::{Done, Dump, DumpedFile, Failure, note, optional};
use crate::log_file::{FoundBatch, Source};
use ottla_raft::SnapshotId;
use ottla_wire::batch::{
    BatchHeader, Codecs, ControlRecordType, EndTransactionMarker, HEADER_LEN, NO_SEQUENCE, Record, TimestampType,
};
use ottla_wire::other::{
    KRaftVersionRecord, LeaderChangeMessage, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord,
};
use ottla_wire::{Decode, Reader, ToJson};
use std::fmt::Write;

pub(super) fn dump(dump: &mut Dump<'_>, file: &DumpedFile, decoders: &Decoders, bytes_max: i32) -> Done {
    if file.name.ends_with(".log") {
        let line = format!("Log starting offset: {}", file.base_offset()?);
        dump.line(&line)?;
    } else if file.name == "bootstrap.checkpoint" {
        dump.line("KRaft bootstrap snapshot")?;
    } else {
        let id = SnapshotId::from_file_name(&file.name)
            .ok_or_else(|| Failure::told("java.util.NoSuchElementException: No value present"))?;
        dump.line(&format!("Snapshot end offset: {}, epoch: {}", id.end_offset, id.epoch))?;
    }
    let source = Source::open(&file.path)?;
    let limit = u64::try_from(bytes_max).map_err(|_| {
        Failure::told(format!(
            "java.lang.IllegalArgumentException: Invalid size: {bytes_max} in read from {}",
            source.name
        ))
    })?;
    let end = source.size.min(limit);
    let is_deep = dump.parsed.has("deep-iteration") || decoders.print_contents;
    let mut codecs = Codecs::default();
    let mut position = 0;
    let mut last_offset = -1_i64;
    while let Some(batch) = source.batch_at(position, end)? {
        let line = batch_line(&source, &batch)?;
        dump.line(&line)?;
        if is_deep {
            source.records(&batch, &mut codecs, |record| {
                let offset = batch.offset_of(record);
                if offset != last_offset.wrapping_add(1) {
                    note(&mut dump.gaps, file, (last_offset, offset));
                }
                last_offset = offset;
                dump_record(dump, &batch, record, offset, decoders)
            })?;
        }
        position += batch.size;
    }
    if end > position && bytes_max == i32::MAX {
        dump.line(&format!("Found {} invalid bytes at the end of {}", end - position, file.name))?;
    }
    Ok(())
}

const fn timestamp_name(kind: TimestampType) -> &'static str {
    match kind {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn batch_line(source: &Source, batch: &FoundBatch) -> Done<String> {
    let header = &batch.header;
    let attributes = header.attributes;
    let bytes = source.whole(batch)?;
    let is_valid = bytes.get(HEADER_LEN..).is_some_and(|records| header.computed_crc(records) == header.crc);
    let codec = attributes.compression().map_err(|_| {
        Failure::told(format!("java.lang.IllegalArgumentException: Unknown compression type id: {}", attributes.0 & 7))
    })?;
    Ok(format!(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} producerEpoch: {} \
         partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {} position: {} {}: {} size: {} \
         magic: {} compresscodec: {} crc: {} isvalid: {is_valid}",
        header.base_offset,
        header.last_offset(),
        header.record_count,
        header.base_sequence,
        header.last_sequence(),
        header.producer_id,
        header.producer_epoch,
        header.partition_leader_epoch,
        attributes.is_transactional(),
        attributes.is_control(),
        optional(attributes.has_delete_horizon().then_some(header.base_timestamp)),
        batch.position,
        timestamp_name(attributes.timestamp_type()),
        header.max_timestamp,
        batch.size,
        batch.magic,
        codec.name(),
        header.crc,
    ))
}

fn dump_record(dump: &mut Dump<'_>, batch: &FoundBatch, record: &Record<'_>, offset: i64, decoders: &Decoders) -> Done {
    let header = &batch.header;
    let is_bare = dump.parsed.has("skip-record-metadata");
    let mut line = String::new();
    if !is_bare {
        let size = |part: Option<&[u8]>| part.map_or_else(|| "-1".to_owned(), |part| part.len().to_string());
        let sequence = match header.base_sequence {
            NO_SEQUENCE => NO_SEQUENCE,
            _ => BatchHeader { last_offset_delta: record.offset_delta, ..*header }.last_sequence(),
        };
        let keys: Vec<_> = record.headers.map(|header| String::from_utf8_lossy(header.key)).collect();
        let _ = write!(
            line,
            "| offset: {offset} {}: {} keySize: {} valueSize: {} sequence: {sequence} headerKeys: [{}]",
            timestamp_name(header.attributes.timestamp_type()),
            header.record_timestamp(record.timestamp_delta),
            size(record.key),
            size(record.value),
            keys.join(","),
        );
        if header.attributes.is_control() {
            line += &control(record)?;
        }
    }
    if decoders.print_contents && !header.attributes.is_control() {
        // What was written of this record before its content fails stays written.
        dump.print(&line)?;
        line = decoders.contents(record, offset, if is_bare { "| " } else { " " })?;
    }
    dump.line(&line)
}

/// What a control record says.
fn control(record: &Record<'_>) -> Done<String> {
    let key = record.key.unwrap_or_default();
    let value = record.value.unwrap_or_default();
    let Some(kind) = key.get(2..4).map(|kind| i16::from_be_bytes([kind[0], kind[1]])) else {
        return Err(Failure::told(format!(
            "org.apache.kafka.common.InvalidRecordException: Invalid value size found for control record key. Must have at least 4 bytes, but found only {}",
            key.len()
        )));
    };
    let Some(kind) = ControlRecordType::from_key(key) else {
        return Ok(format!(" controlType: UNKNOWN({kind})"));
    };
    Ok(match kind {
        ControlRecordType::Abort | ControlRecordType::Commit => {
            let marker = EndTransactionMarker::from_value(value).ok_or_else(|| {
                Failure::told("org.apache.kafka.common.InvalidRecordException: malformed end transaction marker")
            })?;
            let name = if kind == ControlRecordType::Abort { "ABORT" } else { "COMMIT" };
            format!(" endTxnMarker: {name} coordinatorEpoch: {}", marker.coordinator_epoch)
        }
        ControlRecordType::LeaderChange => {
            let message = read::<LeaderChangeMessage<'_>>(value)?;
            format!(" LeaderChange: {}", message.to_json(message.version))
        }
        ControlRecordType::SnapshotHeader => {
            let message = read::<SnapshotHeaderRecord<'_>>(value)?;
            format!(" SnapshotHeader {}", message.to_json(message.version))
        }
        ControlRecordType::SnapshotFooter => {
            let message = read::<SnapshotFooterRecord<'_>>(value)?;
            format!(" SnapshotFooter {}", message.to_json(message.version))
        }
        ControlRecordType::KraftVersion => {
            let message = read::<KRaftVersionRecord<'_>>(value)?;
            format!(" KRaftVersion {}", message.to_json(message.version))
        }
        ControlRecordType::KraftVoters => {
            let message = read::<VotersRecord<'_>>(value)?;
            format!(" KRaftVoters {}", message.to_json(message.version))
        }
    })
}

/// A control record's value, which Kafka reads in version 0 whatever it says of itself.
fn read<'a, T: Decode<'a>>(value: &'a [u8]) -> Done<T> {
    T::decode(&mut Reader::new(value), 0)
        .map_err(|error| Failure::told(format!("org.apache.kafka.common.InvalidRecordException: {error}")))
}

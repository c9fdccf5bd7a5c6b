//! `.log` and `.checkpoint`: batches, and their records.

use super::decoders::Decoders;
use super::{Done, Dump, DumpedFile, Failure, Line, note};
use crate::log_file::{FoundBatch, FoundRecord, LOG_OVERHEAD, Source};
use crate::old_format;
use ottla_raft::SnapshotId;
use ottla_wire::batch::{
    BatchHeader, Codecs, ControlRecordType, EndTransactionMarker, HEADER_LEN, NO_SEQUENCE, Record, TimestampType,
};
use ottla_wire::other::{
    KRaftVersionRecord, LeaderChangeMessage, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord,
};
use ottla_wire::{Decode, Reader, ToJson};
use serde_json::{Map, Value, json};

pub(super) fn dump(dump: &mut Dump<'_>, file: &DumpedFile, decoders: &Decoders, bytes_max: i32) -> Done {
    if file.name.ends_with(".log") {
        let start = file.base_offset()?;
        dump.words("logStartingOffset", start, &format!("Log starting offset: {start}"))?;
    } else if file.name == "bootstrap.checkpoint" {
        dump.words("snapshot", "bootstrap", "KRaft bootstrap snapshot")?;
    } else {
        let id = SnapshotId::from_file_name(&file.name)
            .ok_or_else(|| Failure::told("java.util.NoSuchElementException: No value present"))?;
        let words = format!("Snapshot end offset: {}, epoch: {}", id.end_offset, id.epoch);
        dump.words("snapshot", json!({ "endOffset": id.end_offset, "epoch": id.epoch }), &words)?;
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
        batch_line(dump, &source, &batch)?;
        if is_deep {
            source.records(&batch, &mut codecs, |record| {
                let offset = record.offset;
                if offset != last_offset.wrapping_add(1) {
                    note(&mut dump.gaps, file, (last_offset, offset));
                }
                last_offset = offset;
                dump_record(dump, &batch, record, decoders)
            })?;
        }
        position += batch.size;
    }
    if end > position && bytes_max == i32::MAX {
        let words = format!("Found {} invalid bytes at the end of {}", end - position, file.name);
        dump.words("invalidBytes", end - position, &words)?;
    }
    Ok(())
}

fn timestamp_name(batch: &FoundBatch) -> &'static str {
    match batch.header.attributes.timestamp_type() {
        _ if batch.magic == 0 => "NoTimestampType",
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn batch_line(dump: &mut Dump<'_>, source: &Source, batch: &FoundBatch) -> Done {
    let header = &batch.header;
    let attributes = header.attributes;
    let bytes = source.whole(batch)?;
    let is_valid = match batch.is_old() {
        true => bytes.get(LOG_OVERHEAD..).is_some_and(old_format::is_valid),
        false => bytes.get(HEADER_LEN..).is_some_and(|records| header.computed_crc(records) == header.crc),
    };
    let line = match batch.is_old() {
        true => Line::default().with("offset", header.base_offset),
        false => new_line(header),
    };
    let Ok(codec) = attributes.compression() else {
        // Kafka's tool has written so much when it finds out.
        if !dump.as_json {
            dump.print(&line.text())?;
        }
        return Err(Failure::told(format!(
            "java.lang.IllegalArgumentException: Unknown compression type id: {}",
            attributes.0 & 7
        )));
    };
    let line = line
        .with("position", batch.position)
        .with(timestamp_name(batch), header.max_timestamp)
        .with("size", batch.size)
        .with("magic", batch.magic)
        .with("compresscodec", codec.name())
        .with("crc", header.crc)
        .with("isvalid", is_valid);
    dump.fields(line)
}

/// What only today's format has.
fn new_line(header: &BatchHeader) -> Line {
    let attributes = header.attributes;
    Line::default()
        .with("baseOffset", header.base_offset)
        .with("lastOffset", header.last_offset())
        .with("count", header.record_count)
        .with("baseSequence", header.base_sequence)
        .with("lastSequence", header.last_sequence())
        .with("producerId", header.producer_id)
        .with("producerEpoch", header.producer_epoch)
        .with("partitionLeaderEpoch", header.partition_leader_epoch)
        .with("isTransactional", attributes.is_transactional())
        .with("isControl", attributes.is_control())
        .with_maybe("deleteHorizonMs", attributes.has_delete_horizon().then_some(header.base_timestamp))
}

fn dump_record(dump: &mut Dump<'_>, batch: &FoundBatch, found: &FoundRecord<'_>, decoders: &Decoders) -> Done {
    let header = &batch.header;
    let (record, offset) = (&found.record, found.offset);
    let is_bare = dump.parsed.has("skip-record-metadata");
    let is_control = header.attributes.is_control();
    let control = if is_control && !is_bare { Some(Control::read(record)?) } else { None };
    let shows_contents = decoders.print_contents && !is_control;
    if dump.as_json {
        let mut object = if is_bare { Map::new() } else { record_line(batch, found).json() };
        if let Some(control) = control {
            control.put(&mut object);
        }
        if shows_contents {
            let (key, value) = decoders.contents(record, offset)?;
            object.insert("key".into(), decoders.as_json(key));
            object.insert("payload".into(), decoders.as_json(value));
        }
        return dump.object(object);
    }
    if !is_bare {
        dump.print(&format!("| {}", record_line(batch, found).text()))?;
    }
    if let Some(control) = control {
        dump.print(&control.text())?;
    }
    if shows_contents {
        // What was written of this record before its content fails stays written.
        let mut prefix = if is_bare { "| " } else { " " };
        let (key, value) = decoders.contents(record, offset)?;
        for (name, part) in [("key", key), ("payload", value)] {
            if let Some(part) = part {
                dump.print(&format!("{prefix}{name}: {part}"))?;
                prefix = " ";
            }
        }
    }
    dump.line("")
}

fn record_line(batch: &FoundBatch, found: &FoundRecord<'_>) -> Line {
    let (header, record) = (&batch.header, &found.record);
    let size = |part: Option<&[u8]>| part.map_or(-1, |part| i64::try_from(part.len()).unwrap_or(i64::MAX));
    let line = Line::default()
        .with("offset", found.offset)
        .with(timestamp_name(batch), found.timestamp)
        .with("keySize", size(record.key))
        .with("valueSize", size(record.value));
    if let Some((is_valid, crc)) = found.seal {
        return line.with("isValid", is_valid).with("crc", crc);
    }
    let sequence = match header.base_sequence {
        NO_SEQUENCE => NO_SEQUENCE,
        _ => BatchHeader { last_offset_delta: record.offset_delta, ..*header }.last_sequence(),
    };
    let keys: Vec<_> = record.headers.map(|header| String::from_utf8_lossy(header.key).into_owned()).collect();
    line.with("sequence", sequence).with_list("headerKeys", &keys)
}

/// What a control record says.
enum Control {
    Marker {
        name: &'static str,
        coordinator_epoch: i32,
    },
    /// A message of the quorum: the words before it, its name in JSON, itself.
    Message(&'static str, &'static str, String),
    Unknown(i16),
}

impl Control {
    fn read(record: &Record<'_>) -> Done<Self> {
        let key = record.key.unwrap_or_default();
        let value = record.value.unwrap_or_default();
        let Some(kind) = key.get(2..4).map(|kind| i16::from_be_bytes([kind[0], kind[1]])) else {
            return Err(Failure::told(format!(
                "org.apache.kafka.common.InvalidRecordException: Invalid value size found for control record key. Must have at least 4 bytes, but found only {}",
                key.len()
            )));
        };
        let Some(kind) = ControlRecordType::from_key(key) else {
            return Ok(Self::Unknown(kind));
        };
        Ok(match kind {
            ControlRecordType::Abort | ControlRecordType::Commit => {
                let marker = EndTransactionMarker::from_value(value).ok_or_else(|| {
                    Failure::told("org.apache.kafka.common.InvalidRecordException: malformed end transaction marker")
                })?;
                let name = if kind == ControlRecordType::Abort { "ABORT" } else { "COMMIT" };
                Self::Marker { name, coordinator_epoch: marker.coordinator_epoch }
            }
            ControlRecordType::LeaderChange => {
                let message = read::<LeaderChangeMessage<'_>>(value)?;
                Self::Message("LeaderChange:", "leaderChange", message.to_json(message.version).to_string())
            }
            ControlRecordType::SnapshotHeader => {
                let message = read::<SnapshotHeaderRecord<'_>>(value)?;
                Self::Message("SnapshotHeader", "snapshotHeader", message.to_json(message.version).to_string())
            }
            ControlRecordType::SnapshotFooter => {
                let message = read::<SnapshotFooterRecord<'_>>(value)?;
                Self::Message("SnapshotFooter", "snapshotFooter", message.to_json(message.version).to_string())
            }
            ControlRecordType::KraftVersion => {
                let message = read::<KRaftVersionRecord<'_>>(value)?;
                Self::Message("KRaftVersion", "kRaftVersion", message.to_json(message.version).to_string())
            }
            ControlRecordType::KraftVoters => {
                let message = read::<VotersRecord<'_>>(value)?;
                Self::Message("KRaftVoters", "kRaftVoters", message.to_json(message.version).to_string())
            }
        })
    }

    fn text(&self) -> String {
        match self {
            Self::Marker { name, coordinator_epoch } => {
                format!(" endTxnMarker: {name} coordinatorEpoch: {coordinator_epoch}")
            }
            Self::Message(words, _, message) => format!(" {words} {message}"),
            Self::Unknown(kind) => format!(" controlType: UNKNOWN({kind})"),
        }
    }

    fn put(&self, object: &mut Map<String, Value>) {
        match self {
            Self::Marker { name, coordinator_epoch } => {
                object.insert("endTxnMarker".into(), (*name).into());
                object.insert("coordinatorEpoch".into(), (*coordinator_epoch).into());
            }
            Self::Message(_, name, message) => {
                let message = serde_json::from_str(message).unwrap_or_else(|_| message.as_str().into());
                object.insert((*name).into(), message);
            }
            Self::Unknown(kind) => {
                object.insert("controlType".into(), (*kind).into());
            }
        }
    }
}

/// A control record's value, which Kafka reads in version 0 whatever it says of itself.
fn read<'a, T: Decode<'a>>(value: &'a [u8]) -> Done<T> {
    T::decode(&mut Reader::new(value), 0)
        .map_err(|error| Failure::told(format!("org.apache.kafka.common.InvalidRecordException: {error}")))
}

//! Files that Apache Kafka 4.4.0 wrote: every record of the metadata log, of its snapshots and of the coordinators' topics
//! is read and written again to the same bytes, every batch is built again from its records, and the files that are
//! messages themselves come back. How they were made stands in `captured/logs/README.md`.

use ottla_wire::batch::{
    Batch, BatchBuilder, Batches, ControlRecordType, EndTransactionMarker, ProducerStamp, Record, RecordHeader,
};
use ottla_wire::group::{GroupKey, GroupValue};
use ottla_wire::metadata::MetadataRecord;
use ottla_wire::other::{
    AbortedTxn, KRaftVersionRecord, LeaderChangeMessage, ProducerSnapshot, SnapshotFooterRecord, SnapshotHeaderRecord,
    VotersRecord,
};
use ottla_wire::share::{ShareKey, ShareValue};
use ottla_wire::transaction::{TransactionKey, TransactionValue};
use ottla_wire::{Decode, DecodeError, Encode, Message, Reader, VersionRange, Writer, decode_exact, encode_to_vec};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn folder(topic: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captured/logs").join(topic)
}

/// The files of a folder that end so.
pub fn files(topic: &str, suffix: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder(topic)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let wanted = paths.iter().filter(|path| path.to_string_lossy().ends_with(suffix));
    let files: Vec<_> = wanted.map(|path| std::fs::read(path).unwrap()).collect();
    assert!(!files.is_empty(), "{topic} has no {suffix}");
    files
}

/// Every batch of a file, which must hold nothing else.
fn batches(bytes: &[u8]) -> Vec<Batch<'_>> {
    let mut walker = Batches::new(bytes);
    let batches: Vec<_> = walker.by_ref().map(Result::unwrap).collect();
    assert_eq!(walker.position(), bytes.len());
    batches.iter().for_each(|batch| batch.verify_crc().unwrap());
    batches
}

/// Calls with every record, and whether it is a control record.
fn records(bytes: &[u8], mut visit: impl FnMut(bool, &Record<'_>)) {
    for batch in batches(bytes) {
        let control = batch.header.attributes.is_control();
        batch.records().expect("not compressed").for_each(|record| visit(control, &record.unwrap()));
    }
}

fn control(record: &Record<'_>, seen: &mut BTreeMap<String, usize>) {
    let (key, value) = (record.key.unwrap(), record.value.unwrap());
    let kind = ControlRecordType::from_key(key).unwrap();
    assert_eq!(kind.key(), key);
    match kind {
        ControlRecordType::Abort | ControlRecordType::Commit => {
            assert_eq!(EndTransactionMarker::from_value(value).unwrap().value(), value);
        }
        ControlRecordType::LeaderChange => versioned::<LeaderChangeMessage>(value),
        ControlRecordType::SnapshotHeader => versioned::<SnapshotHeaderRecord>(value),
        ControlRecordType::SnapshotFooter => versioned::<SnapshotFooterRecord>(value),
        ControlRecordType::KraftVersion => versioned::<KRaftVersionRecord>(value),
        ControlRecordType::KraftVoters => versioned::<VotersRecord>(value),
    }
    *seen.entry(format!("{kind:?}")).or_default() += 1;
}

/// A message whose first field is its version.
fn versioned<'a, T: Message + Decode<'a>>(value: &'a [u8]) {
    let version = i16::from_be_bytes([value[0], value[1]]);
    let message: T = decode_exact(value, version).unwrap();
    assert_eq!(encode_to_vec(&message, version).unwrap(), value, "{}", T::NAME);
}

/// Frame version, type, version, message.
fn metadata_record(value: &[u8]) -> String {
    let mut reader = Reader::new(value);
    assert_eq!(reader.uvarint(), Ok(1));
    let (id, version) = (reader.uvarint().unwrap(), reader.uvarint().unwrap());
    let version = version as i16;
    let record = MetadataRecord::decode(id as i16, &mut reader, version).unwrap();
    reader.finish().unwrap();
    let mut writer = Writer::new();
    writer.uvarint(1);
    writer.uvarint(record.id() as u32);
    writer.uvarint(version as u32);
    record.encode(&mut writer, version).unwrap();
    assert_eq!(writer.into_bytes(), value, "{record:?}");
    let name = format!("{record:?}");
    name.split('(').next().unwrap_or_default().to_owned()
}

#[test]
fn metadata_records_and_snapshots_come_back() {
    let topic = "__cluster_metadata-0";
    let mut seen = BTreeMap::new();
    for file in files(topic, ".log").iter().chain(&files(topic, ".checkpoint")) {
        records(file, |is_control, record| {
            if is_control {
                return control(record, &mut seen);
            }
            assert_eq!(record.key, None);
            *seen.entry(metadata_record(record.value.unwrap())).or_default() += 1;
        });
    }
    for name in [
        "LeaderChange",
        "SnapshotHeader",
        "SnapshotFooter",
        "KraftVersion",
        "KraftVoters",
        "RegisterBroker",
        "Topic",
        "Partition",
        "Config",
        "PartitionChange",
        "ClearElr",
        "RemoveTopic",
        "UserScramCredential",
        "FeatureLevel",
        "ClientQuota",
        "ProducerIds",
        "BrokerRegistrationChange",
        "AccessControlEntry",
        "RemoveAccessControlEntry",
        "NoOp",
        "RemoveUserScramCredential",
        "BeginTransaction",
        "EndTransaction",
        "RegisterController",
    ] {
        assert!(seen.contains_key(name), "no {name} was captured: {seen:?}");
    }
}

/// Keys and values of a coordinator's topic, which the key's number tells apart.
trait Coordinator<'a> {
    type Key: Encode;
    type Value: Encode;
    fn key(id: i16, reader: &mut Reader<'a>) -> Result<Self::Key, DecodeError>;
    fn value(id: i16, reader: &mut Reader<'a>, version: i16) -> Result<(Self::Value, VersionRange), DecodeError>;
}

macro_rules! coordinator {
    ($name:ident $key:ident $value:ident) => {
        struct $name;

        impl<'a> Coordinator<'a> for $name {
            type Key = $key<'a>;
            type Value = $value<'a>;

            fn key(id: i16, reader: &mut Reader<'a>) -> Result<Self::Key, DecodeError> {
                $key::decode(id, reader, 0)
            }

            fn value(
                id: i16,
                reader: &mut Reader<'a>,
                version: i16,
            ) -> Result<(Self::Value, VersionRange), DecodeError> {
                let value = $value::decode(id, reader, version)?;
                let versions = value.versions();
                Ok((value, versions))
            }
        }
    };
}

coordinator!(Groups GroupKey GroupValue);
coordinator!(Shares ShareKey ShareValue);
coordinator!(Transactions TransactionKey TransactionValue);

/// Reads all records of a topic; the numbers of the keys that came, with a value and without.
fn coordinator<'a, C: Coordinator<'a>>(file: &'a [u8]) -> BTreeMap<i16, (usize, usize)> {
    let mut seen: BTreeMap<i16, (usize, usize)> = BTreeMap::new();
    for batch in batches(file) {
        for record in batch.records().expect("not compressed") {
            let record = record.unwrap();
            if batch.header.attributes.is_control() {
                control(&record, &mut BTreeMap::new());
                continue;
            }
            let key = record.key.unwrap();
            let mut reader = Reader::new(key);
            let id = reader.i16().unwrap();
            let message = C::key(id, &mut reader).unwrap_or_else(|e| panic!("key {id}: {e}"));
            reader.finish().unwrap();
            let mut writer = Writer::new();
            writer.i16(id);
            // A key is the number behind which its version 0 stands.
            message.encode(&mut writer, 0).unwrap();
            assert_eq!(writer.into_bytes(), key);
            let count = seen.entry(id).or_default();
            let Some(value) = record.value else {
                count.1 += 1;
                continue;
            };
            count.0 += 1;
            let mut reader = Reader::new(value);
            let version = reader.i16().unwrap();
            let (message, versions) = C::value(id, &mut reader, version).unwrap_or_else(|e| panic!("value {id}: {e}"));
            reader.finish().unwrap();
            assert!(versions.contains(version));
            let mut writer = Writer::new();
            writer.i16(version);
            message.encode(&mut writer, version).unwrap();
            assert_eq!(writer.into_bytes(), value);
        }
    }
    seen
}

#[test]
fn records_of_groups_come_back() {
    for file in files("__consumer_offsets-0", ".log") {
        let seen = coordinator::<Groups>(&file);
        let ids: Vec<i16> = seen.keys().copied().collect();
        assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23], "{seen:?}");
        assert!(seen.values().any(|(_, tombstones)| *tombstones > 0));
    }
}

#[test]
fn records_of_transactions_and_share_groups_come_back() {
    let transactions = coordinator::<Transactions>(&files("__transaction_state-0", ".log")[0]);
    assert!(transactions[&0].0 > 3, "{transactions:?}");
    let shares = coordinator::<Shares>(&files("__share_group_state-0", ".log")[0]);
    assert!(shares.contains_key(&0) && shares.contains_key(&1), "{shares:?}");
}

#[test]
fn batches_are_built_again_from_their_records() {
    let mut built = 0;
    for (topic, suffix) in [
        ("__cluster_metadata-0", ".log"),
        ("__cluster_metadata-0", ".checkpoint"),
        ("__consumer_offsets-0", ".log"),
        ("__transaction_state-0", ".log"),
        ("__share_group_state-0", ".log"),
        ("mixed-0", ".log"),
    ] {
        for file in files(topic, suffix) {
            for batch in batches(&file) {
                // What a codec makes of the same records is its own affair.
                built += usize::from(batch.records().is_some_and(|_| rebuild(&batch)));
            }
        }
    }
    assert!(built > 100, "{built}");
}

fn rebuild(batch: &Batch<'_>) -> bool {
    let header = &batch.header;
    let mut builder = BatchBuilder::new(header.base_offset).leader_epoch(header.partition_leader_epoch);
    builder = builder.producer(ProducerStamp {
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
    });
    if header.attributes.is_transactional() {
        builder = builder.transactional();
    }
    if header.attributes.is_control() {
        builder = builder.control();
    }
    for record in batch.records().expect("not compressed") {
        let record = record.unwrap();
        let headers: Vec<_> = record.headers.map(|header| RecordHeader::new(header.key, header.value)).collect();
        let timestamp = header.base_timestamp + record.timestamp_delta;
        builder.append_at(record.offset_delta, timestamp, record.key, record.value, &headers).unwrap();
    }
    let mut out = Vec::new();
    builder.build_plain(&mut out).unwrap();
    assert_eq!(out, batch.bytes, "{header:?}");
    true
}

#[test]
fn user_data_has_every_codec() {
    let file = files("mixed-0", ".log").remove(0);
    let mut codecs: Vec<_> = batches(&file).iter().map(|b| b.header.attributes.compression().unwrap()).collect();
    codecs.sort_unstable();
    codecs.dedup();
    assert_eq!(codecs, ottla_wire::batch::Compression::ALL);
    let whole = batches(&file);
    assert!(whole.iter().any(|batch| batch.header.attributes.is_transactional()));
    assert!(whole.iter().any(|batch| batch.header.attributes.is_control()));
}

#[test]
fn transaction_indexes_and_producer_snapshots_come_back() {
    let index = files("mixed-0", ".txnindex").remove(0);
    assert_eq!(index.len() % 34, 0);
    for entry in index.chunks(34) {
        let version = i16::from_be_bytes([entry[0], entry[1]]);
        let message: AbortedTxn = decode_exact(&entry[2..], version).unwrap();
        assert_eq!(encode_to_vec(&message, version).unwrap(), &entry[2..]);
    }
    let snapshot = files("mixed-0", ".snapshot").remove(0);
    let version = i16::from_be_bytes([snapshot[0], snapshot[1]]);
    let message: ProducerSnapshot = decode_exact(&snapshot[2..], version).unwrap();
    assert_eq!(encode_to_vec(&message, version).unwrap(), &snapshot[2..]);
}

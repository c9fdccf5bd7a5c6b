//! Frames that Apache Kafka 4.4.0 and other people's clients sent each other: header and body are read whole and written
//! again to the same bytes, with what travels inside (record batches, forwarded requests, consumers' subscriptions).
//! `kafka-wire` reads and writes the same bodies.

use crate::schema::{Kind, Schema};
use ottla_wire::batch::{Batches, Codecs, Compression, Records as BatchRecords, ScanLimits, scan};
use ottla_wire::other::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, RequestHeader, ResponseHeader};
use ottla_wire::{ApiKey, Decode, Message, Reader, api, decode_exact, encode_to_vec};
use std::path::Path;

/// A captured frame, without the four bytes of its length.
pub struct Frame {
    pub name: String,
    pub key: ApiKey,
    pub version: i16,
    pub kind: Kind,
    pub bytes: Vec<u8>,
}

impl Frame {
    /// Header and body apart; the header is written again and compared.
    pub fn split(&self) -> (i16, &[u8]) {
        let info = self.key.info();
        match self.kind {
            Kind::Request => {
                let version = info.request_header_version(self.version);
                (version, self.behind::<RequestHeader>(version))
            }
            _ => {
                let version = info.response_header_version(self.key, self.version);
                (version, self.behind::<ResponseHeader>(version))
            }
        }
    }

    /// What stands behind a header.
    fn behind<'a, H: Message + Decode<'a>>(&'a self, version: i16) -> &'a [u8] {
        let mut reader = Reader::new(&self.bytes);
        let header = H::decode(&mut reader, version).unwrap_or_else(|e| panic!("{}: header: {e}", self.name));
        let body = reader.rest();
        assert_eq!(
            encode_to_vec(&header, version).unwrap(),
            self.bytes[..self.bytes.len() - body.len()],
            "{}",
            self.name
        );
        body
    }

    /// The message that the body is.
    pub fn message_name(&self) -> String {
        format!("{}{}", self.key.info().name, if self.kind == Kind::Request { "Request" } else { "Response" })
    }
}

/// All captured frames, in the order of their names.
pub fn all() -> Vec<Frame> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captured");
    let mut frames: Vec<Frame> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let words: Vec<&str> = name.split('-').collect();
            let key = words[0].parse().ok().and_then(ApiKey::from_code).expect("an API key");
            let kind = if words[2] == "request" { Kind::Request } else { Kind::Response };
            Frame { key, version: words[1].parse().unwrap(), kind, bytes: std::fs::read(path).unwrap(), name }
        })
        .collect();
    frames.sort_by(|a, b| a.name.cmp(&b.name));
    frames
}

#[test]
fn captured_frames_come_back_byte_by_byte() {
    let (ours, theirs) = (crate::ours::all(), crate::theirs::all());
    let frames = all();
    assert!(frames.len() > 300, "{} frames", frames.len());
    for frame in &frames {
        let (_, body) = frame.split();
        let message = frame.message_name();
        assert_eq!(
            (ours[message.as_str()].again)(body, frame.version).as_deref(),
            Ok(body),
            "{}: {message}",
            frame.name
        );
        if let Some(their) = theirs.get(message.as_str()).filter(|their| (their.supports)(frame.version)) {
            assert_eq!((their.again)(body, frame.version).as_deref(), Ok(body), "{}: {message}", frame.name);
        }
    }
}

#[test]
fn captured_requests_name_their_api_and_version() {
    for frame in all().iter().filter(|frame| frame.kind == Kind::Request) {
        let version = frame.key.info().request_header_version(frame.version);
        let header = RequestHeader::decode(&mut Reader::new(&frame.bytes), version).unwrap();
        assert_eq!((header.request_api_key, header.request_api_version), (frame.key as i16, frame.version));
    }
}

#[test]
fn batches_in_captured_frames_are_whole() {
    let mut batches = 0;
    for frame in all() {
        let (_, body) = frame.split();
        match (frame.key, frame.kind) {
            (ApiKey::Produce, Kind::Request) => {
                let request: api::ProduceRequest = decode_exact(body, frame.version).unwrap();
                for partition in request.topic_data.iter().flat_map(|topic| &topic.partition_data) {
                    batches += partition.records.as_ref().map_or(0, |records| walk(records.bytes(), &frame.name));
                }
            }
            (ApiKey::Fetch, Kind::Response) => {
                let response: api::FetchResponse = decode_exact(body, frame.version).unwrap();
                for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
                    batches += partition.records.as_ref().map_or(0, |records| walk(records.bytes(), &frame.name));
                }
            }
            _ => {}
        }
    }
    assert!(batches > 20, "{batches} batches");
}

/// Checks every batch and counts them.
fn walk(bytes: &[u8], name: &str) -> usize {
    let mut codecs = Codecs::default();
    let mut walker = Batches::new(bytes);
    let mut count = 0;
    for batch in walker.by_ref() {
        let batch = batch.unwrap_or_else(|e| panic!("{name}: {e}"));
        batch.verify_crc().unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut scanned = Vec::new();
        scan(&batch, &mut codecs, ScanLimits::default(), |shape| scanned.push(shape)).unwrap();
        let mut plain = Vec::new();
        let codec = batch.header.attributes.compression().unwrap();
        codecs.decompress(codec, batch.record_bytes(), &mut plain, 1 << 24).unwrap();
        let records: Vec<_> = BatchRecords::new(&plain, batch.header.record_count).map(Result::unwrap).collect();
        assert_eq!(records.len(), scanned.len(), "{name}");
        assert!(
            records.iter().zip(&scanned).all(|(record, shape)| record.offset_delta == shape.offset_delta),
            "{name}"
        );
        assert_eq!(batch.records().is_some(), codec == Compression::None);
        count += 1;
    }
    // A fetch may cut off its last batch; a whole one is never left.
    let left = &bytes[walker.position()..];
    assert!(Batches::new(left).next().is_none(), "{name}: {} bytes left", left.len());
    count
}

#[test]
fn forwarded_requests_are_frames_of_their_own() {
    let ours = crate::ours::all();
    let mut forwarded = 0;
    for frame in all().iter().filter(|frame| frame.key == ApiKey::Envelope && frame.kind == Kind::Request) {
        let (_, body) = frame.split();
        let envelope: api::EnvelopeRequest = decode_exact(body, frame.version).unwrap();
        let bytes = envelope.request_data.to_vec();
        let number = |at: usize| i16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let key = ApiKey::from_code(number(0)).unwrap();
        let inner = Frame { name: frame.name.clone(), key, version: number(2), kind: Kind::Request, bytes };
        let (_, body) = inner.split();
        assert_eq!((ours[inner.message_name().as_str()].again)(body, inner.version).as_deref(), Ok(body));
        forwarded += 1;
    }
    assert!(forwarded > 0);
}

#[test]
fn subscriptions_and_assignments_of_consumers_come_back() {
    let mut seen = (0, 0);
    for frame in all() {
        let (_, body) = frame.split();
        match (frame.key, frame.kind) {
            (ApiKey::JoinGroup, Kind::Request) => {
                let request: api::JoinGroupRequest = decode_exact(body, frame.version).unwrap();
                for protocol in request.protocols.iter().filter(|_| request.protocol_type == "consumer") {
                    embedded::<ConsumerProtocolSubscription>(&protocol.metadata, &frame.name);
                    seen.0 += 1;
                }
            }
            (ApiKey::SyncGroup, Kind::Response) => {
                let response: api::SyncGroupResponse = decode_exact(body, frame.version).unwrap();
                if !response.assignment.is_empty() {
                    embedded::<ConsumerProtocolAssignment>(&response.assignment, &frame.name);
                    seen.1 += 1;
                }
            }
            _ => {}
        }
    }
    assert!(seen.0 > 3 && seen.1 > 0, "{seen:?}");
}

/// A message behind its version. What stands behind it is a later version's, which Kafka leaves alone too.
fn embedded<'a, T: Message + Decode<'a>>(bytes: &'a [u8], name: &str) {
    let mut reader = Reader::new(bytes);
    let version = reader.i16().unwrap();
    assert!(T::VERSIONS.contains(version), "{name}: {} {version}", T::NAME);
    let message = T::decode(&mut reader, version).unwrap_or_else(|e| panic!("{name}: {e}"));
    let read = &bytes[2..bytes.len() - reader.rest().len()];
    assert_eq!(encode_to_vec(&message, version).unwrap(), read, "{name}");
    assert!(reader.rest().is_empty(), "{name}: {} bytes left", reader.rest().len());
}

#[test]
fn the_schemas_name_every_captured_api() {
    let schemas = crate::schemas();
    for frame in all() {
        let holds = |schema: &Schema| schema.kind == frame.kind && schema.id == frame.key as i16;
        let (_, schema) = schemas.iter().find(|(_, schema)| holds(schema)).unwrap();
        assert_eq!(schema.name, frame.message_name());
    }
}

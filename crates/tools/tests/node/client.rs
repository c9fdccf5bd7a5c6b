//! A client of few words: it writes frames, well or badly formed, and reads answers. It blocks, with a limit on each read.

use ottla_wire::api::{
    ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest, CreateTopicsResponse, FetchRequest, FetchResponse,
    InitProducerIdRequest, InitProducerIdResponse, MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse,
    create_topics_request::CreatableTopic,
    fetch_request::{FetchPartition, FetchTopic},
    metadata_request::MetadataRequestTopic,
    produce_request::{PartitionProduceData, TopicProduceData},
};
use ottla_wire::batch::{BatchBuilder, ProducerStamp};
use ottla_wire::other::{RequestHeader, ResponseHeader};
use ottla_wire::{ApiKey, Decode, Encode, Reader, Uuid, Writer, decode_exact};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any honest answer takes here.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client {
    pub stream: TcpStream,
    correlation_id: i32,
}

/// An answer, with its header taken off.
pub struct Reply {
    pub correlation_id: i32,
    body: Vec<u8>,
    version: i16,
}

impl Reply {
    pub fn read<'a, T: Decode<'a>>(&'a self) -> T {
        decode_exact(&self.body, self.version).unwrap()
    }
}

/// A request with its header and its length.
pub fn frame(key: ApiKey, version: i16, correlation_id: i32, request: &dyn Encode) -> Vec<u8> {
    frame_from("test", key, version, correlation_id, request)
}

/// The same from a client of another id.
pub fn frame_from(client_id: &str, key: ApiKey, version: i16, correlation_id: i32, request: &dyn Encode) -> Vec<u8> {
    let mut writer = begin(client_id, key, version, correlation_id);
    request.encode(&mut writer, version).unwrap();
    end(writer)
}

/// A frame whose body is whatever it is.
pub fn raw_frame(key: ApiKey, version: i16, correlation_id: i32, body: &[u8]) -> Vec<u8> {
    let mut writer = begin("test", key, version, correlation_id);
    writer.raw(body);
    end(writer)
}

fn begin(client_id: &str, key: ApiKey, version: i16, correlation_id: i32) -> Writer {
    let mut writer = Writer::new();
    writer.i32(0);
    let header = RequestHeader {
        request_api_key: key as i16,
        request_api_version: version,
        correlation_id,
        client_id: Some(client_id.into()),
        ..Default::default()
    };
    header.encode(&mut writer, key.info().request_header_version(version)).unwrap();
    writer
}

fn end(mut writer: Writer) -> Vec<u8> {
    writer.patch_frame_length(0).unwrap();
    writer.into_bytes()
}

/// One record batch with these values.
pub fn batch(values: &[Vec<u8>], producer: Option<ProducerStamp>) -> Vec<u8> {
    let mut builder = BatchBuilder::new(0);
    if let Some(producer) = producer {
        builder = builder.producer(producer);
    }
    for value in values {
        builder.append(1_700_000_000_000, None, Some(value), &[]).unwrap();
    }
    let mut bytes = Vec::new();
    builder.build_plain(&mut bytes).unwrap();
    bytes
}

/// A Produce request for one partition, in a version that names topics.
pub fn produce_request<'a>(topic: &'a str, index: i32, acks: i16, records: &'a [u8]) -> ProduceRequest<'a> {
    let data = PartitionProduceData { index, records: Some(records.into()), ..Default::default() };
    let topic = TopicProduceData { name: topic.into(), partition_data: vec![data], ..Default::default() };
    ProduceRequest { acks, timeout_ms: 10_000, topic_data: vec![topic], ..Default::default() }
}

/// The last version of Produce that names topics.
pub const PRODUCE_BY_NAME: i16 = 12;
/// The last version of Fetch that names topics.
pub const FETCH_BY_NAME: i16 = 12;

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, correlation_id: 0 }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next answer; an error once the node has closed the connection.
    pub fn receive(&mut self, key: ApiKey, version: i16) -> io::Result<Reply> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut bytes = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
        self.stream.read_exact(&mut bytes)?;
        let mut reader = Reader::new(&bytes);
        let header = ResponseHeader::decode(&mut reader, key.info().response_header_version(key, version)).unwrap();
        Ok(Reply { correlation_id: header.correlation_id, body: reader.rest().to_vec(), version })
    }

    pub fn try_call(&mut self, key: ApiKey, version: i16, request: &dyn Encode) -> io::Result<Reply> {
        self.correlation_id += 1;
        self.stream.write_all(&frame(key, version, self.correlation_id, request))?;
        let reply = self.receive(key, version)?;
        assert_eq!(reply.correlation_id, self.correlation_id);
        Ok(reply)
    }

    pub fn call(&mut self, key: ApiKey, version: i16, request: &dyn Encode) -> Reply {
        self.try_call(key, version, request).unwrap()
    }

    /// Whether the node has closed the connection without another byte; fails if it neither closes nor answers.
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(count) => count == 0,
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => true,
            Err(error) => panic!("the node neither answers nor closes: {error}"),
        }
    }

    pub fn api_versions(&mut self) -> Vec<(i16, i16, i16)> {
        let request = ApiVersionsRequest {
            client_software_name: "test".into(),
            client_software_version: "1".into(),
            node_id: -1,
            ..Default::default()
        };
        let reply = self.call(ApiKey::ApiVersions, 3, &request);
        let response: ApiVersionsResponse<'_> = reply.read();
        assert_eq!(response.error_code, 0);
        response.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version)).collect()
    }

    pub fn create_topic(&mut self, name: &str, partitions: i32) {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
        let reply = self.call(ApiKey::CreateTopics, 7, &request);
        let response: CreateTopicsResponse<'_> = reply.read();
        assert_eq!(response.topics[0].error_code, 0, "{response:?}");
    }

    /// The id of a topic and how many partitions have a leader.
    pub fn describe_topic(&mut self, name: &str) -> (Uuid, usize) {
        let topic = MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
        let reply = self.call(ApiKey::Metadata, 12, &request);
        let response: MetadataResponse<'_> = reply.read();
        let topic = &response.topics[0];
        assert_eq!(topic.error_code, 0, "{response:?}");
        (topic.topic_id, topic.partitions.iter().filter(|p| p.error_code == 0 && p.leader_id >= 0).count())
    }

    /// The error of one produced batch and the offset that it got.
    pub fn produce(&mut self, topic: &str, index: i32, records: &[u8]) -> (i16, i64) {
        let reply = self.call(ApiKey::Produce, PRODUCE_BY_NAME, &produce_request(topic, index, -1, records));
        outcome(&reply)
    }

    pub fn init_producer_id(&mut self) -> (i64, i16) {
        let request = InitProducerIdRequest { producer_id: -1, producer_epoch: -1, ..Default::default() };
        let reply = self.call(ApiKey::InitProducerId, 4, &request);
        let response: InitProducerIdResponse<'_> = reply.read();
        assert_eq!(response.error_code, 0);
        (response.producer_id, response.producer_epoch)
    }

    /// The values of all records from an offset on, with the offset of each.
    pub fn fetch_all(&mut self, topic: &str, index: i32, from: i64) -> Vec<(i64, Vec<u8>)> {
        let mut found = Vec::new();
        let mut offset = from;
        loop {
            let (end, values) = self.fetch(topic, index, offset);
            found.extend(values);
            if found.last().is_none_or(|(last, _)| last + 1 >= end) {
                return found;
            }
            offset = found.last().map_or(from, |(last, _)| last + 1);
        }
    }

    /// The high watermark, and what one fetch brings.
    fn fetch(&mut self, topic: &str, index: i32, offset: i64) -> (i64, Vec<(i64, Vec<u8>)>) {
        let partition = FetchPartition {
            partition: index,
            fetch_offset: offset,
            current_leader_epoch: -1,
            partition_max_bytes: 4 << 20,
            ..Default::default()
        };
        let request = FetchRequest {
            replica_id: -1,
            max_bytes: 16 << 20,
            session_epoch: -1,
            topics: vec![FetchTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() }],
            ..Default::default()
        };
        let reply = self.call(ApiKey::Fetch, FETCH_BY_NAME, &request);
        let response: FetchResponse<'_> = reply.read();
        let data = &response.responses[0].partitions[0];
        assert_eq!(data.error_code, 0, "{topic}-{index} from {offset}");
        let bytes = data.records.as_ref().map_or(&[][..], |records| records.bytes());
        let mut values = Vec::new();
        for batch in ottla_wire::batch::Batches::new(bytes) {
            // The last batch may be cut off.
            let Ok(batch) = batch else { break };
            let base = batch.header.base_offset;
            for record in ottla_wire::batch::Records::new(batch.record_bytes(), batch.header.record_count) {
                let record = record.unwrap();
                let at = base + i64::from(record.offset_delta);
                if at >= offset {
                    values.push((at, record.value.unwrap_or_default().to_vec()));
                }
            }
        }
        (data.high_watermark, values)
    }
}

/// The error and the base offset of the only partition of a Produce response.
pub fn outcome(reply: &Reply) -> (i16, i64) {
    let response: ProduceResponse<'_> = reply.read();
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

//! The node under test and what stands around it. Nothing runs by itself: [`Fixture::settle`] runs jobs and controller
//! steps until there are none, [`Fixture::pass`] moves the clock.

use crate::host::TestHost;
use ottla_broker::{
    Answer, Authorization, CleanerWorker, Connection, ListenerKind, Node, Now, Parked, Place, Settings, Wake, Worker,
};
use ottla_log::TopicId;
use ottla_log::directory::{LogDirectory, MetaProperties};
use ottla_machine::{Disk, Instant, MemDisk, Seed, Timestamp};
use ottla_metadata::features::METADATA_VERSION;
use ottla_metadata::framing;
use ottla_metadata::image::Endpoint;
use ottla_raft::{SnapshotWriter, Voter, VoterSet};
use ottla_security::{ClientHost, Principal};
use ottla_wire::api::create_topics_request::CreatableTopic;
use ottla_wire::api::fetch_request::{FetchPartition, FetchTopic};
use ottla_wire::api::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_wire::api::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, FetchRequest, FetchResponse,
    MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse,
};
use ottla_wire::batch::{BatchBuilder, Batches, Records};
use ottla_wire::metadata::FeatureLevelRecord;
use ottla_wire::other::{RequestHeader, ResponseHeader};
use ottla_wire::{ApiKey, Decode, Encode, Reader, Uuid, Writer, decode_exact};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CLUSTER: &str = "bm9kZS1ub2RlLW5vZGUtbg";
pub const LOG_DIR: &str = "/data";
/// A second one, where a test asks for it.
pub const OTHER_LOG_DIR: &str = "/more";
/// `log.cleaner.backoff.ms`, as it is by default.
pub const CLEANER_BACKOFF: Duration = Duration::from_secs(15);
/// The last versions that name topics.
pub const BY_NAME: i16 = 12;

#[derive(Default)]
struct Woken {
    woken: AtomicBool,
    /// Done in the wake itself, as a connection on another thread might.
    at_once: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Woken {
    fn take(&self) -> bool {
        self.woken.swap(false, Ordering::SeqCst)
    }
}

impl Wake for Woken {
    fn wake(&self) {
        self.woken.store(true, Ordering::SeqCst);
        if let Some(look) = self.at_once.lock().unwrap().take() {
            look();
        }
    }
}

/// The time at which a fixture begins.
const BEGIN_MS: u64 = 1_000_000;

/// A client's connection.
pub struct Client {
    connection: Arc<Connection>,
    woken: Arc<Woken>,
}

impl Client {
    /// What the client's connection does at once when it is next woken.
    pub fn when_woken(&self, look: impl FnOnce() + Send + 'static) {
        *self.woken.at_once.lock().unwrap() = Some(Box::new(look));
    }
}

/// An answer, with its header taken off.
pub struct Reply {
    body: Vec<u8>,
    version: i16,
    /// How long the connection takes nothing then.
    pub wait: Duration,
}

impl Reply {
    pub fn read<'a, T: Decode<'a>>(&'a self) -> T {
        decode_exact(&self.body, self.version).unwrap()
    }
}

/// A request that the node has not answered yet.
pub struct Pending {
    parked: Box<dyn Parked<MemDisk>>,
    woken: Arc<Woken>,
    key: ApiKey,
    version: i16,
}

/// What became of a request.
pub enum Asked {
    Answered(Reply),
    Waits(Pending),
    Closed(String),
}

impl Asked {
    pub fn reply(self) -> Reply {
        match self {
            Self::Answered(reply) => reply,
            Self::Waits(_) => panic!("the request waits"),
            Self::Closed(reason) => panic!("the connection was closed: {reason}"),
        }
    }

    pub fn pending(self) -> Pending {
        match self {
            Self::Waits(pending) => pending,
            _ => panic!("the request does not wait"),
        }
    }
}

pub struct Fixture {
    pub disk: MemDisk,
    pub node: Arc<Node<MemDisk>>,
    pub admin: Client,
    host: Arc<TestHost>,
    now: Now,
    file: BTreeMap<String, String>,
    authorization: Authorization,
    pub log_dirs: Vec<&'static str>,
    starts: u64,
}

/// The id of one of the two log directories.
pub fn directory_id(path: &str) -> Uuid {
    Uuid([if path == LOG_DIR { 7 } else { 8 }; 16])
}

impl Fixture {
    pub fn new() -> Self {
        Self::with(Authorization::None, &[])
    }

    pub fn with(authorization: Authorization, file: &[(&str, &str)]) -> Self {
        Self::with_log_dirs(&[LOG_DIR], authorization, file)
    }

    /// The metadata lies in the first of them.
    pub fn with_log_dirs(log_dirs: &[&'static str], authorization: Authorization, file: &[(&str, &str)]) -> Self {
        Self::on(MemDisk::new(), log_dirs, authorization, file)
    }

    /// On a directory that was formatted with an older `metadata.version`.
    pub fn of_level(level: i16) -> Self {
        let disk = MemDisk::new();
        drop(LogDirectory::open(disk.clone(), Path::new(LOG_DIR)).unwrap());
        let record = FeatureLevelRecord { name: METADATA_VERSION.into(), feature_level: level, ..Default::default() };
        let mut bootstrap = SnapshotWriter::new(0, 0, 0, 0, None).unwrap();
        bootstrap.append(&framing::encode(&record.into(), 0).unwrap()).unwrap();
        let path = Path::new(LOG_DIR).join("bootstrap.checkpoint");
        disk.write_atomically(&path, &bootstrap.finish().unwrap()).unwrap();
        Self::on(disk, &[LOG_DIR], Authorization::None, &[])
    }

    fn on(disk: MemDisk, log_dirs: &[&'static str], authorization: Authorization, file: &[(&str, &str)]) -> Self {
        let log_dirs = log_dirs.to_vec();
        for path in &log_dirs {
            let mut files = LogDirectory::open(disk.clone(), Path::new(path)).unwrap();
            let directory_id = Some(TopicId(directory_id(path).0));
            files.write_meta(MetaProperties { cluster_id: CLUSTER.to_owned(), node_id: 1, directory_id }).unwrap();
        }
        let mut text: BTreeMap<String, String> =
            [("offsets.topic.replication.factor", "1"), ("offsets.topic.num.partitions", "2")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into();
        text.extend(file.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let now = Now { instant: Instant::from_millis(BEGIN_MS), wall: Timestamp(1_700_000_000_000) };
        let host = TestHost::new(now);
        let node = start(&disk, &host, &text, &authorization, &log_dirs, 0, now).unwrap();
        let admin = client("admin");
        let fixture = Self { disk, node, admin, host, now, file: text, authorization, log_dirs, starts: 0 };
        fixture.settle();
        fixture
    }

    /// Starts the node anew on what the disk holds.
    pub fn restart(&mut self) {
        self.starts += 1;
        self.pass(Duration::from_millis(100));
        self.host = TestHost::new(self.now);
        let (file, authorization, log_dirs) = (&self.file, &self.authorization, &self.log_dirs);
        self.node = start(&self.disk, &self.host, file, authorization, log_dirs, self.starts, self.now).unwrap();
        self.settle();
    }

    /// Starts the node anew on what the disk holds, which may fail.
    pub fn try_restart(&mut self) -> Result<(), String> {
        self.starts += 1;
        self.host = TestHost::new(self.now);
        let (file, authorization, log_dirs) = (&self.file, &self.authorization, &self.log_dirs);
        let started = start(&self.disk, &self.host, file, authorization, log_dirs, self.starts, self.now);
        self.node = started.map_err(|error| error.to_string())?;
        self.try_settle()
    }

    /// Does all that is to be done. An error: the metadata log is broken.
    pub fn try_settle(&self) -> Result<(), String> {
        loop {
            if let Some(job) = self.host.next_job() {
                job();
            } else if self.host.controller.swap(false, Ordering::SeqCst) {
                while self.node.step_controller(self.now)? {}
            } else if self.node.next_timeout().is_some_and(|at| at <= self.now.instant) {
                self.node.handle_timeouts(self.now);
            } else {
                return Ok(());
            }
        }
    }

    pub fn settle(&self) {
        self.try_settle().unwrap();
    }

    /// Time goes on, and what is due then is done.
    pub fn pass(&mut self, time: Duration) {
        self.now.instant = self.now.instant + time;
        self.now.wall.0 += i64::try_from(time.as_millis()).unwrap();
        *self.host.now.lock().unwrap() = self.now;
        self.host.pass(time);
        let _ = self.try_settle();
    }

    /// The disk takes its time: jobs are not run until they are released.
    pub fn hold_jobs(&self) {
        self.host.held.store(true, Ordering::SeqCst);
    }

    pub fn release_jobs(&self) {
        self.host.held.store(false, Ordering::SeqCst);
    }

    /// What `log.flush.scheduler.interval.ms` does when it has passed.
    pub fn sync_old(&self) {
        self.node.sync_old(self.now);
    }

    /// What the scrub does in a second.
    pub fn scrub_once(&self) {
        self.node.scrub(self.now.wall);
    }

    /// A round of the scrub over these small logs.
    pub fn scrub(&self) {
        (0..20).for_each(|_| self.scrub_once());
    }

    /// What `log.retention.check.interval.ms` does when it has passed.
    pub fn clean_up(&self) {
        self.node.clean_up(self.now);
        self.settle();
    }

    /// A call of a thread that compacts; gives how long it is to rest.
    pub fn clean(&self, worker: &mut CleanerWorker<MemDisk>) -> Duration {
        self.node.clean(worker, self.now)
    }

    /// Compacts until there is nothing to compact; gives how many calls that took.
    pub fn clean_all(&self) -> usize {
        let mut worker = CleanerWorker::default();
        let mut calls = 0;
        while self.clean(&mut worker) < CLEANER_BACKOFF {
            calls += 1;
        }
        calls
    }

    pub fn stop(&self) {
        self.node.stop(self.now);
    }

    /// Hands a request over, and does nothing of what it leaves to do.
    pub fn begin(&self, client: &Client, key: ApiKey, version: i16, request: &dyn Encode) -> Asked {
        client.woken.take();
        let mut worker = Worker::default();
        let frame = frame(key, version, request);
        let answer = self.node.handle(&client.connection, &frame, self.now, &mut worker);
        asked(answer, Arc::clone(&client.woken), key, version)
    }

    pub fn send(&self, client: &Client, key: ApiKey, version: i16, request: &dyn Encode) -> Asked {
        let asked = self.begin(client, key, version, request);
        let _ = self.try_settle();
        match asked {
            Asked::Waits(pending) => self.look(pending),
            asked => asked,
        }
    }

    /// Asks a question later, from wherever the answer is called, and without running what it leaves to do.
    pub fn later(&self, key: ApiKey, version: i16, request: &dyn Encode) -> impl FnOnce() -> Reply + Send + use<> {
        let (node, now, frame) = (Arc::clone(&self.node), self.now, frame(key, version, request));
        let client = client("later");
        move || {
            let answer = node.handle(&client.connection, &frame, now, &mut Worker::default());
            asked(answer, Arc::clone(&client.woken), key, version).reply()
        }
    }

    /// Looks at a parked request as its connection does: when it is woken, and when its time is up.
    pub fn look(&self, mut pending: Pending) -> Asked {
        let due = pending.parked.deadline().is_some_and(|deadline| deadline <= self.now.instant);
        if !pending.woken.take() && !due {
            return Asked::Waits(pending);
        }
        let mut worker = Worker::default();
        let mut answer = pending.parked.resume(&self.node, self.now, &mut worker);
        if answer.is_none() {
            pending.parked.wait_again(&self.node);
            answer = pending.parked.resume(&self.node, self.now, &mut worker);
        }
        match answer {
            None => Asked::Waits(pending),
            Some(answer) => {
                let asked = asked(answer, Arc::clone(&pending.woken), pending.key, pending.version);
                let _ = self.try_settle();
                match asked {
                    Asked::Waits(next) => self.look(next),
                    asked => asked,
                }
            }
        }
    }

    pub fn ask(&self, key: ApiKey, version: i16, request: &dyn Encode) -> Reply {
        self.send(&self.admin, key, version, request).reply()
    }

    /// The error of a CreateTopics request, and the topic's id.
    pub fn create_topic(&self, name: &str, partitions: i32) -> (i16, Uuid) {
        let topic = CreatableTopic {
            name: name.to_owned().into(),
            num_partitions: partitions,
            replication_factor: 1,
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
        let reply = self.ask(ApiKey::CreateTopics, 7, &request);
        let response: CreateTopicsResponse<'_> = reply.read();
        (response.topics[0].error_code, response.topics[0].topic_id)
    }

    pub fn delete_topic(&self, name: &str) -> i16 {
        let request =
            DeleteTopicsRequest { topic_names: vec![name.to_owned().into()], timeout_ms: 1000, ..Default::default() };
        let reply = self.ask(ApiKey::DeleteTopics, 5, &request);
        let response: DeleteTopicsResponse<'_> = reply.read();
        response.responses[0].error_code
    }

    /// All topics that a client is told, with the number of partitions of each.
    pub fn topics(&self, client: &Client) -> BTreeMap<String, usize> {
        let reply = self.send(client, ApiKey::Metadata, 12, &MetadataRequest { topics: None, ..Default::default() });
        let reply = reply.reply();
        let response: MetadataResponse<'_> = reply.read();
        let named =
            response.topics.iter().map(|topic| (topic.name.clone().unwrap().into_owned(), topic.partitions.len()));
        named.collect()
    }

    /// The error of one produced value and its offset.
    pub fn produce(&self, client: &Client, topic: &str, index: i32, value: &[u8]) -> (i16, i64) {
        self.produce_record(client, topic, index, (None, value))
    }

    /// Like [`Fixture::produce`], with a key.
    pub fn produce_keyed(&self, client: &Client, topic: &str, index: i32, key: &[u8], value: &[u8]) -> (i16, i64) {
        self.produce_record(client, topic, index, (Some(key), value))
    }

    fn produce_record(&self, client: &Client, topic: &str, index: i32, record: (Option<&[u8]>, &[u8])) -> (i16, i64) {
        let asked = self.begin_produce(client, topic, index, record, -1);
        let _ = self.try_settle();
        match asked {
            Asked::Waits(pending) => produced(self.look(pending)),
            asked => produced(asked),
        }
    }

    /// Hands over one record, key and value, and does nothing of what that leaves to do.
    pub fn begin_produce(
        &self,
        client: &Client,
        topic: &str,
        index: i32,
        (key, value): (Option<&[u8]>, &[u8]),
        acks: i16,
    ) -> Asked {
        let mut builder = BatchBuilder::new(0);
        builder.append(self.now.wall.0, key, Some(value), &[]).unwrap();
        let mut records = Vec::new();
        builder.build_plain(&mut records).unwrap();
        let data = PartitionProduceData { index, records: Some((&records[..]).into()), ..Default::default() };
        let topic = TopicProduceData { name: topic.into(), partition_data: vec![data], ..Default::default() };
        let request = ProduceRequest { acks, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() };
        self.begin(client, ApiKey::Produce, BY_NAME, &request)
    }

    /// The values that a partition still has.
    pub fn read_values(&self, topic: &str, index: i32) -> Vec<Vec<u8>> {
        let published = self.node.published();
        let log = &published.partition_named(topic, index).unwrap().log;
        let (mut values, mut offset) = (Vec::new(), log.log_start_offset().0);
        loop {
            let reply = self.ask(ApiKey::Fetch, BY_NAME, &fetch_request(topic, index, offset, 0));
            let response: FetchResponse<'_> = reply.read();
            let data = &response.responses[0].partitions[0];
            assert_eq!(data.error_code, 0);
            let bytes = data.records.as_ref().map_or(&[][..], |records| records.bytes());
            values.extend(values_of(bytes));
            match Batches::new(bytes).last() {
                Some(last) => offset = last.unwrap().header.next_offset(),
                None => return values,
            }
        }
    }

    /// All values of a partition.
    pub fn read_all(&self, topic: &str, index: i32) -> Vec<Vec<u8>> {
        let mut values = Vec::new();
        loop {
            let request = fetch_request(topic, index, values.len() as i64, 0);
            let reply = self.ask(ApiKey::Fetch, BY_NAME, &request);
            let response: FetchResponse<'_> = reply.read();
            let data = &response.responses[0].partitions[0];
            assert_eq!(data.error_code, 0);
            values.extend(values_of(data.records.as_ref().map_or(&[][..], |records| records.bytes())));
            if values.len() as i64 >= data.high_watermark {
                return values;
            }
        }
    }
}

/// The error of one produced value and its offset.
pub fn produced(asked: Asked) -> (i16, i64) {
    let reply = asked.reply();
    let response: ProduceResponse<'_> = reply.read();
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

fn frame(key: ApiKey, version: i16, request: &dyn Encode) -> Vec<u8> {
    let mut writer = Writer::new();
    let header = RequestHeader {
        request_api_key: key as i16,
        request_api_version: version,
        correlation_id: 9,
        client_id: Some("test".into()),
        ..Default::default()
    };
    header.encode(&mut writer, key.info().request_header_version(version)).unwrap();
    request.encode(&mut writer, version).unwrap();
    writer.bytes().to_vec()
}

fn asked(answer: Answer<MemDisk>, woken: Arc<Woken>, key: ApiKey, version: i16) -> Asked {
    match answer {
        Answer::Reply(reply) => {
            let mut bytes = Vec::new();
            let mut from = 0;
            for (place, slice) in reply.slices {
                bytes.extend_from_slice(&reply.bytes[from..place]);
                slice.read_into(&mut bytes).unwrap();
                from = place;
            }
            bytes.extend_from_slice(&reply.bytes[from..]);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.i32().unwrap() as usize, bytes.len() - 4, "the frame's length");
            let header = ResponseHeader::decode(&mut reader, key.info().response_header_version(key, version));
            assert_eq!(header.unwrap().correlation_id, 9);
            Asked::Answered(Reply { body: reader.rest().to_vec(), version, wait: reply.wait })
        }
        Answer::Parked(parked) => Asked::Waits(Pending { parked, woken, key, version }),
        Answer::Close(reason) => Asked::Closed(reason),
        Answer::Silence { .. } => Asked::Closed("silence".to_owned()),
    }
}

/// A fetch of one partition, without a session.
pub fn fetch_request(topic: &str, index: i32, offset: i64, max_wait_ms: i32) -> FetchRequest<'static> {
    let partition = FetchPartition {
        partition: index,
        fetch_offset: offset,
        current_leader_epoch: -1,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let topic = FetchTopic { topic: topic.to_owned().into(), partitions: vec![partition], ..Default::default() };
    FetchRequest {
        replica_id: -1,
        max_wait_ms,
        min_bytes: 1,
        max_bytes: 8 << 20,
        session_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    }
}

pub fn values_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    for batch in Batches::new(bytes) {
        let batch = batch.unwrap();
        for record in Records::new(batch.record_bytes(), batch.header.record_count) {
            values.push(record.unwrap().value.unwrap().to_vec());
        }
    }
    values
}

pub fn client(user: &str) -> Client {
    client_of(user, "PLAINTEXT", ListenerKind::Broker)
}

/// A connection to the controller's listener.
pub fn controller_client(user: &str) -> Client {
    client_of(user, "CONTROLLER", ListenerKind::Controller)
}

/// A client whose requests each take about a second, at the fixture's first time.
pub fn slow_client(user: &str) -> Client {
    let quick = client(user);
    let (host, woken) = (quick.connection.host.clone(), quick.woken);
    let connection = Connection {
        listener: "PLAINTEXT".into(),
        kind: ListenerKind::Broker,
        principal: Principal::user(user),
        host,
        waker: Arc::clone(&woken) as _,
        clock: || Instant::from_millis(BEGIN_MS + 1000),
    };
    Client { connection: Arc::new(connection), woken }
}

fn client_of(user: &str, listener: &str, kind: ListenerKind) -> Client {
    let woken = Arc::new(Woken::default());
    let connection = Connection {
        listener: listener.into(),
        kind,
        principal: Principal::user(user),
        host: ClientHost::new(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        waker: Arc::clone(&woken) as _,
        // No time passes while a request is handled.
        clock: || Instant(0),
    };
    Client { connection: Arc::new(connection), woken }
}

fn start(
    disk: &MemDisk,
    host: &Arc<TestHost>,
    file: &BTreeMap<String, String>,
    authorization: &Authorization,
    log_dirs: &[&str],
    starts: u64,
    now: Now,
) -> Result<Arc<Node<MemDisk>>, ottla_broker::StartError> {
    let endpoint =
        |name: &str, port| Endpoint { name: name.to_owned(), host: "localhost".to_owned(), port, security_protocol: 0 };
    let voter = Voter { id: 1, directory_id: Uuid::ZERO, endpoints: Vec::new(), kraft_versions: (0, 1) };
    let place = Place {
        node_id: 1,
        cluster_id: CLUSTER.to_owned(),
        rack: None,
        advertised: vec![endpoint("PLAINTEXT", 9092)],
        advertised_controllers: vec![endpoint("CONTROLLER", 9093)],
        log_dirs: log_dirs.iter().map(PathBuf::from).collect(),
        metadata_log_dir: PathBuf::from(log_dirs[0]),
        static_voters: VoterSet(vec![voter]),
        authorization: authorization.clone(),
    };
    let settings = Settings::new(place, file.clone());
    Node::start(settings, disk.clone(), Arc::clone(host) as _, Seed(starts), now)
}

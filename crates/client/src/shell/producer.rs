//! A producer: `send` takes a record into a batch; one task sends batches to the leaders and tells the records' owners.

use super::network::{Network, Target, Topics};
use super::reply::Reply;
use crate::config::ProducerConfig;
use crate::error::{ClientError, Result};
use crate::session::batches::{Batch, Batches, NewRecord, Place, size_upper_bound};
use crate::session::cluster::Topic;
use crate::session::partitioner;
use crate::session::sticky::Sticky;
use ottla_machine::{Instant, Seed};
use ottla_wire::api::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_wire::api::{InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse};
use ottla_wire::batch::{Codecs, RecordHeader};
use ottla_wire::{ErrorCode, Message, VersionRange};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// A record to be sent. Without a partition, the key decides, or else the producer; without a time, it is now.
#[derive(Debug, Clone, Default)]
pub struct ProducerRecord {
    pub topic: Arc<str>,
    pub partition: Option<i32>,
    pub timestamp_ms: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Where a record went. The offset is None with `acks=0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMetadata {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: Option<i64>,
    pub timestamp_ms: i64,
}

/// What is called when a record's fate is known.
pub type Callback = Box<dyn FnOnce(Result<RecordMetadata>) + Send + Sync>;

struct Ticket {
    callback: Callback,
    timestamp_ms: i64,
    /// The record's share of the buffer; free again when the ticket is dropped.
    _room: OwnedSemaphorePermit,
}

/// See the module's text. Dropping it without [`Producer::close`] loses what was not sent.
pub struct Producer {
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    sender: JoinHandle<()>,
}

struct Shared {
    config: ProducerConfig,
    network: Network,
    state: Mutex<State>,
    /// Something may be ready to be sent.
    ready: Notify,
    /// A batch's fate is known.
    settled: Notify,
    begun: std::time::Instant,
}

struct State {
    batches: Batches<Ticket>,
    sticky: BTreeMap<Arc<str>, Sticky>,
    seed: Seed,
}

impl Producer {
    /// Must be called within a tokio runtime. `seed` chooses the partitions of records without a key.
    #[must_use]
    pub fn new(config: ProducerConfig, seed: Seed) -> Self {
        let room = Arc::new(Semaphore::new(config.buffer_bytes.min(Semaphore::MAX_PERMITS)));
        let batches = Batches::new(config.limits.clone());
        let shared = Arc::new(Shared {
            network: Network::new(config.client.clone()),
            config,
            state: Mutex::new(State { batches, sticky: BTreeMap::new(), seed }),
            ready: Notify::new(),
            settled: Notify::new(),
            begun: std::time::Instant::now(),
        });
        let sender = tokio::spawn(Arc::clone(&shared).run());
        Self { shared, room, sender }
    }

    /// Sends a record and waits for its fate.
    pub async fn send(&self, record: &ProducerRecord) -> Result<RecordMetadata> {
        let (told, fate) = oneshot::channel();
        self.submit(record, Box::new(move |result| drop(told.send(result)))).await?;
        fate.await.unwrap_or_else(|_| Err(ClientError::Failed("the producer was closed".into())))
    }

    /// Takes a record; the callback is told its fate. Waits for room and metadata, no longer than `max.block.ms`.
    pub async fn submit(&self, record: &ProducerRecord, callback: Callback) -> Result<()> {
        let shared = &self.shared;
        let headers: Vec<_> = record
            .headers
            .iter()
            .map(|(key, value)| RecordHeader { key: key.as_bytes(), value: value.as_deref() })
            .collect();
        let timestamp_ms = record.timestamp_ms.unwrap_or_else(wall_clock_ms);
        let new =
            NewRecord { timestamp_ms, key: record.key.as_deref(), value: record.value.as_deref(), headers: &headers };
        let size = size_upper_bound(&new);
        let config = &shared.config;
        for (limit, key) in [(config.max_request_bytes, "max.request.size"), (config.buffer_bytes, "buffer.memory")] {
            if size > limit {
                let message = format!(
                    "The message is {size} bytes when serialized which is larger than {limit}, which is the value of the {key} configuration."
                );
                return ClientError::check(ErrorCode::MessageTooLarge.code(), Some(&message));
            }
        }
        let partitions = shared.partitions(&record.topic, record.partition).await?;
        let permits = u32::try_from(size).unwrap_or(u32::MAX);
        let room = timeout(config.max_block, Arc::clone(&self.room).acquire_many_owned(permits)).await;
        let Ok(Ok(room)) = room else {
            return Err(ClientError::TimedOut(format!(
                "Failed to allocate {size} bytes within the configured max blocking time {} ms.",
                config.max_block.as_millis()
            )));
        };
        let is_ready = {
            let mut state = shared.lock();
            let partition = match (record.partition, &record.key) {
                (Some(partition), _) => partition,
                (None, Some(key)) => partitioner::of_key(key, partitions.count),
                (None, None) => state.stick(&record.topic, &partitions.available, size, config.limits.batch_bytes),
            };
            let ticket = Ticket { callback, timestamp_ms, _room: room };
            let place = (Arc::clone(&record.topic), partition);
            state
                .batches
                .append(shared.now(), &place, new, ticket)
                .map_err(|error| ClientError::Failed(error.to_string()))?
        };
        if is_ready {
            shared.ready.notify_one();
        }
        Ok(())
    }

    /// Sends what waits, and returns once every record's fate is known.
    pub async fn flush(&self) {
        loop {
            let settled = self.shared.settled.notified();
            {
                let mut state = self.shared.lock();
                state.batches.is_flushing = !state.batches.is_empty();
                if !state.batches.is_flushing {
                    return;
                }
            }
            self.shared.ready.notify_one();
            settled.await;
        }
    }

    /// Flushes, and ends.
    pub async fn close(self) {
        self.flush().await;
        self.sender.abort();
    }

    pub fn network(&self) -> &Network {
        &self.shared.network
    }
}

/// The partitions that a topic has, and those of them that have a leader.
struct Partitions {
    count: i32,
    available: Vec<i32>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Waits until the topic is known, and the partition if one is named.
    async fn partitions(&self, topic: &str, partition: Option<i32>) -> Result<Partitions> {
        let known = self.network.cluster().topics.get(topic).and_then(|known| partitions_of(known, partition));
        if let Some(known) = known {
            return Ok(known);
        }
        let limit = self.config.max_block;
        let search = async {
            let mut pauses =
                super::admin::Pauses::new(self.config.client.retry_backoff, self.config.client.retry_backoff_max);
            loop {
                let waiting: Vec<Arc<str>> = self.lock().batches.waiting().map(|(name, _)| Arc::clone(name)).collect();
                let mut names: Vec<&str> = waiting.iter().map(|name| &**name).collect();
                names.push(topic);
                names.sort_unstable();
                names.dedup();
                match self.network.refresh(Topics::NamedOrCreated(&names)).await {
                    Ok(cluster) => {
                        let found = cluster.topics.get(topic);
                        match found.map(|found| ErrorCode::from_code(found.error_code)) {
                            Some(code @ (ErrorCode::TopicAuthorizationFailed | ErrorCode::InvalidTopicException)) => {
                                return Err(refused(code, topic));
                            }
                            Some(ErrorCode::UnknownTopicOrPartition | ErrorCode::LeaderNotAvailable) => tracing::warn!(
                                "[Producer clientId={}] The metadata response from the cluster reported a recoverable issue: {{{topic}={}}}",
                                self.config.client.client_id,
                                ErrorCode::from_code(found.map_or(0, |found| found.error_code)).name()
                            ),
                            _ => {}
                        }
                        if let Some(partitions) = found.and_then(|found| partitions_of(found, partition)) {
                            return Ok(partitions);
                        }
                    }
                    Err(error) if error.is_transient() || matches!(error, ClientError::TimedOut(_)) => {}
                    Err(error) => return Err(error),
                }
                sleep(pauses.next()).await;
            }
        };
        timeout(limit, search).await.unwrap_or_else(|_| {
            let known = self.network.cluster().topics.get(topic).map_or(0, |known| known.partitions.len());
            Err(ClientError::TimedOut(match partition.filter(|_| known > 0) {
                Some(partition) => format!(
                    "Partition {partition} of topic {topic} with partition count {known} is not present in metadata after {} ms.",
                    limit.as_millis()
                ),
                None => format!("Topic {topic} not present in metadata after {} ms.", limit.as_millis()),
            }))
        })
    }

    /// The sending task: never ends by itself.
    async fn run(self: Arc<Self>) {
        let mut codecs = Codecs::default();
        let mut requests = JoinSet::new();
        loop {
            let ready = self.ready.notified();
            self.give_up_late();
            if self.lock().batches.wants_identity() && !self.identify().await {
                // The task ended the batches, or will try again after a pause.
                continue;
            }
            self.dispatch(&mut codecs, &mut requests).await;
            let wake = self.lock().batches.poll_timeout();
            let pause = wake.map_or(Duration::from_secs(1), |wake| wake.saturating_since(self.now()));
            tokio::select! {
                () = ready => {}
                // A finished request may let the next batch of its partition go.
                Some(_) = requests.join_next(), if !requests.is_empty() => {}
                () = sleep(pause.max(Duration::from_micros(500))) => {}
            }
        }
    }

    fn give_up_late(&self) {
        let expired = self.lock().batches.expired(self.now());
        for batch in expired {
            let error = ClientError::TimedOut(format!(
                "Expiring {} record(s) for {}-{}:{} ms has passed since batch creation",
                batch.tickets.len(),
                batch.place.0,
                batch.place.1,
                self.config.limits.delivery_timeout.as_millis()
            ));
            self.tell(batch, &Err(error));
        }
    }

    /// Asks for a producer id; false if there is none yet.
    async fn identify(&self) -> bool {
        let request = |_| InitProducerIdRequest {
            transaction_timeout_ms: i32::MAX,
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        };
        let versions = <InitProducerIdRequest<'static> as Message>::VERSIONS;
        let asked = self.network.ask(Target::Any, versions, request).await.and_then(|reply| {
            let response: InitProducerIdResponse<'_> = reply.read()?;
            ClientError::check(response.error_code, None)?;
            Ok((response.producer_id, response.producer_epoch))
        });
        match asked {
            Ok((producer_id, producer_epoch)) => {
                self.lock().batches.identify(producer_id, producer_epoch);
                true
            }
            Err(error) if error.is_transient() || matches!(error, ClientError::TimedOut(_)) => {
                sleep(self.config.client.retry_backoff).await;
                false
            }
            Err(error) => {
                let given_up = self.lock().batches.abandon();
                for batch in given_up {
                    self.tell(batch, &Err(error.clone()));
                }
                false
            }
        }
    }

    /// Sends each leader what is ready for it.
    async fn dispatch(self: &Arc<Self>, codecs: &mut Codecs, requests: &mut JoinSet<()>) {
        loop {
            let cluster = self.network.cluster();
            let batches = {
                let mut state = self.lock();
                let is_known = |place: &Place| cluster.leader(&place.0, place.1).is_some();
                state.batches.drain(self.now(), usize::MAX, codecs, is_known)
            };
            if batches.is_empty() {
                break;
            }
            let mut by_leader: BTreeMap<i32, Vec<Vec<Batch<Ticket>>>> = BTreeMap::new();
            for batch in batches {
                let Some((leader, _)) = cluster.leader(&batch.place.0, batch.place.1) else { continue };
                let groups = by_leader.entry(leader).or_default();
                let fits = |group: &Vec<Batch<Ticket>>| {
                    let bytes: usize = group.iter().map(|batch| batch.bytes.len()).sum();
                    bytes + batch.bytes.len() <= self.config.max_request_bytes
                };
                match groups.last_mut() {
                    Some(group) if fits(group) => group.push(batch),
                    _ => groups.push(vec![batch]),
                }
            }
            for (leader, groups) in by_leader {
                for group in groups {
                    self.send_group(leader, group, requests).await;
                }
            }
        }
        let is_unknown = {
            let cluster = self.network.cluster();
            let state = self.lock();
            state.batches.waiting().any(|place| cluster.leader(&place.0, place.1).is_none())
        };
        if is_unknown {
            self.relearn().await;
        }
    }

    /// The frame is written here, so that requests leave in the order of their batches; the answer is awaited elsewhere.
    async fn send_group(self: &Arc<Self>, leader: i32, batches: Vec<Batch<Ticket>>, requests: &mut JoinSet<()>) {
        let versions = <ProduceRequest<'static> as Message>::VERSIONS;
        // Later versions name topics by their ids, which an auto-created topic may not have in our picture yet.
        let versions = VersionRange::new(versions.low, 12);
        let acks = self.config.acks;
        let build = |_| produce_request(acks, self.config.client.request_timeout, &batches);
        let sent = match self.network.connection(Target::Node(leader)).await {
            Err(error) => Err(error),
            Ok(connection) if acks == 0 => connection.send_unanswered(versions, build).await.map(|()| None),
            Ok(connection) => connection.send(versions, build).await.map(Some),
        };
        let limit = self.config.client.request_timeout;
        match sent {
            Ok(Some(pending)) => {
                let shared = Arc::clone(self);
                requests.spawn(async move {
                    let reply =
                        timeout(limit, pending.wait()).await.unwrap_or_else(|_| Err(ErrorCode::RequestTimedOut.into()));
                    shared.settle(batches, reply).await;
                });
            }
            Ok(None) => {
                for batch in batches {
                    self.lock().batches.acknowledged(&batch.place);
                    self.tell(batch, &Ok(None));
                }
            }
            Err(error) => self.settle(batches, Err(error)).await,
        }
    }

    /// Takes an answer, or what came instead of one.
    async fn settle(&self, batches: Vec<Batch<Ticket>>, reply: Result<Reply>) {
        let mut results = match &reply {
            Ok(reply) => read_results(reply),
            Err(error) => Err(error.clone()),
        };
        let mut must_relearn = false;
        for batch in batches {
            let result = match &mut results {
                Ok(results) => results
                    .remove(&(batch.place.0.to_string(), batch.place.1))
                    .unwrap_or_else(|| Err(ErrorCode::UnknownServerError.into())),
                Err(error) => Err(error.clone()),
            };
            match result {
                Ok(placed) => {
                    self.lock().batches.acknowledged(&batch.place);
                    self.tell(batch, &Ok(Some(placed)));
                }
                // The broker has had it before (KIP-98).
                Err(error) if error.code() == Some(ErrorCode::DuplicateSequenceNumber) => {
                    self.lock().batches.acknowledged(&batch.place);
                    self.tell(batch, &Ok(None));
                }
                Err(error) => {
                    let is_transient = may_be_sent_again(&error);
                    must_relearn |= is_transient;
                    if is_transient {
                        tracing::warn!(
                            "[Producer clientId={}] Got error produce response on topic-partition {}-{}, retrying. Error: {error}",
                            self.config.client.client_id,
                            batch.place.0,
                            batch.place.1
                        );
                    }
                    let pause = self.config.client.retry_backoff;
                    let lost = self.lock().batches.failed(self.now(), batch, is_transient, pause);
                    if let Some(batch) = lost {
                        self.tell(batch, &Err(error));
                    }
                }
            }
        }
        if must_relearn {
            self.relearn().await;
        }
        self.ready.notify_one();
        self.settled.notify_waiters();
    }

    async fn relearn(&self) {
        let names: Vec<Arc<str>> = self.lock().batches.waiting().map(|(name, _)| Arc::clone(name)).collect();
        let mut names: Vec<&str> = names.iter().map(|name| &**name).collect();
        names.dedup();
        // If it fails, the next round tries again.
        let _ = self.network.refresh(Topics::NamedOrCreated(&names)).await;
        sleep(self.config.client.retry_backoff).await;
    }

    fn tell(&self, batch: Batch<Ticket>, result: &Result<Option<Placed>>) {
        let (topic, partition) = batch.place;
        for (ticket, nth) in batch.tickets.into_iter().zip(0..) {
            let told = result.clone().map(|placed| RecordMetadata {
                topic: Arc::clone(&topic),
                partition,
                offset: placed.map(|placed| placed.base_offset + nth),
                timestamp_ms: placed.and_then(|placed| placed.append_time_ms).unwrap_or(ticket.timestamp_ms),
            });
            (ticket.callback)(told);
        }
        self.settled.notify_waiters();
    }
}

impl State {
    fn stick(&mut self, topic: &Arc<str>, available: &[i32], size: usize, batch_bytes: usize) -> i32 {
        let seed = &mut self.seed;
        let sticky = self.sticky.entry(Arc::clone(topic)).or_insert_with(|| Sticky::new(Seed(seed.draw())));
        sticky.partition(available, size, batch_bytes)
    }
}

#[derive(Debug, Clone, Copy)]
struct Placed {
    base_offset: i64,
    append_time_ms: Option<i64>,
}

fn produce_request<'a>(acks: i16, limit: Duration, batches: &'a [Batch<Ticket>]) -> ProduceRequest<'a> {
    let mut topics: Vec<TopicProduceData<'a>> = Vec::new();
    for batch in batches {
        let data = PartitionProduceData {
            index: batch.place.1,
            records: Some(batch.bytes.as_slice().into()),
            ..Default::default()
        };
        match topics.iter_mut().find(|topic| topic.name == *batch.place.0) {
            Some(topic) => topic.partition_data.push(data),
            None => topics.push(TopicProduceData {
                name: (*batch.place.0).into(),
                partition_data: vec![data],
                ..Default::default()
            }),
        }
    }
    let timeout_ms = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    ProduceRequest { acks, timeout_ms, topic_data: topics, ..Default::default() }
}

type Results = BTreeMap<(String, i32), Result<Placed>>;

fn read_results(reply: &Reply) -> Result<Results> {
    let response: ProduceResponse<'_> = reply.read()?;
    let mut results = Results::new();
    for topic in &response.responses {
        for partition in &topic.partition_responses {
            let result = ClientError::check(partition.error_code, partition.error_message.as_deref());
            let placed = Placed {
                base_offset: partition.base_offset,
                append_time_ms: (partition.log_append_time_ms >= 0).then_some(partition.log_append_time_ms),
            };
            results.insert((topic.name.to_string(), partition.index), result.map(|()| placed));
        }
    }
    Ok(results)
}

fn may_be_sent_again(error: &ClientError) -> bool {
    error.is_transient()
        || matches!(
            error.code(),
            Some(
                ErrorCode::UnknownTopicOrPartition
                    | ErrorCode::NotEnoughReplicas
                    | ErrorCode::NotEnoughReplicasAfterAppend
                    | ErrorCode::KafkaStorageError
                    | ErrorCode::CorruptMessage
                    | ErrorCode::NetworkException
                    | ErrorCode::ThrottlingQuotaExceeded
            )
        )
}

fn refused(code: ErrorCode, topic: &str) -> ClientError {
    let message = match code {
        ErrorCode::TopicAuthorizationFailed => format!("Not authorized to access topics: [{topic}]"),
        _ => format!("Invalid topics: [{topic}]"),
    };
    ClientError::Api(ottla_wire::ApiError::new(code, message))
}

/// None unless the topic is there, with the partition if one is named.
fn partitions_of(topic: &Topic, wanted: Option<i32>) -> Option<Partitions> {
    let count = i32::try_from(topic.partitions.len()).ok()?;
    if topic.error_code != 0 || count == 0 || wanted.is_some_and(|wanted| !(0..count).contains(&wanted)) {
        return None;
    }
    let led = topic.partitions.iter().filter(|partition| partition.leader.is_some());
    let available: Vec<_> = led.map(|partition| partition.index).collect();
    Some(Partitions { count, available: if available.is_empty() { (0..count).collect() } else { available } })
}

fn wall_clock_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

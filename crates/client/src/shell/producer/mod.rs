//! A producer: `send` takes a record into a batch; one task sends batches to the leaders and tells the records' owners.

mod sending;

use super::meter::Meter;
use super::network::{Network, Topics};
use crate::config::ProducerConfig;
use crate::error::{ClientError, Result};
use crate::session::batches::{Batches, NewRecord, size_upper_bound};
use crate::session::cluster::Topic;
use crate::session::metrics::network::NetworkMetrics;
use crate::session::metrics::producer::{ProducerMetrics, Standing};
use crate::session::metrics::{Metric, Metrics};
use crate::session::partitioner;
use crate::session::sticky::Sticky;
use ottla_machine::{Instant, Seed};
use ottla_wire::ErrorCode;
use ottla_wire::batch::RecordHeader;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinHandle;
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
    meter: Arc<Meter>,
    sensors: ProducerMetrics,
    /// Who waits for room in the buffer.
    callers_waiting: AtomicUsize,
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
        let meter = Arc::new(Meter::new(&config.client, "producer"));
        let sensors = meter.with(|metrics, _| ProducerMetrics::new(metrics));
        let shared = Arc::new(Shared {
            network: Network::metered(config.client.clone(), Arc::clone(&meter)),
            config,
            state: Mutex::new(State { batches, sticky: BTreeMap::new(), seed }),
            ready: Notify::new(),
            settled: Notify::new(),
            begun: std::time::Instant::now(),
            meter,
            sensors,
            callers_waiting: AtomicUsize::new(0),
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
        let room = match Arc::clone(&self.room).try_acquire_many_owned(permits) {
            Ok(room) => Some(room),
            Err(_) => self.wait_for_room(permits).await,
        };
        let Some(room) = room else {
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

    async fn wait_for_room(&self, permits: u32) -> Option<OwnedSemaphorePermit> {
        let shared = &self.shared;
        let begun = std::time::Instant::now();
        let _waiting = Counted::new(&shared.callers_waiting);
        let room = timeout(shared.config.max_block, Arc::clone(&self.room).acquire_many_owned(permits)).await;
        let room = room.ok().and_then(std::result::Result::ok);
        let nanos = begun.elapsed().as_nanos() as f64;
        shared.feed(|own, metrics, now| own.waited_for_room(metrics, nanos, room.is_none(), now));
        room
    }

    /// What was measured up to now.
    pub async fn metrics(&self) -> Vec<Metric> {
        let shared = &self.shared;
        let (connections, requests_in_flight) = shared.network.load().await;
        let standing = Standing {
            buffer_bytes: shared.config.buffer_bytes,
            buffer_bytes_free: self.room.available_permits(),
            callers_waiting: shared.callers_waiting.load(Ordering::Relaxed),
            requests_in_flight,
            metadata_age_seconds: shared.network.metadata_age().map(|age| age.as_secs_f64()),
        };
        shared.meter.with(|metrics, _| {
            NetworkMetrics::stand(metrics, connections);
            ProducerMetrics::stand(metrics, &standing);
        });
        shared.meter.read()
    }

    /// Sends what waits, and returns once every record's fate is known.
    pub async fn flush(&self) {
        let begun = std::time::Instant::now();
        self.settle_all().await;
        let nanos = begun.elapsed().as_nanos() as f64;
        self.shared.feed(|own, metrics, now| own.flushed(metrics, nanos, now));
    }

    async fn settle_all(&self) {
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

    /// Sends what waits, and ends.
    pub async fn close(self) {
        self.settle_all().await;
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

    fn feed(&self, feed: impl FnOnce(&ProducerMetrics, &mut Metrics, i64)) {
        self.meter.with(|metrics, now| feed(&self.sensors, metrics, now));
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
        let begun = std::time::Instant::now();
        let found = self.search_partitions(topic, partition).await;
        let nanos = begun.elapsed().as_nanos() as f64;
        self.feed(|own, metrics, now| own.waited_for_metadata(metrics, nanos, now));
        found
    }

    async fn search_partitions(&self, topic: &str, partition: Option<i32>) -> Result<Partitions> {
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
}

impl State {
    fn stick(&mut self, topic: &Arc<str>, available: &[i32], size: usize, batch_bytes: usize) -> i32 {
        let seed = &mut self.seed;
        let sticky = self.sticky.entry(Arc::clone(topic)).or_insert_with(|| Sticky::new(Seed(seed.draw())));
        sticky.partition(available, size, batch_bytes)
    }
}

/// One more, until it is dropped.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
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

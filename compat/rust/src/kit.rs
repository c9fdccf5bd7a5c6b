//! What every check needs: clients with sane deadlines, a topic of its own, producing and reading.

use crate::harness::eventually;
use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, FromClientConfig};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const TIMEOUT: Duration = Duration::from_secs(30);

pub struct Kit {
    pub bootstrap: String,
    pub admin: AdminClient<DefaultClientContext>,
    run: u128,
    next: AtomicU32,
}

#[derive(Clone, Default)]
pub struct Outgoing {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub partition: Option<i32>,
    pub headers: Vec<(&'static str, Option<&'static [u8]>)>,
    pub timestamp: Option<i64>,
}

#[derive(Debug)]
pub struct Record {
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub timestamp: Option<i64>,
}

/// Notes what was revoked.
#[derive(Default)]
pub struct Watch {
    pub revoked: Mutex<Vec<usize>>,
}

impl ClientContext for Watch {}

impl ConsumerContext for Watch {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(gone) = rebalance {
            self.revoked.lock().unwrap().push(gone.count());
        }
    }
}

impl Kit {
    pub fn new(bootstrap: &str) -> Self {
        let settings = config(bootstrap, &[]);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Self {
            bootstrap: bootstrap.to_string(),
            admin: AdminClient::from_config(&settings).unwrap(),
            run: now.as_millis() & 0xffff_ffff,
            next: AtomicU32::new(0),
        }
    }

    pub fn unique(&self, what: &str) -> String {
        format!("rust-{what}-{:x}-{}", self.run, self.next.fetch_add(1, Ordering::Relaxed))
    }

    pub fn topic(&self, what: &str, partitions: i32, settings: &[(&str, &str)]) -> String {
        let name = self.unique(what);
        self.create(&name, partitions, settings).unwrap();
        // A consumer gives up on a topic that the broker has not heard of yet.
        eventually("the broker knows the topic", || {
            let found = self.admin.inner().fetch_metadata(None, TIMEOUT).unwrap();
            found.topics().iter().any(|topic| topic.name() == name && topic.partitions().len() == partitions as usize)
        });
        name
    }

    pub fn create(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), RDKafkaErrorCode> {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        first(block_on(self.admin.create_topics(&[topic], &AdminOptions::new())))
    }

    pub fn producer(&self, settings: &[(&str, &str)]) -> FutureProducer {
        let mut all = config(&self.bootstrap, &[("message.timeout.ms", "30000"), ("linger.ms", "5")]);
        for (key, value) in settings {
            all.set(*key, *value);
        }
        all.create().unwrap()
    }

    pub fn consumer(&self, settings: &[(&str, &str)]) -> BaseConsumer<Watch> {
        let nobody = self.unique("nobody");
        let mut all = config(
            &self.bootstrap,
            &[("group.id", &nobody), ("auto.offset.reset", "earliest"), ("enable.auto.commit", "false")],
        );
        for (key, value) in settings {
            all.set(*key, *value);
        }
        all.create_with_context(Watch::default()).unwrap()
    }

    /// Produces, and gives the partition and offset that each record got.
    pub fn send(
        &self,
        topic: &str,
        messages: &[Outgoing],
        settings: &[(&str, &str)],
    ) -> Result<Vec<(i32, i64)>, KafkaError> {
        send_with(&self.producer(settings), topic, messages)
    }

    pub fn read(&self, topic: &str, partition: i32, count: usize, offset: Offset) -> Vec<Record> {
        self.read_with(topic, partition, count, offset, &[])
    }

    pub fn read_with(
        &self,
        topic: &str,
        partition: i32,
        count: usize,
        offset: Offset,
        settings: &[(&str, &str)],
    ) -> Vec<Record> {
        let consumer = self.consumer(settings);
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(topic, partition, offset).unwrap();
        consumer.assign(&place).unwrap();
        poll_for(&consumer, count)
    }
}

fn config(bootstrap: &str, settings: &[(&str, &str)]) -> ClientConfig {
    let mut all = ClientConfig::new();
    all.set("bootstrap.servers", bootstrap);
    for (key, value) in settings {
        all.set(*key, *value);
    }
    all
}

/// The outcome of an admin call about one thing.
pub fn first(
    results: Result<Vec<Result<String, (String, RDKafkaErrorCode)>>, KafkaError>,
) -> Result<(), RDKafkaErrorCode> {
    match results.unwrap().remove(0) {
        Ok(_) => Ok(()),
        Err((_, code)) => Err(code),
    }
}

pub fn send_with(producer: &FutureProducer, topic: &str, messages: &[Outgoing]) -> Result<Vec<(i32, i64)>, KafkaError> {
    let mut sent = Vec::new();
    for message in messages {
        let mut record: FutureRecord<'_, Vec<u8>, Vec<u8>> = FutureRecord::to(topic);
        record.key = message.key.as_ref();
        record.payload = message.value.as_ref();
        record.partition = message.partition;
        record.timestamp = message.timestamp;
        if !message.headers.is_empty() {
            let headers = message.headers.iter();
            record.headers =
                Some(headers.fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: *value })));
        }
        sent.push(producer.send_result(record).map_err(|(error, _)| error)?);
    }
    sent.into_iter()
        .map(|delivery| match block_on(delivery).expect("the producer lives") {
            Ok(place) => Ok((place.partition, place.offset)),
            Err((error, _)) => Err(error),
        })
        .collect()
}

pub fn poll(consumer: &BaseConsumer<Watch>) -> Vec<Record> {
    let mut records = Vec::new();
    let mut wait = Duration::from_millis(100);
    while let Some(found) = consumer.poll(wait) {
        let found = found.unwrap();
        let owned = |bytes: &[u8]| bytes.to_vec();
        let headers = found
            .headers()
            .map_or(Vec::new(), |all| all.iter().map(|one| (one.key.to_string(), one.value.map(owned))).collect());
        records.push(Record {
            offset: found.offset(),
            key: found.key().map(owned),
            value: found.payload().map(owned),
            headers,
            timestamp: found.timestamp().to_millis(),
        });
        wait = Duration::ZERO;
    }
    records
}

pub fn poll_for(consumer: &BaseConsumer<Watch>, count: usize) -> Vec<Record> {
    let deadline = Instant::now() + TIMEOUT;
    let mut seen = Vec::new();
    while seen.len() < count {
        assert!(Instant::now() < deadline, "saw {} of {count} records", seen.len());
        seen.extend(poll(consumer));
    }
    seen
}

pub fn numbered(count: usize, partition: i32) -> Vec<Outgoing> {
    let value = |n| Some(format!("v{n}").into_bytes());
    (0..count).map(|n| Outgoing { value: value(n), partition: Some(partition), ..Outgoing::default() }).collect()
}

pub fn text(bytes: &Option<Vec<u8>>) -> Option<&str> {
    bytes.as_deref().map(|bytes| std::str::from_utf8(bytes).unwrap())
}

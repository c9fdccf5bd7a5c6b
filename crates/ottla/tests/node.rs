//! A node inside a test, used by a client.
#![allow(clippy::unwrap_used, reason = "tests")]

use ottla::{Node, StartError};
use ottla_client::config::{ConsumerConfig, ProducerConfig, Settings};
use ottla_client::shell::consumer::{Consumer, Start};
use ottla_client::shell::producer::{Producer, ProducerRecord};
use std::time::Duration;

fn settings(node: &Node) -> Settings {
    let mut settings = Settings::default();
    settings.set("bootstrap.servers", node.bootstrap());
    settings
}

fn record(topic: &str, value: &str) -> ProducerRecord {
    ProducerRecord { topic: topic.into(), value: Some(value.as_bytes().to_vec()), ..ProducerRecord::default() }
}

async fn produce(node: &Node, topic: &str, value: &str) {
    let producer = Producer::new(ProducerConfig::read(&settings(node)).unwrap(), ottla_io::clock::seed());
    producer.send(&record(topic, value)).await.unwrap();
    producer.close().await;
}

async fn consume(node: &Node, topic: &str) -> Vec<String> {
    let mut consumer = Consumer::new(ConsumerConfig::read(&settings(node)).unwrap());
    consumer.assign(vec![((topic.into(), 0), Start::Beginning)]);
    loop {
        let records = consumer.poll(Duration::from_secs(20)).await.unwrap();
        if !records.is_empty() {
            return records
                .iter()
                .map(|record| String::from_utf8_lossy(record.value.as_deref().unwrap()).into())
                .collect();
        }
    }
}

#[tokio::test]
async fn nodes_stand_beside_one_another() {
    let (one, other) = (Node::start().unwrap(), Node::start().unwrap());
    produce(&one, "greetings", "hello").await;
    produce(&other, "greetings", "goodbye").await;
    assert_eq!(consume(&one, "greetings").await, ["hello"]);
    assert_eq!(consume(&other, "greetings").await, ["goodbye"]);
}

#[tokio::test]
async fn data_go_with_the_node() {
    let node = Node::start().unwrap();
    let directory = node.directory().to_owned();
    produce(&node, "greetings", "hello").await;
    assert!(directory.join("greetings-0").is_dir());
    node.stop();
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_directory_that_was_given_stays() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::builder().directory(directory.path()).start().unwrap();
    produce(&node, "greetings", "hello").await;
    node.stop();
    let again = Node::builder().directory(directory.path()).start().unwrap();
    assert_eq!(consume(&again, "greetings").await, ["hello"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn data_may_be_in_memory() {
    let node = Node::builder().in_memory().start().unwrap();
    assert!(node.directory().starts_with("/dev/shm"));
    produce(&node, "greetings", "hello").await;
    assert_eq!(consume(&node, "greetings").await, ["hello"]);
}

/// Keys and offsets from the beginning up to an offset.
async fn keys(node: &Node, topic: &str, last_offset: i64) -> Vec<(String, i64)> {
    let mut consumer = Consumer::new(ConsumerConfig::read(&settings(node)).unwrap());
    consumer.assign(vec![((topic.into(), 0), Start::Beginning)]);
    let mut keys = Vec::new();
    while keys.last().is_none_or(|(_, offset)| *offset < last_offset) {
        let records = consumer.poll(Duration::from_secs(20)).await.unwrap();
        assert!(!records.is_empty(), "the last record does not come");
        let key = |record: &[u8]| String::from_utf8_lossy(record).into_owned();
        keys.extend(records.iter().map(|record| (key(record.key.as_deref().unwrap()), record.offset)));
    }
    keys
}

#[tokio::test]
async fn a_compacted_topic_is_compacted_while_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let start = || {
        let compacted = [
            ("log.cleanup.policy", "compact"),
            ("log.roll.ms", "1000"),
            ("log.cleaner.backoff.ms", "5"),
            ("log.cleaner.min.cleanable.ratio", "0.0"),
        ];
        let builder = Node::builder().directory(directory.path());
        compacted.into_iter().fold(builder, |builder, (key, value)| builder.property(key, value)).start().unwrap()
    };
    let node = start();
    let producer = Producer::new(ProducerConfig::read(&settings(&node)).unwrap(), ottla_io::clock::seed());
    for number in 0..20u8 {
        let record = ProducerRecord {
            // Each is a segment.
            timestamp_ms: Some(1_700_000_000_000 + i64::from(number) * 2000),
            key: Some(format!("k{}", number % 4).into_bytes()),
            ..record("table", &number.to_string())
        };
        producer.send(&record).await.unwrap();
    }
    producer.close().await;
    let expected: Vec<(String, i64)> = (15..20).map(|offset| (format!("k{}", offset % 4), offset)).collect();
    let begun = std::time::Instant::now();
    loop {
        let found = keys(&node, "table", 19).await;
        assert!(found.ends_with(&expected), "{found:?}");
        if found == expected {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{found:?}");
    }
    node.stop();
    let again = start();
    assert_eq!(keys(&again, "table", 19).await, expected);
}

#[test]
fn what_is_wrong_is_said() {
    let wrong = Node::builder().property("num.partitions", "many").start();
    let Err(StartError::Config(mistakes)) = wrong else { panic!("it started") };
    assert!(mistakes.to_string().contains("num.partitions"), "{mistakes}");

    let taken = Node::start().unwrap();
    let listeners = format!("PLAINTEXT://{},CONTROLLER://127.0.0.1:0", taken.bootstrap());
    let Err(error) = Node::builder().property("listeners", listeners).start() else { panic!("it started") };
    assert!(error.to_string().contains("cannot be bound"), "{error}");
}

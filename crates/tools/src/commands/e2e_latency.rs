//! `ottla e2e-latency`: how long a record takes from a producer to a consumer, as `kafka-e2e-latency.sh`.

use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Progress, Style, Tool, complain, convert, flag, int, maybe,
    maybe_int, say, say_json, text,
};
use crate::cluster::{admin, block_on_all_cores};
use ottla_client::ClientError;
use ottla_client::config::{ConsumerConfig, ProducerConfig, Settings};
use ottla_client::session::fetched::ConsumerRecord;
use ottla_client::shell::admin::topics::NewTopic;
use ottla_client::shell::consumer::{Consumer, Start};
use ottla_client::shell::producer::{Producer, ProducerRecord};
use ottla_io::clock;
use ottla_machine::Seed;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const TOOL: Tool = Tool {
    name: "e2e-latency",
    script: "kafka-e2e-latency",
    classes: &["org.apache.kafka.tools.EndToEndLatency", "kafka.tools.EndToEndLatency"],
    group: Group::Performance,
    about: "This tool measures end-to-end latency in Kafka by sending messages and timing their reception.",
    style: Style::Jopt,
    on_parse_error: ParseError::Usage,
    options: OPTIONS,
    subcommands: &[],
    examples: &[
        "e2e-latency --bootstrap-server localhost:9092 --topic latency --num-records 1000 --producer-acks all --record-size 512",
    ],
    run,
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "bootstrap-server", "REQUIRED: The brokers to begin with."),
    text("topic", "topic-name", "REQUIRED: The topic to write to and read from."),
    int("num-records", "count", "REQUIRED: How many records."),
    text("producer-acks", "producer-acks", "REQUIRED: What counts as written: 1 or all."),
    int("record-size", "bytes", "REQUIRED: The size of each value."),
    maybe_int("record-key-size", "bytes", "The size of each key.").default("0"),
    maybe_int("record-header-key-size", "bytes", "The size of each header's key.").default("0"),
    maybe_int("record-header-size", "bytes", "The size of each header's value; -1 for null.").default("0"),
    maybe_int("num-headers", "count", "How many headers each record has.").default("0"),
    maybe("command-config", "config-file", "A file of settings for all clients."),
    flag("json", "Print one JSON object at the end instead of text."),
];

/// What the older form of the command takes, in its order.
const POSITIONS: [&str; 6] =
    ["bootstrap-server", "topic", "num-records", "producer-acks", "record-size", "command-config"];

/// A record that does not come within this time is lost.
const POLL_TIMEOUT: Duration = Duration::from_secs(60);

fn run(parsed: &Parsed) -> Done {
    let is_named = POSITIONS[..5].iter().any(|name| parsed.has(name));
    let plan = if is_named { Plan::of(parsed)? } else { Plan::of(&positional(parsed)?)? };
    block_on_all_cores(plan.run())
}

/// The older form, as if its options had been named.
fn positional(parsed: &Parsed) -> Done<Parsed> {
    let words: Vec<&str> = parsed.line.split(' ').filter(|word| !word.is_empty()).collect();
    if words.len() != 5 && words.len() != 6 {
        return Err(Failure::told(format!(
            "Invalid number of arguments. Expected 5 or 6 positional arguments, but got {}. Usage: bootstrap-server topic num-records producer-acks record-size [optional] command-config",
            words.len()
        )));
    }
    say(
        "WARNING: Positional argument usage is deprecated and will be removed in Apache Kafka 5.0. Please use named arguments instead: --bootstrap-server, --topic, --num-records, --producer-acks, --record-size, --command-config",
    );
    let mut named = Parsed::new(parsed.all().collect());
    for (name, word) in POSITIONS.iter().zip(words) {
        if let Some(option) = parsed.option(name) {
            named.give(option, Some(word.to_owned()));
        }
    }
    Ok(named)
}

struct Plan {
    brokers: String,
    topic: Arc<str>,
    count: usize,
    acks: String,
    value_size: usize,
    key_size: usize,
    header_count: usize,
    header_key_size: usize,
    /// None for null.
    header_value_size: Option<usize>,
    settings: Vec<(String, String)>,
    as_json: bool,
}

impl Plan {
    fn of(parsed: &Parsed) -> Done<Self> {
        parsed.require(&POSITIONS[..5])?;
        let acks = parsed.value("producer-acks")?.unwrap_or_default();
        if !["1", "all"].contains(&acks) {
            return Err(Failure::usage(
                "Invalid value for --producer-acks. Latency testing requires synchronous acknowledgement. Please use '1' or 'all'.",
            ));
        }
        let number = |name: &str| parsed.number::<i32>(name).map(Option::unwrap_or_default);
        let count = usize::try_from(number("num-records")?).ok().filter(|count| *count > 0);
        let count = count.ok_or_else(|| Failure::usage("Value for --num-records must be a positive integer."))?;
        let size = |name: &str| {
            usize::try_from(number(name)?)
                .map_err(|_| Failure::usage(format!("Value for --{name} must be a non-negative integer.")))
        };
        let (value_size, key_size) = (size("record-size")?, size("record-key-size")?);
        let header_key_size = size("record-header-key-size")?;
        let header_value_size = match number("record-header-size")? {
            -1 => None,
            bytes => Some(usize::try_from(bytes).map_err(|_| {
                Failure::usage(
                    "Value for --record-header-size must be a non-negative integer or -1 for null header value.",
                )
            })?),
        };
        Ok(Self {
            brokers: parsed.value("bootstrap-server")?.unwrap_or_default().to_owned(),
            topic: parsed.value("topic")?.unwrap_or_default().into(),
            as_json: parsed.has("json"),
            count,
            acks: acks.to_owned(),
            value_size,
            key_size,
            header_count: size("num-headers")?,
            header_key_size,
            header_value_size,
            settings: match parsed.value("command-config")? {
                // All that this tool says of a file that is not there.
                Some(path) if !Path::new(path).exists() => return Err(Failure::told(path)),
                Some(path) => convert::properties_file(path)?,
                None => Vec::new(),
            },
        })
    }

    fn settings(&self, more: &[(&str, &str)]) -> Settings {
        let given = self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let mut settings = Settings::from_pairs(given);
        settings.set("bootstrap.servers", self.brokers.as_str());
        for (key, value) in more {
            settings.set(*key, *value);
        }
        settings
    }

    async fn run(self) -> Done {
        let group = format!("test-group-{}", clock::wall().0);
        let consumer = ConsumerConfig::read(&self.settings(&[
            ("group.id", &group),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "latest"),
            ("fetch.max.wait.ms", "0"),
        ]))?;
        let producer = ProducerConfig::read(&self.settings(&[("linger.ms", "0"), ("acks", &self.acks)]))?;
        let admin = admin(&mut self.settings(&[]))?;
        if !admin.list_topics().await?.contains_key(&*self.topic) {
            self.create_topic(&admin).await?;
        }
        let mut consumer = Consumer::new(consumer);
        self.go_to_end(&admin, &mut consumer).await?;
        let producer = Producer::new(producer, clock::seed());
        let done = self.measure(&producer, &mut consumer).await;
        producer.close().await;
        done
    }

    async fn create_topic(&self, admin: &ottla_client::Admin) -> Done {
        // Where programs read the output, what is for people stands beside it.
        let tell = if self.as_json { complain } else { say };
        tell(&format!(
            "Topic \"{}\" does not exist. Will create topic with 1 partition(s) and replication factor = 1",
            self.topic
        ));
        let topic = NewTopic {
            name: self.topic.to_string(),
            partitions: Some(1),
            replication_factor: Some(1),
            ..NewTopic::default()
        };
        let created = admin.create_topic(&topic).await;
        if created.is_err() {
            tell(&format!("Creation of topic {} failed", self.topic));
        }
        Ok(created?)
    }

    /// Reads all partitions, from what is their end now.
    async fn go_to_end(&self, admin: &ottla_client::Admin, consumer: &mut Consumer) -> Done {
        let partitions = loop {
            let known = match admin.describe_topics(&[&self.topic], 2_000).await {
                Ok(topics) => topics.first().map_or(0, |topic| topic.partitions.len()),
                // A topic that was just made is known a moment later.
                Err(error) if error.code() == Some(ottla_wire::ErrorCode::UnknownTopicOrPartition) => 0,
                Err(error) => return Err(error.into()),
            };
            if known > 0 {
                break i32::try_from(known).unwrap_or(i32::MAX);
            }
            tokio::task::yield_now().await;
        };
        consumer.assign((0..partitions).map(|index| ((Arc::clone(&self.topic), index), Start::End)).collect());
        let deadline = Instant::now() + POLL_TIMEOUT;
        while consumer.positions().values().any(Option::is_none) {
            if Instant::now() > deadline {
                return Err(Failure::told(format!("the end of {} is not known after a minute", self.topic)));
            }
            consumer.poll(Duration::from_millis(50)).await?;
        }
        Ok(())
    }

    async fn measure(&self, producer: &Producer, consumer: &mut Consumer) -> Done {
        let mut seed = clock::seed();
        let mut latencies: Vec<Duration> = Vec::new();
        let mut progress = Progress::new("records", u64::try_from(self.count).unwrap_or(0));
        for number in 0..self.count {
            let record = self.record(&mut seed);
            let begun = Instant::now();
            producer.send(&record).await?;
            let records = consumer.poll(POLL_TIMEOUT).await?;
            let elapsed = begun.elapsed();
            if let Err(why) = check(&record, &records) {
                // As Kafka's does, so that the next reader begins behind what was wrong.
                if let Err(error) = consumer.commit().await {
                    complain(&error.to_string());
                }
                return Err(Failure::told(why));
            }
            progress.show(u64::try_from(number).unwrap_or(0) + 1);
            if number % 1000 == 0 && !self.as_json {
                say(&format!("{number}\t{:?}", millis(elapsed)));
            }
            latencies.push(elapsed);
        }
        progress.end();
        match self.as_json {
            true => say_json(&summary_json(&mut latencies)),
            false => say(summary(&mut latencies).trim_end()),
        }
        consumer.commit().await.map_err(ClientError::into)
    }

    fn record(&self, seed: &mut Seed) -> ProducerRecord {
        let mut letters = |size: usize| vec![b'A' + u8::try_from(seed.below(26)).unwrap_or(0); size];
        let (key, value) = (letters(self.key_size), letters(self.value_size));
        let headers = (0..self.header_count).map(|_| {
            let key = String::from_utf8_lossy(&letters(self.header_key_size)).into_owned();
            (key, self.header_value_size.map(&mut letters))
        });
        ProducerRecord {
            headers: headers.collect(),
            topic: Arc::clone(&self.topic),
            key: Some(key),
            value: Some(value),
            ..ProducerRecord::default()
        }
    }
}

/// What came must be what was sent, and nothing else.
fn check(sent: &ProducerRecord, records: &[ConsumerRecord]) -> Result<(), String> {
    let Some(read) = records.first() else {
        return Err(format!("poll() timed out before finding a result (timeout:[{}ms])", POLL_TIMEOUT.as_millis()));
    };
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (sent_value, read_value) =
        (sent.value.as_deref().unwrap_or_default(), read.value.as_deref().unwrap_or_default());
    if sent_value != read_value {
        return Err(format!(
            "The message value read [{}] did not match the message value sent [{}]",
            shown(read_value),
            shown(sent_value)
        ));
    }
    let Some(read_key) = read.key.as_deref() else {
        return Err("Expected message key but received null".to_owned());
    };
    let sent_key = sent.key.as_deref().unwrap_or_default();
    if sent_key != read_key {
        return Err(format!(
            "The message key read [{}] did not match the message key sent [{}]",
            shown(read_key),
            shown(sent_key)
        ));
    }
    check_headers(sent, read)?;
    if records.len() != 1 {
        return Err(format!("Only one result was expected during this test. We found [{}]", records.len()));
    }
    Ok(())
}

fn check_headers(sent: &ProducerRecord, read: &ConsumerRecord) -> Result<(), String> {
    if sent.headers.is_empty() {
        return Ok(());
    }
    if read.headers.is_empty() {
        return Err("Expected message headers but received none".to_owned());
    }
    let shown = |value: Option<&[u8]>| value.map_or_else(|| "null".to_owned(), |value| format!("{value:?}"));
    for ((sent_key, sent_value), (read_key, read_value)) in sent.headers.iter().zip(&read.headers) {
        if sent_key.as_bytes() != &read_key[..] || sent_value.as_deref() != read_value.as_deref() {
            return Err(format!(
                "The message header read [{}:{}] did not match the message header sent [{sent_key}:{}]",
                String::from_utf8_lossy(read_key),
                shown(read_value.as_deref()),
                shown(sent_value.as_deref())
            ));
        }
    }
    if sent.headers.len() != read.headers.len() {
        return Err("Header count mismatch between sent and received messages".to_owned());
    }
    Ok(())
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

/// The average, and percentiles in whole milliseconds.
fn mean(latencies: &[Duration]) -> f64 {
    let total: Duration = latencies.iter().sum();
    millis(total) / f64::from(u32::try_from(latencies.len().max(1)).unwrap_or(u32::MAX))
}

/// Of latencies in their order. In thousandths, so that no rounding of fractions decides which one it is.
fn percentile(latencies: &[Duration], thousandths: usize) -> Duration {
    let place = latencies.len() * thousandths / 1000;
    latencies.get(place.min(latencies.len().saturating_sub(1))).copied().unwrap_or_default()
}

fn summary_json(latencies: &mut [Duration]) -> serde_json::Value {
    latencies.sort_unstable();
    let at = |thousandths: usize| millis(percentile(latencies, thousandths));
    serde_json::json!({
        "records": latencies.len(),
        "latencyMs": { "mean": mean(latencies), "p50": at(500), "p99": at(990), "p99.9": at(999), "max": at(1000) },
    })
}

fn summary(latencies: &mut [Duration]) -> String {
    latencies.sort_unstable();
    let at = |thousandths: usize| percentile(latencies, thousandths).as_millis();
    let mut text = String::new();
    let _ = writeln!(text, "Avg latency: {:.4} ms", mean(latencies));
    let _ = writeln!(text, "Percentiles: 50th = {}, 99th = {}, 99.9th = {}", at(500), at(990), at(999));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_whole_milliseconds() {
        let mut latencies: Vec<Duration> = (1..=1000).rev().map(Duration::from_millis).collect();
        assert_eq!(
            summary(&mut latencies),
            "Avg latency: 500.5000 ms\nPercentiles: 50th = 501, 99th = 991, 99.9th = 1000\n"
        );
        assert_eq!(
            summary(&mut [Duration::from_micros(1500)]),
            "Avg latency: 1.5000 ms\nPercentiles: 50th = 1, 99th = 1, 99.9th = 1\n"
        );
    }

    #[test]
    fn what_came_must_be_what_was_sent() {
        let sent = ProducerRecord { key: Some(vec![]), value: Some(b"v".to_vec()), ..ProducerRecord::default() };
        assert!(check(&sent, &[]).unwrap_err().starts_with("poll() timed out"));
    }
}

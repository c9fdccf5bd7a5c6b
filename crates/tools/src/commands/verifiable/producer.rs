//! The producer: it sends numbers that count up, and tells the fate of each.

use super::{maybe_text, tell, text as json};
use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, asked_to_end, convert, flag, int, long, say, text,
};
use crate::cluster::block_on;
use ottla_client::ClientError;
use ottla_client::config::{ProducerConfig, Settings};
use ottla_client::shell::producer::{Producer, ProducerRecord, RecordMetadata};
use ottla_io::clock;
use ottla_wire::Json;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

pub(crate) const TOOL: Tool = Tool {
    name: "verifiable-producer",
    script: "kafka-verifiable-producer",
    classes: &["org.apache.kafka.tools.VerifiableProducer"],
    group: Group::Performance,
    about: "This tool produces increasing integers to the specified topic and prints JSON metadata to stdout on each \
        \"send\" request, making externally visible which messages have been acked and which have not.",
    style: Style::Argparse,
    on_parse_error: ParseError::Usage,
    options: OPTIONS,
    subcommands: &[],
    examples: &["verifiable-producer --bootstrap-server localhost:9092 --topic numbers --max-messages 100"],
    run,
};

const OPTIONS: &[Opt] = &[
    text("topic", "TOPIC", "The topic to write to.").required(),
    text("bootstrap-server", "HOST1:PORT1[,HOST2:PORT2[...]]", "The brokers to begin with.").required(),
    int("max-messages", "MAX-MESSAGES", "How many records; -1 for as many as come until a signal.").default("-1"),
    int("throughput", "THROUGHPUT", "The most records a second, about; -1 for no bound.").default("-1"),
    int("acks", "ACKS", "What counts as written: 0, 1 or -1.").default("-1"),
    text("producer.config", "CONFIG-FILE", "Deprecated: use --command-config."),
    long("message-create-time", "CREATE-TIME", "The time of the first record, in milliseconds since 1970.")
        .default("-1"),
    int("value-prefix", "VALUE-PREFIX", "A number that stands before each value, with a point between."),
    int("repeating-keys", "REPEATING-KEYS", "Keys that count from 0 up to this number, and then again."),
    text("command-config", "CONFIG-FILE", "A file of settings for the producer, which win over options."),
    flag("json", "Its lines are JSON objects without this, too."),
];

fn run(parsed: &Parsed) -> Done {
    let acks = parsed.int("acks")?.unwrap_or(-1);
    if ![0, 1, -1].contains(&acks) {
        return Err(Failure::told(format!("argument --acks: invalid choice: '{acks}' (choose from {{0,1,-1}})")));
    }
    let mut settings = Settings::from_pairs([
        ("bootstrap.servers", parsed.value("bootstrap-server")?.unwrap_or_default()),
        ("acks", acks.to_string().as_str()),
        ("retries", "0"),
    ]);
    settings.set_default("client.id", "producer-1");
    let file = match (parsed.value("producer.config")?, parsed.value("command-config")?) {
        (Some(_), Some(_)) => {
            return Err(Failure::told("Options --producer.config and --command-config are mutually exclusive."));
        }
        (Some(old), None) => {
            say(
                "Option --producer.config has been deprecated and will be removed in a future version. Use --command-config instead.",
            );
            Some(old)
        }
        (None, new) => new,
    };
    for (key, value) in file.map(convert::properties_file).transpose()?.unwrap_or_default() {
        settings.set(&key, value);
    }
    let begun_ms = clock::wall().0;
    let numbers = Numbers {
        topic: parsed.value("topic")?.unwrap_or_default().into(),
        count_max: parsed.int("max-messages")?.and_then(|count| u64::try_from(count).ok()),
        throughput: parsed.int("throughput")?.unwrap_or(-1),
        prefix: parsed.int("value-prefix")?,
        keys: parsed.int("repeating-keys")?,
        create_time_ms: parsed.long("message-create-time")?.filter(|time| *time != -1),
        begun: Instant::now(),
        begun_ms,
        next_key: 0,
        sent: 0,
        acked: Arc::new(AtomicI64::new(0)),
    };
    block_on(numbers.run(ProducerConfig::read(&settings)?))
}

struct Numbers {
    topic: Arc<str>,
    /// None for no end.
    count_max: Option<u64>,
    throughput: i32,
    prefix: Option<i32>,
    keys: Option<i32>,
    create_time_ms: Option<i64>,
    begun: Instant,
    begun_ms: i64,
    next_key: i32,
    sent: i64,
    acked: Arc<AtomicI64>,
}

impl Numbers {
    async fn run(mut self, config: ProducerConfig) -> Done {
        let producer = Producer::new(config, clock::seed());
        tell("startup_complete", vec![]);
        let asked = tokio::select! {
            () = self.send_all(&producer) => None,
            code = asked_to_end() => Some(code?),
        };
        producer.close().await;
        tell("shutdown_complete", vec![]);
        let acked = self.acked.load(Ordering::Acquire);
        #[allow(clippy::cast_precision_loss, reason = "no test sends 2^53 records")]
        let throughput = 1000.0 * (acked as f64 / self.begun.elapsed().as_millis().max(1) as f64);
        tell(
            "tool_data",
            vec![
                ("sent", Json::Integer(self.sent)),
                ("acked", Json::Integer(acked)),
                ("target_throughput", Json::Integer(self.throughput.into())),
                ("avg_throughput", Json::Double(throughput)),
            ],
        );
        match asked {
            None => Ok(()),
            Some(code) => std::process::exit(code),
        }
    }

    async fn send_all(&mut self, producer: &Producer) {
        let mut number = 0;
        while self.count_max.is_none_or(|most| number < most) {
            self.send(producer, number).await;
            number += 1;
            self.throttle(number).await;
        }
    }

    async fn send(&mut self, producer: &Producer, number: u64) {
        let key = self.keys.map(|count| {
            let key = self.next_key.to_string();
            self.next_key = if self.next_key + 1 == count { 0 } else { self.next_key.wrapping_add(1) };
            key
        });
        let value = self.prefix.map_or_else(|| number.to_string(), |prefix| format!("{prefix}.{number}"));
        let record = ProducerRecord {
            topic: Arc::clone(&self.topic),
            timestamp_ms: self.create_time_ms,
            key: key.clone().map(String::into_bytes),
            value: Some(value.clone().into_bytes()),
            ..ProducerRecord::default()
        };
        if let Some(time) = &mut self.create_time_ms {
            *time += clock::wall().0 - self.begun_ms;
        }
        self.sent += 1;
        let fate = Fate { topic: Arc::clone(&self.topic), key, value };
        let (told, acked) = (fate.clone(), Arc::clone(&self.acked));
        let callback = move |result: ottla_client::Result<RecordMetadata>| match result {
            Ok(metadata) => {
                acked.fetch_add(1, Ordering::AcqRel);
                told.tell_success(&metadata);
            }
            Err(error) => told.tell_error(&error),
        };
        if let Err(error) = producer.submit(&record, Box::new(callback)).await {
            fate.tell_error(&error);
        }
    }

    /// Waits while more was sent than the bound allows by now.
    async fn throttle(&self, sent: u64) {
        match self.throughput {
            ..0 => {}
            // As Kafka's: nothing more until the end.
            0 => std::future::pending().await,
            bound => {
                #[allow(clippy::cast_precision_loss, reason = "no test sends 2^53 records")]
                let due = self.begun + Duration::from_secs_f64(sent as f64 / f64::from(bound));
                tokio::time::sleep_until(due.into()).await;
            }
        }
    }
}

#[derive(Clone)]
struct Fate {
    topic: Arc<str>,
    key: Option<String>,
    value: String,
}

impl Fate {
    fn tell_success(&self, metadata: &RecordMetadata) {
        tell(
            "producer_send_success",
            vec![
                ("key", maybe_text(self.key.as_deref())),
                ("value", json(&self.value)),
                ("topic", json(&metadata.topic)),
                ("partition", Json::Integer(metadata.partition.into())),
                ("offset", Json::Integer(metadata.offset.unwrap_or(-1))),
            ],
        );
    }

    fn tell_error(&self, error: &ClientError) {
        tell(
            "producer_send_error",
            vec![
                ("topic", json(&self.topic)),
                ("key", maybe_text(self.key.as_deref())),
                ("value", json(&self.value)),
                ("exception", json(&format!("class {}", error.class()))),
                ("message", json(&error.to_string())),
            ],
        );
    }
}

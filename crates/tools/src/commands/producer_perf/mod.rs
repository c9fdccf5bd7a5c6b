//! `ottla producer-perf-test`: how fast records are taken, as `kafka-producer-perf-test.sh`.

mod payload;
mod stats;

use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Progress, Style, Tool, convert, flag, int, list, long, say, text,
};
use crate::cluster::{block_on_all_cores, resolved};
use crate::metrics_table;
use ottla_client::config::{ProducerConfig, Settings};
use ottla_client::shell::producer::{Producer, ProducerRecord};
use ottla_io::clock;
use payload::Payload;
use stats::{Stage, Stats};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(crate) const TOOL: Tool = Tool {
    name: "producer-perf-test",
    script: "kafka-producer-perf-test",
    classes: &["org.apache.kafka.tools.ProducerPerformance"],
    group: Group::Performance,
    about: "This tool is used to verify the producer performance.",
    style: Style::Argparse,
    on_parse_error: ParseError::Plain,
    options: OPTIONS,
    subcommands: &[],
    examples: &[
        "producer-perf-test --topic perf --num-records 1000000 --record-size 1000 --throughput -1 --bootstrap-server localhost:9092",
    ],
    run,
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "BOOTSTRAP-SERVER", "The brokers to begin with."),
    text("topic", "TOPIC", "The topic to write to.").required(),
    long("num-records", "NUM-RECORDS", "How many records.").required(),
    int("record-size", "RECORD-SIZE", "The bytes of each record, which are random letters."),
    text("payload-file", "PAYLOAD-FILE", "A text file of records, of which one is drawn each time."),
    flag("payload-monotonic", "Records that count up."),
    text("payload-delimiter", "PAYLOAD-DELIMITER", "What stands between the records of the file.").default("\\n"),
    text("throughput", "THROUGHPUT", "The most records a second; -1 for no bound.").required(),
    list("producer-props", "PROP-NAME=PROP-VALUE", "Deprecated: use --command-property."),
    list("command-property", "PROP-NAME=PROP-VALUE", "Settings of the producer."),
    text("producer.config", "CONFIG-FILE", "Deprecated: use --command-config."),
    text("command-config", "CONFIG-FILE", "A file of settings for the producer."),
    flag("print-metrics", "Print the producer's metrics at the end."),
    text("transactional-id", "TRANSACTIONAL-ID", "The id of a transactional producer."),
    long("transaction-duration-ms", "TRANSACTION-DURATION", "How long each transaction lasts."),
    long("warmup-records", "WARMUP-RECORDS", "How many records are left out of the steady state.").default("0"),
    long("reporting-interval", "INTERVAL-MS", "The milliseconds between two lines of progress.").default("5000"),
    flag("json", "Print one JSON object a line of text."),
];

fn run(parsed: &Parsed) -> Done {
    let sources = ["record-size", "payload-file", "payload-monotonic"];
    match sources.iter().filter(|source| parsed.has(source)).count() {
        1 => {}
        0 => {
            return Err(Failure::told(
                "one of the arguments --record-size --payload-file --payload-monotonic is required",
            ));
        }
        _ => return Err(Failure::told("--record-size, --payload-file and --payload-monotonic exclude each other")),
    }
    for later in ["transactional-id", "transaction-duration-ms"] {
        if parsed.has(later) {
            return Err(Failure::told(format!("--{later} is not supported yet.")));
        }
    }
    let throughput: f64 = parsed.number("throughput")?.unwrap_or(-1.0);
    let count = parsed.long("num-records")?.unwrap_or_default();
    let Some(count) = u64::try_from(count).ok().filter(|count| *count > 0) else {
        return Err(Failure::told("--num-records should be greater than zero."));
    };
    let warmup = u64::try_from(parsed.long("warmup-records")?.unwrap_or_default()).unwrap_or(0);
    if warmup >= count {
        return Err(Failure::told(
            "The value for --warmup-records must be strictly fewer than the number of records in the test, --num-records.",
        ));
    }
    let interval = parsed.long("reporting-interval")?.filter(|millis| *millis > 0);
    let interval = interval.ok_or_else(|| Failure::told("--reporting-interval should be greater than zero."))?;
    let payload = Payload::of(parsed)?;
    let config = resolved(ProducerConfig::read(&settings(parsed)?), |config| &config.client)?;
    let test = Test {
        topic: parsed.value("topic")?.unwrap_or_default().into(),
        count,
        warmup,
        interval: Duration::from_millis(interval.unsigned_abs()),
        throughput,
        payload,
        as_json: parsed.has("json"),
        prints_metrics: parsed.has("print-metrics"),
    };
    block_on_all_cores(test.run(config))
}

fn settings(parsed: &Parsed) -> Done<Settings> {
    let file = if parsed.has("producer.config") { "producer.config" } else { "command-config" };
    let mut settings = convert::settings(parsed, file)?;
    let mut given = parsed.values("producer-props");
    given.extend(parsed.values("command-property"));
    for pair in given {
        match pair.split('=').collect::<Vec<_>>()[..] {
            [key, value] => settings.set(key, value),
            _ => return Err(Failure::told(format!("Invalid property: {pair}"))),
        }
    }
    if let Some(servers) = parsed.value("bootstrap-server")? {
        settings.set("bootstrap.servers", servers);
    }
    settings.set_default("bootstrap.servers", crate::cluster::DEFAULT_BOOTSTRAP);
    settings.set_default("client.id", "perf-producer-client");
    Ok(settings)
}

struct Test {
    topic: Arc<str>,
    count: u64,
    warmup: u64,
    interval: Duration,
    throughput: f64,
    payload: Payload,
    as_json: bool,
    prints_metrics: bool,
}

/// What callbacks add to: all records, and those behind the warm-up.
struct Shared {
    all: Stats,
    steady: Option<Stats>,
}

impl Test {
    async fn run(mut self, config: ProducerConfig) -> Done {
        let producer = Producer::new(config, clock::seed());
        if self.warmup > 0 && !self.as_json {
            say(&format!(
                "Warmup first {} records. Steady state results will print after the complete test summary.",
                self.warmup
            ));
        }
        let all = Stats::new(self.count, self.interval, Stage::Whole, self.as_json);
        let shared = Arc::new(Mutex::new(Shared { all, steady: None }));
        let begun = Instant::now();
        let mut progress = Progress::new("records", self.count);
        let mut record = ProducerRecord { topic: Arc::clone(&self.topic), ..ProducerRecord::default() };
        for number in 0..self.count {
            if self.warmup > 0 && number == self.warmup {
                let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                shared.steady = Some(Stats::new(self.count - self.warmup, self.interval, Stage::Steady, self.as_json));
                shared.all.is_quiet = true;
            }
            self.payload.fill(&mut record.value, number);
            let size = record.value.as_ref().map_or(0, Vec::len);
            let sent = Instant::now();
            let told = Arc::clone(&shared);
            let is_steady = self.warmup > 0 && number >= self.warmup;
            let callback = move |result: ottla_client::Result<_>| {
                if result.is_ok() {
                    let latency = sent.elapsed();
                    let mut shared = told.lock().unwrap_or_else(PoisonError::into_inner);
                    shared.all.record(latency, size);
                    if let Some(steady) = shared.steady.as_mut().filter(|_| is_steady) {
                        steady.record(latency, size);
                    }
                }
            };
            producer.submit(&record, Box::new(callback)).await?;
            progress.show(number + 1);
            self.throttle(begun, number + 1).await;
        }
        producer.flush().await;
        progress.end();
        {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.all.print_total();
            if let Some(steady) = &mut shared.steady {
                steady.print_total();
            }
        }
        if self.prints_metrics {
            metrics_table::print(&producer.metrics().await, self.as_json);
        }
        producer.close().await;
        Ok(())
    }

    /// Waits while more was sent than the bound allows by now.
    async fn throttle(&self, begun: Instant, sent: u64) {
        if self.throughput < 0.0 {
            return;
        }
        #[allow(clippy::cast_precision_loss, reason = "no test sends 2^53 records")]
        let due = begun + Duration::from_secs_f64(sent as f64 / self.throughput.max(0.001));
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
    }
}

//! `ottla console-producer`: lines of standard input become records, as `kafka-console-producer.sh`.

mod lines;

use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, asked_to_end, complain, convert, flag, int, long,
    maybe, say, text,
};
use crate::cluster::{DEFAULT_BOOTSTRAP, block_on, check_bootstrap, resolved};
use crate::record_json;
use lines::LineReader;
use ottla_client::config::{ProducerConfig, Settings};
use ottla_client::shell::producer::{Producer, ProducerRecord};
use ottla_client::{ClientError, Result as ClientResult};
use ottla_io::clock;
use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;
use tokio::sync::mpsc;

pub(crate) const TOOL: Tool = Tool {
    name: "console-producer",
    script: "kafka-console-producer",
    classes: &["org.apache.kafka.tools.ConsoleProducer", "kafka.tools.ConsoleProducer"],
    group: Group::Records,
    about: "This tool helps to read data from standard input and publish it to Kafka.",
    style: Style::Jopt,
    on_parse_error: ParseError::Usage,
    options: OPTIONS,
    subcommands: &[],
    examples: &[
        "console-producer --bootstrap-server localhost:9092 --topic orders",
        "console-producer --topic orders --reader-property parse.key=true --reader-property key.separator=:",
    ],
    run,
};

const OPTIONS: &[Opt] = &[
    text("topic", "topic", "REQUIRED: The topic to write to."),
    text("bootstrap-server", "server to connect to", "The brokers to begin with, as host:port.")
        .also(&["broker-list"])
        .default(DEFAULT_BOOTSTRAP),
    flag("sync", "Wait for each record's acknowledgement before the next is read."),
    maybe("compression-codec", "compression-codec", "none, gzip, snappy, lz4 or zstd; gzip without a value."),
    int("batch-size", "size", "batch.size: the bytes of a batch.").default("16384"),
    int("message-send-max-retries", "Integer", "retries: how often a batch is sent again.").default("3"),
    long("retry-backoff-ms", "Long", "retry.backoff.ms: the pause before a batch is sent again.").default("100"),
    long("timeout", "timeout_ms", "linger.ms: how long a batch waits for more records.").default("1000"),
    text("request-required-acks", "request required acks", "acks: 0, 1 or all.").default("-1"),
    int("request-timeout-ms", "request timeout ms", "request.timeout.ms: how long an answer may take.").default("1500"),
    long("metadata-expiry-ms", "metadata expiration interval", "metadata.max.age.ms: when metadata is asked for anew.")
        .default("300000"),
    long("max-block-ms", "max block on send", "max.block.ms: how long a send may wait for room.").default("60000"),
    long("max-memory-bytes", "total memory in bytes", "buffer.memory: what unsent records may take.")
        .default("33554432"),
    int("max-partition-memory-bytes", "memory in bytes per partition", "Deprecated: use --batch-size.")
        .default("16384"),
    text("line-reader", "reader_class", "The class that reads lines; only Kafka's own is known.")
        .default("org.apache.kafka.tools.LineMessageReader"),
    int("socket-buffer-size", "size", "send.buffer.bytes: the size of the socket's buffer.").default("102400"),
    text("property", "prop", "Deprecated: use --reader-property."),
    text(
        "reader-property",
        "prop",
        "How lines are read: parse.key, parse.headers, ignore.error, key.separator, \
        headers.delimiter, headers.separator, headers.key.separator, null.marker; each as key=value.",
    ),
    text("reader-config", "config file", "A file of such properties."),
    text("producer-property", "producer_prop", "Deprecated: use --command-property."),
    text("command-property", "producer_prop", "A setting of the producer, as key=value."),
    text("producer.config", "config file", "Deprecated: use --command-config."),
    text("command-config", "config file", "A file of settings for the producer."),
    flag(
        "json",
        "Each line is a JSON object with key, value, headers, partition and timestamp, as the consumer's --json writes.",
    ),
];

/// Old options, what replaces them, and Kafka's word for the two together.
const REPLACED: [(&str, &str); 3] =
    [("producer.config", "command-config"), ("producer-property", "command-property"), ("property", "reader-property")];

fn run(parsed: &Parsed) -> Done {
    check(parsed)?;
    let reader = match parsed.has("json") {
        true => Reader::Json { line_number: 0 },
        false => Reader::Lines(LineReader::new(&reader_properties(parsed)?)?),
    };
    let settings = settings(parsed)?;
    let config = resolved(ProducerConfig::read(&settings), |config| &config.client);
    let config = config.map_err(|error| construct_failed(&error))?;
    let topic = parsed.value("topic")?.unwrap_or_default();
    block_on(produce(config, reader, topic.into(), parsed.has("sync")))
}

fn construct_failed(error: &ClientError) -> Failure {
    match error {
        ClientError::Bootstrap(why) => {
            Failure::told(format!("{}: Failed to construct kafka producer\nCaused by: {why}", error.class()))
        }
        ClientError::Config(_) => Failure::told(format!("{}: {error}", error.class())),
        _ => Failure::told(error.to_string()),
    }
}

fn check(parsed: &Parsed) -> Done {
    parsed.require(&["topic"])?;
    for (old, new) in REPLACED {
        if parsed.has(old) && parsed.has(new) {
            return Err(Failure::usage(format!("Options --{new} and --{old} cannot be specified together.")));
        }
    }
    for (old, new) in [REPLACED[1], REPLACED[0], REPLACED[2]] {
        if parsed.has(old) {
            say(&format!(
                "Warning: --{old} is deprecated and will be removed in a future version. Use --{new} instead."
            ));
        }
    }
    if parsed.has("max-partition-memory-bytes") {
        say(
            "Warning: --max-partition-memory-bytes is deprecated and will be removed in Apache Kafka 5.0. Use --batch-size instead.",
        );
    }
    check_bootstrap(parsed.value("bootstrap-server")?.unwrap_or_default())?;
    match parsed.value("line-reader")? {
        Some("org.apache.kafka.tools.LineMessageReader") | None => Ok(()),
        Some(other) => Err(Failure::told(format!(
            "java.lang.ClassNotFoundException: {other} (only org.apache.kafka.tools.LineMessageReader is known)"
        ))),
    }
}

/// The values of an option and of the older one that it replaces.
fn both<'a>(parsed: &'a Parsed, old: &str, new: &str) -> Vec<&'a str> {
    let mut values = parsed.values(old);
    values.extend(parsed.values(new));
    values
}

fn reader_properties(parsed: &Parsed) -> Done<Vec<(String, String)>> {
    let mut properties = match parsed.value("reader-config")? {
        Some(path) => convert::properties_file(path)?,
        None => Vec::new(),
    };
    properties.extend(convert::pairs(&both(parsed, "property", "reader-property")));
    Ok(properties)
}

fn settings(parsed: &Parsed) -> Done<Settings> {
    let file = if parsed.has("producer.config") { "producer.config" } else { "command-config" };
    let mut settings = convert::settings(parsed, file)?;
    for (key, value) in convert::pairs(&both(parsed, "producer-property", "command-property")) {
        settings.set(key, value);
    }
    settings.set("bootstrap.servers", parsed.value("bootstrap-server")?.unwrap_or_default());
    let codec = match parsed.has("compression-codec") {
        true => parsed.last("compression-codec").filter(|codec| !codec.is_empty()).unwrap_or("gzip"),
        false => "none",
    };
    settings.set("compression.type", codec);
    settings.set_default("client.id", "console-producer");
    for (key, option) in [
        ("linger.ms", "timeout"),
        ("acks", "request-required-acks"),
        ("request.timeout.ms", "request-timeout-ms"),
        ("retries", "message-send-max-retries"),
        ("retry.backoff.ms", "retry-backoff-ms"),
        ("send.buffer.bytes", "socket-buffer-size"),
        ("buffer.memory", "max-memory-bytes"),
        ("batch.size", "batch-size"),
        ("batch.size", "max-partition-memory-bytes"),
        ("metadata.max.age.ms", "metadata-expiry-ms"),
        ("max.block.ms", "max-block-ms"),
    ] {
        convert::merge(&mut settings, key, parsed, option)?;
    }
    Ok(settings)
}

enum Reader {
    Lines(LineReader),
    Json { line_number: u64 },
}

impl Reader {
    fn read(&mut self, topic: &Arc<str>, line: &str) -> Read {
        match self {
            Self::Lines(lines) => lines.read(topic, line).map_err(lines::broken),
            Self::Json { line_number } => {
                *line_number += 1;
                let mut record = ProducerRecord { topic: Arc::clone(topic), ..ProducerRecord::default() };
                let parsed = record_json::parse(line.as_bytes(), &mut record);
                parsed.map(|()| record).map_err(|why| Failure::told(format!("line {line_number}: {why}")))
            }
        }
    }
}

/// What the reading thread hands over: a record, or why there are no more.
type Read = Done<ProducerRecord>;

async fn produce(config: ProducerConfig, reader: Reader, topic: Arc<str>, is_sync: bool) -> Done {
    let producer = Producer::new(config, clock::seed());
    let (sender, mut records) = mpsc::channel::<Read>(1_000);
    std::thread::spawn(move || read_lines(reader, &topic, &sender));
    let mut failed = None;
    let mut asked = None;
    loop {
        let next = tokio::select! {
            next = records.recv() => next,
            // What was read is still sent, as by Kafka's shutdown hook.
            code = asked_to_end() => {
                asked = Some(code?);
                break;
            }
        };
        match next {
            None => break,
            Some(Err(failure)) => {
                failed = Some(failure);
                break;
            }
            Some(Ok(record)) if is_sync => {
                producer.send(&record).await?;
            }
            Some(Ok(record)) => send(&producer, &record).await,
        }
    }
    while asked.is_some()
        && let Ok(Ok(record)) = records.try_recv()
    {
        send(&producer, &record).await;
    }
    producer.close().await;
    if let Some(code) = asked {
        std::process::exit(code);
    }
    failed.map_or(Ok(()), Err)
}

async fn send(producer: &Producer, record: &ProducerRecord) {
    let length =
        |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or_else(|| "null".to_owned(), |b| format!("{} bytes", b.len()));
    let what = format!(
        "ERROR Error when sending message to topic {} with key: {}, value: {} with error:",
        record.topic,
        length(&record.key),
        length(&record.value)
    );
    let tell = move |error: &ClientError| complain(&format!("{what}\n{}: {error}", error.class()));
    let told = tell.clone();
    let callback = move |result: ClientResult<_>| {
        if let Err(error) = result {
            told(&error);
        }
    };
    if let Err(error) = producer.submit(record, Box::new(callback)).await {
        tell(&error);
    }
}

/// Reading blocks, so it has a thread of its own.
fn read_lines(mut reader: Reader, topic: &Arc<str>, sender: &mpsc::Sender<Read>) {
    let input = std::io::stdin();
    let has_prompt = input.is_terminal() && std::io::stdout().is_terminal();
    let mut input = input.lock();
    let mut line = Vec::new();
    loop {
        if has_prompt {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(b">").and_then(|()| out.flush());
        }
        line.clear();
        match input.read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                let _ = sender.blocking_send(Err(Failure::told(format!("cannot read standard input: {error}"))));
                return;
            }
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let read = reader.read(topic, text);
        let is_last = read.is_err();
        if sender.blocking_send(read).is_err() || is_last {
            return;
        }
    }
}

//! `ottla consumer-perf-test`: how fast records are read, as `kafka-consumer-perf-test.sh`.

use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Progress, Style, Tool, complain, convert, flag, int, long, say,
    say_json, text,
};
use crate::cluster::{DEFAULT_BOOTSTRAP, NameFilter, block_on_all_cores, resolved};
use crate::metrics_table;
use crate::times::Civil;
use ottla_client::config::{ConsumerConfig, Settings};
use ottla_client::shell::consumer::{Consumer, Event};
use ottla_io::clock;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(crate) const TOOL: Tool = Tool {
    name: "consumer-perf-test",
    script: "kafka-consumer-perf-test",
    classes: &["org.apache.kafka.tools.ConsumerPerformance"],
    group: Group::Performance,
    about: "This tool is used to verify the consumer performance.",
    style: Style::Jopt,
    on_parse_error: ParseError::Usage,
    options: OPTIONS,
    subcommands: &[],
    examples: &["consumer-perf-test --bootstrap-server localhost:9092 --topic perf --num-records 1000000"],
    run,
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "server to connect to", "The brokers to begin with.").default(DEFAULT_BOOTSTRAP),
    text("topic", "topic", "The topic to read."),
    text("include", "Java regex (String)", "A pattern for the topics to read."),
    text("group", "gid", "The group to read with; one of its own unless given."),
    int("fetch-size", "size", "The most bytes of one partition in an answer.").default("1048576"),
    text("command-property", "prop1=val1", "A setting of the consumer, as key=value."),
    flag("from-latest", "Begin at the end where there is no committed offset."),
    int("socket-buffer-size", "size", "The size of the socket's buffer.").default("2097152"),
    text("consumer.config", "config file", "Deprecated: use --command-config."),
    text("command-config", "config file", "A file of settings for the consumer."),
    flag("print-metrics", "Print the consumer's metrics at the end."),
    flag("show-detailed-stats", "Show a line for each reporting interval."),
    long("timeout", "milliseconds", "The longest wait for a record.").default("10000"),
    long("messages", "count", "Deprecated: use --num-records."),
    long("num-records", "count", "REQUIRED: How many records to read."),
    long("reporting-interval", "interval_ms", "The milliseconds between two lines.").default("5000"),
    text("date-format", "date format", "How times are written; only the default is known.")
        .default("yyyy-MM-dd HH:mm:ss:SSS"),
    flag("hide-header", "Leave out the header."),
    flag("json", "Print one JSON object a line of text."),
];

fn run(parsed: &Parsed) -> Done {
    parsed.exactly_one(&["topic", "include"])?;
    parsed.exactly_one(&["messages", "num-records"])?;
    parsed.forbid("consumer.config", &["command-config"])?;
    if parsed.has("messages") {
        say("Warning: --messages is deprecated. Use --num-records instead.");
    }
    if parsed.has("consumer.config") {
        say("Warning: --consumer.config is deprecated. Use --command-config instead.");
    }
    if parsed.value("date-format")? != Some("yyyy-MM-dd HH:mm:ss:SSS") {
        return Err(Failure::told("--date-format: only yyyy-MM-dd HH:mm:ss:SSS is supported"));
    }
    // The header stands there even if a number cannot be read.
    if !parsed.has("hide-header") && !parsed.has("json") {
        let first = if parsed.has("show-detailed-stats") { "time, threadId" } else { "start.time, end.time" };
        say(&format!(
            "{first}, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec"
        ));
    }
    let wanted = parsed.long(if parsed.has("messages") { "messages" } else { "num-records" })?.unwrap_or_default();
    let millis = |option: &str| -> Done<Duration> {
        Ok(Duration::from_millis(u64::try_from(parsed.long(option)?.unwrap_or_default()).unwrap_or(0)))
    };
    let test = Test {
        wanted: u64::try_from(wanted).unwrap_or(0),
        patience: millis("timeout")?,
        interval: millis("reporting-interval")?,
        is_detailed: parsed.has("show-detailed-stats"),
        as_json: parsed.has("json"),
        prints_metrics: parsed.has("print-metrics"),
    };
    let mut consumer = Consumer::new(resolved(ConsumerConfig::read(&settings(parsed)?), |config| &config.client)?);
    match (parsed.value("topic")?, parsed.value("include")?) {
        (Some(topic), _) => consumer.subscribe(vec![topic.to_owned()]),
        (None, pattern) => {
            let filter = NameFilter::new(pattern.unwrap_or_default())?;
            consumer.subscribe_matching(move |name| filter.allows(name));
        }
    }
    block_on_all_cores(test.run(consumer))
}

fn settings(parsed: &Parsed) -> Done<Settings> {
    let file = if parsed.has("consumer.config") { "consumer.config" } else { "command-config" };
    let mut settings = convert::settings(parsed, file)?;
    for (key, value) in convert::pairs(&parsed.values("command-property")) {
        settings.set(key, value);
    }
    settings.set("bootstrap.servers", parsed.value("bootstrap-server")?.unwrap_or_default());
    let own = format!("perf-consumer-{}", clock::seed().below(100_000));
    settings.set("group.id", parsed.value("group")?.unwrap_or(&own));
    settings.set("max.partition.fetch.bytes", parsed.int("fetch-size")?.unwrap_or_default().to_string());
    settings.set("auto.offset.reset", if parsed.has("from-latest") { "latest" } else { "earliest" });
    settings.set("check.crcs", "false");
    settings.set_default("client.id", "perf-consumer-client");
    Ok(settings)
}

struct Test {
    wanted: u64,
    patience: Duration,
    interval: Duration,
    is_detailed: bool,
    as_json: bool,
    prints_metrics: bool,
}

/// What was read up to some moment.
#[derive(Clone, Copy, Default)]
struct Read {
    records: u64,
    bytes: u64,
}

/// The time that went into joining the group: in all, and since the last line.
#[derive(Default)]
struct Joining {
    all: Duration,
    since_line: Duration,
}

#[allow(clippy::cast_precision_loss, reason = "figures to be read by people")]
impl Test {
    async fn run(self, mut consumer: Consumer) -> Done {
        let (begun, begun_ms) = (Instant::now(), clock::wall().0);
        let mut read = Read::default();
        let (mut line_at, mut line_read) = (begun, Read::default());
        let mut joining = Joining::default();
        let mut join_begun = Some(begun);
        let mut last = begun;
        let mut progress = Progress::new("records", self.wanted);
        while read.records < self.wanted && last.elapsed() <= self.patience {
            let records = consumer.poll(Duration::from_millis(100)).await?;
            for event in consumer.events() {
                match event {
                    Event::Revoked(_) => join_begun = Some(Instant::now()),
                    Event::Assigned(_) => {
                        let took = join_begun.take().map_or(Duration::ZERO, |begun| begun.elapsed());
                        joining.all += took;
                        joining.since_line += took;
                    }
                    Event::Committed(_) => {}
                }
            }
            if !records.is_empty() {
                last = Instant::now();
            }
            for record in &records {
                read.records += 1;
                read.bytes += record.size() as u64;
            }
            progress.show(read.records);
            if line_at.elapsed() >= self.interval && !records.is_empty() {
                if self.is_detailed {
                    let part = Read { records: read.records - line_read.records, bytes: read.bytes - line_read.bytes };
                    let figures = Figures { all: read, part, elapsed: line_at.elapsed(), joining: joining.since_line };
                    match self.as_json {
                        true => say_json(&figures.json("window", clock::wall().0)),
                        false => say(&format!("{}, 0, {figures}", date(clock::wall().0))),
                    }
                }
                joining.since_line = Duration::ZERO;
                (line_at, line_read) = (Instant::now(), read);
            }
        }
        progress.end();
        if read.records < self.wanted {
            complain_or_say(
                self.as_json,
                &format!(
                    "WARNING: Exiting before consuming the expected number of records: timeout ({} ms) exceeded. You can use the --timeout option to increase the timeout.",
                    self.patience.as_millis()
                ),
            );
        }
        if !self.is_detailed {
            let figures = Figures { all: read, part: read, elapsed: begun.elapsed(), joining: joining.all };
            match self.as_json {
                true => say_json(&figures.json("whole", clock::wall().0)),
                false => say(&format!("{}, {}, {figures}", date(begun_ms), date(clock::wall().0))),
            }
        }
        if self.prints_metrics {
            metrics_table::print(&consumer.metrics().await, self.as_json);
        }
        Ok(consumer.close().await?)
    }
}

/// Warnings are for people: where programs read the output, they stand beside it.
fn complain_or_say(as_json: bool, text: &str) {
    if as_json { complain(text) } else { say(text) }
}

/// What was read in all, and in a part of the time, of which some went into joining the group.
struct Figures {
    all: Read,
    part: Read,
    elapsed: Duration,
    joining: Duration,
}

#[allow(clippy::cast_precision_loss, reason = "figures to be read by people")]
fn megabytes(read: Read) -> f64 {
    read.bytes as f64 / (1024.0 * 1024.0)
}

fn rate(value: f64, span: Duration) -> f64 {
    if span.is_zero() { 0.0 } else { value / span.as_secs_f64() }
}

#[allow(clippy::cast_precision_loss, reason = "figures to be read by people")]
impl Figures {
    fn fetching(&self) -> Duration {
        self.elapsed.saturating_sub(self.joining)
    }

    fn json(&self, stage: &str, end_ms: i64) -> Value {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        json!({
            "stage": stage,
            "time": end_ms,
            "records": self.all.records,
            "bytes": self.all.bytes,
            "recordsPerSecond": rate(self.part.records as f64, self.elapsed),
            "mebibytesPerSecond": rate(megabytes(self.part), self.elapsed),
            "rebalanceMs": millis(self.joining),
            "fetchMs": millis(self.fetching()),
            "fetchedRecordsPerSecond": rate(self.part.records as f64, self.fetching()),
            "fetchedMebibytesPerSecond": rate(megabytes(self.part), self.fetching()),
        })
    }
}

/// Megabytes and records in all; their rates in the part, with the time of joining and without.
#[allow(clippy::cast_precision_loss, reason = "figures to be read by people")]
impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { all, part, elapsed, joining } = self;
        let fetching = self.fetching();
        write!(
            f,
            "{:.4}, {:.4}, {}, {:.4}, {}, {}, {:.4}, {:.4}",
            megabytes(*all),
            rate(megabytes(*part), *elapsed),
            all.records,
            rate(part.records as f64, *elapsed),
            joining.as_millis(),
            fetching.as_millis(),
            rate(megabytes(*part), fetching),
            rate(part.records as f64, fetching)
        )
    }
}

/// `2026-11-21 14:30:00:250`, in UTC.
fn date(millis: i64) -> String {
    let Civil { year, month, day, hour, minute, second, millis } = Civil::of(millis);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}:{millis:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_kafka_writes_them() {
        assert_eq!(date(0), "1970-01-01 00:00:00:000");
        assert_eq!(date(1_795_271_400_250), "2026-11-21 14:30:00:250");
        assert_eq!(date(1_709_184_600_000), "2024-02-29 05:30:00:000");
    }
}

//! `ottla console-consumer`: records become lines of standard output, as `kafka-console-consumer.sh`.

mod formatter;

use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, asked_to_end, complain, convert, flag, int, long, say,
    text,
};
use crate::cluster::{DEFAULT_BOOTSTRAP, NameFilter, block_on, resolved};
use formatter::Formatter;
use ottla_client::config::{ConsumerConfig, Settings};
use ottla_client::session::fetched::ConsumerRecord;
use ottla_client::shell::consumer::{Consumer, Start};
use ottla_io::clock;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const TOOL: Tool = Tool {
    name: "console-consumer",
    script: "kafka-console-consumer",
    classes: &["org.apache.kafka.tools.consumer.ConsoleConsumer", "kafka.tools.ConsoleConsumer"],
    group: Group::Records,
    about: "This tool helps to read data from Kafka topics and outputs it to standard output.",
    style: Style::Jopt,
    on_parse_error: ParseError::Usage,
    options: OPTIONS,
    subcommands: &[],
    examples: &[
        "console-consumer --bootstrap-server localhost:9092 --topic orders --from-beginning",
        "console-consumer --topic orders --group billing --formatter-property print.key=true",
        "console-consumer --topic orders --partition 0 --offset 42 --max-messages 1",
    ],
    run,
};

const OPTIONS: &[Opt] = &[
    text("topic", "topic", "The topic to read."),
    text("include", "Java regex (String)", "A pattern for the topics to read."),
    int("partition", "partition", "The partition to read, from its end unless --offset is given."),
    text("offset", "consume offset", "Where to begin: an offset, earliest or latest.").default("latest"),
    text("consumer-property", "consumer_prop", "Deprecated: use --command-property."),
    text("command-property", "consumer_prop", "A setting of the consumer, as key=value."),
    text("consumer.config", "config file", "Deprecated: use --command-config."),
    text("command-config", "config file", "A file of settings for the consumer."),
    text("formatter", "class", "The class that writes records: Kafka's formatters are known by their names.")
        .default("org.apache.kafka.tools.consumer.DefaultMessageFormatter"),
    text("property", "prop", "Deprecated: use --formatter-property."),
    text(
        "formatter-property",
        "prop",
        "What is written: print.timestamp, print.key, print.offset, print.epoch, \
        print.partition, print.headers, print.value (true or false); key.separator, line.separator, headers.separator, \
        null.literal; key.deserializer, value.deserializer, headers.deserializer; each as key=value.",
    ),
    text("formatter-config", "config file", "A file of such properties."),
    flag("from-beginning", "Begin with the earliest record where there is no committed offset."),
    int("max-messages", "num_messages", "End after so many records."),
    long("timeout-ms", "timeout_ms", "End when no record came for so long."),
    flag("skip-message-on-error", "Go on behind a record that cannot be written."),
    text("bootstrap-server", "server to connect to", "The brokers to begin with, as host:port.")
        .default(DEFAULT_BOOTSTRAP),
    text("key-deserializer", "deserializer for keys", "The class that reads keys."),
    text("value-deserializer", "deserializer for values", "The class that reads values."),
    flag("enable-systest-events", "Tell of the end of the consumer as well."),
    text("isolation-level", "String", "read_committed leaves out records of transactions that were not committed.")
        .default("read_uncommitted"),
    text("group", "consumer group id", "The group to read with."),
    flag("json", "Print one JSON object a record; what is no text is in hexadecimal, as keyHex and valueHex."),
];

fn run(parsed: &Parsed) -> Done {
    check(parsed)?;
    let settings = settings(parsed)?;
    let start = start(parsed)?;
    let formatter = Formatter::of(parsed)?;
    let config = resolved(ConsumerConfig::read(&settings), |config| &config.client).map_err(|error| {
        complain(&format!("ERROR Unknown error when running consumer: \n{}: {error}", error.class()));
        Failure::Said
    })?;
    let mut consumer = Consumer::new(config);
    let limit = match parsed.long("timeout-ms")?.unwrap_or(-1) {
        millis @ 0.. => Some(Duration::from_millis(millis.unsigned_abs())),
        _ => None,
    };
    match (parsed.value("topic")?, parsed.int("partition")?) {
        (Some(topic), Some(partition)) => consumer.assign(vec![((Arc::from(topic), partition), start)]),
        (Some(topic), None) => consumer.subscribe(vec![topic.to_owned()]),
        (None, _) => {
            let filter = NameFilter::new(parsed.value("include")?.unwrap_or_default())?;
            consumer.subscribe_matching(move |name| filter.allows(name));
        }
    }
    if !parsed.has("partition") {
        complain(
            "The consumer rebalance protocol (KIP-848) is production-ready! Set group.protocol=consumer to try it out. See https://kafka.apache.org/documentation/#consumer_rebalance_protocol",
        );
    }
    let most = match parsed.int("max-messages")? {
        Some(-1) | None => usize::MAX,
        Some(count) => usize::try_from(count).unwrap_or(0),
    };
    let session = Session { formatter, limit, most, skips_errors: parsed.has("skip-message-on-error"), count: 0 };
    let done = block_on(session.run(consumer));
    if parsed.has("enable-systest-events") {
        say("shutdown_complete");
    }
    match done? {
        Some(code) => std::process::exit(code),
        None => Ok(()),
    }
}

fn check(parsed: &Parsed) -> Done {
    parsed.exactly_one(&["topic", "include"])?;
    if parsed.has("partition") {
        if !parsed.has("topic") {
            return Err(Failure::usage("The topic is required when partition is specified."));
        }
        if parsed.has("from-beginning") && parsed.has("offset") {
            return Err(Failure::usage("Options from-beginning and offset cannot be specified together."));
        }
    } else if parsed.has("offset") {
        return Err(Failure::usage("The partition is required when offset is specified."));
    }
    for (old, new) in [("consumer-property", "command-property"), ("consumer.config", "command-config")] {
        if parsed.has(old) && parsed.has(new) {
            return Err(Failure::usage(format!("Options --{old} and --{new} cannot be specified together.")));
        }
    }
    for (old, new) in [("consumer-property", "command-property"), ("consumer.config", "command-config")] {
        if parsed.has(old) {
            say(&format!("Option --{old} is deprecated and will be removed in a future version. Use --{new} instead."));
        }
    }
    Ok(())
}

fn settings(parsed: &Parsed) -> Done<Settings> {
    let file = if parsed.has("consumer.config") { "consumer.config" } else { "command-config" };
    let mut settings = convert::settings(parsed, file)?;
    let mut groups: BTreeSet<String> = settings.get("group.id").map(str::to_owned).into_iter().collect();
    let mut extra = parsed.values("consumer-property");
    extra.extend(parsed.values("command-property"));
    for (key, value) in convert::pairs(&extra) {
        if key == "group.id" {
            groups.insert(value.clone());
        }
        settings.set(key, value);
    }
    groups.extend(parsed.value("group")?.map(str::to_owned));
    if groups.len() > 1 {
        let told: Vec<_> = groups.iter().map(|group| format!("'{group}'")).collect();
        return Err(Failure::usage(format!(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via '--consumer.config') do not match. Detected group ids: {}",
            told.join(", ")
        )));
    }
    if !groups.is_empty() && parsed.has("partition") {
        return Err(Failure::usage("Options group and partition cannot be specified together."));
    }
    let reset = if parsed.has("from-beginning") { "earliest" } else { "latest" };
    match settings.get("auto.offset.reset").map(str::to_owned) {
        Some(own) if parsed.has("from-beginning") && own != "earliest" => {
            return Err(Failure::told(format!(
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset={own}', please remove one option"
            )));
        }
        Some(_) => {}
        None => settings.set("auto.offset.reset", reset),
    }
    settings.set("bootstrap.servers", parsed.value("bootstrap-server")?.unwrap_or_default());
    settings.set_default("client.id", "console-consumer");
    convert::merge(&mut settings, "isolation.level", parsed, "isolation-level")?;
    match groups.into_iter().next() {
        Some(group) => settings.set("group.id", group),
        None => {
            settings.set("group.id", format!("console-consumer-{}", clock::seed().below(100_000)));
            settings.set_default("enable.auto.commit", "false");
        }
    }
    Ok(settings)
}

fn start(parsed: &Parsed) -> Done<Start> {
    let text = match parsed.has("offset") {
        true => parsed.value("offset")?.unwrap_or("latest"),
        false if parsed.has("from-beginning") => "earliest",
        false => "latest",
    };
    match text.to_lowercase().as_str() {
        "earliest" => Ok(Start::Beginning),
        "latest" => Ok(Start::End),
        _ => match text.parse() {
            Ok(offset @ 0..) => Ok(Start::Offset(offset)),
            _ => Err(Failure::usage(format!(
                "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long."
            ))),
        },
    }
}

struct Session {
    formatter: Formatter,
    limit: Option<Duration>,
    most: usize,
    skips_errors: bool,
    count: usize,
}

/// How reading ended.
enum End {
    Enough,
    /// By a signal, of which this is the exit code.
    Asked(i32),
    Quiet,
    /// Nobody reads what is written.
    Unheard,
    /// The consumer had enough; the command ends well.
    Failed(String),
    /// A record cannot be written, which is a failure.
    Unwritable(String),
}

impl Session {
    /// Gives the exit code if a signal has ended it.
    async fn run(mut self, mut consumer: Consumer) -> Done<Option<i32>> {
        let end = tokio::select! {
            end = self.read(&mut consumer) => end,
            code = asked_to_end() => End::Asked(code?),
        };
        match &end {
            End::Enough | End::Asked(_) | End::Unwritable(_) => {}
            End::Quiet => complain(
                "ERROR Error processing message, terminating consumer process:  (org.apache.kafka.tools.consumer.ConsoleConsumer)\norg.apache.kafka.common.errors.TimeoutException",
            ),
            End::Unheard => complain("Unable to write to standard out, closing consumer."),
            End::Failed(why) => complain(&format!(
                "ERROR Error processing message, terminating consumer process:  (org.apache.kafka.tools.consumer.ConsoleConsumer)\n{why}"
            )),
        }
        if let End::Unwritable(why) = &end {
            complain(&format!(
                "ERROR Unknown error when running consumer:  (org.apache.kafka.tools.consumer.ConsoleConsumer)\n{why}"
            ));
        }
        let closed = consumer.close().await;
        complain(&format!("Processed a total of {} messages", self.count));
        if matches!(end, End::Unwritable(_)) {
            return Err(Failure::Said);
        }
        closed?;
        Ok(match end {
            End::Asked(code) => Some(code),
            _ => None,
        })
    }

    async fn read(&mut self, consumer: &mut Consumer) -> End {
        let mut since = Instant::now();
        while self.count < self.most {
            let wait = self.limit.unwrap_or(Duration::from_secs(3_600));
            let records = match consumer.poll(wait).await {
                Ok(records) => records,
                Err(error) => return End::Failed(format!("{}: {error}", error.class())),
            };
            if records.is_empty() {
                if self.limit.is_some_and(|limit| since.elapsed() >= limit) {
                    return End::Quiet;
                }
                continue;
            }
            if let Some(end) = self.write(consumer, &records) {
                return end;
            }
            since = Instant::now();
        }
        End::Enough
    }

    /// Writes records, all of one answer together; what is not written is not committed either.
    fn write(&mut self, consumer: &mut Consumer, records: &[ConsumerRecord]) -> Option<End> {
        let mut page = Vec::new();
        let mut end = None;
        for record in records {
            if self.count == self.most {
                consumer.rewind(&(Arc::clone(&record.topic), record.partition), record.offset);
                end = Some(End::Enough);
                break;
            }
            self.count += 1;
            match self.formatter.write(record, &mut page) {
                Ok(()) => {}
                Err(why) if self.skips_errors => {
                    complain(&format!("ERROR Error processing message, skipping this message: {why}"));
                }
                Err(why) => {
                    end = Some(End::Unwritable(why));
                    break;
                }
            }
        }
        let mut out = std::io::stdout().lock();
        if out.write_all(&page).and_then(|()| out.flush()).is_err() {
            return Some(End::Unheard);
        }
        end
    }
}

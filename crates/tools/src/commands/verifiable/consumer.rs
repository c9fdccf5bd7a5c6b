//! The consumer: it tells of its partitions, of the records that come, and of what it commits.

use super::{maybe_text, tell, text as json};
use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, asked_to_end, complain, convert, flag, int, say, text,
};
use crate::cluster::block_on;
use ottla_client::config::{ConsumerConfig, Settings};
use ottla_client::session::fetched::ConsumerRecord;
use ottla_client::shell::consumer::{Consumer, Event};
use ottla_wire::Json;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const TOOL: Tool = Tool {
    name: "verifiable-consumer",
    script: "kafka-verifiable-consumer",
    classes: &["org.apache.kafka.tools.VerifiableConsumer"],
    group: Group::Performance,
    about: "This tool consumes messages from a specific topic and emits consumer events (e.g. group rebalances, received \
        messages, and offsets committed) as JSON objects to STDOUT.",
    style: Style::Argparse,
    on_parse_error: ParseError::Usage,
    options: OPTIONS,
    subcommands: &[],
    examples: &["verifiable-consumer --bootstrap-server localhost:9092 --topic numbers --group-id readers --verbose"],
    run,
};

const RANGE_ASSIGNOR: &str = "org.apache.kafka.clients.consumer.RangeAssignor";

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "HOST1:PORT1[,HOST2:PORT2[...]]", "The brokers to begin with.").required(),
    text("topic", "TOPIC", "The topic to read.").required(),
    text("group-protocol", "GROUP-PROTOCOL", "The group's protocol: CLASSIC or CONSUMER.").default("classic"),
    text("group-remote-assignor", "GROUP-REMOTE-ASSIGNOR", "The broker's assignor, with the protocol CONSUMER."),
    text("group-id", "GROUP-ID", "The group to read in.").required(),
    text("group-instance-id", "GROUP-INSTANCE-ID", "The name of this member, which makes it a static one."),
    int("max-messages", "MAX-MESSAGES", "How many records; -1 for as many as come until a signal.").default("-1"),
    int("session-timeout", "TIMEOUT-MS", "The group's session timeout, with the protocol CLASSIC."),
    flag("verbose", "Tell each record."),
    flag("enable-autocommit", "Commit from time to time instead of after each poll."),
    text("reset-policy", "RESET-POLICY", "Where to begin without a committed offset: earliest, latest or none.")
        .default("earliest"),
    text("assignment-strategy", "ASSIGNMENT-STRATEGY", "The members' assignor, with the protocol CLASSIC.")
        .default(RANGE_ASSIGNOR),
    text("consumer.config", "CONFIG-FILE", "Deprecated: use --command-config."),
    text("command-config", "CONFIG-FILE", "A file of settings for the consumer, over which options win."),
    flag("json", "Its lines are JSON objects without this, too."),
];

/// How long to wait for records before looking at what else happened.
const POLL: Duration = Duration::from_millis(100);

fn run(parsed: &Parsed) -> Done {
    let settings = settings(parsed)?;
    let limit = parsed.int("max-messages")?.and_then(|count| usize::try_from(count).ok());
    let reading =
        Reading { left: limit, is_verbose: parsed.has("verbose"), commits_itself: !parsed.has("enable-autocommit") };
    let topic = parsed.value("topic")?.unwrap_or_default().to_owned();
    block_on(reading.run(ConsumerConfig::read(&settings)?, topic))
}

fn settings(parsed: &Parsed) -> Done<Settings> {
    let file = match (parsed.has("consumer.config"), parsed.has("command-config")) {
        (true, true) => {
            return Err(Failure::told("Options --consumer.config and --command-config are mutually exclusive."));
        }
        (true, false) => {
            say(
                "Option --consumer.config has been deprecated and will be removed in a future version. Use --command-config instead.",
            );
            "consumer.config"
        }
        _ => "command-config",
    };
    let mut settings = convert::settings(parsed, file)?;
    let protocol = parsed.value("group-protocol")?.unwrap_or_default().to_uppercase();
    match protocol.as_str() {
        "CLASSIC" => convert::merge(&mut settings, "partition.assignment.strategy", parsed, "assignment-strategy")?,
        "CONSUMER" => {
            if let Some(assignor) = parsed.value("group-remote-assignor")? {
                settings.set("group.remote.assignor", assignor);
            }
        }
        other => {
            return Err(Failure::told(format!(
                "No enum constant org.apache.kafka.clients.consumer.GroupProtocol.{other}"
            )));
        }
    }
    settings.set("group.protocol", protocol);
    let given = [
        ("session.timeout.ms", parsed.int("session-timeout")?.map(|timeout| timeout.to_string())),
        ("group.id", parsed.value("group-id")?.map(str::to_owned)),
        ("group.instance.id", parsed.value("group-instance-id")?.map(str::to_owned)),
        ("bootstrap.servers", parsed.value("bootstrap-server")?.map(str::to_owned)),
        ("enable.auto.commit", Some(parsed.has("enable-autocommit").to_string())),
        ("auto.offset.reset", parsed.value("reset-policy")?.map(str::to_owned)),
    ];
    for (key, value) in given {
        if let Some(value) = value {
            settings.set(key, value);
        }
    }
    Ok(settings)
}

struct Reading {
    /// How many records may still come; none for no end.
    left: Option<usize>,
    is_verbose: bool,
    commits_itself: bool,
}

/// What came of one partition.
struct Summary {
    topic: Arc<str>,
    partition: i32,
    count: i64,
    min_offset: i64,
    max_offset: i64,
}

impl Reading {
    async fn run(mut self, config: ConsumerConfig, topic: String) -> Done {
        tell("startup_complete", vec![]);
        let mut consumer = Consumer::new(config);
        consumer.subscribe(vec![topic]);
        let asked = tokio::select! {
            done = self.read(&mut consumer) => {
                // What went wrong is for the log; the end is told as any other.
                if let Err(failure) = done {
                    complain(&format!("ERROR Error during processing, terminating consumer process: {failure}"));
                }
                None
            }
            code = asked_to_end() => Some(code?),
        };
        if asked.is_some() {
            tell("shutdown_requested", vec![]);
        }
        tell_events(&mut consumer);
        let revoked: Vec<_> =
            consumer.positions().into_keys().map(|(topic, place)| (topic.to_string(), place)).collect();
        let closed = consumer.close().await;
        if !revoked.is_empty() {
            tell_partitions("partitions_revoked", &revoked);
        }
        if let Err(error) = closed {
            complain(&format!("ERROR {error}"));
        }
        tell("shutdown_complete", vec![]);
        match asked {
            Some(code) => std::process::exit(code),
            // In Kafka's a hook of the ending process says so in any case.
            None => tell("shutdown_requested", vec![]),
        }
        Ok(())
    }

    async fn read(&mut self, consumer: &mut Consumer) -> Done {
        while self.left != Some(0) {
            let records = consumer.poll(POLL).await?;
            tell_events(consumer);
            if records.is_empty() {
                continue;
            }
            let summaries = self.take(consumer, &records);
            if self.commits_itself {
                commit(consumer, &summaries).await;
            }
        }
        Ok(())
    }

    /// Tells what came, and gives back what is too much.
    fn take(&mut self, consumer: &mut Consumer, records: &[ConsumerRecord]) -> Vec<Summary> {
        let mut summaries: Vec<Summary> = Vec::new();
        let mut given_back: Vec<(Arc<str>, i32)> = Vec::new();
        for record in records {
            if self.left == Some(0) {
                let place = (Arc::clone(&record.topic), record.partition);
                if !given_back.contains(&place) {
                    consumer.rewind(&place, record.offset);
                    given_back.push(place);
                }
                continue;
            }
            self.left = self.left.map(|left| left - 1);
            if self.is_verbose {
                tell_record(record);
            }
            let known = summaries.iter_mut().find(|own| own.partition == record.partition && own.topic == record.topic);
            match known {
                Some(summary) => {
                    summary.count += 1;
                    summary.max_offset = record.offset;
                }
                None => summaries.push(Summary {
                    topic: Arc::clone(&record.topic),
                    partition: record.partition,
                    count: 1,
                    min_offset: record.offset,
                    max_offset: record.offset,
                }),
            }
        }
        let partitions = summaries.iter().map(|summary| {
            Json::Object(vec![
                ("topic", json(&summary.topic)),
                ("partition", Json::Integer(summary.partition.into())),
                ("count", Json::Integer(summary.count)),
                ("minOffset", Json::Integer(summary.min_offset)),
                ("maxOffset", Json::Integer(summary.max_offset)),
            ])
        });
        let partitions = Json::Array(partitions.collect());
        let count = i64::try_from(records.len()).unwrap_or(i64::MAX);
        tell("records_consumed", vec![("count", Json::Integer(count)), ("partitions", partitions)]);
        summaries
    }
}

async fn commit(consumer: &mut Consumer, summaries: &[Summary]) {
    let error = match consumer.commit().await {
        Err(error) => Some(error.to_string()),
        Ok(()) if consumer.events().iter().any(|event| matches!(event, Event::Committed(_))) => None,
        // The client goes on and reads the records again; the commit was none.
        Ok(()) => Some(
            "Offset commit cannot be completed since the consumer is undergoing a rebalance for auto partition assignment. You can try completing the rebalance by calling poll() and then retry the operation."
                .to_owned(),
        ),
    };
    let offsets = summaries.iter().map(|summary| {
        Json::Object(vec![
            ("topic", json(&summary.topic)),
            ("partition", Json::Integer(summary.partition.into())),
            ("offset", Json::Integer(summary.max_offset.saturating_add(1))),
        ])
    });
    let mut fields = vec![("offsets", Json::Array(offsets.collect()))];
    let is_done = error.is_none();
    if let Some(error) = error {
        fields.push(("error", json(&error)));
    }
    fields.push(("success", Json::Bool(is_done)));
    tell("offsets_committed", fields);
}

fn tell_record(record: &ConsumerRecord) {
    let shown = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    tell(
        "record_data",
        vec![
            ("key", maybe_text(shown(record.key.as_deref()).as_deref())),
            ("value", maybe_text(shown(record.value.as_deref()).as_deref())),
            ("topic", json(&record.topic)),
            ("partition", Json::Integer(record.partition.into())),
            ("offset", Json::Integer(record.offset)),
        ],
    );
}

fn tell_events(consumer: &mut Consumer) {
    for event in consumer.events() {
        match event {
            Event::Assigned(partitions) => tell_partitions("partitions_assigned", &partitions),
            // Before the first assignment there is nothing to take away.
            Event::Revoked(partitions) if partitions.is_empty() => {}
            Event::Revoked(partitions) => tell_partitions("partitions_revoked", &partitions),
            // Those that the client makes by itself are not told.
            Event::Committed(_) => {}
        }
    }
}

fn tell_partitions(name: &str, partitions: &[(String, i32)]) {
    let partitions = partitions.iter().map(|(topic, partition)| {
        Json::Object(vec![("topic", json(topic)), ("partition", Json::Integer((*partition).into()))])
    });
    tell(name, vec![("partitions", Json::Array(partitions.collect()))]);
}

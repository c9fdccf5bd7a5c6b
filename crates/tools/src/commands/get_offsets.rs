//! `ottla get-offsets`: offsets of partitions, by time or at their ends, as `kafka-get-offsets.sh`.

use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, complain, convert, flag, say_json, say_raw, text,
};
use crate::cluster::{DEFAULT_BOOTSTRAP, NameFilter, admin, block_on, check_bootstrap, is_internal};
use ottla_client::shell::admin::offsets::{OffsetSpec, TopicPartition};
use ottla_client::shell::network::Topics;
use ottla_client::{Admin, ClientError};
use std::fmt::Write;

pub(crate) const TOOL: Tool = Tool {
    name: "get-offsets",
    script: "kafka-get-offsets",
    classes: &["org.apache.kafka.tools.GetOffsetShell", "kafka.tools.GetOffsetShell"],
    group: Group::Topics,
    about: "An interactive shell for getting topic-partition offsets.",
    style: Style::Jopt,
    on_parse_error: ParseError::Prefixed("Error occurred: "),
    options: OPTIONS,
    subcommands: &[],
    examples: &[
        "get-offsets --bootstrap-server localhost:9092 --topic orders",
        "get-offsets --topic-partitions 'orders:0-2,payments' --time earliest",
    ],
    run,
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "HOST1:PORT1,...,HOST3:PORT3", "The brokers to begin with.")
        .also(&["broker-list"])
        .default(DEFAULT_BOOTSTRAP),
    text("topic-partitions", "topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3", "Patterns of topics, each perhaps with \
        a partition or a range of them: the lower end belongs to it, the upper does not."),
    text("topic", "topic", "A pattern of topics; all unless given."),
    text("partitions", "partition ids", "Partitions, separated by commas; all unless given."),
    text("time", "<timestamp> / -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload",
        "Which offset: of the first record at or after a time in milliseconds, or one by its name.")
        .default("latest"),
    text("command-config", "config file", "A file of settings for the client."),
    flag("exclude-internal-topics", "Leave out internal topics."),
    flag("json", "Print one JSON object a partition instead of text."),
];

fn run(parsed: &Parsed) -> Done {
    check_bootstrap(parsed.value("bootstrap-server")?.unwrap_or_default())?;
    let done = block_on(list(parsed));
    done.map_err(|failure| match failure {
        Failure::Usage(_) | Failure::Said => failure,
        Failure::Client(error @ ClientError::TimedOut(_)) => {
            Failure::told(format!("Error occurred: {}: {error}", error.class()))
        }
        other => Failure::told(format!("Error occurred: {other}")),
    })
}

/// Which partitions of a topic are wanted.
struct Rule {
    topics: NameFilter,
    partitions: Partitions,
}

enum Partitions {
    All,
    These(Vec<i32>),
    /// From the first, up to the second but without it.
    Between(i32, i32),
}

impl Rule {
    fn allows(&self, topic: &str, partition: i32) -> bool {
        let has = match &self.partitions {
            Partitions::All => true,
            Partitions::These(list) => list.contains(&partition),
            Partitions::Between(from, to) => (*from..*to).contains(&partition),
        };
        has && self.topics.allows(topic)
    }

    /// `topic`, `topic:3`, `topic:2-5`, `topic:2-`, `topic:-5`, or any of these without the topic.
    fn of(text: &str) -> Done<Self> {
        // Java names the class of an error within an error.
        let wrong =
            || Failure::told(format!("org.apache.kafka.tools.TerseException: Invalid rule specification: {text}"));
        let (topic, partitions) = match text.split_once(':') {
            Some((topic, partitions)) => (topic, partitions),
            None => (text, ""),
        };
        let number = |text: &str, missing: i32| match text {
            "" => Ok(missing),
            text if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().map_err(|_| wrong()),
            _ => Err(wrong()),
        };
        let partitions = match partitions.split_once('-') {
            _ if partitions.is_empty() => Partitions::All,
            Some((from, to)) => Partitions::Between(number(from, 0)?, number(to, i32::MAX)?),
            None => Partitions::These(vec![number(partitions, 0)?]),
        };
        Ok(Self { topics: NameFilter::new(if topic.is_empty() { ".*" } else { topic })?, partitions })
    }
}

fn rules(parsed: &Parsed) -> Done<Vec<Rule>> {
    if let Some(text) = parsed.value("topic-partitions")? {
        if parsed.has("topic") || parsed.has("partitions") {
            return Err(Failure::told("--topic-partitions cannot be used with --topic or --partitions"));
        }
        return text.split(',').map(Rule::of).collect();
    }
    let partitions = match parsed.value("partitions")? {
        None | Some("") => Partitions::All,
        Some(text) => {
            let list: Result<Vec<i32>, _> = text.split(',').map(str::parse).collect();
            Partitions::These(list.map_err(|_| {
                Failure::told(format!(
                    "--partitions expects a comma separated list of numeric partition ids, but received: {text}"
                ))
            })?)
        }
    };
    Ok(vec![Rule { topics: NameFilter::new(parsed.value("topic")?.unwrap_or(".*"))?, partitions }])
}

fn spec(text: &str) -> Done<OffsetSpec> {
    Ok(match text {
        "earliest" | "-2" => OffsetSpec::Earliest,
        "latest" | "-1" => OffsetSpec::Latest,
        "max-timestamp" | "-3" => OffsetSpec::MaxTimestamp,
        "earliest-local" | "-4" => OffsetSpec::EarliestLocal,
        "latest-tiered" | "-5" => OffsetSpec::LatestTiered,
        "earliest-pending-upload" | "-6" => OffsetSpec::EarliestPendingUpload,
        other => OffsetSpec::Timestamp(other.parse().map_err(|_| {
            Failure::told(format!(
                "Malformed time argument {other}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format timestamp"
            ))
        })?),
    })
}

async fn list(parsed: &Parsed) -> Done {
    let rules = rules(parsed)?;
    let spec = spec(parsed.value("time")?.unwrap_or("latest"))?;
    let mut settings = convert::settings(parsed, "command-config")?;
    settings.set("bootstrap.servers", parsed.value("bootstrap-server")?.unwrap_or_default());
    settings.set("client.id", "GetOffsetShell");
    let admin = admin(&mut settings)?;
    let wanted = matching(&admin, &rules, parsed.has("exclude-internal-topics")).await?;
    if wanted.is_empty() {
        return Err(Failure::told("Could not match any topic-partitions with the specified filters"));
    }
    let asked: Vec<_> = wanted.into_iter().map(|partition| (partition, spec)).collect();
    let mut page = String::new();
    // In the order of the names as they are written: partition 10 stands before 2, as in Kafka.
    let mut told: Vec<_> = admin.list_offsets(&asked, false).await?.into_iter().collect();
    told.sort_by_key(|((topic, partition), _)| format!("{topic}-{partition}"));
    for ((topic, partition), offset) in told {
        match offset {
            Ok(listed) if listed.offset >= 0 && parsed.has("json") => {
                say_json(&serde_json::json!({ "topic": topic, "partition": partition, "offset": listed.offset }));
            }
            Ok(listed) if listed.offset >= 0 => {
                let _ = writeln!(page, "{topic}:{partition}:{}", listed.offset);
            }
            Ok(_) => {}
            Err(error) => complain(&format!(
                "Skip getting offsets for topic-partition {topic}-{partition} due to error: {}: {error}",
                error.class()
            )),
        }
    }
    say_raw(&page);
    Ok(())
}

async fn matching(admin: &Admin, rules: &[Rule], hide_internal: bool) -> Done<Vec<TopicPartition>> {
    let cluster = admin.cluster("listTopics", Topics::All).await?;
    let mut wanted = Vec::new();
    for (name, topic) in &cluster.topics {
        if hide_internal && (topic.is_internal || is_internal(name)) {
            continue;
        }
        for partition in &topic.partitions {
            if rules.iter().any(|rule| rule.allows(name, partition.index)) {
                wanted.push((name.clone(), partition.index));
            }
        }
    }
    Ok(wanted)
}

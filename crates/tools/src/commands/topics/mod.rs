//! `ottla topics`: create, list, describe, grow and delete topics, as `kafka-topics.sh`.

mod describe;

use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, complain, convert, flag, int, say, say_either,
    say_json, speaks_json, text,
};
use crate::cluster::{DEFAULT_BOOTSTRAP, NameFilter, admin, block_on, is_internal};
use ottla_client::shell::admin::topics::{NewPartitions, NewTopic};
use ottla_client::{Admin, ClientError};
use ottla_metadata::config_defs;
use ottla_wire::ErrorCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(crate) const TOOL: Tool = Tool {
    name: "topics",
    script: "kafka-topics",
    classes: &["org.apache.kafka.tools.TopicCommand", "kafka.admin.TopicCommand"],
    group: Group::Topics,
    about: "This tool helps to create, delete, describe, or change a topic.",
    style: Style::Jopt,
    on_parse_error: ParseError::Plain,
    options: OPTIONS,
    subcommands: &[],
    examples: &[
        "topics --bootstrap-server localhost:9092 --create --topic orders --partitions 6",
        "topics --bootstrap-server localhost:9092 --list",
        "topics --bootstrap-server localhost:9092 --describe --topic orders",
        "topics --bootstrap-server localhost:9092 --delete --topic orders",
    ],
    run,
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "server to connect to", "The brokers to begin with, as host:port.")
        .default(DEFAULT_BOOTSTRAP),
    text("command-config", "command config property file", "A file of settings for the client."),
    flag("list", "List the topics."),
    flag("create", "Create a topic."),
    flag("delete", "Delete a topic."),
    flag("alter", "Change the number of partitions. (kafka-configs changes a topic's configuration.)"),
    flag("describe", "Show topics, their partitions and their configuration."),
    text("topic", "topic", "The topic; a pattern for all actions but --create."),
    text("topic-id", "topic-id", "The id of the topic to describe."),
    text("config", "name=value", "A configuration of the topic that is created; may be given again."),
    text("delete-config", "name", "No longer supported."),
    int(
        "partitions",
        "# of partitions",
        "The number of partitions; the cluster's default unless given. \
        More partitions change which partition a key belongs to.",
    ),
    int("replication-factor", "replication factor", "Replicas of each partition; the cluster's default unless given."),
    text(
        "replica-assignment",
        "broker_id_for_part1_replica1 : broker_id_for_part1_replica2 , ...",
        "Brokers for each partition, chosen by hand.",
    ),
    flag("under-replicated-partitions", "Show only partitions with fewer replicas in sync than they have."),
    flag("unavailable-partitions", "Show only partitions whose leader is not available."),
    flag("under-min-isr-partitions", "Show only partitions with fewer replicas in sync than min.insync.replicas."),
    flag("at-min-isr-partitions", "Show only partitions with just min.insync.replicas replicas in sync."),
    flag("topics-with-overrides", "Show only topics with a configuration of their own."),
    flag("if-exists", "Do nothing, without an error, if the topic is not there."),
    flag("if-not-exists", "Do nothing, without an error, if the topic is there already."),
    flag("exclude-internal", "Leave out internal topics."),
    int(
        "partition-size-limit-per-response",
        "maximum number of partitions per response",
        "The most partitions that one answer may describe.",
    ),
    flag("json", "Print one JSON object a topic instead of text."),
];

const ACTIONS: [&str; 5] = ["alter", "create", "describe", "list", "delete"];
const REPORTS: [&str; 4] =
    ["under-replicated-partitions", "under-min-isr-partitions", "at-min-isr-partitions", "unavailable-partitions"];

fn run(parsed: &Parsed) -> Done {
    check(parsed)?;
    let mut settings = convert::settings(parsed, "command-config")?;
    settings.set("bootstrap.servers", parsed.value("bootstrap-server")?.unwrap_or_default());
    let admin = admin(&mut settings)?;
    let done = block_on(async {
        if parsed.has("create") {
            create(&admin, parsed).await
        } else if parsed.has("alter") {
            alter(&admin, parsed).await
        } else if parsed.has("list") {
            list(&admin, parsed).await
        } else if parsed.has("describe") {
            describe::run(&admin, parsed).await
        } else {
            delete(&admin, parsed).await
        }
    });
    done.map_err(|failure| {
        // Kafka says this on standard output, and what kind of error it was on standard error.
        if let Failure::Said = failure {
            return failure;
        }
        say(&format!("Error while executing topic command : {failure}"));
        if let Failure::Client(error) = &failure {
            complain(&format!("ERROR {}: {failure} (org.apache.kafka.tools.TopicCommand)", error.class()));
        }
        Failure::Said
    })
}

/// The rules of which options go together, in Kafka's order.
fn check(parsed: &Parsed) -> Done {
    if ACTIONS.iter().filter(|action| parsed.has(action)).count() != 1 {
        return Err(Failure::usage(
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
        ));
    }
    if parsed.has("delete-config") {
        complain(
            "delete-config option is no longer supported and deprecated since version 4.0. The config will be fully removed in future releases.",
        );
    }
    if parsed.has("describe") && parsed.has("if-exists") {
        if !parsed.has("topic") && !parsed.has("topic-id") {
            return Err(Failure::usage("--topic or --topic-id is required to describe a topic"));
        }
        if parsed.has("topic") && parsed.has("topic-id") {
            say(
                "Only topic id will be used when both --topic and --topic-id are specified and topicId is not Uuid.ZERO_UUID",
            );
        }
    }
    if !parsed.has("list") && !parsed.has("describe") {
        parsed.require(&["topic"])?;
    }
    if parsed.has("alter") {
        if parsed.has("config") {
            return Err(Failure::usage(format!(
                "Option combination \"[{}, {}]\" can't be used with option \"{}\" (To alter topic configurations, the kafka-configs tool can be used.)",
                parsed.shown("bootstrap-server"),
                parsed.shown("config"),
                parsed.shown("alter")
            )));
        }
        parsed.require(&["partitions"])?;
    }
    let but = |allowed: &[&str]| -> Vec<&str> {
        ACTIONS.iter().copied().filter(|action| !allowed.contains(action)).collect()
    };
    parsed.forbid("config", &but(&["alter", "create"]))?;
    parsed.forbid("partitions", &but(&["alter", "create"]))?;
    parsed.forbid("replication-factor", &but(&["create"]))?;
    parsed.forbid("replica-assignment", &but(&["alter", "create"]))?;
    if parsed.has("create") {
        parsed.forbid("replica-assignment", &["partitions", "replication-factor"])?;
    }
    for report in REPORTS {
        let mut others = but(&["describe"]);
        others.push("topics-with-overrides");
        parsed.forbid(report, &others)?;
    }
    let mut others = but(&["describe"]);
    others.extend(REPORTS);
    parsed.forbid("topics-with-overrides", &others)?;
    parsed.forbid("if-exists", &but(&["alter", "delete", "describe"]))?;
    parsed.forbid("if-not-exists", &but(&["create"]))?;
    parsed.forbid("exclude-internal", &but(&["list", "describe"]))
}

async fn create(admin: &Admin, parsed: &Parsed) -> Done {
    let name = parsed.value("topic")?.unwrap_or_default();
    let partitions = parsed.int("partitions")?;
    let replication_factor = parsed.int("replication-factor")?;
    let assignment = assignment(parsed)?;
    let configs = configs(parsed)?;
    if name.contains(['.', '_']) {
        say(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid issues it is best to use either, but not both.",
        );
    }
    let replication_factor = match replication_factor.map(i16::try_from) {
        Some(Ok(factor)) if factor >= 1 => Some(factor),
        None => None,
        Some(_) => return Err(Failure::told("The replication factor must be between 1 and 32767 inclusive")),
    };
    if partitions.is_some_and(|count| count < 1) {
        return Err(Failure::told("The partitions must be greater than 0"));
    }
    let topic = NewTopic { name: name.to_owned(), partitions, replication_factor, assignment, configs };
    match admin.create_topic(&topic).await {
        Ok(()) => say_either(&format!("Created topic {name}."), || json!({ "topic": name, "created": true })),
        Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) && parsed.has("if-not-exists") => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Checked here already, as Kafka's tool does: names and values.
fn configs(parsed: &Parsed) -> Done<Vec<(String, String)>> {
    let mut configs = Vec::new();
    for text in parsed.values("config") {
        let Some((name, value)) = text.split_once('=').map(|(name, value)| (name.trim(), value.trim())) else {
            return Err(bad_config());
        };
        if value.contains('=') || value.is_empty() {
            return Err(bad_config());
        }
        configs.push((name.to_owned(), value.to_owned()));
    }
    for (name, value) in &configs {
        match config_defs::topic().get(name) {
            None => {
                let message = format!("Unknown topic config name: {name}");
                return Err(ClientError::check(ErrorCode::InvalidConfig.code(), Some(&message))
                    .err()
                    .map_or(Failure::Said, Failure::Client));
            }
            Some(def) => {
                def.parse(value).map_err(|error| Failure::Client(ClientError::Config(error.0)))?;
            }
        }
    }
    Ok(configs)
}

fn bad_config() -> Failure {
    Failure::told(
        "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".",
    )
}

/// `1:2,3:4`: brokers of each partition, of equal number, none twice.
fn assignment(parsed: &Parsed) -> Done<Vec<Vec<i32>>> {
    let text = parsed.value("replica-assignment")?.unwrap_or_default();
    let mut partitions: Vec<Vec<i32>> = Vec::new();
    for (index, brokers) in text.split(',').enumerate().filter(|_| !text.is_empty()) {
        let ids: Result<Vec<i32>, _> = brokers.split(':').map(|id| id.trim().parse()).collect();
        let Ok(ids) = ids else {
            let wrong = brokers.split(':').find(|id| id.trim().parse::<i32>().is_err()).unwrap_or_default();
            return Err(Failure::told(format!("For input string: \"{}\"", wrong.trim())));
        };
        let mut seen = BTreeSet::new();
        let mut twice: Vec<i32> = ids.iter().copied().filter(|id| !seen.insert(*id)).collect();
        twice.dedup();
        if !twice.is_empty() {
            return Err(Failure::told(format!(
                "Partition replica lists may not contain duplicate entries: {}",
                crate::cluster::joined(&twice)
            )));
        }
        if partitions.first().is_some_and(|first| first.len() != ids.len()) {
            return Err(Failure::told(format!("Partition {index} has different replication factor: {ids:?}")));
        }
        partitions.push(ids);
    }
    Ok(partitions)
}

/// The topics that an action is about: those whose names `--topic` matches, or all.
async fn matching(admin: &Admin, parsed: &Parsed) -> Done<Vec<String>> {
    let filter = parsed.value("topic")?.map(NameFilter::new).transpose()?;
    let hide_internal = parsed.has("exclude-internal");
    let topics = admin.list_topics().await?;
    Ok(topics
        .into_iter()
        .filter(|(name, internal)| !(hide_internal && (*internal || is_internal(name))))
        .map(|(name, _)| name)
        .filter(|name| filter.as_ref().is_none_or(|filter| filter.allows(name)))
        .collect())
}

fn must_exist(topics: &[String], parsed: &Parsed) -> Done {
    if !topics.is_empty() || parsed.has("if-exists") {
        return Ok(());
    }
    match parsed.value("topic")? {
        Some(name) => Err(Failure::told(format!("Topic '{name}' does not exist as expected"))),
        None => Ok(()),
    }
}

async fn list(admin: &Admin, parsed: &Parsed) -> Done {
    let topics = matching(admin, parsed).await?;
    if parsed.has("json") {
        for name in topics {
            say_json(&json!({ "topic": name }));
        }
    } else {
        say(&topics.join("\n"));
    }
    Ok(())
}

async fn alter(admin: &Admin, parsed: &Parsed) -> Done {
    let count = parsed.int("partitions")?.unwrap_or_default();
    let assignment = assignment(parsed)?;
    configs(parsed)?;
    let topics = matching(admin, parsed).await?;
    must_exist(&topics, parsed)?;
    if topics.is_empty() {
        return Ok(());
    }
    let mut changes = Vec::new();
    for name in topics {
        let new = if assignment.is_empty() {
            None
        } else {
            let described = admin.describe_topics(&[&name], describe::PARTITIONS_PER_ANSWER).await?;
            let present = described.first().map_or(0, |topic| topic.partitions.len());
            Some(assignment.iter().skip(present).cloned().collect())
        };
        changes.push(NewPartitions { topic: name, count, assignment: new });
    }
    admin.create_partitions(&changes).await?;
    say_if_json(changes.iter().map(|change| json!({ "topic": change.topic, "partitions": change.count })));
    Ok(())
}

async fn delete(admin: &Admin, parsed: &Parsed) -> Done {
    let topics = matching(admin, parsed).await?;
    must_exist(&topics, parsed)?;
    if topics.is_empty() {
        return Ok(());
    }
    admin.delete_topics(&topics).await?;
    say_if_json(topics.iter().map(|name| json!({ "topic": name, "deleted": true })));
    Ok(())
}

/// What Kafka's tool does without a word.
fn say_if_json(objects: impl Iterator<Item = Value>) {
    if speaks_json() {
        objects.for_each(|object| say_json(&object));
    }
}

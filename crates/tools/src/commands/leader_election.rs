//! `ottla leader-election`: elects leaders of partitions, as `kafka-leader-election.sh`.

use crate::cli::{Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, convert, flag, int, say, say_json, text};
use crate::cluster::{DEFAULT_BOOTSTRAP, admin, block_on, java_partition_order};
use ottla_client::ClientError;
use ottla_client::shell::admin::elections::ElectionType;
use ottla_wire::ErrorCode;
use serde_json::Value;

pub(crate) const TOOL: Tool = Tool {
    name: "leader-election",
    script: "kafka-leader-election",
    classes: &["org.apache.kafka.tools.LeaderElectionCommand", "kafka.admin.LeaderElectionCommand"],
    group: Group::Topics,
    about: "This tool attempts to elect a new leader for a set of topic partitions. The type of elections supported are preferred replicas and unclean replicas.",
    style: Style::Jopt,
    on_parse_error: ParseError::Plain,
    options: &OPTIONS,
    subcommands: &[],
    examples: &[
        "leader-election --bootstrap-server localhost:9092 --election-type preferred --all-topic-partitions",
        "leader-election --bootstrap-server localhost:9092 --election-type unclean --topic orders --partition 0",
    ],
    run,
};

const OPTIONS: [Opt; 9] = [
    flag("json", "Print one JSON object a partition instead of text."),
    text("bootstrap-server", "host:port", "The brokers to begin with.").default(DEFAULT_BOOTSTRAP),
    text("admin.config", "config file", "Deprecated: use --command-config."),
    text("command-config", "Config file", "A file of settings for the client."),
    text(
        "path-to-json-file",
        "Path to JSON file",
        "A file of partitions: {\"partitions\":[{\"topic\":\"orders\",\"partition\":0}]}.",
    ),
    text("topic", "topic name", "The topic of the one partition."),
    int("partition", "partition id", "The one partition; goes with --topic."),
    flag("all-topic-partitions", "All partitions that need an election of this type."),
    text(
        "election-type",
        "election type",
        "preferred: the first replica leads again. unclean: any replica leads where there is no leader, whatever is lost. REQUIRED.",
    ),
];

/// What the client gets unless its settings say otherwise.
const TIMEOUTS: [(&str, &str); 2] = [("default.api.timeout.ms", "30000"), ("request.timeout.ms", "15000")];

/// A topic and a partition's number.
type TopicPartition = (String, i32);

fn run(parsed: &Parsed) -> Done {
    check(parsed)?;
    let (kind, name) = election_type(parsed)?;
    let listed = parsed.value("path-to-json-file")?.map(read_partitions).transpose()?;
    let single = match (parsed.value("topic")?, parsed.int("partition")?) {
        (Some(topic), Some(partition)) => Some(vec![(topic.to_owned(), partition)]),
        _ => None,
    };
    let partitions = listed.or(single);
    let is_old = parsed.has("admin.config");
    if is_old {
        say(
            "Option --admin.config has been deprecated and will be removed in a future version. Use --command-config instead.",
        );
    }
    let mut settings = convert::settings(parsed, if is_old { "admin.config" } else { "command-config" })?;
    settings.set("bootstrap.servers", parsed.value("bootstrap-server")?.unwrap_or_default());
    TIMEOUTS.iter().for_each(|(key, value)| settings.set_default(key, value));
    let admin = admin(&mut settings)?;
    let results = block_on(async { Ok(admin.elect_leaders(kind, partitions.as_deref()).await) })?;
    let results = results.map_err(refused)?;
    if parsed.has("json") { tell_json(results) } else { tell(results, name) }
}

fn check(parsed: &Parsed) -> Done {
    if !parsed.has("election-type") {
        return Err(Failure::told("Missing required option(s): election-type"));
    }
    parsed.forbid("admin.config", &["command-config"])?;
    if ["topic", "all-topic-partitions", "path-to-json-file"].into_iter().filter(|name| parsed.has(name)).count() != 1 {
        return Err(Failure::told(
            "One and only one of the following options is required: topic, all-topic-partitions, path-to-json-file",
        ));
    }
    match (parsed.has("topic"), parsed.has("partition")) {
        (true, false) => Err(Failure::told("Missing required option(s): partition")),
        (false, true) => Err(Failure::told("Option partition is only allowed if topic is used")),
        _ => Ok(()),
    }
}

fn election_type(parsed: &Parsed) -> Done<(ElectionType, &'static str)> {
    let given = parsed.value("election-type")?.unwrap_or_default();
    match given.to_ascii_lowercase().as_str() {
        "preferred" => Ok((ElectionType::Preferred, "PREFERRED")),
        "unclean" => Ok((ElectionType::Unclean, "UNCLEAN")),
        _ => Err(Failure::Parse(format!("Cannot parse argument '{given}' of option election-type"))),
    }
}

/// The partitions of a file, each once.
fn read_partitions(path: &str) -> Done<Vec<TopicPartition>> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::told(format!("{path}: {error}")))?;
    let json: Value = serde_json::from_str(&text).map_err(|_| Failure::told("Replica election data is empty"))?;
    let object = json.as_object().ok_or_else(|| Failure::told(format!("Expected JSON object, received {json}")))?;
    let list = object
        .get("partitions")
        .ok_or_else(|| Failure::told("Replica election data is missing \"partitions\" field"))?;
    let list = list.as_array().ok_or_else(|| Failure::told(format!("Expected JSON array, received {list}")))?;
    let mut partitions: Vec<TopicPartition> = Vec::new();
    let mut twice: Vec<String> = Vec::new();
    for entry in list {
        let field =
            |name: &str| entry.get(name).ok_or_else(|| Failure::told(format!("No such field exists: `{name}`")));
        let wrong = |kind: &str, value: &Value| Failure::told(format!("Expected `{kind}` value, received {value}"));
        let topic = field("topic")?;
        let topic = topic.as_str().ok_or_else(|| wrong("String", topic))?;
        let partition = field("partition")?;
        let index = partition.as_i64().and_then(|index| i32::try_from(index).ok());
        let place = (topic.to_owned(), index.ok_or_else(|| wrong("Integer", partition))?);
        let shown = format!("{}-{}", place.0, place.1);
        match partitions.contains(&place) {
            true if !twice.contains(&shown) => twice.push(shown),
            true => {}
            false => partitions.push(place),
        }
    }
    match twice.is_empty() {
        true => Ok(partitions),
        false => {
            Err(Failure::told(format!("Replica election data contains duplicate partitions: [{}]", twice.join(", "))))
        }
    }
}

/// Some errors are told on both outputs.
fn refused(error: ClientError) -> Failure {
    let message = match &error {
        ClientError::TimedOut(_) => "Timeout waiting for election results",
        error if error.code() == Some(ErrorCode::ClusterAuthorizationFailed) => {
            "Not authorized to perform leader election"
        }
        _ => return Failure::told(format!("java.util.concurrent.ExecutionException: {}: {error}", error.class())),
    };
    say(message);
    Failure::told(message)
}

fn tell_json(results: Vec<(TopicPartition, Result<(), ClientError>)>) -> Done {
    let mut failed = 0;
    for ((topic, partition), result) in results {
        let outcome = match &result {
            Ok(()) => "elected",
            Err(error) if error.code() == Some(ErrorCode::ElectionNotNeeded) => "not needed",
            Err(_) => {
                failed += 1;
                "failed"
            }
        };
        let error = result.err().map(|error| error.to_string()).filter(|_| outcome == "failed");
        let json = serde_json::json!({ "topic": topic, "partition": partition, "outcome": outcome, "error": error });
        say_json(&json);
    }
    if failed == 0 { Ok(()) } else { Err(Failure::told(format!("{failed} replica(s) could not be elected"))) }
}

fn tell(results: Vec<(TopicPartition, Result<(), ClientError>)>, kind: &str) -> Done {
    let (mut elected, mut unneeded, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (place, result) in results {
        match result {
            Ok(()) => elected.push(place),
            Err(error) if error.code() == Some(ErrorCode::ElectionNotNeeded) => unneeded.push(place),
            Err(error) => failed.push((place, error)),
        }
    }
    let listed = |mut places: Vec<TopicPartition>| {
        java_partition_order(&mut places, |place| (place.0.as_str(), place.1));
        places.iter().map(|(topic, index)| format!("{topic}-{index}")).collect::<Vec<_>>().join(", ")
    };
    if !elected.is_empty() {
        say(&format!("Successfully completed leader election ({kind}) for partitions {}", listed(elected)));
    }
    if !unneeded.is_empty() {
        say(&format!("Valid replica already elected for partitions {}", listed(unneeded)));
    }
    if failed.is_empty() {
        return Ok(());
    }
    java_partition_order(&mut failed, |((topic, index), _)| (topic.as_str(), *index));
    for ((topic, index), error) in &failed {
        say(&format!(
            "Error completing leader election ({kind}) for partition: {topic}-{index}: {}: {error}",
            error.class()
        ));
    }
    Err(Failure::told(format!("{} replica(s) could not be elected", failed.len())))
}

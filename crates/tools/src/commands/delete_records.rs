//! `ottla delete-records`: moves the starts of partitions forward, as `kafka-delete-records.sh`.

use crate::cli::{Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, flag, say, say_json, text};
use crate::cluster::{DEFAULT_BOOTSTRAP, admin_of, block_on};
use ottla_client::shell::admin::offsets::TopicPartition;
use ottla_client::shell::network::{Target, Topics};
use ottla_client::{Admin, ClientError, Reply};
use ottla_wire::ErrorCode;
use ottla_wire::api::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use ottla_wire::api::{DeleteRecordsRequest, DeleteRecordsResponse};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) const TOOL: Tool = Tool {
    name: "delete-records",
    script: "kafka-delete-records",
    classes: &["org.apache.kafka.tools.DeleteRecordsCommand", "kafka.admin.DeleteRecordsCommand"],
    group: Group::Topics,
    about: "This tool helps to delete records of the given partitions down to the specified offset.",
    style: Style::Jopt,
    on_parse_error: ParseError::Plain,
    options: &OPTIONS,
    subcommands: &[],
    examples: &["delete-records --bootstrap-server localhost:9092 --offset-json-file offsets.json"],
    run,
};

const OPTIONS: [Opt; 4] = [
    text("bootstrap-server", "server(s) to use for bootstrapping", "The brokers to begin with.")
        .default(DEFAULT_BOOTSTRAP),
    text(
        "offset-json-file",
        "Offset json file path",
        "REQUIRED: A file that says what goes: {\"partitions\": [{\"topic\": \"orders\", \"partition\": 0, \"offset\": 10}], \
        \"version\": 1}. Records before the offset are deleted; -1 means all that are there.",
    ),
    text("command-config", "command config property file path", "A file of settings for the client."),
    flag("json", "Print one JSON object a partition instead of text."),
];

fn run(parsed: &Parsed) -> Done {
    parsed.require(&["offset-json-file"])?;
    let path = parsed.value("offset-json-file")?.unwrap_or_default();
    let text = std::fs::read_to_string(path).map_err(|_| Failure::told(format!("Unable to read file {path}")))?;
    let wanted = wanted(&text)?;
    let admin = admin_of(parsed, "command-config")?;
    if parsed.has("json") {
        for ((topic, partition), result) in block_on(delete(&admin, &wanted))? {
            let error = result.as_ref().err().map(ClientError::to_string);
            let json = json!({ "topic": topic, "partition": partition, "lowWatermark": result.ok(), "error": error });
            say_json(&json);
        }
        return Ok(());
    }
    say("Executing records delete operation");
    let results = block_on(delete(&admin, &wanted))?;
    say("Records delete operation completed:");
    for ((topic, partition), result) in results {
        match result {
            Ok(low_watermark) => say(&format!("partition: {topic}-{partition}\tlow_watermark: {low_watermark}")),
            Err(error) => say(&format!("partition: {topic}-{partition}\terror: {}: {error}", error.class())),
        }
    }
    Ok(())
}

/// The offsets of the file; a partition may stand there once.
fn wanted(text: &str) -> Done<BTreeMap<TopicPartition, i64>> {
    let json: Value = serde_json::from_str(text).map_err(|_| Failure::told("The input string is not a valid JSON"))?;
    match json.get("version").map(Value::as_i64) {
        None | Some(Some(1)) => {}
        Some(version) => {
            let shown = version.map_or_else(|| "null".to_owned(), |version| version.to_string());
            return Err(Failure::told(format!("Not supported version field value {shown}")));
        }
    }
    let partitions = json.get("partitions").ok_or_else(|| Failure::told("Missing partitions field"))?;
    let partitions =
        partitions.as_array().ok_or_else(|| Failure::told(format!("Expected JSON array, received {partitions}")))?;
    let mut wanted = BTreeMap::new();
    let mut twice = Vec::new();
    for entry in partitions {
        let field =
            |name: &str| entry.get(name).ok_or_else(|| Failure::told(format!("No such field exists: `{name}`")));
        let wrong = |kind: &str, value: &Value| Failure::told(format!("Expected `{kind}` value, received {value}"));
        let topic = field("topic")?;
        let topic = topic.as_str().ok_or_else(|| wrong("String", topic))?;
        let partition = field("partition")?;
        let index = partition.as_i64().and_then(|index| i32::try_from(index).ok());
        let index = index.ok_or_else(|| wrong("Integer", partition))?;
        let offset = field("offset")?;
        let offset = offset.as_i64().ok_or_else(|| wrong("Long", offset))?;
        if wanted.insert((topic.to_owned(), index), offset).is_some() {
            twice.push(format!("{topic}-{index}"));
        }
    }
    if twice.is_empty() {
        return Ok(wanted);
    }
    twice.dedup();
    Err(Failure::told(format!("Offset json file contains duplicate topic partitions: {}", twice.join(","))))
}

type Results = BTreeMap<TopicPartition, Result<i64, ClientError>>;

/// Asks each leader; a partition without one has that as its error.
async fn delete(admin: &Admin, wanted: &BTreeMap<TopicPartition, i64>) -> Done<Results> {
    let mut names: Vec<&str> = wanted.keys().map(|(topic, _)| topic.as_str()).collect();
    names.dedup();
    let mut results = Results::new();
    let cluster = match admin.cluster("deleteRecords(api=METADATA)", Topics::Named(&names)).await {
        // Each of them has failed, then.
        Err(error) => {
            results.extend(wanted.keys().map(|place| (place.clone(), Err(error.clone()))));
            return Ok(results);
        }
        Ok(cluster) => cluster,
    };
    let mut by_leader: BTreeMap<i32, Vec<(&TopicPartition, i64)>> = BTreeMap::new();
    for (place, offset) in wanted {
        match cluster.leader(&place.0, place.1) {
            Some((leader, _)) => by_leader.entry(leader).or_default().push((place, *offset)),
            None => {
                let code = ErrorCode::UnknownTopicOrPartition;
                results.insert(place.clone(), Err(code.into()));
            }
        }
    }
    for (leader, partitions) in by_leader {
        let request = |_| {
            let mut topics: Vec<DeleteRecordsTopic<'_>> = Vec::new();
            for ((topic, partition), offset) in &partitions {
                let one = DeleteRecordsPartition { partition_index: *partition, offset: *offset, ..Default::default() };
                match topics.last_mut() {
                    Some(last) if last.name == topic.as_str() => last.partitions.push(one),
                    _ => topics.push(DeleteRecordsTopic {
                        name: topic.as_str().into(),
                        partitions: vec![one],
                        ..Default::default()
                    }),
                }
            }
            DeleteRecordsRequest { topics, timeout_ms: 30_000, ..Default::default() }
        };
        let read = |reply: &Reply| {
            let response: DeleteRecordsResponse<'_> = reply.read()?;
            let mut told = Vec::new();
            for topic in &response.topics {
                for one in &topic.partitions {
                    let result = ClientError::check(one.error_code, None).map(|()| one.low_watermark);
                    told.push(((topic.name.to_string(), one.partition_index), result));
                }
            }
            Ok(told)
        };
        results.extend(admin.call("deleteRecords", Target::Node(leader), request, read).await?);
    }
    Ok(results)
}

//! `ottla log-dirs`: what lies in the brokers' directories, as `kafka-log-dirs.sh`.

use crate::cli::{Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, convert, flag, say, say_raw, text};
use crate::cluster::{DEFAULT_BOOTSTRAP, admin, block_on, joined};
use ottla_client::shell::admin::log_dirs::{LogDir, LogDirReplica};
use ottla_client::shell::network::Topics;
use ottla_client::{Admin, ClientError};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(crate) const TOOL: Tool = Tool {
    name: "log-dirs",
    script: "kafka-log-dirs",
    classes: &["org.apache.kafka.tools.LogDirsCommand", "kafka.admin.LogDirsCommand"],
    group: Group::Cluster,
    about: "This tool helps to query log directory usage on the specified brokers.",
    style: Style::Jopt,
    on_parse_error: ParseError::Plain,
    options: OPTIONS,
    subcommands: &[],
    examples: &["log-dirs --bootstrap-server localhost:9092 --describe --topic-list orders,payments"],
    run,
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "The server(s) to use for bootstrapping", "The brokers to begin with.")
        .default(DEFAULT_BOOTSTRAP),
    text("command-config", "Admin client property file", "A file of settings for the client."),
    flag("describe", "Show the directories."),
    text("topic-list", "Topic list", "Only these topics, separated by commas."),
    text("broker-list", "Broker list", "Only these brokers, separated by commas."),
    flag("json", "Print the JSON object alone."),
];

fn run(parsed: &Parsed) -> Done {
    parsed.require(&["describe"])?;
    let mut settings = convert::settings(parsed, "command-config")?;
    settings.set("bootstrap.servers", parsed.value("bootstrap-server")?.unwrap_or_default());
    settings.set_default("client.id", "log-dirs-tool");
    let admin = admin(&mut settings)?;
    block_on(describe(&admin, parsed))
}

async fn describe(admin: &Admin, parsed: &Parsed) -> Done {
    let list = |text: Option<&str>| -> Vec<String> {
        let text = text.unwrap_or_default();
        text.split(',').filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
    };
    let topics: BTreeSet<String> = list(parsed.value("topic-list")?).into_iter().collect();
    let mut wanted = BTreeSet::new();
    for text in list(parsed.value("broker-list")?) {
        wanted.insert(text.parse::<i32>().map_err(|_| Failure::told(format!("For input string: \"{text}\"")))?);
    }
    let cluster = admin.cluster("describeCluster", Topics::None).await?;
    let present: Vec<i32> = cluster.nodes.keys().copied().collect();
    let absent: Vec<i32> = wanted.iter().copied().filter(|id| !present.contains(id)).collect();
    if !absent.is_empty() {
        return Err(Failure::told(format!(
            "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
            joined(&absent),
            joined(&present)
        )));
    }
    let asked: Vec<i32> = if wanted.is_empty() { present } else { wanted.into_iter().collect() };
    let only_json = parsed.has("json");
    if !only_json {
        say("Querying brokers for log directories information");
    }
    let mut brokers = Vec::new();
    for broker in &asked {
        let dirs = as_json(&admin.describe_log_dirs(*broker).await?, &topics);
        brokers.push(json!({ "broker": broker, "logDirs": dirs }));
    }
    if !only_json {
        say(&format!("Received log directory information from brokers {}", joined(&asked)));
    }
    // The fields stand in the order in which a Java map keeps them.
    let brokers: Vec<String> = brokers.iter().map(Value::to_string).collect();
    say_raw(&format!("{{\"brokers\":[{}],\"version\":1}}\n", brokers.join(",")));
    Ok(())
}

fn as_json(dirs: &[LogDir], topics: &BTreeSet<String>) -> Vec<Value> {
    let replica = |one: &LogDirReplica| {
        json!({
            "partition": format!("{}-{}", one.topic, one.partition),
            "size": one.bytes,
            "offsetLag": one.offset_lag,
            "isFuture": one.is_future,
        })
    };
    let is_wanted = |one: &&LogDirReplica| topics.is_empty() || topics.contains(&one.topic);
    let dir = |dir: &LogDir| {
        let partitions: Vec<_> = dir.replicas.iter().filter(is_wanted).map(replica).collect();
        let error = dir.error.as_ref().map(ClientError::class);
        json!({ "partitions": partitions, "error": error, "logDir": dir.path })
    };
    dirs.iter().map(dir).collect()
}

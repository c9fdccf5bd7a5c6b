//! `ottla reassign-partitions`: moves partitions to other brokers, as `kafka-reassign-partitions.sh`. What is said, errors
//! included, goes to standard output.

mod execute;
mod generate;
mod plan;
mod throttles;
mod verify;

use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, convert, flag, long, maybe, say, say_json, speaks_json,
    text,
};
use crate::cluster::{DEFAULT_BOOTSTRAP, admin, block_on};
use ottla_client::{Admin, ClientError};
use serde_json::json;

pub(crate) const TOOL: Tool = Tool {
    name: "reassign-partitions",
    script: "kafka-reassign-partitions",
    classes: &["org.apache.kafka.tools.reassign.ReassignPartitionsCommand", "kafka.admin.ReassignPartitionsCommand"],
    group: Group::Topics,
    about: "This tool helps to move topic partitions between replicas.",
    style: Style::Jopt,
    on_parse_error: ParseError::Plain,
    options: &OPTIONS,
    subcommands: &[],
    examples: &[
        "reassign-partitions --bootstrap-server localhost:9092 --generate --topics-to-move-json-file topics.json --broker-list 1,2",
        "reassign-partitions --bootstrap-server localhost:9092 --execute --reassignment-json-file moves.json",
        "reassign-partitions --bootstrap-server localhost:9092 --verify --reassignment-json-file moves.json",
    ],
    run,
};

const OPTIONS: [Opt; 19] = [
    flag("verify", "Say how far the moves of --reassignment-json-file are, and lift the throttles once all are done."),
    flag("generate", "Propose where the partitions of --topics-to-move-json-file may go."),
    flag("execute", "Begin the moves of --reassignment-json-file."),
    flag("cancel", "End the moves of --reassignment-json-file that are under way."),
    flag("list", "List the moves that are under way."),
    maybe("bootstrap-server", "Server(s) to use for bootstrapping", "The brokers to begin with."),
    text("command-config", "Admin client property file", "A file of settings for the client."),
    text(
        "reassignment-json-file",
        "manual assignment json file path",
        "Partitions and their brokers: {\"partitions\":[{\"topic\":\"orders\",\"partition\":0,\"replicas\":[1,2],\"log_dirs\":[\"any\",\"any\"]}],\"version\":1}. log_dirs may be left out.",
    ),
    text(
        "topics-to-move-json-file",
        "topics to reassign json file path",
        "Topics: {\"topics\":[{\"topic\":\"orders\"}],\"version\":1}.",
    ),
    text("broker-list", "brokerlist", "The brokers that --generate may use, as 1,2,3."),
    maybe(
        "bootstrap-controller",
        "bootstrap controller to connect to",
        "The controllers to begin with, instead of brokers; for --cancel and --list.",
    ),
    flag("disable-rack-aware", "Let --generate take no heed of racks."),
    long("throttle", "throttle", "The most bytes a second that moves between brokers take; -1 for no bound.")
        .default("-1"),
    long(
        "replica-alter-log-dirs-throttle",
        "replicaAlterLogDirsThrottle",
        "The most bytes a second that moves between directories take; -1 for no bound.",
    )
    .default("-1"),
    long("timeout", "timeout", "How many milliseconds to wait for a move between directories to begin.")
        .default("10000"),
    flag("additional", "Begin moves though others are under way."),
    flag("preserve-throttles", "Leave throttles as they are."),
    flag("disallow-replication-factor-change", "Refuse moves that leave more or fewer replicas."),
    flag("json", "Print one JSON object a plan, partition or replica instead of text."),
];

/// What is done, what it needs and what may stand beside it.
struct Action {
    name: &'static str,
    required: &'static [&'static str],
    permitted: &'static [&'static str],
    by_controller: bool,
}

const ACTIONS: [Action; 5] = [
    Action {
        name: "generate",
        required: &["topics-to-move-json-file", "broker-list"],
        permitted: &["disable-rack-aware"],
        by_controller: false,
    },
    Action {
        name: "execute",
        required: &["reassignment-json-file"],
        permitted: &[
            "additional",
            "throttle",
            "replica-alter-log-dirs-throttle",
            "timeout",
            "disallow-replication-factor-change",
        ],
        by_controller: false,
    },
    Action {
        name: "verify",
        required: &["reassignment-json-file"],
        permitted: &["preserve-throttles"],
        by_controller: false,
    },
    Action {
        name: "cancel",
        required: &["reassignment-json-file"],
        permitted: &["preserve-throttles", "timeout"],
        by_controller: true,
    },
    Action { name: "list", required: &[], permitted: &[], by_controller: true },
];

fn run(parsed: &Parsed) -> Done {
    let action = action(parsed)?;
    let done = connect(parsed).and_then(|admin| block_on(act(&admin, parsed, action)));
    done.map_err(|failure| {
        match failure {
            Failure::Client(error) => say(&format!("Error: {}: {error}", error.class())),
            Failure::Parse(message) => say(&format!("Error: {message}")),
            Failure::Told(message) => say(&message),
            other => return other,
        }
        Failure::Said
    })
}

async fn act(admin: &Admin, parsed: &Parsed, action: &Action) -> Done {
    let file = |option: &str| -> Done<String> {
        let path = parsed.value(option)?.unwrap_or_default();
        std::fs::read_to_string(path).map_err(|_| wrong(format!("Unable to read file {path}")))
    };
    match action.name {
        "verify" => verify::run(admin, &file("reassignment-json-file")?, parsed.has("preserve-throttles")).await,
        "generate" => {
            let topics = file("topics-to-move-json-file")?;
            let brokers = parsed.value("broker-list")?.unwrap_or_default();
            generate::run(admin, &topics, brokers, !parsed.has("disable-rack-aware")).await
        }
        "execute" => execute::run(admin, &file("reassignment-json-file")?, parsed).await,
        "cancel" => execute::cancel(admin, &file("reassignment-json-file")?, parsed).await,
        _ => list(admin).await,
    }
}

/// An error as this command says it; what is meant for people alone is a [`Failure::Told`] without these words.
fn wrong(message: impl std::fmt::Display) -> Failure {
    Failure::told(format!("Error: {message}"))
}

fn action(parsed: &Parsed) -> Done<&'static Action> {
    let asked: Vec<&Action> = ACTIONS.iter().filter(|action| parsed.has(action.name)).collect();
    let [action] = asked[..] else {
        let names: Vec<_> = ACTIONS.iter().map(|action| format!("--{}", action.name)).collect();
        return Err(Failure::usage(format!("Command must include exactly one action: {}", names.join(", "))));
    };
    if parsed.has("bootstrap-server") && parsed.has("bootstrap-controller") {
        return Err(Failure::usage("Please don't specify both --bootstrap-server and --bootstrap-controller"));
    }
    parsed.require(action.required)?;
    let fits = |name: &str| {
        let connection = match name {
            "bootstrap-server" | "command-config" | "json" => true,
            "bootstrap-controller" => action.by_controller,
            _ => false,
        };
        connection || name == action.name || action.required.contains(&name) || action.permitted.contains(&name)
    };
    match parsed.given().find(|name| !fits(name)) {
        Some(name) => Err(Failure::usage(format!(
            "Option \"{}\" can't be used with action \"{}\"",
            parsed.shown(name),
            parsed.shown(action.name)
        ))),
        None => Ok(action),
    }
}

fn connect(parsed: &Parsed) -> Done<Admin> {
    let mut settings = convert::settings(parsed, "command-config")?;
    match parsed.value("bootstrap-controller")? {
        Some(controllers) => settings.set("bootstrap.controllers", controllers),
        None => settings.set("bootstrap.servers", parsed.value("bootstrap-server")?.unwrap_or(DEFAULT_BOOTSTRAP)),
    }
    settings.set_default("client.id", "reassign-partitions-tool");
    Ok(admin(&mut settings)?)
}

async fn list(admin: &Admin) -> Done {
    let ongoing = admin.list_partition_reassignments(None).await?;
    if speaks_json() {
        for ((topic, index), one) in &ongoing {
            let (replicas, adding, removing) = (&one.replicas, &one.adding, &one.removing);
            say_json(&json!({
                "topic": topic, "partition": index, "replicas": replicas, "adding": adding, "removing": removing,
            }));
        }
        return Ok(());
    }
    if ongoing.is_empty() {
        say("No partition reassignments found.");
        return Ok(());
    }
    say("Current partition reassignments:");
    let numbers = |name: &str, ids: &[i32]| match ids.is_empty() {
        true => String::new(),
        false => format!(" {name}: {}.", crate::cluster::joined(ids)),
    };
    for ((topic, index), one) in &ongoing {
        let replicas = crate::cluster::joined(&one.replicas);
        let (adding, removing) = (numbers("adding", &one.adding), numbers("removing", &one.removing));
        say(&format!("{topic}-{index}: replicas: {replicas}.{adding}{removing}"));
    }
    Ok(())
}

/// One partition's error as it is listed.
fn listed_errors(errors: &[(String, ClientError)]) -> String {
    errors.iter().map(|(place, error)| format!("{place}: {error}")).collect::<Vec<_>>().join("\n")
}

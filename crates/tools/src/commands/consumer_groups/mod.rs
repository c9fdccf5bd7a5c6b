//! `ottla consumer-groups`: groups of consumers, their members, lag and offsets, as `kafka-consumer-groups.sh`.

mod describe;
mod offsets;
mod reset;

use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, complain, convert, flag, long, maybe, say, say_either,
    say_json, say_raw, speaks_json, text,
};
use crate::cluster::{DEFAULT_BOOTSTRAP, admin, block_on, group_kind};
use ottla_client::{Admin, ClientError};
use serde_json::json;
use std::fmt::Write;

pub(crate) const TOOL: Tool = Tool {
    name: "consumer-groups",
    script: "kafka-consumer-groups",
    classes: &["org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "kafka.admin.ConsumerGroupCommand"],
    group: Group::Groups,
    about: "This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, or reset consumer group offsets.",
    style: Style::Jopt,
    on_parse_error: ParseError::Plain,
    options: OPTIONS,
    subcommands: &[],
    examples: &[
        "consumer-groups --bootstrap-server localhost:9092 --list",
        "consumer-groups --describe --group billing",
        "consumer-groups --reset-offsets --group billing --topic orders --to-earliest --execute",
    ],
    run,
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "server to connect to", "The brokers to begin with.").default(DEFAULT_BOOTSTRAP),
    text("group", "consumer group", "The group; may be given again."),
    text(
        "topic",
        "topic",
        "The topic whose offsets are meant, perhaps with partitions, as topic:0,1,2; may be given again.",
    ),
    flag("all-topics", "All topics of the group."),
    flag("list", "List the groups."),
    flag("describe", "Show groups: their offsets and lag unless --members or --state asks for something else."),
    flag("all-groups", "All groups."),
    flag("delete", "Delete groups and all their offsets."),
    long("timeout", "timeout (ms)", "How long a call may take.").default("30000"),
    text("command-config", "command config property file", "A file of settings for the client."),
    flag(
        "reset-offsets",
        "Change offsets of a group without members: say which by --topic or --all-topics, and where to.",
    ),
    flag("delete-offsets", "Forget offsets of a group."),
    flag("dry-run", "Only show what --reset-offsets would do."),
    flag("execute", "Do what --reset-offsets says."),
    flag("export", "Print the new offsets as CSV."),
    long("to-offset", "offset", "To this offset."),
    text("from-file", "path to CSV file", "To the offsets of a CSV file."),
    text("to-datetime", "datetime", "To the first records at or after a time: YYYY-MM-DDThh:mm:ss.sss."),
    text("by-duration", "duration", "To the first records at or after a time that far back: PnDTnHnMnS."),
    flag("to-earliest", "To the first offsets."),
    flag("to-latest", "To the ends."),
    flag("to-current", "To the offsets that are committed."),
    long("shift-by", "number-of-offsets", "So many offsets forward, or back."),
    flag("members", "With --describe: the members."),
    flag("verbose", "With --describe: more columns."),
    flag("offsets", "With --describe: offsets and lag."),
    maybe(
        "state",
        "String",
        "With --describe: the state. With --list: the states, or only groups in the states named.",
    ),
    maybe("type", "String", "With --list: the types, or only groups of the types named."),
    text("validate-regex", "regex", "Say whether a regular expression is valid."),
    flag("json", "Print one JSON object a line instead of text."),
];

const ACTIONS: [&str; 6] = ["list", "describe", "delete", "reset-offsets", "delete-offsets", "validate-regex"];
const SCENARIOS: [&str; 8] =
    ["to-offset", "shift-by", "to-datetime", "by-duration", "to-earliest", "to-latest", "to-current", "from-file"];

fn run(parsed: &Parsed) -> Done {
    check(parsed)?;
    if ACTIONS.iter().filter(|action| parsed.has(action)).count() != 1 {
        let actions: Vec<_> = ACTIONS.iter().map(|action| format!("--{action}")).collect();
        return Err(Failure::usage(format!("Command must include exactly one action: {}", actions.join(", "))));
    }
    if let Some(regex) = parsed.value("validate-regex")? {
        match regex_lite::Regex::new(regex) {
            Ok(_) => say(&format!("The regular expression `{regex}` is valid.")),
            Err(error) => say(&format!("The regular expression `{regex}` is invalid: {error}.")),
        }
        return Ok(());
    }
    let mut settings = match convert::settings(parsed, "command-config") {
        // The same end as that of any other failure.
        Err(Failure::Told(message)) => {
            failed(&format!("Executing consumer group command failed due to {message}"));
            return Ok(());
        }
        settings => settings?,
    };
    settings.set("bootstrap.servers", parsed.value("bootstrap-server")?.unwrap_or_default());
    settings.set("default.api.timeout.ms", parsed.long("timeout")?.unwrap_or(30_000).to_string());
    let done = admin(&mut settings).map_err(Failure::from).and_then(|admin| block_on(act(&admin, parsed)));
    match done {
        // Whatever happens, Kafka's tool ends with 0 once it has begun.
        Err(Failure::Client(error @ ClientError::Bootstrap(_))) => {
            failed(&format!("Executing consumer group command failed due to {error}"));
            Ok(())
        }
        Err(Failure::Client(error @ ClientError::Failed(_))) => {
            failed(&format!(
                "Executing consumer group command failed due to java.util.concurrent.ExecutionException: org.apache.kafka.common.KafkaException: {error}"
            ));
            Ok(())
        }
        Err(Failure::Client(error)) => {
            failed(&format!("Executing consumer group command failed due to {}: {error}", error.class()));
            Ok(())
        }
        Err(Failure::Told(message)) => {
            failed(&format!("Executing consumer group command failed due to {message}"));
            Ok(())
        }
        other => other,
    }
}

async fn act(admin: &Admin, parsed: &Parsed) -> Done {
    if parsed.has("list") {
        list(admin, parsed).await
    } else if parsed.has("describe") {
        describe::run(admin, parsed).await
    } else if parsed.has("delete") {
        delete(admin, parsed).await
    } else if parsed.has("reset-offsets") {
        reset::run(admin, parsed).await
    } else {
        offsets::delete(admin, parsed).await
    }
}

/// Kafka's way of saying what went wrong: on standard output, behind an empty line.
fn failed(message: &str) {
    say_either(&format!("\nError: {message}"), || json!({ "error": message }));
}

/// Which options go together, in Kafka's order.
fn check(parsed: &Parsed) -> Done {
    let unavailable: Vec<_> = ["members", "verbose", "offsets"]
        .into_iter()
        .filter(|option| parsed.has(option) && !parsed.has("describe"))
        .chain((parsed.has("state") && !parsed.has("describe") && !parsed.has("list")).then_some("state"))
        .chain((parsed.has("type") && !parsed.has("list")).then_some("type"))
        .collect();
    if !unavailable.is_empty() {
        return Err(Failure::Parse(format!(
            "Option(s) [{}] are unavailable given other options on the command line",
            unavailable.join(", ")
        )));
    }
    let has_group = parsed.has("group") || parsed.has("all-groups");
    let wants_group = |action: &str| {
        Err(Failure::usage(format!("Option [{action}] takes one of these options: [group], [all-groups]")))
    };
    if parsed.has("describe") {
        if !has_group {
            return wants_group("describe");
        }
        if ["members", "offsets", "state"].iter().filter(|option| parsed.has(option)).count() > 1 {
            return Err(Failure::usage(
                "Option [describe] takes at most one of these options: [members], [offsets], [state]",
            ));
        }
        if parsed.has("state") && parsed.last("state").is_some() {
            return Err(Failure::usage("Option [describe] does not take a value for [state]"));
        }
    }
    if parsed.has("delete") {
        if !has_group {
            return wants_group("delete");
        }
        if parsed.has("topic") {
            return Err(Failure::usage(
                "The consumer does not support topic-specific offset deletion from a consumer group.",
            ));
        }
    }
    if parsed.has("delete-offsets") && !(parsed.has("group") && parsed.has("topic")) {
        return Err(Failure::usage("Option [delete-offsets] takes the following options: [group], [topic]"));
    }
    if parsed.has("reset-offsets") {
        if parsed.has("dry-run") && parsed.has("execute") {
            return Err(Failure::usage("Option [reset-offsets] only accepts one of [execute] and [dry-run]"));
        }
        if !parsed.has("dry-run") && !parsed.has("execute") {
            complain(
                "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will require either --dry-run or --execute to be specified. You should add the --dry-run option explicitly if you are scripting this command and want to keep the current default behavior without prompting.",
            );
        }
        if !has_group {
            return wants_group("reset-offsets");
        }
        for scenario in SCENARIOS {
            let others: Vec<_> = SCENARIOS.into_iter().filter(|other| *other != scenario).collect();
            parsed.forbid(scenario, &others)?;
        }
    }
    parsed.forbid("group", &["all-groups"])?;
    parsed.forbid("group", &["list"])?;
    parsed.forbid("topic", &["list", "describe"])
}

/// The groups that an action is about.
async fn chosen(admin: &Admin, parsed: &Parsed) -> Result<Vec<String>, ClientError> {
    if parsed.has("all-groups") {
        let groups = admin.list_groups(&[], &[]).await?;
        return Ok(groups
            .into_iter()
            .filter(|group| is_of_consumers(&group.protocol_type))
            .map(|group| group.id)
            .collect());
    }
    let mut groups: Vec<String> = parsed.values("group").iter().map(|group| (*group).to_owned()).collect();
    groups.sort_unstable();
    groups.dedup();
    Ok(groups)
}

/// A group that only keeps offsets has no protocol.
fn is_of_consumers(protocol_type: &str) -> bool {
    matches!(protocol_type, "consumer" | "")
}

async fn list(admin: &Admin, parsed: &Parsed) -> Done {
    let (with_type, with_state) = (parsed.has("type"), parsed.has("state"));
    let states = states(parsed.last("state").unwrap_or_default())?;
    let kinds = kinds(parsed.last("type").unwrap_or_default())?;
    let mut groups = admin.list_groups(&states, &kinds).await?;
    groups.retain(|group| is_of_consumers(&group.protocol_type));
    let mut page = String::new();
    if parsed.has("json") {
        for group in &groups {
            let json = json!({
                "group": group.id, "type": group_kind(&group.kind), "state": group.state,
            });
            let _ = writeln!(page, "{json}");
        }
    } else if with_type || with_state {
        let width = groups.iter().map(|group| group.id.len().max(15)).max().unwrap_or(15) + 10;
        let mut row = |id: &str, kind: &str, state: &str| {
            let _ = write!(page, "{id:width$}");
            let columns = [(with_type, kind), (with_state, state)];
            for (_, column) in columns.iter().filter(|(is_shown, _)| *is_shown) {
                let _ = write!(page, " {column:20}");
            }
            page.push('\n');
        };
        row("GROUP", "TYPE", "STATE");
        for group in &groups {
            let state = if group.state.is_empty() { "Unknown" } else { &group.state };
            row(&group.id, group_kind(&group.kind), state);
        }
    } else {
        page.extend(groups.iter().map(|group| format!("{}\n", group.id)));
    }
    say_raw(&page);
    Ok(())
}

const STATES: [&str; 7] =
    ["PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Empty", "Assigning", "Reconciling"];

fn states(text: &str) -> Done<Vec<String>> {
    let mut states = Vec::new();
    for name in text.split(',').map(str::trim).filter(|_| !text.is_empty()) {
        match STATES.iter().find(|state| state.eq_ignore_ascii_case(name)) {
            Some(state) => states.push((*state).to_owned()),
            None => {
                return Err(Failure::usage(format!(
                    "Invalid state list '{text}'. Valid states are: {}",
                    STATES.join(", ")
                )));
            }
        }
    }
    Ok(states)
}

fn kinds(text: &str) -> Done<Vec<String>> {
    let mut kinds = Vec::new();
    for name in text.split(',').map(str::trim).filter(|_| !text.is_empty()) {
        match ["Classic", "Consumer"].iter().find(|kind| kind.eq_ignore_ascii_case(name)) {
            Some(kind) => kinds.push((*kind).to_owned()),
            None => {
                return Err(Failure::usage(format!(
                    "Invalid types list '{}'. Valid types are: Classic, Consumer",
                    text.to_lowercase()
                )));
            }
        }
    }
    Ok(kinds)
}

async fn delete(admin: &Admin, parsed: &Parsed) -> Done {
    let (mut deleted, mut kept) = (Vec::new(), Vec::new());
    for group in chosen(admin, parsed).await? {
        match admin.delete_group(&group).await {
            Ok(()) => deleted.push(group),
            Err(error) => kept.push((group, error)),
        }
    }
    if speaks_json() {
        deleted.iter().for_each(|group| say_json(&json!({ "group": group, "deleted": true })));
        for (group, error) in &kept {
            say_json(
                &json!({ "group": group, "deleted": false, "error": error.class(), "message": error.to_string() }),
            );
        }
        return Ok(());
    }
    let deleted: Vec<_> = deleted.iter().map(|group| format!("'{group}'")).collect();
    if kept.is_empty() {
        say(&format!("Deletion of requested consumer groups ({}) was successful.", deleted.join(", ")));
        return Ok(());
    }
    failed("Deletion of some consumer groups failed:");
    for (group, error) in kept {
        say(&format!("* Group '{group}' could not be deleted due to: {}: {error}", error.class()));
    }
    if !deleted.is_empty() {
        say(&format!("\nThese consumer groups were deleted successfully: {}", deleted.join(", ")));
    }
    Ok(())
}

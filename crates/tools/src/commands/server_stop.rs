//! `ottla server-stop`: signals the nodes of this machine, as `kafka-server-stop.sh`: all of them, those of a role, or the
//! one with an id. A node that was started with `--ephemeral` belongs to somebody's test and is left alone.

use crate::cli::{Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, flag, say, say_json, text};
use anyhow::{Context, Result};
use ottla_server::config::{Container, Properties, Variables, embedded};
use rustix::process::{Pid, Signal, getpid, kill_process};
use serde_json::json;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

pub(crate) const TOOL: Tool = Tool {
    name: "server-stop",
    script: "kafka-server-stop",
    classes: &[],
    group: Group::Node,
    about: "Signal the nodes of this machine to stop.",
    // Without any option it stops them all.
    style: Style::Argparse,
    on_parse_error: ParseError::Plain,
    options: OPTIONS,
    subcommands: &[],
    examples: &["server-stop", "server-stop --node-id 1", "server-stop --process-role broker,controller"],
    run,
};

const OPTIONS: &[Opt] = &[
    text("process-role", "roles", "Only nodes whose process.roles is exactly this."),
    text("node-id", "id", "Only the node with this id."),
    flag("json", "Print one JSON object with the processes that were signalled."),
];

/// A process that is a node, with what it was told.
struct Found {
    pid: Pid,
    arguments: Vec<String>,
    folder: PathBuf,
}

fn run(parsed: &Parsed) -> Done {
    let (id, roles) = (parsed.last("node-id"), parsed.last("process-role"));
    if id.is_some() && roles.is_some() {
        say("When both node-id and process-role are provided, the value for node-id will take precedence");
    }
    match stop_chosen(id, roles).map_err(Failure::error)? {
        Some(signalled) => {
            if parsed.has("json") {
                say_json(&json!({ "signalled": signalled }));
            }
            Ok(())
        }
        None => {
            say("No kafka server to stop");
            Err(Failure::Said)
        }
    }
}

/// The processes that were signalled; none where there is no node at all.
fn stop_chosen(id: Option<&str>, roles: Option<&str>) -> Result<Option<Vec<i32>>> {
    let signal = signal(std::env::var("SIGNAL").ok().as_deref())?;
    let nodes = nodes(Path::new("/proc"))?;
    if nodes.is_empty() {
        return Ok(None);
    }
    let wanted = match (id, roles) {
        (Some(id), _) => Some(("node.id", id)),
        (None, Some(roles)) => Some(("process.roles", roles)),
        (None, None) => None,
    };
    let mut signalled = Vec::new();
    for node in &nodes {
        let is_chosen = match wanted {
            Some((key, wanted)) => told(node, key)?.as_deref() == Some(wanted),
            None => true,
        };
        if is_chosen {
            stop(node.pid, signal)?;
            signalled.push(node.pid.as_raw_pid());
        }
    }
    Ok(Some(signalled))
}

fn stop(pid: Pid, signal: Signal) -> Result<()> {
    kill_process(pid, signal).with_context(|| format!("process {} cannot be signalled", pid.as_raw_nonzero()))
}

/// `SIGNAL`, by name or number; TERM unless it is set.
fn signal(text: Option<&str>) -> Result<Signal> {
    let text = text.map(str::trim).filter(|text| !text.is_empty()).unwrap_or("TERM").to_uppercase();
    let named = match text.strip_prefix("SIG").unwrap_or(&text) {
        "TERM" => Some(Signal::TERM),
        "INT" => Some(Signal::INT),
        "QUIT" => Some(Signal::QUIT),
        "HUP" => Some(Signal::HUP),
        "KILL" => Some(Signal::KILL),
        number => number.parse().ok().and_then(Signal::from_named_raw),
    };
    named.with_context(|| format!("SIGNAL={text} is no signal"))
}

/// The nodes among all processes. A process that ends meanwhile, or belongs to another user, is passed over.
fn nodes(processes: &Path) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(processes).context("processes can be listed on Linux only")? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(pid) = name.parse().ok().and_then(Pid::from_raw).filter(|pid| *pid != getpid()) else { continue };
        let Ok(line) = std::fs::read(path.join("cmdline")) else { continue };
        let arguments: Vec<String> =
            line.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        let arguments = arguments.strip_suffix(&[String::new()]).unwrap_or(&arguments).to_vec();
        let Ok(folder) = std::fs::read_link(path.join("cwd")) else { continue };
        if is_node(&arguments) {
            found.push(Found { pid, arguments, folder });
        }
    }
    Ok(found)
}

fn is_node(arguments: &[String]) -> bool {
    let Some((program, rest)) = arguments.split_first() else { return false };
    Path::new(program).file_name().is_some_and(|name| name == "ottla")
        && rest.first().is_none_or(|command| command == "server-start")
        && !rest.iter().any(|argument| argument == "--ephemeral")
}

/// What a node's configuration says under a key.
fn told(node: &Found, key: &str) -> Result<Option<String>> {
    let properties = properties(node)?;
    let value = properties.get(key).or_else(|| properties.get("broker.id").filter(|_| key == "node.id"));
    Ok(value.map(|value| value.trim().to_owned()))
}

fn properties(node: &Found) -> Result<Properties> {
    let mut rest = node.arguments.iter().skip(2);
    if node.arguments.len() < 2 {
        let environment = std::fs::read(format!("/proc/{}/environ", node.pid.as_raw_nonzero())).unwrap_or_default();
        let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec()).into_string().ok();
        let variable = |part: &[u8]| {
            let at = part.iter().position(|byte| *byte == b'=')?;
            Some((text(&part[..at])?, text(&part[at + 1..])?))
        };
        let variables: Variables = environment.split(|byte| *byte == 0).filter_map(variable).collect();
        return Ok(Container::read(&variables, None).map_or_else(|| embedded(""), |container| container.properties));
    }
    let mut properties = Properties::new();
    let mut overrides = Vec::new();
    while let Some(argument) = rest.next() {
        match argument.strip_prefix("--override") {
            Some("") => overrides.extend(rest.next()),
            Some(_) => {}
            None => properties = super::properties(&node.folder.join(argument))?,
        }
        if let Some(text) = argument.strip_prefix("--override=") {
            properties.apply_override(text)?;
        }
    }
    for text in overrides {
        properties.apply_override(text)?;
    }
    Ok(properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn nodes_are_told_from_other_processes() {
        assert!(is_node(&arguments("/opt/ottla/bin/ottla server-start server.properties")));
        assert!(is_node(&arguments("ottla")));
        for other in
            ["ottla storage info -c a", "kcat -b a", "ottla server-start --ephemeral", "/tmp/ottla-test server-start a"]
        {
            assert!(!is_node(&arguments(other)), "{other}");
        }
    }

    #[test]
    fn a_node_is_known_by_its_file_and_its_overrides() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.properties"), "node.id=1\nprocess.roles=broker,controller\n").unwrap();
        let found = |line: &str| Found { pid: getpid(), arguments: arguments(line), folder: dir.path().to_owned() };
        let node = found("ottla server-start a.properties");
        assert_eq!(told(&node, "node.id").unwrap().as_deref(), Some("1"));
        assert_eq!(told(&node, "process.roles").unwrap().as_deref(), Some("broker,controller"));
        for line in [
            "ottla server-start a.properties --override node.id=7",
            "ottla server-start --override node.id=7 a.properties",
            "ottla server-start a.properties --override=node.id=7",
        ] {
            assert_eq!(told(&found(line), "node.id").unwrap().as_deref(), Some("7"), "{line}");
        }
        assert!(told(&found("ottla server-start missing.properties"), "node.id").is_err());
    }

    #[test]
    fn signals_have_names_and_numbers() {
        assert_eq!(signal(None).unwrap(), Signal::TERM);
        assert_eq!(signal(Some("SIGINT")).unwrap(), Signal::INT);
        assert_eq!(signal(Some("9")).unwrap(), Signal::KILL);
        assert!(signal(Some("loud")).is_err());
    }
}

//! `ottla server-start FILE`: a node that runs until it is told to stop. A node that stands alone formats its own empty
//! directories.

use super::{load, properties};
use crate::cli::{Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, flag, say, say_json, text};
use anyhow::{Context, Result, bail};
use ottla::Data;
use ottla_server::config::NodeConfig;
use ottla_server::{Running, storage};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;

pub(crate) const TOOL: Tool = Tool {
    name: "server-start",
    script: "kafka-server-start",
    classes: &["kafka.Kafka"],
    group: Group::Node,
    about: "Start a node with a properties file.",
    style: Style::Jopt,
    on_parse_error: ParseError::Plain,
    options: OPTIONS,
    subcommands: &[],
    examples: &[
        "server-start config/server.properties",
        "server-start config/server.properties --override log.retention.hours=24",
        "server-start --ephemeral",
    ],
    run,
};

const OPTIONS: &[Opt] = &[
    text("override", "property=value", "A property that replaces the file's; may be given again."),
    flag("ephemeral", "A node for a test: on free ports, in a directory that goes with it; its address is printed."),
    flag("json", "Print one JSON object when the node is ready, with its listeners, instead of the lines."),
];

fn run(parsed: &Parsed) -> Done {
    start_and_wait(parsed).map_err(Failure::error)?
}

fn start_and_wait(parsed: &Parsed) -> Result<Done> {
    let begun = Instant::now();
    let ephemeral = if parsed.has("ephemeral") { Some(Data::temporary()?) } else { None };
    let mut properties = match (&ephemeral, &parsed.others[..]) {
        (Some(data), []) => ottla::single_node(data.path()),
        (None, [file]) => properties(Path::new(file))?,
        (None, []) => bail!("a properties file is needed: server-start server.properties"),
        (None, [_, others @ ..]) | (Some(_), others) => {
            return Ok(Err(Failure::usage(format!("Found non argument parameters: {}", others.join(",")))));
        }
    };
    start_log();
    raise_open_files();
    for text in parsed.values("override") {
        properties.apply_override(text)?;
    }
    let config = load(&properties)?;
    format_if_alone(&config, None)?;
    let started = Started::new(&config)?;
    match ephemeral {
        _ if parsed.has("json") => say_json(&started.json(begun)),
        None => started.announce(&mut std::io::stdout(), begun)?,
        Some(_) => {
            started.announce(&mut std::io::stderr(), begun)?;
            say(&started.bootstrap()?.to_string());
        }
    }
    started.wait()
}

/// The log goes to standard error. `KAFKA_LOG4J_ROOT_LOGLEVEL` says from which level on, as in Kafka's images.
pub(crate) fn start_log() {
    let level = std::env::var("KAFKA_LOG4J_ROOT_LOGLEVEL").ok();
    let level = level.and_then(|name| name.trim().parse().ok()).unwrap_or(LevelFilter::INFO);
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// A log has several files and a connection is one: as many may be open as the system allows, and not only as many as a shell
/// begins with. A JVM asks for the same.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!("no more than {:?} files may be open: {error}", limit.current);
    }
}

/// Formats the directories of a node that is a quorum by itself, if they hold nothing. Those of another are left alone: a
/// node of a cluster that formatted itself would begin a second one.
pub(crate) fn format_if_alone(config: &NodeConfig, cluster_id: Option<&str>) -> Result<()> {
    if storage::stands_alone(config) && storage::is_empty(config) {
        let said = storage::format_alone(config, cluster_id).map_err(anyhow::Error::msg)?;
        eprint!("The directories are empty and this node stands alone, so they are formatted.\n{said}");
    }
    Ok(())
}

/// A node that serves, and what tells it to stop.
pub(crate) struct Started<'a> {
    config: &'a NodeConfig,
    running: Running,
    signals: Signals,
}

impl<'a> Started<'a> {
    pub(crate) fn new(config: &'a NodeConfig) -> Result<Self> {
        let signals = Signals::new()?;
        Ok(Self { config, running: ottla_server::start(config)?, signals })
    }

    /// The lines that people and scripts wait for.
    pub(crate) fn announce(&self, out: &mut dyn Write, begun: Instant) -> Result<()> {
        let id = self.config.identity.node_id;
        for (name, address) in &self.running.listeners {
            writeln!(out, "[SocketServer listenerType={name}, nodeId={id}] Awaiting socket connections on {address}.")?;
        }
        writeln!(out, "[BrokerLifecycleManager id={id}] Transitioning from RECOVERY to RUNNING.")?;
        writeln!(out, "[BrokerServer id={id}] Transition from STARTING to STARTED")?;
        writeln!(out, "[KafkaRaftServer nodeId={id}] Kafka Server started")?;
        writeln!(
            out,
            "[KafkaServer id={id}] started (kafka.server.KafkaServer) in {} ms",
            begun.elapsed().as_millis()
        )?;
        Ok(out.flush()?)
    }

    fn json(&self, begun: Instant) -> Value {
        let listeners = self.running.listeners.iter().map(|(name, address)| (name.clone(), address.to_string().into()));
        json!({
            "nodeId": self.config.identity.node_id,
            "listeners": listeners.collect::<serde_json::Map<_, Value>>(),
            "logDirs": self.running.log_dirs,
            "milliseconds": u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Where clients begin.
    fn bootstrap(&self) -> Result<SocketAddr> {
        let is_broker = |name: &str| !self.config.network.is_controller_listener(name);
        let listener = self.running.listeners.iter().find(|(name, _)| is_broker(name));
        Ok(listener.context("the node has no listener for clients")?.1)
    }

    /// Until SIGTERM or Ctrl-C comes, or the node can go on no longer.
    pub(crate) fn wait(self) -> Result<Done> {
        self.signals.wait(self.running)
    }
}

/// Listened to before the node starts: whoever reads that it is up may stop it at once.
struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (terminate, interrupt) = {
            let _entered = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        Ok(Self { runtime, terminate, interrupt })
    }

    fn wait(mut self, running: Running) -> Result<Done> {
        let failed = self.runtime.block_on(async {
            let mut look = tokio::time::interval(Duration::from_millis(500));
            loop {
                tokio::select! {
                    _ = self.terminate.recv() => return false,
                    _ = self.interrupt.recv() => return false,
                    _ = look.tick() => if running.has_failed() { return true },
                }
            }
        });
        running.stop();
        Ok(if failed { Err(Failure::Said) } else { Ok(()) })
    }
}

//! `ottla server-start FILE`, and `ottla` alone: a node that runs until it is told to stop.

use super::{load, properties};
use anyhow::{Context, Result};
use clap::Args;
use ottla_server::config::{NodeConfig, embedded};
use ottla_server::{Running, storage};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Args)]
pub(crate) struct Options {
    /// The node's properties file
    file: PathBuf,
    /// A property that replaces the file's
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

/// Where a node without a file keeps its data.
const EMBEDDED_DATA: &str = "data";

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let begun = Instant::now();
    start_log();
    let mut properties = properties(&options.file)?;
    for text in &options.overrides {
        properties.apply_override(text)?;
    }
    let config = load(&properties)?;
    let signals = Signals::new()?;
    let running = ottla_server::start(&config)?;
    announce(&config, &running, begun);
    signals.wait(running)
}

/// A node for those who want to try: it formats its own directory, and says what to type next.
pub(crate) fn run_embedded() -> Result<ExitCode> {
    let begun = Instant::now();
    start_log();
    let data = std::env::current_dir().context("there is no current directory")?.join(EMBEDDED_DATA);
    let config = load(&embedded(&data.to_string_lossy()))?;
    if storage::is_unformatted(&config).map_err(anyhow::Error::msg)? {
        storage::format_standalone(&config).map_err(anyhow::Error::msg)?;
    }
    let signals = Signals::new()?;
    let running = ottla_server::start(&config)?;
    announce(&config, &running, begun);
    println!();
    println!("  data       {}", data.display());
    println!("  bootstrap  localhost:9092");
    println!();
    println!("Now, in another terminal, with any Kafka client, for example kcat:");
    println!("  echo 'Hello Kafka' | kcat -P -b localhost:9092 -t greetings");
    println!("  kcat -C -b localhost:9092 -t greetings -e");
    println!("Ctrl-C stops the node.");
    signals.wait(running)
}

fn start_log() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// The lines that people and scripts wait for.
fn announce(config: &NodeConfig, running: &Running, begun: Instant) {
    let id = config.identity.node_id;
    for (name, address) in &running.listeners {
        println!("[SocketServer listenerType={name}, nodeId={id}] Awaiting socket connections on {address}.");
    }
    println!("[BrokerServer id={id}] Transition from STARTING to STARTED");
    println!("[KafkaRaftServer nodeId={id}] Kafka Server started");
    println!("[KafkaServer id={id}] started in {} ms", begun.elapsed().as_millis());
}

/// What tells a node to stop. Listened to before it starts: whoever reads that it is up may stop it at once.
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

    /// Until SIGTERM or Ctrl-C comes, or the node can go on no longer.
    fn wait(mut self, running: Running) -> Result<ExitCode> {
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
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

//! The `ottla` binary: one command per file, under Kafka's names.

mod catalogue;
mod cli;
mod cluster;
mod commands;
mod completion;

use clap::{Parser, Subcommand};
use commands::{later, server_start, server_stop, storage, without};
use std::process::ExitCode;

/// Fresh memory is dear, and a broker's is used again and again: this allocator keeps what it has near. It is built to ask
/// for no huge pages (`no_thp`): with them an idle node weighs 15.6 MB instead of 8.6, and no gain in CPU was seen.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The Kafka whose commands, protocol and files these are.
const KAFKA_VERSION: &str = "4.4.0";

#[derive(Parser)]
#[command(name = "ottla", version, about = "Apache Kafka, whole, in one binary.")]
#[command(
    after_help = "Without a command, a single node starts on localhost:9092 with its data in ./data; where KAFKA_* or \
                  CLUSTER_ID are set, a node as in Kafka's container images."
)]
struct Ottla {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start a node with a properties file (kafka-server-start.sh)
    ServerStart(server_start::Options),
    /// Signal the nodes of this machine to stop (kafka-server-stop.sh)
    ServerStop(server_stop::Options),
    /// Format a node's directories, or say what is in them (kafka-storage.sh)
    Storage(storage::Options),
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    if let Some((name, rest)) = args.split_first() {
        if let Some(tool) = catalogue::find(name) {
            return tool.main(rest);
        }
        if let Some(later) = later::find(name) {
            return later.run();
        }
        if name == "completion" {
            return completion::run(rest);
        }
        if matches!(name.as_str(), "--help" | "-h" | "help") {
            let asked = rest.first().and_then(|name| catalogue::find(name));
            cli::say_raw(&asked.map_or_else(catalogue::overview, cli::Tool::help));
            return ExitCode::SUCCESS;
        }
    }
    let ottla = match Ottla::try_parse() {
        Ok(ottla) => ottla,
        Err(error) => {
            // Help goes to standard output and is no failure; the rest is one.
            let code = if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
            return if error.print().is_ok() { code } else { ExitCode::FAILURE };
        }
    };
    let done = match ottla.command {
        None => without::run(),
        Some(Command::ServerStart(options)) => server_start::run(&options),
        Some(Command::ServerStop(options)) => server_stop::run(&options),
        Some(Command::Storage(options)) => storage::run(options),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

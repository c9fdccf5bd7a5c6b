//! Everything a developer types: `cargo xtask ci`, `tidy`, `codegen`, `compat`, `fuzz`, `bench`.

mod bench;
mod ci;
mod codegen;
mod compat;
mod examples;
mod fuzz;
mod seeds;
mod suites;
mod takeover;
mod tidy;
mod tour;

use anyhow::{Result, bail};
use std::process::{Command, ExitCode};

const USAGE: &str = "usage: cargo xtask <command>

  bench     Ottla beside Apache Kafka, into bench/README.md (--only CASE, --systems ottla,kafka, --rounds N)
  ci        install what is needed, then format, lint, tidy, test and run compat/
  client-suites  run the clients' own integration suites against a node (--against ottla|kafka, --only NAME)
  codegen   write crates/wire/src/messages from the schemas (--check: compare only)
  compat    run other people's clients against a node (--against ottla|kafka) and write docs/compatibility.md
  examples  run the tests that docs/testing shows (--only pytest|go|junit)
  fuzz      run the fuzz targets for a while (--seconds N, or one target's name)
  compat-tools  run Apache Kafka's commands and Ottla's side by side (--only NAME of compat/tools/cases)
  seeds     run the commands and programs of tutorials as printed (--only NAME of compat/seeds)
  kafka-tool  run one of Apache Kafka's own command line tools, say dump-log
  tour      the README's commands, as printed
  takeover  one directory, used by Apache Kafka and Ottla in turn
  tidy      the house's rules: layers, bans, sizes, words";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("bench") => bench::run(&root(), args.get(1..).unwrap_or_default()),
        Some("ci") => ci::run(),
        Some("client-suites") => suites::run(&root(), args.get(1..).unwrap_or_default()),
        Some("codegen") => codegen::run(&root(), args.get(1).is_some_and(|arg| arg == "--check")),
        Some("compat") => compat::run(&root(), args.get(1..).unwrap_or_default()),
        Some("examples") => examples::run(&root(), args.get(1..).unwrap_or_default()),
        Some("fuzz") => fuzz::run(&root(), args.get(1..).unwrap_or_default()),
        Some("compat-tools") => compat::run_tools(&root(), args.get(1..).unwrap_or_default()),
        Some("seeds") => seeds::run(&root(), args.get(1..).unwrap_or_default()),
        Some("kafka-tool") => compat::kafka_tool(&root(), args.get(1..).unwrap_or_default()),
        Some("takeover") => takeover::run(&root(), args.get(1..).unwrap_or_default()),
        Some("tidy") => tidy::run(),
        Some("tour") => tour::run(&root()),
        Some(other) => bail!("unknown command '{other}'\n{USAGE}"),
        None => bail!("{USAGE}"),
    }
}

/// The workspace's folder, wherever the command was typed.
fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(1).map_or_else(Default::default, Into::into)
}

/// A cargo of its own.
fn cargo() -> Command {
    by_itself("cargo")
}

/// A program that may call cargo as if it had been called by hand. This one was started by a cargo that told it of its
/// package, and libraries' build scripts run again when those variables change: without this, `cargo build` and a build from
/// here undo one another.
fn by_itself(program: &str) -> Command {
    let mut command = Command::new(program);
    let told = |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.starts_with(start));
    for (name, _) in std::env::vars_os() {
        if name == "CARGO" || name.to_str().is_some_and(told) {
            command.env_remove(name);
        }
    }
    command
}

//! `cargo xtask compat`: unmodified clients against a node, and the table of what they could do.
//!
//! The same suite runs against Apache Kafka (`--against kafka`), so that each expectation is known to be Kafka's.
//! Everything downloaded or built lies below `compat/.work` and is used again. A failed check fails the run, after
//! all clients had their turn.

mod capture;
mod clients;
pub(crate) mod install;
pub(crate) mod node;
mod results;
mod table;
mod tool;
mod tools;

use anyhow::{Context, Result, bail, ensure};
use clients::{CLIENTS, Client};
use install::Ready;
use node::{Node, Setup, Side};
use results::{Outcome, Results};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

pub(crate) use clients::KAFKA_VERSION;
pub(crate) use node::KAFKA_FALLBACK as OLDER_KAFKA_VERSION;
pub(crate) use tool::{
    command as kafka_command, command_names as kafka_command_names, output as kafka_tool_output, run as kafka_tool,
};
pub(crate) use tools::run as run_tools;

const USAGE: &str = "usage: cargo xtask compat [options]

  --against ottla|kafka   the node to start (default: ottla)
  --only CLIENT[,CLIENT]  these clients alone
  --check NAME[,NAME]     these checks alone; nothing is recorded
  --bootstrap HOST:PORT   use a node that is there already; nothing is recorded
  --capture DIR           put a recording proxy before the node and write examples of each message into DIR";

/// No client needs longer, even if half of its checks wait for their watchdogs; it is ended then.
const DRIVER_TIME_MAX: Duration = Duration::from_secs(400);
/// All clients together, so that a node which answers nothing does not hold up CI for hours.
const SUITE_TIME_MAX: Duration = Duration::from_secs(1500);

struct Options {
    side: Side,
    only: Vec<String>,
    checks: String,
    bootstrap: Option<String>,
    capture: Option<PathBuf>,
}

/// Where the suite's parts are.
pub(crate) struct Work {
    /// The workspace.
    pub(crate) root: PathBuf,
    /// `compat/`.
    pub(crate) compat: PathBuf,
    /// `compat/.work`: all that is downloaded, built or written by a run.
    pub(crate) dir: PathBuf,
}

impl Work {
    pub(crate) fn new(root: &Path) -> Result<Self> {
        let compat = root.join("compat");
        let dir = compat.join(".work");
        std::fs::create_dir_all(dir.join("logs")).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(Self { root: root.to_path_buf(), compat, dir })
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{name}.log"))
    }
}

/// What the tutorials' programs stand on.
pub(crate) struct SeedTools {
    pub(crate) ottla: PathBuf,
    /// A virtual environment with kafka-python.
    pub(crate) python: PathBuf,
    /// A folder of modules with kafkajs.
    pub(crate) node_modules: PathBuf,
    /// A folder of jars with Java's client.
    pub(crate) jars: PathBuf,
}

/// Installs it; None where this machine lacks a toolchain, which a line tells of.
pub(crate) fn seed_tools(root: &Path) -> Result<Option<SeedTools>> {
    let work = Work::new(root)?;
    for client in CLIENTS.iter().filter(|client| ["kafka-clients", "kafka-python", "kafkajs"].contains(&client.name)) {
        if let Ready::Lacking(what) = install::client(&work, client)? {
            ensure!(std::env::var_os("CI").is_none(), "{what} is not installed");
            println!("skipped: the tutorials' programs need {what}");
            return Ok(None);
        }
    }
    Ok(Some(SeedTools {
        ottla: ottla_binary(&work)?,
        python: work.dir.join("python"),
        node_modules: work.dir.join("node/kafkajs/node_modules"),
        jars: work.dir.join("java/libs"),
    }))
}

/// The virtual environment of the client that takeovers are judged by, installed.
pub(crate) fn takeover_python(work: &Work) -> Result<PathBuf> {
    let client = CLIENTS.iter().find(|client| client.name == "confluent-kafka").context("no confluent-kafka")?;
    match install::client(work, client)? {
        Ready::Yes => Ok(work.dir.join("python")),
        Ready::Lacking(what) => bail!("{what} is not installed"),
    }
}

/// The release build, made if it is not there.
pub(crate) fn ottla_binary(work: &Work) -> Result<PathBuf> {
    node::ottla(work)?.start.first().map(PathBuf::from).context("no ottla")
}

/// Builds or fetches what starts a node, so that it can be started where there is no network.
pub(crate) fn prepare(work: &Work, side: Side) -> Result<()> {
    match side {
        Side::Ottla => node::ottla(work)?,
        Side::Kafka => node::kafka(work, KAFKA_VERSION)?,
    };
    Ok(())
}

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let options = parse(args)?;
    let work = Work::new(root)?;
    let clients = chosen(&options.only)?;
    let mut ready = Vec::new();
    for client in clients {
        match install::client(&work, client)? {
            Ready::Yes => ready.push(client),
            Ready::Lacking(what) => {
                ensure!(!in_ci(), "{}: {what} is missing", client.name);
                println!("skipped {}: {what} is missing", client.name);
            }
        }
    }
    if let Some(bootstrap) = &options.bootstrap {
        return verdict(&run_all(&work, &ready, &options, bootstrap, || Ok(()))?);
    }
    let mut node = Node::start(&work, options.side, Setup { record: options.capture.is_some(), ..Setup::default() })?;
    let bootstrap = node.bootstrap();
    let outcomes = run_all(&work, &ready, &options, &bootstrap, || node.check())?;
    let version = node.version().to_string();
    let captured = node.stop()?;
    if let (Some(dir), Some(captured)) = (&options.capture, captured) {
        captured.write(dir)?;
    }
    if options.checks.is_empty() {
        let path = work.compat.join("results.json");
        let mut results = Results::read(&path)?;
        results.record(options.side, &version, &outcomes);
        results.write(&path)?;
        table::write(&results, &root.join("docs/compatibility.md"))?;
    }
    verdict(&outcomes)
}

fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options =
        Options { side: Side::Ottla, only: Vec::new(), checks: String::new(), bootstrap: None, capture: None };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} wants a value\n{USAGE}"));
        match word.as_str() {
            "--against" => options.side = value()?.parse()?,
            "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
            "--check" => options.checks = value()?.clone(),
            "--bootstrap" => options.bootstrap = Some(value()?.clone()),
            "--capture" => options.capture = Some(value()?.into()),
            _ => bail!("unknown option '{word}'\n{USAGE}"),
        }
    }
    ensure!(
        options.capture.is_none() || options.bootstrap.is_none(),
        "--capture starts its own node: a node that is there already advertises itself, not the proxy"
    );
    Ok(options)
}

fn chosen(only: &[String]) -> Result<Vec<&'static Client>> {
    for name in only {
        ensure!(
            CLIENTS.iter().any(|client| client.name == name),
            "unknown client '{name}'; there are: {}",
            CLIENTS.iter().map(|client| client.name).collect::<Vec<_>>().join(", ")
        );
    }
    Ok(CLIENTS.iter().filter(|client| only.is_empty() || only.iter().any(|name| name == client.name)).collect())
}

/// Runs the drivers one after another. `alive` says when there is no node any more to run them against.
fn run_all(
    work: &Work,
    clients: &[&'static Client],
    options: &Options,
    bootstrap: &str,
    mut alive: impl FnMut() -> Result<()>,
) -> Result<Vec<Outcome>> {
    let deadline = Instant::now() + SUITE_TIME_MAX;
    let mut outcomes = Vec::new();
    for client in clients {
        let began = Instant::now();
        let time_max = DRIVER_TIME_MAX.min(deadline.saturating_duration_since(began));
        let outcome = run_one(work, client, options, bootstrap, time_max, &mut alive)?;
        println!(
            "{:28} {:>2} of {:>2} checks passed in {:.1} s",
            client.name,
            outcome.checks.iter().filter(|check| check.ok).count(),
            outcome.checks.len(),
            began.elapsed().as_secs_f32()
        );
        for check in outcome.checks.iter().filter(|check| !check.ok) {
            println!("  failed: {}: {}", check.name, check.detail);
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// Runs one driver to its end, or to ours, and reads what it wrote; what it planned and did not report has failed.
fn run_one(
    work: &Work,
    client: &'static Client,
    options: &Options,
    bootstrap: &str,
    time_max: Duration,
    alive: &mut impl FnMut() -> Result<()>,
) -> Result<Outcome> {
    let results = work.dir.join(format!("{}.jsonl", client.name));
    if results.exists() {
        std::fs::remove_file(&results)?;
    }
    let log_path = work.log(client.name);
    let log = File::create(&log_path)?;
    let mut driver = client.suite.command(work, client.name);
    driver.arg(bootstrap).arg(&results);
    driver.env("COMPAT_SIDE", options.side.name()).env("COMPAT_CHECK", &options.checks);
    driver.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut child = driver.spawn().with_context(|| format!("cannot start the driver of {}", client.name))?;
    let ended = node::wait(&mut child, time_max, alive);
    if !matches!(ended, Ok(Some(_))) {
        child.kill()?;
        child.wait()?;
    }
    let how = match ended? {
        None => format!("the driver was ended after {} s", time_max.as_secs()),
        Some(status) => format!("the driver ended ({status}) before it reported; see {}", log_path.display()),
    };
    Ok(Outcome::read(client, &results, &how))
}

fn verdict(outcomes: &[Outcome]) -> Result<()> {
    let failed: Vec<String> = outcomes
        .iter()
        .flat_map(|outcome| outcome.checks.iter().map(move |check| (outcome.client, check)))
        .filter(|(_, check)| !check.ok)
        .map(|(client, check)| format!("  {client}: {}", check.name))
        .collect();
    ensure!(failed.is_empty(), "{} checks failed:\n{}", failed.len(), failed.join("\n"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_name_a_side_clients_and_checks() {
        let options = parse(&words("--against kafka --only kcat,sarama --check acls")).unwrap();
        assert_eq!(options.side, Side::Kafka);
        assert_eq!(options.only, ["kcat", "sarama"]);
        assert_eq!(options.checks, "acls");
    }

    #[test]
    fn a_typing_error_is_told() {
        assert!(parse(&words("--agianst kafka")).is_err());
        assert!(parse(&words("--against redpanda")).is_err());
        assert!(parse(&words("--only")).is_err());
        assert!(chosen(&words("kafkacat")).is_err());
    }

    #[test]
    fn a_node_that_is_there_already_cannot_be_captured() {
        assert!(parse(&words("--bootstrap localhost:9092 --capture somewhere")).is_err());
    }
}

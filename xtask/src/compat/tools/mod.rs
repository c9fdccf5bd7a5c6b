//! `cargo xtask compat-tools`: Apache Kafka's own commands and Ottla's, each against Apache Kafka and against Ottla. What
//! they print and how they end must agree.

mod cases;
mod normal;
mod runner;

use super::install::on_path;
use super::node::{Node, Release, Setup, Side};
use super::{Work, tool};
use anyhow::{Context, Result, bail, ensure};
use cases::{Case, Session};
use normal::Said;
use runner::{Java, Native};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// The newest feature levels that the newest whole release of Kafka's tools knows.
const RELEASE: Release = Release::Named("4.3");

const SIDES: [Side; 2] = [Side::Kafka, Side::Ottla];

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let only = match args {
        [] => None,
        [option, name] if option == "--only" => Some(name.as_str()),
        _ => bail!("usage: cargo xtask compat-tools [--only NAME]"),
    };
    if !(on_path("java") && on_path("mvn")) {
        ensure!(std::env::var_os("CI").is_none(), "java and mvn are needed to run Kafka's own tools");
        println!("skipped: java and mvn are needed to run Kafka's own tools");
        return Ok(());
    }
    let work = Work::new(root)?;
    let files = cases::read(&work.compat.join("tools/cases"), only)?;
    let binary = super::node::ottla(&work)?;
    let binary = binary.start.first().context("no ottla")?.clone();
    let libs = tool::libs(&work)?;
    let mut different = 0;
    let mut count = 0;
    for Session { name, cases, log_dirs } in &files {
        // Kafka's tool against Kafka comes first: it is what the others are held against.
        let mut expected: Vec<Said> = Vec::new();
        for broker in SIDES {
            for tool in SIDES {
                let mut node =
                    Node::start(&work, broker, Setup { dirs: *log_dirs, release: RELEASE, ..Setup::default() })?;
                let said = session(&work, &mut node, tool, &binary, &libs, cases, &expected)?;
                node.stop()?;
                if expected.is_empty() {
                    expected = said;
                    continue;
                }
                for (case, (wanted, said)) in cases.iter().zip(expected.iter().zip(&said)) {
                    count += 1;
                    if let Some(difference) = wanted.difference(said) {
                        different += 1;
                        println!("{name}: {} ({}'s tool, against {})", case.shown(), tool.name(), broker.name());
                        println!("{difference}");
                    }
                }
            }
        }
    }
    ensure!(different == 0, "{different} of {count} runs differ from Kafka's tool against Kafka");
    println!("{count} runs agree with Kafka's tool against Kafka");
    Ok(())
}

/// How often a command is given again whose answer follows a change a moment later.
const TRIES_MAX: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// All cases of a file, one after the other, with one side's tools.
fn session(
    work: &Work,
    node: &mut Node,
    side: Side,
    binary: &str,
    libs: &Path,
    cases: &[Case],
    expected: &[Said],
) -> Result<Vec<Said>> {
    let mut java = match side {
        Side::Kafka => Some(Java::start(libs, &work.compat.join("tools"))?),
        Side::Ottla => None,
    };
    let native = Native { binary: binary.to_owned() };
    let files = own_files(&work.compat.join("tools/files"), node)?;
    let files = files.path();
    let mut said = Vec::new();
    for (place, case) in cases.iter().enumerate() {
        if case.is_after_node {
            node.end()?;
        }
        let args = case.args(node, files);
        let mut tries = 0;
        let answer = loop {
            let raw = match &mut java {
                Some(java) => java.call(tool::class(&case.tool)?, &args, &case.input)?,
                None => native.call(&case.tool, &args, &case.input)?,
            };
            let answer = normal::normal(&raw, case, node, files);
            tries += 1;
            let agrees = expected.get(place).is_none_or(|wanted| *wanted == answer);
            let is_whole = case.until.as_ref().is_none_or(|text| raw.stdout.contains(text));
            if is_whole && (agrees || !case.is_eventual) || tries == TRIES_MAX {
                break answer;
            }
            std::thread::sleep(PAUSE);
        };
        said.push(answer);
    }
    Ok(said)
}

/// The files for one session, with the places that they name: `{data}` and `{more}`, the node's log directories; `{scratch}`, one that
/// is not there yet.
fn own_files(dir: &Path, node: &Node) -> Result<TempDir> {
    let own = tempfile::Builder::new().prefix("compat-files-").tempdir().context("no temporary directory")?;
    let scratch = own.path().join("scratch").display().to_string();
    let (data, more) = (node.data().display().to_string(), node.more().display().to_string());
    let mut folders = vec![(dir.to_path_buf(), own.path().to_path_buf())];
    while let Some((from, to)) = folders.pop() {
        for entry in std::fs::read_dir(&from).with_context(|| format!("cannot read {}", from.display()))? {
            let (path, copy) = {
                let entry = entry?;
                (entry.path(), to.join(entry.file_name()))
            };
            if path.is_dir() {
                std::fs::create_dir(&copy)?;
                folders.push((path, copy));
                continue;
            }
            let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
            let bytes = match std::str::from_utf8(&bytes) {
                Ok(text) => {
                    text.replace("{data}", &data).replace("{more}", &more).replace("{scratch}", &scratch).into_bytes()
                }
                Err(_) => bytes,
            };
            std::fs::write(copy, bytes)?;
        }
    }
    Ok(own)
}

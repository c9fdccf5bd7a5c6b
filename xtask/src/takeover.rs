//! `cargo xtask takeover`: two log directories, used by Apache Kafka and Ottla in turn, after clean stops and kills. Each side
//! must find what the other was told to keep: topics with their ids, records with keys, headers and codecs, the offsets
//! of a group, the sequence numbers of producers; and after a clean stop it must have nothing to recover. Then the same with
//! compacted topics: `cargo xtask takeover compaction` tries these alone.
//!
//! `kcat` reads and writes, so that neither side is judged by its own client. Kafka's `dump-log` reads what Ottla wrote.

mod compaction;
mod dump;
mod records;
mod side;

use crate::compat::{Work, install};
use anyhow::{Context, Result, ensure};
use records::Ledger;
use side::{End, Home, Side, Sides};
use std::path::Path;
use std::process::Command;

/// What the log of an Ottla that had to repair something says.
const OTTLA_REPAIRS: [&str; 3] = ["WARN", "ERROR", "panicked"];
/// What Kafka's log says of partitions that it had to recover, or would not have.
const KAFKA_REPAIRS: [&str; 4] = ["Recovering unflushed segment", "Found file", "stray", "ERROR"];
/// Kafka goes through its metadata log at every start.
const METADATA_LOG: &str = "__cluster_metadata";

/// Which parts are tried: both where nothing is said.
pub(crate) fn run(root: &Path, only: Option<&str>) -> Result<()> {
    ensure!(only.is_none_or(|only| only == "compaction"), "usage: cargo xtask takeover [compaction]");
    for tool in ["kcat", "java", "mvn"] {
        if !install::on_path(tool) {
            ensure!(std::env::var("CI").is_err(), "{tool} is not installed");
            println!("{tool} is not installed: no takeover is tried");
            return Ok(());
        }
    }
    let work = Work::new(root)?;
    let sides = Sides::new(&work)?;
    if only.is_none() {
        in_turn(&work, &sides)?;
    }
    compaction::run(&work, &sides)
}

fn in_turn(work: &Work, sides: &Sides) -> Result<()> {
    // Who formats, then who runs and how it ends.
    round(
        work,
        sides,
        Side::Kafka,
        &[
            (Side::Kafka, End::Clean),
            (Side::Ottla, End::Clean),
            (Side::Kafka, End::Killed),
            (Side::Ottla, End::Killed),
            (Side::Kafka, End::Clean),
            (Side::Ottla, End::Clean),
        ],
    )?;
    round(work, sides, Side::Ottla, &[(Side::Ottla, End::Clean), (Side::Kafka, End::Clean), (Side::Ottla, End::Clean)])
}

fn round(work: &Work, sides: &Sides, formatter: Side, turns: &[(Side, End)]) -> Result<()> {
    let home = tempfile::Builder::new().prefix("ottla-takeover-").tempdir().context("no temporary directory")?;
    let home = sides.format(work, formatter, home)?;
    println!("formatted by {}", formatter.name());
    let mut ledger = Ledger::default();
    let mut last: Option<(Side, End)> = None;
    for (side, end) in turns {
        let node = sides.start(work, *side, &home)?;
        let turn = || format!("{}, after {}", side.name(), last.map_or("the formatting".to_owned(), |(s, e)| e.of(s)));
        ledger.check(node.port()).with_context(turn)?;
        ledger.write(node.port(), *side).with_context(turn)?;
        let ids = topic_ids(&home)?;
        let said = node.end(*end)?;
        sides.verify(&home).with_context(turn)?;
        if last.is_none_or(|(_, end)| end == End::Clean) {
            nothing_repaired(*side, &said).with_context(turn)?;
        }
        ledger.same_ids(ids).with_context(turn)?;
        println!("  {} has read and written {} records, and was {}", side.name(), ledger.count(), end.name());
        last = Some((*side, *end));
    }
    dump::check(work, &home)
}

fn nothing_repaired(side: Side, log: &str) -> Result<()> {
    let words: &[&str] = match side {
        Side::Ottla => &OTTLA_REPAIRS,
        Side::Kafka => &KAFKA_REPAIRS,
    };
    let repair = |line: &&str| words.iter().any(|word| line.contains(word)) && !line.contains(METADATA_LOG);
    let found: Vec<&str> = log.lines().filter(repair).take(10).collect();
    ensure!(found.is_empty(), "it had something to repair after a clean stop:\n{}", found.join("\n"));
    Ok(())
}

/// What `partition.metadata` says in each folder, by the folder's path.
fn topic_ids(home: &Home) -> Result<Vec<(String, String)>> {
    let mut ids = Vec::new();
    for log_dir in home.log_dirs() {
        for entry in std::fs::read_dir(log_dir)? {
            let path = entry?.path();
            if let Ok(text) = std::fs::read_to_string(path.join("partition.metadata")) {
                ids.push((path.display().to_string(), text));
            }
        }
    }
    ids.sort();
    Ok(ids)
}

/// Runs a command and gives what it printed.
fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} failed ({}):\n{errors}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

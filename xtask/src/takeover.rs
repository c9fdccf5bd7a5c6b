//! `cargo xtask takeover`: two log directories, used by Apache Kafka and Ottla in turn, after clean stops, stops in the middle
//! of writes, and kills. Each side must find what the other has answered, and what it was told to keep: topics with their
//! ids and configs, records with keys, headers, times and codecs, tombstones, what was compacted or deleted,
//! transactions, the offsets of groups of both protocols. After a stop that was no kill it must have nothing to recover, and no
//! byte of the logs may be another.
//!
//! | | |
//! |---|---|
//! | `cargo xtask takeover` | what CI runs: one sequence of each kind, then compaction |
//! | `cargo xtask takeover compaction` | compacted topics alone |
//! | `cargo xtask takeover rounds [--rounds 20] [--seed N] [--kafka 4.3.1]` | there and back many times, ending at random moments |
//!
//! Other people's clients read and write, so that neither side is judged by its own: `compat/takeover`, and `kcat`. Kafka's
//! `dump-log` and `ottla log verify` read what either has left.

mod compaction;
mod driver;
mod dump;
mod rounds;
mod side;
mod turns;

use crate::compat::{Work, install};
use anyhow::{Result, bail, ensure};
use side::{End, Side, Sides};
use std::path::Path;
use std::time::Duration;
use turns::{Relay, Turn};

/// What the log of an Ottla that had to repair something says.
const OTTLA_REPAIRS: [&str; 3] = ["WARN", "ERROR", "panicked"];
/// What Kafka's log says of partitions that it had to recover, or would not have.
const KAFKA_REPAIRS: [&str; 4] = ["Recovering unflushed segment", "Found file", "stray", "ERROR"];
/// What Kafka says at starts on directories of its own, too: it goes through its metadata log, and a controller asks itself to be
/// registered before it leads.
const KAFKA_ALWAYS_SAYS: [&str; 2] = ["__cluster_metadata", "apiKey=CONTROLLER_REGISTRATION"];
/// How long each turn of CI's sequences writes.
const WRITTEN_FOR: Duration = Duration::from_millis(600);

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    for tool in ["kcat", "java", "mvn", "python3"] {
        if !install::on_path(tool) {
            ensure!(std::env::var("CI").is_err(), "{tool} is not installed");
            println!("{tool} is not installed: no takeover is tried");
            return Ok(());
        }
    }
    let work = Work::new(root)?;
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        [] => {
            let sides = Sides::new(&work)?;
            in_turn(&work, &sides)?;
            compaction::run(&work, &sides)
        }
        ["compaction"] => compaction::run(&work, &Sides::new(&work)?),
        ["rounds", ..] => rounds::run(&work, &words[1..]),
        _ => bail!("usage: cargo xtask takeover [compaction | rounds [--rounds N] [--seed N] [--kafka 4.3.1|4.4.0]]"),
    }
}

fn in_turn(work: &Work, sides: &Sides) -> Result<()> {
    use End::{Interrupted, Killed, Stopped};
    use Side::{Kafka, Kafka43, Ottla};
    let sequence = |formatter, release, ends: &[(Side, End)]| -> Result<Relay<'_>> {
        let mut relay = Relay::new(work, sides, formatter, release)?;
        for (seed, (side, end)) in (1..).zip(ends) {
            relay.take(Turn { side: *side, end: *end, written_for: WRITTEN_FOR, seed })?;
        }
        relay.dump()?;
        Ok(relay)
    };
    sequence(
        Kafka,
        None,
        &[
            (Kafka, Stopped),
            (Ottla, Interrupted),
            (Kafka, Killed),
            (Ottla, Killed),
            (Kafka, Interrupted),
            (Ottla, Stopped),
        ],
    )?;
    sequence(Ottla, None, &[(Ottla, Stopped), (Kafka, Stopped), (Ottla, Stopped)])?;
    sequence(Ottla, Some("4.3"), &[(Ottla, Stopped), (Kafka43, Stopped)])?;
    let mut relay =
        sequence(Kafka43, None, &[(Kafka43, Stopped), (Ottla, Killed), (Kafka43, Killed), (Ottla, Stopped)])?;
    raise_levels(work, sides, &mut relay)
}

/// Ottla raises the levels of an older Kafka's directory; then the newer Kafka goes on with it.
fn raise_levels(work: &Work, sides: &Sides, relay: &mut Relay<'_>) -> Result<()> {
    let node = sides.start(work, Side::Ottla, relay.home())?;
    sides.raise_levels(node.port())?;
    node.end(End::Stopped)?;
    println!("  Ottla has raised the levels to those of 4.4");
    for (seed, side) in (101..).zip([Side::Kafka, Side::Ottla]) {
        relay.take(Turn { side, end: End::Stopped, written_for: WRITTEN_FOR, seed })?;
    }
    relay.dump()
}

fn nothing_repaired(side: Side, log: &str) -> Result<()> {
    let (words, always): (&[&str], &[&str]) = match side {
        Side::Ottla => (&OTTLA_REPAIRS, &[]),
        Side::Kafka | Side::Kafka43 => (&KAFKA_REPAIRS, &KAFKA_ALWAYS_SAYS),
    };
    let holds = |line: &str, words: &[&str]| words.iter().any(|word| line.contains(word));
    let repair = |line: &&str| holds(line, words) && !holds(line, always);
    let found: Vec<&str> = log.lines().filter(repair).take(10).collect();
    ensure!(found.is_empty(), "it had something to repair after a stop that was no kill:\n{}", found.join("\n"));
    Ok(())
}

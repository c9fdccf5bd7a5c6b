//! `cargo xtask bench`: Ottla beside Apache Kafka, in one run on one machine, and the table of `bench/README.md`.
//!
//! Each round starts each system in turn in a fresh directory with its defaults, warms it up, measures the cases, and
//! stops it. What holds on a shared machine is the ratio of the node's own CPU time; everything else is beside it.
//! A new case is a line in [`cases::CASES`] and a function there; a new phase of load is a function in `bench/go`.

mod cases;
mod commands;
mod limit;
mod load;
mod report;
mod results;
mod scale;
mod slow_disk;
mod streams;
mod synced;
mod system;

use crate::compat::{Work, install};
use anyhow::{Context, Result, bail, ensure};
use cases::{CASES, Case, NAMED_CASES, Session};
use limit::Limits;
use results::Results;
use std::path::{Path, PathBuf};
use std::process::Command;
use system::System;

const USAGE: &str = "usage: cargo xtask bench [options]

  --only CASE[,CASE]        these cases alone; the table is printed, not written
  --systems ottla[,kafka]   these systems alone; the same
  --rounds N                how often (default: 3)";

struct Options {
    only: Vec<String>,
    systems: Vec<System>,
    rounds: usize,
}

impl Options {
    /// All but those that want to be named, or those that are named.
    fn cases(&self) -> impl Iterator<Item = &'static Case> {
        let named = |case: &&Case| self.only.iter().any(|name| name == case.name);
        let all = CASES.iter().filter(move |case| self.only.is_empty() || named(case));
        all.chain(NAMED_CASES.iter().filter(named))
    }
}

/// Where the benchmark's parts are.
pub(crate) struct Bench {
    pub(crate) compat: Work,
    /// `bench/`
    pub(crate) dir: PathBuf,
    /// `bench/.work`
    pub(crate) work: PathBuf,
    /// The program that makes the load.
    pub(crate) load: PathBuf,
    /// The program that makes a disk slow.
    pub(crate) slow_disk: PathBuf,
}

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let options = parse(args)?;
    let bench = prepare(root)?;
    let programs =
        options.systems.iter().map(|system| system.program(&bench)).collect::<Result<Vec<_>>>().context("programs")?;
    let mut results = Results::default();
    let mut limits = Limits::default();
    for round in 1..=options.rounds {
        for program in &programs {
            println!("round {round} of {}: {} {}", options.rounds, program.system.name(), program.version);
            limits.measure(&bench.work)?;
            let mut session = Session::begin(&bench, program, &mut results)?;
            for case in options.cases() {
                let ran = (case.run)(&mut session);
                ran.with_context(|| {
                    format!("{} of {}; see {}", case.name, program.system.name(), bench.work.display())
                })?;
            }
            session.end()?;
        }
    }
    limits.measure(&bench.work)?;
    let table = report::table(&results, &limits);
    println!("\n{table}");
    if options.only.is_empty() && options.systems.len() == System::ALL.len() {
        report::write(&bench.dir.join("README.md"), &report::machine(&programs, options.rounds), &table)?;
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options { only: Vec::new(), systems: System::ALL.to_vec(), rounds: 3 };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} wants a value\n{USAGE}"));
        match word.as_str() {
            "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
            "--systems" => options.systems = value()?.split(',').map(str::parse).collect::<Result<_>>()?,
            "--rounds" => options.rounds = value()?.parse().context("--rounds takes a number")?,
            _ => bail!("unknown option '{word}'\n{USAGE}"),
        }
    }
    ensure!(options.rounds > 0, "at least one round");
    for name in &options.only {
        let names: Vec<&str> = CASES.iter().chain(NAMED_CASES).map(|case| case.name).collect();
        ensure!(names.contains(&name.as_str()), "unknown case '{name}'; there are: {}", names.join(", "));
    }
    Ok(options)
}

/// Builds the load's program, where its sources changed.
fn prepare(root: &Path) -> Result<Bench> {
    let compat = Work::new(root)?;
    let dir = root.join("bench");
    let work = dir.join(".work");
    let go_dir = work.join("go");
    std::fs::create_dir_all(&go_dir)?;
    let load = go_dir.join("load");
    let slow_disk = go_dir.join("slowdisk");
    for (program, package) in [(&load, "."), (&slow_disk, "./slowdisk")] {
        let mut go = Command::new("go");
        go.current_dir(dir.join("go")).args(["build", "-o"]).arg(program).arg(package);
        // A module cache that its owner may delete.
        go.env("GOMODCACHE", go_dir.join("modules")).env("GOCACHE", go_dir.join("cache")).env("GOFLAGS", "-modcacherw");
        install::quietly(&compat, "bench-go", &mut go)?;
    }
    Ok(Bench { compat, dir, work, load, slow_disk })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_name_cases_systems_and_rounds() {
        let options = parse(&words("--only produce,fetch --systems ottla --rounds 5")).unwrap();
        assert_eq!(options.only, ["produce", "fetch"]);
        assert_eq!(options.systems, [System::Ottla]);
        assert_eq!(options.rounds, 5);
    }

    #[test]
    fn what_takes_long_is_run_where_it_is_named() {
        let names = |line: &str| parse(&words(line)).unwrap().cases().map(|case| case.name).collect::<Vec<_>>();
        assert!(!names("").contains(&"scale"));
        assert_eq!(names("--only scale,small"), ["small", "scale"]);
    }

    #[test]
    fn a_typing_error_is_told() {
        for line in ["--only prodcue", "--systems redpanda", "--rounds 0", "--rounds x", "--fast"] {
            assert!(parse(&words(line)).is_err(), "{line}");
        }
    }
}

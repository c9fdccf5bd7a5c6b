//! librdkafka's tests, whose sources come with a package that builds on it. Each number runs in a process of its own: a test
//! that fails leaves threads behind, of which the runner dies later (compat/README.md), and the others with it.

use super::bench::Bench;
use super::outcomes::{Outcome, Outcomes};
use super::source;
use crate::compat::install::{once, quietly};
use crate::compat::kafka_command;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

#[derive(Clone, Copy)]
pub(super) struct Tests {
    /// The package, with its version.
    pub(super) package: &'static str,
    /// Numbers that are left out.
    pub(super) without: &'static [&'static str],
}

/// Most of their time is waiting.
const AT_ONCE: usize = 5;

/// What the tests call of Kafka's commands.
const COMMANDS: [&str; 3] = ["acls", "configs", "topics"];

pub(super) fn install(bench: &Bench, tests: &Tests) -> Result<()> {
    let work = bench.work;
    once(&runner(bench), tests.package, &bench.suite.title(), || {
        let downloads = bench.dir.join("downloads");
        source::empty(&downloads)?;
        let mut npm = Command::new("npm");
        npm.args(["pack", tests.package, "--pack-destination"]).arg(&downloads);
        npm.arg("--cache").arg(work.dir.join("npm-cache"));
        quietly(work, "librdkafka-sources", &mut npm)?;
        let file = std::fs::read_dir(&downloads)?.next().context("npm packed nothing")??;
        source::unpack(work, &file.path(), &bench.source())?;
        // What runs in a package is not marked so in its archive.
        let mut configure = Command::new("bash");
        configure.current_dir(library(bench)).args(["configure", "--disable-gssapi"]);
        quietly(work, "librdkafka-configure", &mut configure)?;
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let mut make = Command::new("make");
        make.current_dir(library(bench)).arg(format!("-j{jobs}")).arg("libs");
        quietly(work, "librdkafka-make", &mut make)?;
        let mut make = Command::new("make");
        make.current_dir(library(bench).join("tests")).arg(format!("-j{jobs}")).arg("build");
        quietly(work, "librdkafka-tests", &mut make)
    })?;
    let bin = bench.dir.join("kafka/bin");
    std::fs::create_dir_all(&bin)?;
    for name in COMMANDS {
        let script = bin.join(format!("kafka-{name}.sh"));
        let java = kafka_command(work, name)?;
        let words: Vec<String> = std::iter::once(java.get_program())
            .chain(java.get_args())
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        std::fs::write(&script, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" ")))?;
        std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755))?;
    }
    let config = "metadata.broker.list=localhost:9092\ntest.topic.random=true\ntest.timeout.multiplier=2\n";
    Ok(std::fs::write(bench.dir.join("test.conf"), config)?)
}

pub(super) fn run(bench: &Bench, tests: &Tests, only: Option<&str>) -> Result<Outcomes> {
    let main = library(bench).join("tests/test.c");
    let text = std::fs::read_to_string(&main).with_context(|| format!("cannot read {}", main.display()))?;
    let mut waiting: Vec<&str> = match only {
        Some(number) => vec![number],
        None => numbers(&text).into_iter().filter(|number| !tests.without.contains(number)).collect(),
    };
    waiting.reverse();
    let waiting = Mutex::new(waiting);
    let found = Mutex::new(Outcomes::default());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    while let Some(number) = waiting.lock().ok().and_then(|mut waiting| waiting.pop()) {
                        let outcomes = run_one(bench, number, &text)?;
                        if let Ok(mut found) = found.lock() {
                            outcomes.into_iter().for_each(|(name, outcome)| found.add(&name, outcome));
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("a thread panicked")))
    })?;
    found.into_inner().ok().context("a thread panicked")
}

/// Several tests may have one number; they run together.
pub(super) fn unit(name: &str) -> &str {
    name.split_once('_').map_or(name, |(number, _)| number)
}

fn run_one(bench: &Bench, number: &str, main: &str) -> Result<Vec<(String, Outcome)>> {
    let report = bench.log(&format!("{number}-report"));
    std::fs::write(&report, "")?;
    let mut run = Command::new(runner(bench));
    // One at a time; no tests without a broker, none with known issues, all of them quick.
    run.current_dir(library(bench).join("tests")).args(["-p1", "-L", "-K", "-Q"]);
    run.env("TESTS", number).env("TEST_REPORT", &report).env("RDKAFKA_TEST_CONF", bench.dir.join("test.conf"));
    run.env("TEST_KAFKA_VERSION", "4.4.0").env("TEST_CONSUMER_GROUP_PROTOCOL", "classic");
    run.env("KAFKA_PATH", bench.dir.join("kafka")).env("BROKERS", "localhost:9092").env_remove("CI");
    run.env("LD_LIBRARY_PATH", std::env::join_paths(["src", "src-cpp"].map(|dir| library(bench).join(dir)))?);
    bench.run(&mut run, number)?;
    Ok(outcomes(&report, number, main))
}

fn outcomes(report: &Path, number: &str, main: &str) -> Vec<(String, Outcome)> {
    let text = std::fs::read_to_string(report).unwrap_or_default();
    let report: Value = serde_json::from_str(&text).unwrap_or_default();
    let Some(tests) = report["tests"].as_object() else {
        // It ended before it could write.
        return names(main)
            .filter(|name| unit(name) == number)
            .map(|name| (name.to_owned(), Outcome::Failed))
            .collect();
    };
    let of_number = tests.iter().filter(|(name, _)| unit(name) == number);
    let outcome = |test: &Value| match test["state"].as_str() {
        Some("PASSED") => Outcome::Passed,
        Some("SKIPPED" | "DNS") => Outcome::Skipped,
        _ => Outcome::Failed,
    };
    of_number.map(|(name, test)| (name.clone(), outcome(test))).collect()
}

/// The tests that the runner's table lists.
fn names(main: &str) -> impl Iterator<Item = &str> {
    main.lines()
        .filter_map(|line| line.trim_start().strip_prefix("_TEST("))
        .filter_map(|rest| rest.split([',', ')']).next())
}

fn numbers(main: &str) -> BTreeSet<&str> {
    names(main).map(unit).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit())).collect()
}

fn library(bench: &Bench) -> PathBuf {
    bench.source().join("deps/librdkafka")
}

fn runner(bench: &Bench) -> PathBuf {
    library(bench).join("tests/test-runner")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str = "#define _TEST(name, f, ...)\n    _TEST(0001_multiobj, 0),\n    _TEST(0022_a, 0),\n    \
                        _TEST(0022_a_local,\n          TEST_F_LOCAL),\n";

    #[test]
    fn numbers_are_read_from_the_runners_table() {
        assert_eq!(numbers(MAIN), BTreeSet::from(["0001", "0022"]));
    }

    #[test]
    fn a_runner_that_left_no_report_has_failed_its_tests() {
        let outcomes = outcomes(Path::new("/nowhere"), "0022", MAIN);
        assert_eq!(outcomes, [("0022_a".into(), Outcome::Failed), ("0022_a_local".into(), Outcome::Failed)]);
    }
}

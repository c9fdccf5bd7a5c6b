//! Suites in Python, under pytest, in a virtual environment of their own. A plugin of ours writes what came of each test.

use super::bench::Bench;
use super::outcomes::{Outcome, Outcomes};
use super::source::{self, Edit};
use crate::compat::install::{once, python_environment, quietly};
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

#[derive(Clone, Copy)]
pub(super) struct Tests {
    pub(super) from: From,
    pub(super) edits: &'static [Edit],
    pub(super) env: &'static [(&'static str, &'static str)],
    /// What to collect.
    pub(super) paths: &'static [&'static str],
    pub(super) args: &'static [&'static str],
}

#[derive(Clone, Copy)]
pub(super) enum From {
    /// The archive of sources that the registry has.
    Registry,
    /// A repository with a tag for each version, where the archive is without tests.
    Repository(&'static str),
}

pub(super) fn install(bench: &Bench, tests: &Tests) -> Result<()> {
    let suite = bench.suite;
    let requirements = bench.work.compat.join("suites").join(suite.name).join("requirements.txt");
    python_environment(bench.work, &environment(bench), &requirements)?;
    let mark = format!("{} {}", suite.version, source::mark(tests.edits));
    once(&bench.source(), &mark, &suite.title(), || {
        match tests.from {
            From::Registry => archive(bench)?,
            From::Repository(home) => {
                source::clone(bench.work, home, &format!("v{}", suite.version), &bench.source())?;
            }
        }
        source::edit(&bench.source(), tests.edits)
    })
}

fn archive(bench: &Bench) -> Result<()> {
    let downloads = bench.dir.join("downloads");
    source::empty(&downloads)?;
    let mut pip = Command::new(python(bench));
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:"]);
    pip.arg("-d").arg(&downloads).arg(format!("{}=={}", bench.suite.name, bench.suite.version));
    quietly(bench.work, bench.suite.name, &mut pip)?;
    let file = std::fs::read_dir(&downloads)?.next().context("pip downloaded nothing")??;
    source::unpack(bench.work, &file.path(), &bench.source())
}

pub(super) fn run(bench: &Bench, tests: &Tests, only: Option<&str>) -> Result<Outcomes> {
    let outcomes = bench.log("outcomes");
    std::fs::write(&outcomes, "")?;
    let mut run = Command::new(python(bench));
    run.current_dir(bench.source()).args(["-m", "pytest", "-v", "-p", "outcomes", "-p", "no:cacheprovider"]);
    run.args(tests.args);
    match only {
        Some(test) => run.arg(test),
        None => run.args(tests.paths).args(bench.left_out.iter().map(|test| format!("--deselect={test}"))),
    };
    let path = std::env::join_paths([bench.source(), bench.work.compat.join("suites")])?;
    run.env("PYTHONPATH", path).env("PYTHONDONTWRITEBYTECODE", "1").env("SUITE_OUTCOMES", &outcomes);
    run.envs(tests.env.iter().copied());
    bench.run(&mut run, "tests")?;
    Ok(parse(&std::fs::read_to_string(&outcomes)?))
}

fn environment(bench: &Bench) -> PathBuf {
    bench.dir.join("python")
}

fn python(bench: &Bench) -> PathBuf {
    environment(bench).join("bin/python")
}

fn parse(text: &str) -> Outcomes {
    let mut outcomes = Outcomes::default();
    // The last line may be half of one.
    for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let outcome = match line["outcome"].as_str() {
            Some("passed") => Outcome::Passed,
            Some("skipped") => Outcome::Skipped,
            _ => Outcome::Failed,
        };
        if let Some(name) = line["test"].as_str() {
            outcomes.add(name, outcome);
        }
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_passes_and_fails_to_tear_down_has_failed() {
        let line = |test, outcome| format!("{{\"test\":\"{test}\",\"outcome\":\"{outcome}\"}}\n");
        let text =
            [line("a::b[x y]", "passed"), line("a::c", "passed"), line("a::c", "failed"), "{\"te".into()].concat();
        let outcomes = parse(&text);
        assert_eq!(outcomes.passing().collect::<Vec<_>>(), ["a::b[x y]"]);
        assert_eq!(outcomes.failing().collect::<Vec<_>>(), ["a::c"]);
    }
}

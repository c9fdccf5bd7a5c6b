//! kafkajs's tests, under jest, which writes what came of each as JSON.

use super::bench::Bench;
use super::outcomes::{Outcome, Outcomes};
use super::source;
use crate::compat::install::{once, quietly};
use anyhow::Result;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

#[derive(Clone, Copy)]
pub(super) struct Tests {
    /// A repository with a tag for each version: the package is without tests.
    pub(super) repository: &'static str,
    pub(super) env: &'static [(&'static str, &'static str)],
    /// The files of tests, as a pattern.
    pub(super) files: &'static str,
}

/// Between a file and the title of a test in it.
const BETWEEN: &str = " > ";

pub(super) fn install(bench: &Bench, tests: &Tests) -> Result<()> {
    once(&jest(bench), bench.suite.version, &bench.suite.title(), || {
        source::clone(bench.work, tests.repository, &format!("v{}", bench.suite.version), &bench.source())?;
        let mut npm = Command::new("npm");
        npm.current_dir(bench.source()).args(["install", "--no-package-lock", "--no-audit", "--no-fund"]);
        // A package's scripts are not wanted here: one sets git's hooks.
        npm.arg("--ignore-scripts").arg("--cache").arg(bench.work.dir.join("npm-cache"));
        quietly(bench.work, bench.suite.name, &mut npm)
    })
}

pub(super) fn run(bench: &Bench, tests: &Tests, only: Option<&str>) -> Result<Outcomes> {
    let outcomes = bench.log("outcomes");
    std::fs::write(&outcomes, "")?;
    let mut run = Command::new("node");
    run.current_dir(bench.source()).arg(jest(bench)).args(["--forceExit", "--maxWorkers=2", "--json"]);
    run.arg("--outputFile").arg(&outcomes);
    let (files, title) = match only.map(|only| only.split_once(BETWEEN).unwrap_or((only, ""))) {
        Some((file, title)) => (file, format!("^{}$", escaped(title))),
        None => (tests.files, String::new()),
    };
    if !title.is_empty() {
        run.arg("--testNamePattern").arg(title);
    }
    run.arg("--testPathPattern").arg(files).env("NODE_ENV", "test").envs(tests.env.iter().copied());
    bench.run(&mut run, "tests")?;
    Ok(parse(&std::fs::read_to_string(&outcomes)?, &bench.source().display().to_string()))
}

fn parse(text: &str, root: &str) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let report: Value = serde_json::from_str(text).unwrap_or_default();
    for file in report["testResults"].as_array().into_iter().flatten() {
        let path = file["name"].as_str().unwrap_or_default().trim_start_matches(root).trim_start_matches('/');
        for test in file["assertionResults"].as_array().into_iter().flatten() {
            let outcome = match test["status"].as_str() {
                Some("passed") => Outcome::Passed,
                Some("failed") => Outcome::Failed,
                _ => Outcome::Skipped,
            };
            outcomes.add(&format!("{path}{BETWEEN}{}", test["fullName"].as_str().unwrap_or_default()), outcome);
        }
    }
    outcomes
}

/// A title as a regular expression that matches it alone; a list's line has lost what spaces there were.
fn escaped(title: &str) -> String {
    let mut pattern = String::new();
    for c in title.chars() {
        match c {
            ' ' => pattern.push_str("\\s+"),
            c if c.is_alphanumeric() => pattern.push(c),
            c => pattern.extend(['\\', c]),
        }
    }
    pattern
}

fn jest(bench: &Bench) -> PathBuf {
    bench.source().join("node_modules/jest/bin/jest.js")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_named_by_its_file_and_its_title() {
        let text = r#"{"testResults":[{"name":"/x/src/a.spec.js","assertionResults":[
            {"status":"passed","fullName":"A > b (c)"},{"status":"pending","fullName":"later"}]}]}"#;
        assert_eq!(parse(text, "/x").passing().collect::<Vec<_>>(), ["src/a.spec.js > A > b (c)"]);
        assert_eq!(escaped("b (c)"), "b\\s+\\(c\\)");
    }
}

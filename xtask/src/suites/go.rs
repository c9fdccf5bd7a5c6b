//! Suites in Go: a module's zip holds its tests, `go test -c` makes a program of them.

use super::bench::Bench;
use super::outcomes::{Outcome, Outcomes};
use super::source;
use crate::compat::install::{once, own_go_caches, quietly};
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::Command;

#[derive(Clone, Copy)]
pub(super) struct Tests {
    /// The module, fetched at the suite's version.
    pub(super) module: &'static str,
    /// The folder of the package in it.
    pub(super) package: &'static str,
    pub(super) tags: &'static str,
    pub(super) env: &'static [(&'static str, &'static str)],
    /// Which tests, as patterns; an empty one says nothing.
    pub(super) only: &'static str,
    pub(super) skip: &'static str,
    pub(super) edits: &'static [source::Edit],
    /// Proxies between the suite and the node, each with the port it listens on.
    pub(super) proxies: &'static [(&'static str, u16)],
}

/// The program behind `proxies`.
const TOXIPROXY: &str = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0";

pub(super) fn install(bench: &Bench, tests: &Tests) -> Result<()> {
    let mark = format!("{} {} {}", bench.suite.version, tests.tags, source::mark(tests.edits));
    once(&program(bench), &mark, &bench.suite.title(), || {
        let module = format!("{}@v{}", tests.module, bench.suite.version);
        let mut download = go(bench);
        let output = download.args(["mod", "download", "-json", &module]).output().context("cannot run go")?;
        let told: serde_json::Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("go mod download: {}", String::from_utf8_lossy(&output.stderr)))?;
        let found = told["Dir"].as_str().with_context(|| format!("no {module}: {}", told["Error"]))?;
        source::copy(std::path::Path::new(found), &bench.source())?;
        source::edit(&bench.source(), tests.edits)?;
        let mut build = go(bench);
        // A go.mod older than the toolchain may have to be brought up to what its dependencies say.
        build.current_dir(bench.source().join(tests.package)).args(["test", "-c", "-vet=off", "-mod=mod"]);
        build.args(["-tags", tests.tags, "-o"]).arg(program(bench)).arg(".");
        quietly(bench.work, bench.suite.name, &mut build)
    })?;
    if !tests.proxies.is_empty() {
        let into = bench.work.dir.join("go/bin");
        once(&into.join("server"), TOXIPROXY, "toxiproxy", || {
            quietly(bench.work, "toxiproxy", go(bench).args(["install", TOXIPROXY]).env("GOBIN", &into))
        })?;
    }
    Ok(())
}

pub(super) fn run(bench: &Bench, tests: &Tests, only: Option<&str>) -> Result<Outcomes> {
    let _proxies = (!tests.proxies.is_empty()).then(|| proxies(bench, tests)).transpose()?;
    let mut run = Command::new(program(bench));
    run.current_dir(bench.source().join(tests.package)).envs(tests.env.iter().copied());
    // Marks the lines that are Go's own, whatever a test prints.
    run.args(["-test.v=test2json"]).arg(format!("-test.timeout={}s", bench.suite.seconds_max));
    let left_out = bench.left_out.iter().map(|name| format!("^{}$", unit(name)));
    let skip: Vec<String> =
        std::iter::once(tests.skip.to_owned()).chain(left_out).filter(|skip| !skip.is_empty()).collect();
    match only {
        Some(only) => run.arg(format!("-test.run=^{only}$")).arg(format!("-test.skip={}", tests.skip)),
        None => run.arg(format!("-test.run={}", tests.only)).arg(format!("-test.skip={}", skip.join("|"))),
    };
    let log = bench.run(&mut run, "tests")?;
    let text = std::fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(parse(&String::from_utf8_lossy(&text)))
}

/// A test is tried again with all that belongs to its function.
pub(super) fn unit(name: &str) -> &str {
    name.split_once('/').map_or(name, |(function, _)| function)
}

fn program(bench: &Bench) -> PathBuf {
    bench.dir.join("tests")
}

fn go(bench: &Bench) -> Command {
    let mut go = Command::new("go");
    own_go_caches(bench.work, &mut go);
    go.current_dir(&bench.dir);
    go
}

fn parse(text: &str) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for line in text.split(['\n', '\u{16}']) {
        let Some((word, rest)) = line.trim_start().strip_prefix("--- ").and_then(|rest| rest.split_once(": ")) else {
            continue;
        };
        let outcome = match word {
            "PASS" => Outcome::Passed,
            "FAIL" => Outcome::Failed,
            "SKIP" => Outcome::Skipped,
            _ => continue,
        };
        // Its time follows in brackets.
        if let Some((name, _)) = rest.rsplit_once(" (") {
            outcomes.add(name, outcome);
        }
    }
    outcomes
}

fn proxies(bench: &Bench, tests: &Tests) -> Result<super::bench::Ended> {
    let list: Vec<serde_json::Value> = tests
        .proxies
        .iter()
        .map(|(name, port)| {
            let (listen, upstream) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{}", super::PORTS[0]));
            serde_json::json!({"name": name, "listen": listen, "upstream": upstream, "enabled": true})
        })
        .collect();
    let config = bench.dir.join("toxiproxy.json");
    std::fs::write(&config, serde_json::to_vec(&list)?)?;
    let mut server = Command::new(bench.work.dir.join("go/bin/server"));
    server.arg("-config").arg(&config).args(["-host", "127.0.0.1"]);
    let running = bench.start(&mut server, "toxiproxy")?;
    let up = tests.proxies.iter().all(|(_, port)| super::bench::wait_for_port(*port));
    ensure!(up, "toxiproxy does not listen");
    Ok(running)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_read_from_among_what_tests_print() {
        let text = "\u{16}=== RUN   TestA\nno newline\u{16}--- PASS: TestA (0.00s)\n    \
                    \u{16}--- FAIL: TestB/with_(brackets) (1.20s)\n\u{16}--- SKIP: TestC (0.00s)\npanic: x\n";
        let outcomes = parse(text);
        assert_eq!(outcomes.passing().collect::<Vec<_>>(), ["TestA"]);
        assert_eq!(outcomes.failing().collect::<Vec<_>>(), ["TestB/with_(brackets)"]);
    }

    #[test]
    fn a_subtest_is_tried_again_with_its_function() {
        assert_eq!(unit("TestB/with/more"), "TestB");
        assert_eq!(unit("TestA"), "TestA");
    }
}

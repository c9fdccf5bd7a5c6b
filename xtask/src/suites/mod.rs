//! `cargo xtask client-suites`: the clients' own integration suites against a node, each test held against what is known of
//! Apache Kafka.
//!
//! A suite fails when a test that passes on Kafka does not pass here and `compat/suites/NAME.txt` has no excuse for it, and
//! when one passes that was excused, so that the excuses grow fewer. What failed is tried again alone, on a fresh node; what
//! passes then is told as flaky. `--against kafka` writes those files anew.

mod bench;
mod expected;
mod go;
mod kafkajs;
mod librdkafka;
mod list;
mod namespace;
mod outcomes;
mod python;
mod source;

use crate::compat::Work;
use crate::compat::install::on_path;
use crate::compat::node::{Node, Setup, Side};
use anyhow::{Context, Result, bail, ensure};
use bench::Bench;
use expected::{Class, Expected};
use list::{SUITES, Suite};
use outcomes::Outcomes;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

const USAGE: &str = "usage: cargo xtask client-suites [options]

  --against ottla|kafka   the node to start (default: ottla); against kafka, what passes is written to compat/suites
  --only SUITE[,SUITE]    these suites alone
  --test UNIT             one test of one suite alone, as it is tried again; nothing is compared or written
  --list                  the suites and their versions";

/// The broker's and the controller's. Suites have the first written into them, and look for TLS at 9093.
const PORTS: [u16; 2] = [9092, 19093];
/// What suites take for granted, where `compat/node.properties` says something else.
const PROPERTIES: &[&str] = &["advertised.listeners=PLAINTEXT://localhost:9092", "group.min.session.timeout.ms=6000"];
/// How often a test that failed is tried again.
const TRIES_MORE: usize = 2;
/// More failures than this are no accident, and not tried again.
const RETRIED_MAX: usize = 30;

/// Those that CI runs.
pub(crate) const QUICK: &str = "kadm,kgo,kafka-python";

struct Options {
    side: Side,
    only: Vec<String>,
    test: Option<String>,
    list: bool,
}

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let options = parse(args)?;
    let suites = chosen(&options.only)?;
    if options.list {
        for suite in suites {
            println!("{} {}", suite.name, suite.version);
        }
        return Ok(());
    }
    ensure!(options.test.is_none() || suites.len() == 1, "--test wants one suite named with --only");
    let work = Work::new(root)?;
    if !namespace::is_inside()? {
        // Out here the registries can be reached.
        crate::compat::prepare(&work, options.side)?;
        for suite in &suites {
            ready(&work, suite, options.side)?;
        }
        if namespace::run_inside(args)? {
            return Ok(());
        }
        namespace::ensure_free(&PORTS)?;
    }
    let mut failed = Vec::new();
    for suite in suites {
        if let Some(missing) = missing(suite) {
            println!("skipped {}: {missing} is missing", suite.name);
        } else if let Err(error) = run_suite(&work, suite, &options) {
            println!("{}: {error:#}", suite.name);
            failed.push(suite.name);
        }
    }
    ensure!(failed.is_empty(), "these did not pass: {}", failed.join(", "));
    Ok(())
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options { side: Side::Ottla, only: Vec::new(), test: None, list: false };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} wants a value\n{USAGE}"));
        match word.as_str() {
            "--against" => options.side = value()?.parse()?,
            "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
            "--test" => options.test = Some(value()?.clone()),
            "--list" => options.list = true,
            _ => bail!("unknown option '{word}'\n{USAGE}"),
        }
    }
    Ok(options)
}

fn chosen(only: &[String]) -> Result<Vec<&'static Suite>> {
    for name in only {
        let names = || SUITES.iter().map(|suite| suite.name).collect::<Vec<_>>().join(", ");
        ensure!(SUITES.iter().any(|suite| suite.name == name), "unknown suite '{name}'; there are: {}", names());
    }
    Ok(SUITES.iter().filter(|suite| only.is_empty() || only.iter().any(|name| name == suite.name)).collect())
}

fn missing(suite: &Suite) -> Option<&'static str> {
    suite.tools.iter().find(|tool| !on_path(tool)).copied()
}

fn ready(work: &Work, suite: &'static Suite, side: Side) -> Result<()> {
    match missing(suite) {
        None => suite.install(&Bench::new(work, suite, side)?),
        Some(missing) => {
            ensure!(std::env::var_os("CI").is_none(), "{}: {missing} is missing", suite.name);
            Ok(())
        }
    }
}

fn run_suite(work: &Work, suite: &'static Suite, options: &Options) -> Result<()> {
    let mut bench = Bench::new(work, suite, options.side)?;
    if let Some(test) = &options.test {
        let outcomes = on_a_fresh_node(&bench, Some(test))?;
        println!("passed: {}", outcomes.passing().collect::<Vec<_>>().join(", "));
        println!("failed: {}", outcomes.failing().collect::<Vec<_>>().join(", "));
        return Ok(());
    }
    let path = work.compat.join("suites").join(format!("{}.txt", suite.name));
    let mut expected = Expected::read(&path)?;
    if options.side == Side::Ottla {
        let left_out = expected.tests().filter(|(_, class)| matches!(class, Class::LeftOut(_)));
        bench.left_out = left_out.map(|(name, _)| name.to_owned()).collect();
    }
    let began = Instant::now();
    let outcomes = on_a_fresh_node(&bench, None)?;
    ensure!(!outcomes.is_empty(), "no outcome of any test; see {}", bench.log("tests").display());
    let amiss: BTreeSet<String> = match options.side {
        Side::Ottla => not_passed(&expected, &outcomes),
        // Of what fails on Kafka only what is known to pass there is worth a second try.
        Side::Kafka if expected.is_empty() => outcomes.failing().map(str::to_owned).collect(),
        Side::Kafka => not_passed_of(&expected, &outcomes, |_| true),
    };
    let later = try_again(&mut bench, amiss.clone())?;
    let report =
        Report { suite, outcomes: &outcomes, later: &later, amiss: &amiss, seconds: began.elapsed().as_secs() };
    match options.side {
        Side::Ottla => report.judge(&expected),
        Side::Kafka => report.keep(&mut expected, &path),
    }
}

fn not_passed(expected: &Expected, outcomes: &Outcomes) -> BTreeSet<String> {
    not_passed_of(expected, outcomes, Class::must_pass)
}

fn not_passed_of(expected: &Expected, outcomes: &Outcomes, of: impl Fn(&Class) -> bool) -> BTreeSet<String> {
    let wanted = expected.tests().filter(|(_, class)| of(class)).map(|(name, _)| name);
    wanted.filter(|name| !outcomes.passed(name)).map(str::to_owned).collect()
}

fn on_a_fresh_node(bench: &Bench, only: Option<&str>) -> Result<Outcomes> {
    let properties = [PROPERTIES, bench.suite.properties].concat();
    let setup = Setup { ports: Some(PORTS), properties: &properties, ..Setup::default() };
    let mut node = Node::start(bench.work, bench.side, setup)?;
    let outcomes = bench.suite.run(bench, only)?;
    node.check()?;
    node.stop()?;
    Ok(outcomes)
}

/// Tries each again alone. Gives those that pass then.
fn try_again(bench: &mut Bench, mut amiss: BTreeSet<String>) -> Result<BTreeSet<String>> {
    let mut later = BTreeSet::new();
    for attempt in 1..=TRIES_MORE {
        let units: BTreeSet<&str> = amiss.iter().map(|name| bench.suite.unit(name)).collect();
        if units.is_empty() {
            break;
        }
        if units.len() > RETRIED_MAX {
            println!("  {} are not tried again: too many", units.len());
            break;
        }
        let mut passed = BTreeSet::new();
        for (index, unit) in units.into_iter().enumerate() {
            println!("  {unit} is tried again");
            bench.attempt = format!("-{attempt}-{index}");
            let outcomes = on_a_fresh_node(bench, Some(unit))?;
            passed.extend(amiss.iter().filter(|name| outcomes.passed(name)).cloned());
        }
        amiss.retain(|name| !passed.contains(name));
        later.append(&mut passed);
    }
    Ok(later)
}

struct Report<'a> {
    suite: &'static Suite,
    /// Of the first run.
    outcomes: &'a Outcomes,
    /// Did not pass at first and were to.
    amiss: &'a BTreeSet<String>,
    /// Those of them that passed when they were tried again.
    later: &'a BTreeSet<String>,
    seconds: u64,
}

impl Report<'_> {
    /// Writes down what passes on Kafka.
    fn keep(&self, expected: &mut Expected, path: &Path) -> Result<()> {
        for name in expected.record(self.outcomes, self.later) {
            println!("  does not pass on Kafka any more: {name}");
        }
        expected.write(path)?;
        println!(
            "{} {}: {} tests pass, in {} s",
            self.suite.name,
            self.suite.version,
            expected.tests().count(),
            self.seconds
        );
        Ok(())
    }

    /// Holds a run against what is expected.
    fn judge(&self, expected: &Expected) -> Result<()> {
        let failed: Vec<&String> = self.amiss.difference(self.later).collect();
        let mut passes = 0;
        let mut unexcused = Vec::new();
        for (name, class) in expected.tests() {
            let passed = self.outcomes.passed(name) || self.later.contains(name);
            passes += usize::from(passed);
            match class {
                Class::Excused(why) if passed => unexcused.push(format!("  passes, and was excused ({why}): {name}")),
                Class::Sometimes(why) if !passed => println!("  failed, as it may ({why}): {name}"),
                _ => {}
            }
        }
        for name in self.later {
            let known = if expected.class(name) == Some(&Class::Flaky) { "as on Kafka" } else { "not seen on Kafka" };
            println!("  flaky ({known}): {name}");
        }
        for name in &failed {
            println!("  failed: {name}");
        }
        for line in &unexcused {
            println!("{line}");
        }
        let more = self.outcomes.passing().filter(|name| expected.class(name).is_none()).count();
        println!(
            "{} {}: of {} tests that pass on Kafka {passes} pass, and {more} others, in {} s",
            self.suite.name,
            self.suite.version,
            expected.tests().count(),
            self.seconds
        );
        ensure!(failed.is_empty(), "{} tests failed that pass on Kafka", failed.len());
        ensure!(unexcused.is_empty(), "{} excuses are no longer needed", unexcused.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_name_a_side_and_suites() {
        let options = parse(&words("--against kafka --only kadm,kgo")).unwrap();
        assert_eq!(options.side, Side::Kafka);
        assert_eq!(chosen(&options.only).unwrap().len(), 2);
    }

    #[test]
    fn a_typing_error_is_told() {
        assert!(parse(&words("--agianst kafka")).is_err());
        assert!(parse(&words("--only")).is_err());
        assert!(chosen(&words("kgoo")).is_err());
    }
}

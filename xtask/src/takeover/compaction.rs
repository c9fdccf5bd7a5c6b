//! Compacted topics: what one side has compacted the other reads and compacts on, with nothing to recover; and the same
//! directory, compacted by either, holds the same batches and records in the same segments.

use super::nothing_repaired;
use super::side::{End, Home, Running, Side, Sides};
use crate::compat::{Work, kafka_tool_output};
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TOPIC: &str = "takeover-compacted";
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// Runs of the producer in a turn: each becomes a segment, since its records are younger by more than a millisecond.
const RUNS: usize = 8;
const KEYS: usize = 12;
const RECORDS_PER_RUN: usize = 9;
const TIME_MAX: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Every topic is compacted, as soon as there is anything to compact.
const SETTINGS: &str = "
log.cleanup.policy=compact
log.roll.ms=1
log.index.interval.bytes=100
log.cleaner.backoff.ms=50
log.cleaner.min.cleanable.ratio=0.0
";
const DISABLED: &str = "log.cleaner.enable=false\n";

pub(super) fn run(work: &Work, sides: &Sides) -> Result<()> {
    for formatter in [Side::Kafka, Side::Ottla] {
        let other = if formatter == Side::Kafka { Side::Ottla } else { Side::Kafka };
        let turns = [(formatter, End::Stopped), (other, End::Stopped), (formatter, End::Killed), (other, End::Killed)];
        in_turn(work, sides, formatter, &turns)?;
    }
    alike(work, sides)
}

fn in_turn(work: &Work, sides: &Sides, formatter: Side, turns: &[(Side, End)]) -> Result<()> {
    println!("compacted topics, formatted by {}", formatter.name());
    let home = sides.format_with(work, formatter, temporary()?, SETTINGS, None)?;
    let mut written = Written::default();
    let mut last: Option<(Side, End)> = None;
    for (side, end) in turns {
        let context =
            || format!("{}, after {}", side.name(), last.map_or("the formatting".to_owned(), |(s, e)| e.of(s)));
        let node = sides.start(work, *side, &home)?;
        written.check(node.port(), 0).with_context(context)?;
        written.write(node.port()).with_context(context)?;
        let clean = wait_until_clean(&home, &written).with_context(context)?;
        let left = written.check(node.port(), clean).with_context(context)?;
        let said = node.end(*end)?;
        if last.is_none_or(|(_, end)| end == End::Stopped) {
            nothing_repaired(*side, &said).with_context(context)?;
        }
        let count = written.records.len();
        println!("  {} has compacted {count} records to {left}, and was {}", side.name(), end.name());
        last = Some((*side, *end));
    }
    let dumped = dump(work, &home)?;
    ensure!(dumped.iter().any(|line| line.starts_with("baseOffset: ")), "dump-log shows no batch");
    Ok(())
}

/// One directory, which nobody has compacted yet, in two copies.
fn alike(work: &Work, sides: &Sides) -> Result<()> {
    let home = sides.format_with(work, Side::Kafka, temporary()?, &format!("{SETTINGS}{DISABLED}"), None)?;
    let node = sides.start(work, Side::Kafka, &home)?;
    let mut written = Written::default();
    written.write(node.port())?;
    written.write(node.port())?;
    node.end(End::Stopped)?;
    let mut dumps = Vec::new();
    for side in [Side::Kafka, Side::Ottla] {
        let copy = home.copied(temporary()?, |text| text.replace(DISABLED, ""))?;
        let node: Running = sides.start(work, side, &copy)?;
        let clean = wait_until_clean(&copy, &written)?;
        written.check(node.port(), clean).with_context(|| side.name())?;
        node.end(End::Stopped)?;
        dumps.push(dump(work, &copy)?);
    }
    let [kafka, ottla] = &dumps[..] else { return Ok(()) };
    for (kafka, ottla) in kafka.iter().zip(ottla) {
        ensure!(kafka == ottla, "they were compacted to different batches:\nKafka: {kafka}\nOttla: {ottla}");
    }
    ensure!(kafka.len() == ottla.len(), "Kafka has left {} lines of dump-log, Ottla {}", kafka.len(), ottla.len());
    println!("  compacted by either, the same directory shows the same {} lines of dump-log", kafka.len());
    Ok(())
}

fn temporary() -> Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("ottla-takeover-").tempdir().context("no temporary directory")
}

/// What was written, by offset.
#[derive(Default)]
struct Written {
    /// Key and value; no value is a tombstone.
    records: Vec<(String, Option<String>)>,
}

impl Written {
    fn write(&mut self, port: u16) -> Result<()> {
        for run in 0..RUNS {
            let mut lines = String::new();
            for _ in 0..RECORDS_PER_RUN {
                let number = self.records.len();
                let key = format!("key-{}", number * 7 % KEYS);
                let value = (!number.is_multiple_of(11)).then(|| format!("value {number} {}", "x".repeat(number % 90)));
                lines.push_str(&format!("{key}|{}\n", value.as_deref().unwrap_or_default()));
                self.records.push((key, value));
            }
            let mut kcat = kcat(port);
            kcat.args(["-P", "-t", TOPIC, "-p", "0", "-K", "|", "-Z", "-z", CODECS[run % CODECS.len()]]);
            kcat.args(["-X", "enable.idempotence=true", "-X", "message.timeout.ms=30000"]);
            feed(&mut kcat, &lines)?;
        }
        Ok(())
    }

    /// Reads everything: what is there was written, and the last of each key is. Gives how many records there are.
    fn check(&self, port: u16, clean: usize) -> Result<usize> {
        if self.records.is_empty() {
            return Ok(0);
        }
        let mut kcat = kcat(port);
        kcat.args(["-C", "-e", "-q", "-o", "beginning", "-t", TOPIC, "-p", "0", "-f", "%o|%k|%S|%s\n"]);
        let read = output(&mut kcat)?;
        let mut table: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        let mut keys = BTreeSet::new();
        for line in read.lines() {
            let mut fields = line.splitn(4, '|');
            let mut field = || fields.next().with_context(|| format!("kcat tells {line}"));
            let (offset, key, length, value) = (field()?.parse::<usize>()?, field()?, field()?, field()?);
            let value = (length != "-1").then_some(value);
            let original = self.records.get(offset).with_context(|| format!("nobody has written {line}"))?;
            ensure!((original.0.as_str(), original.1.as_deref()) == (key, value), "{line} was {original:?}");
            ensure!(offset >= clean || keys.insert(key), "{key} is there twice below {clean}, at {offset} again");
            table.insert(key, value);
        }
        let mut expected: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        for (key, value) in &self.records {
            expected.insert(key, value.as_deref());
        }
        ensure!(table == expected, "the last of each key are {table:?}; they were {expected:?}");
        Ok(read.lines().count())
    }
}

/// Waits until all but the last run is clean; gives up to where it is.
fn wait_until_clean(home: &Home, written: &Written) -> Result<usize> {
    let deadline = Instant::now() + TIME_MAX;
    let wanted = written.records.len() - RECORDS_PER_RUN;
    loop {
        let mut clean = 0;
        for log_dir in home.log_dirs() {
            let text = std::fs::read_to_string(log_dir.join("cleaner-offset-checkpoint")).unwrap_or_default();
            let entry = text.lines().find_map(|line| line.strip_prefix(TOPIC)?.strip_prefix(" 0 "));
            clean = clean.max(entry.and_then(|offset| offset.parse().ok()).unwrap_or(0));
        }
        if clean >= wanted {
            return Ok(clean);
        }
        ensure!(Instant::now() < deadline, "it is clean up to {clean} only, not up to {wanted}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// The batches and records of the topic as `dump-log` tells them, without what need not be alike: places, sizes and
/// checksums of what codecs have compressed, and when tombstones may go.
fn dump(work: &Work, home: &Home) -> Result<Vec<String>> {
    let folder = format!("{TOPIC}-0");
    let folder = home.log_dirs().iter().map(|dir| dir.join(&folder)).find(|path| path.exists());
    let folder = folder.context("the topic is in no directory")?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        ensure!(path.extension().is_none_or(|kind| kind != "cleaned" && kind != "swap"), "{} is left", path.display());
        if path.extension().is_some_and(|kind| kind == "log" || kind == "index" || kind == "timeindex") {
            files.push(path.display().to_string());
        }
    }
    files.sort();
    let told = kafka_tool_output(work, &["dump-log", "--print-data-log", "--files", &files.join(",")])?;
    for fault in ["isvalid: false", "Found timestamp mismatch", "Mismatches in", "Index offset", "Non-consecutive"] {
        ensure!(!told.contains(fault), "dump-log finds fault:\n{told}");
    }
    let lines = told.lines().filter(|line| line.starts_with("baseOffset: ") || line.starts_with('|'));
    Ok(lines.map(alike_part).collect())
}

fn alike_part(line: &str) -> String {
    let mut words = Vec::new();
    let mut skip = false;
    for word in line.split(' ') {
        match word {
            _ if skip => skip = false,
            "position:" | "size:" | "crc:" => skip = true,
            word if word.starts_with("OptionalLong[") => words.push("OptionalLong"),
            word => words.push(word),
        }
    }
    words.join(" ")
}

fn kcat(port: u16) -> Command {
    let mut kcat = Command::new("kcat");
    kcat.arg("-b").arg(format!("127.0.0.1:{port}")).stdin(Stdio::null());
    kcat
}

/// Runs a command and gives what it printed.
fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} failed ({}):\n{errors}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn feed(command: &mut Command, text: &str) -> Result<()> {
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot run kcat")?;
    child.stdin.take().context("kcat has no input")?.write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && !errors.contains("Delivery failed"), "kcat could not write:\n{errors}");
    Ok(())
}

//! What was written into the directory so far, and whether a node gives it back: written and read with `kcat`.

use super::output;
use super::side::Side;
use anyhow::{Context, Result, bail, ensure};
use std::io::Write;
use std::process::{Command, Stdio};

pub(super) const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// Records that a turn adds to each topic.
const RECORDS_PER_TURN: usize = 60;
const GROUP: &str = "takeover";
/// The topic that the group reads.
const GROUP_CODEC: &str = "lz4";

pub(super) fn topic(codec: &str) -> String {
    format!("takeover-{codec}")
}

/// What a directory must hold.
#[derive(Default)]
pub(super) struct Ledger {
    /// Who wrote, turn by turn; each turn writes the same number of records into each topic.
    turns: Vec<Side>,
    ids: Vec<(String, String)>,
}

impl Ledger {
    pub(super) fn count(&self) -> usize {
        self.turns.len() * RECORDS_PER_TURN * CODECS.len()
    }

    /// Reads everything, and compares.
    pub(super) fn check(&self, port: u16) -> Result<()> {
        if self.turns.is_empty() {
            return Ok(());
        }
        // At the same time: each waits for the end of its topic.
        let read = |codec| {
            let mut kcat = kcat(port);
            kcat.args(["-C", "-e", "-q", "-o", "beginning", "-t", &topic(codec), "-f", "%o|%k|%s|%h\n"]);
            output(&mut kcat)
        };
        let found = std::thread::scope(|scope| {
            let readers = CODECS.map(|codec| scope.spawn(move || read(codec)));
            readers.map(|reader| reader.join().unwrap_or_else(|_| bail!("a reader of a topic has failed")))
        });
        for (codec, found) in CODECS.into_iter().zip(found) {
            let found = found?;
            let expected = self.expected(codec);
            let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
            ensure!(differs.is_none(), "{}: found and expected: {differs:?}", topic(codec));
            let (found, expected) = (found.lines().count(), expected.lines().count());
            ensure!(found == expected, "{}: {found} records instead of {expected}", topic(codec));
        }
        Ok(())
    }

    fn expected(&self, codec: &str) -> String {
        let mut text = String::new();
        for (turn, side) in self.turns.iter().enumerate() {
            for number in 0..RECORDS_PER_TURN {
                let offset = turn * RECORDS_PER_TURN + number;
                let (key, value) = record(turn, number);
                text.push_str(&format!("{offset}|{key}|{value}|by={},codec={codec}\n", side.name()));
            }
        }
        text
    }

    /// Adds to each topic, and lets the group read what is new to it: exactly that.
    pub(super) fn write(&mut self, port: u16, side: Side) -> Result<()> {
        let turn = self.turns.len();
        for codec in CODECS {
            let mut lines = String::new();
            for number in 0..RECORDS_PER_TURN {
                let (key, value) = record(turn, number);
                lines.push_str(&format!("{key}|{value}\n"));
            }
            let mut kcat = kcat(port);
            kcat.args(["-P", "-t", &topic(codec), "-K", "|", "-z", codec, "-X", "enable.idempotence=true"]);
            // Several batches, each with sequence numbers of its own.
            kcat.args(["-X", "batch.num.messages=20", "-X", "message.timeout.ms=30000"]);
            kcat.args(["-H", &format!("by={}", side.name()), "-H", &format!("codec={codec}")]);
            feed(&mut kcat, &lines)?;
        }
        self.turns.push(side);
        let mut kcat = kcat(port);
        kcat.args(["-q", "-e", "-f", "%o\n", "-X", "auto.offset.reset=earliest", "-G", GROUP, &topic(GROUP_CODEC)]);
        let read = output(&mut kcat)?;
        let read: Vec<&str> = read.lines().collect();
        let first = (turn * RECORDS_PER_TURN).to_string();
        ensure!(
            read.first() == Some(&&*first) && read.len() == RECORDS_PER_TURN,
            "the group goes on at {:?} with {} records; it should at {first} with {RECORDS_PER_TURN}",
            read.first(),
            read.len()
        );
        Ok(())
    }

    /// A topic keeps its id.
    pub(super) fn same_ids(&mut self, found: Vec<(String, String)>) -> Result<()> {
        for known in &self.ids {
            ensure!(found.contains(known), "{} had another id: {}", known.0, known.1);
        }
        self.ids = found;
        Ok(())
    }
}

fn record(turn: usize, number: usize) -> (String, String) {
    (format!("key-{}", number % 7), format!("value {number} of turn {turn} {}", "x".repeat(number)))
}

fn kcat(port: u16) -> Command {
    let mut kcat = Command::new("kcat");
    kcat.arg("-b").arg(format!("127.0.0.1:{port}")).stdin(Stdio::null());
    kcat
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

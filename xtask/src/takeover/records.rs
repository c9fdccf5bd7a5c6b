//! What was written into the directories so far, and whether a node gives it back: written and read with `kcat`.

use super::output;
use super::side::Side;
use anyhow::{Context, Result, bail, ensure};
use std::io::Write;
use std::ops::Range;
use std::process::{Command, Stdio};

pub(super) const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// Of each topic: more than there are log directories.
pub(super) const PARTITIONS: usize = 3;
/// Records that a turn adds to each partition.
const RECORDS_PER_TURN: usize = 20;
const GROUP: &str = "takeover";
/// The topic that the group reads.
const GROUP_CODEC: &str = "lz4";

/// A topic that every turn adds to.
pub(super) fn topic(codec: &str) -> String {
    format!("takeover-{codec}")
}

/// A topic, and the turns that write to it.
struct Topic {
    name: String,
    codec: &'static str,
    turns: Range<usize>,
}

/// What the directories must hold.
#[derive(Default)]
pub(super) struct Ledger {
    /// Who wrote, turn by turn; each turn writes the same number of records into each topic.
    turns: Vec<Side>,
    ids: Vec<(String, String)>,
}

impl Ledger {
    pub(super) fn count(&self) -> usize {
        let turns: usize = self.topics(self.turns.len()).iter().map(|topic| topic.turns.len()).sum();
        turns * PARTITIONS * RECORDS_PER_TURN
    }

    /// The topics after so many turns: one for each codec, and one that each turn made and left, so that both sides choose
    /// directories for partitions.
    fn topics(&self, turns: usize) -> Vec<Topic> {
        let shared = CODECS.into_iter().map(|codec| Topic { name: topic(codec), codec, turns: 0..turns });
        let own = (0..turns).map(|turn| Topic {
            name: format!("takeover-turn-{turn}"),
            codec: CODECS[turn % CODECS.len()],
            turns: turn..turn + 1,
        });
        shared.chain(own).collect()
    }

    /// Reads everything, and compares.
    pub(super) fn check(&self, port: u16) -> Result<()> {
        if self.turns.is_empty() {
            return Ok(());
        }
        // At the same time: each waits for the end of its topic.
        let read = |topic: &Topic| {
            let mut kcat = kcat(port);
            kcat.args(["-C", "-e", "-q", "-o", "beginning", "-t", &topic.name, "-f", "%p|%o|%k|%s|%h\n"]);
            output(&mut kcat)
        };
        let topics = self.topics(self.turns.len());
        let found: Vec<Result<String>> = std::thread::scope(|scope| {
            let readers: Vec<_> = topics.iter().map(|topic| scope.spawn(move || read(topic))).collect();
            let join = |reader: std::thread::ScopedJoinHandle<'_, _>| {
                reader.join().unwrap_or_else(|_| bail!("a reader of a topic has failed"))
            };
            readers.into_iter().map(join).collect()
        });
        for (topic, found) in topics.iter().zip(found) {
            let found = found?;
            let mut found: Vec<&str> = found.lines().collect();
            // Partitions come in any order, their records in one.
            found.sort_by_key(|line| line.split('|').next());
            let expected = self.expected(topic);
            let differs = found.iter().zip(&expected).find(|(found, expected)| *found != expected);
            ensure!(differs.is_none(), "{}: found and expected: {differs:?}", topic.name);
            let (found, expected) = (found.len(), expected.len());
            ensure!(found == expected, "{}: {found} records instead of {expected}", topic.name);
        }
        Ok(())
    }

    fn expected(&self, topic: &Topic) -> Vec<String> {
        let mut lines = Vec::new();
        for partition in 0..PARTITIONS {
            let mut offset = 0;
            for turn in topic.turns.clone() {
                for number in 0..RECORDS_PER_TURN {
                    let (key, value) = record(turn, partition, number);
                    let (side, codec) = (self.turns[turn].name(), topic.codec);
                    lines.push(format!("{partition}|{offset}|{key}|{value}|by={side},codec={codec}"));
                    offset += 1;
                }
            }
        }
        lines
    }

    /// Adds to each partition, and lets the group read what is new to it: exactly that.
    pub(super) fn write(&mut self, port: u16, side: Side) -> Result<()> {
        let turn = self.turns.len();
        for topic in self.topics(turn + 1).iter().filter(|topic| topic.turns.contains(&turn)) {
            for partition in 0..PARTITIONS {
                let mut lines = String::new();
                for number in 0..RECORDS_PER_TURN {
                    let (key, value) = record(turn, partition, number);
                    lines.push_str(&format!("{key}|{value}\n"));
                }
                let mut kcat = kcat(port);
                kcat.args(["-P", "-t", &topic.name, "-p", &partition.to_string(), "-K", "|", "-z", topic.codec]);
                // Several batches, each with sequence numbers of its own.
                kcat.args(["-X", "enable.idempotence=true", "-X", "batch.num.messages=7"]);
                kcat.args(["-X", "message.timeout.ms=30000"]);
                kcat.args(["-H", &format!("by={}", side.name()), "-H", &format!("codec={}", topic.codec)]);
                feed(&mut kcat, &lines)?;
            }
        }
        self.turns.push(side);
        let mut kcat = kcat(port);
        kcat.args(["-q", "-e", "-f", "%p|%o\n", "-X", "auto.offset.reset=earliest", "-G", GROUP, &topic(GROUP_CODEC)]);
        let read = output(&mut kcat)?;
        let mut read: Vec<&str> = read.lines().collect();
        read.sort_by_key(|line| line.split('|').next());
        let new = |partition| {
            let first = turn * RECORDS_PER_TURN;
            (first..first + RECORDS_PER_TURN).map(move |offset| format!("{partition}|{offset}"))
        };
        let expected: Vec<String> = (0..PARTITIONS).flat_map(new).collect();
        ensure!(read == expected, "the group goes on with {read:?}; it should with {expected:?}");
        Ok(())
    }

    /// A topic keeps its id.
    pub(super) fn same_ids(&mut self, found: Vec<(String, String)>) -> Result<()> {
        for known in &self.ids {
            ensure!(found.contains(known), "{} had another id, or lies in another directory: {}", known.0, known.1);
        }
        self.ids = found;
        Ok(())
    }
}

fn record(turn: usize, partition: usize, number: usize) -> (String, String) {
    let value = format!("value {number} of turn {turn} for {partition} {}", "x".repeat(number));
    (format!("key-{}", number % 7), value)
}

pub(super) fn kcat(port: u16) -> Command {
    let mut kcat = Command::new("kcat");
    kcat.arg("-b").arg(format!("127.0.0.1:{port}")).stdin(Stdio::null());
    kcat
}

pub(super) fn feed(command: &mut Command, text: &str) -> Result<()> {
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot run kcat")?;
    child.stdin.take().context("kcat has no input")?.write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && !errors.contains("Delivery failed"), "kcat could not write:\n{errors}");
    Ok(())
}

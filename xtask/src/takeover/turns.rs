//! One directory in the hands of one side after the other.

use super::driver::{Driver, KEPT, PARTITIONS, Task, Told};
use super::side::{End, Home, Side, Sides};
use super::{dump, nothing_repaired};
use crate::compat::Work;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Log files roll and go, and the cleaner runs, while a turn lasts.
const SETTINGS: &str = "
log.retention.ms=-1
log.roll.ms=3000
log.cleaner.backoff.ms=100
log.cleaner.min.cleanable.ratio=0.0
log.retention.check.interval.ms=300
log.segment.delete.delay.ms=1000
";

/// Who runs, after how much time of writing it ends, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) side: Side,
    pub(super) end: End,
    pub(super) written_for: Duration,
    pub(super) seed: u64,
}

/// A directory between the turns.
pub(super) struct Relay<'a> {
    work: &'a Work,
    sides: &'a Sides,
    home: Home,
    driver: Driver,
    last: Option<Turn>,
    kafka_was_killed: bool,
    kept: Kept,
}

impl<'a> Relay<'a> {
    /// `release` is what `--release-version` says, where it is not the newest.
    pub(super) fn new(work: &'a Work, sides: &'a Sides, formatter: Side, release: Option<&str>) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("ottla-takeover-").tempdir().context("no temporary directory")?;
        let driver = Driver::new(work, dir.path())?;
        let home = sides.format_with(work, formatter, dir, SETTINGS, release)?;
        let levels = release.map_or(String::new(), |release| format!(" with the levels of {release}"));
        println!("formatted by {}{levels}", formatter.name());
        Ok(Self { work, sides, home, driver, last: None, kafka_was_killed: false, kept: Kept::default() })
    }

    pub(super) fn take(&mut self, turn: Turn) -> Result<()> {
        self.try_take(turn).with_context(|| {
            let before = self.last.map_or("the formatting".to_owned(), |last| last.end.of(last.side));
            self.home.keep();
            format!("{}, after {before}; the files are in {}", turn.side.name(), self.home.path().display())
        })
    }

    fn try_take(&mut self, turn: Turn) -> Result<()> {
        let began = Instant::now();
        let node = self.sides.start(self.work, turn.side, &self.home)?;
        let started = began.elapsed().as_secs_f64();
        let kafka_was_killed = self.kafka_was_killed;
        let task = Task { side: turn.side, port: node.port(), kafka_was_killed, seed: turn.seed };
        let writing = self.driver.begin(task)?;
        let checked = writing.checked;
        // The moment is what is tried, not waited for.
        std::thread::sleep(turn.written_for);
        let said = if turn.end == End::Stopped {
            writing.finish(Told::Stop)?;
            node.end(turn.end)?
        } else {
            let said = node.end(turn.end)?;
            writing.finish(Told::Gone)?;
            said
        };
        self.sides.verify(&self.home)?;
        if self.last.is_none_or(|last| last.end != End::Killed) {
            nothing_repaired(turn.side, &said)?;
            self.kept.still_there()?;
        }
        self.kept = Kept::read(&self.home)?;
        println!(
            "  {:9} started in {started:4.1} s, found {checked:6} records, wrote for {:4} ms, and was {} ({:.1} s in all)",
            turn.side.name(),
            turn.written_for.as_millis(),
            turn.end.name(),
            began.elapsed().as_secs_f64(),
        );
        self.kafka_was_killed = turn.side != Side::Ottla && turn.end == End::Killed;
        self.last = Some(turn);
        Ok(())
    }

    /// Kafka's `dump-log` over everything.
    pub(super) fn dump(&self) -> Result<()> {
        dump::check(self.work, &self.home)
    }

    pub(super) fn home(&self) -> &Home {
        &self.home
    }
}

/// The bytes of the logs that nothing is removed from.
#[derive(Default)]
struct Kept {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Kept {
    fn read(home: &Home) -> Result<Self> {
        let mut files = BTreeMap::new();
        for path in kept_files(home)? {
            files.insert(path.clone(), std::fs::read(path)?);
        }
        Ok(Self { files })
    }

    /// A side may only add to what the other has written.
    fn still_there(&self) -> Result<()> {
        for (path, before) in &self.files {
            let now = std::fs::read(path).with_context(|| format!("{} is gone", path.display()))?;
            ensure!(now.starts_with(before), "{} was changed, not only added to", path.display());
        }
        Ok(())
    }
}

/// The segments of the topics that nothing is removed from.
pub(super) fn kept_files(home: &Home) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for log_dir in home.log_dirs() {
        for topic in KEPT {
            for partition in 0..PARTITIONS {
                let Ok(folder) = std::fs::read_dir(log_dir.join(format!("{topic}-{partition}"))) else { continue };
                for entry in folder {
                    let path = entry?.path();
                    if path.extension().is_some_and(|kind| kind == "log") {
                        files.push(path);
                    }
                }
            }
        }
    }
    files.sort();
    Ok(files)
}

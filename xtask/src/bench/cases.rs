//! The cases, in the order in which a session runs them. Each measures the node's process around a phase of load.

use super::Bench;
use super::load::{Figures, Load, figure};
use super::results::{Better, Goal, Measure, Results};
use super::slow_disk::SlowDisk;
use super::system::{Home, Process, Program, System};
use crate::compat::Work;
use anyhow::Result;
use std::fs::File;
use std::io::Write;
use std::time::Duration;

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&mut Session<'_>) -> Result<()>,
}

pub(crate) const CASES: &[Case] = &[
    Case { name: "idle", run: idle_memory },
    Case { name: "produce", run: produce },
    Case { name: "fetch", run: fetch },
    Case { name: "idempotent", run: idempotent },
    Case { name: "codecs", run: super::streams::codecs },
    Case { name: "producers", run: super::streams::producers },
    Case { name: "fan-out", run: super::streams::fan_out },
    Case { name: "tls", run: super::streams::tls },
    Case { name: "small", run: small },
    Case { name: "latency", run: latency },
    Case { name: "partitions", run: partitions },
    Case { name: "beside", run: beside },
    Case { name: "slow-disk", run: slow_disk },
    Case { name: "synced", run: super::synced::run },
    Case { name: "connections", run: connections },
    Case { name: "commands", run: super::commands::run },
    Case { name: "restart", run: restart },
];

/// Those that take long and are only run where they are named.
pub(crate) const NAMED_CASES: &[Case] =
    &[Case { name: "scale", run: super::scale::run }, Case { name: "million", run: super::scale::million }];

/// Records of 1 KiB in a case of large batches.
const LARGE_RECORDS: usize = 1_000_000;
const FETCHED_TIMES: usize = 4;
const SMALL_RECORDS: usize = 100_000;
const CONNECTIONS: usize = 10_000;
const MANY_PARTITIONS: usize = 1000;
/// A node has settled this long after its start.
const SETTLE_TIME: Duration = Duration::from_secs(5);
/// Filled and let go of before a case, so that neither system pays for the first touch of the machine's pages.
const TOUCHED_BYTES: u64 = 4 << 30;

/// A node in one round.
pub(crate) struct Session<'a> {
    bench: &'a Bench,
    program: &'a Program,
    results: &'a mut Results,
    home: Home,
    process: Process,
    warm: bool,
    log: File,
}

pub(super) const fn less(case: &'static str, what: &'static str, unit: &'static str, goal: Option<Goal>) -> Measure {
    Measure { case, what, unit, better: Better::Less, goal }
}

pub(super) const fn more(case: &'static str, what: &'static str, unit: &'static str) -> Measure {
    Measure { case, what, unit, better: Better::More, goal: None }
}

impl<'a> Session<'a> {
    /// Starts a node on a fresh directory, which is the first case.
    pub(crate) fn begin(bench: &'a Bench, program: &'a Program, results: &'a mut Results) -> Result<Self> {
        touch_memory()?;
        let home = Home::new(bench, program)?;
        let log = File::create(bench.work.join("load.log"))?;
        let mut waiting = Load::spawn(bench, home.port, &log, &["first", "-topic", "first"])?;
        waiting.line("ready")?;
        let (process, began) = home.start(program)?;
        let found = waiting.figures()?;
        let mut session = Self { bench, program, results, home, process, warm: false, log };
        session.took("start", began, &found, Some(Goal::Ratio(0.02)))?;
        Ok(session)
    }

    pub(crate) fn end(mut self) -> Result<()> {
        self.process.stop()?;
        self.home.remove()
    }

    fn took(&mut self, case: &'static str, began: f64, found: &Figures, goal: Option<Goal>) -> Result<()> {
        let answered = figure(found, "answered")? - began;
        let acknowledged = figure(found, "acknowledged")? - began;
        self.add(less(case, "to the first answer", "ms", None), answered * 1e3);
        self.add(less(case, "to the first acknowledged record", "ms", goal), acknowledged * 1e3);
        Ok(())
    }

    pub(super) fn system(&self) -> System {
        self.program.system
    }

    pub(super) fn bench(&self) -> &'a Bench {
        self.bench
    }

    pub(super) fn program(&self) -> &'a Program {
        self.program
    }

    /// Where the load tells of its errors.
    pub(super) fn log(&self) -> &File {
        &self.log
    }

    pub(super) fn compat(&self) -> &Work {
        &self.bench.compat
    }

    /// Where the node's listener for clients is.
    pub(super) fn port(&self) -> u16 {
        self.home.port
    }

    pub(super) fn add(&mut self, measure: Measure, value: f64) {
        println!("  {:12} {:36} {value:>10.3} {}", measure.case, measure.what, measure.unit);
        self.results.add(measure, self.program.system, value);
    }

    pub(super) fn load(&self, words: &[&str]) -> Result<Figures> {
        Load::spawn(self.bench, self.home.port, &self.log, words)?.figures()
    }

    /// Runs a phase; the node's CPU seconds meanwhile, from its mark on if it has one.
    pub(super) fn measured(&mut self, words: &[&str], marked: bool) -> Result<(Figures, f64)> {
        let mut load = Load::spawn(self.bench, self.home.port, &self.log, words)?;
        if marked {
            load.line("ready")?;
        }
        let before = self.process.cpu_seconds()?;
        if marked {
            load.go_on()?;
        }
        let found = load.figures()?;
        Ok((found, self.process.cpu_seconds()? - before))
    }

    /// A JIT needs to have seen the code; both systems get the same.
    pub(super) fn warm_up(&mut self) -> Result<()> {
        if self.warm {
            return Ok(());
        }
        self.warm = true;
        self.topic("warm", 4)?;
        let records = "1000000";
        self.load(&["produce", "-topic", "warm", "-partitions", "4", "-records", records])?;
        self.load(&["fetch", "-topic", "warm", "-partitions", "4", "-records", records])?;
        self.load(&["produce", "-topic", "warm", "-partitions", "4", "-records", "300000", "-acks", "idempotent"])?;
        let mut small = Load::spawn(
            self.bench,
            self.home.port,
            &self.log,
            &[
                "small",
                "-topic",
                "warm",
                "-partitions",
                "4",
                "-records",
                "100000",
                "-record-bytes",
                "100",
                "-clients",
                "32",
                "-acks",
                "all",
            ],
        )?;
        small.line("ready")?;
        small.go_on()?;
        small.figures()?;
        self.load(&["delete", "-topic", "warm"])?;
        touch_memory()
    }

    fn topic(&self, name: &str, partitions: usize) -> Result<()> {
        self.load(&["topic", "-topic", name, "-partitions", &partitions.to_string()]).map(|_| ())
    }

    fn percentiles(&mut self, case: &'static str, found: &Figures, goals: [Option<Goal>; 3]) -> Result<()> {
        let names = [("p50_ms", "p50"), ("p99_ms", "p99"), ("p999_ms", "p99.9")];
        for ((key, what), goal) in names.into_iter().zip(goals) {
            self.add(less(case, what, "ms", goal), figure(found, key)?);
        }
        Ok(())
    }

    pub(super) fn per_gb(&mut self, case: &'static str, found: &Figures, cpu: f64, goal: Option<f64>) -> Result<()> {
        let gb = figure(found, "bytes")? / 1e9;
        self.add(less(case, "CPU per GB", "s", goal.map(Goal::Ratio)), cpu / gb);
        self.add(more(case, "throughput", "GB/s"), gb / figure(found, "seconds")?);
        Ok(())
    }
}

fn idle_memory(session: &mut Session<'_>) -> Result<()> {
    std::thread::sleep(SETTLE_TIME);
    let resident = session.process.memory_mb("VmRSS")?;
    session.add(less("memory", "idle, resident", "MB", Some(Goal::Ratio(0.03))), resident);
    Ok(())
}

fn produce(session: &mut Session<'_>) -> Result<()> {
    large(session, "produce", "1")?;
    session.load(&["delete", "-topic", "produce"]).map(|_| ())
}

fn idempotent(session: &mut Session<'_>) -> Result<()> {
    large(session, "idempotent", "idempotent")?;
    session.load(&["delete", "-topic", "idempotent"]).map(|_| ())
}

fn large(session: &mut Session<'_>, case: &'static str, acks: &str) -> Result<()> {
    session.warm_up()?;
    session.topic(case, 4)?;
    touch_memory()?;
    let records = LARGE_RECORDS.to_string();
    let words = ["produce", "-topic", case, "-partitions", "4", "-records", &records, "-acks", acks];
    let (found, cpu) = session.measured(&words, false)?;
    session.per_gb(case, &found, cpu, Some(0.40))
}

/// Reads what it has just written.
fn fetch(session: &mut Session<'_>) -> Result<()> {
    session.warm_up()?;
    session.topic("fetch", 4)?;
    let records = LARGE_RECORDS.to_string();
    session.load(&["produce", "-topic", "fetch", "-partitions", "4", "-records", &records])?;
    let words = ["fetch", "-topic", "fetch", "-partitions", "4", "-records", &records];
    // The kernel counts in hundredths of a second: once would tell a twentieth of the figure.
    let (mut found, mut cpu) = session.measured(&words, false)?;
    for _ in 1..FETCHED_TIMES {
        let (again, more) = session.measured(&words, false)?;
        cpu += more;
        for (name, value) in again {
            *found.entry(name).or_default() += value;
        }
    }
    session.per_gb("fetch", &found, cpu, Some(0.65))?;
    session.load(&["delete", "-topic", "fetch"]).map(|_| ())
}

fn small(session: &mut Session<'_>) -> Result<()> {
    session.warm_up()?;
    session.topic("small", 8)?;
    let records = SMALL_RECORDS.to_string();
    let words = [
        "small",
        "-topic",
        "small",
        "-partitions",
        "8",
        "-records",
        &records,
        "-record-bytes",
        "100",
        "-clients",
        "32",
        "-acks",
        "all",
    ];
    let (found, cpu) = session.measured(&words, true)?;
    let millions = figure(&found, "records")? / 1e6;
    session.add(less("small", "CPU per million", "s", Some(Goal::Ratio(0.28))), cpu / millions);
    session.add(more("small", "requests", "thousand/s"), millions * 1e3 / figure(&found, "seconds")?);
    session.percentiles("small", &found, [None; 3])
}

fn latency(session: &mut Session<'_>) -> Result<()> {
    session.warm_up()?;
    session.topic("latency", 6)?;
    let words = [
        "latency",
        "-topic",
        "latency",
        "-partitions",
        "6",
        "-rate",
        "20000",
        "-seconds",
        "8",
        "-record-bytes",
        "256",
        "-acks",
        "idempotent",
    ];
    let (found, cpu) = session.measured(&words, true)?;
    let millions = figure(&found, "records")? / 1e6;
    session.add(less("latency", "CPU per million", "s", Some(Goal::Ratio(0.45))), cpu / millions);
    session.add(less("latency", "the load's own lateness, p50", "ms", None), figure(&found, "late_ms")?);
    session.percentiles("latency", &found, [0.25, 0.20, 0.30].map(|goal| Some(Goal::Ratio(goal))))
}

fn partitions(session: &mut Session<'_>) -> Result<()> {
    session.warm_up()?;
    let records = "200000";
    let partitions = MANY_PARTITIONS.to_string();
    let before = session.process.cpu_seconds()?;
    session.topic("many", MANY_PARTITIONS)?;
    let created = session.process.cpu_seconds()? - before;
    let words = ["spread", "-topic", "many", "-partitions", &partitions, "-records", records, "-record-bytes", "256"];
    for (case, goal, more) in [("1,000 partitions, new", 0.10, created), ("1,000 partitions, again", 0.50, 0.0)] {
        let (found, cpu) = session.measured(&words, false)?;
        let millions = figure(&found, "records")? / 1e6;
        session.add(less(case, "CPU per million", "s", Some(Goal::Ratio(goal))), (cpu + more) / millions);
    }
    Ok(())
}

fn beside(session: &mut Session<'_>) -> Result<()> {
    session.warm_up()?;
    session.topic("beside", 8)?;
    touch_memory()?;
    let words = [
        "beside",
        "-topic",
        "beside",
        "-partitions",
        "8",
        "-clients",
        "4",
        "-rate",
        "2000",
        "-seconds",
        "5",
        "-record-bytes",
        "100",
        "-acks",
        "all",
    ];
    let (found, _) = session.measured(&words, false)?;
    session.percentiles("beside streams", &found, [None, Some(Goal::Absolute(20.0)), None])?;
    let rate = figure(&found, "bytes")? / 1e9 / figure(&found, "seconds")?;
    session.add(more("beside streams", "the streams", "GB/s"), rate);
    session.load(&["delete", "-topic", "beside"]).map(|_| ())
}

/// The same beside streams that the disk cannot take, into a node of its own.
fn slow_disk(session: &mut Session<'_>) -> Result<()> {
    let case = "beside streams, slow disk";
    if let Some(reason) = SlowDisk::lacks() {
        println!("  {case}: skipped, {reason}");
        return Ok(());
    }
    let disk = SlowDisk::mount(session.bench)?;
    let dir = session.bench.work.join(format!("{}-slow", session.program.system.name()));
    let home = Home::with_data(session.bench, session.program, dir, &disk.path().join("data"))?;
    let load = |words: &[&str]| Load::spawn(session.bench, home.port, &session.log, words);
    let mut waiting = load(&["first", "-topic", "first"])?;
    waiting.line("ready")?;
    let (mut process, _) = home.start(session.program)?;
    waiting.figures()?;
    let common = "-clients 4 -rate 2000 -record-bytes 100 -acks all -partitions 8";
    let common: Vec<&str> = common.split(' ').collect();
    for topic in ["warm", "warm-streams", "slow", "slow-streams"] {
        load(&["topic", "-topic", topic, "-partitions", "8"])?.figures()?;
    }
    let words = "small -topic warm -partitions 8 -records 100000 -record-bytes 100 -clients 32 -acks all";
    let mut small = load(&words.split(' ').collect::<Vec<_>>())?;
    small.line("ready")?;
    small.go_on()?;
    small.figures()?;
    load(&[&["beside", "-topic", "warm", "-streams", "warm-streams", "-seconds", "3"], &*common].concat())?
        .figures()?;
    let words = [&["beside", "-topic", "slow", "-streams", "slow-streams", "-seconds", "10"], &*common].concat();
    let found = load(&words)?.figures()?;
    process.stop()?;
    drop(disk);
    home.remove()?;
    session.percentiles(case, &found, [None, Some(Goal::Absolute(20.0)), None])?;
    let rate = figure(&found, "bytes")? / 1e9 / figure(&found, "seconds")?;
    session.add(more(case, "the streams", "GB/s"), rate);
    Ok(())
}

fn connections(session: &mut Session<'_>) -> Result<()> {
    let before = session.process.memory_mb("VmRSS")?;
    let mut load = Load::spawn(
        session.bench,
        session.home.port,
        &session.log,
        &["idle", "-connections", &CONNECTIONS.to_string()],
    )?;
    load.line("ready")?;
    let with = session.process.memory_mb("VmRSS")?;
    load.go_on()?;
    load.figures()?;
    let goal = Some(Goal::Absolute(40.0));
    session.add(less("memory", "10,000 idle connections add", "MB", goal), with - before);
    let peak = session.process.memory_mb("VmHWM")?;
    session.add(less("memory", "at its peak", "MB", Some(Goal::Ratio(0.08))), peak);
    Ok(())
}

/// Stops the node and starts it again on what it has, a topic of 1,000 partitions at least.
fn restart(session: &mut Session<'_>) -> Result<()> {
    session.topic("many", MANY_PARTITIONS)?;
    let partitions = MANY_PARTITIONS.to_string();
    // The old one goes first: it would answer what the new one is asked.
    session.process.stop()?;
    let words = ["first", "-topic", "many", "-partitions", &partitions];
    let mut waiting = Load::spawn(session.bench, session.home.port, &session.log, &words)?;
    waiting.line("ready")?;
    let (process, began) = session.home.start(session.program)?;
    session.process = process;
    let found = waiting.figures()?;
    session.took("restart, 1,000 partitions", began, &found, Some(Goal::Absolute(100.0)))
}

fn touch_memory() -> Result<()> {
    let path = format!("/dev/shm/ottla-bench-{}", std::process::id());
    let touched = (|| {
        let mut file = File::create(&path)?;
        let step = vec![1; 1 << 20];
        (0..TOUCHED_BYTES >> 20).try_for_each(|_| file.write_all(&step))
    })();
    std::fs::remove_file(&path)?;
    // A machine with less room touches less.
    drop(touched);
    Ok(())
}

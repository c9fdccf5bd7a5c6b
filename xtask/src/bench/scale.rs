//! How a node bears many partitions: what one without data costs in memory and descriptors, how long it takes to make
//! them all and to start with them, and whether ten partitions are as fast beside them as alone.
//!
//! Each count has a node of its own, so that the figures do not carry what another count left behind.

use super::cases::{Session, less, more};
use super::load::{Load, figure};
use super::results::Goal;
use super::system::{Home, System};
use anyhow::Result;
use std::time::Duration;

struct Count {
    name: &'static str,
    partitions: usize,
}

/// The ten are those that are written to.
const COUNTS: &[Count] = &[
    Count { name: "10 partitions", partitions: 0 },
    Count { name: "and 1,000 idle", partitions: 1_000 },
    Count { name: "and 10,000 idle", partitions: 10_000 },
    Count { name: "and 100,000 idle", partitions: 100_000 },
];
const MILLION: Count = Count { name: "and 1,000,000 idle", partitions: 1_000_000 };
/// Kafka maps two index files a partition, of which a process of this kernel may have 65,530, and 1 GB of heap does not
/// hold 100,000 partitions.
const KAFKA_MAX: usize = 10_000;
const RECORDS: &str = "1000000";
/// What was needed on the way is given back by then.
const SETTLE_TIME: Duration = Duration::from_secs(10);

pub(super) fn run(session: &mut Session<'_>) -> Result<()> {
    let reachable = |count: &&Count| session.system() == System::Ottla || count.partitions <= KAFKA_MAX;
    let counts: Vec<&Count> = COUNTS.iter().filter(reachable).collect();
    counts.into_iter().try_for_each(|count| measure(session, count))
}

/// Where only Ottla can go.
pub(super) fn million(session: &mut Session<'_>) -> Result<()> {
    if session.system() == System::Ottla { measure(session, &MILLION) } else { Ok(()) }
}

fn measure(session: &mut Session<'_>, count: &Count) -> Result<()> {
    let (bench, program) = (session.bench(), session.program());
    let home = Home::with_settings(bench, program, "scale", "")?;
    let log = session.log().try_clone()?;
    let load = |words: &str| Load::spawn(bench, home.port, &log, &words.split(' ').collect::<Vec<_>>());
    let mut waiting = load("first -topic first")?;
    waiting.line("ready")?;
    let (mut process, _) = home.start(program)?;
    waiting.figures()?;
    load("topic -topic ten -partitions 10")?.figures()?;
    std::thread::sleep(SETTLE_TIME);
    let (memory, descriptors) = (process.memory_mb("VmRSS")?, process.descriptors()?);

    let case = count.name;
    let mut add = |what, unit, value: f64| session.add(less(case, what, unit, None), value);
    if count.partitions > 0 {
        let made = load(&format!("topics -topic idle -partitions {}", count.partitions))?.figures()?;
        add("to make them", "s", figure(&made, "seconds")?);
        std::thread::sleep(SETTLE_TIME);
        // The least request lets the allocator see to what it has back.
        load("topic -topic ten -partitions 10")?.figures()?;
        let bytes = (process.memory_mb("VmRSS")? - memory) * 1e6 / count.partitions as f64;
        add("memory of each", "KB", bytes / 1e3);
        add("descriptors of all", "", process.descriptors()? as f64 - descriptors as f64);
    }
    add("memory, resident", "MB", process.memory_mb("VmRSS")?);

    let words = format!("spread -topic ten -partitions 10 -record-bytes 256 -acks all -records {RECORDS}");
    load(&words)?.figures()?;
    let before = process.cpu_seconds()?;
    let found = load(&words)?.figures()?;
    let millions = figure(&found, "records")? / 1e6;
    add("CPU per million, to the ten", "s", (process.cpu_seconds()? - before) / millions);
    let rate = millions * 1e3 / figure(&found, "seconds")?;
    session.add(more(case, "records, to the ten", "thousand/s"), rate);

    let restart = || {
        let mut waiting = load("first -topic ten -partitions 10")?;
        waiting.line("ready")?;
        let (process, began) = home.start(program)?;
        Ok::<_, anyhow::Error>((process, figure(&waiting.figures()?, "acknowledged")? - began))
    };
    process.stop()?;
    let (mut process, clean) = restart()?;
    process.kill()?;
    let (mut process, killed) = restart()?;
    for (what, took) in [("clean restart", clean), ("restart after kill -9", killed)] {
        let goal = (count.partitions == 100_000).then_some(Goal::Absolute(5.0));
        session.add(less(case, what, "s", goal), took);
    }
    std::thread::sleep(SETTLE_TIME);
    load("topic -topic ten -partitions 10")?.figures()?;
    session.add(less(case, "memory after a restart", "MB", None), process.memory_mb("VmRSS")?);
    process.stop()?;
    home.remove()
}

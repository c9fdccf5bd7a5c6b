//! What it costs to have every record on disk before it is acknowledged: few and many producers, each of which waits for
//! one acknowledgement before it sends the next record, with small and large records, into a node that syncs and one that
//! does not. Kafka syncs with `log.flush.interval.messages=1`, Ottla with `ottla.log.sync.before.ack`.

use super::cases::{Session, less, more};
use super::load::{Load, figure};
use super::system::{Home, System};
use anyhow::Result;

const PARTITIONS: &str = "8";

struct Mix {
    synced: [&'static str; 2],
    record_bytes: &'static str,
    clients: usize,
    /// Of each client.
    records: usize,
}

/// The names of a mix without and with syncs.
const MIXES: [Mix; 6] = [
    mix(["100 B, 1 producer", "100 B, 1 producer, synced"], "100", 1, 500),
    mix(["100 B, 10 producers", "100 B, 10 producers, synced"], "100", 10, 300),
    mix(["100 B, 100 producers", "100 B, 100 producers, synced"], "100", 100, 100),
    mix(["100 KB, 1 producer", "100 KB, 1 producer, synced"], "100000", 1, 200),
    mix(["100 KB, 10 producers", "100 KB, 10 producers, synced"], "100000", 10, 100),
    mix(["100 KB, 100 producers", "100 KB, 100 producers, synced"], "100000", 100, 30),
];

const fn mix(synced: [&'static str; 2], record_bytes: &'static str, clients: usize, records: usize) -> Mix {
    Mix { synced, record_bytes, clients, records }
}

pub(super) fn run(session: &mut Session<'_>) -> Result<()> {
    let setting = match session.system() {
        System::Ottla => "ottla.log.sync.before.ack=true",
        System::Kafka => "log.flush.interval.messages=1",
    };
    for (at, settings) in [(0, ""), (1, setting)] {
        let (bench, program) = (session.bench(), session.program());
        let home = Home::with_settings(bench, program, "synced", settings)?;
        let load = |words: &str| Load::spawn(bench, home.port, session.log(), &words.split(' ').collect::<Vec<_>>());
        let mut waiting = load("first -topic first")?;
        waiting.line("ready")?;
        let (mut process, _) = home.start(program)?;
        waiting.figures()?;
        let mut found = Vec::new();
        let warm = [mix(["", ""], "100", 32, 200), mix(["", ""], "100000", 8, 20)];
        for (number, mix) in warm.iter().chain(&MIXES).enumerate() {
            let topic = format!("synced-{number}");
            load(&format!("topic -topic {topic} -partitions {PARTITIONS}"))?.figures()?;
            let (clients, records) = (mix.clients, mix.clients * mix.records);
            let words = format!("small -topic {topic} -partitions {PARTITIONS} -clients {clients} -records {records}");
            let mut small = load(&format!("{words} -record-bytes {} -acks 1", mix.record_bytes))?;
            small.line("ready")?;
            small.go_on()?;
            found.push((mix.synced[at], small.figures()?));
        }
        process.stop()?;
        home.remove()?;
        for (case, found) in found.iter().skip(warm.len()) {
            let rate = figure(found, "records")? / figure(found, "seconds")?;
            session.add(more(case, "records", "thousand/s"), rate / 1e3);
            session.add(less(case, "p50", "ms", None), figure(found, "p50_ms")?);
            session.add(less(case, "p99", "ms", None), figure(found, "p99_ms")?);
        }
    }
    Ok(())
}

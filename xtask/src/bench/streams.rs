//! Streams of large batches in other ways than one producer's and one consumer's: compressed, by many producers, to many
//! consumers, and under TLS.

use super::cases::Session;
use super::load::Load;
use super::system::Home;
use anyhow::Result;

const PARTITIONS: &str = "-partitions 4";

/// Each codec with Kafka's validation, which decompresses every batch. Gigabytes are those of the records.
pub(super) fn codecs(session: &mut Session<'_>) -> Result<()> {
    session.warm_up()?;
    for (case, codec, records) in [
        ("produce, gzip", "gzip", 200_000),
        ("produce, snappy", "snappy", 500_000),
        ("produce, lz4", "lz4", 500_000),
        ("produce, zstd", "zstd", 500_000),
    ] {
        let topic = format!("produce-{codec}");
        session.load(&words(&format!("topic -topic {topic} {PARTITIONS}")))?;
        let produce = |records: usize| format!("produce -topic {topic} {PARTITIONS} -records {records} -codec {codec}");
        // Its own code has to be seen by the JIT, too.
        session.load(&words(&produce(records / 4)))?;
        let (found, cpu) = session.measured(&words(&produce(records)), false)?;
        session.per_gb(case, &found, cpu, Some(0.60))?;
        session.load(&words(&format!("delete -topic {topic}")))?;
    }
    Ok(())
}

/// As many records as one producer sends elsewhere, by ten and a hundred.
pub(super) fn producers(session: &mut Session<'_>) -> Result<()> {
    session.warm_up()?;
    for (case, clients) in [("produce, 10 producers", 10), ("produce, 100 producers", 100)] {
        session.load(&words(&format!("topic -topic producers {PARTITIONS}")))?;
        let load = format!("produce -topic producers {PARTITIONS} -records 1000000 -clients {clients}");
        let (found, cpu) = session.measured(&words(&load), false)?;
        session.per_gb(case, &found, cpu, None)?;
        session.load(&words("delete -topic producers"))?;
    }
    Ok(())
}

/// Consumers that each read all of it, at the same time, from the page cache.
pub(super) fn fan_out(session: &mut Session<'_>) -> Result<()> {
    session.warm_up()?;
    session.load(&words(&format!("topic -topic fan-out {PARTITIONS}")))?;
    session.load(&words(&format!("produce -topic fan-out {PARTITIONS} -records 250000")))?;
    for (case, clients) in [("fetch, 5 consumers", 5), ("fetch, 20 consumers", 20)] {
        let load = format!("fetch -topic fan-out {PARTITIONS} -records 250000 -clients {clients}");
        let (found, cpu) = session.measured(&words(&load), false)?;
        session.per_gb(case, &found, cpu, None)?;
    }
    session.load(&words("delete -topic fan-out")).map(|_| ())
}

/// Large batches over a listener that speaks TLS, into and from a node of its own.
pub(super) fn tls(session: &mut Session<'_>) -> Result<()> {
    let (bench, program) = (session.bench(), session.program());
    let dir = bench.work.join("tls");
    std::fs::create_dir_all(&dir)?;
    session.load(&["store", "-dir", &dir.display().to_string()])?;
    // The listener keeps its name.
    let settings = format!(
        "listener.security.protocol.map=PLAINTEXT:SSL,CONTROLLER:PLAINTEXT\nssl.keystore.type=PEM\nssl.keystore.location={}",
        dir.join("key-store.pem").display()
    );
    let home = Home::with_settings(bench, program, "tls", &settings)?;
    let spawn = |load: &str| Load::spawn(bench, home.port, session.log(), &words(&format!("{load} -tls")));
    let (mut process, _) = home.start(program)?;
    let mut found = Vec::new();
    // It is up once the topic is there. The first runs warm it up.
    spawn(&format!("topic -topic tls {PARTITIONS}"))?.figures()?;
    for (case, goal) in [("", None), ("produce, TLS", None), ("", None), ("fetch, TLS", Some(0.40))] {
        let phase = if found.len() < 2 { "produce" } else { "fetch" };
        let before = process.cpu_seconds()?;
        let figures = spawn(&format!("{phase} -topic tls {PARTITIONS} -records 500000"))?.figures()?;
        found.push((case, figures, process.cpu_seconds()? - before, goal));
    }
    process.stop()?;
    home.remove()?;
    for (case, figures, cpu, goal) in found.iter().filter(|(case, ..)| !case.is_empty()) {
        session.per_gb(case, figures, *cpu, *goal)?;
    }
    Ok(())
}

fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

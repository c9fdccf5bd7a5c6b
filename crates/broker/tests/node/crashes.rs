//! Metadata that was acknowledged is there after every crash, of the process or of the machine; what was not may be there
//! or not, but as a whole.

use crate::harness::Fixture;
use ottla_machine::{Fault, Seed};
use std::collections::BTreeMap;

/// A node is driven at random, crashes, and is started again, several times.
fn run(seed: u64) {
    let mut seed = Seed(seed);
    let mut fixture = Fixture::with(
        ottla_broker::Authorization::None,
        &[("metadata.log.max.record.bytes.between.snapshots", "2000")],
    );
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    let mut records: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    let mut made = 0;
    for _ in 0..4 {
        let mut undecided = None;
        for _ in 0..seed.below(12) {
            match seed.below(4) {
                0 | 1 => {
                    made += 1;
                    let (name, partitions) = (format!("topic-{made}"), 1 + seed.below(5) as usize);
                    assert_eq!(fixture.create_topic(&name, partitions as i32).0, 0);
                    expected.insert(name, partitions);
                }
                2 => {
                    let Some(name) = expected.keys().nth(seed.below(expected.len() as u64) as usize) else { continue };
                    let name = name.clone();
                    assert_eq!(fixture.delete_topic(&name), 0);
                    expected.remove(&name);
                    records.remove(&name);
                }
                _ => {
                    let Some(name) = expected.keys().nth(seed.below(expected.len() as u64) as usize) else { continue };
                    let written = records.entry(name.clone()).or_default();
                    let value = seed.draw().to_be_bytes().to_vec();
                    assert_eq!(fixture.produce(&fixture.admin, name, 0, &value), (0, written.len() as i64));
                    written.push(value);
                }
            }
        }
        if seed.chance(1, 3) {
            // The disk fails in the middle of something: it may have been done, or not.
            let fault = if seed.chance(1, 2) { Fault::Write } else { Fault::Sync };
            fixture.disk.fail_after(fault, 0);
            made += 1;
            let name = format!("topic-{made}");
            assert_ne!(fixture.create_topic(&name, 3).0, 0, "{fault:?}");
            undecided = Some(name);
        }
        match seed.below(3) {
            0 => {
                fixture.stop();
                fixture.disk.crash(&mut seed);
            }
            1 => fixture.disk.kill_process(),
            _ => {
                fixture.disk.crash(&mut seed);
                // What was not synced may be gone: these promises are the metadata's.
                records.clear();
                expected.keys().for_each(|name| {
                    records.insert(name.clone(), Vec::new());
                });
            }
        }
        fixture.restart();
        let mut found = fixture.topics(&fixture.admin);
        if let Some(name) = undecided
            && let Some(partitions) = found.get(&name)
        {
            assert_eq!(*partitions, 3, "all of a topic or none of it");
            expected.insert(name, 3);
        }
        found.retain(|name, _| !name.starts_with("__"));
        assert_eq!(found, expected);
        for name in expected.keys() {
            let all = fixture.read_all(name, 0);
            match records.get_mut(name) {
                Some(written) if written.is_empty() => *written = all,
                Some(written) => assert_eq!(*written, all, "{name}"),
                None => assert!(all.is_empty()),
            }
        }
    }
}

#[test]
fn acknowledged_metadata_survives_any_crash() {
    for seed in 0..100 {
        if std::panic::catch_unwind(|| run(seed)).is_err() {
            panic!("seed {seed}: run({seed}) in crates/broker/tests/node/crashes.rs repeats it");
        }
    }
}

#[test]
fn what_is_acknowledged_under_flush_messages_survives_a_machine() {
    let file = [("log.flush.interval.messages", "1")];
    for seed in 0..5 {
        let mut fixture = Fixture::with(ottla_broker::Authorization::None, &file);
        fixture.create_topic("events", 1);
        for n in 0..3_u8 {
            assert_eq!(fixture.produce(&fixture.admin, "events", 0, &[n]), (0, n.into()));
        }
        fixture.disk.crash(&mut Seed(seed));
        fixture.restart();
        assert_eq!(fixture.read_all("events", 0), [[0], [1], [2]]);
    }
}

#[test]
fn what_is_older_than_flush_ms_survives_a_machine() {
    for (ms, survives) in [("1000", true), ("60000", false)] {
        let mut lost = 0;
        for seed in 0..5 {
            let mut fixture = Fixture::with(ottla_broker::Authorization::None, &[("log.flush.interval.ms", ms)]);
            fixture.create_topic("events", 1);
            fixture.sync_old();
            fixture.produce(&fixture.admin, "events", 0, b"value");
            fixture.pass(std::time::Duration::from_secs(2));
            fixture.sync_old();
            fixture.disk.crash(&mut Seed(seed));
            fixture.restart();
            lost += usize::from(fixture.read_all("events", 0).is_empty());
        }
        assert_eq!(lost == 0, survives, "{ms}: lost {lost} times");
    }
}

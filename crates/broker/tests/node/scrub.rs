//! The scrub of a running node, and what readers of damaged records hear.

use crate::harness::{BY_NAME, Fixture, LOG_DIR, fetch_request, values_of};
use ottla_broker::Authorization;
use ottla_machine::{Disk, DiskFile, OpenMode};
use ottla_wire::api::FetchResponse;
use ottla_wire::{ApiKey, ErrorCode};
use std::path::{Path, PathBuf};

fn log_file(topic: &str) -> PathBuf {
    Path::new(LOG_DIR).join(format!("{topic}-0/00000000000000000000.log"))
}

/// Changes the last byte of a batch's value, by the number of the batch.
fn damage(fixture: &Fixture, topic: &str, batch: usize) {
    let file = fixture.disk.open(&log_file(topic), OpenMode::ReadWrite).unwrap();
    let mut end = 0;
    for _ in 0..=batch {
        let mut length = [0; 4];
        file.read_at(end + 8, &mut length).unwrap();
        end += 12 + u64::from(u32::from_be_bytes(length));
    }
    file.write_at(end - 2, &[b"!"]).unwrap();
}

fn fetch(fixture: &Fixture, topic: &str, offset: i64) -> (i16, usize) {
    let reply = fixture.ask(ApiKey::Fetch, BY_NAME, &fetch_request(topic, 0, offset, 0));
    let response: FetchResponse<'_> = reply.read();
    let data = &response.responses[0].partitions[0];
    (data.error_code, values_of(data.records.as_ref().map_or(&[][..], |records| records.bytes())).len())
}

#[test]
fn damage_is_found_and_told_to_those_who_ask_for_it() {
    let mut fixture = Fixture::new();
    for topic in ["events", "other"] {
        fixture.create_topic(topic, 1);
        for _ in 0..5 {
            assert_eq!(fixture.produce(&fixture.admin, topic, 0, b"value").0, 0);
        }
    }
    damage(&fixture, "events", 2);
    // Nobody knows yet: the client's own check would find it.
    assert_eq!(fetch(&fixture, "other", 0), (0, 5));
    fixture.scrub();
    let corrupt = ErrorCode::CorruptMessage.code();
    assert_eq!(fetch(&fixture, "events", 2), (corrupt, 0));
    assert_eq!(fetch(&fixture, "events", 0), (0, 2), "what is before it");
    assert_eq!(fetch(&fixture, "events", 3), (0, 2), "what is behind it");
    assert_eq!(fetch(&fixture, "other", 0), (0, 5));
    // The next round finds nothing new, and the log goes on.
    assert_eq!(fixture.produce(&fixture.admin, "events", 0, b"value"), (0, 5));
    fixture.pass(std::time::Duration::from_secs(8 * 86_400));
    fixture.scrub();
    assert_eq!(fetch(&fixture, "events", 3), (0, 3));
}

#[test]
fn a_scrub_reads_no_more_than_it_may() {
    let fixture = Fixture::with(Authorization::None, &[("ottla.log.scrub.bytes.per.second", "1000")]);
    fixture.create_topic("events", 1);
    for _ in 0..10 {
        assert_eq!(fixture.produce(&fixture.admin, "events", 0, &[7; 500]).0, 0);
    }
    damage(&fixture, "events", 9);
    let corrupt = ErrorCode::CorruptMessage.code();
    let rounds = (0..100).find(|_| {
        fixture.scrub_once();
        fetch(&fixture, "events", 9).0 == corrupt
    });
    assert!(rounds.is_some_and(|rounds| rounds >= 3), "{rounds:?}");
    let off = Fixture::with(Authorization::None, &[("ottla.log.scrub.bytes.per.second", "0")]);
    off.create_topic("events", 1);
    off.produce(&off.admin, "events", 0, b"value");
    damage(&off, "events", 0);
    off.scrub();
    assert_ne!(fetch(&off, "events", 0).0, corrupt);
}

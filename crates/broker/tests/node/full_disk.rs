//! The disk runs full: what needs room is refused with Kafka's error, the rest goes on, and all works again when there is
//! room. Nothing that was acknowledged is lost, and nothing that was refused appears.

use crate::harness::{Fixture, LOG_DIR};
use ottla_broker::Authorization;
use ottla_machine::Disk;
use ottla_wire::api::{InitProducerIdRequest, InitProducerIdResponse};
use ottla_wire::{ApiKey, ErrorCode};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tracing::span;

const STORAGE_ERROR: i16 = ErrorCode::KafkaStorageError as i16;

/// Writes until the disk is full; gives what was acknowledged.
fn fill(fixture: &Fixture, topic: &str) -> Vec<Vec<u8>> {
    let mut acknowledged = Vec::new();
    for number in 0u32..10_000 {
        let mut value = number.to_be_bytes().to_vec();
        value.resize(1000, 7);
        match fixture.produce(&fixture.admin, topic, 0, &value) {
            (0, offset) => {
                assert_eq!(offset, acknowledged.len() as i64);
                acknowledged.push(value);
            }
            (error, _) => {
                assert_eq!(error, STORAGE_ERROR);
                return acknowledged;
            }
        }
    }
    panic!("the disk does not run full");
}

#[test]
fn producers_hear_of_a_full_disk_and_readers_do_not() {
    for extra in [50_000, 50_001, 50_017, 51_000, 60_500] {
        let mut fixture = Fixture::new();
        fixture.create_topic("more", 1);
        fixture.disk.set_capacity(Some(fixture.disk.used() + extra));
        let mut acknowledged = fill(&fixture, "more");
        assert!(acknowledged.len() > 20);
        for _ in 0..3 {
            assert_eq!(fixture.produce(&fixture.admin, "more", 0, &[7; 1000]).0, STORAGE_ERROR);
            assert_eq!(fixture.read_all("more", 0), acknowledged);
        }
        // There is room again.
        fixture.disk.set_capacity(None);
        assert_eq!(fixture.produce(&fixture.admin, "more", 0, b"again"), (0, acknowledged.len() as i64));
        acknowledged.push(b"again".to_vec());
        assert_eq!(fixture.read_all("more", 0), acknowledged);
        fixture.stop();
        fixture.disk.kill_process();
        fixture.restart();
        assert_eq!(fixture.read_all("more", 0), acknowledged);
    }
}

#[test]
fn deleting_a_topic_makes_room() {
    let mut fixture = Fixture::new();
    fixture.create_topic("old", 1);
    for _ in 0..50 {
        fixture.produce(&fixture.admin, "old", 0, &[1; 1000]);
    }
    fixture.create_topic("new", 1);
    let room = fixture.disk.used() + 30_000;
    fixture.disk.set_capacity(Some(room));
    let acknowledged = fill(&fixture, "new");
    // The deletion itself needs a little in the metadata log.
    fixture.disk.set_capacity(Some(room + 4096));
    assert_eq!(fixture.delete_topic("old"), 0);
    // Files stay for log.segment.delete.delay.ms.
    fixture.pass(Duration::from_secs(60));
    fixture.disk.set_capacity(Some(room));
    assert_eq!(fixture.produce(&fixture.admin, "new", 0, b"again"), (0, acknowledged.len() as i64));
    assert_eq!(fixture.read_all("new", 0).len(), acknowledged.len() + 1);
}

#[test]
fn metadata_that_finds_no_room_is_refused_and_the_node_lives() {
    // Wherever in a write the room ends.
    for left in [0, 1, 60, 61, 100, 150, 200] {
        let mut fixture = Fixture::new();
        assert_eq!(fixture.create_topic("before", 1).0, 0);
        assert_eq!(fixture.produce(&fixture.admin, "before", 0, b"value"), (0, 0));
        fixture.disk.set_capacity(Some(fixture.disk.used() + left));
        for _ in 0..2 {
            let (error, id) = fixture.create_topic("during", 20);
            assert_eq!(error, STORAGE_ERROR, "{left} bytes left");
            assert!(id.is_zero());
            assert_eq!(fixture.topics(&fixture.admin).into_keys().collect::<Vec<_>>(), ["before"]);
            assert_eq!(fixture.read_all("before", 0), [b"value"]);
        }
        let request = InitProducerIdRequest { producer_id: -1, producer_epoch: -1, ..Default::default() };
        let reply = fixture.ask(ApiKey::InitProducerId, 4, &request);
        let response: InitProducerIdResponse<'_> = reply.read();
        assert!(
            [ErrorCode::None.code(), ErrorCode::CoordinatorLoadInProgress.code()].contains(&response.error_code),
            "{left} bytes left: {}",
            response.error_code
        );
        fixture.disk.set_capacity(None);
        assert_eq!(fixture.create_topic("during", 20).0, 0);
        assert_eq!(fixture.produce(&fixture.admin, "during", 19, b"value"), (0, 0));
        fixture.disk.kill_process();
        fixture.restart();
        assert_eq!(fixture.topics(&fixture.admin).len(), 2);
        assert_eq!(fixture.read_all("during", 19), [b"value"]);
    }
}

/// Counts warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicUsize>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[test]
fn a_snapshot_that_finds_no_room_is_tried_and_told_of_now_and_then() {
    let mut fixture = Fixture::with(
        Authorization::None,
        &[("metadata.log.max.record.bytes.between.snapshots", "2000"), ("broker.session.timeout.ms", "10000000")],
    );
    let snapshots = |fixture: &Fixture| {
        let files = fixture.disk.list(&Path::new(LOG_DIR).join("__cluster_metadata-0")).unwrap();
        files.iter().filter(|entry| entry.to_string_lossy().ends_with(".checkpoint")).count()
    };
    while snapshots(&fixture) == 0 {
        assert_eq!(fixture.create_topic(&format!("t{}", fixture.topics(&fixture.admin).len()), 1).0, 0);
    }
    let warnings = Warnings::default();
    let told = || warnings.0.load(Ordering::SeqCst);
    // With one subscriber alone, another test's thread may be asked whether anybody wants the message, and says no for all.
    let _second = tracing::Dispatch::new(Warnings::default());
    tracing::subscriber::with_default(warnings.clone(), || {
        // A topic's records fit, and a snapshot does not.
        let more = |topic: String| {
            fixture.disk.set_capacity(Some(fixture.disk.used() + 500));
            assert_eq!(fixture.create_topic(&topic, 1).0, 0);
        };
        (0..50).for_each(|number| more(format!("u{number}")));
        assert_eq!((told(), snapshots(&fixture)), (1, 1));
        fixture.pass(Duration::from_secs(29));
        assert_eq!(fixture.create_topic("v", 1).0, 0);
        assert_eq!(told(), 1);
        fixture.pass(Duration::from_secs(1));
        fixture.disk.set_capacity(Some(fixture.disk.used() + 500));
        assert_eq!(fixture.create_topic("w", 1).0, 0);
        assert_eq!((told(), snapshots(&fixture)), (2, 1));
        fixture.disk.set_capacity(None);
        fixture.pass(Duration::from_secs(30));
        assert_eq!(fixture.create_topic("x", 1).0, 0);
        assert_eq!((told(), snapshots(&fixture)), (2, 2));
    });
}

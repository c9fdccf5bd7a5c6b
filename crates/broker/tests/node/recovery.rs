//! What a start tells of the logs that it opens.

use crate::harness::{Fixture, LOG_DIR};
use std::fmt::{Debug, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span;

/// Collects the messages of a node.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn of_directory(&self) -> Vec<String> {
        let told = self.0.lock().unwrap();
        told.iter().filter(|line| line.starts_with(LOG_DIR)).cloned().collect()
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?}").unwrap();
        }
    }
}

impl tracing::Subscriber for Told {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Starts anew, and gives what was told of the directory.
fn restart(fixture: &mut Fixture) -> Vec<String> {
    let told = Told::default();
    // With one subscriber alone, tracing asks the thread that comes by first whether it wants a message, and keeps the answer:
    // another test's thread wants none.
    let _second = tracing::Dispatch::new(Told::default());
    tracing::subscriber::with_default(told.clone(), || fixture.restart());
    told.of_directory()
}

#[test]
fn a_start_tells_how_many_logs_there_are_and_what_was_cut() {
    let mut fixture = Fixture::new();
    fixture.create_topic("events", 3);
    for index in 0..3 {
        for value in [b"first", b"other"] {
            assert_eq!(fixture.produce(&fixture.admin, "events", index, value).0, 0);
        }
    }
    fixture.disk.kill_process();
    let log = Path::new(LOG_DIR).join("events-1/00000000000000000000.log");
    let batch = ottla_machine::Disk::file_len(&fixture.disk, &log).unwrap() / 2;
    assert!(fixture.disk.flip_bit(&log, batch + 30, 2));
    let told = restart(&mut fixture);
    assert_eq!(
        told[0],
        "/data: opening 3 logs: the last stop was not clean, and what may not have been on disk is checked"
    );
    let cut = format!(
        "/data/events-1/00000000000000000000.log: cut at byte {batch}: {batch} bytes from offset 1 on are gone: "
    );
    assert!(told[1].starts_with(&cut), "{told:?}");
    assert_eq!(
        told[2..],
        ["/data: 3 of 3 logs are open after 0.0 s; 3 segments were checked, 1 cut, 0 logs stay offline"]
    );
    fixture.stop();
    fixture.disk.kill_process();
    let told = restart(&mut fixture);
    assert_eq!(told[0], "/data: opening 3 logs: the last stop was clean, and nothing is to be checked");
    assert!(told[1].contains("0 segments were checked, 0 cut"), "{told:?}");
}

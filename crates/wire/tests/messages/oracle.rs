//! Every message in every version, from bytes made of its schema: this crate reads and writes them unchanged, and so does
//! `kafka-wire`, as far as it knows the message and the version. What it does not know stands here by name.

use crate::generate::{self, Random, Style};
use crate::schema::{Kind, Schema};
use crate::theirs::Theirs;
use std::collections::BTreeMap;

/// Messages of each style `Any` for each version.
const ROUNDS: u64 = 24;

/// Versions of messages of the protocol that `kafka-wire` 0.1.0 lacks: Kafka 4.4 is newer.
const NOT_IN_KAFKA_WIRE: &[(&str, i16)] =
    &[UNFINISHED_IN_KAFKA_WIRE, ("UnregisterControllerRequest", 0), ("UnregisterControllerResponse", 0)];

/// `kafka-wire` 0.1.0 was made before Kafka 4.4 finished this version: the field AssignorName came last.
const UNFINISHED_IN_KAFKA_WIRE: (&str, i16) = ("StreamsGroupDescribeResponse", 1);

/// Messages between clients and nodes, and what travels within them, which `kafka-wire` has; the records of the internal
/// topics it has not: they are held against Kafka's own files in `logs`.
fn is_protocol(folder: &str, schema: &Schema) -> bool {
    folder == "api"
        || matches!(schema.kind, Kind::Data)
            && !matches!(schema.name.as_str(), "ProducerSnapshot" | "QuorumStateData" | "KRaftVersionRecord")
}

/// Bytes of one style or seed each, with a name for them.
fn samples(schema: &Schema, version: i16) -> impl Iterator<Item = (String, Vec<u8>)> {
    let seed = schema.name.bytes().fold(version as u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let fixed = [Style::Least, Style::Default, Style::Greatest].into_iter().map(|style| (style, 0));
    fixed.chain((0..ROUNDS).map(|round| (Style::Any, round))).map(move |(style, round)| {
        let mut random = Random::new(seed ^ (round << 48));
        (format!("{style:?} {round}"), generate::message(schema, version, style, &mut random))
    })
}

#[test]
fn every_message_comes_back_byte_by_byte() {
    let ours = crate::ours::all();
    let schemas = crate::schemas();
    assert_eq!(schemas.len(), ours.len(), "every schema is a message");
    let mut failures = Vec::new();
    for (_, schema) in &schemas {
        let our = ours[schema.name.as_str()];
        assert_eq!((our.versions.low, our.versions.high), (schema.versions.low, schema.versions.high));
        for version in schema.versions.low..=schema.versions.high {
            let outcome = samples(schema, version).find_map(|(sample, bytes)| {
                let again = (our.again)(&bytes, version);
                (again.as_ref() != Ok(&bytes)).then(|| difference(schema, version, &sample, &bytes, &again))
            });
            failures.extend(outcome);
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn kafka_wire_reads_the_same_bytes_and_writes_them_again() {
    let theirs = crate::theirs::all();
    let schemas = crate::schemas();
    let mut failures = Vec::new();
    let mut unknown = Vec::new();
    let mut compared = 0;
    for (_, schema) in schemas.iter().filter(|(folder, schema)| is_protocol(folder, schema)) {
        for version in schema.versions.low..=schema.versions.high {
            let Some(their) = knows(&theirs, schema, version) else {
                unknown.push((schema.name.as_str(), version));
                continue;
            };
            compared += 1;
            let outcome = samples(schema, version).find_map(|(sample, bytes)| {
                let again = (their.again)(&bytes, version);
                (again.as_ref() != Ok(&bytes)).then(|| difference(schema, version, &sample, &bytes, &again))
            });
            failures.extend(outcome);
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    assert_eq!(unknown, NOT_IN_KAFKA_WIRE, "what kafka-wire lacks");
    assert!(compared > 500, "{compared} pairs of message and version");
}

fn knows<'t>(theirs: &'t BTreeMap<&str, Theirs>, schema: &Schema, version: i16) -> Option<&'t Theirs> {
    let unfinished = (schema.name.as_str(), version) == UNFINISHED_IN_KAFKA_WIRE;
    theirs.get(schema.name.as_str()).filter(|their| (their.supports)(version) && !unfinished)
}

fn difference(
    schema: &Schema,
    version: i16,
    sample: &str,
    bytes: &[u8],
    again: &Result<Vec<u8>, impl std::fmt::Debug>,
) -> String {
    let name = &schema.name;
    match again {
        Err(error) => format!("{name} {version}, sample {sample}: {error:?}, {} bytes: {}", bytes.len(), hex(bytes, 0)),
        Ok(again) => {
            let at = bytes.iter().zip(again).position(|(a, b)| a != b).unwrap_or(bytes.len().min(again.len()));
            format!(
                "{name} {version}, sample {sample}: {} bytes became {}, different from {at}:\n  {}\n  {}",
                bytes.len(),
                again.len(),
                hex(bytes, at),
                hex(again, at)
            )
        }
    }
}

/// Some bytes around a place.
fn hex(bytes: &[u8], at: usize) -> String {
    let from = at.saturating_sub(16).min(bytes.len());
    bytes[from..].iter().take(120).map(|byte| format!("{byte:02x}")).collect()
}

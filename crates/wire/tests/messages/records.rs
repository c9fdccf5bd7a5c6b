//! Messages that `kafka-wire` lacks, in bytes that Apache Kafka 4.4.0's own classes read and wrote: they come back here too.
//! See `captured/records/README.md`.

use crate::schema::Kind;
use std::collections::BTreeSet;

const RECORDS: &str = include_str!("../captured/records/records.txt");

fn bytes_of(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Message, version and bytes.
pub fn all() -> impl Iterator<Item = (&'static str, i16, Vec<u8>)> {
    RECORDS.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        (words[0], words[1].parse().unwrap(), bytes_of(words[2]))
    })
}

#[test]
fn what_kafka_wrote_comes_back() {
    let ours = crate::ours::all();
    for (name, version, bytes) in all() {
        assert_eq!((ours[name].again)(&bytes, version).as_ref(), Ok(&bytes), "{name} {version}");
    }
}

#[test]
fn every_record_of_kafka_has_such_bytes() {
    let held: BTreeSet<(&str, i16)> = all().map(|(name, version, _)| (name, version)).collect();
    for (_, schema) in crate::schemas() {
        if matches!(schema.kind, Kind::Record | Kind::Key | Kind::Value) {
            for version in schema.versions.low..=schema.versions.high {
                assert!(held.contains(&(schema.name.as_str(), version)), "{} {version}", schema.name);
            }
        }
    }
}

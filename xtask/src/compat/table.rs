//! `docs/compatibility.md`, written from the results: a row for each capability, a column for each client, and in
//! each cell what it did with Ottla and with Apache Kafka.

use super::node::Side;
use super::results::Results;
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::path::Path;

/// All checks with what each shows, in the table's order.
const CAPABILITIES: &[(&str, &str)] = &[
    ("create-topic", "create a topic with three partitions and a setting; once more is refused"),
    ("describe-topics", "partitions, leader, replicas, in-sync replicas"),
    ("create-partitions", "grow a topic, use the new partition; shrinking is refused"),
    ("delete-records", "cut a partition's beginning off"),
    ("delete-topic", "delete a topic; once more is refused"),
    ("auto-create", "produce to a topic that is not there"),
    ("produce-keys", "keys choose the partition; records without key"),
    ("headers", "headers in order, several of one key, null and empty values where the client has them"),
    ("tombstone", "null values in a compacted topic"),
    ("compression-none", "500 records, uncompressed"),
    ("compression-gzip", "500 records, gzip"),
    ("compression-snappy", "500 records, snappy"),
    ("compression-lz4", "500 records, lz4"),
    ("compression-zstd", "500 records, zstd"),
    ("acks-0", "produce without waiting for an answer"),
    ("acks-1", "produce, acknowledged by the leader"),
    ("acks-all", "produce, acknowledged by all in-sync replicas"),
    ("idempotent", "many small batches of an idempotent producer: in order, once"),
    ("large-message", "900 KB through a consumer that asks for less"),
    ("consume-beginning", "consume from the beginning"),
    ("consume-offset", "consume from an offset"),
    ("consume-time", "find an offset by time, consume from there"),
    ("commit-resume", "commit with a note, leave, come back, go on"),
    ("group-rebalance", "two members, a third joins and is killed: every record is seen"),
    ("cooperative", "cooperative rebalancing: only what moves is revoked"),
    ("static-member", "a member with an instance id returns without a rebalance"),
    ("groups-admin", "list, describe, delete groups; a group with members cannot be deleted"),
    ("group-offsets", "set, read and delete a group's offsets"),
    ("list-offsets", "earliest, latest, by time, largest timestamp where the client has it"),
    ("describe-configs", "settings of topics and brokers"),
    ("alter-configs", "change and reset a topic's setting; a bad value is refused"),
    ("describe-cluster", "cluster id, nodes, controller"),
    ("acls", "create, describe, delete an ACL"),
    ("log-dirs", "log directories and their sizes"),
    ("describe-producers", "active producers of a partition"),
    ("describe-quorum", "the metadata quorum"),
    ("elect-leaders", "elections that are not needed, and of what is not there"),
    ("reassign-partitions", "to where it lies, to no such broker, and a cancellation of nothing"),
    ("update-features", "a dry run; a downgrade across a change of the metadata is refused"),
    ("unregister-nodes", "brokers and controllers that are not there; the active controller stays"),
    ("raft-voters", "the only voter stays"),
    ("error-unknown-topic", "describing an unknown topic fails and creates nothing"),
    ("error-too-large", "a record above max.message.bytes is refused"),
    ("error-invalid-topic", "an invalid topic name is refused"),
    ("transactional-refused", "a transactional producer is refused for good (until transactions are there)"),
];

pub(crate) fn write(results: &Results, path: &Path) -> Result<()> {
    std::fs::write(path, render(results)).with_context(|| format!("cannot write {}", path.display()))
}

fn render(results: &Results) -> String {
    let versions = super::install::versions();
    let side = |side| results.version(side).map_or("not run yet".to_string(), str::to_owned);
    let mut page = format!(
        "# Compatibility

Unmodified clients, run by `cargo xtask compat` against Ottla and, with `--against kafka`, against Apache Kafka, with
the same checks and the same properties file. This page is written by the run; do not edit it.

Ottla: {}. Apache Kafka: {}.

Each cell: **Ottla Kafka**. ✓ passed, ✗ failed, · not run, – the client has no words for it.

| |",
        side(Side::Ottla),
        side(Side::Kafka)
    );
    for (name, version, language) in &versions {
        let _ = write!(page, " {name} {version} ({language}) |");
    }
    page.push_str("\n|---|");
    page.push_str(&"---|".repeat(versions.len()));
    page.push('\n');
    for (check, _) in CAPABILITIES {
        let _ = write!(page, "| {check} |");
        for (client, _, _) in &versions {
            let _ = write!(page, " {} |", cell(results, client, check));
        }
        page.push('\n');
    }
    page.push_str("\n## What each check shows\n\n");
    for (check, meaning) in CAPABILITIES {
        let _ = writeln!(page, "- **{check}**: {meaning}");
    }
    page
}

fn cell(results: &Results, client: &str, check: &str) -> String {
    let said = |side| results.passed(side, client, check);
    if said(Side::Ottla).is_none() && said(Side::Kafka).is_none() {
        let ran = results.ran(Side::Ottla, client) || results.ran(Side::Kafka, client);
        return if ran { "–" } else { "·" }.to_string();
    }
    let sign = |side| match said(side) {
        Some(true) => "✓",
        Some(false) => "✗",
        None => "·",
    };
    format!("{} {}", sign(Side::Ottla), sign(Side::Kafka))
}

#[cfg(test)]
mod tests {
    use super::super::results::{Check, Outcome};
    use super::*;

    #[test]
    fn a_cell_tells_both_sides_apart() {
        let check = |name: &str, ok| Check { name: name.to_string(), ok, detail: String::new() };
        let path = std::env::temp_dir().join("ottla-no-such-results.json");
        let mut results = Results::read(&path).unwrap();
        let checks = vec![check("acls", true), check("headers", true)];
        results.record(Side::Kafka, "4.4.0", &[Outcome { client: "sarama", checks }]);
        let checks = vec![check("acls", false)];
        results.record(Side::Ottla, "0.1.0", &[Outcome { client: "sarama", checks }]);
        assert_eq!(cell(&results, "sarama", "acls"), "✗ ✓");
        assert_eq!(cell(&results, "sarama", "headers"), "· ✓");
        assert_eq!(cell(&results, "sarama", "cooperative"), "–");
        assert_eq!(cell(&results, "kcat", "acls"), "·");
    }
}

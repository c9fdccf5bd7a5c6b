//! The `ottla` binary: one command per file, under Kafka's names.

fn main() {}

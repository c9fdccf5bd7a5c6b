//! The messages of this crate against everything that is not this crate: bytes made from the schemas, the `kafka-wire`
//! crate, frames and files of Apache Kafka, and hostile input.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects")]

mod frames;
mod generate;
mod hostile;
mod logs;
mod oracle;
mod ours;
mod records;
mod theirs;

#[allow(dead_code, reason = "the parser is the code generator's, which needs more of it")]
#[path = "../../../../xtask/src/codegen/schema.rs"]
mod schema;

/// All schemas, with the folders that they lie in.
fn schemas() -> Vec<(String, schema::Schema)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    schema::read_all(&root).expect("the schemas can be read")
}

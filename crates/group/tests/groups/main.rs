//! The group coordinator's behaviour as transcripts of requests, answers and state, one file for each operation.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod admin;
mod expiration;
mod heartbeat;
mod join;
mod kafka_directory;
mod leave;
mod lifecycle;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod render;
mod replay;
mod requests;
mod static_members;
mod sync;
mod transcript;
mod versions;

//! A whole node on a disk in memory and a clock that the test moves: requests as frames, jobs and the controller's steps
//! run when the test says so.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod acls;
mod cleaner;
mod configs;
mod crashes;
mod directories;
mod features;
mod fetches;
mod full_disk;
mod groups;
mod harness;
mod host;
mod quotas;
mod recovery;
mod retention;
mod scram;
mod scrub;
mod synced_acks;

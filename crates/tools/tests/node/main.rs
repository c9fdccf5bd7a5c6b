//! The binary as a process, treated badly: broken bytes, crowds, kills, stops. Each test starts nodes of its own on ports
//! that the system chooses, and watches what a user would see: answers, files, memory, exit codes, the log.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod client;
mod crowds;
mod frames;
mod kills;
mod limits;
mod process;
mod produce_errors;
mod quotas;
mod starts;
mod stops;
mod threads;

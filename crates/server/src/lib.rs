//! The node as a program: configuration, storage, listeners, start and stop.

mod admission;
mod budget;
mod cleaners;
pub mod config;
mod connection;
mod doors;
mod host;
mod io_threads;
mod jobs;
mod listen;
mod patience;
mod run;
mod settings;
pub mod storage;
mod tls;

pub use run::{RunError, Running, start};

//! The node as a program: configuration, listeners, start and stop.

pub mod config;

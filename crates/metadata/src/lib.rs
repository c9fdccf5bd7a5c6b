//! Cluster metadata: the image that a broker knows, and the controller that decides what it becomes. Both are machines:
//! records in, state out; time, randomness and the log are arguments.

pub mod config_defs;
pub mod controller;
pub mod features;
pub mod framing;
pub mod image;

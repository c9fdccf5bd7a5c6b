//! tokio around the sessions: connections, the nodes of a cluster, and what programs call.

pub mod admin;
mod connection;
pub mod consumer;
mod meter;
pub mod network;
pub mod producer;
pub mod reply;
mod tls;

//! Kafka's clients for Rust programs. `session` decides, knowing no socket and no clock; `shell` is tokio around it.

pub mod config;
pub mod error;
pub mod session;
pub mod shell;

pub use config::ClientConfig;
pub use error::{ClientError, Result};
pub use shell::admin::Admin;
pub use shell::network::{Network, Target};
pub use shell::reply::Reply;

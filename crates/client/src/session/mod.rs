//! What a client decides, without a socket or a clock.

pub mod assignors;
pub mod batches;
pub mod cluster;
pub mod error_texts;
pub mod fetch_session;
pub mod fetched;
pub mod metrics;
pub mod partitioner;
pub mod sticky;

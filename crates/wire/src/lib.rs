//! Kafka's bytes: messages, frames, record batches, error codes, and the records of the internal topics.

pub mod batch;

//! How much clients may take: bytes and time by user and client id (KIP-13, KIP-55, KIP-124), and partitions that they
//! make and remove (KIP-599).
//!
//! These are machines: who is limited to what is set from outside, the time is an argument, and what comes back is how
//! long a client is to wait. Nobody is made to wait here. Only who has a limit is counted, and who is quiet for an hour is
//! forgotten, so that memory is bounded by the limited clients of an hour.

mod bucket;
mod client;
mod limits;
mod meters;
mod mutations;
mod rate;

pub use client::ClientQuota;
pub use limits::{Limits, Whom};
pub use mutations::MutationQuota;
pub use rate::{Rate, Window};

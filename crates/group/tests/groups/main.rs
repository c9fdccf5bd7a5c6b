//! The group coordinator's behaviour as transcripts of requests, answers and state, one file for each operation.

mod join;
mod render;
mod requests;
mod transcript;

//! Cluster metadata: the image a broker knows, and the controller that decides what it becomes.

pub mod config_defs;

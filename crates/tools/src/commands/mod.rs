//! The commands, one file each.

pub(crate) mod acls;
pub(crate) mod broker_api_versions;
pub(crate) mod client_metrics;
pub(crate) mod cluster;
pub(crate) mod configs;
pub(crate) mod console_consumer;
pub(crate) mod console_producer;
pub(crate) mod consumer_groups;
pub(crate) mod consumer_perf;
pub(crate) mod delete_records;
pub(crate) mod dump_log;
pub(crate) mod e2e_latency;
pub(crate) mod features;
pub(crate) mod get_offsets;
pub(crate) mod groups;
pub(crate) mod jmx;
pub(crate) mod later;
pub(crate) mod leader_election;
pub(crate) mod log;
pub(crate) mod log_dirs;
pub(crate) mod metadata_quorum;
pub(crate) mod metadata_shell;
pub(crate) mod producer_perf;
pub(crate) mod reassign_partitions;
pub(crate) mod replica_verification;
pub(crate) mod server_start;
pub(crate) mod server_stop;
pub(crate) mod storage;
pub(crate) mod tail;
pub(crate) mod top;
pub(crate) mod topics;
pub(crate) mod verifiable;
pub(crate) mod without;

use anyhow::{Context, Result};
use ottla_server::config::{InvalidConfig, NodeConfig, Properties, with_provided_values};
use std::path::Path;

/// Reads a properties file.
fn properties(path: &Path) -> Result<Properties> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Properties::parse(&bytes).with_context(|| path.display().to_string())
}

/// Checks a configuration; what it warns of goes to the log.
fn load(properties: &Properties) -> Result<NodeConfig> {
    let properties = with_provided_values(properties).map_err(|mistakes| InvalidConfig { mistakes })?;
    let loaded = NodeConfig::load(&properties)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    for note in &loaded.notes {
        tracing::info!("{note}");
    }
    Ok(loaded.config)
}

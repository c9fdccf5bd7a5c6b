//! What Kafka's own `dump-log` says of what both sides have written: every batch and record, every metadata record, and
//! that each partition lies in the directory that the metadata names (KIP-858).

use super::side::Home;
use super::turns::kept_files;
use crate::compat::{Work, kafka_tool_output};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(super) fn check(work: &Work, home: &Home) -> Result<()> {
    let names: Vec<String> = kept_files(home)?.iter().map(|path| path.display().to_string()).collect();
    let told = kafka_tool_output(work, &["dump-log", "--deep-iteration", "--files", &names.join(",")])?;
    let shown = told.lines().filter(|line| line.contains("isvalid: true") || line.contains("crc:")).count();
    ensure!(shown > 0, "dump-log shows no batch:\n{told}");
    ensure!(!told.contains("isvalid: false") && !told.contains("Found"), "dump-log finds fault:\n{told}");

    let metadata = home.log_dirs()[0].join("__cluster_metadata-0").join(format!("{:020}.log", 0));
    let file = metadata.display().to_string();
    let told = kafka_tool_output(work, &["dump-log", "--cluster-metadata-decoder", "--files", &file])?;
    ensure!(told.contains("REGISTER_BROKER_RECORD") && told.contains("LeaderChange"), "dump-log:\n{told}");
    ensure!(!told.contains("Could not") && !told.contains("isvalid: false"), "dump-log finds fault:\n{told}");
    let partitions = check_directories(home.log_dirs(), &told)?;
    println!("  dump-log has read {shown} batches and the metadata log; {partitions} partitions lie where it says");
    Ok(())
}

/// Compares the directory that the metadata names for each partition with where its folder is.
fn check_directories(log_dirs: &[std::path::PathBuf], dumped: &str) -> Result<usize> {
    let mut names = BTreeMap::new();
    let mut told: BTreeMap<(String, i64), String> = BTreeMap::new();
    for line in dumped.lines() {
        let Some((_, payload)) = line.split_once("payload: ") else { continue };
        let Ok(record) = serde_json::from_str::<Value>(payload) else { continue };
        let (data, kind) = (&record["data"], record["type"].as_str().unwrap_or_default());
        let id = || data["topicId"].as_str().unwrap_or_default().to_owned();
        match kind {
            "TOPIC_RECORD" => drop(names.insert(id(), data["name"].as_str().unwrap_or_default().to_owned())),
            "PARTITION_RECORD" | "PARTITION_CHANGE_RECORD" => {
                if let Some(directory) = data["directories"].as_array().and_then(|all| all.first()?.as_str()) {
                    let index = data["partitionId"].as_i64().unwrap_or_default();
                    told.insert((id(), index), directory.to_owned());
                }
            }
            _ => {}
        }
    }
    let ids: Vec<String> = log_dirs.iter().map(|dir| directory_id(dir)).collect::<Result<_>>()?;
    let mut used = BTreeSet::new();
    for ((topic, index), directory) in &told {
        let name = names.get(topic).with_context(|| format!("a partition of {topic}, which is no topic"))?;
        let at = ids.iter().position(|id| id == directory);
        let at = at.with_context(|| format!("{name}-{index} is told to lie in {directory}; there are {ids:?}"))?;
        used.insert(at);
        for (place, dir) in log_dirs.iter().enumerate() {
            // Ottla makes no folder for a partition without records, so only one in the wrong place is a fault.
            let found = dir.join(format!("{name}-{index}")).exists();
            ensure!(place == at || !found, "{name}-{index} lies in {}, and {} is told", dir.display(), ids[at]);
        }
    }
    ensure!(used.len() == log_dirs.len(), "only one directory is used: {told:?}");
    Ok(told.len())
}

fn directory_id(log_dir: &Path) -> Result<String> {
    let text = std::fs::read_to_string(log_dir.join("meta.properties"))?;
    let id = text.lines().find_map(|line| line.strip_prefix("directory.id="));
    // Kafka's properties escape nothing that an id may hold.
    Ok(id.with_context(|| format!("{} has no id", log_dir.display()))?.to_owned())
}

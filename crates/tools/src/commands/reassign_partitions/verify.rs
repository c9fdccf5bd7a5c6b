//! How far moves are, and the end of their throttles.

use super::plan::{Plan, TopicPartition, shown};
use super::throttles;
use crate::cli::{Done, say, say_either, say_json, speaks_json};
use crate::cluster::joined;
use ottla_client::shell::admin::replica_log_dirs::{Replica, ReplicaDirs};
use ottla_client::{Admin, ClientError};
use ottla_wire::ErrorCode;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn run(admin: &Admin, file: &str, preserve_throttles: bool) -> Done {
    let plan = Plan::read(file)?;
    let ongoing = admin.list_partition_reassignments(None).await?;
    let mut present = BTreeMap::new();
    let waiting: BTreeSet<&String> =
        plan.partitions.iter().filter(|(place, _)| !ongoing.contains_key(place)).map(|((topic, _), _)| topic).collect();
    for topic in waiting {
        present.extend(replicas_of(admin, topic).await?);
    }
    say("Status of partition reassignment:");
    let targets: BTreeMap<&TopicPartition, &Vec<i32>> = plan.partitions.iter().map(|(place, to)| (place, to)).collect();
    for (place, target) in targets {
        let name = shown(place);
        let current = present.get(place).map_or(&[][..], Vec::as_slice);
        let state = match ongoing.contains_key(place) {
            true => "in progress",
            false if current == target.as_slice() => "completed",
            false => "not under way",
        };
        let words = match ongoing.contains_key(place) {
            true => format!("Reassignment of partition {name} is still in progress."),
            false if current == target.as_slice() => format!("Reassignment of partition {name} is completed."),
            false => format!(
                "There is no active reassignment of partition {name}, but replica set is {} rather than {}.",
                joined(current),
                joined(target)
            ),
        };
        say_either(&words, || json!({ "topic": place.0, "partition": place.1, "state": state, "replicas": current }));
    }
    let states = log_dir_states(admin, &plan.log_dirs).await?;
    if speaks_json() {
        for ((broker, topic, index), state) in &states {
            say_json(&json!({ "topic": topic, "partition": index, "broker": broker, "logDir": state.name() }));
        }
    } else {
        let lines: Vec<_> = states.iter().map(|(replica, state)| state.line(replica)).collect();
        say(&lines.join("\n"));
    }
    let is_done = ongoing.is_empty() && states.values().all(LogDirState::is_done);
    if is_done && !preserve_throttles {
        throttles::clear(admin, &plan.partitions).await?;
    }
    Ok(())
}

/// A topic's partitions and their replicas; none where there is no such topic.
async fn replicas_of(admin: &Admin, topic: &str) -> Result<BTreeMap<TopicPartition, Vec<i32>>, ClientError> {
    let described = match admin.describe_topics(&[topic], 2000).await {
        Err(error) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => Vec::new(),
        described => described?,
    };
    let partitions = described.into_iter().flat_map(|topic| {
        let name = topic.name;
        topic.partitions.into_iter().map(move |one| ((name.clone(), one.partition.index), one.partition.replicas))
    });
    Ok(partitions.collect())
}

/// How far a replica is on its way to another directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LogDirState {
    /// No directory that is online has it.
    Missing,
    Active {
        current: String,
        future: String,
        target: String,
    },
    Elsewhere {
        current: String,
        target: String,
    },
    Completed,
}

impl LogDirState {
    fn of(dirs: &ReplicaDirs, target: &str) -> Self {
        let target = target.to_owned();
        match (dirs.current.clone(), dirs.future.clone()) {
            (None, _) => Self::Missing,
            (Some(current), None) if current == target => Self::Completed,
            (Some(current), None) => Self::Elsewhere { current, target },
            (Some(current), Some(future)) => Self::Active { current, future, target },
        }
    }

    const fn is_done(&self) -> bool {
        matches!(self, Self::Elsewhere { .. } | Self::Completed)
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Active { .. } => "in progress",
            Self::Elsewhere { .. } => "not under way",
            Self::Completed => "completed",
        }
    }

    fn line(&self, (broker, topic, index): &Replica) -> String {
        match self {
            Self::Missing => format!(
                "Partition {topic}-{index} is not found in any live log dir on broker {broker}. There is likely an \
                 offline log directory on the broker."
            ),
            Self::Active { future, target, .. } if future == target => {
                format!("Reassignment of replica {topic}-{index}-{broker} is still in progress.")
            }
            Self::Active { future, target, .. } => format!(
                "Partition {topic}-{index} on broker {broker} is being moved to log dir {future} instead of {target}."
            ),
            Self::Elsewhere { current, target } => format!(
                "Partition {topic}-{index} on broker {broker} is not being moved from log dir {current} to {target}."
            ),
            Self::Completed => format!("Reassignment of replica {topic}-{index}-{broker} completed successfully."),
        }
    }
}

pub(super) async fn log_dir_states(
    admin: &Admin,
    targets: &BTreeMap<Replica, String>,
) -> Result<BTreeMap<Replica, LogDirState>, ClientError> {
    let replicas: Vec<Replica> = targets.keys().cloned().collect();
    let dirs = admin.describe_replica_log_dirs(&replicas).await?;
    let state = |(replica, target): (&Replica, &String)| {
        let known = dirs.get(replica).cloned().unwrap_or_default();
        (replica.clone(), LogDirState::of(&known, target))
    };
    Ok(targets.iter().map(state).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_on_its_way_is_told_from_one_that_is_there() {
        let dirs = |current: Option<&str>, future: Option<&str>| ReplicaDirs {
            current: current.map(str::to_owned),
            future: future.map(str::to_owned),
        };
        let line = |dirs: &ReplicaDirs| LogDirState::of(dirs, "/b").line(&(1, "t".to_owned(), 0));
        assert_eq!(line(&dirs(Some("/b"), None)), "Reassignment of replica t-0-1 completed successfully.");
        assert_eq!(
            line(&dirs(Some("/a"), None)),
            "Partition t-0 on broker 1 is not being moved from log dir /a to /b."
        );
        assert_eq!(line(&dirs(Some("/a"), Some("/b"))), "Reassignment of replica t-0-1 is still in progress.");
        assert!(line(&dirs(Some("/a"), Some("/c"))).ends_with("is being moved to log dir /c instead of /b."));
        assert!(line(&dirs(None, None)).starts_with("Partition t-0 is not found in any live log dir on broker 1."));
        assert!(!LogDirState::of(&dirs(Some("/a"), Some("/b")), "/b").is_done());
    }
}

//! Begins moves, and ends what is under way.

use super::plan::{self, Plan, TopicPartition, shown};
use super::throttles::{self, plural};
use super::verify::{LogDirState, log_dir_states};
use super::{listed_errors, wrong};
use crate::cli::{Done, Failure, Parsed, say, say_either, say_raw, speaks_json};
use ottla_client::shell::admin::reassignments::ReplicationFactor;
use ottla_client::shell::admin::replica_log_dirs::Replica;
use ottla_client::shell::network::Topics;
use ottla_client::{Admin, ClientError};
use ottla_wire::ErrorCode;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a move that cannot begin yet is left alone.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn run(admin: &Admin, file: &str, parsed: &Parsed) -> Done {
    let (between_brokers, between_dirs) =
        (parsed.long("throttle")?.unwrap_or(-1), parsed.long("replica-alter-log-dirs-throttle")?.unwrap_or(-1));
    let timeout = parsed.long("timeout")?.unwrap_or_default();
    let plan = Plan::read(file)?;
    let proposed = plan.checked()?;
    let ongoing = admin.list_partition_reassignments(None).await?;
    if !parsed.has("additional") && !ongoing.is_empty() {
        return Err(Failure::told(
            "Cannot execute because there is an existing partition assignment.  Use --additional to override this and \
             create a new partition assignment in addition to the existing one. The --additional flag can also be used \
             to change the throttle by resubmitting the current reassignment.",
        ));
    }
    let cluster = admin.cluster("describeCluster", Topics::None).await?;
    let named: BTreeSet<i32> = proposed.values().flatten().copied().collect();
    if let Some(unknown) = named.iter().find(|id| !cluster.nodes.contains_key(id)) {
        return Err(wrong(format!("Unknown broker id {unknown}")));
    }
    let current = current(admin, &proposed).await?;
    let dirs = current_dirs(admin, &current).await?;
    let present = plan::write(&current, &dirs);
    let words = format!(
        "Current partition replica assignment\n\n{present}\n\nSave this to use as the --reassignment-json-file option \
         during rollback",
    );
    say_either(&words, || plan::object("current", &present));
    if between_brokers >= 0 || between_dirs >= 0 {
        say(
            "Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is removed.",
        );
    }
    if between_brokers >= 0 {
        let moves = throttles::moves(&ongoing, &proposed, &current);
        throttles::bound_brokers(admin, &moves, between_brokers).await?;
    }
    if between_dirs >= 0 {
        throttles::bound_log_dirs(admin, plan.log_dirs.keys(), between_dirs).await?;
    }
    let factor = match parsed.has("disallow-replication-factor-change") {
        true => ReplicationFactor::Stays,
        false => ReplicationFactor::MayChange,
    };
    let moves: Vec<_> = proposed.iter().map(|(place, replicas)| (place.clone(), Some(replicas.clone()))).collect();
    let errors = failed(admin.alter_partition_reassignments(&moves, factor).await?);
    if !errors.is_empty() {
        return Err(Failure::told(format!("Error reassigning partition(s):\n{}", listed_errors(&errors))));
    }
    let names: Vec<_> = proposed.keys().map(shown).collect();
    let words = format!("Successfully started partition reassignment{} for {}", plural(names.len()), names.join(","));
    say_either(&words, || json!({ "started": names }));
    move_dirs(admin, plan.log_dirs, timeout).await
}

pub(super) async fn cancel(admin: &Admin, file: &str, parsed: &Parsed) -> Done {
    let timeout = parsed.long("timeout")?.unwrap_or_default();
    let plan = Plan::read(file)?;
    let named: BTreeSet<TopicPartition> = plan.partitions.iter().map(|(place, _)| place.clone()).collect();
    let named: Vec<TopicPartition> = named.into_iter().collect();
    let ongoing = admin.list_partition_reassignments(Some(&named)).await?;
    let names: Vec<_> = ongoing.keys().map(shown).collect();
    if ongoing.is_empty() {
        say("None of the specified partition reassignments are active.");
    } else {
        let ends: Vec<_> = ongoing.into_keys().map(|place| (place, None)).collect();
        let errors = failed(admin.alter_partition_reassignments(&ends, ReplicationFactor::MayChange).await?);
        if !errors.is_empty() {
            return Err(Failure::told(format!(
                "Error cancelling partition reassignment{} for:\n{}",
                plural(errors.len()),
                listed_errors(&errors)
            )));
        }
        let words =
            format!("Successfully cancelled partition reassignment{} for: {}", plural(names.len()), names.join(","));
        say_either(&words, || json!({ "cancelled": names }));
    }
    // A replica that is told to go where it is goes nowhere else.
    let mut moving = BTreeMap::new();
    for (replica, state) in log_dir_states(admin, &plan.log_dirs).await? {
        if let LogDirState::Active { current, .. } = state {
            moving.insert(replica, current);
        }
    }
    if moving.is_empty() {
        let words = "None of the specified partition moves are active.";
        if speaks_json() { say(words) } else { say_raw(words) }
    } else {
        move_dirs(admin, moving, timeout).await?;
    }
    match parsed.has("preserve-throttles") {
        true => Ok(()),
        false => throttles::clear(admin, &plan.partitions).await,
    }
}

/// The partitions that were refused, and why.
fn failed(results: Vec<(TopicPartition, Result<(), ClientError>)>) -> Vec<(String, ClientError)> {
    let errors = results.into_iter().filter_map(|(place, result)| Some((place, result.err()?)));
    let errors: BTreeMap<TopicPartition, ClientError> = errors.collect();
    errors.into_iter().map(|(place, error)| (shown(&place), error)).collect()
}

/// The present replicas of these partitions; all of them must be there.
async fn current(
    admin: &Admin,
    wanted: &BTreeMap<TopicPartition, Vec<i32>>,
) -> Done<BTreeMap<TopicPartition, Vec<i32>>> {
    let topics: BTreeSet<&str> = wanted.keys().map(|(topic, _)| topic.as_str()).collect();
    let mut current = BTreeMap::new();
    for topic in topics {
        current.extend(assignment(admin, topic).await?.into_iter().filter(|(place, _)| wanted.contains_key(place)));
    }
    let mut missing: Vec<&TopicPartition> = wanted.keys().filter(|place| !current.contains_key(*place)).collect();
    if missing.is_empty() {
        return Ok(current);
    }
    crate::cluster::java_partition_order(&mut missing, |(topic, index)| (topic.as_str(), *index));
    let missing: Vec<_> = missing.into_iter().map(shown).collect();
    Err(unknown(format!("Unable to find partition: {}", missing.join(", "))))
}

fn unknown(message: String) -> Failure {
    Failure::Client(ottla_wire::ApiError::new(ErrorCode::UnknownTopicOrPartition, message).into())
}

/// A topic's partitions and their replicas.
pub(super) async fn assignment(admin: &Admin, topic: &str) -> Done<BTreeMap<TopicPartition, Vec<i32>>> {
    let described = match admin.describe_topics(&[topic], 2000).await {
        Err(error) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => {
            return Err(unknown(format!("Topic {topic} not found.")));
        }
        described => described?,
    };
    let partitions = described.into_iter().flat_map(|topic| topic.partitions);
    Ok(partitions.map(|one| ((topic.to_owned(), one.partition.index), one.partition.replicas)).collect())
}

/// Where the replicas lie, as far as their brokers are there to say it.
pub(super) async fn current_dirs(
    admin: &Admin,
    current: &BTreeMap<TopicPartition, Vec<i32>>,
) -> Done<BTreeMap<Replica, String>> {
    let cluster = admin.cluster("describeCluster", Topics::None).await?;
    let all = current
        .iter()
        .flat_map(|((topic, index), replicas)| replicas.iter().map(move |broker| (*broker, topic.clone(), *index)));
    let there: Vec<Replica> = all.filter(|(broker, ..)| cluster.nodes.contains_key(broker)).collect();
    let dirs = admin.describe_replica_log_dirs(&there).await?;
    Ok(dirs.into_iter().filter_map(|(replica, dirs)| Some((replica, dirs.current?))).collect())
}

/// Sends replicas to other directories. One that its broker does not have yet is asked for again until the time is over.
async fn move_dirs(admin: &Admin, mut waiting: BTreeMap<Replica, String>, timeout_ms: i64) -> Done {
    let deadline = Instant::now() + Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    let shown = |(broker, topic, index): &Replica| format!("{topic}-{index}-{broker}");
    if waiting.is_empty() {
        return Ok(());
    }
    loop {
        let mut begun: BTreeSet<Replica> = BTreeSet::new();
        for (replica, result) in admin.alter_replica_log_dirs(&waiting).await? {
            match result {
                Ok(()) => drop(begun.insert(replica)),
                Err(error) if error.code() == Some(ErrorCode::ReplicaNotAvailable) => {}
                Err(_) => return Err(wrong(format!("Failed to alter dir for {}", shown(&replica)))),
            }
        }
        for replica in begun {
            if let Some(dir) = waiting.remove(&replica) {
                let (broker, topic, index) = &replica;
                say(&format!(
                    "Successfully started moving log directory to {dir} for replica {topic}-{index} with broker {broker} "
                ));
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let names: Vec<_> = waiting.keys().map(shown).collect();
            return Err(Failure::told(format!(
                "Timed out before log directory move{} could be started for: {}",
                plural(names.len()),
                names.join(",")
            )));
        }
        sleep(PAUSE).await;
    }
}

//! `ottla consumer-groups --delete-offsets`, and how `--topic` names partitions.

use super::failed;
use crate::cli::{Done, Failure, Parsed, say, say_json, say_raw, speaks_json};
use ottla_client::shell::admin::offsets::TopicPartition;
use ottla_client::shell::network::Topics;
use ottla_client::{Admin, ClientError};
use ottla_wire::ErrorCode;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;

/// `topic:0,1,2`.
pub(super) fn with_partitions(text: &str) -> Done<Vec<TopicPartition>> {
    let parts: Vec<_> = text.split(':').collect();
    let [topic, partitions] = parts[..] else {
        return Err(Failure::usage(format!("Invalid topic arg '{text}', expected topic name and partitions")));
    };
    let number = |partition: &str| {
        partition
            .parse()
            .map(|partition| (topic.to_owned(), partition))
            .map_err(|_| Failure::usage(format!("Invalid partition '{partition}' specified in topic arg '{text}''")))
    };
    partitions.split(',').map(number).collect()
}

/// The partitions that a topic has.
pub(super) async fn partitions_of(admin: &Admin, topic: &str) -> Result<Vec<TopicPartition>, ClientError> {
    let cluster = admin.cluster("describeTopics", Topics::Named(&[topic])).await?;
    let known = cluster.topics.get(topic).ok_or_else(|| ClientError::from(ErrorCode::UnknownTopicOrPartition))?;
    ClientError::check(known.error_code, None)?;
    Ok(known.partitions.iter().map(|partition| (topic.to_owned(), partition.index)).collect())
}

pub(super) async fn delete(admin: &Admin, parsed: &Parsed) -> Done {
    let group = parsed.value("group")?.unwrap_or_default();
    let mut wanted = Vec::new();
    let mut results: BTreeMap<TopicPartition, Result<(), String>> = BTreeMap::new();
    for topic in parsed.values("topic") {
        if topic.contains(':') {
            wanted.extend(with_partitions(topic)?);
            continue;
        }
        match partitions_of(admin, topic).await {
            Ok(partitions) => wanted.extend(partitions),
            Err(error) => {
                results.insert((topic.to_owned(), -1), Err(format!("{}: {error}", error.class())));
            }
        }
    }
    let told = admin.delete_committed_offsets(group, &wanted).await;
    let first = match &told {
        Err(error) => Some(error.clone()),
        Ok(told) => told.values().find_map(|result| result.as_ref().err().cloned()),
    };
    match first.as_ref().map(|error| (error, error.code())) {
        None if speaks_json() => {}
        None => say(&format!("Request succeeded for deleting offsets from group {group}.")),
        Some((
            error,
            Some(
                ErrorCode::InvalidGroupId
                | ErrorCode::GroupIdNotFound
                | ErrorCode::GroupAuthorizationFailed
                | ErrorCode::NonEmptyGroup,
            ),
        )) => failed(&general(error)),
        Some((
            _,
            Some(
                ErrorCode::GroupSubscribedToTopic
                | ErrorCode::TopicAuthorizationFailed
                | ErrorCode::UnknownTopicOrPartition,
            ),
        )) => failed("Encountered some partition-level error, see the follow-up details."),
        Some((_, code)) => {
            let name = code.unwrap_or(ErrorCode::UnknownServerError).name();
            failed(&format!("Encountered some unknown error: {name}"));
        }
    }
    for place in wanted {
        let result = match &told {
            Err(error) => Err(error.clone()),
            Ok(told) => told.get(&place).cloned().unwrap_or_else(|| Err(ErrorCode::UnknownServerError.into())),
        };
        results.insert(place, result.map_err(|error| format!("{}: {error}", error.class())));
    }
    write(&results);
    Ok(())
}

/// The error's own text, whatever the broker added.
fn general(error: &ClientError) -> String {
    error.code().map_or_else(|| error.to_string(), |code| ClientError::from(code).to_string())
}

fn write(results: &BTreeMap<TopicPartition, Result<(), String>>) {
    let width = results.keys().map(|(topic, _)| topic.len()).max().unwrap_or(0).max(15);
    let mut page = format!("\n{:width$} {:10} {:15}", "TOPIC", "PARTITION", "STATUS");
    let mut rows: Vec<_> = results.iter().collect();
    rows.sort_by_key(|((topic, partition), _)| format!("{topic}{partition}"));
    if speaks_json() {
        for ((topic, partition), result) in rows {
            let partition = Some(*partition).filter(|partition| *partition >= 0);
            let error = result.as_ref().err();
            say_json(&json!({ "topic": topic, "partition": partition, "deleted": error.is_none(), "error": error }));
        }
        return;
    }
    for ((topic, partition), result) in rows {
        let partition = if *partition >= 0 { partition.to_string() } else { "-".to_owned() };
        let status = result.as_ref().map_or_else(|error| format!("Error: {error}"), |()| "Successful".to_owned());
        let _ = write!(page, "\n{topic:width$} {partition:10} {status:15}");
    }
    page.push('\n');
    say_raw(&page);
}

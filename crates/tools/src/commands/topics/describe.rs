//! `ottla topics --describe`.

use super::{matching, must_exist};
use crate::cli::{Done, Failure, Parsed, say_raw};
use crate::cluster::{java_map_order, joined};
use ottla_client::Admin;
use ottla_client::shell::admin::configs::{ConfigEntry, Resource, ResourceKind};
use ottla_client::shell::admin::topics::{PartitionDescription, TopicDescription};
use ottla_client::shell::network::Topics;
use ottla_wire::Uuid;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Kafka's default for `--partition-size-limit-per-response`.
pub(super) const PARTITIONS_PER_ANSWER: i32 = 2_000;

pub(super) async fn run(admin: &Admin, parsed: &Parsed) -> Done {
    let topics = chosen(admin, parsed).await?;
    let live: BTreeSet<i32> = admin.cluster("describeCluster", Topics::None).await?.nodes.keys().copied().collect();
    let mut page = String::new();
    for topic in &topics {
        let resource = Resource { kind: ResourceKind::Topic, name: topic.name.clone() };
        let mut configs = admin.describe_config(&resource, false).await?;
        java_map_order(&mut configs, |entry| &entry.name);
        if parsed.has("json") {
            let _ = writeln!(page, "{}", json(topic, &configs));
        } else {
            write_topic(&mut page, topic, &configs, parsed, &live);
        }
    }
    say_raw(&page);
    Ok(())
}

async fn chosen(admin: &Admin, parsed: &Parsed) -> Done<Vec<TopicDescription>> {
    let limit = parsed.int("partition-size-limit-per-response")?.unwrap_or(PARTITIONS_PER_ANSWER);
    let wanted = match parsed.value("topic-id")? {
        None => None,
        Some(text) => Some(text.parse::<Uuid>().map_err(|_| not_an_id(text))?),
    };
    let Some(id) = wanted.filter(|id| *id != Uuid::ZERO) else {
        let names = matching(admin, parsed).await?;
        must_exist(&names, parsed)?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        return Ok(admin.describe_topics(&names, limit).await?);
    };
    let cluster = admin.cluster("listTopics", Topics::All).await?;
    match cluster.topics.iter().find(|(_, topic)| topic.id == id) {
        Some((name, _)) => Ok(admin.describe_topics(&[name], limit).await?),
        None if parsed.has("if-exists") => Ok(Vec::new()),
        None => Err(Failure::told(format!("TopicId '{id}' does not exist as expected"))),
    }
}

fn not_an_id(text: &str) -> Failure {
    Failure::told(format!(
        "Input string `{text}` decoded as {} bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID",
        text.len() * 3 / 4
    ))
}

fn write_topic(
    page: &mut String,
    topic: &TopicDescription,
    configs: &[ConfigEntry],
    parsed: &Parsed,
    live: &BTreeSet<i32>,
) {
    let is_report = super::REPORTS.iter().any(|report| parsed.has(report));
    let overrides: Vec<_> = configs.iter().filter(|entry| !entry.is_default()).collect();
    let only_overridden = parsed.has("topics-with-overrides");
    if !is_report && (!only_overridden || !overrides.is_empty()) {
        let _ = write!(page, "Topic: {}", topic.name);
        if topic.id != Uuid::ZERO {
            let _ = write!(page, "\tTopicId: {}", topic.id);
        }
        let replicas = topic.partitions.first().map_or(0, |first| first.partition.replicas.len());
        let shown: Vec<_> = overrides
            .iter()
            .map(|entry| format!("{}={}", entry.name, entry.value.as_deref().unwrap_or("null")))
            .collect();
        let _ = writeln!(
            page,
            "\tPartitionCount: {}\tReplicationFactor: {replicas}\tConfigs: {}",
            topic.partitions.len(),
            shown.join(",")
        );
    }
    if only_overridden {
        return;
    }
    let min_in_sync = configs
        .iter()
        .find(|entry| entry.name == "min.insync.replicas")
        .and_then(|entry| entry.value.as_deref()?.parse().ok())
        .unwrap_or(1);
    for described in &topic.partitions {
        if !is_report || is_reported(described, parsed, live, min_in_sync) {
            write_partition(page, &topic.name, described);
        }
    }
}

fn is_reported(described: &PartitionDescription, parsed: &Parsed, live: &BTreeSet<i32>, min_in_sync: usize) -> bool {
    let partition = &described.partition;
    let in_sync = partition.in_sync.len();
    (parsed.has("under-replicated-partitions") && partition.replicas.len() > in_sync)
        || (parsed.has("unavailable-partitions") && partition.leader.is_none_or(|leader| !live.contains(&leader)))
        || (parsed.has("under-min-isr-partitions") && (partition.leader.is_none() || in_sync < min_in_sync))
        || (parsed.has("at-min-isr-partitions") && in_sync == min_in_sync)
}

fn write_partition(page: &mut String, topic: &str, described: &PartitionDescription) {
    let partition = &described.partition;
    let leader = partition.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string());
    let eligible = |ids: &Option<Vec<i32>>| ids.as_deref().map_or_else(|| "N/A".to_owned(), joined);
    let _ = writeln!(
        page,
        "\tTopic: {topic}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}\tElr: {}\tLastKnownElr: {}",
        partition.index,
        joined(&partition.replicas),
        joined(&partition.in_sync),
        eligible(&described.eligible_leaders),
        eligible(&described.last_known_eligible_leaders),
    );
}

fn json(topic: &TopicDescription, configs: &[ConfigEntry]) -> serde_json::Value {
    let partitions: Vec<_> = topic
        .partitions
        .iter()
        .map(|described| {
            serde_json::json!({
                "partition": described.partition.index,
                "leader": described.partition.leader,
                "replicas": described.partition.replicas,
                "isr": described.partition.in_sync,
                "elr": described.eligible_leaders,
                "lastKnownElr": described.last_known_eligible_leaders,
            })
        })
        .collect();
    let overrides: serde_json::Map<_, _> = configs
        .iter()
        .filter(|entry| !entry.is_default())
        .map(|entry| (entry.name.clone(), serde_json::json!(entry.value)))
        .collect();
    serde_json::json!({
        "topic": topic.name,
        "topicId": topic.id.to_string(),
        "configs": overrides,
        "partitions": partitions,
    })
}

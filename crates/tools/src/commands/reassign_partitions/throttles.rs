//! The bounds that moves are held to: rates of brokers, and the replicas of topics that the rates are for (KIP-73).

use super::plan::TopicPartition;
use crate::cli::{Done, say};
use crate::cluster::{java_map_order, joined};
use ottla_client::shell::admin::configs::{ConfigChange, Resource, ResourceKind};
use ottla_client::shell::admin::reassignments::OngoingReassignment;
use ottla_client::shell::admin::replica_log_dirs::Replica;
use ottla_client::shell::network::Topics;
use ottla_client::{Admin, ClientError};
use std::collections::{BTreeMap, BTreeSet};

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const LOG_DIRS_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

type Changes = Vec<ConfigChange>;

fn set(key: &str, value: &str) -> ConfigChange {
    ConfigChange::Set(key.to_owned(), value.to_owned())
}

async fn alter(admin: &Admin, kind: ResourceKind, name: &str, changes: &Changes) -> Result<(), ClientError> {
    admin.alter_config(&Resource { kind, name: name.to_owned() }, changes).await
}

/// Where the records of one partition come from, and where they go.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Move {
    sources: BTreeSet<i32>,
    destinations: BTreeSet<i32>,
}

/// All that moves: what is under way, and what is asked for now.
pub(super) fn moves(
    ongoing: &BTreeMap<TopicPartition, OngoingReassignment>,
    proposed: &BTreeMap<TopicPartition, Vec<i32>>,
    current: &BTreeMap<TopicPartition, Vec<i32>>,
) -> BTreeMap<TopicPartition, Move> {
    let under_way = ongoing.iter().map(|(place, one)| {
        let sources = one.replicas.iter().copied().filter(|id| !one.adding.contains(id)).collect();
        (place.clone(), Move { sources, destinations: one.adding.iter().copied().collect() })
    });
    let mut moves: BTreeMap<TopicPartition, Move> = under_way.collect();
    for (place, replicas) in proposed {
        let sources = match moves.remove(place) {
            Some(known) => known.sources,
            None => current.get(place).into_iter().flatten().copied().collect(),
        };
        let destinations = replicas.iter().copied().filter(|id| !sources.contains(id)).collect();
        moves.insert(place.clone(), Move { sources, destinations });
    }
    moves
}

/// Bounds moves between brokers.
pub(super) async fn bound_brokers(admin: &Admin, moves: &BTreeMap<TopicPartition, Move>, rate: i64) -> Done {
    let mut topics: BTreeMap<&str, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    let mut brokers = BTreeSet::new();
    for ((topic, index), one) in moves {
        let (leaders, followers) = topics.entry(topic).or_default();
        leaders.extend(one.sources.iter().map(|id| format!("{index}:{id}")));
        followers.extend(one.destinations.iter().map(|id| format!("{index}:{id}")));
        brokers.extend(one.sources.iter().chain(&one.destinations).copied());
    }
    let listed = |replicas: &BTreeSet<String>| replicas.iter().cloned().collect::<Vec<_>>().join(",");
    for (topic, (leaders, followers)) in &topics {
        let changes = vec![set(LEADER_REPLICAS, &listed(leaders)), set(FOLLOWER_REPLICAS, &listed(followers))];
        alter(admin, ResourceKind::Topic, topic, &changes).await?;
    }
    let rate = rate.to_string();
    for broker in &brokers {
        let changes = vec![set(LEADER_RATE, &rate), set(FOLLOWER_RATE, &rate)];
        alter(admin, ResourceKind::Broker, &broker.to_string(), &changes).await?;
    }
    say(&format!("The inter-broker throttle limit was set to {rate} B/s"));
    Ok(())
}

/// Bounds moves between the directories of a broker.
pub(super) async fn bound_log_dirs(admin: &Admin, replicas: impl Iterator<Item = &Replica>, rate: i64) -> Done {
    let brokers: BTreeSet<i32> = replicas.map(|(broker, ..)| *broker).collect();
    for broker in brokers {
        let changes = vec![set(LOG_DIRS_RATE, &rate.to_string())];
        alter(admin, ResourceKind::Broker, &broker.to_string(), &changes).await?;
    }
    say(&format!("The replica-alter-dir throttle limit was set to {rate} B/s"));
    Ok(())
}

/// Lifts all bounds: nobody knows any more which brokers a move was about.
pub(super) async fn clear(admin: &Admin, partitions: &[(TopicPartition, Vec<i32>)]) -> Done {
    let cluster = admin.cluster("describeCluster", Topics::None).await?;
    let mut brokers: BTreeSet<i32> = cluster.nodes.keys().copied().collect();
    brokers.extend(partitions.iter().flat_map(|(_, replicas)| replicas));
    let brokers: Vec<i32> = brokers.into_iter().collect();
    say(&format!("Clearing broker-level throttles on broker{} {}", plural(brokers.len()), joined(&brokers)));
    let lift = |keys: &[&str]| keys.iter().map(|key| ConfigChange::Delete((*key).to_owned())).collect::<Vec<_>>();
    let rates = lift(&[LEADER_RATE, FOLLOWER_RATE, LOG_DIRS_RATE]);
    for broker in &brokers {
        alter(admin, ResourceKind::Broker, &broker.to_string(), &rates).await?;
    }
    let topics: BTreeSet<&str> = partitions.iter().map(|((topic, _), _)| topic.as_str()).collect();
    let mut topics: Vec<&str> = topics.into_iter().collect();
    java_map_order(&mut topics, |topic| topic);
    say(&format!("Clearing topic-level throttles on topic{} {}", plural(topics.len()), topics.join(",")));
    let replicas = lift(&[LEADER_REPLICAS, FOLLOWER_REPLICAS]);
    for topic in topics {
        alter(admin, ResourceKind::Topic, topic, &replicas).await?;
    }
    Ok(())
}

pub(super) const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_keeps_its_sources() {
        let place = |index| ("t".to_owned(), index);
        let ongoing = BTreeMap::from([(
            place(0),
            OngoingReassignment { replicas: vec![1, 2], adding: vec![2], removing: vec![1] },
        )]);
        let proposed = BTreeMap::from([(place(0), vec![3]), (place(1), vec![2, 3])]);
        let current = BTreeMap::from([(place(0), vec![1, 2]), (place(1), vec![1, 2])]);
        let moves = moves(&ongoing, &proposed, &current);
        let told = |index| {
            let one = &moves[&place(index)];
            (one.sources.iter().copied().collect::<Vec<_>>(), one.destinations.iter().copied().collect::<Vec<_>>())
        };
        assert_eq!(told(0), (vec![1], vec![3]));
        assert_eq!(told(1), (vec![1, 2], vec![3]));
    }
}

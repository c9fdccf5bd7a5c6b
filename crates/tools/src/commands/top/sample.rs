//! What can be asked of a cluster at one moment.

use super::connections;
use crate::cli::Done;
use ottla_client::shell::admin::offsets::{OffsetSpec, TopicPartition};
use ottla_client::shell::network::Topics;
use ottla_client::{Admin, ClientError};
use ottla_io::clock;
use ottla_machine::Instant;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) cluster_id: String,
    pub(super) brokers: usize,
    pub(super) controller: Option<i32>,
    /// Those to the nodes of this machine; none where it has none.
    pub(super) connections: Option<usize>,
    pub(super) topics: BTreeMap<String, TopicSample>,
    pub(super) groups: BTreeMap<String, GroupSample>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct TopicSample {
    pub(super) partitions: usize,
    /// The sum of the partitions' ends.
    pub(super) end: i64,
    /// On the disks of all replicas.
    pub(super) bytes: i64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct GroupSample {
    pub(super) state: String,
    pub(super) members: usize,
    /// The sum of what is committed.
    pub(super) committed: i64,
    pub(super) lag: i64,
}

impl Sample {
    pub(super) async fn take(
        admin: &Admin,
        has_topic: impl Fn(&str) -> bool,
        has_group: impl Fn(&str) -> bool,
    ) -> Done<Self> {
        let cluster = admin.cluster("describeCluster", Topics::All).await?;
        let mut topics: BTreeMap<String, TopicSample> = BTreeMap::new();
        let mut asked = Vec::new();
        for (name, topic) in cluster.topics.iter().filter(|(name, _)| has_topic(name)) {
            topics.insert(name.clone(), TopicSample { partitions: topic.partitions.len(), ..TopicSample::default() });
            asked
                .extend(topic.partitions.iter().map(|partition| ((name.clone(), partition.index), OffsetSpec::Latest)));
        }
        for ((topic, _), end) in ends(admin, &asked).await? {
            if let Some(topic) = topics.get_mut(&topic) {
                topic.end += end;
            }
        }
        for broker in cluster.nodes.keys() {
            // A broker that does not answer just now has no sizes.
            for dir in admin.describe_log_dirs(*broker).await.unwrap_or_default() {
                for replica in dir.replicas {
                    if let Some(topic) = topics.get_mut(&replica.topic) {
                        topic.bytes += replica.bytes;
                    }
                }
            }
        }
        let mut groups = BTreeMap::new();
        for listed in admin.list_groups(&[], &[]).await? {
            if has_group(&listed.id) {
                // A group may be gone by now.
                if let Ok(group) = group(admin, &listed.id, &listed.state).await {
                    groups.insert(listed.id, group);
                }
            }
        }
        Ok(Self {
            at: clock::instant(),
            cluster_id: cluster.id.clone().unwrap_or_default(),
            brokers: cluster.nodes.len(),
            controller: cluster.controller,
            connections: connections::to(cluster.nodes.values().map(|node| node.port)),
            topics,
            groups,
        })
    }
}

async fn ends(
    admin: &Admin,
    asked: &[(TopicPartition, OffsetSpec)],
) -> Result<BTreeMap<TopicPartition, i64>, ClientError> {
    let told = admin.list_offsets(asked, false).await?;
    Ok(told.into_iter().filter_map(|(place, told)| Some((place, told.ok()?.offset))).collect())
}

async fn group(admin: &Admin, id: &str, state: &str) -> Result<GroupSample, ClientError> {
    let committed = admin.committed_offsets(id).await?;
    let asked: Vec<_> = committed.keys().map(|place| (place.clone(), OffsetSpec::Latest)).collect();
    let ends = ends(admin, &asked).await?;
    let lag = committed.iter().filter_map(|(place, committed)| Some(ends.get(place)? - committed.offset));
    Ok(GroupSample {
        state: state.to_owned(),
        members: admin.describe_group(id).await?.members.len(),
        committed: committed.values().map(|committed| committed.offset).sum(),
        lag: lag.map(|lag| lag.max(0)).sum(),
    })
}

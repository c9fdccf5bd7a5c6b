//! Where brokers keep their replicas.

use super::{Admin, Target};
use crate::error::{ClientError, Result};
use crate::shell::network::Topics;
use crate::shell::reply::Reply;
use ottla_wire::api::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use ottla_wire::api::describe_log_dirs_request::DescribableLogDirTopic;
use ottla_wire::api::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse,
};
use std::collections::BTreeMap;

/// A replica: broker, topic, partition.
pub type Replica = (i32, String, i32);

/// The directories of one replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicaDirs {
    /// None where no directory that is online has it.
    pub current: Option<String>,
    /// Where it is being moved to.
    pub future: Option<String>,
}

fn by_broker<'a>(replicas: impl Iterator<Item = &'a Replica>) -> BTreeMap<i32, BTreeMap<&'a str, Vec<i32>>> {
    let mut brokers: BTreeMap<i32, BTreeMap<&str, Vec<i32>>> = BTreeMap::new();
    for (broker, topic, index) in replicas {
        brokers.entry(*broker).or_default().entry(topic).or_default().push(*index);
    }
    brokers
}

impl Admin {
    /// Where replicas lie: each that is asked for has an entry.
    pub async fn describe_replica_log_dirs(&self, replicas: &[Replica]) -> Result<BTreeMap<Replica, ReplicaDirs>> {
        let mut found: BTreeMap<Replica, ReplicaDirs> =
            replicas.iter().map(|replica| (replica.clone(), ReplicaDirs::default())).collect();
        for (broker, topics) in by_broker(replicas.iter()) {
            let request = |_| {
                let topic = |(topic, partitions): (&&str, &Vec<i32>)| DescribableLogDirTopic {
                    topic: (*topic).to_owned().into(),
                    partitions: partitions.clone(),
                    ..Default::default()
                };
                DescribeLogDirsRequest { topics: Some(topics.iter().map(topic).collect()), ..Default::default() }
            };
            let read = |reply: &Reply| {
                let response: DescribeLogDirsResponse<'_> = reply.read()?;
                ClientError::check(response.error_code, None)?;
                let mut told = Vec::new();
                for dir in response.results.iter().filter(|dir| dir.error_code == 0) {
                    for topic in &dir.topics {
                        for one in &topic.partitions {
                            let replica = (broker, topic.name.to_string(), one.partition_index);
                            told.push((replica, dir.log_dir.to_string(), one.is_future_key));
                        }
                    }
                }
                Ok(told)
            };
            self.know_broker("describeReplicaLogDirs", broker).await?;
            for (replica, dir, is_future) in
                self.call("describeReplicaLogDirs", Target::Node(broker), request, read).await?
            {
                if let Some(dirs) = found.get_mut(&replica) {
                    *(if is_future { &mut dirs.future } else { &mut dirs.current }) = Some(dir);
                }
            }
        }
        Ok(found)
    }

    /// Moves replicas to other directories of their brokers. Each has its own result.
    pub async fn alter_replica_log_dirs(
        &self,
        moves: &BTreeMap<Replica, String>,
    ) -> Result<Vec<(Replica, Result<()>)>> {
        let mut results = Vec::new();
        for (broker, _) in by_broker(moves.keys()) {
            let request = |_| {
                let mut dirs: BTreeMap<&str, BTreeMap<&str, Vec<i32>>> = BTreeMap::new();
                for ((_, topic, index), dir) in moves.iter().filter(|((on, ..), _)| *on == broker) {
                    dirs.entry(dir).or_default().entry(topic).or_default().push(*index);
                }
                let topic = |(name, partitions): (&str, Vec<i32>)| AlterReplicaLogDirTopic {
                    name: name.to_owned().into(),
                    partitions,
                    ..Default::default()
                };
                let dir = |(path, topics): (&str, BTreeMap<&str, Vec<i32>>)| AlterReplicaLogDir {
                    path: path.to_owned().into(),
                    topics: topics.into_iter().map(topic).collect(),
                    ..Default::default()
                };
                AlterReplicaLogDirsRequest { dirs: dirs.into_iter().map(dir).collect(), ..Default::default() }
            };
            let read = |reply: &Reply| {
                let response: AlterReplicaLogDirsResponse<'_> = reply.read()?;
                let mut told = Vec::new();
                for topic in &response.results {
                    for one in &topic.partitions {
                        let replica = (broker, topic.topic_name.to_string(), one.partition_index);
                        told.push((replica, ClientError::check(one.error_code, None)));
                    }
                }
                Ok(told)
            };
            self.know_broker("alterReplicaLogDirs", broker).await?;
            results.extend(self.call("alterReplicaLogDirs", Target::Node(broker), request, read).await?);
        }
        Ok(results)
    }

    /// A broker can be asked by its number once the cluster was asked for its nodes.
    async fn know_broker(&self, name: &str, broker: i32) -> Result<()> {
        if !self.network().cluster().nodes.contains_key(&broker) {
            self.cluster(name, Topics::None).await?;
        }
        Ok(())
    }
}

//! Where a broker's replicas lie: it chooses the directory of a new replica, and tells (KIP-858).

use super::{Controller, Outcome, VersionedRecord};
use crate::image::Broker;
use ottla_wire::api::assign_replicas_to_dirs_response::{DirectoryData, PartitionData, TopicData};
use ottla_wire::api::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, BrokerHeartbeatRequest};
use ottla_wire::{ApiError, ErrorCode, Uuid};
use std::collections::BTreeSet;

impl Controller<'_> {
    /// What a heartbeat says of directories: those that failed since the last, whose replicas are out of sync and lead no
    /// more, and those that are cordoned (KIP-1066).
    pub(super) fn directories_told(
        &self,
        broker: &Broker,
        request: &BrokerHeartbeatRequest<'_>,
    ) -> Vec<VersionedRecord> {
        let versions = self.image.record_versions();
        let mut records = Vec::new();
        if versions.has_directories() {
            let (failed, left): (Vec<Uuid>, Vec<Uuid>) =
                broker.log_dirs.iter().partition(|id| request.offline_log_dirs.contains(id));
            for id in &failed {
                self.directory_failed(broker, *id, &mut records);
            }
            if !failed.is_empty() {
                records.push(self.registration_change(broker, |record| record.log_dirs = left));
            }
        }
        let as_set = |ids: &[Uuid]| ids.iter().copied().collect::<BTreeSet<Uuid>>();
        if let Some(told) = request.cordoned_log_dirs.as_deref().filter(|_| versions.has_cordoned_directories())
            && broker.cordoned_log_dirs.as_deref().map(as_set) != Some(as_set(told))
        {
            let told = Some(told.to_vec());
            records.push(self.registration_change(broker, |record| record.cordoned_log_dirs = told));
        }
        records
    }

    fn directory_failed(&self, broker: &Broker, directory: Uuid, records: &mut Vec<VersionedRecord>) {
        let version = self.image.record_versions().partition();
        for topic in self.image.topics.iter() {
            for (index, partition) in &topic.partitions {
                if partition.directory_of(broker.id) == Some(directory)
                    && let Some(record) = self.remove_replica(topic, *index, partition, broker.id)
                {
                    records.push((record.into(), version));
                }
            }
        }
    }

    /// A broker tells in which directories replicas lie. Each is answered by itself; one in a directory that the broker
    /// does not have is offline, and leads no more.
    pub fn assign_replicas_to_dirs(
        &self,
        request: &AssignReplicasToDirsRequest<'_>,
    ) -> Result<Outcome<AssignReplicasToDirsResponse<'static>>, ApiError> {
        if !self.image.record_versions().has_directories() {
            return Err(ApiError::new(ErrorCode::UnsupportedVersion, "Directory assignment is not supported yet."));
        }
        let id = request.broker_id;
        let Some(broker) = self.image.brokers.get(&id) else {
            let message = format!("No broker registration found for broker id {id}");
            return Err(ApiError::new(ErrorCode::StaleBrokerEpoch, message));
        };
        if broker.epoch != request.broker_epoch {
            return Err(ApiError::new(
                ErrorCode::StaleBrokerEpoch,
                format!("Expected broker epoch {}, but got broker epoch {}", broker.epoch, request.broker_epoch),
            ));
        }
        let version = self.image.record_versions().partition();
        let mut records = Vec::new();
        let mut offline = Vec::new();
        let mut response = AssignReplicasToDirsResponse::default();
        for directory in &request.directories {
            let online = broker.has_online_directory(directory.id);
            let mut told = DirectoryData { id: directory.id, ..Default::default() };
            for asked in &directory.topics {
                let topic = self.image.topics.with_id(asked.topic_id);
                let mut answers = TopicData { topic_id: asked.topic_id, ..Default::default() };
                for partition in &asked.partitions {
                    let index = partition.partition_index;
                    let found = topic.map(|topic| (topic, topic.partitions.get(&index)));
                    let error = match found {
                        None => ErrorCode::UnknownTopicId,
                        Some((_, None)) => ErrorCode::UnknownTopicOrPartition,
                        Some((_, Some(known))) if !known.replicas.contains(&id) => ErrorCode::NotLeaderOrFollower,
                        Some((topic, Some(known))) => {
                            let record = self.assign_directory(topic, index, known, (id, directory.id));
                            records.extend(record.map(|record| (record.into(), version)));
                            if !online {
                                offline.push((topic, index, known));
                            }
                            ErrorCode::None
                        }
                    };
                    let error_code = error.into();
                    answers.partitions.push(PartitionData { partition_index: index, error_code, ..Default::default() });
                }
                told.topics.push(answers);
            }
            response.directories.push(told);
        }
        for (topic, index, known) in offline {
            let record = self.remove_replica(topic, index, known, id);
            records.extend(record.map(|record| (record.into(), version)));
        }
        Ok(Outcome { records, response })
    }
}

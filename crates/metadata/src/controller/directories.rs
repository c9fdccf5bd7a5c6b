//! Where a broker's replicas lie: it chooses the directory of a new replica, and tells (KIP-858).

use super::{Controller, Outcome};
use ottla_wire::api::assign_replicas_to_dirs_response::{DirectoryData, PartitionData, TopicData};
use ottla_wire::api::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};
use ottla_wire::{ApiError, ErrorCode};

impl Controller<'_> {
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

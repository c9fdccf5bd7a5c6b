//! AlterReplicaLogDirs (1-2): moves replicas of this broker to other log directories (KIP-113). What is answered is that the
//! move began; DescribeLogDirs tells how far it is.

use super::throttle::NOT_THROTTLED_MS;
use crate::node::Node;
use crate::request::{Answer, Context};
use ottla_machine::Disk;
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use ottla_wire::api::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
use std::collections::BTreeMap;

pub(super) fn handle<D: Disk>(
    node: &Node<D>,
    context: &Context,
    request: &AlterReplicaLogDirsRequest<'_>,
) -> Answer<D> {
    let allowed = context.may_to_cluster(node, AclOperation::Alter);
    // A replica that is named with several directories goes to the last of them.
    let mut wanted: BTreeMap<(&str, i32), &str> = BTreeMap::new();
    for dir in &request.dirs {
        for topic in &dir.topics {
            wanted.extend(topic.partitions.iter().map(|index| ((topic.name.as_ref(), *index), dir.path.as_ref())));
        }
    }
    let published = node.published();
    let mut results: Vec<AlterReplicaLogDirTopicResult<'_>> = Vec::new();
    for ((topic, partition_index), path) in wanted {
        let error = match allowed {
            true => node.move_replica(&published, topic, partition_index, path),
            false => ErrorCode::ClusterAuthorizationFailed,
        };
        let error_code = error.into();
        let told = AlterReplicaLogDirPartitionResult { partition_index, error_code, ..Default::default() };
        match results.last_mut() {
            Some(last) if last.topic_name == topic => last.partitions.push(told),
            _ => results.push(AlterReplicaLogDirTopicResult {
                topic_name: topic.into(),
                partitions: vec![told],
                ..Default::default()
            }),
        }
    }
    context.reply(&AlterReplicaLogDirsResponse { throttle_time_ms: NOT_THROTTLED_MS, results, ..Default::default() })
}

//! The API table: which APIs are finished, and who answers each. One file an API; what several share stands in the file
//! of the one that it is about.

mod alter_replica_log_dirs;
mod api_versions;
mod delete_records;
mod describe_acls;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_user_scram_credentials;
mod fetch;
mod find_coordinator;
mod forward;
mod groups;
mod init_producer_id;
mod list_config_resources;
mod list_offsets;
mod metadata;
mod offset_for_leader_epoch;
mod produce;
mod produce_wait;
mod throttle;

use crate::node::Node;
use crate::request::{Answer, Connection, Context, FrameError, ListenerKind, Now, Worker};
use ottla_machine::Disk;
use ottla_wire::{ApiKey, Reader};
use std::sync::Arc;

/// The APIs that are done, in all the versions that they tell, and that a broker's listener answers.
const FINISHED: &[ApiKey] = &[
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::Metadata,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::Heartbeat,
    ApiKey::LeaveGroup,
    ApiKey::SyncGroup,
    ApiKey::DescribeGroups,
    ApiKey::ListGroups,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DeleteRecords,
    ApiKey::InitProducerId,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::DescribeAcls,
    ApiKey::CreateAcls,
    ApiKey::DeleteAcls,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::AlterReplicaLogDirs,
    ApiKey::DescribeLogDirs,
    ApiKey::CreatePartitions,
    ApiKey::DeleteGroups,
    ApiKey::ElectLeaders,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::OffsetDelete,
    ApiKey::DescribeClientQuotas,
    ApiKey::AlterClientQuotas,
    ApiKey::DescribeUserScramCredentials,
    ApiKey::AlterUserScramCredentials,
    ApiKey::DescribeQuorum,
    ApiKey::UpdateFeatures,
    ApiKey::DescribeCluster,
    ApiKey::DescribeProducers,
    ApiKey::UnregisterBroker,
    ApiKey::ListConfigResources,
    ApiKey::DescribeTopicPartitions,
    ApiKey::AddRaftVoter,
    ApiKey::RemoveRaftVoter,
    ApiKey::UnregisterController,
];

/// Those that a controller's listener answers. No other is told or answered.
const FINISHED_ON_CONTROLLER: &[ApiKey] = &[
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::CreatePartitions,
    ApiKey::DescribeAcls,
    ApiKey::CreateAcls,
    ApiKey::DeleteAcls,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::ElectLeaders,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::AlterClientQuotas,
    ApiKey::DescribeUserScramCredentials,
    ApiKey::AlterUserScramCredentials,
    ApiKey::DescribeCluster,
    ApiKey::DescribeQuorum,
    ApiKey::UpdateFeatures,
    ApiKey::UnregisterBroker,
    ApiKey::AssignReplicasToDirs,
    ApiKey::AddRaftVoter,
    ApiKey::RemoveRaftVoter,
    ApiKey::UnregisterController,
];

pub(crate) fn is_finished(key: ApiKey) -> bool {
    FINISHED.contains(&key) || FINISHED_ON_CONTROLLER.contains(&key)
}

/// The APIs that a listener tells and answers.
pub(crate) fn served(kind: ListenerKind) -> &'static [ApiKey] {
    match kind {
        ListenerKind::Broker => FINISHED,
        ListenerKind::Controller => FINISHED_ON_CONTROLLER,
    }
}

/// Answers one frame.
pub(crate) fn handle<D: Disk>(
    node: &Node<D>,
    connection: &Arc<Connection>,
    frame: &[u8],
    now: Now,
    worker: &mut Worker,
) -> Answer<D> {
    let answer = Context::parse(connection, frame, now).and_then(|(context, mut reader)| {
        let answer = dispatch(node, &context, &mut reader, worker)?;
        Ok(throttle::settle(node, &context, answer))
    });
    match answer {
        Ok(answer) => answer,
        Err(error) => Answer::Close(error.to_string()),
    }
}

fn dispatch<D: Disk>(
    node: &Node<D>,
    context: &Context,
    reader: &mut Reader<'_>,
    worker: &mut Worker,
) -> Result<Answer<D>, FrameError> {
    if !served(context.connection.kind).contains(&context.key) {
        return Err(FrameError::Unsupported { key: context.key as i16, version: context.version });
    }
    macro_rules! answer {
        ($handler:path) => {
            $handler(node, context, &context.body(reader)?)
        };
    }
    Ok(match context.key {
        ApiKey::ApiVersions => api_versions::handle(node, context, reader),
        ApiKey::Produce => produce::handle(node, context, &context.body(reader)?, worker),
        ApiKey::Fetch => answer!(fetch::handle),
        ApiKey::ListOffsets => list_offsets::handle(node, context, &context.body(reader)?, worker),
        ApiKey::Metadata => answer!(metadata::handle),
        ApiKey::FindCoordinator => answer!(find_coordinator::handle),
        ApiKey::InitProducerId => answer!(init_producer_id::handle),
        ApiKey::OffsetForLeaderEpoch => answer!(offset_for_leader_epoch::handle),
        ApiKey::DeleteRecords => answer!(delete_records::handle),
        ApiKey::DescribeAcls => answer!(describe_acls::handle),
        ApiKey::DescribeConfigs => answer!(describe_configs::handle),
        ApiKey::AlterReplicaLogDirs => answer!(alter_replica_log_dirs::handle),
        ApiKey::DescribeLogDirs => answer!(describe_log_dirs::handle),
        ApiKey::DescribeClientQuotas => answer!(describe_client_quotas::handle),
        ApiKey::DescribeUserScramCredentials => answer!(describe_user_scram_credentials::handle),
        ApiKey::DescribeCluster => answer!(describe_cluster::handle),
        ApiKey::DescribeProducers => answer!(describe_producers::handle),
        ApiKey::DescribeQuorum => answer!(describe_quorum::handle),
        ApiKey::DescribeTopicPartitions => answer!(describe_topic_partitions::handle),
        ApiKey::ListConfigResources => answer!(list_config_resources::handle),
        ApiKey::JoinGroup
        | ApiKey::SyncGroup
        | ApiKey::Heartbeat
        | ApiKey::LeaveGroup
        | ApiKey::OffsetCommit
        | ApiKey::OffsetFetch
        | ApiKey::OffsetDelete
        | ApiKey::DescribeGroups
        | ApiKey::ListGroups
        | ApiKey::DeleteGroups => groups::handle(node, context, reader)?,
        // What is left is the controller's.
        _ => forward::handle(node, context, reader.rest()),
    })
}

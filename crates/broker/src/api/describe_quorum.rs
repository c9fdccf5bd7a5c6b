//! DescribeQuorum (0-2): the voters of the metadata quorum and how far each is (KIP-595); v1 tells when they last fetched,
//! v2 their directories and where they listen (KIP-853).

use crate::node::Node;
use crate::request::{Answer, Context};
use ottla_machine::Disk;
use ottla_metadata::image::Endpoint;
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::describe_quorum_response::{Listener, Node as QuorumNode, PartitionData, ReplicaState, TopicData};
use ottla_wire::api::{DescribeQuorumRequest, DescribeQuorumResponse};

const METADATA_TOPIC: &str = "__cluster_metadata";

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &DescribeQuorumRequest<'_>) -> Answer<D> {
    if !context.may_to_cluster(node, AclOperation::Describe) {
        let error_code = ErrorCode::ClusterAuthorizationFailed.into();
        return context.reply(&DescribeQuorumResponse { error_code, ..Default::default() });
    }
    let status = node.quorum_status();
    let dynamic = context.version >= 2;
    let partition = |index: i32, known: bool| match known {
        false => PartitionData {
            partition_index: index,
            error_code: ErrorCode::UnknownTopicOrPartition.into(),
            ..Default::default()
        },
        true => PartitionData {
            partition_index: index,
            leader_id: node.id,
            leader_epoch: status.epoch,
            high_watermark: status.end_offset,
            current_voters: vec![ReplicaState {
                replica_id: node.id,
                replica_directory_id: if dynamic { status.directory_id } else { Default::default() },
                log_end_offset: status.end_offset,
                // The leader has always just heard of itself.
                last_fetch_timestamp: context.now.wall.0,
                last_caught_up_timestamp: context.now.wall.0,
                ..Default::default()
            }],
            ..Default::default()
        },
    };
    let topics = request
        .topics
        .iter()
        .map(|topic| {
            let ours = topic.topic_name == METADATA_TOPIC;
            let partitions = topic.partitions.iter();
            let partitions = partitions.map(|p| partition(p.partition_index, ours && p.partition_index == 0)).collect();
            TopicData { topic_name: topic.topic_name.clone(), partitions, ..Default::default() }
        })
        .collect();
    let listener = |e: &Endpoint| Listener {
        name: e.name.clone().into(),
        host: e.host.clone().into(),
        port: e.port,
        ..Default::default()
    };
    let nodes = match dynamic {
        true => vec![QuorumNode {
            node_id: node.id,
            listeners: node.settings().place.advertised_controllers.iter().map(listener).collect(),
            ..Default::default()
        }],
        false => Vec::new(),
    };
    context.reply(&DescribeQuorumResponse { topics, nodes, ..Default::default() })
}

//! DescribeLogDirs (1-5): what lies where, and how much room there is; v4 tells the sizes of the volume, v5 cordoning.

use super::throttle::NOT_THROTTLED_MS;
use crate::node::Node;
use crate::request::{Answer, Context};
use ottla_machine::Disk;
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use ottla_wire::api::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &DescribeLogDirsRequest<'_>) -> Answer<D> {
    if !context.may_to_cluster(node, AclOperation::Describe) {
        let error_code = ErrorCode::ClusterAuthorizationFailed.into();
        return context.reply(&DescribeLogDirsResponse { error_code, ..Default::default() });
    }
    let named: Option<BTreeSet<(&str, i32)>> = request.topics.as_ref().map(|topics| {
        topics.iter().flat_map(|t| t.partitions.iter().map(|index| (t.topic.as_ref(), *index))).collect()
    });
    let published = node.published();
    let mut results = Vec::new();
    for (id, path) in node.log_directories() {
        let mut topics: BTreeMap<&str, Vec<DescribeLogDirsPartition<'_>>> = BTreeMap::new();
        for partition in published.all_hosted().filter(|p| p.directory_id == id) {
            if named.as_ref().is_none_or(|named| named.contains(&(&*partition.topic, partition.index))) {
                topics.entry(&partition.topic).or_default().push(DescribeLogDirsPartition {
                    partition_index: partition.index,
                    partition_size: i64::try_from(partition.log.size()).unwrap_or(i64::MAX),
                    offset_lag: 0,
                    ..Default::default()
                });
            }
        }
        let topic = |(name, partitions)| DescribeLogDirsTopic {
            name: std::borrow::Cow::Borrowed(name),
            partitions,
            ..Default::default()
        };
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let (total, usable) = node.host().space(&path).unwrap_or((u64::MAX, u64::MAX));
        let broker = published.image.brokers.get(&node.id);
        let cordoned = broker.and_then(|b| b.cordoned_log_dirs.as_ref()).is_some_and(|dirs| dirs.contains(&id));
        results.push(DescribeLogDirsResult {
            log_dir: path.display().to_string().into(),
            topics: topics.into_iter().map(topic).collect(),
            total_bytes: bytes(total),
            usable_bytes: bytes(usable),
            is_cordoned: cordoned,
            ..Default::default()
        });
    }
    context.reply(&DescribeLogDirsResponse { throttle_time_ms: NOT_THROTTLED_MS, results, ..Default::default() })
}

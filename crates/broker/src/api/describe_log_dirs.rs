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
    let cordoned = node.cordoned(&published.image);
    for place in &node.directories.places {
        let log_dir = place.path.display().to_string().into();
        let Some(directory) = place.online() else {
            let error_code = ErrorCode::KafkaStorageError.into();
            results.push(DescribeLogDirsResult { error_code, log_dir, ..Default::default() });
            continue;
        };
        let mut topics: BTreeMap<&str, Vec<DescribeLogDirsPartition<'_>>> = BTreeMap::new();
        for partition in published.all_hosted() {
            if named.as_ref().is_some_and(|named| !named.contains(&(&*partition.topic, partition.index))) {
                continue;
            }
            let (current, future) = (partition.located(), partition.future());
            let ends = current.log.offsets();
            for (located, is_future_key) in [(Some(&current), false), (future.as_ref(), true)] {
                let Some(located) = located.filter(|located| located.directory_id == directory.id) else { continue };
                let end = located.log.log_end_offset();
                topics.entry(&partition.topic).or_default().push(DescribeLogDirsPartition {
                    partition_index: partition.index,
                    partition_size: i64::try_from(located.log.size()).unwrap_or(i64::MAX),
                    offset_lag: match is_future_key {
                        true => ends.log_end_offset.0 - end.0,
                        false => (ends.high_watermark.0 - end.0).max(0),
                    },
                    is_future_key,
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
        let (total, usable) = node.host().space(&place.path).unwrap_or((u64::MAX, u64::MAX));
        let is_cordoned = published.image.record_versions().has_cordoned_directories()
            && cordoned.iter().any(|one| one.id == directory.id);
        results.push(DescribeLogDirsResult {
            log_dir,
            topics: topics.into_iter().map(topic).collect(),
            total_bytes: bytes(total),
            usable_bytes: bytes(usable),
            is_cordoned,
            ..Default::default()
        });
    }
    context.reply(&DescribeLogDirsResponse { throttle_time_ms: NOT_THROTTLED_MS, results, ..Default::default() })
}

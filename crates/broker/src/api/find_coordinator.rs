//! FindCoordinator (0-6): which broker keeps a group; v4 asks for several at once (KIP-699). Transactions and share groups
//! have no coordinator yet.

use super::throttle::NOT_THROTTLED_MS;
use crate::node::{Node, OFFSETS_TOPIC};
use crate::request::{Answer, Context};
use ottla_machine::Disk;
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::find_coordinator_response::Coordinator;
use ottla_wire::api::{FindCoordinatorRequest, FindCoordinatorResponse};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// Where a coordinator listens.
type Address = (i32, String, i32);

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &FindCoordinatorRequest<'_>) -> Answer<D> {
    let nowhere = || (-1, String::new(), -1);
    let told = |found: Result<Address, ErrorCode>| match found {
        Ok(address) => (ErrorCode::None, address),
        Err(error) => (error, nowhere()),
    };
    if context.version < 4 {
        let (error, (node_id, host, port)) = told(find(node, context, request.key_type, &request.key));
        return context.reply(&FindCoordinatorResponse {
            throttle_time_ms: NOT_THROTTLED_MS,
            error_code: error.into(),
            node_id,
            host: host.into(),
            port,
            ..Default::default()
        });
    }
    let coordinator = |key: &std::borrow::Cow<'_, str>| {
        let (error, (node_id, host, port)) = told(find(node, context, request.key_type, key));
        Coordinator {
            key: key.to_string().into(),
            node_id,
            host: host.into(),
            port,
            error_code: error.into(),
            error_message: Some("".into()),
            ..Default::default()
        }
    };
    let coordinators = request.coordinator_keys.iter().map(coordinator).collect();
    context.reply(&FindCoordinatorResponse { throttle_time_ms: NOT_THROTTLED_MS, coordinators, ..Default::default() })
}

fn find<D: Disk>(node: &Node<D>, context: &Context, kind: i8, key: &str) -> Result<Address, ErrorCode> {
    match kind {
        GROUP if !context.may_to_group(node, AclOperation::Describe, key) => {
            return Err(ErrorCode::GroupAuthorizationFailed);
        }
        GROUP => {}
        // A transactional producer must not go on looking for a coordinator that will not come.
        TRANSACTION => return Err(ErrorCode::TransactionalIdAuthorizationFailed),
        _ => return Err(ErrorCode::InvalidRequest),
    }
    let published = node.published();
    let image = &published.image;
    let Some(topic) = image.topics.named(OFFSETS_TOPIC) else {
        node.create_missing_topics(vec![OFFSETS_TOPIC.to_owned()], None);
        return Err(ErrorCode::CoordinatorNotAvailable);
    };
    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let index = ottla_group::partition_for(key, count).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let leader = topic.partitions.get(&index.0).map(|partition| partition.leader);
    let broker = leader.and_then(|id| image.brokers.get(&id)).filter(|broker| !broker.fenced);
    let endpoint = broker.and_then(|broker| broker.endpoint(&context.connection.listener).map(|e| (broker.id, e)));
    let (id, endpoint) = endpoint.ok_or(ErrorCode::CoordinatorNotAvailable)?;
    Ok((id, endpoint.host.clone(), endpoint.port.into()))
}

//! ListConfigResources (0-1, KIP-1142): the resources that may have configurations; v0 knows client metrics only.

use super::throttle::NOT_THROTTLED_MS;
use crate::node::Node;
use crate::request::{Answer, Context};
use ottla_machine::Disk;
use ottla_metadata::image::ConfigResourceKind;
use ottla_security::AclOperation;
use ottla_wire::ErrorCode;
use ottla_wire::api::list_config_resources_response::ConfigResource;
use ottla_wire::api::{ListConfigResourcesRequest, ListConfigResourcesResponse};

const ALL: [ConfigResourceKind; 5] = [
    ConfigResourceKind::Group,
    ConfigResourceKind::ClientMetrics,
    ConfigResourceKind::BrokerLogger,
    ConfigResourceKind::Broker,
    ConfigResourceKind::Topic,
];

pub(super) fn handle<D: Disk>(
    node: &Node<D>,
    context: &Context,
    request: &ListConfigResourcesRequest<'_>,
) -> Answer<D> {
    let failed = |error: ErrorCode| ListConfigResourcesResponse { error_code: error.into(), ..Default::default() };
    if !context.may_to_cluster(node, AclOperation::DescribeConfigs) {
        return context.reply(&failed(ErrorCode::ClusterAuthorizationFailed));
    }
    let supported: &[ConfigResourceKind] =
        if context.version == 0 { &[ConfigResourceKind::ClientMetrics] } else { &ALL };
    if request.resource_types.iter().any(|code| !supported.iter().any(|kind| *kind as i8 == *code)) {
        return context.reply(&failed(ErrorCode::UnsupportedVersion));
    }
    let published = node.published();
    let image = &published.image;
    let configured = |kind| image.configs.keys().filter(move |r| r.kind == kind).map(|r| r.name.clone()).collect();
    let brokers = || image.brokers.values().map(|broker| broker.id.to_string()).collect();
    let mut config_resources = Vec::new();
    for kind in supported {
        if !request.resource_types.is_empty() && !request.resource_types.contains(&(*kind as i8)) {
            continue;
        }
        let names: Vec<String> = match kind {
            ConfigResourceKind::Group | ConfigResourceKind::ClientMetrics => configured(*kind),
            ConfigResourceKind::Broker | ConfigResourceKind::BrokerLogger => brokers(),
            ConfigResourceKind::Topic => image.topics.iter().map(|topic| topic.name.to_string()).collect(),
        };
        config_resources.extend(names.into_iter().map(|name| ConfigResource {
            resource_name: name.into(),
            resource_type: *kind as i8,
            ..Default::default()
        }));
    }
    context.reply(&ListConfigResourcesResponse {
        throttle_time_ms: NOT_THROTTLED_MS,
        config_resources,
        ..Default::default()
    })
}

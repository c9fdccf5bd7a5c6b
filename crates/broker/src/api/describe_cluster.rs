//! DescribeCluster (0-2): v1 asks for brokers or controllers (KIP-919); v2 tells fenced brokers too (KIP-1073).

use super::throttle::NOT_THROTTLED_MS;
use crate::node::Node;
use crate::request::{Answer, Context, ListenerKind};
use ottla_machine::Disk;
use ottla_metadata::image::Endpoint;
use ottla_security::{AclOperation, ResourceType};
use ottla_wire::ErrorCode;
use ottla_wire::api::describe_cluster_response::DescribeClusterBroker;
use ottla_wire::api::{DescribeClusterRequest, DescribeClusterResponse};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, request: &DescribeClusterRequest<'_>) -> Answer<D> {
    let own = match context.connection.kind {
        ListenerKind::Broker => BROKERS,
        ListenerKind::Controller => CONTROLLERS,
    };
    if request.endpoint_type != own {
        let name = |endpoint_type: i8| match endpoint_type {
            BROKERS => Some("BROKER"),
            CONTROLLERS => Some("CONTROLLER"),
            _ => None,
        };
        let (error, message) = match (name(own), name(request.endpoint_type)) {
            (Some(own), Some(wanted)) => (
                ErrorCode::MismatchedEndpointType,
                format!(
                    "The request was sent to an endpoint of type {own}, but we wanted an endpoint of type {wanted}"
                ),
            ),
            _ => (ErrorCode::UnsupportedEndpointType, format!("Unsupported endpoint type {}", request.endpoint_type)),
        };
        return context.reply(&DescribeClusterResponse {
            error_code: error.into(),
            error_message: Some(message.into()),
            ..Default::default()
        });
    }
    let published = node.published();
    let image = &published.image;
    let entry = |id: i32, endpoint: &Endpoint, rack: Option<String>, is_fenced: bool| DescribeClusterBroker {
        broker_id: id,
        host: endpoint.host.clone().into(),
        port: endpoint.port.into(),
        rack: rack.map(Into::into),
        is_fenced,
        ..Default::default()
    };
    let listener = &*context.connection.listener;
    let (brokers, controller_id) = match own {
        BROKERS => {
            let told = image.brokers.values().filter(|b| !b.fenced || request.include_fenced_brokers);
            let brokers = told.filter_map(|b| Some(entry(b.id, b.endpoint(listener)?, b.rack.clone(), b.fenced)));
            (brokers.collect(), node.random_alive_broker(image))
        }
        _ => {
            let at = |endpoints: &[Endpoint]| endpoints.iter().find(|e| e.name == listener).cloned();
            let told = image.controllers.values().filter_map(|c| Some(entry(c.id, &at(&c.endpoints)?, None, false)));
            (told.collect(), node.id)
        }
    };
    let cluster_authorized_operations = match request.include_cluster_authorized_operations {
        true if context.may_to_cluster(node, AclOperation::Describe) => {
            context.operations(node, ResourceType::Cluster, "kafka-cluster")
        }
        true => 0,
        false => i32::MIN,
    };
    context.reply(&DescribeClusterResponse {
        throttle_time_ms: NOT_THROTTLED_MS,
        endpoint_type: own,
        cluster_id: node.cluster_id.to_string().into(),
        controller_id,
        brokers,
        cluster_authorized_operations,
        ..Default::default()
    })
}

//! ApiVersions (0-5): what this listener speaks. v3 names the client's software (KIP-511); v4 tells features whose lowest
//! level is 0 (KIP-1022); v5 names the cluster and the node that the client means (KIP-1242).

use super::served;
use crate::node::Node;
use crate::request::{Answer, Context, ListenerKind};
use ottla_machine::Disk;
use ottla_metadata::features::{
    FEATURES, KRAFT_VERSION, METADATA_VERSION, METADATA_VERSION_LATEST, METADATA_VERSION_MIN,
};
use ottla_wire::api::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use ottla_wire::api::{ApiVersionsRequest, ApiVersionsResponse};
use ottla_wire::{ApiKey, Decode, ErrorCode, Reader};

pub(super) fn handle<D: Disk>(node: &Node<D>, context: &Context, reader: &mut Reader<'_>) -> Answer<D> {
    let range = ApiKey::ApiVersions.info().versions;
    if !range.contains(context.version) {
        // The client is ahead: it learns from version 0, which all can read, what to ask in.
        let only = ApiVersion {
            api_key: ApiKey::ApiVersions as i16,
            min_version: range.low,
            max_version: range.high,
            ..Default::default()
        };
        let response = ApiVersionsResponse {
            error_code: ErrorCode::UnsupportedVersion.into(),
            api_keys: vec![only],
            ..Default::default()
        };
        return context.reply_in(&response, 0);
    }
    let request = match ApiVersionsRequest::decode(reader, context.version) {
        Ok(request) => request,
        Err(error) => return Answer::Close(format!("the ApiVersions request cannot be read: {error}")),
    };
    match check(node, context, &request) {
        ErrorCode::None => context.reply(&response(node, context)),
        error => context.reply(&ApiVersionsResponse { error_code: error.into(), ..Default::default() }),
    }
}

fn check<D: Disk>(node: &Node<D>, context: &Context, request: &ApiVersionsRequest<'_>) -> ErrorCode {
    let named = |name: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric();
        let bytes = name.as_bytes();
        bytes.first().is_some_and(|b| plain(*b))
            && bytes.last().is_some_and(|b| plain(*b))
            && bytes.iter().all(|b| plain(*b) || matches!(b, b'-' | b'.'))
    };
    if context.version >= 3 && !(named(&request.client_software_name) && named(&request.client_software_version)) {
        return ErrorCode::InvalidRequest;
    }
    if context.version < 5 {
        return ErrorCode::None;
    }
    match (&request.cluster_id, request.node_id) {
        (None, -1) => ErrorCode::None,
        (None, _) | (Some(_), -1) => ErrorCode::InvalidRequest,
        // A controller's listener does not look.
        _ if context.connection.kind == ListenerKind::Controller => ErrorCode::None,
        (Some(cluster), id) if *cluster == *node.cluster_id && id == node.id => ErrorCode::None,
        _ => ErrorCode::RebootstrapRequired,
    }
}

fn response<D: Disk>(node: &Node<D>, context: &Context) -> ApiVersionsResponse<'static> {
    let kind = context.connection.kind;
    let told = |key: &ApiKey| {
        let info = key.info();
        let range = match kind {
            ListenerKind::Broker => info.told_by_broker,
            ListenerKind::Controller => info.told_by_controller,
        }?;
        Some(ApiVersion { api_key: *key as i16, min_version: range.low, max_version: range.high, ..Default::default() })
    };
    let published = node.published();
    let image = &published.image;
    let supported = |name: &'static str, min: i16, max: i16| SupportedFeatureKey {
        name: name.into(),
        min_version: min,
        max_version: max,
        ..Default::default()
    };
    let finalized = |name: &str, level: i16| FinalizedFeatureKey {
        name: name.to_owned().into(),
        max_version_level: level,
        min_version_level: level,
        ..Default::default()
    };
    let mut supported_features = vec![supported(METADATA_VERSION, METADATA_VERSION_MIN, METADATA_VERSION_LATEST)];
    if context.version >= 4 {
        // Readers of v3 take a lowest level of 0 for a mistake.
        supported_features.extend(FEATURES.iter().map(|f| supported(f.name, 0, f.latest)));
    }
    let mut finalized_features: Vec<_> =
        image.metadata_version.iter().map(|level| finalized(METADATA_VERSION, *level)).collect();
    finalized_features.extend(image.features.iter().map(|(name, level)| finalized(name, *level)));
    if published.kraft_version > 0 {
        finalized_features.push(finalized(KRAFT_VERSION, published.kraft_version));
    }
    ApiVersionsResponse {
        api_keys: served(kind).iter().filter_map(told).collect(),
        supported_features,
        finalized_features_epoch: published.offset,
        finalized_features,
        ..Default::default()
    }
}

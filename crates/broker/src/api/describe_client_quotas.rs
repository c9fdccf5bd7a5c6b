//! DescribeClientQuotas (0-1, KIP-546): the quotas of the entities that a filter matches.

use super::throttle::NOT_THROTTLED_MS;
use crate::node::Node;
use crate::request::{Answer, Context};
use ottla_machine::Disk;
use ottla_metadata::image::QuotaEntity;
use ottla_security::AclOperation;
use ottla_wire::api::describe_client_quotas_request::ComponentData;
use ottla_wire::api::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use ottla_wire::api::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use ottla_wire::{ApiError, ErrorCode};
use std::collections::BTreeMap;

pub(super) fn handle<D: Disk>(
    node: &Node<D>,
    context: &Context,
    request: &DescribeClientQuotasRequest<'_>,
) -> Answer<D> {
    let failed = |error: ApiError| DescribeClientQuotasResponse {
        throttle_time_ms: NOT_THROTTLED_MS,
        error_code: error.code.into(),
        error_message: error.message,
        entries: None,
        ..Default::default()
    };
    if !context.may_to_cluster(node, AclOperation::DescribeConfigs) {
        return context.reply(&failed(ErrorCode::ClusterAuthorizationFailed.into()));
    }
    let filter = match Filter::of(request) {
        Ok(filter) => filter,
        Err(error) => return context.reply(&failed(error)),
    };
    let published = node.published();
    let matching = published.image.quotas.iter().filter(|(entity, _)| filter.matches(entity));
    let data = |(kind, name): (&String, &Option<String>)| EntityData {
        entity_type: kind.clone().into(),
        entity_name: name.clone().map(Into::into),
        ..Default::default()
    };
    let value =
        |(key, value): (&String, &f64)| ValueData { key: key.clone().into(), value: *value, ..Default::default() };
    let entries = matching.map(|(entity, quotas)| EntryData {
        entity: entity.iter().map(data).collect(),
        values: quotas.iter().map(value).collect(),
        ..Default::default()
    });
    context.reply(&DescribeClientQuotasResponse {
        throttle_time_ms: NOT_THROTTLED_MS,
        entries: Some(entries.collect()),
        ..Default::default()
    })
}

const TYPES: [&str; 3] = ["user", "client-id", "ip"];

/// What an entity must have for one of its types.
enum Match<'a> {
    /// This name, or with None the default.
    Exact(Option<&'a str>),
    Any,
}

struct Filter<'a> {
    parts: BTreeMap<&'a str, Match<'a>>,
    /// Nothing beside what is named.
    strict: bool,
}

impl<'a> Filter<'a> {
    fn of(request: &'a DescribeClientQuotasRequest<'_>) -> Result<Self, ApiError> {
        let mut parts = BTreeMap::new();
        for component in &request.components {
            let kind = component.entity_type.as_ref();
            if kind.is_empty() {
                return Err(invalid("Invalid empty entity type."));
            }
            if parts.contains_key(kind) {
                return Err(invalid(format!("Entity type {kind} cannot appear more than once in the filter.")));
            }
            if !TYPES.contains(&kind) {
                let message = format!("Unsupported entity type {kind}");
                return Err(ApiError::new(ErrorCode::UnsupportedVersion, message));
            }
            parts.insert(kind, Match::of(component)?);
        }
        if parts.contains_key("ip") && parts.len() > 1 {
            return Err(invalid(
                "Invalid entity filter component combination. IP filter component should not be used with user or \
                 clientId filter component.",
            ));
        }
        Ok(Self { parts, strict: request.strict })
    }

    fn matches(&self, entity: &QuotaEntity) -> bool {
        // A strict filter that names nothing matches nothing: no entity is empty.
        let has = |(kind, wanted): (&&str, &Match<'_>)| match (entity.get(*kind), wanted) {
            (None, _) => false,
            (Some(_), Match::Any) => true,
            (Some(name), Match::Exact(wanted)) => name.as_deref() == *wanted,
        };
        (!self.strict || entity.len() == self.parts.len()) && self.parts.iter().all(has)
    }
}

impl<'a> Match<'a> {
    fn of(component: &'a ComponentData<'_>) -> Result<Self, ApiError> {
        const ALSO: &str = ", but also specified a match string.";
        match (component.match_type, &component.r#match) {
            (0, Some(name)) => Ok(Self::Exact(Some(name))),
            (0, None) => Err(invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.")),
            (1, None) => Ok(Self::Exact(None)),
            (1, Some(_)) => Err(invalid(format!("Request specified MATCH_TYPE_DEFAULT{ALSO}"))),
            (2, None) => Ok(Self::Any),
            (2, Some(_)) => Err(invalid(format!("Request specified MATCH_TYPE_SPECIFIED{ALSO}"))),
            (other, _) => Err(invalid(format!("Unknown match type {other}"))),
        }
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

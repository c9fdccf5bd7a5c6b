//! AlterClientQuotas (0-1, KIP-546).

use super::{Asker, Decision, Response, owned};
use crate::node::Desk;
use ottla_metadata::controller::{QuotaAlteration, QuotaOperation};
use ottla_metadata::image::QuotaEntity;
use ottla_security::AclOperation;
use ottla_wire::api::alter_client_quotas_request as asked;
use ottla_wire::api::alter_client_quotas_response::{EntityData, EntryData};
use ottla_wire::api::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use ottla_wire::{ApiError, ErrorCode};

pub(super) fn decide(desk: &mut Desk<'_>, asker: &Asker, request: &AlterClientQuotasRequest<'_>) -> Decision {
    if !asker.may_to_cluster(AclOperation::AlterConfigs) {
        return (Vec::new(), refusal(request, ErrorCode::ClusterAuthorizationFailed));
    }
    let operation =
        |op: &asked::OpData<'_>| QuotaOperation { key: op.key.to_string(), value: (!op.remove).then_some(op.value) };
    let alterations: Vec<QuotaAlteration> = request
        .entries
        .iter()
        .map(|entry| QuotaAlteration {
            entity: entity_of(entry),
            operations: entry.ops.iter().map(operation).collect(),
        })
        .collect();
    let host = desk.host;
    let outcome = desk.controller.alter_client_quotas(&alterations, &|name| host.has_address(name));
    let records = if request.validate_only { Vec::new() } else { outcome.records };
    (records, respond(outcome.response))
}

/// Every entity that the request names fails.
pub(super) fn refusal(request: &AlterClientQuotasRequest<'_>, error: ErrorCode) -> Response {
    respond(request.entries.iter().map(|entry| (entity_of(entry), Err(error.into()))))
}

fn entity_of(entry: &asked::EntryData<'_>) -> QuotaEntity {
    let name = |data: &asked::EntityData<'_>| {
        (data.entity_type.to_string(), data.entity_name.as_ref().map(ToString::to_string))
    };
    entry.entity.iter().map(name).collect()
}

fn respond(results: impl IntoIterator<Item = (QuotaEntity, Result<(), ApiError>)>) -> Response {
    let data = |(kind, name): (String, Option<String>)| EntityData {
        entity_type: owned(&kind),
        entity_name: name.map(Into::into),
        ..Default::default()
    };
    let entry = |(entity, result): (QuotaEntity, Result<(), ApiError>)| {
        let (code, error_message) = match result {
            Ok(()) => (ErrorCode::None, None),
            Err(error) => (error.code, error.message),
        };
        EntryData {
            error_code: code.into(),
            error_message,
            entity: entity.into_iter().map(data).collect(),
            ..Default::default()
        }
    };
    let entries = results.into_iter().map(entry).collect();
    Box::new(AlterClientQuotasResponse { entries, ..Default::default() })
}

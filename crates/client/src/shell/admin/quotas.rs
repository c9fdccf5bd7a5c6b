//! Quotas of users, client ids and addresses (KIP-546).

use super::{Admin, Target};
use crate::error::{ClientError, Result};
use crate::shell::reply::Reply;
use ottla_wire::api::describe_client_quotas_request::ComponentData;
use ottla_wire::api::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest, DescribeClientQuotasResponse,
    alter_client_quotas_request as alter,
};
use std::collections::BTreeMap;

/// `user`, `client-id` or `ip`, each with a name, or with None for the default.
pub type QuotaEntity = BTreeMap<String, Option<String>>;

/// What an entity must have of a kind to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaMatch {
    Named(String),
    Default,
    Any,
}

/// An entity and its quotas, in the order of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityQuotas {
    pub entity: QuotaEntity,
    pub quotas: Vec<(String, f64)>,
}

impl Admin {
    /// The entities that match all of `filter`, and where it is strict have nothing else.
    pub async fn describe_client_quotas(
        &self,
        filter: &[(&str, QuotaMatch)],
        strict: bool,
    ) -> Result<Vec<EntityQuotas>> {
        let request = |_| {
            let component = |(kind, wanted): &(&str, QuotaMatch)| {
                let (match_type, name) = match wanted {
                    QuotaMatch::Named(name) => (0, Some(name.clone().into())),
                    QuotaMatch::Default => (1, None),
                    QuotaMatch::Any => (2, None),
                };
                ComponentData {
                    entity_type: (*kind).to_owned().into(),
                    match_type,
                    r#match: name,
                    ..Default::default()
                }
            };
            let components = filter.iter().map(component).collect();
            DescribeClientQuotasRequest { components, strict, ..Default::default() }
        };
        let read = |reply: &Reply| {
            let response: DescribeClientQuotasResponse<'_> = reply.read()?;
            ClientError::check(response.error_code, response.error_message.as_deref())?;
            let entries = response.entries.iter().flatten().map(|entry| EntityQuotas {
                entity: entry
                    .entity
                    .iter()
                    .map(|e| (e.entity_type.to_string(), e.entity_name.as_deref().map(str::to_owned)))
                    .collect(),
                quotas: entry.values.iter().map(|value| (value.key.to_string(), value.value)).collect(),
            });
            Ok(entries.collect())
        };
        self.call("describeClientQuotas", Target::Any, request, read).await
    }

    /// Sets some quotas of one entity, or with None removes them, and leaves the others alone.
    pub async fn alter_client_quotas(&self, entity: &QuotaEntity, changes: &[(String, Option<f64>)]) -> Result<()> {
        let request = |_| {
            let data = |(kind, name): (&String, &Option<String>)| alter::EntityData {
                entity_type: kind.clone().into(),
                entity_name: name.clone().map(Into::into),
                ..Default::default()
            };
            let op = |(key, value): &(String, Option<f64>)| alter::OpData {
                key: key.clone().into(),
                value: value.unwrap_or_default(),
                remove: value.is_none(),
                ..Default::default()
            };
            let entry = alter::EntryData {
                entity: entity.iter().map(data).collect(),
                ops: changes.iter().map(op).collect(),
                ..Default::default()
            };
            AlterClientQuotasRequest { entries: vec![entry], ..Default::default() }
        };
        let read = |reply: &Reply| {
            let response: AlterClientQuotasResponse<'_> = reply.read()?;
            let mut entries = response.entries.iter();
            entries.try_for_each(|entry| ClientError::check(entry.error_code, entry.error_message.as_deref()))
        };
        self.call("alterClientQuotas", Target::Any, request, read).await
    }
}

//! Quotas of clients are set and removed (KIP-546): which entities may have which keys, and what their values may be.

use super::{Controller, Outcome};
use crate::image::{QuotaEntity, Quotas, quota_record};
use ottla_wire::metadata::ClientQuotaRecord;
use ottla_wire::{ApiError, ErrorCode};
use std::collections::BTreeMap;

/// What is asked for one entity.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaAlteration {
    pub entity: QuotaEntity,
    pub operations: Vec<QuotaOperation>,
}

/// One key that is set, or with None removed.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaOperation {
    pub key: String,
    pub value: Option<f64>,
}

/// What became of each entity that a request names.
type Results = BTreeMap<QuotaEntity, Result<(), ApiError>>;

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

/// What the value of a key is.
#[derive(Clone, Copy)]
enum Value {
    Long,
    Int,
    Double,
}

const OF_USERS_AND_CLIENTS: [(&str, Value); 4] = [
    ("producer_byte_rate", Value::Long),
    ("consumer_byte_rate", Value::Long),
    ("request_percentage", Value::Double),
    ("controller_mutation_rate", Value::Double),
];
const OF_ADDRESSES: [(&str, Value); 1] = [("connection_creation_rate", Value::Int)];

impl Controller<'_> {
    /// `is_address` says whether a text is an address or a host that has one.
    pub fn alter_client_quotas(
        &self,
        alterations: &[QuotaAlteration],
        is_address: &dyn Fn(&str) -> bool,
    ) -> Outcome<Results> {
        let mut outcome = Outcome { records: Vec::new(), response: Results::new() };
        for QuotaAlteration { entity, operations } in alterations {
            let mut wanted: BTreeMap<&str, Option<f64>> = BTreeMap::new();
            let is_twice = operations.iter().any(|one| wanted.insert(&one.key, one.value).is_some());
            // So does Kafka: a key that stands twice is told as an entity that does.
            let result = match is_twice || outcome.response.contains_key(entity) {
                true => Err(invalid(format!("Ignoring duplicate entity {}", shown(entity)))),
                false => self.alter_quotas_of(entity, &wanted, is_address),
            };
            let result = result.map(|records| outcome.records.extend(records.into_iter().map(|r| (r.into(), 0))));
            outcome.response.insert(entity.clone(), result);
        }
        outcome
    }

    fn alter_quotas_of(
        &self,
        entity: &QuotaEntity,
        wanted: &BTreeMap<&str, Option<f64>>,
        is_address: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<ClientQuotaRecord<'static>>, ApiError> {
        let keys = keys_of(entity, is_address)?;
        let none = Quotas::new();
        let current = self.image.quotas.get(entity).map_or(&none, |quotas| &**quotas);
        let mut records = Vec::new();
        for (key, value) in wanted {
            match value {
                Some(value) => {
                    check_value(keys, key, *value)?;
                    if current.get(*key) != Some(value) {
                        records.push(quota_record(entity, key, *value));
                    }
                }
                None if current.contains_key(*key) => {
                    records.push(ClientQuotaRecord { remove: true, ..quota_record(entity, key, 0.0) });
                }
                None => {}
            }
        }
        Ok(records)
    }
}

/// The keys that an entity may have.
fn keys_of(
    entity: &QuotaEntity,
    is_address: &dyn Fn(&str) -> bool,
) -> Result<&'static [(&'static str, Value)], ApiError> {
    if entity.is_empty() {
        return Err(invalid("Invalid empty client quota entity"));
    }
    for (kind, name) in entity {
        if ![USER, CLIENT_ID, IP].contains(&kind.as_str()) {
            return Err(invalid(format!("Unhandled client quota entity type: {kind}")));
        }
        if name.as_deref() == Some("") {
            return Err(invalid(format!("Empty {kind} not supported")));
        }
    }
    match entity.get(IP) {
        None => Ok(&OF_USERS_AND_CLIENTS),
        // Kafka's words, without the blank between two of them.
        Some(_) if entity.len() > 1 => {
            Err(invalid("Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId"))
        }
        Some(Some(address)) if !is_address(address) => {
            Err(invalid(format!("{address} is not a valid IP or resolvable host.")))
        }
        Some(_) => Ok(&OF_ADDRESSES),
    }
}

fn check_value(keys: &[(&str, Value)], key: &str, value: f64) -> Result<(), ApiError> {
    let Some((_, kind)) = keys.iter().find(|(known, _)| *known == key) else {
        return Err(invalid(format!("Invalid configuration key {key}")));
    };
    if value <= 0.0 {
        return Err(invalid(format!("Quota {key} must be greater than 0")));
    }
    let (max, kind) = match kind {
        Value::Double => return Ok(()),
        Value::Int => (f64::from(i32::MAX), "an INT"),
        Value::Long => (i64::MAX as f64, "a LONG"),
    };
    if value > max {
        return Err(invalid(format!("Proposed value for {key} is too large for {kind}.")));
    }
    if (value % 1.0).abs() > 1e-6 {
        return Err(invalid(format!("{key} cannot be a fractional value.")));
    }
    Ok(())
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

/// As Kafka writes an entity.
fn shown(entity: &QuotaEntity) -> String {
    let entries: Vec<String> =
        entity.iter().map(|(kind, name)| format!("{kind}={}", name.as_deref().unwrap_or("null"))).collect();
    format!("ClientQuotaEntity(entries={{{}}})", entries.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Cluster;
    use super::*;

    fn entity(parts: &[(&str, Option<&str>)]) -> QuotaEntity {
        parts.iter().map(|(kind, name)| ((*kind).to_owned(), name.map(str::to_owned))).collect()
    }

    fn alter(parts: &[(&str, Option<&str>)], operations: &[(&str, Option<f64>)]) -> QuotaAlteration {
        let operation = |(key, value): &(&str, Option<f64>)| QuotaOperation { key: (*key).to_owned(), value: *value };
        QuotaAlteration { entity: entity(parts), operations: operations.iter().map(operation).collect() }
    }

    fn is_address(name: &str) -> bool {
        name.parse::<core::net::IpAddr>().is_ok()
    }

    /// What one alteration comes to: the number of records, or the error's text.
    fn result(cluster: &mut Cluster, alteration: QuotaAlteration) -> Result<usize, String> {
        let (results, records) = cluster.decide(|c| c.alter_client_quotas(&[alteration], &is_address));
        let (_, result) = results.into_iter().next().unwrap();
        result.map(|()| records.len()).map_err(|error| {
            assert_eq!((error.code, records.len()), (ErrorCode::InvalidRequest, 0));
            error.message.unwrap().into_owned()
        })
    }

    #[test]
    fn quotas_are_set_changed_and_removed() {
        let mut cluster = Cluster::new(&[("metadata.version", 33)]);
        let ann = [("user", Some("ann")), ("client-id", None)];
        let mut set = |operations: &[(&str, Option<f64>)]| result(&mut cluster, alter(&ann, operations));
        assert_eq!(set(&[("producer_byte_rate", Some(1000.0)), ("request_percentage", Some(0.5))]), Ok(2));
        // What is so already makes no record, nor does the removal of what is not there.
        assert_eq!(set(&[("producer_byte_rate", Some(1000.0)), ("consumer_byte_rate", None)]), Ok(0));
        assert_eq!(set(&[("producer_byte_rate", Some(1.0)), ("request_percentage", None)]), Ok(2));
        assert_eq!(*cluster.image.quotas[&entity(&ann)], Quotas::from([("producer_byte_rate".to_owned(), 1.0)]));
        assert_eq!(result(&mut cluster, alter(&ann, &[("producer_byte_rate", None)])), Ok(1));
        assert!(cluster.image.quotas.is_empty());
    }

    #[test]
    fn what_an_entity_may_not_have_is_refused() {
        let mut cluster = Cluster::new(&[("metadata.version", 33)]);
        let ann = [("user", Some("ann"))];
        let here = [("ip", Some("127.0.0.1"))];
        let rate = [("producer_byte_rate", Some(1.0))];
        let cases = [
            (alter(&[], &rate), "Invalid empty client quota entity"),
            (alter(&[("group", Some("g"))], &rate), "Unhandled client quota entity type: group"),
            (alter(&[("client-id", Some(""))], &rate), "Empty client-id not supported"),
            (
                alter(&[("ip", None), ("user", None)], &rate),
                "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
            ),
            (alter(&[("ip", Some("nowhere"))], &[]), "nowhere is not a valid IP or resolvable host."),
            (alter(&here, &rate), "Invalid configuration key producer_byte_rate"),
            (
                alter(&ann, &[("connection_creation_rate", Some(1.0))]),
                "Invalid configuration key connection_creation_rate",
            ),
            (alter(&ann, &[("producer_byte_rate", Some(0.0))]), "Quota producer_byte_rate must be greater than 0"),
            (alter(&ann, &[("producer_byte_rate", Some(1.5))]), "producer_byte_rate cannot be a fractional value."),
            (
                alter(&ann, &[("consumer_byte_rate", Some(1e19))]),
                "Proposed value for consumer_byte_rate is too large for a LONG.",
            ),
            (
                alter(&here, &[("connection_creation_rate", Some(3e9))]),
                "Proposed value for connection_creation_rate is too large for an INT.",
            ),
            (alter(&ann, &[rate[0], rate[0]]), "Ignoring duplicate entity ClientQuotaEntity(entries={user=ann})"),
        ];
        for (alteration, expected) in cases {
            assert_eq!(result(&mut cluster, alteration), Err(expected.to_owned()));
        }
        assert_eq!(result(&mut cluster, alter(&here, &[("connection_creation_rate", Some(5.0))])), Ok(1));
        assert_eq!(result(&mut cluster, alter(&[("ip", None)], &[("connection_creation_rate", Some(5.0))])), Ok(1));
        assert_eq!(result(&mut cluster, alter(&ann, &[("controller_mutation_rate", Some(0.1))])), Ok(1));
    }

    #[test]
    fn an_entity_that_stands_twice_is_changed_once_and_told() {
        let mut cluster = Cluster::new(&[("metadata.version", 33)]);
        let set = |value| alter(&[("user", None)], &[("producer_byte_rate", Some(value))]);
        let (results, records) = cluster.decide(|c| c.alter_client_quotas(&[set(1.0), set(2.0)], &is_address));
        // So it is in Kafka: the first is in force, and what is told is the error of the second.
        assert_eq!(records.len(), 1);
        assert!(results[&entity(&[("user", None)])].is_err());
    }
}

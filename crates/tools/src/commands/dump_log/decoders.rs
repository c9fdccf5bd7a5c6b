//! What keys and values are read as.

use super::{Done, Failure, Parsed};
use crate::records::coordinator::{Coordinator, Unreadable};
use crate::records::{metadata, remote};
use ottla_wire::batch::Record;
use ottla_wire::other::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use ottla_wire::{Decode, Json, Reader, ToJson};
use serde_json::Value;

pub(super) struct Decoders {
    kind: Kind,
    pub(super) print_contents: bool,
}

enum Kind {
    Classes { key: Class, value: Class },
    Coordinator(Coordinator),
    ClusterMetadata,
    RemoteLogMetadata,
}

/// Kafka's own decoders.
#[derive(Clone, Copy)]
enum Class {
    Bytes,
    Integer,
    Long,
    Text,
}

/// A key and a value, as they are shown.
pub(super) type Shown = (Option<String>, Option<String>);

impl Decoders {
    pub(super) fn of(parsed: &Parsed) -> Done<Self> {
        let kind = if parsed.has("offsets-decoder") {
            Kind::Coordinator(Coordinator::Group)
        } else if parsed.has("transaction-log-decoder") {
            Kind::Coordinator(Coordinator::Transaction)
        } else if parsed.has("cluster-metadata-decoder") {
            Kind::ClusterMetadata
        } else if parsed.has("remote-log-metadata-decoder") {
            Kind::RemoteLogMetadata
        } else if parsed.has("share-group-state-decoder") {
            Kind::Coordinator(Coordinator::Share)
        } else {
            let value = Class::by_name(parsed.value("value-decoder-class")?.unwrap_or_default())?;
            Kind::Classes { key: Class::by_name(parsed.value("key-decoder-class")?.unwrap_or_default())?, value }
        };
        let implying = [
            "print-data-log",
            "offsets-decoder",
            "transaction-log-decoder",
            "cluster-metadata-decoder",
            "remote-log-metadata-decoder",
            "value-decoder-class",
            "key-decoder-class",
            "share-group-state-decoder",
        ];
        Ok(Self { kind, print_contents: implying.iter().any(|option| parsed.has(option)) })
    }

    /// A record's key and value, as they are shown.
    pub(super) fn contents(&self, record: &Record<'_>, offset: i64) -> Done<Shown> {
        Ok(match &self.kind {
            Kind::Classes { key, value } => (
                record.key.map(|bytes| key.decode(bytes)).transpose()?,
                record.value.map(|bytes| value.decode(bytes)).transpose()?,
            ),
            Kind::Coordinator(coordinator) => coordinator_record(*coordinator, record, offset)?,
            Kind::ClusterMetadata => {
                let read = metadata::read(record.value.unwrap_or_default()).map(|json| json.to_string());
                (None, Some(read.unwrap_or_else(|why| format!("Error at {offset}, skipping. {why}"))))
            }
            Kind::RemoteLogMetadata => {
                let read = remote::read(record.value.unwrap_or_default());
                (None, Some(read.unwrap_or_else(|why| format!("Error at offset {offset}, skipping. {why}"))))
            }
        })
    }

    /// A part as a JSON value: internal records are JSON themselves, where they could be read.
    pub(super) fn as_json(&self, part: Option<String>) -> Value {
        match (part, &self.kind) {
            (None, _) => Value::Null,
            (Some(part), Kind::Classes { .. }) => part.into(),
            (Some(part), _) => serde_json::from_str(&part).unwrap_or(Value::String(part)),
        }
    }
}

impl Class {
    fn by_name(name: &str) -> Done<Self> {
        match name.strip_prefix("org.apache.kafka.tools.api.") {
            Some("DefaultDecoder") => Ok(Self::Bytes),
            Some("IntegerDecoder") => Ok(Self::Integer),
            Some("LongDecoder") => Ok(Self::Long),
            Some("StringDecoder") => Ok(Self::Text),
            _ => Err(Failure::told(format!("java.lang.RuntimeException: Failed to load decoder class {name}"))),
        }
    }

    fn decode(self, bytes: &[u8]) -> Done<String> {
        let short = || Failure::told("java.nio.BufferUnderflowException");
        Ok(match self {
            Self::Text => String::from_utf8_lossy(bytes).into_owned(),
            Self::Integer => i32::from_be_bytes(*bytes.first_chunk().ok_or_else(short)?).to_string(),
            Self::Long => i64::from_be_bytes(*bytes.first_chunk().ok_or_else(short)?).to_string(),
            // Java shows an array by its identity, a number that means nothing. Here equal bytes look equal.
            Self::Bytes => {
                let hash = bytes.iter().fold(1_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add((*byte).into()));
                format!("[B@{hash:x}")
            }
        })
    }
}

fn coordinator_record(coordinator: Coordinator, record: &Record<'_>, offset: i64) -> Done<Shown> {
    let Some(key) = record.key else {
        return Err(Failure::told(format!(
            "java.lang.RuntimeException: Failed to decode message at offset {offset} using the specified decoder (message had a missing key)"
        )));
    };
    Ok(match coordinator.read(key, record.value) {
        Ok(mut read) => {
            if coordinator == Coordinator::Group
                && let Some((_, value)) = &mut read.value
            {
                show_members(value);
            }
            let key = tagged("type", Json::Text(read.kind.to_string()), read.key);
            let value = match read.value {
                Some((version, value)) => tagged("version", Json::Text(version.to_string()), value).to_string(),
                None => "<DELETE>".to_owned(),
            };
            (Some(key.to_string()), Some(value))
        }
        Err(Unreadable::Type(kind)) => {
            (Some(format!("Unknown record type {kind} at offset {offset}, skipping.")), None)
        }
        Err(Unreadable::Other(why)) => (Some(format!("Error at offset {offset}, skipping. {why}")), None),
    })
}

fn tagged(name: &'static str, tag: Json, data: Json) -> Json {
    Json::Object(vec![(name, tag), ("data", data)])
}

/// What members of a classic group of consumers tell each other is a message of its own, shown as such where it can be read.
fn show_members(group: &mut Json) {
    if group.get("protocolType") != Some(&Json::Text("consumer".to_owned())) {
        return;
    }
    let Some(Json::Array(members)) = group.get_mut("members") else { return };
    for member in members {
        if let Some(field) = member.get_mut("subscription")
            && let Some(read) = consumer_protocol::<ConsumerProtocolSubscription<'_>>(field)
        {
            *field = read;
        }
        if let Some(field) = member.get_mut("assignment")
            && let Some(read) = consumer_protocol::<ConsumerProtocolAssignment<'_>>(field)
        {
            *field = read;
        }
    }
}

fn consumer_protocol<'a, T: Decode<'a> + ToJson>(field: &'a Json) -> Option<Json> {
    let Json::Bytes(bytes) = field else { return None };
    let mut reader = Reader::new(bytes);
    let version = reader.i16().ok()?;
    Some(T::decode(&mut reader, version).ok()?.to_json(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_members_say_is_shown_where_it_can_be_read() {
        let member = |subscription: &[u8]| {
            Json::Object(vec![
                ("subscription", Json::Bytes(subscription.to_vec())),
                ("assignment", Json::Bytes(vec![0])),
            ])
        };
        let mut group = Json::Object(vec![
            ("protocolType", Json::Text("consumer".to_owned())),
            ("members", Json::Array(vec![member(&[0, 0, 0, 0, 0, 1, 0, 1, b't', 255, 255, 255, 255]), member(&[9])])),
        ]);
        show_members(&mut group);
        assert_eq!(
            group.to_string(),
            r#"{"protocolType":"consumer","members":[{"subscription":{"topics":["t"],"userData":null},"assignment":"AA=="},{"subscription":"CQ==","assignment":"AA=="}]}"#
        );
    }
}

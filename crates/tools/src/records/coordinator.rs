//! The records of coordinators as JSON: what lies in `__consumer_offsets`, `__transaction_state` and
//! `__share_group_state`. A key begins with its type, a value with its version (both i16); bytes left over are no mistake.

use ottla_wire::group::{GroupKey, GroupValue};
use ottla_wire::share::{ShareKey, ShareValue};
use ottla_wire::transaction::{TransactionKey, TransactionValue};
use ottla_wire::{DecodeError, Json, Reader, ToJson};

/// Whose records they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coordinator {
    Group,
    Transaction,
    Share,
}

#[derive(Debug, PartialEq)]
pub(crate) struct CoordinatorRecord {
    pub(crate) kind: i16,
    pub(crate) key: Json,
    /// Its version, and the message; none for a tombstone.
    pub(crate) value: Option<(i16, Json)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Tools pass over types that they do not know.
    Type(i16),
    Other(String),
}

impl Coordinator {
    pub(crate) fn read(self, key: &[u8], value: Option<&[u8]>) -> Result<CoordinatorRecord, Unreadable> {
        let mut reader = Reader::new(key);
        let kind = number(&mut reader, "key")?;
        let key = match self {
            Self::Group => GroupKey::decode(kind, &mut reader, 0).map(|key| key.to_json(0)),
            Self::Transaction => TransactionKey::decode(kind, &mut reader, 0).map(|key| key.to_json(0)),
            Self::Share => ShareKey::decode(kind, &mut reader, 0).map(|key| key.to_json(0)),
        };
        let key = key.map_err(|error| unreadable(kind, kind, "key", error))?;
        let Some(value) = value else { return Ok(CoordinatorRecord { kind, key, value: None }) };
        let mut reader = Reader::new(value);
        let version = number(&mut reader, "value")?;
        let value = match self {
            Self::Group => GroupValue::decode(kind, &mut reader, version).map(|value| value.to_json(version)),
            Self::Transaction => {
                TransactionValue::decode(kind, &mut reader, version).map(|value| value.to_json(version))
            }
            Self::Share => ShareValue::decode(kind, &mut reader, version).map(|value| value.to_json(version)),
        };
        let value = value.map_err(|error| unreadable(kind, version, "value", error))?;
        Ok(CoordinatorRecord { kind, key, value: Some((version, value)) })
    }
}

fn number(reader: &mut Reader<'_>, part: &str) -> Result<i16, Unreadable> {
    reader.i16().map_err(|_| Unreadable::Other(format!("Could not read version from {part}'s buffer.")))
}

fn unreadable(kind: i16, version: i16, part: &str, error: DecodeError) -> Unreadable {
    match error {
        DecodeError::RecordType(_) => Unreadable::Type(kind),
        DecodeError::Version(unknown) => {
            Unreadable::Other(format!("Found an unknown record version {unknown} for {kind} type"))
        }
        error => Unreadable::Other(format!(
            "Could not read record with version {version} from {part}'s buffer due to: {}.",
            in_java(error)
        )),
    }
}

/// Java has no words for a number that is cut off.
fn in_java(error: DecodeError) -> String {
    match error {
        DecodeError::Short { needed: 1 | 2 | 4 | 8 | 16, .. } => "null".to_owned(),
        DecodeError::Short { needed, left } => {
            format!("Error reading byte array of {needed} byte(s): only {left} byte(s) available")
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_comes_with_its_types_and_versions() {
        let key = [0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 7];
        let value = [0, 3, 0, 0, 0, 0, 0, 0, 0, 9, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
        let record = Coordinator::Group.read(&key, Some(&value)).unwrap();
        assert_eq!((record.kind, record.key.to_string().as_str()), (1, r#"{"group":"g","topic":"t","partition":7}"#));
        let (version, value) = record.value.unwrap();
        assert_eq!(version, 3);
        assert_eq!(value.to_string(), r#"{"offset":9,"leaderEpoch":-1,"metadata":"","commitTimestamp":5}"#);
        assert_eq!(Coordinator::Group.read(&key, None).unwrap().value, None);
    }

    #[test]
    fn bytes_of_any_kind_are_a_record_or_told() {
        let key = [0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 7];
        for end in 0..key.len() {
            assert!(Coordinator::Group.read(&key[..end], None).is_err());
        }
        assert_eq!(Coordinator::Group.read(&[0, 99], None), Err(Unreadable::Type(99)));
        let version = Coordinator::Group.read(&key, Some(&[0, 9]));
        assert_eq!(version, Err(Unreadable::Other("Found an unknown record version 9 for 1 type".to_owned())));
        for coordinator in [Coordinator::Group, Coordinator::Transaction, Coordinator::Share] {
            for kind in 0..40 {
                for byte in [0, 1, 0x7f, 0xff] {
                    let _ = coordinator.read(&[0, kind, byte, byte, byte], Some(&[0, 0, byte, byte, byte, byte]));
                }
            }
        }
    }
}

//! Messages as JSON, as Kafka's tools print the records of internal topics: fields in the order of the schema, named in
//! camel case, those that the version does not have left out, tagged ones only where they differ from their default,
//! bytes in base64. There is no reader: no tool of Kafka's reads such JSON back from these messages.

use crate::uuid::Uuid;
use std::borrow::Cow;
use std::fmt::{self, Write};

/// A value; [`fmt::Display`] writes it without spaces.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Array(Vec<Json>),
    /// In the order in which they were set.
    Object(Vec<(&'static str, Json)>),
}

/// What a message of a log's records, and each of its structs and fields, can do.
pub trait ToJson {
    fn to_json(&self, version: i16) -> Json;
}

impl Json {
    /// A field of an object.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Self::Object(fields) => fields.iter().find(|(own, _)| *own == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// A field of an object, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        match self {
            Self::Object(fields) => fields.iter_mut().find(|(own, _)| *own == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Double(value) => java_double(f, *value),
            Self::Text(text) => quoted(f, text),
            Self::Bytes(bytes) => base64(f, bytes),
            Self::Array(values) => {
                f.write_char('[')?;
                for (value, place) in values.iter().zip(0..) {
                    if place > 0 {
                        f.write_char(',')?;
                    }
                    value.fmt(f)?;
                }
                f.write_char(']')
            }
            Self::Object(fields) => {
                f.write_char('{')?;
                for ((name, value), place) in fields.iter().zip(0..) {
                    if place > 0 {
                        f.write_char(',')?;
                    }
                    quoted(f, name)?;
                    f.write_char(':')?;
                    value.fmt(f)?;
                }
                f.write_char('}')
            }
        }
    }
}

/// As Jackson does: what must be escaped, and nothing else.
fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for char in text.chars() {
        match char {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\u{8}' => f.write_str("\\b")?,
            '\t' => f.write_str("\\t")?,
            '\n' => f.write_str("\\n")?,
            '\u{c}' => f.write_str("\\f")?,
            '\r' => f.write_str("\\r")?,
            '\0'..='\u{1f}' => write!(f, "\\u{:04X}", u32::from(char))?,
            other => f.write_char(other)?,
        }
    }
    f.write_char('"')
}

fn base64(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    f.write_char('"')?;
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            // A chunk of one byte fills two places, one of two bytes three.
            let char = if place > chunk.len() { b'=' } else { ALPHABET[(bits >> (18 - 6 * place) & 63) as usize] };
            f.write_char(char::from(char))?;
        }
    }
    f.write_char('"')
}

/// As `Double.toString` writes it: always a point, and an exponent for the large and the small. What is no number stands
/// in quotes, since JSON has no word for it.
fn java_double(f: &mut fmt::Formatter<'_>, value: f64) -> fmt::Result {
    if value.is_nan() {
        return f.write_str("\"NaN\"");
    }
    if value.is_infinite() {
        return f.write_str(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
    }
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return write!(f, "{value:?}");
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    write!(f, "{digits}{point}E{exponent}")
}

macro_rules! integers {
    ($($kind:ty)*) => {$(
        impl ToJson for $kind {
            fn to_json(&self, _version: i16) -> Json {
                Json::Integer(i64::from(*self))
            }
        }
    )*};
}

integers!(i8 i16 u16 i32 u32 i64);

impl ToJson for bool {
    fn to_json(&self, _version: i16) -> Json {
        Json::Bool(*self)
    }
}

impl ToJson for f64 {
    fn to_json(&self, _version: i16) -> Json {
        Json::Double(*self)
    }
}

impl ToJson for Uuid {
    fn to_json(&self, _version: i16) -> Json {
        Json::Text(self.to_string())
    }
}

impl ToJson for Cow<'_, str> {
    fn to_json(&self, _version: i16) -> Json {
        Json::Text(self.to_string())
    }
}

impl ToJson for Cow<'_, [u8]> {
    fn to_json(&self, _version: i16) -> Json {
        Json::Bytes(self.to_vec())
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn to_json(&self, version: i16) -> Json {
        Json::Array(self.iter().map(|value| value.to_json(version)).collect())
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn to_json(&self, version: i16) -> Json {
        self.as_ref().map_or(Json::Null, |value| value.to_json(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::OffsetCommitValue;
    use crate::metadata::{ClientQuotaRecord, PartitionChangeRecord};

    #[test]
    fn fields_follow_the_schema_and_the_version() {
        let mut value = OffsetCommitValue { offset: 7, metadata: "a\"b\u{1}\n".into(), ..Default::default() };
        assert_eq!(
            value.to_json(1).to_string(),
            r#"{"offset":7,"metadata":"a\"b\u0001\n","commitTimestamp":0,"expireTimestamp":-1}"#
        );
        value.topic_id = Uuid::METADATA_TOPIC;
        assert_eq!(
            value.to_json(4).to_string(),
            r#"{"offset":7,"leaderEpoch":-1,"metadata":"a\"b\u0001\n","commitTimestamp":0,"topicId":"AAAAAAAAAAAAAAAAAAAAAQ"}"#
        );
        assert_eq!(value.to_json(3).get("topicId"), None);
    }

    #[test]
    fn tagged_fields_are_told_where_they_are_not_the_default() {
        let record = PartitionChangeRecord {
            partition_id: 1,
            isr: Some(vec![1, 2]),
            directories: Some(vec![Uuid::ZERO]),
            ..Default::default()
        };
        assert_eq!(
            record.to_json(0).to_string(),
            r#"{"partitionId":1,"topicId":"AAAAAAAAAAAAAAAAAAAAAA","isr":[1,2]}"#
        );
        assert!(record.to_json(1).get("directories").is_some());
    }

    #[test]
    fn doubles_are_written_as_java_does() {
        for (value, text) in [
            (0.0, "0.0"),
            (1.5, "1.5"),
            (1024.0, "1024.0"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.25e-5, "1.25E-5"),
            (f64::INFINITY, "\"Infinity\""),
        ] {
            let record = ClientQuotaRecord { value, ..Default::default() };
            assert_eq!(record.to_json(0).get("value").map(Json::to_string).as_deref(), Some(text));
        }
    }

    #[test]
    fn bytes_are_base64_with_padding() {
        for (bytes, text) in [(&b""[..], "\"\""), (b"a", "\"YQ==\""), (b"ab", "\"YWI=\""), (b"abc", "\"YWJj\"")] {
            assert_eq!(Json::Bytes(bytes.to_vec()).to_string(), text);
        }
    }
}

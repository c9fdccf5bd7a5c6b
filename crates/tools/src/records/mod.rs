//! Records of internal topics, as Kafka's tools show them. What cannot be read is told in Kafka's words, and never ends a
//! tool: it goes on behind such a record.

pub(crate) mod coordinator;
pub(crate) mod metadata;
pub(crate) mod remote;

use ottla_wire::{DecodeError, Reader};

/// A frame: its version, the record's type and version (unsigned varints), and the record; what is wrong is told in
/// Kafka's words.
fn read_frame<'a, T>(
    value: &'a [u8],
    decode: impl FnOnce(i16, &mut Reader<'a>, i16) -> Result<T, DecodeError>,
) -> Result<(T, i16), String> {
    let mut reader = Reader::new(value);
    let mut number = |name: &str| {
        let value = reader.uvarint().map_err(|_| format!("Error while reading {name}"))?;
        i16::try_from(value).map_err(|_| format!("Value for {name} was too large."))
    };
    match number("frame version")? {
        1 => {}
        0 => {
            return Err("Could not deserialize metadata record with frame version 0. Note that upgrades from the preview release of KRaft in 2.8 to newer versions are not supported.".to_owned());
        }
        other => {
            return Err(format!(
                "Could not deserialize metadata record due to unknown frame version {other}(only frame version 1 is supported)"
            ));
        }
    }
    let (kind, version) = (number("type")?, number("version")?);
    let record = decode(kind, &mut reader, version).map_err(|error| match error {
        DecodeError::RecordType(_) => {
            format!("org.apache.kafka.common.errors.UnsupportedVersionException: Unknown metadata id {kind}")
        }
        _ => format!("Failed to deserialize record with type {kind}"),
    })?;
    if !reader.rest().is_empty() {
        return Err(format!("Found {} byte(s) of garbage after {kind}", reader.rest().len()));
    }
    Ok((record, version))
}

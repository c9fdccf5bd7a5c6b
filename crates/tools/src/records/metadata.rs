//! Records of the cluster's metadata as JSON.

use super::read_frame;
use ottla_wire::metadata::MetadataRecord;
use ottla_wire::{Json, ToJson};

/// The record in a log record's value.
pub(crate) fn read(value: &[u8]) -> Result<Json, String> {
    let (record, version) = read_frame(value, MetadataRecord::decode)?;
    Ok(Json::Object(vec![
        ("type", Json::Text(upper_snake(record.name()))),
        ("version", version.to_json(0)),
        ("data", record.to_json(version)),
    ]))
}

/// `NoOpRecord` → `NO_OP_RECORD`.
fn upper_snake(name: &str) -> String {
    let mut text = String::new();
    for char in name.chars() {
        if char.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(char.to_ascii_uppercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_records_are_shown_or_their_mistake_is_told() {
        let topic = [&[1, 2, 0, 2, b't'][..], &[0; 16], &[0]].concat();
        assert_eq!(
            read(&topic).unwrap().to_string(),
            r#"{"type":"TOPIC_RECORD","version":0,"data":{"name":"t","topicId":"AAAAAAAAAAAAAAAAAAAAAA"}}"#
        );
        assert_eq!(read(&[1, 20, 0, 0]).unwrap().to_string(), r#"{"type":"NO_OP_RECORD","version":0,"data":{}}"#);
        for (bytes, start) in [
            (&[][..], "Error while reading frame version"),
            (&[0], "Could not deserialize metadata record with frame version 0."),
            (&[2], "Could not deserialize metadata record due to unknown frame version 2("),
            (&[1, 0xff, 0xff, 0xff, 0x0f], "Value for type was too large."),
            (&[1, 99, 0], "org.apache.kafka.common.errors.UnsupportedVersionException: Unknown metadata id 99"),
            (&[1, 2, 0, 9], "Failed to deserialize record with type 2"),
            (&[1, 20, 0, 0, 7], "Found 1 byte(s) of garbage after 20"),
        ] {
            let told = read(bytes).unwrap_err();
            assert!(told.starts_with(start), "{told}");
        }
    }
}

//! A record as one JSON object, for programs: `console-consumer --json` and `tail --json` write it, `console-producer
//! --json` reads it.

use ottla_client::session::fetched::ConsumerRecord;
use ottla_client::shell::producer::ProducerRecord;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// Bytes are text where they are UTF-8; otherwise they stand in hexadecimal, under the name with `Hex` behind it.
pub(crate) fn of(record: &ConsumerRecord) -> Value {
    let mut object = json!({
        "topic": &*record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp_ms,
    });
    put(&mut object, "key", record.key.as_deref());
    put(&mut object, "value", record.value.as_deref());
    let headers = record.headers.iter().map(|(name, value)| {
        let mut header = json!({ "name": String::from_utf8_lossy(name) });
        put(&mut header, "value", value.as_deref());
        header
    });
    object["headers"] = headers.collect();
    object
}

fn put(object: &mut Value, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => object[name] = Value::Null,
        Some((_, Ok(text))) => object[name] = text.into(),
        Some((bytes, Err(_))) => {
            let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            object[format!("{name}Hex")] = hex.into();
        }
    }
}

/// What a line says of a record: `key`, `value` (or `keyHex`, `valueHex`), `headers`, `partition`, `timestamp`. What else
/// stands there, such as the offset it once had, is passed over. The topic is the command's.
pub(crate) fn parse(line: &[u8], record: &mut ProducerRecord) -> Result<(), String> {
    let object: Map<String, Value> =
        serde_json::from_slice(line).map_err(|error| format!("no JSON object: {error}"))?;
    record.key = bytes(&object, "key")?;
    record.value = bytes(&object, "value")?;
    record.partition = match object.get("partition") {
        None | Some(Value::Null) => None,
        Some(number) => {
            let index = number.as_i64().and_then(|number| i32::try_from(number).ok());
            Some(index.ok_or_else(|| format!("'partition' is no partition's number: {number}"))?)
        }
    };
    record.timestamp_ms = match object.get("timestamp") {
        None | Some(Value::Null) => None,
        Some(number) => Some(number.as_i64().ok_or_else(|| format!("'timestamp' is no number: {number}"))?),
    };
    record.headers.clear();
    match object.get("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Array(headers)) => {
            for header in headers {
                let name = header.get("name").and_then(Value::as_str);
                let name = name.ok_or_else(|| format!("a header is an object with a 'name': {header}"))?;
                let value = bytes(header.as_object().ok_or("a header is an object")?, "value")?;
                record.headers.push((name.to_owned(), value));
            }
        }
        Some(other) => return Err(format!("'headers' is no list: {other}")),
    }
    Ok(())
}

/// A value that is no text is taken as the JSON that it is.
fn bytes(object: &Map<String, Value>, name: &str) -> Result<Option<Vec<u8>>, String> {
    if let Some(hex) = object.get(&format!("{name}Hex")) {
        let digits = hex.as_str().filter(|digits| digits.len() % 2 == 0 && digits.is_ascii());
        let digits = digits.ok_or_else(|| format!("'{name}Hex' is no hexadecimal text: {hex}"))?;
        let pairs = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2).unwrap_or(""), 16));
        let read: Result<Vec<u8>, _> = pairs.collect();
        return read.map(Some).map_err(|_| format!("'{name}Hex' is no hexadecimal text: {hex}"));
    }
    Ok(match object.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone().into_bytes()),
        Some(other) => Some(other.to_string().into_bytes()),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use ottla_wire::batch::TimestampType;

    fn record(value: &'static [u8]) -> ConsumerRecord {
        ConsumerRecord {
            topic: "orders".into(),
            partition: 2,
            offset: 41,
            timestamp_ms: 1_795_271_400_250,
            timestamp_type: TimestampType::CreateTime,
            leader_epoch: None,
            key: Some((&b"alice"[..]).into()),
            value: Some(value.into()),
            headers: vec![((&b"source"[..]).into(), Some((&b"web"[..]).into())), ((&b"old"[..]).into(), None)],
            size_in_bytes: 0,
        }
    }

    #[test]
    fn text_is_text_and_other_bytes_are_hexadecimal() {
        let read = of(&record(b"a value"));
        assert_eq!((&read["offset"], &read["value"]), (&41.into(), &"a value".into()));
        assert_eq!(read["headers"][0]["value"], "web");
        let read = of(&record(b"\xff\x00"));
        assert_eq!((&read["value"], &read["valueHex"]), (&Value::Null, &"ff00".into()));
    }

    #[test]
    fn what_was_written_is_read_back() {
        for value in [&b"a value"[..], b"\xff\x00", b""] {
            let line = of(&record(value)).to_string();
            let mut back = ProducerRecord::default();
            parse(line.as_bytes(), &mut back).unwrap();
            assert_eq!((back.key.as_deref(), back.value.as_deref()), (Some(&b"alice"[..]), Some(value)));
            assert_eq!((back.partition, back.timestamp_ms), (Some(2), Some(1_795_271_400_250)));
            assert_eq!(back.headers, [("source".into(), Some(b"web".to_vec())), ("old".into(), None)]);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, named) in [
            ("alice", "no JSON object"),
            ("[1]", "no JSON object"),
            ("{\"partition\":\"two\"}", "'partition'"),
            ("{\"valueHex\":\"f\"}", "'valueHex'"),
            ("{\"headers\":{}}", "'headers'"),
            ("{\"headers\":[{\"value\":1}]}", "'name'"),
        ] {
            let why = parse(line.as_bytes(), &mut ProducerRecord::default()).unwrap_err();
            assert!(why.contains(named), "{line}: {why}");
        }
        let mut record = ProducerRecord::default();
        parse(b"{\"value\":{\"n\":1}}", &mut record).unwrap();
        assert_eq!(record.value.as_deref(), Some(&b"{\"n\":1}"[..]));
    }
}

//! How a record is shown: to people with colours where there is a terminal, to programs as JSON.

use crate::cli::{Colour, Parsed};
use crate::record_json;
use crate::times::Civil;
use ottla_client::session::fetched::ConsumerRecord;
use serde_json::Value;
use std::fmt::Write;

pub(super) struct Show {
    as_json: bool,
    is_compact: bool,
}

impl Show {
    pub(super) fn of(parsed: &Parsed) -> Self {
        Self { as_json: parsed.has("json"), is_compact: parsed.has("compact") }
    }

    pub(super) fn write(&self, record: &ConsumerRecord, page: &mut String) {
        if self.as_json {
            let _ = writeln!(page, "{}", record_json::of(record));
            return;
        }
        let place = format!("{}[{}]@{}", record.topic, record.partition, record.offset);
        let time = if record.timestamp_ms < 0 { "-".to_owned() } else { Civil::of(record.timestamp_ms).to_string() };
        let _ = write!(page, "{}  {}", Colour::Cyan.paint(&place), Colour::Dim.paint(&time));
        if let Some(key) = &record.key {
            let _ = write!(page, "  {}", Colour::Yellow.paint(&String::from_utf8_lossy(key)));
        }
        for (name, value) in &record.headers {
            let value = value.as_deref().map_or("null".into(), String::from_utf8_lossy);
            let header = format!("{}={value}", String::from_utf8_lossy(name));
            let _ = write!(page, "  {}", Colour::Dim.paint(&header));
        }
        match &record.value {
            None => {
                let _ = writeln!(page, "  {}", Colour::Dim.paint("null"));
            }
            Some(value) => match pretty(value).filter(|_| !self.is_compact) {
                Some(text) => {
                    let _ = writeln!(page, "\n{text}");
                }
                None => {
                    let _ = writeln!(page, "  {}", String::from_utf8_lossy(value));
                }
            },
        }
    }
}

/// An object or a list, with a line for each of its parts; anything else is not better for it.
fn pretty(value: &[u8]) -> Option<String> {
    let parsed: Value =
        serde_json::from_slice(value).ok().filter(|value: &Value| value.is_object() || value.is_array())?;
    serde_json::to_string_pretty(&parsed).ok()
}

#[cfg(test)]
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
            headers: vec![((&b"source"[..]).into(), Some((&b"web"[..]).into()))],
            size_in_bytes: 0,
        }
    }

    fn shown(show: &Show, value: &'static [u8]) -> String {
        let mut page = String::new();
        show.write(&record(value), &mut page);
        page
    }

    #[test]
    fn people_see_offsets_times_and_json_with_lines() {
        let mut show = Show { as_json: false, is_compact: false };
        let head = "orders[2]@41  2026-11-21T14:30:00.250Z  alice  source=web";
        assert_eq!(shown(&show, b"a value"), format!("{head}  a value\n"));
        assert_eq!(shown(&show, b"{\"total\":3}"), format!("{head}\n{{\n  \"total\": 3\n}}\n"));
        assert_eq!(shown(&show, b"17"), format!("{head}  17\n"));
        show.is_compact = true;
        assert_eq!(shown(&show, b"{\"total\":3}"), format!("{head}  {{\"total\":3}}\n"));
    }

    #[test]
    fn programs_see_one_object_a_record() {
        let show = Show { as_json: true, is_compact: false };
        let read: Value = serde_json::from_str(&shown(&show, b"a value")).unwrap_or_default();
        assert_eq!(read["offset"], 41);
        assert_eq!(read["value"], "a value");
    }
}

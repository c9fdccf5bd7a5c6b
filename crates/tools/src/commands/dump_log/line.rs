//! A line of named values: as Kafka's tool writes it, or as one JSON object of the same names.

use serde_json::{Map, Value};
use std::fmt::Write;

/// Names and values in the order in which they are shown.
#[derive(Default)]
pub(super) struct Line {
    fields: Vec<(&'static str, Value, String)>,
}

impl Line {
    pub(super) fn with(mut self, name: &'static str, value: impl Into<Value> + ToString) -> Self {
        let text = value.to_string();
        self.fields.push((name, value.into(), text));
        self
    }

    /// A number that may be absent, as Java shows it.
    pub(super) fn with_maybe(mut self, name: &'static str, value: Option<i64>) -> Self {
        let text = value.map_or_else(|| "OptionalLong.empty".to_owned(), |value| format!("OptionalLong[{value}]"));
        self.fields.push((name, value.into(), text));
        self
    }

    pub(super) fn with_list(mut self, name: &'static str, values: &[String]) -> Self {
        self.fields.push((name, values.into(), format!("[{}]", values.join(","))));
        self
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (name, _, value) in &self.fields {
            let _ = write!(text, "{}{name}: {value}", if text.is_empty() { "" } else { " " });
        }
        text
    }

    pub(super) fn json(self) -> Map<String, Value> {
        self.fields.into_iter().map(|(name, value, _)| (name.to_owned(), value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let line = || {
            let names = ["a".to_owned(), "b".to_owned()];
            Line::default().with("offset", 7).with_maybe("horizon", None).with("valid", true).with_list("keys", &names)
        };
        assert_eq!(line().text(), "offset: 7 horizon: OptionalLong.empty valid: true keys: [a,b]");
        assert_eq!(
            Value::Object(line().json()).to_string(),
            r#"{"horizon":null,"keys":["a","b"],"offset":7,"valid":true}"#
        );
        assert_eq!(Line::default().with_maybe("first", Some(3)).text(), "first: OptionalLong[3]");
    }
}

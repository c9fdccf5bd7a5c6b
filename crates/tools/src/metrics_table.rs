//! A client's metrics at the end of a test, in the table of Kafka's tools: sorted, one a line, names as wide as the widest.

use crate::cli::{say, say_json};
use ottla_client::session::metrics::{Metric, Value};
use serde_json::{Map, json};
use std::collections::BTreeMap;

pub(crate) fn print(metrics: &[Metric], as_json: bool) {
    match as_json {
        true => metrics.iter().for_each(|metric| say_json(&object(metric))),
        false => say(&table(metrics)),
    }
}

fn table(metrics: &[Metric]) -> String {
    let sorted: BTreeMap<String, &Value> =
        metrics.iter().map(|metric| (metric.name.to_string(), &metric.value)).collect();
    let width = sorted.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut table = format!("\n{:width$}   Value", "Metric Name");
    for (name, value) in sorted {
        table.push_str(&format!("\n{name:width$} : {}", shown(value)));
    }
    table
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => format!("{number:.3}"),
        Value::Whole(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    }
}

/// What is not a number is null.
fn object(metric: &Metric) -> serde_json::Value {
    let tags: Map<_, _> = metric.name.tags.iter().map(|(tag, value)| ((*tag).to_owned(), json!(value))).collect();
    let value = match &metric.value {
        Value::Number(number) => json!(number),
        Value::Whole(number) => json!(number),
        Value::Text(text) => json!(text),
    };
    json!({ "stage": "metrics", "group": metric.name.group, "name": metric.name.name, "tags": tags, "value": value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_client::session::metrics::Name;

    fn metric(name: &'static str, value: Value) -> Metric {
        let tags = vec![("client-id", "c".to_owned())];
        Metric { name: Name { group: "g".to_owned(), name, tags }, value }
    }

    #[test]
    fn names_are_sorted_and_values_stand_in_a_column() {
        let metrics = [
            metric("long-name", Value::Number(1.0 / 3.0)),
            metric("b", Value::Number(f64::NAN)),
            metric("a", Value::Whole(-1)),
            metric("c", Value::Text("x".to_owned())),
        ];
        let expected = "
Metric Name                 Value
g:a:{client-id=c}         : -1
g:b:{client-id=c}         : NaN
g:c:{client-id=c}         : x
g:long-name:{client-id=c} : 0.333";
        assert_eq!(table(&metrics), expected);
        assert_eq!(object(&metrics[1])["value"], serde_json::Value::Null);
    }
}

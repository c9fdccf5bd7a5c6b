//! `ottla verifiable-producer` and `verifiable-consumer`: what each record became, as lines of JSON, for tests that hold
//! the two against each other.

pub(crate) mod consumer;
pub(crate) mod producer;

use crate::cli::say_raw;
use ottla_io::clock;
use ottla_wire::Json;

/// A line: when, what, and the fields of this event.
fn tell(name: &str, fields: Vec<(&'static str, Json)>) {
    let mut event = vec![("timestamp", Json::Integer(clock::wall().0)), ("name", text(name))];
    event.extend(fields);
    say_raw(&format!("{}\n", Json::Object(event)));
}

fn text(text: &str) -> Json {
    Json::Text(text.to_owned())
}

fn maybe_text(value: Option<&str>) -> Json {
    value.map_or(Json::Null, text)
}

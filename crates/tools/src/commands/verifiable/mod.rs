//! `ottla verifiable-producer` and `verifiable-consumer`: what each record became, as lines of JSON, for tests that hold
//! the two against each other.

pub(crate) mod consumer;
pub(crate) mod producer;

use crate::cli::{Done, Failure, say_raw};
use ottla_io::clock;
use ottla_wire::Json;
use tokio::signal::unix::{SignalKind, signal};

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

/// Waits for a signal to end, and gives the exit code by which a JVM ends then: 128 and the signal's number.
async fn asked_to_end() -> Done<i32> {
    let listen = |kind| signal(kind).map_err(|error| Failure::told(format!("cannot wait for signals: {error}")));
    let mut hangup = listen(SignalKind::hangup())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    Ok(tokio::select! {
        _ = hangup.recv() => 129,
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
    })
}

//! Signals that ask a command to end.

use super::{Done, Failure};
use tokio::signal::unix::{SignalKind, signal};

/// Waits for a signal to end, and gives the exit code by which a JVM ends then: 128 and the signal's number.
pub(crate) async fn asked_to_end() -> Done<i32> {
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

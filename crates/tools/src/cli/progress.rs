//! How far a long work has come: one line on standard error that is written over and over, on a terminal alone.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(100);

/// Rates and the time left are of the whole so far.
pub(crate) struct Progress {
    is_shown: bool,
    what: &'static str,
    total: u64,
    begun: Instant,
    last: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        Self { is_shown: std::io::stderr().is_terminal(), what, total, begun: Instant::now(), last: None }
    }

    pub(crate) fn show(&mut self, done: u64) {
        if !self.is_shown || self.last.is_some_and(|last| last.elapsed() < INTERVAL) {
            return;
        }
        self.last = Some(Instant::now());
        let _ = write!(std::io::stderr(), "\r\x1b[K{}", line(self.what, done, self.total, self.begun.elapsed()));
    }

    /// Takes the line away.
    pub(crate) fn end(&mut self) {
        if self.last.take().is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "for people")]
fn line(what: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    let percent = done * 100 / total.max(1);
    let left = if done == 0 {
        String::new()
    } else {
        let seconds = (total.saturating_sub(done) as f64 / rate).ceil() as u64;
        match seconds {
            0..60 => format!(", {seconds} s left"),
            _ => format!(", {} min {} s left", seconds / 60, seconds % 60),
        }
    };
    format!("{percent:3} % {done} of {total} {what}, {rate:.0} a second{left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_share_the_rate_and_the_time_left() {
        assert_eq!(line("records", 0, 1_000, Duration::ZERO), "  0 % 0 of 1000 records, 0 a second");
        assert_eq!(
            line("records", 250, 1_000, Duration::from_secs(5)),
            " 25 % 250 of 1000 records, 50 a second, 15 s left"
        );
        assert_eq!(
            line("records", 1, 101, Duration::from_secs(1)),
            "  0 % 1 of 101 records, 1 a second, 1 min 40 s left"
        );
    }
}

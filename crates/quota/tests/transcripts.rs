//! Quotas shown by transcripts: who may take how much, who takes what and when (in milliseconds), and how long each is to
//! wait. All with the windows that Kafka has unless told otherwise: eleven of a second.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use ottla_machine::Instant;
use ottla_quota::{ClientQuota, Limits, MutationQuota, Whom, Window};
use std::time::Duration;

const WINDOW: Window = Window { length: Duration::from_secs(1), count: 11 };

struct Quotas {
    limits: Limits,
    bytes: ClientQuota,
    partitions: MutationQuota,
}

/// `*` is whoever, `default` the default, anything else a name.
fn whom(text: &str) -> Whom<'_> {
    match text {
        "*" => Whom::Any,
        "default" => Whom::Default,
        name => Whom::Named(name),
    }
}

impl Quotas {
    fn new(wait_max: Duration) -> Self {
        let (bytes, partitions) = (ClientQuota::new(WINDOW, wait_max), MutationQuota::new(WINDOW));
        Self { limits: Limits::default(), bytes, partitions }
    }

    /// One line, without what came of it.
    fn run(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let wait =
            |wait: Duration| if wait.is_zero() { "go on".to_owned() } else { format!("wait {}", wait.as_millis()) };
        let at = |text: &str| Instant::from_millis(text.parse().unwrap());
        let number = |text: &str| text.parse::<f64>().unwrap();
        match words[..] {
            ["limit", user, client, max] => {
                self.limits.set(whom(user), whom(client), number(max));
                self.bytes.set_limits(self.limits.clone());
                self.partitions.set_limits(self.limits.clone());
                "set".to_owned()
            }
            ["no", "limits"] => {
                self.limits = Limits::default();
                self.bytes.set_limits(Limits::default());
                self.partitions.set_limits(Limits::default());
                "set".to_owned()
            }
            [now, user, client, "takes", count, "bytes"] => {
                wait(self.bytes.record(user, Some(client), number(count), at(now)))
            }
            [now, user, client, "gives", "back", count, "bytes"] => {
                self.bytes.unrecord(user, Some(client), number(count), at(now));
                "go on".to_owned()
            }
            [now, user, client, "makes", count, "partitions"] => {
                match self.partitions.take(user, Some(client), number(count), at(now)) {
                    Ok(()) => "go on".to_owned(),
                    Err(time) => format!("refused, {}", wait(time)),
                }
            }
            [now, user, client, "must", "make", count, "partitions"] => {
                wait(self.partitions.take_anyway(user, Some(client), number(count), at(now)))
            }
            [now, "idle"] => {
                self.bytes.expire(at(now));
                self.partitions.expire(at(now));
                format!("{} counted", self.bytes.counted())
            }
            _ => panic!("what is {line:?}?"),
        }
    }
}

fn check_with(mut quotas: Quotas, transcript: &str) {
    for line in transcript.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (done, expected) = line.split_once("->").unwrap_or((line, "set"));
        assert_eq!(quotas.run(done), expected.trim(), "{line}");
    }
}

fn check(transcript: &str) {
    check_with(Quotas::new(Duration::MAX), transcript);
}

#[test]
fn ten_windows_are_given_at_once_and_the_rest_is_waited_for() {
    check(
        "
        limit ann * 100
        0     ann x takes 1000 bytes -> go on
        0     ann x takes 50 bytes   -> wait 500
        0     bob x takes 9999 bytes -> go on
        500   ann x takes 1 bytes    -> wait 10
        9000  ann x takes 1 bytes    -> wait 520
        10000 ann x takes 1 bytes    -> wait 530
        11600 ann x takes 1 bytes    -> go on
        ",
    );
}

#[test]
fn those_whom_one_limit_counts_together_wait_together() {
    check(
        "
        limit ann * 100
        0 ann x takes 1000 bytes -> go on
        0 ann y takes 100 bytes  -> wait 1000

        limit ann default 100
        0 ann x takes 1000 bytes -> go on
        0 ann y takes 1000 bytes -> go on
        0 ann y takes 100 bytes  -> wait 1000

        limit * x 50
        0 bob x takes 500 bytes  -> go on
        0 eve x takes 50 bytes   -> wait 1000
        0 eve y takes 5000 bytes -> go on
        ",
    );
}

#[test]
fn a_new_limit_counts_at_once_and_none_stops_nobody() {
    check(
        "
        limit ann * 100
        0 ann x takes 1000 bytes -> go on
        limit ann * 50
        0 ann x takes 1 bytes    -> wait 10020
        limit ann * 1000
        0 ann x takes 1 bytes    -> go on
        no limits
        0 ann x takes 1000000 bytes -> go on
        ",
    );
}

#[test]
fn what_was_not_given_is_not_counted() {
    check(
        "
        limit * default 100
        0 ann x takes 2000 bytes      -> wait 10000
        0 ann x gives back 2000 bytes -> go on
        0 ann x takes 1000 bytes      -> go on
        ",
    );
}

#[test]
fn time_is_waited_for_no_longer_than_a_window() {
    check_with(
        Quotas::new(WINDOW.length),
        "
        limit ann * 10
        0 ann x takes 100 bytes -> go on
        0 ann x takes 900 bytes -> wait 1000
        ",
    );
}

#[test]
fn who_owes_partitions_is_refused_until_they_are_paid() {
    check(
        "
        limit ann * 2
        0    ann x makes 10 partitions -> go on
        0    ann x makes 20 partitions -> go on
        0    ann x makes 1 partitions  -> refused, wait 4000
        1000 ann x makes 1 partitions  -> refused, wait 3000
        1000 bob x makes 99 partitions -> go on
        4000 ann x makes 1 partitions  -> go on
        4000 ann x makes 1 partitions  -> refused, wait 500
        ",
    );
}

#[test]
fn old_clients_get_their_partitions_and_wait() {
    check(
        "
        limit ann * 2
        0 ann x must make 22 partitions -> go on
        0 ann x must make 1 partitions  -> wait 500
        0 ann x must make 1 partitions  -> wait 1000
        ",
    );
}

#[test]
fn a_client_that_is_quiet_for_an_hour_is_forgotten() {
    check(
        "
        limit default * 100
        0       ann x takes 1 bytes -> go on
        1000    bob x takes 1 bytes -> go on
        0       eve x takes 1 bytes -> go on
        3600000 idle                -> 1 counted
        3601000 idle                -> 0 counted
        ",
    );
}

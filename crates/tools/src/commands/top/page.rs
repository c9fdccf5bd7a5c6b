//! What two looks at a cluster, one after the other, come to.

use super::sample::Sample;
use crate::cli::Colour;
use rustix::termios::tcgetwinsize;
use serde_json::{Value, json};
use std::fmt::Write;

/// A screen of its own, which goes with what was on it.
pub(super) const ENTER_SCREEN: &str = "\x1b[?1049h\x1b[?25l";
pub(super) const LEAVE_SCREEN: &str = "\x1b[?25h\x1b[?1049l";

pub(super) struct Page<'a> {
    now: &'a Sample,
    /// The busiest first.
    topics: Vec<TopicRow<'a>>,
    /// The furthest behind first.
    groups: Vec<GroupRow<'a>>,
}

struct TopicRow<'a> {
    name: &'a str,
    partitions: usize,
    records_per_second: f64,
    bytes_per_second: f64,
    bytes: i64,
}

struct GroupRow<'a> {
    name: &'a str,
    state: &'a str,
    members: usize,
    records_per_second: f64,
    lag: i64,
}

impl<'a> Page<'a> {
    pub(super) fn new(before: &Sample, now: &'a Sample) -> Self {
        let seconds = now.at.saturating_since(before.at).as_secs_f64().max(0.001);
        // Retention takes bytes away, and a new topic of the same name begins anew: neither is a rate.
        #[allow(clippy::cast_precision_loss, reason = "rates are shown with three digits")]
        let rate = |before: i64, now: i64| (now - before).max(0) as f64 / seconds;
        let topics = now.topics.iter().map(|(name, topic)| {
            let old = before.topics.get(name);
            TopicRow {
                name,
                partitions: topic.partitions,
                records_per_second: rate(old.map_or(0, |old| old.end), topic.end),
                bytes_per_second: rate(old.map_or(0, |old| old.bytes), topic.bytes),
                bytes: topic.bytes,
            }
        });
        let groups = now.groups.iter().map(|(name, group)| GroupRow {
            name,
            state: &group.state,
            members: group.members,
            records_per_second: rate(
                before.groups.get(name).map_or(group.committed, |old| old.committed),
                group.committed,
            ),
            lag: group.lag,
        });
        let (mut topics, mut groups): (Vec<_>, Vec<_>) = (topics.collect(), groups.collect());
        topics.sort_by(|a, b| b.records_per_second.total_cmp(&a.records_per_second).then(b.bytes.cmp(&a.bytes)));
        groups.sort_by_key(|group| std::cmp::Reverse(group.lag));
        Self { now, topics, groups }
    }

    /// For a terminal: what fits on it.
    pub(super) fn screen(&self) -> String {
        let rows = tcgetwinsize(std::io::stdout()).map_or(24, |size| usize::from(size.ws_row));
        // Half of what the headings leave is for topics.
        let text = self.text(rows.saturating_sub(6) / 2);
        format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"))
    }

    pub(super) fn text(&self, rows_max: usize) -> String {
        let now = self.now;
        let mut page = String::new();
        let connections = now.connections.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let controller = now.controller.map_or_else(|| "none".to_owned(), |id| id.to_string());
        let partitions: usize = self.topics.iter().map(|topic| topic.partitions).sum();
        let _ = writeln!(
            page,
            "cluster {}  brokers {}  controller {controller}  topics {}  partitions {partitions}  connections {connections}",
            Colour::Cyan.paint(&now.cluster_id),
            now.brokers,
            self.topics.len(),
        );
        let records: f64 = self.topics.iter().map(|topic| topic.records_per_second).sum();
        let bytes: f64 = self.topics.iter().map(|topic| topic.bytes_per_second).sum();
        let lag: i64 = self.groups.iter().map(|group| group.lag).sum();
        let _ = writeln!(page, "records/s {}  bytes/s {}  lag {lag}\n", count(records), size(bytes));

        let width = self.topics.iter().map(|topic| topic.name.chars().count()).max().unwrap_or(0).max(20);
        let head =
            format!("{:width$} {:>10} {:>11} {:>11} {:>11}", "TOPIC", "PARTITIONS", "RECORDS/S", "BYTES/S", "SIZE");
        let _ = writeln!(page, "{}", Colour::Bold.paint(&head));
        for topic in self.topics.iter().take(rows_max) {
            let (records, bytes) = (count(topic.records_per_second), size(topic.bytes_per_second));
            #[allow(clippy::cast_precision_loss, reason = "sizes are shown with three digits")]
            let whole = size(topic.bytes as f64);
            let _ =
                writeln!(page, "{:width$} {:>10} {records:>11} {bytes:>11} {whole:>11}", topic.name, topic.partitions);
        }
        let width = self.groups.iter().map(|group| group.name.chars().count()).max().unwrap_or(0).max(20);
        let head = format!("{:width$} {:20} {:>8} {:>11} {:>11}", "GROUP", "STATE", "MEMBERS", "RECORDS/S", "LAG");
        let _ = writeln!(page, "\n{}", Colour::Bold.paint(&head));
        for group in self.groups.iter().take(rows_max) {
            let lag = format!("{:>11}", group.lag);
            let lag = if group.lag > 0 { Colour::Yellow.paint(&lag) } else { Colour::Green.paint(&lag) };
            let _ = writeln!(
                page,
                "{:width$} {:20} {:>8} {:>11} {lag}",
                group.name,
                group.state,
                group.members,
                count(group.records_per_second)
            );
        }
        page
    }

    pub(super) fn json(&self) -> Value {
        let now = self.now;
        let topic = |topic: &TopicRow<'_>| {
            json!({
                "topic": topic.name,
                "partitions": topic.partitions,
                "recordsPerSecond": topic.records_per_second,
                "bytesPerSecond": topic.bytes_per_second,
                "bytes": topic.bytes,
            })
        };
        let group = |group: &GroupRow<'_>| {
            json!({
                "group": group.name,
                "state": group.state,
                "members": group.members,
                "recordsPerSecond": group.records_per_second,
                "lag": group.lag,
            })
        };
        json!({
            "cluster": now.cluster_id,
            "brokers": now.brokers,
            "controller": now.controller,
            "connections": now.connections,
            "topics": self.topics.iter().map(topic).collect::<Vec<_>>(),
            "groups": self.groups.iter().map(group).collect::<Vec<_>>(),
        })
    }
}

/// Three digits, and the power of a thousand that they are of.
fn scaled(number: f64, step: f64, units: &[&str]) -> String {
    let (mut number, mut units) = (number, units.iter());
    let mut unit = units.next().copied().unwrap_or_default();
    while number >= step {
        let Some(larger) = units.next() else { break };
        number /= step;
        unit = larger;
    }
    let digits = if number < 10.0 && number.fract() >= 0.05 { 1 } else { 0 };
    format!("{number:.digits$}{unit}")
}

fn count(number: f64) -> String {
    scaled(number, 1_000.0, &["", "k", "M", "G"])
}

fn size(bytes: f64) -> String {
    scaled(bytes, 1_000.0, &[" B", " kB", " MB", " GB", " TB"])
}

#[cfg(test)]
mod tests {
    use super::super::sample::{GroupSample, TopicSample};
    use super::*;
    use ottla_machine::Instant;

    fn sample(at_ms: u64, end: i64, bytes: i64, committed: i64) -> Sample {
        Sample {
            at: Instant::from_millis(at_ms),
            cluster_id: "4L6g3nShT-eMCtK--X86sw".into(),
            brokers: 1,
            controller: Some(1),
            connections: Some(3),
            topics: [("orders".to_owned(), TopicSample { partitions: 6, end, bytes })].into(),
            groups: [(
                "billing".to_owned(),
                GroupSample { state: "Stable".into(), members: 2, committed, lag: end - committed },
            )]
            .into(),
        }
    }

    #[test]
    fn rates_are_what_came_between_two_looks() {
        let (before, now) = (sample(1_000, 100, 5_000, 90), sample(3_000, 24_100, 2_405_000, 23_090));
        let page = Page::new(&before, &now);
        assert_eq!(
            page.text(usize::MAX),
            "\
cluster 4L6g3nShT-eMCtK--X86sw  brokers 1  controller 1  topics 1  partitions 6  connections 3
records/s 12k  bytes/s 1.2 MB  lag 1010

TOPIC                PARTITIONS   RECORDS/S     BYTES/S        SIZE
orders                        6         12k      1.2 MB      2.4 MB

GROUP                STATE                 MEMBERS   RECORDS/S         LAG
billing              Stable                      2         12k        1010
"
        );
        assert_eq!(page.json()["topics"][0]["recordsPerSecond"], 12_000.0);
        assert_eq!(page.json()["groups"][0]["recordsPerSecond"], 11_500.0);
    }

    #[test]
    fn what_retention_takes_away_is_no_rate() {
        let (before, now) = (sample(0, 100, 5_000, 90), sample(1_000, 100, 1_000, 90));
        assert_eq!(Page::new(&before, &now).json()["topics"][0]["bytesPerSecond"], 0.0);
    }
}

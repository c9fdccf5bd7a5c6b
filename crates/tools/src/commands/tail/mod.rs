//! `ottla tail TOPIC`: the last records of a topic, and those that come, for people to read.

mod filter;
mod show;

use crate::cli::{Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, asked_to_end, convert, flag, int, text};
use crate::cluster::{DEFAULT_BOOTSTRAP, admin_of, block_on};
use filter::Filter;
use ottla_client::config::ConsumerConfig;
use ottla_client::session::fetched::ConsumerRecord;
use ottla_client::shell::admin::offsets::OffsetSpec;
use ottla_client::shell::consumer::{Consumer, Start};
use ottla_client::shell::network::Topics;
use ottla_client::{Admin, ClientError};
use ottla_io::clock;
use show::Show;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const TOOL: Tool = Tool {
    name: "tail",
    script: "",
    classes: &[],
    group: Group::Records,
    about: "Shows the last records of a topic, and those that come: ottla tail TOPIC.",
    style: Style::Jopt,
    on_parse_error: ParseError::Plain,
    options: OPTIONS,
    subcommands: &[],
    examples: &[
        "tail orders",
        "tail orders --lines 100 --no-follow",
        "tail orders --since 10m --key alice --value 'total.*[0-9]{3}'",
        "tail orders --since 2026-11-21T14:00 --until 2026-11-21T15:00 --header source=web --json",
    ],
    run,
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "server to connect to", "The brokers to begin with.").default(DEFAULT_BOOTSTRAP),
    text("command-config", "config file", "A file of settings for the client."),
    int("lines", "count", "Begin with so many records of each partition.").also(&["n"]).default("10"),
    flag("from-beginning", "Begin with the first records that there are."),
    text(
        "since",
        "time",
        "Begin with what was written then: 90s, 10m, 2h or 7d ago, or 2026-11-21T14:30 (UTC, or with a zone).",
    ),
    text("until", "time", "End with what was written before then."),
    int("partition", "partition", "This partition alone; may be given again."),
    text("key", "regex", "Only records whose key has a match."),
    text("value", "regex", "Only records whose value has a match."),
    text(
        "header",
        "name[=regex]",
        "Only records that have this header, with a match in its value; may be given again.",
    ),
    int("max-messages", "count", "End after so many records."),
    flag("no-follow", "End where the topic ended when this began."),
    flag("compact", "Leave values that are JSON as they are, one line a record."),
    flag("json", "Print one JSON object a record instead of text."),
];

/// How often it looks whether the topic has more partitions.
const PARTITIONS_INTERVAL: Duration = Duration::from_secs(5);

fn run(parsed: &Parsed) -> Done {
    let topic = match &parsed.others[..] {
        [topic] => topic,
        [] => return Err(Failure::usage("Which topic? ottla tail TOPIC")),
        [_, second, ..] => return Err(Failure::usage(format!("One topic at a time: what is '{second}'?"))),
    };
    parsed.forbid("from-beginning", &["since", "lines"])?;
    parsed.forbid("since", &["lines"])?;
    let tail = Tail {
        topic: topic.as_str().into(),
        begin: begin(parsed)?,
        until: point(parsed, "until")?,
        follows: !parsed.has("no-follow"),
        partitions: partitions(parsed)?,
        most: parsed.int("max-messages")?.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(0)),
        filter: Filter::of(parsed)?,
        show: Show::of(parsed),
    };
    let admin = admin_of(parsed, "command-config")?;
    let mut settings = convert::settings(parsed, "command-config")?;
    convert::merge(&mut settings, "bootstrap.servers", parsed, "bootstrap-server")?;
    settings.set_default("client.id", "ottla-tail");
    settings.set_default("allow.auto.create.topics", "false");
    let consumer = Consumer::new(ConsumerConfig::read(&settings)?);
    block_on(async move {
        tokio::select! {
            done = tail.run(&admin, consumer) => done,
            asked = asked_to_end() => asked.map(drop),
        }
    })
}

#[derive(Debug, Clone, Copy)]
enum Begin {
    Beginning,
    /// In milliseconds.
    Since(i64),
    Last(i64),
}

fn begin(parsed: &Parsed) -> Done<Begin> {
    if parsed.has("from-beginning") {
        return Ok(Begin::Beginning);
    }
    if let Some(since) = point(parsed, "since")? {
        return Ok(Begin::Since(since));
    }
    match parsed.int("lines")?.unwrap_or(0) {
        count @ 0.. => Ok(Begin::Last(count.into())),
        count => Err(Failure::usage(format!("--lines must not be negative: {count}"))),
    }
}

fn point(parsed: &Parsed, option: &str) -> Done<Option<i64>> {
    let Some(text) = parsed.value(option)? else { return Ok(None) };
    let point = crate::times::point(text, clock::wall().0);
    point.map(Some).ok_or_else(|| {
        Failure::usage(format!(
            "--{option}: '{text}' is no time. Write 90s, 10m, 2h or 7d for so long ago, or 2026-11-21T14:30"
        ))
    })
}

fn partitions(parsed: &Parsed) -> Done<Vec<i32>> {
    let number = |text: &str| {
        text.parse::<i32>().map_err(|_| Failure::usage(format!("--partition: '{text}' is no partition's number")))
    };
    parsed.values("partition").into_iter().map(number).collect()
}

/// Offsets by partition.
type Offsets = BTreeMap<i32, i64>;

struct Tail {
    topic: Arc<str>,
    begin: Begin,
    until: Option<i64>,
    follows: bool,
    /// All where none is named.
    partitions: Vec<i32>,
    most: usize,
    filter: Filter,
    show: Show,
}

impl Tail {
    async fn run(mut self, admin: &Admin, mut consumer: Consumer) -> Done {
        let mut known = self.present(admin).await?;
        let ends = self.offsets(admin, &known, OffsetSpec::Latest).await?;
        let starts = self.starts(admin, &known, &ends).await?;
        consumer.assign(self.places(&starts));
        let mut stop = if self.follows { None } else { Some(ends.clone()) };
        let mut looked = Instant::now();
        // What is there already comes in the order of its times; what comes later, as it comes.
        let mut backlog = matches!(self.begin, Begin::Last(_)).then(Vec::new);
        let mut count = 0;
        loop {
            if backlog.as_ref().is_some_and(|_| is_past(&consumer, &starts, &ends)) {
                let mut records = backlog.take().unwrap_or_default();
                records.sort_by_key(|record: &ConsumerRecord| (record.timestamp_ms, record.partition, record.offset));
                if self.write(&records, &mut count) {
                    return Ok(());
                }
            }
            if let (None, Some(until)) = (&stop, self.until.filter(|until| *until <= clock::wall().0)) {
                stop = Some(self.bounds(admin, &known, until).await?);
            }
            if backlog.is_none() && stop.as_ref().is_some_and(|stop| is_past(&consumer, &starts, stop)) {
                return Ok(());
            }
            if self.follows && self.partitions.is_empty() && looked.elapsed() >= PARTITIONS_INTERVAL {
                looked = Instant::now();
                let present = self.present(admin).await?;
                if present != known {
                    consumer.assign(self.more_places(&consumer, &present));
                    known = present;
                }
            }
            let wait = if stop.is_some() { Duration::from_millis(50) } else { Duration::from_secs(1) };
            let records = consumer.poll(wait).await?;
            match &mut backlog {
                Some(backlog) => backlog.extend(records),
                None if self.write(&records, &mut count) => return Ok(()),
                None => {}
            }
        }
    }

    /// Whether it is enough, or nobody reads.
    fn write(&mut self, records: &[ConsumerRecord], count: &mut usize) -> bool {
        let mut page = String::new();
        for record in records {
            let is_late = self.until.is_some_and(|until| record.timestamp_ms >= until);
            let is_early = matches!(self.begin, Begin::Since(since) if record.timestamp_ms < since);
            if *count < self.most && !is_late && !is_early && self.filter.passes(record) {
                self.show.write(record, &mut page);
                *count += 1;
            }
        }
        let mut out = std::io::stdout().lock();
        out.write_all(page.as_bytes()).and_then(|()| out.flush()).is_err() || *count >= self.most
    }

    /// The partitions that are read, as far as they are there.
    async fn present(&self, admin: &Admin) -> Done<Vec<i32>> {
        let cluster = admin.cluster("describeTopics", Topics::Named(&[&self.topic])).await?;
        let topic = cluster.topics.get(&*self.topic).filter(|topic| !topic.partitions.is_empty());
        let Some(topic) = topic else {
            let code = cluster.topics.get(&*self.topic).map_or(0, |topic| topic.error_code);
            ClientError::check(code, None).map_err(|error| Failure::told(format!("{}: {error}", self.topic)))?;
            return Err(Failure::told(format!("There is no topic {}.", self.topic)));
        };
        let there: Vec<i32> = topic.partitions.iter().map(|partition| partition.index).collect();
        if let Some(missing) = self.partitions.iter().find(|partition| !there.contains(partition)) {
            return Err(Failure::told(format!("{} has no partition {missing}; it has {}.", self.topic, there.len())));
        }
        Ok(if self.partitions.is_empty() { there } else { self.partitions.clone() })
    }

    async fn offsets(&self, admin: &Admin, partitions: &[i32], spec: OffsetSpec) -> Done<Offsets> {
        let wanted: Vec<_> = partitions.iter().map(|index| ((self.topic.to_string(), *index), spec)).collect();
        let listed = admin.list_offsets(&wanted, false).await?;
        let mut offsets = Offsets::new();
        for ((_, partition), told) in listed {
            offsets.insert(partition, told?.offset);
        }
        Ok(offsets)
    }

    /// The first offset at or after a time, or the end.
    async fn bounds(&self, admin: &Admin, partitions: &[i32], time: i64) -> Done<Offsets> {
        let mut bounds = self.offsets(admin, partitions, OffsetSpec::Latest).await?;
        for (partition, offset) in self.offsets(admin, partitions, OffsetSpec::Timestamp(time)).await? {
            if offset >= 0 {
                bounds.insert(partition, offset);
            }
        }
        Ok(bounds)
    }

    async fn starts(&self, admin: &Admin, partitions: &[i32], ends: &Offsets) -> Done<Offsets> {
        let first = self.offsets(admin, partitions, OffsetSpec::Earliest).await?;
        match self.begin {
            Begin::Beginning => Ok(first),
            Begin::Since(time) => self.bounds(admin, partitions, time).await,
            Begin::Last(count) => {
                let start = |(partition, end): (&i32, &i64)| {
                    let first = first.get(partition).copied().unwrap_or(0);
                    (*partition, (end - count).max(first))
                };
                Ok(ends.iter().map(start).collect())
            }
        }
    }

    fn places(&self, starts: &Offsets) -> Vec<((Arc<str>, i32), Start)> {
        let place = |(partition, offset): (&i32, &i64)| ((Arc::clone(&self.topic), *partition), Start::Offset(*offset));
        starts.iter().map(place).collect()
    }

    /// Goes on where it is; new partitions begin at their beginning.
    fn more_places(&self, consumer: &Consumer, present: &[i32]) -> Vec<((Arc<str>, i32), Start)> {
        let positions = consumer.positions();
        let place = |partition: &i32| {
            let place = (Arc::clone(&self.topic), *partition);
            let start = positions.get(&place).copied().flatten().map_or(Start::Beginning, Start::Offset);
            (place, start)
        };
        present.iter().map(place).collect()
    }
}

/// Whether all has been given out up to these offsets.
fn is_past(consumer: &Consumer, starts: &Offsets, bounds: &Offsets) -> bool {
    let positions = consumer.positions();
    let position = |wanted: i32| {
        let found = positions.iter().find(|((_, partition), _)| *partition == wanted);
        found.and_then(|(_, position)| *position).or_else(|| starts.get(&wanted).copied()).unwrap_or(0)
    };
    bounds.iter().all(|(partition, bound)| position(*partition) >= *bound)
}

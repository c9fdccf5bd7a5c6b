//! `ottla replica-verification`: whether all replicas of partitions hold the same batches, as
//! `kafka-replica-verification.sh`.
//!
//! All brokers are asked for the same offsets in a round, then the batches are held against each other up to the high
//! watermark. It goes on until a signal ends it; a broker that is away holds up the partitions that lie there.

use crate::cli::{
    Done, Failure, Group, Opt, ParseError, Parsed, Style, Tool, complain, flag, int, long, say, say_either, text,
};
use crate::cluster::{NameFilter, admin, block_on, check_bootstrap};
use crate::times::Civil;
use ottla_client::Admin;
use ottla_client::config::Settings;
use ottla_client::shell::admin::offsets::{OffsetSpec, TopicPartition};
use ottla_client::shell::network::{Target, Topics};
use ottla_io::clock;
use ottla_wire::VersionRange;
use ottla_wire::api::fetch_request::{FetchPartition, FetchTopic};
use ottla_wire::api::{FetchRequest, FetchResponse};
use ottla_wire::batch::Batches;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

pub(crate) const TOOL: Tool = Tool {
    name: "replica-verification",
    script: "kafka-replica-verification",
    classes: &["org.apache.kafka.tools.ReplicaVerificationTool", "kafka.tools.ReplicaVerificationTool"],
    group: Group::Performance,
    about: "Validate that all replicas for a set of topics have the same data.",
    style: Style::Jopt,
    on_parse_error: ParseError::Plain,
    options: OPTIONS,
    subcommands: &[],
    examples: &["replica-verification --broker-list localhost:9092 --topics-include 'orders.*' --time -2"],
    run,
};

const OPTIONS: &[Opt] = &[
    text("broker-list", "hostname:port,...,hostname:port", "REQUIRED: The brokers to begin with."),
    int("fetch-size", "bytes", "The most bytes of a partition in an answer.").default("1048576"),
    int("max-wait-ms", "ms", "How long a broker may wait for records.").default("1000"),
    text("topics-include", "Java regex (String)", "A pattern for the topics to look at.").default(".*"),
    long("time", "timestamp/-1(latest)/-2(earliest)", "Where to begin.").default("-1"),
    long("report-interval-ms", "ms", "The milliseconds between two reports.").default("30000"),
    flag("json", "Print one JSON object a report instead of text."),
];

/// Who reads replicas to compare them: neither a consumer nor a follower.
const DEBUGGING_CONSUMER_ID: i32 = -2;
/// Up to the last version that names topics, as the other clients here do.
const FETCH_VERSIONS: VersionRange = VersionRange::new(4, 12);

fn run(parsed: &Parsed) -> Done {
    complain("WARN This tool is deprecated and may be removed in a future major release.");
    parsed.require(&["broker-list"])?;
    let brokers = parsed.value("broker-list")?.unwrap_or_default();
    check_bootstrap(brokers)?;
    let pattern = parsed.value("topics-include")?.unwrap_or(".*");
    let pattern = NameFilter::new(pattern).map_err(|_| Failure::told(format!("{pattern} is an invalid regex")))?;
    let plan = Plan {
        fetch_bytes: parsed.int("fetch-size")?.unwrap_or_default(),
        wait_ms: parsed.int("max-wait-ms")?.unwrap_or_default(),
        report_interval: Duration::from_millis(
            u64::try_from(parsed.long("report-interval-ms")?.unwrap_or_default()).unwrap_or(0),
        ),
        begin: match parsed.long("time")?.unwrap_or(-1) {
            -1 => OffsetSpec::Latest,
            -2 => OffsetSpec::Earliest,
            time => OffsetSpec::Timestamp(time),
        },
    };
    let mut settings = Settings::from_pairs([("bootstrap.servers", brokers)]);
    block_on(async {
        let admin = Arc::new(admin(&mut settings)?);
        let verification = Verification::start(admin, plan, &pattern).await?;
        let begun = Civil::of(clock::wall().0).in_log();
        say(&format!("{begun}: verification process is started"));
        verification.go_on().await
    })
}

struct Plan {
    fetch_bytes: i32,
    wait_ms: i32,
    report_interval: Duration,
    begin: OffsetSpec,
}

/// What a broker has of one partition behind an offset.
struct Fetched {
    high_watermark: i64,
    bytes: Vec<u8>,
}

/// By partition and broker; a broker that did not answer has none.
type Round = BTreeMap<TopicPartition, BTreeMap<i32, Fetched>>;

struct Verification {
    admin: Arc<Admin>,
    plan: Arc<Plan>,
    /// The partitions that each broker has a replica of.
    by_broker: BTreeMap<i32, Vec<TopicPartition>>,
    /// How many replicas each partition has, and the offset up to which they are known to be the same.
    partitions: BTreeMap<TopicPartition, Verified>,
}

struct Verified {
    replicas: usize,
    offset: i64,
}

impl Verification {
    async fn start(admin: Arc<Admin>, plan: Plan, pattern: &NameFilter) -> Done<Self> {
        let cluster = admin.cluster("listTopics", Topics::All).await?;
        let topics: Vec<_> = cluster.topics.iter().filter(|(name, _)| pattern.allows(name)).collect();
        if topics.is_empty() {
            complain(
                "ERROR No topics found. [topics-include] if specified, is either filtering out all topics or there is no topic.",
            );
            return Err(Failure::Said);
        }
        let mut by_broker: BTreeMap<i32, Vec<TopicPartition>> = BTreeMap::new();
        let mut partitions = BTreeMap::new();
        for (name, topic) in topics {
            for partition in &topic.partitions {
                let place = (name.clone(), partition.index);
                for broker in &partition.replicas {
                    by_broker.entry(*broker).or_default().push(place.clone());
                }
                partitions.insert(place, Verified { replicas: partition.replicas.len(), offset: 0 });
            }
        }
        let asked: Vec<_> = partitions.keys().map(|place| (place.clone(), plan.begin)).collect();
        for (place, listed) in admin.list_offsets(&asked, false).await? {
            if let Some(verified) = partitions.get_mut(&place) {
                verified.offset = listed?.offset;
            }
        }
        Ok(Self { admin, plan: Arc::new(plan), by_broker, partitions })
    }

    async fn go_on(mut self) -> Done {
        let mut reported = Instant::now();
        loop {
            let round = self.fetch().await;
            let lag = self.verify(&round)?;
            if reported.elapsed() > self.plan.report_interval {
                reported = Instant::now();
                self.report(lag);
            }
        }
    }

    /// Asks all brokers at once, and waits for all.
    async fn fetch(&self) -> Round {
        let mut requests = JoinSet::new();
        for (broker, places) in &self.by_broker {
            let offsets = places.iter().map(|place| {
                let offset = self.partitions.get(place).map_or(0, |verified| verified.offset);
                (place.clone(), offset)
            });
            let offsets: Vec<_> = offsets.collect();
            let (admin, plan, broker) = (Arc::clone(&self.admin), Arc::clone(&self.plan), *broker);
            requests.spawn(async move { (broker, fetch_from(&admin, &plan, broker, &offsets).await) });
        }
        let mut round = Round::new();
        while let Some(answer) = requests.join_next().await {
            let Ok((broker, fetched)) = answer else { continue };
            match fetched {
                Ok(fetched) => {
                    for (place, part) in fetched {
                        round.entry(place).or_default().insert(broker, part);
                    }
                }
                // It may come back: until then its partitions wait.
                Err(error) => {
                    tracing::debug!("broker {broker}: {error}");
                    tokio::time::sleep(Duration::from_millis(u64::try_from(self.plan.wait_ms).unwrap_or(0))).await;
                }
            }
        }
        round
    }

    /// Goes on in each partition as far as all replicas agree. Gives the partition that is furthest behind, and its lag.
    fn verify(&mut self, round: &Round) -> Done<Option<(TopicPartition, i64)>> {
        let mut most: Option<(TopicPartition, i64)> = None;
        for (place, verified) in &mut self.partitions {
            let replicas = round.get(place);
            let newest = replicas.and_then(|replicas| replicas.values().map(|part| part.high_watermark).max());
            if let Some(replicas) = replicas.filter(|replicas| replicas.len() == verified.replicas) {
                verified.offset = compare(place, replicas, verified.offset)?;
            }
            let lag = newest.unwrap_or(-1) - verified.offset;
            if lag > most.as_ref().map_or(-1, |(_, lag)| *lag) {
                most = Some((place.clone(), lag));
            }
        }
        Ok(most)
    }

    fn report(&self, lag: Option<(TopicPartition, i64)>) {
        let (lag, place, offset) = match lag {
            Some((place, lag)) => {
                let offset = self.partitions.get(&place).map_or(-1, |verified| verified.offset);
                (lag, format!("{}-{}", place.0, place.1), offset)
            }
            None => (-1, "null".to_owned(), -1),
        };
        let now = clock::wall().0;
        let count = self.partitions.len();
        let shown = Civil::of(now).in_log();
        let words =
            format!("{shown}: max lag is {lag} for partition {place} at offset {offset} among {count} partitions");
        say_either(
            &words,
            || json!({ "timestamp": now, "maxLag": lag, "partition": place, "offset": offset, "partitions": count }),
        );
    }
}

async fn fetch_from(
    admin: &Admin,
    plan: &Plan,
    broker: i32,
    offsets: &[(TopicPartition, i64)],
) -> ottla_client::Result<Vec<(TopicPartition, Fetched)>> {
    let build = |_version: i16| {
        let mut topics: Vec<FetchTopic<'_>> = Vec::new();
        for ((topic, partition), offset) in offsets {
            let wanted = FetchPartition {
                partition: *partition,
                fetch_offset: *offset,
                last_fetched_epoch: -1,
                log_start_offset: -1,
                partition_max_bytes: plan.fetch_bytes,
                ..Default::default()
            };
            match topics.last_mut() {
                Some(last) if last.topic == *topic => last.partitions.push(wanted),
                _ => {
                    let topic = topic.as_str().into();
                    topics.push(FetchTopic { topic, partitions: vec![wanted], ..Default::default() });
                }
            }
        }
        FetchRequest {
            replica_id: DEBUGGING_CONSUMER_ID,
            max_wait_ms: plan.wait_ms,
            min_bytes: 1,
            max_bytes: i32::MAX,
            session_id: 0,
            session_epoch: -1,
            topics,
            ..Default::default()
        }
    };
    let reply = admin.network().ask(Target::Node(broker), FETCH_VERSIONS, build).await?;
    let response: FetchResponse<'_> = reply.read()?;
    ottla_client::ClientError::check(response.error_code, None)?;
    let mut fetched = Vec::new();
    for topic in &response.responses {
        for told in &topic.partitions {
            let bytes = told.records.as_ref().map_or_else(Vec::new, |records| records.bytes().to_vec());
            let part = Fetched { high_watermark: told.high_watermark, bytes };
            fetched.push(((topic.topic.to_string(), told.partition_index), part));
        }
    }
    Ok(fetched)
}

/// Walks over the batches of all replicas side by side, up to the high watermark. Gives the offset behind the last that all
/// have; an error where one has another offset. Other bytes at the same offset are told, and no reason to end.
fn compare(place: &TopicPartition, replicas: &BTreeMap<i32, Fetched>, from: i64) -> Done<i64> {
    let mut walks: Vec<_> =
        replicas.iter().map(|(id, part)| (*id, part.high_watermark, Batches::new(&part.bytes))).collect();
    let mut offset = from;
    let now = || Civil::of(clock::wall().0).in_log();
    loop {
        let mut first: Option<(i32, i64, u32, i64)> = None;
        for (id, high_watermark, walk) in &mut walks {
            let batch = match walk.next() {
                None => return Ok(offset),
                Some(Ok(batch)) => batch.header,
                Some(Err(error)) => {
                    return Err(Failure::told(format!(
                        "Error in processing replica {id} in partition {}-{} at offset {offset}: {error}",
                        place.0, place.1
                    )));
                }
            };
            let last = batch.last_offset();
            if last >= *high_watermark {
                return Ok(offset);
            }
            match first {
                None => first = Some((*id, last, batch.crc, batch.next_offset())),
                Some((other, other_last, ..)) if other_last != last => {
                    say(&format!(
                        "{}: partition {}-{}: replica {other}'s offset {other_last} doesn't match replica {id}'s offset {last}",
                        now(),
                        place.0,
                        place.1
                    ));
                    return Err(Failure::Said);
                }
                Some((other, _, crc, _)) if crc != batch.crc => say(&format!(
                    "{}: partition {}-{} has unmatched checksum at offset {last}; replica {other}'s checksum {crc}; replica {id}'s checksum {}",
                    now(),
                    place.0,
                    place.1,
                    batch.crc
                )),
                Some(_) => {}
            }
        }
        match first {
            Some((.., next)) => offset = next,
            None => return Ok(offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_wire::batch::BatchBuilder;

    fn log(offsets: &[i64], value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for offset in offsets {
            let mut batch = BatchBuilder::new(*offset);
            batch.append(1, None, Some(value), &[]).unwrap();
            batch.build_plain(&mut bytes).unwrap();
        }
        bytes
    }

    fn replicas(logs: [Vec<u8>; 2], high_watermark: i64) -> BTreeMap<i32, Fetched> {
        (1..).zip(logs).map(|(id, bytes)| (id, Fetched { high_watermark, bytes })).collect()
    }

    #[test]
    fn replicas_agree_up_to_the_high_watermark_and_the_shortest() {
        let place = ("t".to_owned(), 0);
        let same = || log(&[0, 1, 2], b"v");
        assert_eq!(compare(&place, &replicas([same(), same()], 3), 0).unwrap(), 3);
        assert_eq!(compare(&place, &replicas([same(), same()], 2), 0).unwrap(), 2);
        assert_eq!(compare(&place, &replicas([same(), log(&[0], b"v")], 3), 0).unwrap(), 1);
        assert_eq!(compare(&place, &replicas([same(), log(&[0, 1, 2], b"other")], 3), 0).unwrap(), 3);
    }

    #[test]
    fn another_offset_ends_the_command() {
        let place = ("t".to_owned(), 0);
        assert!(compare(&place, &replicas([log(&[0, 2], b"v"), log(&[0, 1], b"v")], 3), 0).is_err());
        assert!(compare(&place, &replicas([vec![0xff; 40], vec![0xff; 40]], 3), 0).is_err());
    }
}

//! `ottla consumer-groups --reset-offsets`: where a group without members goes on.

use super::offsets::{partitions_of, with_partitions};
use super::{chosen, failed};
use crate::cli::{Done, Failure, Parsed, complain, say, say_json, say_raw, speaks_json};
use crate::times;
use ottla_client::shell::admin::groups::CommittedOffsets;
use ottla_client::shell::admin::offsets::{OffsetSpec, TopicPartition};
use ottla_client::{Admin, ClientError};
use ottla_io::clock;
use ottla_wire::ErrorCode;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;

type Plan = BTreeMap<TopicPartition, i64>;

pub(super) async fn run(admin: &Admin, parsed: &Parsed) -> Done {
    let mut plans: BTreeMap<String, Plan> = BTreeMap::new();
    for group in chosen(admin, parsed).await? {
        let state = match admin.describe_group(&group).await {
            Ok(described) => described.state,
            Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => "Dead".to_owned(),
            Err(error) => return Err(error.into()),
        };
        let plan = match state.as_str() {
            "Empty" | "Dead" => {
                // An error in here is told by its text alone, without its class.
                reset(admin, parsed, &group).await.map_err(|failure| match failure {
                    Failure::Client(error) => Failure::told(error.to_string()),
                    other => other,
                })?
            }
            state => {
                failed(&format!(
                    "Assignments can only be reset if the group '{group}' is inactive, but the current state is {state}."
                ));
                Plan::new()
            }
        };
        plans.insert(group, plan);
    }
    if parsed.has("export") {
        export(&plans, parsed.values("group").len() == 1);
    } else {
        write(&plans);
    }
    Ok(())
}

async fn reset(admin: &Admin, parsed: &Parsed, group: &str) -> Done<Plan> {
    let plan = plan(admin, parsed, group).await?;
    if parsed.has("execute") && !parsed.has("dry-run") {
        let told = admin.alter_committed_offsets(group, &plan).await?;
        told.into_values().collect::<Result<Vec<()>, ClientError>>()?;
    }
    Ok(plan)
}

async fn plan(admin: &Admin, parsed: &Parsed, group: &str) -> Done<Plan> {
    let places = scope(admin, parsed, group).await?;
    check(admin, &places).await?;
    if parsed.has("to-offset") {
        let offset = parsed.long("to-offset")?.unwrap_or_default();
        return within_range(admin, places.into_iter().map(|place| (place, offset)).collect()).await;
    }
    if parsed.has("to-earliest") {
        return ends(admin, &places, OffsetSpec::Earliest).await;
    }
    if parsed.has("to-latest") {
        return ends(admin, &places, OffsetSpec::Latest).await;
    }
    if let Some(by) = parsed.long("shift-by")? {
        let committed = admin.committed_offsets(group).await?;
        let mut wanted = Plan::new();
        for place in places {
            let Some(known) = committed.get(&place) else {
                return Err(Failure::usage(format!(
                    "Cannot shift offset for partition {}-{} since there is no current committed offset",
                    place.0, place.1
                )));
            };
            wanted.insert(place, known.offset.saturating_add(by));
        }
        return within_range(admin, wanted).await;
    }
    if let Some(text) = parsed.value("to-datetime")? {
        let time = times::date_time(text).map_err(|why| Failure::told(format!("java.text.ParseException: {why}")))?;
        return at_time(admin, &places, time).await;
    }
    if let Some(text) = parsed.value("by-duration")? {
        let span = times::duration_ms(text).ok_or_else(|| Failure::told("Text cannot be parsed to a Duration"))?;
        return at_time(admin, &places, clock::wall().0 - span).await;
    }
    if let Some(path) = parsed.value("from-file")? {
        return from_file(admin, parsed, group, path).await;
    }
    if parsed.has("to-current") {
        let committed = admin.committed_offsets(group).await?;
        return current(admin, &places, &committed).await;
    }
    let scenarios: Vec<_> = super::SCENARIOS.iter().map(|scenario| format!("[{scenario}]")).collect();
    Err(Failure::usage(format!(
        "Option '[reset-offsets]' requires one of the following scenarios: [{}]",
        scenarios.join(", ")
    )))
}

/// The partitions that are meant.
async fn scope(admin: &Admin, parsed: &Parsed, group: &str) -> Done<Vec<TopicPartition>> {
    if parsed.has("all-topics") {
        return Ok(admin.committed_offsets(group).await?.into_keys().collect());
    }
    let topics = parsed.values("topic");
    if topics.is_empty() && !parsed.has("from-file") {
        return Err(Failure::usage("One of the reset scopes should be defined: --all-topics, --topic."));
    }
    let mut places = Vec::new();
    for topic in &topics {
        if topic.contains(':') {
            places.extend(with_partitions(topic)?);
        } else {
            places.extend(partitions_of(admin, topic).await?);
        }
    }
    Ok(places)
}

/// Partitions that are not there, or have no leader, end it.
async fn check(admin: &Admin, places: &[TopicPartition]) -> Done {
    let mut absent = Vec::new();
    for place in places {
        let known = partitions_of(admin, &place.0).await;
        if !known.is_ok_and(|known| known.contains(place)) {
            absent.push(format!("{}-{}", place.0, place.1));
        }
    }
    if absent.is_empty() {
        return Ok(());
    }
    Err(Failure::told(format!("The partitions \"{}\" do not exist", absent.join(","))))
}

async fn ends(admin: &Admin, places: &[TopicPartition], spec: OffsetSpec) -> Done<Plan> {
    let asked: Vec<_> = places.iter().map(|place| (place.clone(), spec)).collect();
    let mut plan = Plan::new();
    for (place, told) in admin.list_offsets(&asked, false).await? {
        plan.insert(place, told?.offset);
    }
    Ok(plan)
}

/// An offset beyond an end becomes that end.
async fn within_range(admin: &Admin, wanted: Plan) -> Done<Plan> {
    let places: Vec<_> = wanted.keys().cloned().collect();
    let first = ends(admin, &places, OffsetSpec::Earliest).await?;
    let last = ends(admin, &places, OffsetSpec::Latest).await?;
    let bound = |(place, offset): (TopicPartition, i64)| {
        let (least, most) = (first.get(&place).copied().unwrap_or(0), last.get(&place).copied().unwrap_or(i64::MAX));
        let warn = |which: &str, end: i64| {
            complain(&format!(
                "WARN New offset ({offset}) is {which} offset for topic partition {}-{}. Value will be set to {end}",
                place.0, place.1
            ));
            end
        };
        let new = match offset {
            offset if offset > most => warn("higher than latest", most),
            offset if offset < least => warn("lower than earliest", least),
            offset => offset,
        };
        (place, new)
    };
    Ok(wanted.into_iter().map(bound).collect())
}

async fn at_time(admin: &Admin, places: &[TopicPartition], time_ms: i64) -> Done<Plan> {
    let mut plan = ends(admin, places, OffsetSpec::Timestamp(time_ms)).await?;
    let behind: Vec<_> = plan.iter().filter(|(_, offset)| **offset < 0).map(|(place, _)| place.clone()).collect();
    for (topic, partition) in &behind {
        say(&format!(
            "\nWarn: Partition {partition} from topic {topic} is empty. Falling back to latest known offset."
        ));
    }
    plan.extend(ends(admin, &behind, OffsetSpec::Latest).await?);
    Ok(plan)
}

/// What is committed stays; what is not goes to the end.
async fn current(admin: &Admin, places: &[TopicPartition], committed: &CommittedOffsets) -> Done<Plan> {
    let without: Vec<_> = places.iter().filter(|place| !committed.contains_key(*place)).cloned().collect();
    let mut plan = ends(admin, &without, OffsetSpec::Latest).await?;
    plan.extend(places.iter().filter_map(|place| Some((place.clone(), committed.get(place)?.offset))));
    Ok(plan)
}

/// Lines of `topic,partition,offset`, or with the group before them.
async fn from_file(admin: &Admin, parsed: &Parsed, group: &str, path: &str) -> Done<Plan> {
    let text = std::fs::read_to_string(path)
        .map_err(|_| Failure::told(format!("java.io.IOException: Unable to read file {path}")))?;
    let is_single = parsed.values("group").len() == 1;
    let mut wanted = Plan::new();
    let mut has_group = false;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let fields: Vec<_> = line.split(',').map(|field| field.trim().trim_matches('"')).collect();
        let (owner, place) = match fields[..] {
            [topic, partition, offset] if is_single => (group, (topic, partition, offset)),
            [owner, topic, partition, offset] => (owner, (topic, partition, offset)),
            _ => return Err(Failure::told(format!("{path}: '{line}' is not a line of offsets"))),
        };
        let (topic, partition, offset) = place;
        let (Ok(partition), Ok(offset)) = (partition.parse(), offset.parse()) else {
            return Err(Failure::told(format!("{path}: '{line}' is not a line of offsets")));
        };
        if owner == group {
            has_group = true;
            wanted.insert((topic.to_owned(), partition), offset);
        }
    }
    if !has_group {
        failed(&format!("No reset plan for group {group} found"));
        return Ok(Plan::new());
    }
    within_range(admin, wanted).await
}

fn write(plans: &BTreeMap<String, Plan>) {
    if speaks_json() {
        for (group, plan) in plans {
            for ((topic, partition), offset) in plan {
                say_json(&json!({ "group": group, "topic": topic, "partition": partition, "newOffset": offset }));
            }
        }
        return;
    }
    let group_width = plans.keys().map(String::len).max().unwrap_or(0).max(15);
    let topics = plans.values().flat_map(|plan| plan.keys().map(|(topic, _)| topic.len()));
    let topic_width = topics.max().unwrap_or(0).max(15);
    let mut page = String::new();
    let mut line = |group: &str, topic: &str, partition: &str, offset: &str| {
        let _ = write!(page, "\n{group:group_width$} {topic:topic_width$} {partition:10} {offset}");
    };
    if !plans.is_empty() {
        line("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET");
    }
    for (group, plan) in plans {
        for ((topic, partition), offset) in plan {
            line(group, topic, &partition.to_string(), &offset.to_string());
        }
    }
    page.push('\n');
    say_raw(&page);
}

fn export(plans: &BTreeMap<String, Plan>, is_single: bool) {
    let mut page = String::new();
    for (group, plan) in plans {
        for ((topic, partition), offset) in plan {
            let owner = if is_single { String::new() } else { format!("{},", quoted(group)) };
            let _ = writeln!(page, "{owner}{},{partition},{offset}", quoted(topic));
        }
    }
    say(&page);
}

/// As Kafka's library for CSV: what is longer than this is quoted without a look at it, and else what holds a quote, a comma,
/// or any letter that sorts below them.
const PLAIN_LENGTH_MAX: usize = 24;

fn quoted(text: &str) -> String {
    if text.len() <= PLAIN_LENGTH_MAX && text.chars().all(|letter| letter > ',') {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('"', "\"\""))
    }
}

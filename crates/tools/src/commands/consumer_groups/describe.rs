//! `ottla consumer-groups --describe`: offsets and lag, members, or the state of groups.

use super::{chosen, failed};
use crate::cli::{Done, Parsed, complain, say_json, say_raw, speaks_json};
use ottla_client::session::assignors::Partitions;
use ottla_client::shell::admin::groups::{CommittedOffsets, GroupDescription, MemberDescription};
use ottla_client::shell::admin::offsets::{OffsetSpec, TopicPartition};
use ottla_client::{Admin, ClientError};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

const MISSING: &str = "-";

pub(super) async fn run(admin: &Admin, parsed: &Parsed) -> Done {
    let is_verbose = parsed.has("verbose");
    let mut groups = Vec::new();
    for id in chosen(admin, parsed).await? {
        groups.push(admin.describe_group(&id).await?);
    }
    for group in groups {
        if speaks_json() {
            say_as_json(admin, parsed, &group).await?;
            continue;
        }
        let mut page = String::new();
        if parsed.has("members") {
            if is_shown(&group, group.members.len()) {
                write_members(&mut page, &group, is_verbose);
            } else {
                // The header stands there also without a member.
                write_members(&mut page, &GroupDescription { members: Vec::new(), ..group }, is_verbose);
            }
        } else if parsed.has("state") {
            if is_shown(&group, 1) {
                write_state(admin, &mut page, &group, is_verbose);
            }
        } else {
            let rows = rows(admin, &group).await?;
            if is_shown(&group, rows.len()) {
                write_offsets(&mut page, &group.id, &rows, is_verbose);
            }
        }
        say_raw(&page);
    }
    Ok(())
}

/// One object a partition, a member or a group.
async fn say_as_json(admin: &Admin, parsed: &Parsed, group: &GroupDescription) -> Result<(), ClientError> {
    if parsed.has("members") {
        if is_shown(group, group.members.len()) {
            group.members.iter().for_each(|member| say_json(&member_json(group, member)));
        }
    } else if parsed.has("state") {
        if is_shown(group, 1) {
            say_json(&state_json(admin, group));
        }
    } else {
        let rows = rows(admin, group).await?;
        if is_shown(group, rows.len()) {
            rows.iter().for_each(|row| say_json(&row.json(&group.id)));
        }
    }
    Ok(())
}

/// Says what the state means; false if there is nothing else to show.
fn is_shown(group: &GroupDescription, rows: usize) -> bool {
    match group.state.as_str() {
        "Dead" => failed(&format!("Consumer group '{}' does not exist.", group.id)),
        "Empty" => complain(&format!("\nConsumer group '{}' has no active members.", group.id)),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
            complain(&format!("\nWarning: Consumer group '{}' is rebalancing.", group.id));
        }
        _ => {}
    }
    group.state != "Dead" && rows > 0
}

struct Row {
    topic: String,
    partition: i32,
    leader_epoch: Option<i32>,
    offset: Option<i64>,
    end: Option<i64>,
    member: String,
    host: String,
    client: String,
}

impl Row {
    fn lag(&self) -> Option<i64> {
        self.offset.zip(self.end).map(|(offset, end)| end - offset)
    }

    fn json(&self, group: &str) -> Value {
        let known = |text: &str| (text != MISSING).then(|| text.to_owned());
        json!({
            "group": group,
            "topic": self.topic,
            "partition": self.partition,
            "leaderEpoch": self.leader_epoch,
            "currentOffset": self.offset,
            "logEndOffset": self.end,
            "lag": self.lag(),
            "consumerId": known(&self.member),
            "host": known(&self.host),
            "clientId": known(&self.client),
        })
    }
}

/// Members with partitions first, those with many before those with few; then what nobody reads.
async fn rows(admin: &Admin, group: &GroupDescription) -> Result<Vec<Row>, ClientError> {
    let committed = admin.committed_offsets(&group.id).await?;
    let mut members: Vec<_> = group.members.iter().filter(|member| !places(&member.assigned).is_empty()).collect();
    members.sort_by_key(|member| std::cmp::Reverse(places(&member.assigned).len()));
    let assigned: BTreeSet<TopicPartition> = members.iter().flat_map(|member| places(&member.assigned)).collect();
    let idle: Vec<_> = committed.keys().filter(|place| !assigned.contains(*place)).cloned().collect();
    let wanted: Vec<_> = assigned.iter().cloned().chain(idle.iter().cloned()).collect();
    let ends = ends(admin, &wanted).await?;
    let mut rows = Vec::new();
    for member in members {
        let who = (member.id.as_str(), member.host.as_str(), member.client_id.as_str());
        rows.extend(places(&member.assigned).iter().map(|place| row(place, &committed, &ends, who)));
    }
    rows.extend(idle.iter().map(|place| row(place, &committed, &ends, (MISSING, MISSING, MISSING))));
    Ok(rows)
}

fn row(
    place: &TopicPartition,
    committed: &CommittedOffsets,
    ends: &BTreeMap<TopicPartition, i64>,
    (member, host, client): (&str, &str, &str),
) -> Row {
    let known = committed.get(place);
    Row {
        topic: place.0.clone(),
        partition: place.1,
        leader_epoch: known.and_then(|known| known.leader_epoch),
        offset: known.map(|known| known.offset),
        end: ends.get(place).copied(),
        member: member.to_owned(),
        host: host.to_owned(),
        client: client.to_owned(),
    }
}

/// The ends of partitions; one that has no leader has none.
async fn ends(admin: &Admin, places: &[TopicPartition]) -> Result<BTreeMap<TopicPartition, i64>, ClientError> {
    let asked: Vec<_> = places.iter().map(|place| (place.clone(), OffsetSpec::Latest)).collect();
    let told = admin.list_offsets(&asked, false).await?;
    Ok(told.into_iter().filter_map(|(place, told)| Some((place, told.ok()?.offset))).collect())
}

/// In the order of topics and partitions.
fn places(assigned: &Partitions) -> Vec<TopicPartition> {
    let mut places: Vec<_> = assigned
        .iter()
        .flat_map(|(topic, partitions)| partitions.iter().map(|partition| (topic.clone(), *partition)))
        .collect();
    places.sort_unstable();
    places
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| MISSING.to_owned(), |value| value.to_string())
}

fn write_offsets(page: &mut String, group: &str, rows: &[Row], is_verbose: bool) {
    let width = |text: &dyn Fn(&Row) -> usize| rows.iter().map(text).max().unwrap_or(0).max(15);
    let (group_width, topic_width) = (group.len().max(15), width(&|row| row.topic.len()));
    let (member_width, host_width) = (width(&|row| row.member.len()), width(&|row| row.host.len()));
    let mut line = |columns: [&str; 10]| {
        let [group, topic, partition, epoch, offset, end, lag, member, host, client] = columns;
        let _ = write!(page, "\n{group:group_width$} {topic:topic_width$} {partition:10} ");
        if is_verbose {
            let _ = write!(page, "{epoch:15} ");
        }
        let _ = write!(page, "{offset:15} {end:15} {lag:15} {member:member_width$} {host:host_width$} {client}");
    };
    line([
        "GROUP",
        "TOPIC",
        "PARTITION",
        "LEADER-EPOCH",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ]);
    for row in rows {
        line([
            group,
            &row.topic,
            &row.partition.to_string(),
            &shown(row.leader_epoch),
            &shown(row.offset),
            &shown(row.end),
            &shown(row.lag()),
            &row.member,
            &row.host,
            &row.client,
        ]);
    }
    page.push('\n');
}

/// `topic:0,1;other:2`.
fn assignment(assigned: &Partitions) -> String {
    let topics = assigned.iter().filter(|(_, partitions)| !partitions.is_empty()).map(|(topic, partitions)| {
        let mut sorted = partitions.clone();
        sorted.sort_unstable();
        format!("{topic}:{}", crate::cluster::joined(&sorted))
    });
    let text = topics.collect::<Vec<_>>().join(";");
    if text.is_empty() { MISSING.to_owned() } else { text }
}

fn write_members(page: &mut String, group: &GroupDescription, is_verbose: bool) {
    let target = |member: &MemberDescription| {
        member.target.as_ref().map_or_else(|| MISSING.to_owned(), |target| assignment(&target.assigned))
    };
    let upgraded = |member: &MemberDescription| member.target.as_ref().and_then(|target| target.is_upgraded);
    let members = &group.members;
    let width = |least: usize, text: &dyn Fn(&MemberDescription) -> usize| {
        members.iter().map(text).max().unwrap_or(0).max(least)
    };
    let group_width = if members.is_empty() { 15 } else { group.id.len().max(15) };
    let id_width = width(15, &|member| member.id.len());
    let instance_width = width(17, &|member| member.instance_id.as_ref().map_or(0, String::len));
    let host_width = width(15, &|member| member.host.len());
    let client_width = width(15, &|member| member.client_id.len());
    let current_width = width(20, &|member| assignment(&member.assigned).len());
    let target_width = width(20, &|member| target(member).len());
    let has_instances = members.iter().any(|member| member.instance_id.is_some());
    let is_mixed = [true, false].iter().all(|kind| members.iter().any(|member| upgraded(member) == Some(*kind)));
    page.push('\n');
    let mut line = |columns: [&str; 11]| {
        let [group, id, instance, host, client, count, epoch, current, target_epoch, target, upgraded] = columns;
        let _ = write!(page, "{group:group_width$} {id:id_width$} ");
        if has_instances {
            let _ = write!(page, "{instance:instance_width$} ");
        }
        let _ = write!(page, "{host:host_width$} {client:client_width$} {count:15} ");
        if is_verbose {
            let _ = write!(page, "{epoch:15} {current:current_width$} {target_epoch:15} {target:target_width$}");
            if is_mixed {
                let _ = write!(page, " {upgraded}");
            }
        }
        page.push('\n');
    };
    line([
        "GROUP",
        "CONSUMER-ID",
        "GROUP-INSTANCE-ID",
        "HOST",
        "CLIENT-ID",
        "#PARTITIONS",
        "CURRENT-EPOCH",
        "CURRENT-ASSIGNMENT",
        "TARGET-EPOCH",
        "TARGET-ASSIGNMENT",
        "UPGRADED",
    ]);
    for member in members {
        line([
            &group.id,
            &member.id,
            member.instance_id.as_deref().unwrap_or_default(),
            &member.host,
            &member.client_id,
            &places(&member.assigned).len().to_string(),
            &shown(member.target.as_ref().map(|target| target.epoch)),
            &assignment(&member.assigned),
            &shown(group.epochs.map(|epochs| epochs.target_assignment)),
            &target(member),
            &shown(upgraded(member)),
        ]);
    }
}

/// `[{"topic": …, "partitions": […]}]`.
fn assignment_json(assigned: &Partitions) -> Value {
    let topics = assigned.iter().filter(|(_, partitions)| !partitions.is_empty());
    topics.map(|(topic, partitions)| json!({ "topic": topic, "partitions": partitions })).collect()
}

fn member_json(group: &GroupDescription, member: &MemberDescription) -> Value {
    let target = member.target.as_ref();
    json!({
        "group": group.id,
        "consumerId": member.id,
        "groupInstanceId": member.instance_id,
        "host": member.host,
        "clientId": member.client_id,
        "assignment": assignment_json(&member.assigned),
        "epoch": target.map(|target| target.epoch),
        "targetEpoch": group.epochs.map(|epochs| epochs.target_assignment),
        "targetAssignment": target.map(|target| assignment_json(&target.assigned)),
        "upgraded": target.and_then(|target| target.is_upgraded),
    })
}

fn state_json(admin: &Admin, group: &GroupDescription) -> Value {
    let cluster = admin.network().cluster();
    let node = cluster.nodes.get(&group.coordinator);
    json!({
        "group": group.id,
        "coordinator": { "id": group.coordinator, "host": node.map(|node| &node.host), "port": node.map(|node| node.port) },
        "assignmentStrategy": Some(&group.assignor).filter(|assignor| !assignor.is_empty()),
        "state": group.state,
        "groupEpoch": group.epochs.map(|epochs| epochs.group),
        "targetAssignmentEpoch": group.epochs.map(|epochs| epochs.target_assignment),
        "members": group.members.len(),
    })
}

fn write_state(admin: &Admin, page: &mut String, group: &GroupDescription, is_verbose: bool) {
    let cluster = admin.network().cluster();
    let address = cluster.nodes.get(&group.coordinator).map(|node| format!("{}:{}", node.host, node.port));
    let coordinator = format!("{}  ({})", address.unwrap_or_default(), group.coordinator);
    let (group_width, coordinator_width) = (group.id.len().max(15), coordinator.len().max(25));
    let strategy = if group.assignor.is_empty() { MISSING } else { &group.assignor };
    let mut line = |columns: [&str; 7]| {
        let [group, coordinator, strategy, state, epoch, target_epoch, count] = columns;
        let _ = write!(page, "\n{group:group_width$} {coordinator:coordinator_width$} {strategy:20} {state:20} ");
        if is_verbose {
            let _ = write!(page, "{epoch:15} {target_epoch:25} ");
        }
        page.push_str(count);
    };
    line([
        "GROUP",
        "COORDINATOR (ID)",
        "ASSIGNMENT-STRATEGY",
        "STATE",
        "GROUP-EPOCH",
        "TARGET-ASSIGNMENT-EPOCH",
        "#MEMBERS",
    ]);
    line([
        &group.id,
        &coordinator,
        strategy,
        &group.state,
        &shown(group.epochs.map(|epochs| epochs.group)),
        &shown(group.epochs.map(|epochs| epochs.target_assignment)),
        &group.members.len().to_string(),
    ]);
    page.push('\n');
}

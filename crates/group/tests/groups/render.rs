//! Answers and records as lines of a transcript. Every answer is encoded in its version on the way, so that one which cannot be
//! told fails the test.

use crate::transcript::{Names, START_MS};
use ottla_group::{GroupAnswer, fetch_response};
use ottla_wire::api::describe_groups_response::DescribedGroup;
use ottla_wire::api::{DescribeGroupsResponse, JoinGroupResponse};
use ottla_wire::batch::Batches;
use ottla_wire::group::{GroupKey, GroupMetadataValue, OffsetCommitValue};
use ottla_wire::{Decode, ErrorCode, Reader, encode_to_vec};

pub(crate) fn answer(names: &mut Names, version: i16, answer: &GroupAnswer) -> String {
    match answer {
        GroupAnswer::Join(answer) => {
            encode_to_vec(answer, version).unwrap();
            join(names, answer)
        }
        GroupAnswer::Sync(answer) => {
            encode_to_vec(answer, version).unwrap();
            if answer.error_code != 0 {
                return code(answer.error_code);
            }
            let protocol = answer.protocol_name.as_deref().unwrap_or("-");
            format!("synced protocol={protocol} assignment={}", shown(&answer.assignment))
        }
        GroupAnswer::Heartbeat(answer) => {
            encode_to_vec(answer, version).unwrap();
            code(answer.error_code)
        }
        GroupAnswer::Leave(answer) => {
            encode_to_vec(answer, version).unwrap();
            let mut told = code(answer.error_code);
            for member in &answer.members {
                let id = names.show(&member.member_id);
                let instance = member.group_instance_id.as_deref().map(|id| format!("/{id}")).unwrap_or_default();
                told += &format!(" {id}{instance}={}", code(member.error_code));
            }
            told
        }
        GroupAnswer::OffsetCommit(answer) => {
            encode_to_vec(answer, version).unwrap();
            let told = answer.topics.iter().flat_map(|topic| {
                let told = |p: &ottla_wire::api::offset_commit_response::OffsetCommitResponsePartition<'_>| {
                    format!("{}-{}={}", topic.name, p.partition_index, code(p.error_code))
                };
                topic.partitions.iter().map(told)
            });
            told.collect::<Vec<_>>().join(" ")
        }
        GroupAnswer::OffsetFetch(answer) => {
            encode_to_vec(&fetch_response(version, vec![answer.clone()]), version).unwrap();
            let mut told = Vec::new();
            if answer.error_code != 0 {
                told.push(code(answer.error_code));
            }
            for topic in &answer.topics {
                for p in &topic.partitions {
                    let value = match (p.error_code, p.metadata.as_deref().unwrap_or_default()) {
                        (0, "") => p.committed_offset.to_string(),
                        (0, metadata) => format!("{}:{metadata}", p.committed_offset),
                        (error, _) => code(error),
                    };
                    told.push(format!("{}-{}={value}", topic.name, p.partition_index));
                }
            }
            if told.is_empty() { "no offsets".to_owned() } else { told.join(" ") }
        }
        GroupAnswer::OffsetDelete(answer) => {
            encode_to_vec(answer, version).unwrap();
            let mut told = vec![code(answer.error_code)];
            for topic in &answer.topics {
                for p in &topic.partitions {
                    told.push(format!("{}-{}={}", topic.name, p.partition_index, code(p.error_code)));
                }
            }
            told.join(" ")
        }
        GroupAnswer::DeleteGroups(answer) => {
            encode_to_vec(answer, version).unwrap();
            let told = answer.results.iter().map(|result| format!("{}={}", result.group_id, code(result.error_code)));
            told.collect::<Vec<_>>().join(" ")
        }
    }
}

/// Text as it is; none as a dash.
pub(crate) fn shown(text: &[u8]) -> String {
    if text.is_empty() { "-".to_owned() } else { String::from_utf8_lossy(text).into_owned() }
}

fn code(code: i16) -> String {
    ErrorCode::from_code(code).name().to_owned()
}

fn join(names: &mut Names, answer: &JoinGroupResponse<'_>) -> String {
    let member = names.show(&answer.member_id);
    if answer.error_code != 0 {
        return format!("{} member={member}", code(answer.error_code));
    }
    let members: Vec<String> = answer.members.iter().map(|member| names.show(&member.member_id)).collect();
    let mut told = format!(
        "joined generation={} protocol={} leader={} member={member}",
        answer.generation_id,
        answer.protocol_name.as_deref().unwrap_or("-"),
        names.show(&answer.leader),
    );
    if !members.is_empty() {
        told += &format!(" members={}", members.join(","));
    }
    if answer.skip_assignment {
        told += " skip_assignment";
    }
    told
}

pub(crate) fn described(names: &mut Names, version: i16, group: &DescribedGroup<'_>) -> Vec<String> {
    let answer = DescribeGroupsResponse { groups: vec![group.clone()], ..Default::default() };
    encode_to_vec(&answer, version).unwrap();
    let mut first = format!("{} {}", group.group_id, shown(group.group_state.as_bytes()));
    if group.error_code != 0 {
        first += &format!(" {}", code(group.error_code));
    }
    if let Some(message) = &group.error_message {
        first += &format!(" ({message})");
    }
    if group.error_code == 0 && group.group_state != "Dead" {
        let (kind, protocol) = (shown(group.protocol_type.as_bytes()), shown(group.protocol_data.as_bytes()));
        first += &format!(" type={kind} protocol={protocol}");
    }
    let mut lines = vec![first];
    for member in &group.members {
        let instance = member.group_instance_id.as_deref().map(|id| format!("/{id}")).unwrap_or_default();
        lines.push(format!(
            "{}{instance} {}{} metadata={}B assignment={}",
            names.show(&member.member_id),
            member.client_id,
            member.client_host,
            member.member_metadata.len(),
            shown(&member.member_assignment),
        ));
    }
    lines
}

/// The log's records, one a line.
pub(crate) fn records(names: &mut Names, bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    for batch in Batches::new(bytes).map(Result::unwrap) {
        for record in batch.records().unwrap().map(Result::unwrap) {
            let offset = batch.header.base_offset + i64::from(record.offset_delta);
            let mut reader = Reader::new(record.key.unwrap());
            let id = reader.i16().unwrap();
            let key = GroupKey::decode(id, &mut reader, 0).unwrap();
            lines.push(format!("{offset}: {}", self::record(names, &key, record.value)));
        }
    }
    lines
}

fn record(names: &mut Names, key: &GroupKey<'_>, value: Option<&[u8]>) -> String {
    let mut reader = Reader::new(value.unwrap_or_default());
    let version = value.map_or(-1, |_| reader.i16().unwrap());
    match (key, value) {
        (GroupKey::OffsetCommit(key), None) => format!("offset {} {}-{} gone", key.group, key.topic, key.partition),
        (GroupKey::OffsetCommit(key), Some(_)) => {
            let value = OffsetCommitValue::decode(&mut reader, version).unwrap();
            let mut told =
                format!("offset v{version} {} {}-{} = {}", key.group, key.topic, key.partition, value.offset);
            if value.expire_timestamp >= 0 {
                told += &format!(" expires=+{}", value.expire_timestamp - START_MS);
            }
            told
        }
        (GroupKey::GroupMetadata(key), None) => format!("group {} gone", key.group),
        (GroupKey::GroupMetadata(key), Some(_)) => {
            let value = GroupMetadataValue::decode(&mut reader, version).unwrap();
            let members: Vec<String> = value
                .members
                .iter()
                .map(|m| format!("{}={}", names.show(&m.member_id), shown(&m.assignment)))
                .collect();
            format!(
                "group v{version} {} generation={} type={} protocol={} leader={} members={}",
                key.group,
                value.generation,
                shown(value.protocol_type.as_bytes()),
                value.protocol.as_deref().unwrap_or("-"),
                value.leader.as_deref().map_or("-".to_owned(), |leader| names.show(leader)),
                shown(members.join(",").as_bytes()),
            )
        }
        (other, _) => format!("{} {}", other.id(), if value.is_some() { "set" } else { "gone" }),
    }
}

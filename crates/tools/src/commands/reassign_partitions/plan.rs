//! The files that say where partitions are to go, read and written.

use super::wrong;
use crate::cli::Done;
use ottla_client::shell::admin::replica_log_dirs::Replica;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A topic and a partition's number.
pub(super) type TopicPartition = (String, i32);

/// The directory that a broker chooses itself.
const ANY: &str = "any";

/// What a file of moves says.
#[derive(Debug)]
pub(super) struct Plan {
    /// In the order of the file, not yet looked at for what stands twice.
    pub(super) partitions: Vec<(TopicPartition, Vec<i32>)>,
    /// The replicas that are to lie in a directory of their own.
    pub(super) log_dirs: BTreeMap<Replica, String>,
}

pub(super) fn shown((topic, index): &TopicPartition) -> String {
    format!("{topic}-{index}")
}

fn field<'a>(entry: &'a Value, name: &str) -> Done<&'a Value> {
    entry.get(name).ok_or_else(|| wrong(format!("No such field exists: `{name}`")))
}

fn mistyped(kind: &str, value: &Value) -> crate::cli::Failure {
    wrong(format!("Expected `{kind}` value, received {value}"))
}

fn text(value: &Value) -> Done<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| mistyped("String", value))
}

fn int(value: &Value) -> Done<i32> {
    value.as_i64().and_then(|number| i32::try_from(number).ok()).ok_or_else(|| mistyped("Integer", value))
}

fn array(value: &Value) -> Done<&Vec<Value>> {
    value.as_array().ok_or_else(|| wrong(format!("Expected JSON array, received {value}")))
}

/// A file of the one version that there is.
fn document(text: &str) -> Done<Value> {
    let json: Value = serde_json::from_str(text).map_err(|_| wrong("The input string is not a valid JSON"))?;
    if !json.is_object() {
        return Err(wrong(format!("Expected JSON object, received {json}")));
    }
    match json.get("version").map(int).transpose()? {
        None | Some(1) => Ok(json),
        Some(version) => Err(wrong(format!("Not supported version field value {version}"))),
    }
}

/// The topics of `--topics-to-move-json-file`.
pub(super) fn read_topics(text_of_file: &str) -> Done<Vec<String>> {
    let json = document(text_of_file)?;
    let Some(topics) = json.get("topics") else { return Ok(Vec::new()) };
    array(topics)?.iter().map(|entry| text(field(entry, "topic")?)).collect()
}

impl Plan {
    /// Reads `--reassignment-json-file`.
    pub(super) fn read(text_of_file: &str) -> Done<Self> {
        let json = document(text_of_file)?;
        let mut plan = Self { partitions: Vec::new(), log_dirs: BTreeMap::new() };
        let Some(partitions) = json.get("partitions") else { return Ok(plan) };
        for entry in array(partitions)? {
            let place = (text(field(entry, "topic")?)?, int(field(entry, "partition")?)?);
            let replicas = array(field(entry, "replicas")?)?.iter().map(int).collect::<Done<Vec<_>>>()?;
            let dirs = match entry.get("log_dirs") {
                Some(dirs) => array(dirs)?.iter().map(text).collect::<Done<Vec<_>>>()?,
                None => vec![ANY.to_owned(); replicas.len()],
            };
            if replicas.len() != dirs.len() {
                return Err(wrong(format!(
                    "Size of replicas list {replicas:?} is different from size of log dirs list [{}] for partition {}",
                    dirs.join(", "),
                    shown(&place)
                )));
            }
            for (broker, dir) in replicas.iter().zip(dirs).filter(|(_, dir)| dir != ANY) {
                plan.log_dirs.insert((*broker, place.0.clone(), place.1), dir);
            }
            plan.partitions.push((place, replicas));
        }
        Ok(plan)
    }

    /// The moves, where each partition stands once, and each broker once with it.
    pub(super) fn checked(&self) -> Done<BTreeMap<TopicPartition, Vec<i32>>> {
        if self.partitions.is_empty() {
            return Err(wrong("Partition reassignment list cannot be empty"));
        }
        if self.partitions.iter().any(|(_, replicas)| replicas.is_empty()) {
            return Err(wrong("Partition replica list cannot be empty"));
        }
        let twice = duplicates(self.partitions.iter().map(|(place, _)| place));
        if !twice.is_empty() {
            let twice: Vec<_> = twice.into_iter().map(shown).collect();
            let twice = twice.join(",");
            return Err(wrong(format!("Partition reassignment contains duplicate topic partitions: {twice}")));
        }
        let mut mistakes = Vec::new();
        for (place, replicas) in &self.partitions {
            let twice: Vec<i32> = duplicates(replicas.iter()).into_iter().copied().collect();
            if !twice.is_empty() {
                let twice = crate::cluster::joined(&twice);
                mistakes.push(format!("{} contains multiple entries for {twice}", shown(place)));
            }
        }
        match mistakes.is_empty() {
            true => Ok(self.partitions.iter().cloned().collect()),
            false => Err(wrong(format!(
                "Partition replica lists may not contain duplicate entries: {}",
                mistakes.join(". ")
            ))),
        }
    }
}

/// What stands more than once.
pub(super) fn duplicates<'a, T: Ord>(items: impl Iterator<Item = &'a T>) -> BTreeSet<&'a T> {
    let mut seen = BTreeSet::new();
    items.filter(|item| !seen.insert(*item)).collect()
}

/// A file of moves, its fields in Kafka's order. Replicas whose directory is not known lie in any.
pub(super) fn write(partitions: &BTreeMap<TopicPartition, Vec<i32>>, log_dirs: &BTreeMap<Replica, String>) -> String {
    let json_text = |text: &str| Value::from(text).to_string();
    let entries: Vec<_> = partitions
        .iter()
        .map(|((topic, index), replicas)| {
            let dir = |broker: &i32| log_dirs.get(&(*broker, topic.clone(), *index)).map_or(ANY, String::as_str);
            let dirs: Vec<_> = replicas.iter().map(|broker| json_text(dir(broker))).collect();
            format!(
                "{{\"topic\":{},\"partition\":{index},\"replicas\":[{}],\"log_dirs\":[{}]}}",
                json_text(topic),
                crate::cluster::joined(replicas),
                dirs.join(",")
            )
        })
        .collect();
    format!("{{\"version\":1,\"partitions\":[{}]}}", entries.join(","))
}

/// A plan that was written, for programs.
pub(super) fn object(name: &str, written: &str) -> Value {
    json!({ name: serde_json::from_str::<Value>(written).unwrap_or_default() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let partitions = BTreeMap::from([(("a\"b".to_owned(), 0), vec![1, 2]), (("c".to_owned(), 3), vec![2])]);
        let dirs = BTreeMap::from([((2, "c".to_owned(), 3), "/data".to_owned())]);
        let text = write(&partitions, &dirs);
        assert!(text.ends_with("{\"topic\":\"c\",\"partition\":3,\"replicas\":[2],\"log_dirs\":[\"/data\"]}]}"));
        let plan = Plan::read(&text).unwrap();
        assert_eq!(plan.checked().unwrap(), partitions);
        assert_eq!(plan.log_dirs, dirs);
    }

    #[test]
    fn mistakes_are_said() {
        let said = |text: &str| Plan::read(text).and_then(|plan| plan.checked()).unwrap_err().to_string();
        assert_eq!(said("{}"), "Error: Partition reassignment list cannot be empty");
        let of = |replicas: &str| format!("{{\"partitions\":[{{\"topic\":\"t\",\"partition\":0,{replicas}}}]}}");
        assert_eq!(said(&of("\"replicas\":[]")), "Error: Partition replica list cannot be empty");
        assert!(said(&of("\"replicas\":[1,1]")).ends_with("t-0 contains multiple entries for 1"));
        assert_eq!(
            said(&of("\"replicas\":[1],\"log_dirs\":[]")),
            "Error: Size of replicas list [1] is different from size of log dirs list [] for partition t-0"
        );
        assert_eq!(said("{\"version\":2}"), "Error: Not supported version field value 2");
    }
}

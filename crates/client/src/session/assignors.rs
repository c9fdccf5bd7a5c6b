//! Who gets which partitions, as a group's leader decides: Kafka's range and round-robin, and the messages in which
//! members tell their wishes and learn the outcome.

use ottla_wire::other::consumer_protocol_assignment::TopicPartition as Assigned;
use ottla_wire::other::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use ottla_wire::{Decode, DecodeError, EncodeError, Message, Reader, Writer};
use std::collections::{BTreeMap, BTreeSet};

/// Partitions by topic.
pub type Partitions = BTreeMap<String, Vec<i32>>;

/// A member, as the leader hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: String,
    /// Static members keep their place by it.
    pub instance_id: Option<String>,
    pub topics: Vec<String>,
}

/// How partitions are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    Range,
    RoundRobin,
}

impl Assignor {
    /// By Java's class name, with or without its package.
    #[must_use]
    pub fn by_class(class: &str) -> Option<Self> {
        match class.strip_prefix("org.apache.kafka.clients.consumer.").unwrap_or(class) {
            "RangeAssignor" | "range" => Some(Self::Range),
            "RoundRobinAssignor" | "roundrobin" => Some(Self::RoundRobin),
            _ => None,
        }
    }

    /// The protocol's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
        }
    }

    /// Everybody's partitions, by member. `counts` says how many each topic has; a topic without any is left out.
    #[must_use]
    pub fn assign(self, members: &[Member], counts: &BTreeMap<String, i32>) -> BTreeMap<String, Partitions> {
        let mut order: Vec<&Member> = members.iter().collect();
        // Static members first, by their instance; then the others by their ids.
        order.sort_by_key(|member| (member.instance_id.is_none(), member.instance_id.as_deref(), member.id.as_str()));
        let mut assigned: BTreeMap<String, Partitions> =
            order.iter().map(|member| (member.id.clone(), Partitions::new())).collect();
        let topics: BTreeSet<&str> = members.iter().flat_map(|member| &member.topics).map(String::as_str).collect();
        let topics = topics.into_iter().filter_map(|topic| Some((topic, *counts.get(topic)?)));
        let mut give = |member: &Member, topic: &str, partition: i32| {
            let own = assigned.entry(member.id.clone()).or_default();
            own.entry(topic.to_owned()).or_default().push(partition);
        };
        match self {
            Self::Range => {
                for (topic, count) in topics {
                    let wanting: Vec<_> = order.iter().filter(|member| member.wants(topic)).collect();
                    let members = i32::try_from(wanting.len()).unwrap_or(i32::MAX).max(1);
                    let (each, more) = (count / members, count % members);
                    let mut next = 0;
                    for (member, place) in wanting.into_iter().zip(0..) {
                        let end = next + each + i32::from(place < more);
                        (next..end).for_each(|partition| give(member, topic, partition));
                        next = end;
                    }
                }
            }
            Self::RoundRobin => {
                let mut turn = 0;
                for (topic, count) in topics {
                    for partition in 0..count {
                        // Somebody wants it: the topic is known by a member's wish.
                        while let Some(member) = order.get(turn % order.len()) {
                            turn += 1;
                            if member.wants(topic) {
                                give(member, topic, partition);
                                break;
                            }
                        }
                    }
                }
            }
        }
        assigned
    }
}

impl Member {
    fn wants(&self, topic: &str) -> bool {
        self.topics.iter().any(|own| own == topic)
    }
}

/// What a member tells of itself: the topics it wants, in the newest form.
pub fn encode_subscription(topics: &[String], owned: &Partitions, generation: i32) -> Result<Vec<u8>, EncodeError> {
    use ottla_wire::other::consumer_protocol_subscription::TopicPartition;
    let owned = owned
        .iter()
        .map(|(topic, partitions)| TopicPartition { topic: topic.as_str().into(), partitions: partitions.clone() });
    let subscription = ConsumerProtocolSubscription {
        topics: topics.iter().map(|topic| topic.as_str().into()).collect(),
        owned_partitions: owned.collect(),
        generation_id: generation,
        ..Default::default()
    };
    versioned(&subscription)
}

/// The topics in a member's subscription.
pub fn decode_subscription(bytes: &[u8]) -> Result<Vec<String>, DecodeError> {
    let subscription: ConsumerProtocolSubscription<'_> = read_versioned(bytes)?;
    Ok(subscription.topics.iter().map(|topic| topic.to_string()).collect())
}

pub fn encode_assignment(partitions: &Partitions) -> Result<Vec<u8>, EncodeError> {
    let assigned = partitions
        .iter()
        .map(|(topic, partitions)| Assigned { topic: topic.as_str().into(), partitions: partitions.clone() });
    versioned(&ConsumerProtocolAssignment { assigned_partitions: assigned.collect(), ..Default::default() })
}

/// An empty assignment has no bytes at all.
pub fn decode_assignment(bytes: &[u8]) -> Result<Partitions, DecodeError> {
    if bytes.is_empty() {
        return Ok(Partitions::new());
    }
    let assignment: ConsumerProtocolAssignment<'_> = read_versioned(bytes)?;
    Ok(assignment.assigned_partitions.iter().map(|topic| (topic.topic.to_string(), topic.partitions.clone())).collect())
}

/// The version stands before the message.
fn versioned<T: Message>(message: &T) -> Result<Vec<u8>, EncodeError> {
    let mut writer = Writer::new();
    writer.i16(T::VERSIONS.high);
    message.encode(&mut writer, T::VERSIONS.high)?;
    Ok(writer.into_bytes())
}

/// A newer version is read as the newest that is known: fields are only ever added at the end.
fn read_versioned<'a, T: Message + Decode<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?.min(T::VERSIONS.high);
    T::decode(&mut reader, version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(wishes: &[(&str, &[&str])]) -> Vec<Member> {
        let member = |(id, topics): &(&str, &[&str])| Member {
            id: (*id).to_owned(),
            instance_id: None,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        };
        wishes.iter().map(member).collect()
    }

    fn counts(pairs: &[(&str, i32)]) -> BTreeMap<String, i32> {
        pairs.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect()
    }

    fn show(assigned: &BTreeMap<String, Partitions>) -> Vec<String> {
        assigned.iter().map(|(member, partitions)| format!("{member} {partitions:?}")).collect()
    }

    #[test]
    fn range_gives_neighbours_and_the_first_get_more() {
        let assigned =
            Assignor::Range.assign(&members(&[("b", &["t"]), ("a", &["t", "u"])]), &counts(&[("t", 3), ("u", 2)]));
        assert_eq!(show(&assigned), [r#"a {"t": [0, 1], "u": [0, 1]}"#, r#"b {"t": [2]}"#]);
    }

    #[test]
    fn round_robin_goes_through_all_partitions() {
        let assigned = Assignor::RoundRobin
            .assign(&members(&[("a", &["t", "u"]), ("b", &["t", "u"])]), &counts(&[("t", 3), ("u", 2)]));
        assert_eq!(show(&assigned), [r#"a {"t": [0, 2], "u": [1]}"#, r#"b {"t": [1], "u": [0]}"#]);
    }

    #[test]
    fn what_is_told_is_understood() {
        let topics = vec!["t".to_owned()];
        let bytes = encode_subscription(&topics, &Partitions::new(), -1).unwrap();
        assert_eq!(decode_subscription(&bytes).unwrap(), topics);
        let partitions = Partitions::from([("t".to_owned(), vec![0, 2])]);
        assert_eq!(decode_assignment(&encode_assignment(&partitions).unwrap()).unwrap(), partitions);
        assert_eq!(decode_assignment(&[]).unwrap(), Partitions::new());
    }
}

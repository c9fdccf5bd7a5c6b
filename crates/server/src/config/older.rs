//! Files from before KRaft: a `broker.id` and nothing about roles, controllers or a quorum. They meant a broker beside
//! ZooKeeper; here they are a node that stands alone.

use super::mistakes::Findings;
use super::properties::{Origin, Properties};

/// What such a file has none of.
const KRAFT: [&str; 2] = ["node.id", "process.roles"];

fn is_older(properties: &Properties) -> bool {
    properties.get("broker.id").is_some()
        && KRAFT.iter().all(|key| properties.get(key).is_none())
        && !properties.iter().any(|(key, _, _)| key.starts_with("controller."))
}

/// Fills in what makes such a node whole. One that had a ZooKeeper is left as it is: its topics lie there.
pub(super) fn completed(properties: &Properties) -> Properties {
    let mut properties = properties.clone();
    if !is_older(&properties) || properties.get("zookeeper.connect").is_some() {
        return properties;
    }
    let mut set = |key: &str, value: String| {
        if properties.get(key).is_none() {
            properties.set(key, value, Origin::Program);
        }
    };
    for (key, value) in [
        ("process.roles", "broker,controller"),
        ("controller.listener.names", "CONTROLLER"),
        ("controller.quorum.bootstrap.servers", "localhost:9093"),
        ("offsets.topic.replication.factor", "1"),
        ("transaction.state.log.replication.factor", "1"),
        ("transaction.state.log.min.isr", "1"),
        ("share.coordinator.state.topic.replication.factor", "1"),
        ("share.coordinator.state.topic.min.isr", "1"),
    ] {
        set(key, value.to_owned());
    }
    for (key, default, addition) in [
        ("listeners", "PLAINTEXT://:9092", "CONTROLLER://localhost:9093"),
        ("listener.security.protocol.map", "", "CONTROLLER:PLAINTEXT"),
    ] {
        match properties.get(key).map(str::to_owned) {
            Some(given) => {
                let origin = properties.origin(key).unwrap_or(Origin::Program);
                properties.set(key, format!("{given},{addition}"), origin);
            }
            None if !default.is_empty() => properties.set(key, format!("{default},{addition}"), Origin::Program),
            None => {}
        }
    }
    properties
}

/// Says what was made of such a file. `given` is the file as it was.
pub(super) fn check(given: &Properties, findings: &Findings<'_>) {
    if !is_older(given) {
        return;
    }
    match given.get("zookeeper.connect") {
        Some(_) => findings.mistake(
            "zookeeper.connect",
            "zookeeper.connect: there is no ZooKeeper any more, since Kafka 4.0; set process.roles, node.id and the \
             controller.* keys instead, or leave this one out for a node that stands alone",
        ),
        None => findings.warning(
            "broker.id",
            "the file has broker.id and no process.roles, as before KRaft: the node is broker and controller at once, \
             and stands alone",
        ),
    }
}

//! The configuration of a node that is started without a file: one node, reachable from this machine only.

use super::properties::{Origin, Properties};

/// A combined node on localhost that keeps its data under `data_dir`. Internal topics have one replica, as there is
/// one node to hold it; the quorum is dynamic, so that the node can grow.
pub fn embedded(data_dir: &str) -> Properties {
    let mut properties = Properties::new();
    for (key, value) in [
        ("node.id", "1"),
        ("process.roles", "broker,controller"),
        ("listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
        ("controller.listener.names", "CONTROLLER"),
        ("controller.quorum.bootstrap.servers", "localhost:9093"),
        ("log.dirs", data_dir),
        ("offsets.topic.replication.factor", "1"),
        ("transaction.state.log.replication.factor", "1"),
        ("transaction.state.log.min.isr", "1"),
        ("share.coordinator.state.topic.replication.factor", "1"),
        ("share.coordinator.state.topic.min.isr", "1"),
    ] {
        properties.set(key, value, Origin::Program);
    }
    properties
}

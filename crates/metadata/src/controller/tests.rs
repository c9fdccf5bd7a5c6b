//! The controller's decisions, as records and what they lead to.

use super::*;
use crate::image::{Loader, NO_LEADER};
use ottla_wire::api::*;
use ottla_wire::metadata::*;
use ottla_wire::{ApiError, ErrorCode, Uuid};
use std::collections::BTreeMap;

mod elections;
mod features;
mod reassignments;

pub(super) struct Cluster {
    pub(super) image: Image,
    settings: Settings,
    offset: i64,
}

impl Cluster {
    /// A metadata log whose controller was just activated.
    pub(super) fn new(features: &[(&'static str, i16)]) -> Self {
        let settings = Settings {
            node_id: 1,
            cluster_id: "c".to_owned(),
            num_partitions: 1,
            default_replication_factor: 1,
            min_insync_replicas: 1,
            unclean_leader_election: false,
            file: Configs::new(),
        };
        let mut cluster = Self { image: Image::default(), settings, offset: 0 };
        let bootstrap: Vec<VersionedRecord> = features
            .iter()
            .map(|(name, level)| {
                let record = FeatureLevelRecord { name: (*name).into(), feature_level: *level, ..Default::default() };
                (record.into(), 0)
            })
            .collect();
        let mut loader = Loader::default();
        let records = activation_records(&loader, &bootstrap, 1);
        records.iter().for_each(|(record, _)| loader.replay(record).unwrap());
        cluster.offset += records.len() as i64;
        cluster.image = loader.publish().unwrap().0;
        cluster
    }

    pub(super) fn decide<R>(
        &mut self,
        decide: impl FnOnce(&Controller<'_>) -> Outcome<R>,
    ) -> (R, Vec<MetadataRecord<'static>>) {
        let controller = Controller { image: &self.image, settings: &self.settings };
        let Outcome { records, response } = decide(&controller);
        for (record, version) in &records {
            // What is decided must be writable in the version it is decided in, and come back the same.
            let value = crate::framing::encode(record, *version).unwrap();
            assert_eq!(&crate::framing::decode(&value).unwrap(), record);
            self.image.replay(record).unwrap();
            self.offset += 1;
        }
        (response, records.into_iter().map(|(record, _)| record).collect())
    }

    fn register(&mut self, id: i32, incarnation: u8, previous_broker_epoch: i64) -> i64 {
        let start = self.offset;
        let feature = |name: &'static str, max| broker_registration_request::Feature {
            name: name.into(),
            max_supported_version: max,
            ..Default::default()
        };
        let request = BrokerRegistrationRequest {
            broker_id: id,
            cluster_id: "c".into(),
            incarnation_id: Uuid([incarnation; 16]),
            features: vec![feature("metadata.version", 33), feature("eligible.leader.replicas.version", 1)],
            log_dirs: vec![Uuid([id as u8 + 100; 16])],
            previous_broker_epoch,
            ..Default::default()
        };
        self.decide(|c| c.register_broker(&request, |before| start + before as i64, false).unwrap()).0
    }

    fn beat(&mut self, id: i32, epoch: i64, want_fence: bool, want_shut_down: bool) -> BrokerState {
        let request = BrokerHeartbeatRequest {
            broker_id: id,
            broker_epoch: epoch,
            current_metadata_offset: i64::MAX,
            want_fence,
            want_shut_down,
            ..Default::default()
        };
        self.decide(|c| c.heartbeat(&request, epoch).unwrap()).0
    }

    /// Three brokers that may lead.
    fn of_three(features: &[(&'static str, i16)]) -> Self {
        let mut cluster = Self::new(features);
        for id in 1..=3 {
            let epoch = cluster.register(id, id as u8, -1);
            cluster.beat(id, epoch, false, false);
        }
        cluster
    }

    fn fence(&mut self, id: i32) {
        let epoch = self.image.brokers[&id].epoch;
        self.beat(id, epoch, true, false);
    }

    fn unfence(&mut self, id: i32) {
        let epoch = self.image.brokers[&id].epoch;
        self.beat(id, epoch, false, false);
    }

    /// As the leader of partition 0 would tell of it.
    fn set_isr(&mut self, topic: &str, isr: &[i32]) {
        let topic_id = self.image.topics.named(topic).unwrap().id;
        let record = PartitionChangeRecord { topic_id, partition_id: 0, isr: Some(isr.to_vec()), ..Default::default() };
        let version = self.image.record_versions().partition();
        self.decide(|_| Outcome { records: vec![(record.into(), version)], response: () });
    }

    fn create(&mut self, name: &'static str, partitions: i32, factor: i16) -> Result<(), ApiError> {
        let request = CreateTopicsRequest {
            topics: vec![create_topics_request::CreatableTopic {
                name: name.into(),
                num_partitions: partitions,
                replication_factor: factor,
                ..Default::default()
            }],
            ..Default::default()
        };
        let (mut response, _) = self.decide(|c| c.create_topics(&request, &mut Seed(1), &mut |_| Ok(())).unwrap());
        response.remove(0).map(drop)
    }

    fn partition(&self, topic: &str) -> (i32, i32, Vec<i32>, Vec<i32>) {
        let p = self.image.topics.partition(topic, 0).unwrap();
        (p.leader, p.leader_epoch, p.isr.to_vec(), p.eligible_leader_replicas.to_vec())
    }
}

const ELR: &[(&str, i16)] = &[("metadata.version", 33), ("eligible.leader.replicas.version", 1)];

#[test]
fn an_empty_log_is_activated_with_its_bootstrap_records_in_a_transaction() {
    let cluster = Cluster::new(ELR);
    assert_eq!(cluster.image.metadata_version, Some(33));
    assert_eq!(cluster.image.config(&ConfigResource::broker(None), "min.insync.replicas"), Some("1"));
    assert_eq!(cluster.offset, 5);

    let mut loader = Loader::new(cluster.image);
    assert_eq!(activation_records(&loader, &[], 1), []);
    loader.replay(&BeginTransactionRecord::default().into()).unwrap();
    let records = activation_records(&loader, &[], 1);
    assert!(matches!(records.as_slice(), [(MetadataRecord::AbortTransaction(_), 0)]));
}

#[test]
fn a_lone_broker_stops_cleanly_and_leads_again() {
    let mut cluster = Cluster::new(ELR);
    let epoch = cluster.register(1, 1, -1);
    assert_eq!(epoch, 5);
    assert_eq!(cluster.create("t", 1, 1).unwrap_err().code, ErrorCode::InvalidReplicationFactor);
    assert_eq!(cluster.beat(1, epoch, false, false), BrokerState::Unfenced);
    cluster.create("t", 1, 1).unwrap();
    assert_eq!(cluster.partition("t"), (1, 0, vec![1], vec![]));

    assert_eq!(cluster.beat(1, epoch, false, true), BrokerState::ControlledShutdown);
    assert_eq!(cluster.partition("t"), (NO_LEADER, 1, vec![], vec![1]));
    assert_eq!(cluster.beat(1, epoch, false, true), BrokerState::ShutdownNow);
    assert!(cluster.image.brokers[&1].fenced);

    let epoch = cluster.register(1, 2, epoch);
    assert_eq!(cluster.partition("t"), (NO_LEADER, 1, vec![], vec![1]));
    assert_eq!(cluster.beat(1, epoch, false, false), BrokerState::Unfenced);
    assert_eq!(cluster.partition("t"), (1, 2, vec![1], vec![]));
}

#[test]
fn after_an_unclean_stop_the_last_known_leader_is_taken_and_recovers() {
    let mut cluster = Cluster::new(ELR);
    let epoch = cluster.register(1, 1, -1);
    cluster.beat(1, epoch, false, false);
    cluster.create("t", 1, 1).unwrap();
    let epoch = cluster.register(1, 2, -1);
    assert_eq!(cluster.partition("t"), (NO_LEADER, 1, vec![], vec![]));
    cluster.beat(1, epoch, false, false);
    assert_eq!(cluster.partition("t"), (1, 2, vec![1], vec![]));
    assert_eq!(cluster.image.topics.partition("t", 0).unwrap().leader_recovery_state, 1);
}

#[test]
fn without_elr_the_last_replica_stays_in_the_isr() {
    let mut cluster = Cluster::new(&[("metadata.version", 20)]);
    let first = cluster.register(1, 1, -1);
    cluster.beat(1, first, false, false);
    cluster.create("t", 1, 1).unwrap();
    assert_eq!(cluster.beat(1, first, true, false), BrokerState::Fenced);
    assert_eq!(cluster.partition("t"), (NO_LEADER, 1, vec![1], vec![]));
    assert_eq!(cluster.beat(1, first, false, false), BrokerState::Unfenced);
    assert_eq!(cluster.partition("t"), (1, 2, vec![1], vec![]));
}

#[test]
fn another_replica_takes_over() {
    let mut cluster = Cluster::of_three(ELR);
    cluster.create("t", 1, 3).unwrap();
    let (leader, _, isr, _) = cluster.partition("t");
    let epoch = cluster.image.brokers[&leader].epoch;
    cluster.beat(leader, epoch, true, false);
    let (next, leader_epoch, left, elr) = cluster.partition("t");
    assert_eq!((next, leader_epoch, left, elr), (isr[1], 1, isr[1..].to_vec(), vec![]));
}

#[test]
fn what_a_topic_may_not_be() {
    let mut cluster = Cluster::new(ELR);
    let epoch = cluster.register(1, 1, -1);
    cluster.beat(1, epoch, false, false);
    let code = |result: Result<(), ApiError>| result.unwrap_err().code;
    assert_eq!(code(cluster.create("a b", 1, 1)), ErrorCode::InvalidTopicException);
    assert_eq!(code(cluster.create("t", 0, 1)), ErrorCode::InvalidPartitions);
    assert_eq!(code(cluster.create("t", 1, 0)), ErrorCode::InvalidReplicationFactor);
    assert_eq!(code(cluster.create("t", 1, 2)), ErrorCode::InvalidReplicationFactor);
    cluster.create("a.b", -1, -1).unwrap();
    assert_eq!(code(cluster.create("a_b", 1, 1)), ErrorCode::InvalidTopicException);
    assert_eq!(code(cluster.create("a.b", 1, 1)), ErrorCode::TopicAlreadyExists);
}

#[test]
fn configs_are_set_appended_and_removed_each_resource_as_a_whole() {
    let mut cluster = Cluster::new(ELR);
    let epoch = cluster.register(1, 1, -1);
    cluster.beat(1, epoch, false, false);
    cluster.create("t", 1, 1).unwrap();
    let topic = ConfigResource::topic("t");
    let mut alter = |kind, key: &str, value: &str| {
        let operation = ConfigOperation { kind, value: Some(value.to_owned()) };
        let changes = BTreeMap::from([(topic.clone(), BTreeMap::from([(key.to_owned(), operation)]))]);
        let (response, _) = cluster.decide(|c| c.incremental_alter_configs(&changes));
        (response[&topic].clone().map_err(|e| e.code), cluster.image.config(&topic, key).map(str::to_owned))
    };
    use ConfigOperationKind::{Append, Delete, Set, Subtract};
    assert_eq!(alter(Append, "cleanup.policy", "compact"), (Ok(()), Some("delete,compact".to_owned())));
    assert_eq!(alter(Subtract, "cleanup.policy", "delete"), (Ok(()), Some("compact".to_owned())));
    assert_eq!(alter(Append, "retention.ms", "1").0, Err(ErrorCode::InvalidConfig));
    assert_eq!(alter(Set, "retention.ms", "x"), (Err(ErrorCode::InvalidConfig), None));
    assert_eq!(alter(Delete, "cleanup.policy", ""), (Ok(()), None));
}

#[test]
fn a_replica_is_assigned_to_a_directory_and_loses_its_lead_with_it() {
    let mut cluster = Cluster::new(ELR);
    let epoch = cluster.register(1, 1, -1);
    cluster.beat(1, epoch, false, false);
    cluster.create("t", 2, 1).unwrap();
    let topic_id = cluster.image.topics.named("t").unwrap().id;
    let assign = |cluster: &mut Cluster, directory: u8, indexes: &[i32]| {
        use assign_replicas_to_dirs_request::{DirectoryData, PartitionData, TopicData};
        let partition = |index: &i32| PartitionData { partition_index: *index, ..Default::default() };
        let partitions = indexes.iter().map(partition).collect();
        let topics = vec![TopicData { topic_id, partitions, ..Default::default() }];
        let directories = vec![DirectoryData { id: Uuid([directory; 16]), topics, ..Default::default() }];
        let request =
            AssignReplicasToDirsRequest { broker_id: 1, broker_epoch: epoch, directories, ..Default::default() };
        let (response, records) = cluster.decide(|c| c.assign_replicas_to_dirs(&request).unwrap());
        let partitions = &response.directories[0].topics[0].partitions;
        (partitions.iter().map(|p| p.error_code).collect::<Vec<_>>(), records.len())
    };
    // It is known already.
    assert_eq!(assign(&mut cluster, 101, &[0, 1]), (vec![0, 0], 0));
    // A directory that the broker does not have: one record says where it lies, and one who leads.
    assert_eq!(assign(&mut cluster, 9, &[0]), (vec![0], 2));
    assert_eq!(cluster.partition("t"), (NO_LEADER, 1, vec![], vec![1]));
    // Back in a directory that is there, it may be elected, at the next occasion.
    assert_eq!(assign(&mut cluster, 101, &[0]), (vec![0], 1));
    assert_eq!(cluster.partition("t").0, NO_LEADER);
    assert_eq!(assign(&mut cluster, 101, &[0]), (vec![0], 1));
    assert_eq!(cluster.partition("t"), (1, 2, vec![1], vec![]));
}

#[test]
fn before_directories_had_ids_none_is_assigned() {
    let mut cluster = Cluster::new(&[("metadata.version", 16)]);
    let broker_epoch = cluster.register(1, 1, -1);
    let request = AssignReplicasToDirsRequest { broker_id: 1, broker_epoch, ..Default::default() };
    let controller = Controller { image: &cluster.image, settings: &cluster.settings };
    assert_eq!(controller.assign_replicas_to_dirs(&request).unwrap_err().code, ErrorCode::UnsupportedVersion);
}

//! Every finished API answers in every version that it tells, on both listeners: a response that cannot be written in an
//! old version would close the connection of an old client.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use ottla_broker::{
    Answer, Authorization, Connection, Host, Job, ListenerKind, Node, Now, Place, Settings, Wake, Work, Worker,
};
use ottla_log::TopicId;
use ottla_log::directory::{LogDirectory, MetaProperties};
use ottla_machine::{Instant, MemDisk, Seed, Timestamp};
use ottla_metadata::image::{Configs, Endpoint};
use ottla_raft::{Voter, VoterSet};
use ottla_security::{ClientHost, Decision, Principal};
use ottla_wire::api::*;
use ottla_wire::other::RequestHeader;
use ottla_wire::{ApiKey, Encode, Uuid, Writer, decode_exact};
use std::path::{Path, PathBuf};
use std::sync::Arc;

struct Inline;

impl Host for Inline {
    fn run(&self, job: Job) {
        job();
    }

    fn run_after(&self, _delay: std::time::Duration, _job: Job) {}

    fn run_commit(&self, job: Job) {
        job();
    }

    fn run_all(&self, groups: Vec<Vec<Work<'_>>>) {
        groups.into_iter().flatten().for_each(|work| work());
    }

    fn now(&self) -> Now {
        now(0)
    }

    fn space(&self, _: &Path) -> Option<(u64, u64)> {
        Some((1000, 10))
    }

    fn wake_controller(&self) {}

    fn wake_timers(&self) {}
}

struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

fn now(ms: u64) -> Now {
    Now { instant: Instant::from_millis(ms), wall: Timestamp(1_700_000_000_000 + ms as i64) }
}

fn node() -> Arc<Node<MemDisk>> {
    let disk = MemDisk::new();
    let path = PathBuf::from("/data");
    let meta = MetaProperties { cluster_id: "c".to_owned(), node_id: 1, directory_id: Some(TopicId([7; 16])) };
    LogDirectory::open(disk.clone(), &path).unwrap().write_meta(meta).unwrap();
    let endpoint =
        |name: &str, port| Endpoint { name: name.to_owned(), host: "h".to_owned(), port, security_protocol: 0 };
    let voter = Voter { id: 1, directory_id: Uuid::ZERO, endpoints: vec![], kraft_versions: (0, 1) };
    let place = Place {
        node_id: 1,
        cluster_id: "c".to_owned(),
        rack: Some("r".to_owned()),
        advertised: vec![endpoint("PLAINTEXT", 9092)],
        advertised_controllers: vec![endpoint("CONTROLLER", 9093)],
        log_dirs: vec![path.clone()],
        metadata_log_dir: path,
        static_voters: VoterSet(vec![voter]),
        authorization: Authorization::Standard { super_users: Default::default(), no_acl_found: Decision::Allowed },
    };
    let file: Configs = [("offsets.topic.replication.factor".to_owned(), "1".to_owned())].into();
    let node = Node::start(Settings::new(place, file), disk, Arc::new(Inline), Seed(1), now(0)).unwrap();
    create_topic(&node);
    node
}

fn connection(kind: ListenerKind) -> Arc<Connection> {
    let listener = if kind == ListenerKind::Broker { "PLAINTEXT" } else { "CONTROLLER" };
    Arc::new(Connection {
        listener: listener.into(),
        kind,
        principal: Principal::anonymous(),
        host: ClientHost::new([127, 0, 0, 1].into()),
        waker: Arc::new(Nobody),
        clock: || Instant(0),
    })
}

/// The frame's body of the answer; what is parked is stepped until it is answered.
fn ask(
    node: &Node<MemDisk>,
    kind: ListenerKind,
    key: ApiKey,
    version: i16,
    request: &dyn Encode,
) -> Result<Vec<u8>, String> {
    let mut writer = Writer::new();
    let header = RequestHeader {
        request_api_key: key as i16,
        request_api_version: version,
        correlation_id: 5,
        client_id: Some("t".into()),
        ..Default::default()
    };
    header.encode(&mut writer, key.info().request_header_version(version)).unwrap();
    request.encode(&mut writer, version).map_err(|e| format!("request: {e}"))?;
    let mut worker = Worker::default();
    let mut answer = node.handle(&connection(kind), writer.bytes(), now(10), &mut worker);
    for round in 1..100 {
        match answer {
            Answer::Reply(reply) => return Ok(reply.bytes),
            Answer::Silence { .. } => return Ok(Vec::new()),
            Answer::Close(reason) => return Err(reason),
            Answer::Parked(mut parked) => {
                let at = now(10 + round * 1000);
                node.step_controller(at).unwrap();
                node.handle_timeouts(at);
                answer = parked.resume(node, at, &mut worker).unwrap_or(Answer::Parked(parked));
            }
        }
    }
    Err("it is never answered".to_owned())
}

fn create_topic(node: &Node<MemDisk>) {
    let topic = |name: &'static str| create_topics_request::CreatableTopic {
        name: name.into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic("t"), topic("__consumer_offsets")], ..Default::default() };
    ask(node, ListenerKind::Broker, ApiKey::CreateTopics, 7, &request).unwrap();
}

/// A request of each API that reaches into its answer's depth: a topic that is there and one that is not.
fn request(key: ApiKey, version: i16, topic_id: Uuid) -> Option<Box<dyn Encode>> {
    let names = || vec!["t".into(), "missing".into()];
    Some(match key {
        ApiKey::ApiVersions => Box::new(ApiVersionsRequest {
            client_software_name: if version >= 3 { "n".into() } else { "".into() },
            client_software_version: if version >= 3 { "1".into() } else { "".into() },
            ..Default::default()
        }),
        ApiKey::Metadata => Box::new(MetadataRequest { topics: (version == 0).then(Vec::new), ..Default::default() }),
        ApiKey::Fetch => Box::new(FetchRequest {
            topics: [topic_id, Uuid([9; 16])]
                .map(|id| fetch_request::FetchTopic {
                    topic: "t".into(),
                    topic_id: id,
                    partitions: vec![fetch_request::FetchPartition { partition_max_bytes: 10, ..Default::default() }],
                    ..Default::default()
                })
                .to_vec(),
            isolation_level: 1,
            session_epoch: if version >= 7 { 0 } else { -1 },
            ..Default::default()
        }),
        ApiKey::Produce => Box::new(ProduceRequest {
            acks: -1,
            topic_data: vec![produce_request::TopicProduceData {
                name: if version < 13 { "t".into() } else { "".into() },
                topic_id: if version >= 13 { topic_id } else { Uuid::ZERO },
                partition_data: vec![produce_request::PartitionProduceData::default()],
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::ListOffsets => Box::new(ListOffsetsRequest {
            topics: ["t", "missing"]
                .map(|name| list_offsets_request::ListOffsetsTopic {
                    name: name.into(),
                    partitions: vec![list_offsets_request::ListOffsetsPartition {
                        timestamp: -1,
                        ..Default::default()
                    }],
                    ..Default::default()
                })
                .to_vec(),
            ..Default::default()
        }),
        ApiKey::OffsetForLeaderEpoch => Box::new(OffsetForLeaderEpochRequest {
            topics: vec![offset_for_leader_epoch_request::OffsetForLeaderTopic {
                topic: "t".into(),
                partitions: vec![Default::default()],
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::FindCoordinator => Box::new(match version {
            4.. => FindCoordinatorRequest { coordinator_keys: names(), ..Default::default() },
            _ => FindCoordinatorRequest { key: "g".into(), ..Default::default() },
        }),
        ApiKey::InitProducerId => Box::new(InitProducerIdRequest::default()),
        ApiKey::JoinGroup => Box::new(JoinGroupRequest {
            group_id: format!("join-{version}").into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            protocol_type: "consumer".into(),
            protocols: vec![join_group_request::JoinGroupRequestProtocol {
                name: "range".into(),
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::SyncGroup => Box::new(SyncGroupRequest {
            group_id: "g".into(),
            protocol_type: (version >= 5).then(|| "consumer".into()),
            protocol_name: (version >= 5).then(|| "range".into()),
            ..Default::default()
        }),
        ApiKey::Heartbeat => Box::new(HeartbeatRequest { group_id: "g".into(), ..Default::default() }),
        ApiKey::LeaveGroup => Box::new(LeaveGroupRequest { group_id: "g".into(), ..Default::default() }),
        ApiKey::OffsetCommit => Box::new(OffsetCommitRequest {
            group_id: "g".into(),
            topics: [topic_id, Uuid([9; 16])]
                .map(|id| offset_commit_request::OffsetCommitRequestTopic {
                    name: "t".into(),
                    topic_id: id,
                    partitions: vec![offset_commit_request::OffsetCommitRequestPartition {
                        committed_offset: 3,
                        ..Default::default()
                    }],
                    ..Default::default()
                })
                .to_vec(),
            ..Default::default()
        }),
        ApiKey::OffsetFetch => Box::new(match version {
            8.. => OffsetFetchRequest {
                groups: vec![offset_fetch_request::OffsetFetchRequestGroup {
                    group_id: "g".into(),
                    topics: None,
                    ..Default::default()
                }],
                ..Default::default()
            },
            _ => OffsetFetchRequest {
                group_id: "g".into(),
                topics: Some(vec![offset_fetch_request::OffsetFetchRequestTopic {
                    name: "t".into(),
                    partition_indexes: vec![0],
                    ..Default::default()
                }]),
                ..Default::default()
            },
        }),
        ApiKey::OffsetDelete => Box::new(OffsetDeleteRequest { group_id: "g".into(), topics: vec![] }),
        ApiKey::DescribeGroups => Box::new(DescribeGroupsRequest { groups: names(), ..Default::default() }),
        ApiKey::ListGroups => Box::new(ListGroupsRequest::default()),
        ApiKey::DeleteGroups => Box::new(DeleteGroupsRequest { groups_names: names(), ..Default::default() }),
        ApiKey::CreateTopics => Box::new(CreateTopicsRequest {
            topics: ["t", "a b", "new"]
                .map(|name| create_topics_request::CreatableTopic {
                    name: if name == "new" { format!("new-{version}").into() } else { name.into() },
                    num_partitions: 1,
                    replication_factor: 1,
                    ..Default::default()
                })
                .to_vec(),
            ..Default::default()
        }),
        ApiKey::DeleteTopics => Box::new(match version {
            6.. => DeleteTopicsRequest {
                topics: vec![delete_topics_request::DeleteTopicState {
                    name: Some("missing".into()),
                    ..Default::default()
                }],
                ..Default::default()
            },
            _ => DeleteTopicsRequest { topic_names: vec!["missing".into()], ..Default::default() },
        }),
        ApiKey::CreatePartitions => Box::new(CreatePartitionsRequest {
            topics: vec![create_partitions_request::CreatePartitionsTopic {
                name: "t".into(),
                count: 1,
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::DeleteRecords => Box::new(DeleteRecordsRequest {
            topics: vec![delete_records_request::DeleteRecordsTopic {
                name: "t".into(),
                partitions: vec![Default::default()],
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::DescribeAcls => Box::new(DescribeAclsRequest {
            resource_type_filter: 1,
            pattern_type_filter: 1,
            operation: 1,
            permission_type: 1,
            ..Default::default()
        }),
        ApiKey::CreateAcls => Box::new(CreateAclsRequest { creations: vec![Default::default()], ..Default::default() }),
        ApiKey::DeleteAcls => Box::new(DeleteAclsRequest { filters: vec![Default::default()], ..Default::default() }),
        ApiKey::DescribeConfigs => Box::new(DescribeConfigsRequest {
            resources: [(2, "t"), (2, "missing"), (4, "1"), (32, "g"), (16, "m")]
                .map(|(resource_type, name)| describe_configs_request::DescribeConfigsResource {
                    resource_type,
                    resource_name: name.into(),
                    ..Default::default()
                })
                .to_vec(),
            include_synonyms: true,
            ..Default::default()
        }),
        ApiKey::AlterConfigs => Box::new(AlterConfigsRequest {
            resources: vec![alter_configs_request::AlterConfigsResource {
                resource_type: 2,
                resource_name: "missing".into(),
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::IncrementalAlterConfigs => Box::new(IncrementalAlterConfigsRequest {
            resources: vec![incremental_alter_configs_request::AlterConfigsResource {
                resource_type: 99,
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::AssignReplicasToDirs => Box::new(AssignReplicasToDirsRequest {
            broker_id: 1,
            directories: vec![assign_replicas_to_dirs_request::DirectoryData {
                id: Uuid([7; 16]),
                topics: vec![assign_replicas_to_dirs_request::TopicData {
                    topic_id,
                    partitions: vec![Default::default()],
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::ElectLeaders => Box::new(ElectLeadersRequest {
            topic_partitions: Some(
                ["t", "missing"]
                    .map(|topic| elect_leaders_request::TopicPartitions {
                        topic: topic.into(),
                        partitions: vec![0, 7],
                        ..Default::default()
                    })
                    .to_vec(),
            ),
            ..Default::default()
        }),
        ApiKey::AlterPartitionReassignments => Box::new(AlterPartitionReassignmentsRequest {
            topics: vec![alter_partition_reassignments_request::ReassignableTopic {
                name: "t".into(),
                partitions: [Some(vec![1]), Some(vec![]), None]
                    .map(|replicas| alter_partition_reassignments_request::ReassignablePartition {
                        replicas,
                        ..Default::default()
                    })
                    .to_vec(),
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::UpdateFeatures => Box::new(UpdateFeaturesRequest {
            feature_updates: vec![update_features_request::FeatureUpdateKey {
                feature: "metadata.version".into(),
                max_version_level: 33,
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::UnregisterBroker => Box::new(UnregisterBrokerRequest { broker_id: 7, ..Default::default() }),
        ApiKey::UnregisterController => Box::new(UnregisterControllerRequest::default()),
        ApiKey::AddRaftVoter => Box::new(AddRaftVoterRequest::default()),
        ApiKey::RemoveRaftVoter => Box::new(RemoveRaftVoterRequest::default()),
        ApiKey::ListPartitionReassignments => Box::new(ListPartitionReassignmentsRequest::default()),
        ApiKey::AlterReplicaLogDirs => Box::new(AlterReplicaLogDirsRequest {
            dirs: vec![alter_replica_log_dirs_request::AlterReplicaLogDir {
                path: "/nowhere".into(),
                topics: vec![alter_replica_log_dirs_request::AlterReplicaLogDirTopic {
                    name: "t".into(),
                    partitions: vec![0],
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::DescribeLogDirs => Box::new(DescribeLogDirsRequest::default()),
        ApiKey::DescribeClientQuotas => Box::new(DescribeClientQuotasRequest::default()),
        ApiKey::AlterClientQuotas => Box::new(AlterClientQuotasRequest {
            entries: vec![alter_client_quotas_request::EntryData::default()],
            ..Default::default()
        }),
        ApiKey::DescribeUserScramCredentials => Box::new(DescribeUserScramCredentialsRequest::default()),
        ApiKey::AlterUserScramCredentials => Box::new(AlterUserScramCredentialsRequest {
            deletions: vec![alter_user_scram_credentials_request::ScramCredentialDeletion::default()],
            ..Default::default()
        }),
        ApiKey::DescribeQuorum => Box::new(DescribeQuorumRequest {
            topics: vec![describe_quorum_request::TopicData {
                topic_name: "__cluster_metadata".into(),
                partitions: vec![Default::default()],
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::DescribeCluster => Box::new(DescribeClusterRequest::default()),
        ApiKey::DescribeProducers => Box::new(DescribeProducersRequest {
            topics: vec![describe_producers_request::TopicRequest {
                name: "t".into(),
                partition_indexes: vec![0, 7],
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::ListConfigResources => Box::new(ListConfigResourcesRequest::default()),
        ApiKey::DescribeTopicPartitions => Box::new(DescribeTopicPartitionsRequest::default()),
        _ => return None,
    })
}

/// What ApiVersions tells on a listener.
fn told(node: &Node<MemDisk>, kind: ListenerKind) -> Vec<(ApiKey, i16, i16)> {
    let request = ApiVersionsRequest {
        client_software_name: "n".into(),
        client_software_version: "1".into(),
        ..Default::default()
    };
    let bytes = ask(node, kind, ApiKey::ApiVersions, 4, &request).unwrap();
    let response: ApiVersionsResponse<'_> = decode_exact(&bytes[8..], 4).unwrap();
    let api = |api: &api_versions_response::ApiVersion<'_>| {
        let key = ApiKey::from_code(api.api_key).unwrap();
        // Produce is told from 0 on and answered from 3 on.
        (key, api.min_version.max(key.info().versions.low), api.max_version)
    };
    response.api_keys.iter().map(api).collect()
}

#[test]
fn every_api_that_is_told_answers_in_every_version() {
    let node = node();
    let topic_id = node.published().image.topics.named("t").unwrap().id;
    let mut failures = Vec::new();
    let mut asked = 0;
    for kind in [ListenerKind::Broker, ListenerKind::Controller] {
        for (key, low, high) in told(&node, kind) {
            for version in low..=high {
                let request = request(key, version, topic_id).unwrap_or_else(|| panic!("no request for {key:?}"));
                asked += 1;
                if let Err(reason) = ask(&node, kind, key, version, &*request) {
                    failures.push(format!("{kind:?} {key:?} v{version}: {reason}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(asked > 150, "{asked}");
}

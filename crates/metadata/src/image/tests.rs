//! The image loses nothing on its way through a snapshot, and follows transactions.

use super::*;
use crate::framing;

/// One record of each type that leaves a trace.
fn one_of_each() -> Vec<MetadataRecord<'static>> {
    let id = Uuid([9; 16]);
    let feature = |name: &'static str, level| FeatureLevelRecord {
        name: name.into(),
        feature_level: level,
        ..Default::default()
    };
    vec![
        feature("metadata.version", 33).into(),
        feature("group.version", 1).into(),
        RegisterBrokerRecord {
            broker_id: 1,
            broker_epoch: 5,
            incarnation_id: Uuid([1; 16]),
            end_points: vec![register_broker_record::BrokerEndpoint {
                name: "PLAINTEXT".into(),
                host: "localhost".into(),
                port: 9092,
                ..Default::default()
            }],
            features: vec![register_broker_record::BrokerFeature {
                name: "metadata.version".into(),
                min_supported_version: 7,
                max_supported_version: 33,
                ..Default::default()
            }],
            rack: Some("r".into()),
            log_dirs: vec![Uuid([4; 16])],
            cordoned_log_dirs: Some(vec![Uuid([4; 16])]),
            ..Default::default()
        }
        .into(),
        BrokerRegistrationChangeRecord { broker_id: 1, broker_epoch: 5, fenced: -1, ..Default::default() }.into(),
        RegisterControllerRecord { controller_id: 3, incarnation_id: Uuid([2; 16]), ..Default::default() }.into(),
        TopicRecord { name: "t".into(), topic_id: id, ..Default::default() }.into(),
        PartitionRecord {
            partition_id: 0,
            topic_id: id,
            replicas: vec![1, 2],
            isr: vec![1],
            adding_replicas: vec![2],
            leader: 1,
            leader_epoch: 0,
            partition_epoch: 0,
            directories: vec![Uuid([4; 16]), Uuid::UNASSIGNED_DIR],
            eligible_leader_replicas: Some(vec![2]),
            ..Default::default()
        }
        .into(),
        PartitionChangeRecord {
            partition_id: 0,
            topic_id: id,
            leader: -1,
            last_known_elr: Some(vec![1]),
            ..Default::default()
        }
        .into(),
        config_record(&ConfigResource::topic("t"), "retention.ms", Some("1")).into(),
        config_record(&ConfigResource::broker(None), "min.insync.replicas", Some("1")).into(),
        quota_record(&[("user".to_owned(), None)].into(), "producer_byte_rate", 1.5).into(),
        ProducerIdsRecord { broker_id: 1, broker_epoch: 5, next_producer_id: 1000, ..Default::default() }.into(),
        AccessControlEntryRecord {
            id: Uuid([5; 16]),
            resource_type: 2,
            resource_name: "t".into(),
            pattern_type: 3,
            principal: "User:a".into(),
            host: "*".into(),
            operation: 3,
            permission_type: 3,
            ..Default::default()
        }
        .into(),
        UserScramCredentialRecord {
            name: "a".into(),
            mechanism: 1,
            salt: vec![1].into(),
            iterations: 4096,
            ..Default::default()
        }
        .into(),
        DelegationTokenRecord {
            owner: "User:a".into(),
            renewers: vec!["User:b".into()],
            token_id: "x".into(),
            ..Default::default()
        }
        .into(),
        ZkMigrationStateRecord { zk_migration_state: 0, ..Default::default() }.into(),
    ]
}

fn image_of(records: &[MetadataRecord<'_>]) -> Image {
    let mut image = Image::default();
    for record in records {
        image.replay(record).unwrap();
    }
    image
}

#[test]
fn a_snapshot_loses_nothing() {
    let image = image_of(&one_of_each());
    let mut written = Vec::new();
    image.to_records(|record, version| written.push(framing::encode(&record, version).unwrap()));
    let read: Vec<_> = written.iter().map(|value| framing::decode(value).unwrap()).collect();
    assert_eq!(image_of(&read), image);
    let partition = image.topics.partition("t", 0).unwrap();
    assert_eq!((partition.leader, partition.leader_epoch, partition.partition_epoch), (-1, 1, 1));
    assert!(!image.brokers[&1].fenced);
}

#[test]
fn an_image_is_written_in_the_form_its_level_asks_for() {
    let mut records = one_of_each();
    // What level 7 cannot say is not there.
    records.retain(|r| !matches!(r, MetadataRecord::RegisterController(_) | MetadataRecord::RegisterBroker(_)));
    records.retain(|r| !matches!(r, MetadataRecord::BrokerRegistrationChange(_)));
    let mut image = image_of(&records);
    image.metadata_version = Some(7);
    image.to_records(|record, version| {
        framing::encode(&record, version).unwrap();
        if matches!(record, MetadataRecord::Partition(_)) {
            assert_eq!(version, 0);
        }
    });
}

#[test]
fn removing_takes_all_with_it() {
    let mut image = image_of(&one_of_each());
    image.replay(&RemoveTopicRecord { topic_id: Uuid([9; 16]), ..Default::default() }.into()).unwrap();
    assert!(image.topics.is_empty());
    assert_eq!(image.config(&ConfigResource::topic("t"), "retention.ms"), None);
    let again = image.replay(&RemoveTopicRecord { topic_id: Uuid([9; 16]), ..Default::default() }.into());
    assert!(again.is_err());
}

#[test]
fn a_transaction_is_published_at_its_end_and_an_aborted_one_never() {
    let mut loader = Loader::default();
    let topic = |name: &'static str, id| {
        TopicRecord { name: name.into(), topic_id: Uuid([id; 16]), ..Default::default() }.into()
    };
    let begin = MetadataRecord::BeginTransaction(BeginTransactionRecord::default());
    loader.replay(&begin).unwrap();
    loader.replay(&topic("a", 1)).unwrap();
    assert!(loader.publish().is_none());
    assert!(loader.replay(&begin).is_err());
    loader.replay(&EndTransactionRecord::default().into()).unwrap();
    let (image, delta) = loader.publish().unwrap();
    assert_eq!((image.topics.len(), delta.topics.len()), (1, 1));

    loader.replay(&begin).unwrap();
    loader.replay(&topic("b", 2)).unwrap();
    loader.replay(&AbortTransactionRecord::default().into()).unwrap();
    let (image, delta) = loader.publish().unwrap();
    assert!(image.topics.named("b").is_none() && delta.is_empty());
}

#[test]
fn a_partition_with_too_few_directories_is_no_reason_to_end() {
    let id = Uuid([9; 16]);
    let mut image = Image::default();
    let change = PartitionChangeRecord { partition_id: 0, topic_id: id, ..Default::default() };
    let records: [MetadataRecord<'_>; 4] = [
        TopicRecord { name: "t".into(), topic_id: id, ..Default::default() }.into(),
        PartitionRecord { partition_id: 0, topic_id: id, replicas: vec![1, 2], ..Default::default() }.into(),
        PartitionChangeRecord { directories: Some(vec![Uuid([4; 16])]), ..change.clone() }.into(),
        PartitionChangeRecord { replicas: Some(vec![2, 1]), ..change }.into(),
    ];
    for record in &records {
        image.replay(record).unwrap();
    }
    let partition = image.topics.partition("t", 0).unwrap();
    assert_eq!(*partition.directories, [Uuid::UNASSIGNED_DIR, Uuid([4; 16])]);
}

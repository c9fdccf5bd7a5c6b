//! What Apache Kafka may have left in a directory: old record versions, transactions, groups of other protocols, and records
//! that make no sense.

use crate::transcript::{Bed, START_MS, topic_id, transcript_on};
use ottla_coordinator::mem_log::MemLog;
use ottla_coordinator::{CoordinatorRecord, ShardLog};
use ottla_machine::{LeaderEpoch, Timestamp};
use ottla_wire::Encode;
use ottla_wire::batch::{BatchBuilder, Codecs, Compression, ControlRecordType, EndTransactionMarker, ProducerStamp};
use ottla_wire::group::group_metadata_value::MemberMetadata;
use ottla_wire::group::{
    ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey, ConsumerGroupMetadataValue,
    ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue, GroupMetadataKey,
    GroupMetadataValue, LegacyOffsetCommitKey, LegacyOffsetCommitValue, OffsetCommitKey, OffsetCommitValue,
    ShareGroupMetadataKey, ShareGroupMetadataValue, StreamsGroupMetadataKey, StreamsGroupMetadataValue,
};

/// A log as Kafka may have written it.
#[derive(Default)]
struct Written(MemLog);

impl Written {
    fn batch(self, builder: BatchBuilder, records: &[CoordinatorRecord]) -> Written {
        let mut builder = builder;
        for record in records {
            builder.append(START_MS, Some(&record.key), record.value.as_deref(), &[]).unwrap();
        }
        self.append(&builder)
    }

    fn append(self, builder: &BatchBuilder) -> Written {
        let mut bytes = Vec::new();
        builder.build(&mut Codecs::default(), &mut bytes).unwrap();
        self.0.append(&bytes, LeaderEpoch(0), Timestamp(START_MS)).unwrap();
        self
    }

    fn records(self, records: &[CoordinatorRecord]) -> Written {
        self.batch(BatchBuilder::new(0), records)
    }

    fn transaction(self, producer_id: i64, records: &[CoordinatorRecord]) -> Written {
        let producer = ProducerStamp { producer_id, producer_epoch: 0, base_sequence: 0 };
        self.batch(BatchBuilder::new(0).producer(producer).transactional(), records)
    }

    fn end(self, producer_id: i64, kind: ControlRecordType) -> Written {
        let producer = ProducerStamp { producer_id, producer_epoch: 0, base_sequence: -1 };
        let mut builder = BatchBuilder::new(0).producer(producer).transactional().control();
        builder.append_control(START_MS, kind, &EndTransactionMarker { coordinator_epoch: 0 }.value()).unwrap();
        self.append(&builder)
    }

    fn read(self, transcript: &str) {
        transcript_on(Bed::over(self.0), transcript);
    }
}

fn set(id: i16, key: &dyn Encode, value: &dyn Encode, version: i16) -> CoordinatorRecord {
    CoordinatorRecord::new(id, key, Some((value, version))).unwrap()
}

fn gone(id: i16, key: &dyn Encode) -> CoordinatorRecord {
    CoordinatorRecord::new(id, key, None).unwrap()
}

fn offset_key(group: &'static str, partition: i32) -> OffsetCommitKey<'static> {
    OffsetCommitKey { group: group.into(), topic: "t".into(), partition }
}

fn offset(group: &'static str, partition: i32, offset: i64) -> CoordinatorRecord {
    let value = OffsetCommitValue { offset, commit_timestamp: START_MS, ..OffsetCommitValue::default() };
    set(1, &offset_key(group, partition), &value, 3)
}

#[test]
fn offsets_of_a_transaction_are_pending_until_it_ends() {
    Written::default()
        .records(&[offset("g", 0, 1), offset("g", 1, 1)])
        .transaction(7, &[offset("g", 0, 5), offset("g", 2, 6)])
        .transaction(8, &[offset("g", 1, 8)])
        .transaction(9, &[offset("h", 0, 9)])
        .end(8, ControlRecordType::Abort)
        .end(9, ControlRecordType::Commit)
        .read(
            "
            > fetch c g=g
            t-0=1 t-1=1
            > fetch c g=g stable t-0 t-1 t-2
            t-0=UNSTABLE_OFFSET_COMMIT t-1=1 t-2=UNSTABLE_OFFSET_COMMIT
            > fetch c g=h stable t-0
            t-0=9
            > offset-delete x g=g t-2
            NONE t-2=NONE
            > fetch c g=g stable t-2
            t-2=-1
            ",
        );
}

#[test]
fn a_later_commit_outlives_a_transaction_that_began_before_it() {
    Written::default()
        .transaction(7, &[offset("g", 0, 5), offset("g", 1, 5)])
        .records(&[offset("g", 0, 9)])
        .end(7, ControlRecordType::Commit)
        .read(
            "
            > fetch c g=g
            t-0=9 t-1=5
            ",
        );
}

#[test]
fn old_versions_of_records_are_read() {
    let legacy = LegacyOffsetCommitKey { group: "old".into(), topic: "t".into(), partition: 3 };
    let legacy_value = LegacyOffsetCommitValue { offset: 4, metadata: "note".into(), commit_timestamp: START_MS };
    let member = MemberMetadata {
        member_id: "m".into(),
        client_id: "c".into(),
        client_host: "/h".into(),
        session_timeout: 10_000,
        subscription: vec![1].into(),
        assignment: b"x".to_vec().into(),
        ..MemberMetadata::default()
    };
    let group = GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 4,
        protocol: Some("range".into()),
        leader: Some("m".into()),
        members: vec![member],
        ..GroupMetadataValue::default()
    };
    let ids = OffsetCommitValue {
        offset: 8,
        topic_id: topic_id("t"),
        commit_timestamp: START_MS,
        ..OffsetCommitValue::default()
    };
    Written::default()
        .records(&[
            set(0, &legacy, &legacy_value, 0),
            set(2, &GroupMetadataKey { group: "g".into() }, &group, 0),
            set(1, &offset_key("g", 0), &ids, 4),
        ])
        .read(
            "
            > describe g
            g Stable type=consumer protocol=range
            m c/h metadata=1B assignment=x
            > fetch c g=old
            t-3=4:note
            > fetch c g=g v=10 t-0
            t-0=8
            > heartbeat g=g member=m gen=4
            NONE
            > wait 10000
            > heartbeat g=g member=m gen=4
            UNKNOWN_MEMBER_ID
            ",
        );
}

#[test]
fn compressed_batches_are_read() {
    Written::default()
        .batch(BatchBuilder::new(0).compression(Compression::Zstd), &[offset("g", 0, 1)])
        .batch(BatchBuilder::new(0).compression(Compression::Gzip), &[offset("g", 1, 2)])
        .batch(BatchBuilder::new(0).compression(Compression::Lz4), &[offset("g", 2, 3)])
        .batch(BatchBuilder::new(0).compression(Compression::Snappy), &[offset("g", 3, 4)])
        .read(
            "
            > fetch c g=g
            t-0=1 t-1=2 t-2=3 t-3=4
            ",
        );
}

fn consumer_group(epoch: i32) -> Vec<CoordinatorRecord> {
    let member = ConsumerGroupMemberMetadataKey { group_id: "c".into(), member_id: "m".into() };
    let assignment = ConsumerGroupCurrentMemberAssignmentKey { group_id: "c".into(), member_id: "m".into() };
    let current = ConsumerGroupCurrentMemberAssignmentValue { member_epoch: epoch, ..Default::default() };
    let target = ConsumerGroupTargetAssignmentMetadataValue { assignment_epoch: epoch, ..Default::default() };
    vec![
        set(3, &ConsumerGroupMetadataKey { group_id: "c".into() }, &consumer_epoch(epoch), 0),
        set(5, &member, &ConsumerGroupMemberMetadataValue::default(), 0),
        set(6, &ConsumerGroupTargetAssignmentMetadataKey { group_id: "c".into() }, &target, 0),
        set(8, &assignment, &current, 0),
    ]
}

fn consumer_epoch(epoch: i32) -> ConsumerGroupMetadataValue<'static> {
    ConsumerGroupMetadataValue { epoch, ..Default::default() }
}

#[test]
fn groups_of_other_protocols_keep_their_names_and_their_records() {
    let share = set(11, &ShareGroupMetadataKey { group_id: "s".into() }, &ShareGroupMetadataValue::default(), 0);
    let streams = set(17, &StreamsGroupMetadataKey { group_id: "k".into() }, &StreamsGroupMetadataValue::default(), 0);
    Written::default()
        // The simple group that the commit makes gives way to the consumer group.
        .records(&[offset("c", 0, 5)])
        .records(&consumer_group(3))
        .records(&[share, streams])
        .read(
            "
            > list
            c consumer Stable protocol_type=consumer
            k streams Empty protocol_type=streams
            s share Empty protocol_type=share
            > list types=share,streams
            k streams Empty protocol_type=streams
            s share Empty protocol_type=share
            > list states=stable
            c consumer Stable protocol_type=consumer
            > join a g=c
            INCONSISTENT_GROUP_PROTOCOL member=
            > join a g=s v=3
            INCONSISTENT_GROUP_PROTOCOL member=
            > sync a g=c member=m gen=3
            UNKNOWN_MEMBER_ID
            > heartbeat g=c member=m gen=3
            UNKNOWN_MEMBER_ID
            > leave a g=c members=m
            NONE m=UNKNOWN_MEMBER_ID
            > describe c
            c Dead GROUP_ID_NOT_FOUND (Group c is not a classic group.)
            > commit x g=c t-0=6
            t-0=UNKNOWN_MEMBER_ID
            > commit x g=c member=m gen=2 t-0=6
            t-0=STALE_MEMBER_EPOCH
            > commit x g=c member=m gen=3 t-0=6
            t-0=NONE
            > commit x g=s t-0=6
            t-0=GROUP_ID_NOT_FOUND
            > fetch x g=c
            t-0=6
            > offset-delete x g=c t-0
            NONE t-0=GROUP_SUBSCRIBED_TO_TOPIC
            > delete x c s k nobody
            c=NON_EMPTY_GROUP s=GROUP_DELETION_FAILED k=NONE nobody=GROUP_ID_NOT_FOUND
            > wait 1000000000
            > list
            c consumer Stable protocol_type=consumer
            s share Empty protocol_type=share
            ",
        );
}

#[test]
fn a_group_of_another_protocol_comes_and_goes_by_its_records() {
    let member = ConsumerGroupMemberMetadataKey { group_id: "c".into(), member_id: "m".into() };
    let assignment = ConsumerGroupCurrentMemberAssignmentKey { group_id: "c".into(), member_id: "m".into() };
    let metadata = ConsumerGroupMetadataKey { group_id: "c".into() };
    Written::default()
        .records(&consumer_group(3))
        .records(&[set(3, &metadata, &consumer_epoch(4), 0)])
        .read("> list\n c consumer Assigning protocol_type=consumer");
    Written::default().records(&consumer_group(3)).records(&[gone(8, &assignment), gone(5, &member)]).read(
        "
        > list
        c consumer Empty protocol_type=consumer
        > delete x c
        c=NONE
        > list
        > records
        0: 3 set
        1: 5 set
        2: 6 set
        3: 8 set
        4: 8 gone
        5: 5 gone
        6: 6 gone
        7: 3 gone
        ",
    );
    Written::default().records(&consumer_group(3)).records(&[gone(3, &metadata)]).read("> list");
}

#[test]
fn what_makes_no_sense_is_passed_over_with_a_warning() {
    let plain =
        |key: &[u8], value: Option<&[u8]>| CoordinatorRecord { key: key.to_vec(), value: value.map(<[u8]>::to_vec) };
    let good = offset("g", 0, 1);
    let double = MemberMetadata { member_id: "m".into(), ..MemberMetadata::default() };
    let twice = GroupMetadataValue {
        protocol_type: "consumer".into(),
        protocol: Some("range".into()),
        members: vec![double.clone(), double],
        ..GroupMetadataValue::default()
    };
    let log = Written::default().records(&[
        plain(b"", None),
        plain(&[0], None),
        plain(&[0, 99, 1, 2], Some(b"?")),
        plain(&[0, 9], None),
        plain(&good.key, Some(&[])),
        plain(&good.key, Some(&[0, 9, 0])),
        plain(&good.key, Some(&[0, 3, 1, 2])),
        plain(&good.key[..7], None),
        set(2, &GroupMetadataKey { group: "twice".into() }, &twice, 3),
        good,
    ]);
    let mut bytes = log.0.bytes();
    let mut bed = Bed::over(log.0);
    assert_eq!(bed.shard.take_warnings().count, 9);
    assert!(bed.shard.take_warnings().is_empty());
    assert_eq!((bed.shard.state().group_count(), bed.shard.state().offset_count()), (1, 1));
    // A batch that was damaged on the disk.
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    bed.shard.resigned();
    bed.shard.elected(LeaderEpoch(9));
    bed.shard.load(&bytes, ottla_machine::Offset(10), &mut Codecs::default()).unwrap();
    assert_eq!(bed.shard.take_warnings().count, 1);
    assert_eq!(bed.shard.state().offset_count(), 0);
}

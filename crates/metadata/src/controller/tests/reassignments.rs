//! Partitions that move to other brokers.

use super::*;
use alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};

fn alter(cluster: &mut Cluster, replicas: Option<&[i32]>, may_change: bool) -> Result<(), ApiError> {
    let partition = ReassignablePartition { replicas: replicas.map(<[i32]>::to_vec), ..Default::default() };
    let request = AlterPartitionReassignmentsRequest {
        allow_replication_factor_change: may_change,
        topics: vec![ReassignableTopic { name: "t".into(), partitions: vec![partition], ..Default::default() }],
        ..Default::default()
    };
    let (mut response, _) = cluster.decide(|c| c.alter_partition_reassignments(&request));
    response.remove(0).partitions.remove(0).1
}

/// Replicas, those to be added, those to be removed, the ISR and the leader.
fn state(cluster: &Cluster) -> [Vec<i32>; 5] {
    let p = cluster.image.topics.partition("t", 0).unwrap();
    let (adding, removing) = (p.adding_replicas.to_vec(), p.removing_replicas.to_vec());
    [p.replicas.to_vec(), adding, removing, p.isr.to_vec(), vec![p.leader]]
}

/// Three brokers; `t` lies on one of them, and the other two are given with it.
fn on_one() -> (Cluster, [i32; 3]) {
    let mut cluster = Cluster::of_three(ELR);
    cluster.create("t", 1, 1).unwrap();
    let first = cluster.partition("t").0;
    let others: Vec<i32> = (1..=3).filter(|id| *id != first).collect();
    (cluster, [first, others[0], others[1]])
}

#[test]
fn a_partition_moves_when_the_new_replica_is_in_sync() {
    let (mut cluster, [old, new, _]) = on_one();
    alter(&mut cluster, Some(&[new]), true).unwrap();
    assert_eq!(state(&cluster), [vec![new, old], vec![new], vec![old], vec![old], vec![old]]);
    let directories = &cluster.image.topics.partition("t", 0).unwrap().directories;
    assert_eq!(**directories, [Uuid([new as u8 + 100; 16]), Uuid([old as u8 + 100; 16])]);
    cluster.set_isr("t", &[old, new]);
    // Any change completes it: here an election.
    let request = ElectLeadersRequest::default();
    cluster.decide(|c| c.elect_leaders(&request).unwrap());
    assert_eq!(state(&cluster), [vec![new], vec![], vec![], vec![new], vec![new]]);
    assert_eq!(*cluster.image.topics.partition("t", 0).unwrap().directories, [Uuid([new as u8 + 100; 16])]);
}

#[test]
fn a_move_to_where_it_lies_changes_nothing_and_another_order_is_done_at_once() {
    let mut cluster = Cluster::of_three(ELR);
    cluster.create("t", 1, 3).unwrap();
    let replicas = cluster.image.topics.partition("t", 0).unwrap().replicas.to_vec();
    let epoch = cluster.image.topics.partition("t", 0).unwrap().partition_epoch;
    alter(&mut cluster, Some(&replicas), true).unwrap();
    assert_eq!(cluster.image.topics.partition("t", 0).unwrap().partition_epoch, epoch);
    let turned: Vec<i32> = replicas.iter().rev().copied().collect();
    alter(&mut cluster, Some(&turned), true).unwrap();
    assert_eq!(state(&cluster), [turned, vec![], vec![], replicas.clone(), vec![replicas[0]]]);
}

#[test]
fn replicas_that_only_go_are_gone_at_once_and_the_leader_begins_an_epoch() {
    let mut cluster = Cluster::of_three(ELR);
    cluster.create("t", 1, 3).unwrap();
    let (leader, epoch, isr, _) = cluster.partition("t");
    let error = alter(&mut cluster, Some(&[leader]), false).unwrap_err();
    assert_eq!(error.to_string(), "INVALID_REPLICATION_FACTOR: The replication factor is changed from 3 to 1");
    alter(&mut cluster, Some(&isr[..2]), true).unwrap();
    assert_eq!(cluster.partition("t"), (leader, epoch + 1, isr[..2].to_vec(), vec![]));
}

#[test]
fn what_is_under_way_is_cancelled() {
    let (mut cluster, [old, new, other]) = on_one();
    let error = alter(&mut cluster, None, true).unwrap_err();
    assert_eq!(error.code, ErrorCode::NoReassignmentInProgress);
    alter(&mut cluster, Some(&[new, other]), true).unwrap();
    assert_eq!(state(&cluster)[1], [new, other]);
    // The replicas that stay count, and those that come, not those that go.
    assert!(alter(&mut cluster, Some(&[new]), false).is_err());
    alter(&mut cluster, None, true).unwrap();
    assert_eq!(state(&cluster), [vec![old], vec![], vec![], vec![old], vec![old]]);
}

#[test]
fn a_cancellation_that_would_lose_records_is_refused() {
    let (mut cluster, [old, new, _]) = on_one();
    alter(&mut cluster, Some(&[old, new]), true).unwrap();
    // The new replica was in sync for a moment, and the old one is not any more.
    let record = PartitionChangeRecord {
        topic_id: cluster.image.topics.named("t").unwrap().id,
        partition_id: 0,
        isr: Some(vec![new]),
        leader: new,
        ..Default::default()
    };
    cluster.decide(|_| Outcome { records: vec![(record.into(), 2)], response: () });
    let error = alter(&mut cluster, None, true).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidReplicaAssignment);
    cluster.settings.unclean_leader_election = true;
    alter(&mut cluster, None, true).unwrap();
    assert_eq!(state(&cluster), [vec![old], vec![], vec![], vec![old], vec![old]]);
}

#[test]
fn where_a_partition_may_not_go() {
    let (mut cluster, [old, _, _]) = on_one();
    let mut refuse = |replicas: &[i32]| alter(&mut cluster, Some(replicas), true).unwrap_err().to_string();
    let includes = |what: &str| format!("INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes {what}");
    assert_eq!(refuse(&[]), includes("an empty replica list."));
    assert_eq!(refuse(&[9]), includes("broker 9, but no such broker is registered."));
    assert_eq!(refuse(&[old, old]), includes(&format!("the broker {old} more than once.")));
}

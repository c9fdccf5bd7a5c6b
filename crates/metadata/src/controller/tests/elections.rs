//! Elections that are asked for.

use super::*;
use elect_leaders_request::TopicPartitions;

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

/// What became of partition 0 of `t`.
fn elect(cluster: &mut Cluster, kind: i8) -> Result<(), ErrorCode> {
    let named = TopicPartitions { topic: "t".into(), partitions: vec![0], ..Default::default() };
    let request =
        ElectLeadersRequest { election_type: kind, topic_partitions: Some(vec![named]), ..Default::default() };
    let (response, _) = cluster.decide(|c| c.elect_leaders(&request).unwrap());
    response[0].partitions[0].1.clone().map_err(|error| error.code)
}

/// All that need it: how many were told of.
fn elect_all(cluster: &mut Cluster, kind: i8) -> usize {
    let request = ElectLeadersRequest { election_type: kind, topic_partitions: None, ..Default::default() };
    let (response, _) = cluster.decide(|c| c.elect_leaders(&request).unwrap());
    response.iter().map(|topic| topic.partitions.len()).sum()
}

/// Three brokers, and a topic on all of them whose first replica has been away.
fn after_a_restart(features: &[(&'static str, i16)]) -> (Cluster, Vec<i32>) {
    let mut cluster = Cluster::of_three(features);
    cluster.create("t", 1, 3).unwrap();
    let replicas = cluster.image.topics.partition("t", 0).unwrap().replicas.to_vec();
    let first = replicas[0];
    cluster.fence(first);
    cluster.unfence(first);
    assert_eq!(cluster.partition("t").0, replicas[1]);
    (cluster, replicas)
}

#[test]
fn the_preferred_leader_leads_again_once_it_is_in_sync() {
    let (mut cluster, replicas) = after_a_restart(ELR);
    // It has not caught up.
    assert_eq!(elect(&mut cluster, PREFERRED), Err(ErrorCode::PreferredLeaderNotAvailable));
    cluster.set_isr("t", &replicas);
    assert_eq!(elect(&mut cluster, UNCLEAN), Err(ErrorCode::ElectionNotNeeded));
    assert_eq!(elect(&mut cluster, PREFERRED), Ok(()));
    assert_eq!((cluster.partition("t").0, cluster.partition("t").1), (replicas[0], 2));
    assert_eq!(elect(&mut cluster, PREFERRED), Err(ErrorCode::ElectionNotNeeded));
}

#[test]
fn asked_for_all_only_those_that_need_it_are_told() {
    let (mut cluster, replicas) = after_a_restart(ELR);
    cluster.create("settled", 3, 1).unwrap();
    cluster.set_isr("t", &replicas);
    assert_eq!(elect_all(&mut cluster, UNCLEAN), 0);
    assert_eq!(elect_all(&mut cluster, PREFERRED), 1);
    assert_eq!(elect_all(&mut cluster, PREFERRED), 0);
}

#[test]
fn an_unclean_election_takes_any_replica_that_is_there_and_marks_it() {
    let (mut cluster, replicas) = after_a_restart(&[("metadata.version", 20)]);
    // The only ones in sync go away; the first is there, but not in sync.
    cluster.fence(replicas[2]);
    cluster.fence(replicas[1]);
    assert_eq!(cluster.partition("t").0, NO_LEADER);
    assert_eq!(elect(&mut cluster, PREFERRED), Err(ErrorCode::PreferredLeaderNotAvailable));
    assert_eq!(elect(&mut cluster, UNCLEAN), Ok(()));
    let partition = cluster.image.topics.partition("t", 0).unwrap();
    assert_eq!((partition.leader, partition.isr.to_vec()), (replicas[0], vec![replicas[0]]));
    assert_eq!(partition.leader_recovery_state, 1);
}

#[test]
fn where_nobody_is_there_nobody_is_elected() {
    let mut cluster = Cluster::of_three(ELR);
    cluster.create("t", 1, 1).unwrap();
    let only = cluster.partition("t").0;
    cluster.fence(only);
    assert_eq!(elect(&mut cluster, UNCLEAN), Err(ErrorCode::EligibleLeadersNotAvailable));
}

#[test]
fn what_is_not_there_is_said() {
    let mut cluster = Cluster::of_three(ELR);
    cluster.create("t", 1, 1).unwrap();
    let named =
        |topic: &'static str| TopicPartitions { topic: topic.into(), partitions: vec![4], ..Default::default() };
    let request =
        ElectLeadersRequest { topic_partitions: Some(vec![named("t"), named("absent")]), ..Default::default() };
    let (response, _) = cluster.decide(|c| c.elect_leaders(&request).unwrap());
    let errors: Vec<_> = response.iter().map(|topic| topic.partitions[0].1.clone().unwrap_err().to_string()).collect();
    let unknown = |what: &str| format!("UNKNOWN_TOPIC_OR_PARTITION: No such {what}");
    assert_eq!(errors, [unknown("partition as t-4"), unknown("topic as absent")]);
    let controller = Controller { image: &cluster.image, settings: &cluster.settings };
    let request = ElectLeadersRequest { election_type: 7, ..Default::default() };
    assert_eq!(controller.elect_leaders(&request).unwrap_err().code, ErrorCode::InvalidRequest);
}

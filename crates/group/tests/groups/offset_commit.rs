//! OffsetCommit: who may commit when, and what is stored.

use crate::transcript::{transcript, transcript_with};
use ottla_group::GroupSettings;

#[test]
fn a_commit_without_a_group_makes_a_simple_one() {
    transcript(
        "
        > commit c g=s t-0=5 t-1=6:note u-0=7
        t-0=NONE t-1=NONE u-0=NONE
        > fetch c g=s t-0 t-1 t-2
        t-0=5 t-1=6:note t-2=-1
        > list
        s classic Empty protocol_type=-
        > records
        0: offset v4 s t-0 = 5
        1: offset v4 s t-1 = 6
        2: offset v4 s u-0 = 7
        ",
    );
}

#[test]
fn a_commit_to_an_unknown_group_depends_on_the_version() {
    transcript(
        "
        > commit c g=g v=8 gen=0 member=m t-0=5
        t-0=ILLEGAL_GENERATION
        > commit c g=g v=9 gen=0 member=m t-0=5
        t-0=GROUP_ID_NOT_FOUND
        > commit c g=g v=10 gen=0 member=m t-0=5
        t-0=GROUP_ID_NOT_FOUND
        > list
        ",
    );
}

#[test]
fn members_commit_in_their_generation_and_others_only_while_the_group_is_empty() {
    transcript(
        "
        > join a g=g v=3
        waits
        > commit a g=g gen=0 member=a#1 t-0=1
        t-0=UNKNOWN_MEMBER_ID
        > commit x g=g t-0=1
        t-0=UNKNOWN_MEMBER_ID
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > commit a g=g gen=1 member=a#1 t-0=1
        t-0=REBALANCE_IN_PROGRESS
        > sync a g=g member=a#1 gen=1 assign=a#1:x
        synced protocol=range assignment=x
        > commit a g=g gen=1 member=a#1 t-0=1
        t-0=NONE
        > commit a g=g gen=0 member=a#1 t-0=2
        t-0=ILLEGAL_GENERATION
        > commit x g=g gen=1 member=nobody t-0=2
        t-0=UNKNOWN_MEMBER_ID
        > commit x g=g t-0=2
        t-0=UNKNOWN_MEMBER_ID
        > join b g=g
        MEMBER_ID_REQUIRED member=b#1
        > join b g=g member=b#1
        waits
        > commit a g=g gen=1 member=a#1 t-0=3
        t-0=NONE
        > leave a g=g members=a#1,b#1
        NONE a#1=NONE b#1=NONE
        b <- UNKNOWN_MEMBER_ID member=
        > commit a g=g gen=1 member=a#1 t-0=4
        t-0=UNKNOWN_MEMBER_ID
        > commit x g=g t-0=4
        t-0=NONE
        > fetch x g=g
        t-0=4
        ",
    );
}

#[test]
fn a_commit_keeps_the_session() {
    transcript(
        "
        > join a g=g v=3
        waits
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > sync a g=g member=a#1 gen=1 assign=a#1:x
        synced protocol=range assignment=x
        > wait 9000
        > commit a g=g gen=1 member=a#1 t-0=1
        t-0=NONE
        > wait 9000
        > heartbeat g=g member=a#1 gen=1
        NONE
        ",
    );
}

#[test]
fn each_partition_is_answered_for_itself() {
    transcript_with(
        GroupSettings { offset_metadata_max: 4, ..GroupSettings::default() },
        "
        > commit c g=s t-0=1:12345 t-1=2:1234 t-2=3:ééé😀 t-77=3 zzz-0=4
        t-0=OFFSET_METADATA_TOO_LARGE t-1=NONE t-2=OFFSET_METADATA_TOO_LARGE t-77=UNKNOWN_TOPIC_OR_PARTITION zzz-0=UNKNOWN_TOPIC_OR_PARTITION
        > commit c g=s v=10 t-2=1 zzz-0=4
        t-2=NONE -0=UNKNOWN_TOPIC_ID
        > commit c g=nobody zzz-0=4
        zzz-0=UNKNOWN_TOPIC_OR_PARTITION
        > list
        s classic Empty protocol_type=-
        ",
    );
}

#[test]
fn an_old_client_sets_its_own_retention() {
    transcript(
        "
        > commit c g=s v=4 retention=1000 t-0=5
        t-0=NONE
        > records
        0: offset v1 s t-0 = 5 expires=+1000
        > wait 600000
        > fetch c g=s
        no offsets
        > list
        ",
    );
}

#[test]
fn a_commit_is_answered_when_it_is_committed_and_seen_by_then() {
    transcript(
        "
        > commit c g=s t-0=1
        t-0=NONE
        > hold
        > commit c g=s t-0=2
        waits
        > fetch d g=s t-0
        t-0=1
        > fetch e g=s stable t-0
        waits
        > release
        c <- t-0=NONE
        e <- t-0=2
        > fetch d g=s t-0
        t-0=2
        > hold
        > commit c g=s t-0=3
        waits
        > wait 5000
        c <- t-0=COORDINATOR_NOT_AVAILABLE
        > fetch d g=s t-0
        t-0=2
        > release
        > fetch d g=s t-0
        t-0=3
        ",
    );
}

#[test]
fn the_logs_errors_become_the_coordinators() {
    transcript(
        "
        > fail NOT_ENOUGH_REPLICAS
        > commit c g=s t-0=1
        t-0=COORDINATOR_NOT_AVAILABLE
        > fail KAFKA_STORAGE_ERROR
        > commit c g=s t-0=1 zzz-1=2
        t-0=NOT_COORDINATOR zzz-1=UNKNOWN_TOPIC_OR_PARTITION
        > fail MESSAGE_TOO_LARGE
        > commit c g=s t-0=1
        t-0=UNKNOWN_SERVER_ERROR
        > heal
        > fetch c g=s t-0
        t-0=-1
        > list
        ",
    );
}

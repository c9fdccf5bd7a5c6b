//! DescribeGroups, ListGroups, DeleteGroups.

use crate::transcript::transcript;

#[test]
fn a_group_that_is_not_there_is_an_error_from_version_6_and_dead_before() {
    transcript(
        "
        > describe g v=6
        g Dead GROUP_ID_NOT_FOUND (Group g not found.)
        > describe g v=5
        g Dead
        ",
    );
}

#[test]
fn groups_are_listed_by_state_and_type() {
    transcript(
        "
        > commit c g=s t-0=1
        t-0=NONE
        > join a g=g v=3
        waits
        > list
        g classic PreparingRebalance protocol_type=consumer
        s classic Empty protocol_type=-
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > list states=Empty
        s classic Empty protocol_type=-
        > list states=completingrebalance,Nonsense
        g classic CompletingRebalance protocol_type=consumer
        > list states=Nonsense
        > list types=Classic
        g classic CompletingRebalance protocol_type=consumer
        s classic Empty protocol_type=-
        > list types=consumer
        > list types=nonsense
        > list states=Empty types=consumer
        ",
    );
}

#[test]
fn what_a_member_says_is_only_told_while_the_group_is_stable() {
    transcript(
        "
        > join a g=g v=3
        waits
        > describe g
        g PreparingRebalance type=consumer protocol=-
        a#1 a/127.0.0.1 metadata=0B assignment=-
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > describe g
        g CompletingRebalance type=consumer protocol=-
        a#1 a/127.0.0.1 metadata=0B assignment=-
        > sync a g=g member=a#1 gen=1 assign=a#1:x
        synced protocol=range assignment=x
        > describe g
        g Stable type=consumer protocol=range
        a#1 a/127.0.0.1 metadata=13B assignment=x
        ",
    );
}

#[test]
fn an_empty_group_is_deleted_with_its_offsets() {
    transcript(
        "
        > commit c g=s t-0=1 t-1=2
        t-0=NONE t-1=NONE
        > join a g=g v=3
        waits
        > join p g=p
        MEMBER_ID_REQUIRED member=p#1
        > delete x s g p nobody s
        s=NONE g=NON_EMPTY_GROUP p=NONE nobody=GROUP_ID_NOT_FOUND
        > list
        g classic PreparingRebalance protocol_type=consumer
        > join p g=p member=p#1
        UNKNOWN_MEMBER_ID member=p#1
        > fetch c g=s
        no offsets
        > records
        0: offset v4 s t-0 = 1
        1: offset v4 s t-1 = 2
        2: group v3 g generation=0 type=- protocol=- leader=- members=-
        3: group v3 p generation=0 type=- protocol=- leader=- members=-
        4: offset s t-0 gone
        5: offset s t-1 gone
        6: group s gone
        7: group p gone
        ",
    );
}

#[test]
fn a_deletion_is_all_or_nothing() {
    transcript(
        "
        > commit c g=s t-0=1
        t-0=NONE
        > commit c g=r t-0=1
        t-0=NONE
        > fail NOT_LEADER_OR_FOLLOWER
        > delete x s r
        s=NOT_COORDINATOR r=NOT_COORDINATOR
        > heal
        > list
        r classic Empty protocol_type=-
        s classic Empty protocol_type=-
        > hold
        > delete x s
        waits
        > list
        r classic Empty protocol_type=-
        s classic Empty protocol_type=-
        > release
        x <- s=NONE
        > list
        r classic Empty protocol_type=-
        ",
    );
}

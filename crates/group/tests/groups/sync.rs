//! SyncGroup: the leader's assignment reaches everybody, once it is stored.

use crate::transcript::transcript;

#[test]
fn followers_wait_for_the_leaders_assignment_and_the_forgotten_get_an_empty_one() {
    transcript(
        "
        > join a g=g v=3
        waits
        > join b g=g v=3
        waits
        > join c g=g v=3
        waits
        > wait 6000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1,b#1,c#1
        b <- joined generation=1 protocol=range leader=a#1 member=b#1
        c <- joined generation=1 protocol=range leader=a#1 member=c#1
        > sync b g=g member=b#1 gen=1
        waits
        > sync a g=g member=a#1 gen=1 assign=a#1:x,b#1:y,stranger:z
        synced protocol=range assignment=x
        b <- synced protocol=range assignment=y
        > sync c g=g member=c#1 gen=1
        synced protocol=range assignment=-
        > records
        0: group v3 g generation=0 type=- protocol=- leader=- members=-
        1: group v3 g generation=1 type=consumer protocol=range leader=a#1 members=a#1=x,b#1=y,c#1=-
        ",
    );
}

#[test]
fn an_assignment_is_handed_out_when_it_is_committed() {
    transcript(
        "
        > join a g=g v=3
        waits
        > join b g=g v=3
        waits
        > wait 6000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1,b#1
        b <- joined generation=1 protocol=range leader=a#1 member=b#1
        > sync b g=g member=b#1 gen=1
        waits
        > hold
        > sync a g=g member=a#1 gen=1 assign=a#1:x,b#1:y
        waits
        > describe g
        g CompletingRebalance type=consumer protocol=-
        a#1 a/127.0.0.1 metadata=0B assignment=-
        b#1 b/127.0.0.1 metadata=0B assignment=-
        > release
        a <- synced protocol=range assignment=x
        b <- synced protocol=range assignment=y
        > describe g
        g Stable type=consumer protocol=range
        a#1 a/127.0.0.1 metadata=13B assignment=x
        b#1 b/127.0.0.1 metadata=13B assignment=y
        ",
    );
}

#[test]
fn an_assignment_that_cannot_be_stored_sends_everybody_back_to_join() {
    transcript(
        "
        > join a g=g v=3
        waits
        > join b g=g v=3
        waits
        > wait 6000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1,b#1
        b <- joined generation=1 protocol=range leader=a#1 member=b#1
        > sync b g=g member=b#1 gen=1
        waits
        > fail NOT_ENOUGH_REPLICAS
        > sync a g=g member=a#1 gen=1 assign=a#1:x,b#1:y
        COORDINATOR_NOT_AVAILABLE
        b <- COORDINATOR_NOT_AVAILABLE
        > heal
        > sync b g=g member=b#1 gen=1
        REBALANCE_IN_PROGRESS
        > join b g=g member=b#1
        waits
        > join a g=g member=a#1
        joined generation=2 protocol=range leader=a#1 member=a#1 members=a#1,b#1
        b <- joined generation=2 protocol=range leader=a#1 member=b#1
        > hold
        > sync a g=g member=a#1 gen=2 assign=a#1:x
        waits
        > wait 5000
        a <- COORDINATOR_NOT_AVAILABLE
        ",
    );
}

#[test]
fn a_rebalance_ends_the_wait_for_an_assignment() {
    transcript(
        "
        > join a g=g v=3
        waits
        > join b g=g v=3
        waits
        > wait 6000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1,b#1
        b <- joined generation=1 protocol=range leader=a#1 member=b#1
        > sync b g=g member=b#1 gen=1
        waits
        > join c g=g v=3
        waits
        b <- REBALANCE_IN_PROGRESS
        ",
    );
}

#[test]
fn what_a_sync_gets_wrong_is_told_in_kafkas_order() {
    transcript(
        "
        > sync a g=
        INVALID_GROUP_ID
        > sync a g=g member=a gen=1
        UNKNOWN_MEMBER_ID
        > join a g=g
        MEMBER_ID_REQUIRED member=a#1
        > join a g=g member=a#1
        waits
        > sync a g=g member=nobody gen=1
        UNKNOWN_MEMBER_ID
        > sync a g=g member=a#1 gen=1
        ILLEGAL_GENERATION
        > sync a g=g member=a#1 gen=0
        REBALANCE_IN_PROGRESS
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > sync a g=g member=a#1 gen=2
        ILLEGAL_GENERATION
        > sync a g=g member=a#1 gen=1 type=connect protocol=range
        INCONSISTENT_GROUP_PROTOCOL
        > sync a g=g member=a#1 gen=1 type=consumer protocol=rr
        INCONSISTENT_GROUP_PROTOCOL
        > sync a g=g member=a#1 gen=1 type=consumer protocol=range assign=a#1:x
        synced protocol=range assignment=x
        ",
    );
}

#[test]
fn members_that_never_sync_are_out_after_the_rebalance_timeout() {
    transcript(
        "
        > join a g=g v=3 session=30000 rebalance=9000
        waits
        > join b g=g v=3 session=30000 rebalance=9000
        waits
        > wait 6000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1,b#1
        b <- joined generation=1 protocol=range leader=a#1 member=b#1
        > sync a g=g member=a#1 gen=1 assign=a#1:x,b#1:y
        synced protocol=range assignment=x
        > wait 8999
        > heartbeat g=g member=b#1 gen=1
        NONE
        > wait 1
        > heartbeat g=g member=b#1 gen=1
        UNKNOWN_MEMBER_ID
        > heartbeat g=g member=a#1 gen=1
        REBALANCE_IN_PROGRESS
        ",
    );
}

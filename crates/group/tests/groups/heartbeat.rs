//! Heartbeat, and what happens without it.

use crate::transcript::transcript;

#[test]
fn a_heartbeat_keeps_the_session_and_tells_of_a_rebalance() {
    transcript(
        "
        > join a g=g v=3
        waits
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > heartbeat g=g member=a#1 gen=1
        NONE
        > sync a g=g member=a#1 gen=1 assign=a#1:x
        synced protocol=range assignment=x
        > wait 9999
        > heartbeat g=g member=a#1 gen=1
        NONE
        > wait 9999
        > describe g
        g Stable type=consumer protocol=range
        a#1 a/127.0.0.1 metadata=13B assignment=x
        > join b g=g v=3
        waits
        > heartbeat g=g member=a#1 gen=1
        REBALANCE_IN_PROGRESS
        > wait 10000
        b <- joined generation=2 protocol=range leader=b#1 member=b#1 members=b#1
        ",
    );
}

#[test]
fn a_group_whose_last_member_fell_silent_is_empty_and_says_so_in_its_record() {
    transcript(
        "
        > join a g=g v=3
        waits
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > sync a g=g member=a#1 gen=1 assign=a#1:x
        synced protocol=range assignment=x
        > wait 10000
        > describe g
        g Empty type=consumer protocol=-
        > records
        0: group v3 g generation=0 type=- protocol=- leader=- members=-
        1: group v3 g generation=1 type=consumer protocol=range leader=a#1 members=a#1=x
        2: group v3 g generation=2 type=consumer protocol=- leader=- members=-
        > join a g=g v=3 member=a#1
        UNKNOWN_MEMBER_ID member=a#1
        > heartbeat g=g member=a#1 gen=1
        UNKNOWN_MEMBER_ID
        ",
    );
}

#[test]
fn what_a_heartbeat_gets_wrong_is_told_in_kafkas_order() {
    transcript(
        "
        > heartbeat g= member=a gen=1
        INVALID_GROUP_ID
        > heartbeat g=g member=a gen=1
        UNKNOWN_MEMBER_ID
        > join a g=g
        MEMBER_ID_REQUIRED member=a#1
        > join a g=g member=a#1
        waits
        > heartbeat g=g member=a#1 gen=0
        REBALANCE_IN_PROGRESS
        > heartbeat g=g member=a#1 gen=1
        ILLEGAL_GENERATION
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > heartbeat g=g member=nobody gen=1
        UNKNOWN_MEMBER_ID
        > heartbeat g=g member=a#1 gen=0
        ILLEGAL_GENERATION
        > heartbeat g=g member=a#1 instance=a gen=1
        UNKNOWN_MEMBER_ID
        ",
    );
}

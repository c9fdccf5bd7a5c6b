//! LeaveGroup: one member, several, static ones by their instance.

use crate::transcript::transcript;

#[test]
fn the_others_rebalance_when_a_member_leaves() {
    transcript(
        "
        > join a g=g v=3
        waits
        > join b g=g v=3
        waits
        > wait 6000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1,b#1
        b <- joined generation=1 protocol=range leader=a#1 member=b#1
        > sync a g=g member=a#1 gen=1 assign=a#1:x,b#1:y
        synced protocol=range assignment=x
        > sync b g=g member=b#1 gen=1
        synced protocol=range assignment=y
        > leave a g=g members=a#1
        NONE a#1=NONE
        > heartbeat g=g member=b#1 gen=1
        REBALANCE_IN_PROGRESS
        > join b g=g member=b#1
        joined generation=2 protocol=range leader=b#1 member=b#1 members=b#1
        > leave b g=g v=2 members=b#1
        NONE
        > describe g
        g Empty type=consumer protocol=-
        > records
        0: group v3 g generation=0 type=- protocol=- leader=- members=-
        1: group v3 g generation=1 type=consumer protocol=range leader=a#1 members=a#1=x,b#1=y
        2: group v3 g generation=3 type=consumer protocol=- leader=- members=-
        ",
    );
}

#[test]
fn a_leave_ends_a_join_phase_that_waited_for_the_leaver() {
    transcript(
        "
        > join a g=g v=3
        waits
        > join b g=g v=3
        waits
        > wait 6000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1,b#1
        b <- joined generation=1 protocol=range leader=a#1 member=b#1
        > join c g=g v=3
        waits
        > join a g=g member=a#1
        waits
        > leave b g=g members=b#1
        NONE b#1=NONE
        a <- joined generation=2 protocol=range leader=a#1 member=a#1 members=a#1,c#1
        c <- joined generation=2 protocol=range leader=a#1 member=c#1
        > leave c g=g members=c#1
        NONE c#1=NONE
        ",
    );
}

#[test]
fn each_member_of_a_list_is_answered_for_itself() {
    transcript(
        "
        > join s g=g v=5 instance=s
        waits
        > join a g=g
        MEMBER_ID_REQUIRED member=a#1
        > join a g=g member=a#1
        waits
        > join p g=g
        MEMBER_ID_REQUIRED member=p#1
        > leave admin g=g members=/s,/nobody,a#1/s,nobody,p#1,a#1
        NONE /s=NONE /nobody=UNKNOWN_MEMBER_ID a#1/s=UNKNOWN_MEMBER_ID nobody=UNKNOWN_MEMBER_ID p#1=NONE a#1=NONE
        s <- UNKNOWN_MEMBER_ID member=
        a <- UNKNOWN_MEMBER_ID member=
        > wait 3000
        > describe g
        g PreparingRebalance type=consumer protocol=-
        ",
    );
}

#[test]
fn whoever_leaves_while_waiting_is_told_that_it_is_not_a_member() {
    transcript(
        "
        > join a g=g v=3
        waits
        > join b g=g
        MEMBER_ID_REQUIRED member=b#1
        > join b g=g member=b#1
        waits
        > leave b g=g members=b#1
        NONE b#1=NONE
        b <- UNKNOWN_MEMBER_ID member=
        > wait 6000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        ",
    );
}

#[test]
fn leaving_a_group_that_is_not_there() {
    transcript(
        "
        > leave a g= members=a
        INVALID_GROUP_ID
        > leave a g=g members=a
        NONE a=UNKNOWN_MEMBER_ID
        > leave a g=g v=2 members=a
        UNKNOWN_MEMBER_ID
        ",
    );
}

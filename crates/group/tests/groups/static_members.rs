//! Static members (KIP-345): their place outlives their sessions' member ids.

use crate::transcript::transcript;

#[test]
fn a_static_member_that_restarts_goes_on_without_a_rebalance() {
    transcript(
        "
        > join a g=g v=5 instance=a
        waits
        > join b g=g v=9 instance=b
        waits
        > wait 6000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1,b#1
        b <- joined generation=1 protocol=range leader=a#1 member=b#1
        > sync a g=g member=a#1 instance=a gen=1 assign=a#1:x,b#1:y
        synced protocol=range assignment=x
        > sync b g=g member=b#1 instance=b gen=1
        synced protocol=range assignment=y
        > join b g=g v=9 instance=b
        joined generation=1 protocol=range leader=a#1 member=b#2
        > heartbeat g=g member=b#1 instance=b gen=1
        FENCED_INSTANCE_ID
        > heartbeat g=g member=b#2 instance=b gen=1
        NONE
        > sync b g=g member=b#2 instance=b gen=1
        synced protocol=range assignment=y
        > describe g
        g Stable type=consumer protocol=range
        a#1/a a/127.0.0.1 metadata=13B assignment=x
        b#2/b b/127.0.0.1 metadata=13B assignment=y
        > records
        0: group v3 g generation=0 type=- protocol=- leader=- members=-
        1: group v3 g generation=1 type=consumer protocol=range leader=a#1 members=a#1=x,b#1=y
        2: group v3 g generation=1 type=consumer protocol=range leader=a#1 members=a#1=x,b#2=y
        ",
    );
}

#[test]
fn a_static_leader_skips_the_assignment_from_version_9_and_is_told_another_leader_before() {
    transcript(
        "
        > join a g=g v=9 instance=a
        waits
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > sync a g=g member=a#1 instance=a gen=1 assign=a#1:x
        synced protocol=range assignment=x
        > join a g=g v=9 instance=a
        joined generation=1 protocol=range leader=a#2 member=a#2 members=a#2 skip_assignment
        > join a g=g v=8 instance=a
        joined generation=1 protocol=range leader=a#2 member=a#3
        > join a g=g v=5 instance=a topics=u
        joined generation=1 protocol=range leader=a#3 member=a#4
        > join a g=g v=9 member=a#4 instance=a
        joined generation=2 protocol=range leader=a#4 member=a#4 members=a#4
        ",
    );
}

#[test]
fn another_member_under_the_same_instance_fences_the_one_that_waits() {
    transcript(
        "
        > join a g=g v=9 instance=a
        waits
        > join a g=g v=9 instance=a
        waits
        a <- FENCED_INSTANCE_ID member=a#1
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#2 member=a#2 members=a#2
        > join c g=g v=9 instance=c
        waits
        > join a g=g v=9 instance=a member=a#2
        joined generation=2 protocol=range leader=a#2 member=a#2 members=a#2,c#1
        c <- joined generation=2 protocol=range leader=a#2 member=c#1
        > sync a g=g member=a#2 instance=a gen=2
        synced protocol=range assignment=-
        > join a g=g v=9 instance=a
        joined generation=2 protocol=range leader=a#3 member=a#3 members=a#3,c#1 skip_assignment
        > sync a g=g member=a#2 instance=a gen=2
        FENCED_INSTANCE_ID
        > join c g=g v=9 instance=c member=c#1
        joined generation=2 protocol=range leader=a#3 member=c#1
        ",
    );
}

#[test]
fn a_change_of_protocol_of_a_static_member_rebalances() {
    transcript(
        "
        > join a g=g v=9 instance=a protocols=range,rr
        waits
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > sync a g=g member=a#1 instance=a gen=1 assign=a#1:x
        synced protocol=range assignment=x
        > join a g=g v=9 instance=a protocols=rr
        joined generation=2 protocol=rr leader=a#2 member=a#2 members=a#2
        ",
    );
}

#[test]
fn a_static_member_keeps_its_place_through_a_rebalance_that_it_misses_until_its_session_ends() {
    transcript(
        "
        > join a g=g v=9 instance=a session=30000 rebalance=8000
        waits
        > join b g=g v=9 instance=b session=30000 rebalance=8000
        waits
        > wait 6000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1,b#1
        b <- joined generation=1 protocol=range leader=a#1 member=b#1
        > sync a g=g member=a#1 instance=a gen=1 assign=a#1:x,b#1:y
        synced protocol=range assignment=x
        > sync b g=g member=b#1 instance=b gen=1
        synced protocol=range assignment=y
        > join a g=g v=9 member=a#1 instance=a topics=t,u session=30000 rebalance=8000
        waits
        > wait 8000
        a <- joined generation=2 protocol=range leader=a#1 member=a#1 members=a#1,b#1
        > sync a g=g member=a#1 instance=a gen=2 assign=a#1:x,b#1:y
        synced protocol=range assignment=x
        > describe g
        g Stable type=consumer protocol=range
        a#1/a a/127.0.0.1 metadata=16B assignment=x
        b#1/b b/127.0.0.1 metadata=13B assignment=y
        ",
    );
}

#[test]
fn who_a_static_member_is_is_checked_in_every_request() {
    transcript(
        "
        > join a g=g v=9 instance=a
        waits
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > sync a g=g member=other instance=a gen=1
        FENCED_INSTANCE_ID
        > sync a g=g member=a#1 instance=z gen=1
        UNKNOWN_MEMBER_ID
        > heartbeat g=g member=other instance=a gen=1
        FENCED_INSTANCE_ID
        > join a g=g v=9 member=other instance=a
        FENCED_INSTANCE_ID member=other
        > commit a g=g member=other instance=a gen=1 t-0=5
        t-0=FENCED_INSTANCE_ID
        > leave a g=g members=other/a,a#1/z
        NONE other/a=FENCED_INSTANCE_ID a#1/z=UNKNOWN_MEMBER_ID
        ",
    );
}

#[test]
fn a_new_id_that_cannot_be_stored_leaves_everything_as_it_was() {
    transcript(
        "
        > join a g=g v=9 instance=a
        waits
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > sync a g=g member=a#1 instance=a gen=1 assign=a#1:x
        synced protocol=range assignment=x
        > fail KAFKA_STORAGE_ERROR
        > join a g=g v=9 instance=a topics=u
        NOT_COORDINATOR member=
        > heal
        > heartbeat g=g member=a#1 instance=a gen=1
        NONE
        > hold
        > join a g=g v=9 instance=a topics=u
        waits
        > wait 5000
        a <- COORDINATOR_NOT_AVAILABLE member=
        > heartbeat g=g member=a#1 instance=a gen=1
        NONE
        > describe g
        g Stable type=consumer protocol=range
        a#1/a a/127.0.0.1 metadata=13B assignment=x
        ",
    );
}

#[test]
fn a_new_id_is_told_when_it_is_committed() {
    transcript(
        "
        > join a g=g v=9 instance=a
        waits
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > sync a g=g member=a#1 instance=a gen=1 assign=a#1:x
        synced protocol=range assignment=x
        > hold
        > join a g=g v=9 instance=a
        waits
        > release
        a <- joined generation=1 protocol=range leader=a#2 member=a#2 members=a#2 skip_assignment
        ",
    );
}

//! JoinGroup: member ids, the first rebalance and later ones, protocols, limits.

use crate::transcript::{transcript, transcript_with};
use ottla_group::GroupSettings;
use std::time::Duration;

#[test]
fn a_dynamic_member_gets_its_id_first_and_leads_after_the_initial_delay() {
    transcript(
        "
        > join a g=g
        MEMBER_ID_REQUIRED member=a#1
        > describe g
        g Empty type=- protocol=-
        > join a g=g member=a#1
        waits
        > wait 2999
        > wait 1
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > describe g
        g CompletingRebalance type=consumer protocol=-
        a#1 a/127.0.0.1 metadata=0B assignment=-
        > records
        0: group v3 g generation=0 type=- protocol=- leader=- members=-
        ",
    );
}

#[test]
fn old_clients_join_without_a_first_round() {
    transcript(
        "
        > join a g=g v=3
        waits
        > join b g=h v=0
        waits
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        b <- joined generation=1 protocol=range leader=b#1 member=b#1 members=b#1
        > join c g=i v=3 member=c-unknown
        UNKNOWN_MEMBER_ID member=c-unknown
        > join c g=g v=3 member=c-unknown
        UNKNOWN_MEMBER_ID member=c-unknown
        ",
    );
}

#[test]
fn the_first_rebalance_goes_on_while_members_keep_coming_up_to_the_rebalance_timeout() {
    transcript(
        "
        > join a g=g v=3 rebalance=7000
        waits
        > wait 2000
        > join b g=g v=3 rebalance=7000
        waits
        > wait 3900
        > join c g=g v=3 rebalance=7000
        waits
        > wait 1099
        > wait 1
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1,b#1,c#1
        b <- joined generation=1 protocol=range leader=a#1 member=b#1
        c <- joined generation=1 protocol=range leader=a#1 member=c#1
        ",
    );
}

#[test]
fn an_id_that_was_given_out_holds_up_the_rebalance_until_it_expires() {
    transcript(
        "
        > join a g=g v=3
        waits
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > sync a g=g member=a#1 gen=1 assign=a#1:x
        synced protocol=range assignment=x
        > join b g=g session=6000
        MEMBER_ID_REQUIRED member=b#1
        > join c g=g v=3
        waits
        > join a g=g member=a#1
        waits
        > wait 5999
        > wait 1
        a <- joined generation=2 protocol=range leader=a#1 member=a#1 members=a#1,c#1
        c <- joined generation=2 protocol=range leader=a#1 member=c#1
        ",
    );
}

#[test]
fn a_leader_that_joins_again_rebalances_and_a_follower_is_told_the_generation_again() {
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
        > sync a g=g member=a#1 gen=1 assign=a#1:x,b#1:y
        synced protocol=range assignment=x
        b <- synced protocol=range assignment=y
        > join b g=g member=b#1
        joined generation=1 protocol=range leader=a#1 member=b#1
        > join b g=g member=b#1 topics=t,u
        waits
        > heartbeat g=g member=a#1 gen=1
        REBALANCE_IN_PROGRESS
        > join a g=g member=a#1
        joined generation=2 protocol=range leader=a#1 member=a#1 members=a#1,b#1
        b <- joined generation=2 protocol=range leader=a#1 member=b#1
        ",
    );
}

#[test]
fn a_join_whose_answer_was_lost_is_answered_again_while_the_assignment_is_awaited() {
    transcript(
        "
        > join a g=g v=3
        waits
        > join b g=g v=3
        waits
        > wait 6000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1,b#1
        b <- joined generation=1 protocol=range leader=a#1 member=b#1
        > join a g=g member=a#1
        joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1,b#1
        > join b g=g member=b#1
        joined generation=1 protocol=range leader=a#1 member=b#1
        > sync b g=g member=b#1 gen=1
        waits
        > join b g=g member=b#1 topics=u
        waits
        b <- REBALANCE_IN_PROGRESS
        > join a g=g member=a#1
        joined generation=2 protocol=range leader=a#1 member=a#1 members=a#1,b#1
        b <- joined generation=2 protocol=range leader=a#1 member=b#1
        > sync b g=g member=b#1 gen=1
        ILLEGAL_GENERATION
        ",
    );
}

#[test]
fn members_that_do_not_come_back_are_out_and_another_leads() {
    transcript(
        "
        > join a g=g v=3 session=30000 rebalance=8000
        waits
        > join b g=g v=3 session=30000 rebalance=8000
        waits
        > wait 6000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1,b#1
        b <- joined generation=1 protocol=range leader=a#1 member=b#1
        > sync a g=g member=a#1 gen=1 assign=a#1:x,b#1:y
        synced protocol=range assignment=x
        > sync b g=g member=b#1 gen=1
        synced protocol=range assignment=y
        > join b g=g member=b#1 topics=u session=30000 rebalance=8000
        waits
        > wait 7999
        > wait 1
        b <- joined generation=2 protocol=range leader=b#1 member=b#1 members=b#1
        ",
    );
}

#[test]
fn the_protocol_is_the_one_that_all_support_and_most_prefer() {
    transcript(
        "
        > join a g=g v=3 protocols=x,range,rr
        waits
        > join b g=g v=3 protocols=rr,range
        waits
        > join c g=g v=3 protocols=rr,y,range
        waits
        > join d g=g v=3 protocols=x,y
        INCONSISTENT_GROUP_PROTOCOL member=
        > join d g=g v=3 type=connect protocols=rr
        INCONSISTENT_GROUP_PROTOCOL member=
        > wait 6000
        a <- joined generation=1 protocol=rr leader=a#1 member=a#1 members=a#1,b#1,c#1
        b <- joined generation=1 protocol=rr leader=a#1 member=b#1
        c <- joined generation=1 protocol=rr leader=a#1 member=c#1
        ",
    );
}

#[test]
fn what_a_join_gets_wrong_is_told_in_kafkas_order() {
    transcript(
        "
        > join a g=
        INVALID_GROUP_ID member=
        > join a g=g session=5999
        INVALID_SESSION_TIMEOUT member=
        > join a g=g session=1800001
        INVALID_SESSION_TIMEOUT member=
        > join a g=g member=nobody
        UNKNOWN_MEMBER_ID member=nobody
        > join a g=g protocols=
        INCONSISTENT_GROUP_PROTOCOL member=
        > join a g=g type=
        INCONSISTENT_GROUP_PROTOCOL member=
        > records
        0: group v3 g generation=0 type=- protocol=- leader=- members=-
        ",
    );
}

#[test]
fn a_full_group_takes_nobody_but_its_own() {
    transcript_with(
        GroupSettings { size_max: 2, initial_rebalance_delay: Duration::ZERO, ..GroupSettings::default() },
        "
        > join a g=g v=3
        waits
        > join s g=g v=5 instance=s
        waits
        > join c g=g v=3
        GROUP_MAX_SIZE_REACHED member=
        > wait 0
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1,s#1
        s <- joined generation=1 protocol=range leader=a#1 member=s#1
        > sync a g=g member=a#1 gen=1 assign=a#1:x,s#1:y
        synced protocol=range assignment=x
        > sync s g=g member=s#1 gen=1
        synced protocol=range assignment=y
        > join c g=g v=3
        GROUP_MAX_SIZE_REACHED member=
        > join c g=g
        GROUP_MAX_SIZE_REACHED member=
        > join s g=g v=5 instance=s
        joined generation=1 protocol=range leader=a#1 member=s#2
        > join a g=g member=a#1
        waits
        ",
    );
}

#[test]
fn a_new_member_that_never_hears_back_is_given_up_on() {
    transcript(
        "
        > join a g=g v=3 rebalance=600000 session=1000000
        waits
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > sync a g=g member=a#1 gen=1 assign=a#1:x
        synced protocol=range assignment=x
        > join b g=g v=3 session=6000 rebalance=600000
        waits
        > wait 299999
        > wait 1
        b <- UNKNOWN_MEMBER_ID member=
        ",
    );
}

#[test]
fn a_group_that_cannot_be_recorded_is_not_made() {
    transcript(
        "
        > fail NOT_ENOUGH_REPLICAS
        > join a g=g v=3
        COORDINATOR_NOT_AVAILABLE member=
        > join a g=g
        COORDINATOR_NOT_AVAILABLE member=
        > heal
        > describe g
        g Dead GROUP_ID_NOT_FOUND (Group g not found.)
        > join a g=g member=a#1
        UNKNOWN_MEMBER_ID member=a#1
        > wait 10000
        > list
        ",
    );
}

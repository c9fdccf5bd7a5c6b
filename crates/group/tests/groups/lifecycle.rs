//! Election, loading and the end of leadership.

use crate::transcript::transcript;

#[test]
fn a_restart_brings_back_groups_members_and_offsets() {
    transcript(
        "
        > join a g=g v=3 rebalance=20000
        waits
        > join s g=g v=5 instance=s rebalance=20000
        waits
        > wait 6000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1,s#1
        s <- joined generation=1 protocol=range leader=a#1 member=s#1
        > sync a g=g member=a#1 gen=1 assign=a#1:x,s#1:y
        synced protocol=range assignment=x
        > sync s g=g member=s#1 instance=s gen=1
        synced protocol=range assignment=y
        > commit a g=g gen=1 member=a#1 t-0=1
        t-0=NONE
        > commit c g=r t-0=7
        t-0=NONE
        > reload
        > describe g
        g Stable type=consumer protocol=range
        a#1 a/127.0.0.1 metadata=13B assignment=x
        s#1/s s/127.0.0.1 metadata=13B assignment=y
        > heartbeat g=g member=a#1 gen=1
        NONE
        > sync a g=g member=a#1 gen=1
        synced protocol=range assignment=x
        > fetch c g=g
        t-0=1
        > wait 9999
        > heartbeat g=g member=a#1 gen=1
        NONE
        > wait 1
        > heartbeat g=g member=a#1 gen=1
        REBALANCE_IN_PROGRESS
        > join a g=g member=a#1
        joined generation=2 protocol=range leader=a#1 member=a#1 members=a#1
        ",
    );
}

#[test]
fn whoever_waits_when_leadership_is_lost_looks_for_another_coordinator() {
    transcript(
        "
        > join a g=g v=3
        waits
        > join b g=h v=3
        waits
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        b <- joined generation=1 protocol=range leader=b#1 member=b#1 members=b#1
        > join c g=h v=3
        waits
        > hold
        > commit x g=s t-0=1
        waits
        > fetch y g=s stable t-0
        waits
        > sync a g=g member=a#1 gen=1 assign=a#1:x
        waits
        > resign
        a <- NOT_COORDINATOR
        c <- NOT_COORDINATOR member=c#1
        x <- t-0=NOT_COORDINATOR
        y <- NOT_COORDINATOR
        > join a g=g
        NOT_COORDINATOR member=
        > sync a g=g member=a#1 gen=1
        NOT_COORDINATOR
        > heartbeat g=g member=a#1 gen=1
        NOT_COORDINATOR
        > leave a g=g members=a#1
        NOT_COORDINATOR
        > commit x g=s t-0=1 zzz-0=1
        t-0=NOT_COORDINATOR zzz-0=UNKNOWN_TOPIC_OR_PARTITION
        > offset-delete x g=s t-0
        NOT_COORDINATOR
        > delete x s
        s=NOT_COORDINATOR
        > describe g
        g - NOT_COORDINATOR
        > list
        > wait 100000
        ",
    );
}

#[test]
fn a_waiter_whose_connection_is_gone_gets_nothing_and_its_member_stays_until_its_session_ends() {
    transcript(
        "
        > join a g=g v=3
        waits
        > cancel a
        > wait 3000
        > describe g
        g CompletingRebalance type=consumer protocol=-
        a#1 a/127.0.0.1 metadata=0B assignment=-
        > wait 10000
        > describe g
        g Empty type=consumer protocol=-
        ",
    );
}

#[test]
fn a_group_over_the_limit_rebalances_when_it_is_loaded() {
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
        > limit 1
        > reload
        > heartbeat g=g member=a#1 gen=1
        REBALANCE_IN_PROGRESS
        > join b g=g member=b#1
        waits
        > join a g=g member=a#1
        GROUP_MAX_SIZE_REACHED member=
        > wait 60000
        b <- joined generation=2 protocol=range leader=b#1 member=b#1 members=b#1
        ",
    );
}

#[test]
fn while_the_log_is_read_members_are_kept_and_others_are_told_to_wait() {
    transcript(
        "
        > join a g=g v=3
        waits
        > elect
        a <- NOT_COORDINATOR member=a#1
        > heartbeat g=g member=a#1 gen=1
        NONE
        > join a g=g
        COORDINATOR_LOAD_IN_PROGRESS member=
        > sync a g=g member=a#1 gen=1
        COORDINATOR_LOAD_IN_PROGRESS
        > leave a g=g members=a#1
        COORDINATOR_LOAD_IN_PROGRESS
        > commit x g=s t-0=1
        t-0=COORDINATOR_LOAD_IN_PROGRESS
        > fetch x g=s t-0
        COORDINATOR_LOAD_IN_PROGRESS
        > offset-delete x g=s t-0
        COORDINATOR_LOAD_IN_PROGRESS
        > delete x s
        s=COORDINATOR_LOAD_IN_PROGRESS
        > describe g
        g - COORDINATOR_LOAD_IN_PROGRESS
        > list
        COORDINATOR_LOAD_IN_PROGRESS
        > reload
        > list
        g classic Empty protocol_type=-
        ",
    );
}

#[test]
fn a_shard_may_move_between_threads() {
    fn moves<T: Send>() {}
    moves::<ottla_group::GroupShard>();
}

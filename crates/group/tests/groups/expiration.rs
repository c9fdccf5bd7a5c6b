//! The expiry of offsets and groups (KIP-211), and the end of offsets with their topic.

use crate::transcript::{transcript, transcript_with};
use ottla_group::GroupSettings;
use std::time::Duration;

fn an_hour() -> GroupSettings {
    GroupSettings { offsets_retention: Duration::from_secs(3600), ..GroupSettings::default() }
}

#[test]
fn a_simple_groups_offsets_expire_after_their_commit_and_the_group_with_the_last() {
    transcript_with(
        an_hour(),
        "
        > commit c g=s t-0=1
        t-0=NONE
        > wait 1800000
        > commit c g=s t-1=1
        t-1=NONE
        > wait 1800000
        > fetch c g=s
        t-1=1
        > wait 1800000
        > list
        > records
        0: offset v4 s t-0 = 1
        1: offset v4 s t-1 = 1
        2: offset s t-0 gone
        3: offset s t-1 gone
        4: group s gone
        ",
    );
}

#[test]
fn an_empty_groups_offsets_expire_after_its_last_member_left() {
    transcript_with(
        an_hour(),
        "
        > join a g=g v=3
        waits
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > sync a g=g member=a#1 gen=1 assign=a#1:x
        synced protocol=range assignment=x
        > commit a g=g gen=1 member=a#1 t-0=1
        t-0=NONE
        > wait 9000
        > leave a g=g members=a#1
        NONE a#1=NONE
        > wait 3000000
        > fetch c g=g
        t-0=1
        > wait 1200000
        > list
        ",
    );
}

#[test]
fn members_keep_the_offsets_of_what_they_consume_and_only_those() {
    transcript_with(
        an_hour(),
        "
        > join a g=g v=3 session=1800000
        waits
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > sync a g=g member=a#1 gen=1 assign=a#1:x
        synced protocol=range assignment=x
        > commit a g=g gen=1 member=a#1 t-0=1 u-0=2
        t-0=NONE u-0=NONE
        > wait 1700000
        > heartbeat g=g member=a#1 gen=1
        NONE
        > wait 1700000
        > heartbeat g=g member=a#1 gen=1
        NONE
        > fetch c g=g
        t-0=1 u-0=2
        > wait 1700000
        > fetch c g=g
        t-0=1
        > describe g
        g Stable type=consumer protocol=range
        a#1 a/127.0.0.1 metadata=13B assignment=x
        ",
    );
}

#[test]
fn an_id_that_is_about_to_join_keeps_its_group() {
    transcript(
        "
        > join a g=g session=600001
        MEMBER_ID_REQUIRED member=a#1
        > wait 600000
        > list
        g classic Empty protocol_type=-
        > wait 600000
        > list
        ",
    );
}

#[test]
fn offsets_go_with_their_topic() {
    transcript(
        "
        > commit c g=s t-0=1 u-0=2
        t-0=NONE u-0=NONE
        > commit c g=r t-3=1
        t-3=NONE
        > topic-deleted t
        > fetch c g=s
        u-0=2
        > fetch c g=r
        no offsets
        > list
        r classic Empty protocol_type=-
        s classic Empty protocol_type=-
        ",
    );
}

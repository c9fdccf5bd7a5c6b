//! OffsetDelete: only what nobody is subscribed to.

use crate::transcript::transcript;

#[test]
fn offsets_of_topics_that_members_consume_stay() {
    transcript(
        "
        > offset-delete x g= t-0
        INVALID_GROUP_ID
        > offset-delete x g=g t-0
        GROUP_ID_NOT_FOUND
        > join a g=g v=3 topics=t
        waits
        > commit x g=s t-0=1 u-0=2
        t-0=NONE u-0=NONE
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > sync a g=g member=a#1 gen=1 assign=a#1:x
        synced protocol=range assignment=x
        > commit a g=g gen=1 member=a#1 t-0=1 u-0=2 u-1=3
        t-0=NONE u-0=NONE u-1=NONE
        > offset-delete x g=g t-0 u-0 u-5 zzz-0
        NONE t-0=GROUP_SUBSCRIBED_TO_TOPIC u-0=NONE u-5=NONE zzz-0=UNKNOWN_TOPIC_OR_PARTITION
        > fetch x g=g
        t-0=1 u-1=3
        > leave a g=g members=a#1
        NONE a#1=NONE
        > offset-delete x g=g t-0
        NONE t-0=NONE
        > fetch x g=g
        u-1=3
        > offset-delete x g=s zzz-0
        NONE zzz-0=UNKNOWN_TOPIC_OR_PARTITION
        > offset-delete x g=s t-0
        NONE t-0=NONE
        ",
    );
}

#[test]
fn of_members_that_are_no_consumers_nothing_is_known() {
    transcript(
        "
        > join a g=g v=3 type=connect
        waits
        > wait 3000
        a <- joined generation=1 protocol=range leader=a#1 member=a#1 members=a#1
        > sync a g=g member=a#1 gen=1 assign=a#1:x
        synced protocol=range assignment=x
        > commit a g=g gen=1 member=a#1 t-0=1
        t-0=NONE
        > offset-delete x g=g t-0
        NON_EMPTY_GROUP
        ",
    );
}

//! OffsetFetch: some partitions or all, by name and by id, in every shape of answer.

use crate::transcript::transcript;

#[test]
fn what_was_not_committed_is_no_error() {
    transcript(
        "
        > fetch c g=nobody t-0
        t-0=-1
        > fetch c g=nobody
        no offsets
        > commit c g=s u-1=7 t-10=1 t-2=3 t-1=2
        u-1=NONE t-10=UNKNOWN_TOPIC_OR_PARTITION t-2=NONE t-1=NONE
        > fetch c g=s t-1 t-9 u-1
        t-1=2 t-9=-1 u-1=7
        > fetch c g=s
        t-1=2 t-2=3 u-1=7
        > fetch c g=s v=1 t-1
        t-1=2
        > fetch c g=s v=2
        t-1=2 t-2=3 u-1=7
        > fetch c g=s v=7 t-1
        t-1=2
        > fetch c g=s v=10 t-1 zzz-1
        t-1=2 -1=UNKNOWN_TOPIC_ID
        > fetch c g=s v=10
        t-1=2 t-2=3 u-1=7
        ",
    );
}

#[test]
fn a_shard_that_does_not_lead_says_so_in_the_shape_of_the_version() {
    transcript(
        "
        > resign
        > fetch c g=s v=1 t-1
        t-1=NOT_COORDINATOR
        > fetch c g=s v=2 t-1
        NOT_COORDINATOR
        > fetch c g=s v=9 stable t-1
        NOT_COORDINATOR
        ",
    );
}

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
        > join a g=g member=a#1
        > wait 2999
        > wait 1
        > records
        ",
    );
}

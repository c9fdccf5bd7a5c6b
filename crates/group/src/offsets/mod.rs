//! Offsets: committed by consumers, fetched, deleted, expired. One file for each.

mod commit;
mod delete;
mod expire;
mod fetch;
mod topics;

pub(crate) use commit::{CommitCall, commit};
pub(crate) use delete::{delete, of_deleted_topics};
pub(crate) use expire::{EXPIRATION_STEP_GROUPS, expire_group};
pub(crate) use fetch::fetch;
pub use fetch::{fetch_response, group_error, requested_groups};
pub use topics::{DeletedTopic, TopicResolver};

use crate::classic::ClassicGroup;
use crate::state::{GroupEntry, GroupState};
use ottla_coordinator::CoordinatorRecord;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Records and the answer that waits for them.
pub(crate) struct Decision<T> {
    pub(crate) records: Vec<CoordinatorRecord>,
    pub(crate) answer: T,
}

/// Everything there is of a group.
#[derive(Clone, Copy)]
pub(crate) struct Standing<'a> {
    pub(crate) entry: Option<&'a GroupEntry>,
    /// The soft state of a classic group, where it has any.
    pub(crate) live: Option<&'a ClassicGroup>,
}

pub(crate) type LiveGroups = BTreeMap<Arc<str>, ClassicGroup>;

impl<'a> Standing<'a> {
    pub(crate) fn of(state: &'a GroupState, live: &'a LiveGroups, group: &str) -> Standing<'a> {
        Standing { entry: state.group(group), live: live.get(group) }
    }
}

//! Classic groups: members agree through JoinGroup and SyncGroup, one of them assigns.
//!
//! A [`ClassicGroup`] is soft state: it is made from its record when it has members or when somebody joins, and dropped when it
//! is empty again. What it decides for good goes into a GroupMetadata record; its other moves are answers and timers. One file
//! for each request, `rebalance` for what they share.

mod answers;
mod group;
mod heartbeat;
mod join;
mod join_static;
mod leave;
mod member;
mod members;
mod rebalance;
mod sync;

pub(crate) use answers::{join_error, sync_error};
pub(crate) use group::{ClassicGroup, ClassicState};
pub(crate) use join::JoinCall;
pub(crate) use leave::{answer as leave_answer, leaving_members, unknown_members};
pub(crate) use member::Member;

//! Groups: who is a member, what they are assigned, what they committed.
//!
//! A [`GroupShard`] holds all groups of one partition of `__consumer_offsets`. Here now: the classic group protocol and
//! offsets. Groups of the consumer, share and streams protocols that are found in the log are listed and protected, but not run
//! yet. Deliberately absent: authorization, FindCoordinator, sockets, clocks.

mod admin;
mod answer;
mod classic;
mod context;
mod offsets;
mod outbox;
mod partition;
mod records;
mod settings;
mod shard;
mod state;
mod text;
mod timers;

pub use answer::{GroupAnswer, WaiterId};
pub use offsets::{DeletedTopic, TopicResolver, fetch_response, group_error, requested_groups};
pub use partition::partition_for;
pub use settings::GroupSettings;
pub use shard::{ClientContext, GroupShard};
pub use state::GroupState;

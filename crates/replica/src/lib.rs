//! The leader of a partition: leadership and its epoch, the high watermark, fetch sessions, and the requests that wait.
//!
//! A [`Partition`] joins a log to what the metadata says of it. Followers and the ISR's changes come with the cluster;
//! what is here is written for them: the high watermark is what the in-sync replicas have, not what the log has.

mod fetch_session;
mod partition;
mod syncing;
mod waiting;

pub use fetch_session::{
    CachedPartition, FetchContext, FetchKind, FetchPartition, FetchSessions, FetchTopic, PartitionAnswer, SessionError,
    SessionLimits,
};
pub use partition::{Acknowledgement, Leadership, Located, Partition, PartitionError, RequiredAcks};
pub use syncing::{Ask, SyncTurn};
pub use waiting::{Waiting, Wake};

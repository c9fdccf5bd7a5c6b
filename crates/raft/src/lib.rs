//! KRaft's quorum, as far as one voter goes: its election, the text of `quorum-state`, the voters, and the files of
//! metadata snapshots. The machine for several voters comes with the cluster; what is here is what it will stand on.
//!
//! Nothing here reads or writes a file: bytes come in and go out, and the node brings the log.

mod election;
mod membership;
mod quorum_state;
mod snapshot;
mod voters;

pub use election::{Candidate, Election, elect};
pub use membership::Membership;
pub use quorum_state::{QuorumState, QuorumStateError};
pub use snapshot::{RaftLogError, Snapshot, SnapshotId, SnapshotRecord, SnapshotWriter};
pub use voters::{Voter, VoterEndpoint, VoterSet};

//! The election of a quorum's only voter. It becomes a candidate in the next epoch, votes for itself and has won; the
//! state is to be synced before the first batch of the epoch, which says who leads.

use crate::{QuorumState, RaftLogError, VoterSet};
use ottla_wire::batch::{BatchBuilder, ControlRecordType};
use ottla_wire::other::{KRaftVersionRecord, LeaderChangeMessage, leader_change_message};
use ottla_wire::{Uuid, encode_to_vec};

/// Kafka reads every LEADER_CHANGE as version 0, whatever it says of itself, and so writes no other.
const LEADER_CHANGE_VERSION: i16 = 0;

/// A won election: what to write, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Election {
    /// For `quorum-state`; to be synced first.
    pub state: QuorumState,
    /// The LEADER_CHANGE batch that opens the epoch.
    pub opening_batch: Vec<u8>,
}

/// What a voter knows of its quorum before it stands for election.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'a> {
    pub id: i32,
    pub voters: &'a VoterSet,
    pub kraft_version: i16,
    /// Whether version and voters stand in the zero snapshot alone. It is never sent to others, so the first leader
    /// writes them into the log (KIP-853).
    pub voters_only_in_zero_snapshot: bool,
    pub last: &'a QuorumState,
    /// The last epoch of the log, which the file may lag behind.
    pub log_epoch: i32,
    pub log_end_offset: i64,
}

/// Elects the only voter.
pub fn elect(candidate: &Candidate<'_>, now_ms: i64) -> Result<Election, RaftLogError> {
    let Candidate { id, voters, kraft_version, .. } = *candidate;
    let epoch = candidate.last.leader_epoch.max(candidate.log_epoch) + 1;
    let told = |id: &i32| leader_change_message::Voter { voter_id: *id, ..Default::default() };
    let message = LeaderChangeMessage {
        version: LEADER_CHANGE_VERSION,
        leader_id: id,
        voters: voters.ids().iter().map(told).collect(),
        granting_voters: vec![told(&id)],
        ..Default::default()
    };
    let value = encode_to_vec(&message, LEADER_CHANGE_VERSION)?;
    let mut builder = BatchBuilder::new(candidate.log_end_offset).leader_epoch(epoch).control();
    builder.append_control(now_ms, ControlRecordType::LeaderChange, &value)?;
    if candidate.voters_only_in_zero_snapshot && kraft_version >= 1 {
        let version = KRaftVersionRecord { k_raft_version: kraft_version, ..Default::default() };
        let value = encode_to_vec(&version, 0)?;
        builder.append_control(now_ms, ControlRecordType::KraftVersion, &value)?;
        let value = encode_to_vec(&voters.to_record(), 0)?;
        builder.append_control(now_ms, ControlRecordType::KraftVoters, &value)?;
    }
    let mut opening_batch = Vec::new();
    builder.build_plain(&mut opening_batch)?;
    // The winner of an epoch is its leader; a vote is remembered only while no leader is known.
    let state = QuorumState {
        leader_id: id,
        leader_epoch: epoch,
        voted_id: -1,
        voted_directory_id: Uuid::ZERO,
        current_voters: voters.ids(),
    };
    Ok(Election { state, opening_batch })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Voter;
    use ottla_wire::batch::Batches;
    use ottla_wire::decode_exact;

    #[test]
    fn each_start_opens_an_epoch_above_all_that_were() {
        let voter = Voter { id: 1, directory_id: Uuid([3; 16]), endpoints: vec![], kraft_versions: (0, 1) };
        let voters = VoterSet(vec![voter]);
        let last = QuorumState { leader_epoch: 4, ..QuorumState::default() };
        let candidate = Candidate {
            id: 1,
            voters: &voters,
            kraft_version: 1,
            voters_only_in_zero_snapshot: true,
            last: &last,
            log_epoch: 6,
            log_end_offset: 100,
        };
        let election = elect(&candidate, 0).unwrap();
        assert_eq!((election.state.leader_id, election.state.leader_epoch), (1, 7));
        let batch = Batches::new(&election.opening_batch).next().unwrap().unwrap();
        assert!(batch.header.attributes.is_control());
        assert_eq!((batch.header.base_offset, batch.header.partition_leader_epoch), (100, 7));
        let record = batch.records().unwrap().next().unwrap().unwrap();
        assert_eq!(record.key, Some(&[0, 0, 0, 2][..]));
        let message: LeaderChangeMessage<'_> = decode_exact(record.value.unwrap(), 0).unwrap();
        assert_eq!(batch.header.record_count, 3);
        assert_eq!((message.leader_id, message.voters[0].voter_id), (1, 1));
    }
}

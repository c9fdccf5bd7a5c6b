//! Who votes: from the node's file at kraft.version 0, from VOTERS control records at 1 (KIP-853).

use ottla_wire::Uuid;
use ottla_wire::other::{VotersRecord, voters_record};

/// Where a voter listens, under a listener's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoterEndpoint {
    pub name: String,
    pub host: String,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voter {
    pub id: i32,
    /// Zero where it is not known: at kraft.version 0.
    pub directory_id: Uuid,
    pub endpoints: Vec<VoterEndpoint>,
    /// The levels of kraft.version that it supports.
    pub kraft_versions: (i16, i16),
}

/// The voters, ascending by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VoterSet(pub Vec<Voter>);

impl VoterSet {
    #[must_use]
    pub fn contains(&self, id: i32) -> bool {
        self.0.iter().any(|voter| voter.id == id)
    }

    #[must_use]
    pub fn ids(&self) -> Vec<i32> {
        self.0.iter().map(|voter| voter.id).collect()
    }

    #[must_use]
    pub fn from_record(record: &VotersRecord<'_>) -> Self {
        let endpoint = |e: &voters_record::Endpoint<'_>| VoterEndpoint {
            name: e.name.to_string(),
            host: e.host.to_string(),
            port: e.port,
        };
        let voter = |v: &voters_record::Voter<'_>| Voter {
            id: v.voter_id,
            directory_id: v.voter_directory_id,
            endpoints: v.endpoints.iter().map(endpoint).collect(),
            kraft_versions: (
                v.k_raft_version_feature.min_supported_version,
                v.k_raft_version_feature.max_supported_version,
            ),
        };
        let mut voters: Vec<Voter> = record.voters.iter().map(voter).collect();
        voters.sort_by_key(|voter| voter.id);
        Self(voters)
    }

    #[must_use]
    pub fn to_record(&self) -> VotersRecord<'static> {
        let endpoint = |e: &VoterEndpoint| voters_record::Endpoint {
            name: e.name.clone().into(),
            host: e.host.clone().into(),
            port: e.port,
            ..Default::default()
        };
        let voter = |v: &Voter| voters_record::Voter {
            voter_id: v.id,
            voter_directory_id: v.directory_id,
            endpoints: v.endpoints.iter().map(endpoint).collect(),
            k_raft_version_feature: voters_record::KRaftVersionFeature {
                min_supported_version: v.kraft_versions.0,
                max_supported_version: v.kraft_versions.1,
                ..Default::default()
            },
            ..Default::default()
        };
        VotersRecord { voters: self.0.iter().map(voter).collect(), ..Default::default() }
    }
}

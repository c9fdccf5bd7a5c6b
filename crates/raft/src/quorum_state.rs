//! The file `quorum-state` beside the metadata log: one line of JSON that holds who leads, in which epoch, and for whom
//! this node voted. Version 0 goes with kraft.version 0 and names the voters; version 1 goes with kraft.version 1.

use ottla_wire::Uuid;
use serde_json::{Value, json};

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumState {
    /// -1: none is known.
    pub leader_id: i32,
    pub leader_epoch: i32,
    /// -1: no vote in this epoch.
    pub voted_id: i32,
    /// The directory of the voter that was voted for; from kraft.version 1.
    pub voted_directory_id: Uuid,
    /// The voters' ids; at kraft.version 0 only.
    pub current_voters: Vec<i32>,
}

impl Default for QuorumState {
    fn default() -> Self {
        Self {
            leader_id: -1,
            leader_epoch: 0,
            voted_id: -1,
            voted_directory_id: Uuid::ZERO,
            current_voters: Vec::new(),
        }
    }
}

/// A file that is not what Kafka writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuorumStateError {
    #[error("it is not JSON")]
    Json,
    #[error("data_version {0} is not known")]
    Version(i64),
    #[error("{0} is missing or not of its type")]
    Field(&'static str),
}

impl QuorumState {
    pub fn parse(text: &str) -> Result<Self, QuorumStateError> {
        let json: Value = serde_json::from_str(text).map_err(|_| QuorumStateError::Json)?;
        let version = json["data_version"].as_i64().ok_or(QuorumStateError::Field("data_version"))?;
        if !(0..=1).contains(&version) {
            return Err(QuorumStateError::Version(version));
        }
        let number = |name: &'static str| {
            json[name].as_i64().and_then(|n| i32::try_from(n).ok()).ok_or(QuorumStateError::Field(name))
        };
        let mut state = Self {
            leader_id: number("leaderId")?,
            leader_epoch: number("leaderEpoch")?,
            voted_id: number("votedId")?,
            ..Self::default()
        };
        if version == 1 {
            let text = json["votedDirectoryId"].as_str().ok_or(QuorumStateError::Field("votedDirectoryId"))?;
            state.voted_directory_id = text.parse().map_err(|_| QuorumStateError::Field("votedDirectoryId"))?;
        } else if let Some(voters) = json["currentVoters"].as_array() {
            for voter in voters {
                let id = voter["voterId"].as_i64().and_then(|n| i32::try_from(n).ok());
                state.current_voters.push(id.ok_or(QuorumStateError::Field("currentVoters"))?);
            }
        }
        Ok(state)
    }

    /// The text to write at a kraft.version.
    #[must_use]
    pub fn print(&self, kraft_version: i16) -> String {
        if kraft_version >= 1 {
            let directory = self.voted_directory_id.to_string();
            return json!({
                "leaderId": self.leader_id, "leaderEpoch": self.leader_epoch, "votedId": self.voted_id,
                "votedDirectoryId": directory, "data_version": 1,
            })
            .to_string();
        }
        let voters: Vec<Value> = self.current_voters.iter().map(|id| json!({ "voterId": id })).collect();
        json!({
            "clusterId": "", "leaderId": self.leader_id, "leaderEpoch": self.leader_epoch, "votedId": self.voted_id,
            "appliedOffset": 0, "currentVoters": voters, "data_version": 0,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kafka_wrote_is_read_and_written_again() {
        let old = r#"{"clusterId":"","leaderId":1,"leaderEpoch":7,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"#;
        let state = QuorumState::parse(old).unwrap();
        assert_eq!((state.leader_id, state.leader_epoch, state.current_voters.clone()), (1, 7, vec![1]));
        assert_eq!(QuorumState::parse(&state.print(0)), Ok(state));

        let new = r#"{"leaderId":-1,"leaderEpoch":3,"votedId":1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAQ","data_version":1}"#;
        let state = QuorumState::parse(new).unwrap();
        assert_eq!((state.voted_id, state.voted_directory_id), (1, Uuid::METADATA_TOPIC));
        assert_eq!(QuorumState::parse(&state.print(1)), Ok(state));
    }

    #[test]
    fn what_it_is_not_is_said() {
        assert_eq!(QuorumState::parse("{"), Err(QuorumStateError::Json));
        assert_eq!(QuorumState::parse(r#"{"data_version":2}"#), Err(QuorumStateError::Version(2)));
        assert_eq!(QuorumState::parse(r#"{"data_version":1}"#), Err(QuorumStateError::Field("leaderId")));
    }
}

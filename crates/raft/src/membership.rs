//! Whether voters may come and go (KIP-853): the leader's checks, in Kafka's order and words.

use crate::{Voter, VoterEndpoint, VoterSet};
use ottla_wire::{ApiError, ErrorCode, Uuid};
use std::fmt::Write;

/// What the leader knows when it is asked.
#[derive(Debug, Clone, Copy)]
pub struct Membership<'a> {
    pub cluster_id: &'a str,
    /// Where controllers are asked unless somebody names a listener.
    pub default_listener: &'a str,
    pub kraft_version: i16,
    pub voters: &'a VoterSet,
}

impl Membership<'_> {
    /// A voter that wants to come in. It must have caught up, and who has never fetched here has not: as long as no other
    /// replica follows this quorum, that is the answer of the last check.
    pub fn check_addition(&self, cluster_id: Option<&str>, voter: &Voter) -> Result<VoterSet, ApiError> {
        self.check_cluster(cluster_id)?;
        if voter.id < 0 || voter.directory_id.is_zero() {
            return Err(invalid("Add voter request didn't include a valid voter".to_owned()));
        }
        if !voter.endpoints.iter().any(|endpoint| endpoint.name == self.default_listener) {
            return Err(invalid(format!(
                "Add voter request didn't include the endpoint (Endpoints(endpoints={{{}}})) for the default listener \
                 ListenerName({})",
                shown_endpoints(&voter.endpoints),
                self.default_listener
            )));
        }
        self.check_version("adding")?;
        let key = shown(voter.id, voter.directory_id);
        if self.voters.contains(voter.id) {
            let message =
                format!("The voter id for {key} is already part of the set of voters [{}].", self.shown_voters());
            return Err(ApiError::new(ErrorCode::DuplicateVoter, message));
        }
        let message = format!("Aborted add voter operation for {key} since it is lagging behind");
        Err(ApiError::new(ErrorCode::RequestTimedOut, message))
    }

    /// The voters without one that goes. The last one stays.
    pub fn check_removal(&self, cluster_id: Option<&str>, id: i32, directory_id: Uuid) -> Result<VoterSet, ApiError> {
        self.check_cluster(cluster_id)?;
        if id < 0 || directory_id.is_zero() {
            return Err(invalid("Remove voter request didn't include a valid voter".to_owned()));
        }
        self.check_version("removing")?;
        let left: Vec<Voter> =
            self.voters.0.iter().filter(|v| (v.id, v.directory_id) != (id, directory_id)).cloned().collect();
        if left.len() < self.voters.0.len() && !left.is_empty() {
            return Ok(VoterSet(left));
        }
        let message =
            format!("Cannot remove voter {} from the set of voters [{}]", shown(id, directory_id), self.shown_voters());
        Err(ApiError::new(ErrorCode::VoterNotFound, message))
    }

    fn check_cluster(&self, given: Option<&str>) -> Result<(), ApiError> {
        match given {
            Some(given) if given != self.cluster_id => Err(ApiError::new(
                ErrorCode::InconsistentClusterId,
                format!("The given id \"{given}\" doesn't match the cluster id \"{}\"", self.cluster_id),
            )),
            _ => Ok(()),
        }
    }

    fn check_version(&self, what: &str) -> Result<(), ApiError> {
        if self.kraft_version >= 1 {
            return Ok(());
        }
        let message =
            format!("Cluster doesn't support {what} voter because the kraft.version feature is {}", self.kraft_version);
        Err(ApiError::new(ErrorCode::UnsupportedVersion, message))
    }

    fn shown_voters(&self) -> String {
        self.voters.0.iter().map(|voter| shown(voter.id, voter.directory_id)).collect::<Vec<_>>().join(", ")
    }
}

fn invalid(message: String) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

fn shown(id: i32, directory_id: Uuid) -> String {
    match directory_id.is_zero() {
        true => format!("ReplicaKey(id={id}, directoryId=<undefined>)"),
        false => format!("ReplicaKey(id={id}, directoryId={directory_id})"),
    }
}

fn shown_endpoints(endpoints: &[VoterEndpoint]) -> String {
    let mut text = String::new();
    for (at, endpoint) in endpoints.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}ListenerName({})={}/<unresolved>:{}", endpoint.name, endpoint.host, endpoint.port);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voter(id: i32, directory: u8) -> Voter {
        let endpoint = VoterEndpoint { name: "CONTROLLER".to_owned(), host: "h".to_owned(), port: 9093 };
        Voter { id, directory_id: Uuid([directory; 16]), endpoints: vec![endpoint], kraft_versions: (0, 1) }
    }

    fn membership(kraft_version: i16, voters: &VoterSet) -> Membership<'_> {
        Membership { cluster_id: "c", default_listener: "CONTROLLER", kraft_version, voters }
    }

    fn code<T: std::fmt::Debug>(result: Result<T, ApiError>) -> ErrorCode {
        result.unwrap_err().code
    }

    #[test]
    fn who_may_not_come_in() {
        let one = VoterSet(vec![voter(1, 1)]);
        let quorum = membership(1, &one);
        assert_eq!(code(quorum.check_addition(Some("d"), &voter(2, 2))), ErrorCode::InconsistentClusterId);
        assert_eq!(code(quorum.check_addition(None, &voter(-1, 2))), ErrorCode::InvalidRequest);
        assert_eq!(code(quorum.check_addition(None, &voter(2, 0))), ErrorCode::InvalidRequest);
        let elsewhere = Voter { endpoints: Vec::new(), ..voter(2, 2) };
        assert_eq!(
            quorum.check_addition(None, &elsewhere).unwrap_err().message.unwrap(),
            "Add voter request didn't include the endpoint (Endpoints(endpoints={})) for the default listener \
             ListenerName(CONTROLLER)"
        );
        assert_eq!(code(membership(0, &one).check_addition(Some("c"), &voter(2, 2))), ErrorCode::UnsupportedVersion);
        assert_eq!(code(quorum.check_addition(Some("c"), &voter(1, 2))), ErrorCode::DuplicateVoter);
        assert_eq!(code(quorum.check_addition(Some("c"), &voter(2, 2))), ErrorCode::RequestTimedOut);
    }

    #[test]
    fn the_last_voter_stays() {
        let one = VoterSet(vec![voter(1, 1)]);
        let two = VoterSet(vec![voter(1, 1), voter(2, 2)]);
        let remove =
            |kraft, voters, id, directory| membership(kraft, voters).check_removal(None, id, Uuid([directory; 16]));
        assert_eq!(code(remove(0, &one, 1, 1)), ErrorCode::UnsupportedVersion);
        assert_eq!(code(remove(1, &one, 1, 0)), ErrorCode::InvalidRequest);
        let last = remove(1, &one, 1, 1).unwrap_err();
        assert_eq!(last.code, ErrorCode::VoterNotFound);
        assert!(last.message.unwrap().starts_with("Cannot remove voter ReplicaKey(id=1, directoryId="));
        assert_eq!(code(remove(1, &two, 2, 1)), ErrorCode::VoterNotFound);
        assert_eq!(remove(1, &two, 2, 2).unwrap(), one);
    }
}

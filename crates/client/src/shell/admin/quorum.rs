//! Controllers that come into the quorum and leave it (KIP-853).

use super::{Admin, Target};
use crate::error::{ClientError, Result};
use crate::shell::reply::Reply;
use ottla_wire::api::add_raft_voter_request::Listener;
use ottla_wire::api::{AddRaftVoterRequest, AddRaftVoterResponse, RemoveRaftVoterRequest, RemoveRaftVoterResponse};
use ottla_wire::{ErrorCode, Uuid};

/// Where a voter listens, under a listener's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoterEndpoint {
    pub listener: String,
    pub host: String,
    pub port: u16,
}

impl Admin {
    /// Lets a controller vote.
    pub async fn add_raft_voter(&self, id: i32, directory_id: Uuid, endpoints: &[VoterEndpoint]) -> Result<()> {
        let timeout_ms = self.request_timeout_ms();
        let request = |_| {
            let listener = |endpoint: &VoterEndpoint| Listener {
                name: endpoint.listener.clone().into(),
                host: endpoint.host.clone().into(),
                port: endpoint.port,
                ..Default::default()
            };
            AddRaftVoterRequest {
                timeout_ms,
                voter_id: id,
                voter_directory_id: directory_id,
                listeners: endpoints.iter().map(listener).collect(),
                ..Default::default()
            }
        };
        let read = |reply: &Reply| {
            let response: AddRaftVoterResponse<'_> = reply.read()?;
            decided(ClientError::check(response.error_code, response.error_message.as_deref()))
        };
        self.call("addRaftVoter", Target::Controller, request, read).await?
    }

    /// Takes a controller's vote away.
    pub async fn remove_raft_voter(&self, id: i32, directory_id: Uuid) -> Result<()> {
        let request =
            |_| RemoveRaftVoterRequest { voter_id: id, voter_directory_id: directory_id, ..Default::default() };
        let read = |reply: &Reply| {
            let response: RemoveRaftVoterResponse<'_> = reply.read()?;
            decided(ClientError::check(response.error_code, response.error_message.as_deref()))
        };
        self.call("removeRaftVoter", Target::Controller, request, read).await?
    }
}

/// What the leader of the quorum says stands, a time-out too: only where it is not the leader is another asked.
fn decided(result: Result<()>) -> Result<Result<()>> {
    match result {
        Err(error) if error.code() == Some(ErrorCode::NotController) => Err(error),
        result => Ok(result),
    }
}

//! Calls that are tried again until they succeed, fail for good, or run out of time, as Kafka's admin client does.

pub mod acls;
pub mod configs;
pub mod elections;
pub mod features;
pub mod groups;
pub mod log_dirs;
pub mod offsets;
pub mod quorum;
pub mod quotas;
pub mod reassignments;
pub mod replica_log_dirs;
pub mod scram;
pub mod topics;

use super::network::{Network, Target, Topics};
use super::reply::Reply;
use crate::config::ClientConfig;
use crate::error::{ClientError, Result};
use crate::session::cluster::Cluster;
use ottla_wire::api::{FindCoordinatorRequest, FindCoordinatorResponse};
use ottla_wire::{Request, VersionRange};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// A client for administration.
pub struct Admin {
    network: Network,
}

/// Whose coordinator is looked for; the numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoordinatorKind {
    Group = 0,
    Transaction = 1,
}

impl Admin {
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        Self { network: Network::new(config) }
    }

    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// How long a controller may take over a change, where its request has a place to say so.
    fn request_timeout_ms(&self) -> i32 {
        i32::try_from(self.network.config().request_timeout.as_millis()).unwrap_or(i32::MAX)
    }

    /// One call: `name` is what a time-out calls it; `read` takes what is wanted from the answer, or its error.
    pub async fn call<'r, R, T>(
        &self,
        name: &str,
        to: Target,
        build: impl Fn(i16) -> R,
        read: impl Fn(&Reply) -> Result<T>,
    ) -> Result<T>
    where
        R: Request<'r>,
    {
        self.call_in(name, to, R::VERSIONS, build, read).await
    }

    /// The same, in some versions only.
    pub async fn call_in<'r, R, T>(
        &self,
        name: &str,
        to: Target,
        versions: VersionRange,
        build: impl Fn(i16) -> R,
        read: impl Fn(&Reply) -> Result<T>,
    ) -> Result<T>
    where
        R: Request<'r>,
    {
        let attempt = async || {
            self.know(to).await?;
            read(&self.network.ask(to, versions, &build).await?)
        };
        self.persist(name, attempt).await
    }

    /// Tries until it succeeds, fails for good, or `default.api.timeout.ms` has passed.
    pub async fn persist<T>(&self, name: &str, attempt: impl AsyncFn() -> Result<T>) -> Result<T> {
        let config = self.network.config();
        let deadline = Instant::now() + config.default_api_timeout;
        let mut pauses = Pauses::new(config.retry_backoff, config.retry_backoff_max);
        let mut tries = 0_u32;
        loop {
            tries += 1;
            let failed = match timeout_at(deadline, attempt()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) if error.is_transient() && tries <= config.retries => error,
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(timed_out(name, None, tries)),
            };
            let next = Instant::now() + pauses.next();
            if next >= deadline {
                return Err(timed_out(name, Some(&failed), tries));
            }
            sleep(next - Instant::now()).await;
        }
    }

    /// Learns of the nodes before one is asked by its number.
    async fn know(&self, to: Target) -> Result<()> {
        let cluster = self.network.cluster();
        let is_known = match to {
            Target::Any => true,
            Target::Controller => !self.network.config().bootstrap.is_controllers() || cluster.controller.is_some(),
            Target::Node(id) | Target::Coordinator(id) => cluster.nodes.contains_key(&id),
        };
        if !is_known {
            self.network.refresh(Topics::None).await?;
        }
        Ok(())
    }

    /// The nodes, and what is known of these topics.
    pub async fn cluster(&self, name: &str, topics: Topics<'_>) -> Result<Arc<Cluster>> {
        self.persist(name, async || self.network.refresh(topics).await).await
    }

    /// The node that coordinates a group or a transaction; `name` is the call that wants to know.
    pub async fn coordinator(&self, name: &str, kind: CoordinatorKind, key: &str) -> Result<i32> {
        let request = |version| {
            let mut request = FindCoordinatorRequest { key_type: kind as i8, ..Default::default() };
            if version >= 4 {
                request.coordinator_keys = vec![key.into()];
            } else {
                request.key = key.into();
            }
            request
        };
        let read = |reply: &Reply| {
            let response: FindCoordinatorResponse<'_> = reply.read()?;
            match response.coordinators.first() {
                Some(found) => {
                    ClientError::check(found.error_code, found.error_message.as_deref()).map(|()| found.node_id)
                }
                None => ClientError::check(response.error_code, response.error_message.as_deref())
                    .map(|()| response.node_id),
            }
        };
        self.call(&format!("{name}(api=FIND_COORDINATOR)"), Target::Any, request, read).await
    }
}

/// Pauses between tries: each twice the last, up to a bound.
pub(crate) struct Pauses {
    next: Duration,
    most: Duration,
}

impl Pauses {
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self { next: first.min(most), most }
    }

    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.most);
        pause
    }
}

fn timed_out(name: &str, last: Option<&ClientError>, tries: u32) -> ClientError {
    ClientError::TimedOut(match last {
        // Nobody could be reached: no node was ever assigned to the call.
        Some(ClientError::Unreachable(..)) => format!("Timed out waiting for a node assignment. Call: {name}"),
        _ => format!("Call(callName={name}) timed out after {tries} attempt(s)"),
    })
}

//! The controller's step: what was asked of it is decided one by one, appended, synced once for all, published, and only
//! then answered. Whoever runs the node calls it on a thread that may wait for the disk.

use super::offline::Untold;
use super::quorum::{NotAppended, Quorum};
use super::{Host, Node, lock};
use crate::request::Now;
use ottla_machine::{Disk, Instant, Seed};
use ottla_metadata::controller::{Controller, VersionedRecord};
use ottla_metadata::image::Endpoint;
use ottla_raft::{Membership, Voter, VoterEndpoint, VoterSet};
use ottla_wire::ErrorCode;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a decision came to: records, and what to do once they are committed, or with the error that kept them from it.
pub(crate) struct Decided {
    pub records: Vec<VersionedRecord>,
    pub finish: Finish,
}

/// What is done once a decision's records are committed, or are known not to be.
type Finish = Box<dyn FnOnce(Result<(), ErrorCode>) + Send>;

/// Whether a decision's records are in the log. A full disk keeps them out, and everything goes on as it was.
type Appended = Result<(), ErrorCode>;

/// Something to decide. It sees the metadata with all that was decided before it.
pub(crate) type Operation = Box<dyn FnOnce(&mut Desk<'_>) -> Decided + Send>;

/// What an operation decides with.
pub(crate) struct Desk<'a> {
    pub controller: Controller<'a>,
    pub seed: &'a mut Seed,
    /// Where the next record will be appended.
    pub next_offset: i64,
    pub sessions: &'a mut BTreeMap<i32, BrokerSession>,
    pub host: &'a dyn Host,
    pub now: Now,
    /// The quorum as it is.
    pub membership: Membership<'a>,
    /// What the quorum is to become: it writes that itself, before the records of the decision.
    pub quorum_change: Option<QuorumChange>,
}

/// A quorum's level, its voters, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum QuorumChange {
    KraftVersion(i16),
    Voters(VoterSet),
}

/// The contact that the controller has with a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BrokerSession {
    /// The offset of the broker's registration.
    pub registered_at: i64,
    pub last_contact: Instant,
}

/// What only the step touches.
pub(crate) struct ControllerState<D: Disk> {
    pub quorum: Quorum<D>,
    pub sessions: BTreeMap<i32, BrokerSession>,
    pub seed: Seed,
    /// After a failure: when the next snapshot may be tried.
    pub snapshot_not_before: Option<Instant>,
    /// Why the node cannot go on.
    pub failed: Option<String>,
    pub untold: Untold,
}

/// How long a metadata snapshot that could not be written is left alone: a full disk is told of once in that time, and the
/// steps between do not each write a part of it in vain.
const SNAPSHOT_RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// The levels of `kraft.version` that this node can live with.
const KRAFT_VERSIONS: (i16, i16) = (0, 1);
/// The most operations that share one sync.
const OPERATIONS_PER_STEP: usize = 1000;

impl<D: Disk> Node<D> {
    /// Asks the controller to decide something.
    pub(crate) fn submit(&self, operation: Operation) {
        lock(&self.operations).push(operation);
        self.host().wake_controller();
    }

    /// Does what the controller was asked. True if there is more to do. An error: why the node must stop.
    pub fn step_controller(&self, now: Now) -> Result<bool, String> {
        let mut state = lock(&self.controller);
        if state.failed.is_none() {
            state.failed = self.take_offline(&mut state.untold, now).err();
        }
        let (operations, more) = {
            let mut queue = lock(&self.operations);
            let taken = queue.len().min(OPERATIONS_PER_STEP);
            let rest = queue.split_off(taken);
            let more = !rest.is_empty();
            (std::mem::replace(&mut *queue, rest), more)
        };
        let mut finished = Vec::new();
        for operation in operations {
            let decided = self.decide(&mut state, operation, now);
            finished.push(decided);
        }
        if let Some(records) = self.expired_sessions(&mut state, now) {
            // What is refused is found again at the next step.
            let _ = self.append(&mut state, &records, now);
        }
        if state.failed.is_none()
            && let Err(error) = state.quorum.commit()
        {
            state.failed = Some(metadata_log_failed(&error));
        }
        let result = match &state.failed {
            None => Ok(()),
            Some(_) => Err(ErrorCode::KafkaStorageError),
        };
        if result.is_ok() {
            self.publish(&mut state, now);
            self.snapshot_if_due(&mut state, now);
        }
        let failed = state.failed.clone();
        // Answers are given with no lock held.
        drop(state);
        for (finish, appended) in finished {
            finish(appended.and(result));
        }
        failed.map_or(Ok(more), Err)
    }

    fn snapshot_if_due(&self, state: &mut ControllerState<D>, now: Now) {
        if state.snapshot_not_before.is_some_and(|at| now.instant < at) {
            return;
        }
        let written = state.quorum.snapshot_if_due(self.settings().snapshot_after_bytes, now.wall);
        state.snapshot_not_before = written.err().map(|error| {
            let seconds = SNAPSHOT_RETRY_INTERVAL.as_secs();
            tracing::warn!("a metadata snapshot cannot be written; it is tried again in {seconds} s: {error}");
            now.instant + SNAPSHOT_RETRY_INTERVAL
        });
    }

    fn decide(&self, state: &mut ControllerState<D>, operation: Operation, now: Now) -> (Finish, Appended) {
        let next_offset = state.quorum.end_offset();
        let mut desk = Desk {
            controller: Controller { image: state.quorum.loader.image(), settings: &self.settings().controller },
            seed: &mut state.seed,
            next_offset,
            sessions: &mut state.sessions,
            host: &**self.host(),
            now,
            membership: Membership {
                cluster_id: &self.cluster_id,
                default_listener: self.settings().place.advertised_controllers.first().map_or("", |e| e.name.as_str()),
                kraft_version: state.quorum.kraft_version,
                voters: &state.quorum.voters,
            },
            quorum_change: None,
        };
        let Decided { records, finish } = operation(&mut desk);
        // Where the records then find no room, the change stands: asked for again, it is there already.
        let mut appended = match desk.quorum_change {
            Some(change) => self.change_quorum(state, change, now),
            None => Ok(()),
        };
        if appended.is_ok() && !records.is_empty() {
            appended = self.append(state, &records, now);
        }
        (finish, appended)
    }

    fn append(&self, state: &mut ControllerState<D>, records: &[VersionedRecord], now: Now) -> Appended {
        Self::written(state, |quorum| quorum.append(records, now.wall))
    }

    /// At `kraft.version` 0 the voters stand in the node's file; from 1 on in the log, with their directories.
    fn change_quorum(&self, state: &mut ControllerState<D>, change: QuorumChange, now: Now) -> Appended {
        let (version, voters) = match change {
            QuorumChange::KraftVersion(version) => (version, self.own_voter()),
            QuorumChange::Voters(voters) => (state.quorum.kraft_version, voters),
        };
        Self::written(state, |quorum| quorum.change(version, voters, now.wall))
    }

    fn own_voter(&self) -> VoterSet {
        let endpoint = |e: &Endpoint| VoterEndpoint { name: e.name.clone(), host: e.host.clone(), port: e.port };
        VoterSet(vec![Voter {
            id: self.id,
            directory_id: self.quorum_status().directory_id,
            endpoints: self.settings().place.advertised_controllers.iter().map(endpoint).collect(),
            kraft_versions: KRAFT_VERSIONS,
        }])
    }

    fn written(
        state: &mut ControllerState<D>,
        write: impl FnOnce(&mut Quorum<D>) -> Result<(), NotAppended>,
    ) -> Appended {
        if state.failed.is_none() {
            match write(&mut state.quorum) {
                Ok(()) => return Ok(()),
                Err(NotAppended::NoRoom(reason)) => tracing::error!("metadata is not changed: {reason}"),
                Err(NotAppended::Broken(reason)) => state.failed = Some(metadata_log_failed(&reason)),
            }
        }
        Err(ErrorCode::KafkaStorageError)
    }

    /// Brokers that were not heard of for too long are fenced.
    fn expired_sessions(&self, state: &mut ControllerState<D>, now: Now) -> Option<Vec<VersionedRecord>> {
        let timeout = self.settings().session_timeout_ms;
        let silent = |session: &BrokerSession| {
            now.instant.saturating_since(session.last_contact).as_millis() >= u128::from(timeout)
        };
        let expired: Vec<i32> = state.sessions.iter().filter(|(_, s)| silent(s)).map(|(id, _)| *id).collect();
        if expired.is_empty() {
            return None;
        }
        let controller = Controller { image: state.quorum.loader.image(), settings: &self.settings().controller };
        let mut records = Vec::new();
        for id in expired {
            if let Some(broker) = controller.image.brokers.get(&id)
                && !broker.fenced
            {
                tracing::warn!("broker {id} was not heard of for {timeout} ms and is fenced");
                records.extend(controller.fence(broker));
            }
        }
        (!records.is_empty()).then_some(records)
    }
}

fn metadata_log_failed(why: &dyn std::fmt::Display) -> String {
    format!(
        "the node stops, since the metadata log cannot be written, and nothing can go on without it. Mend its disk and \
         start the node anew: {why}"
    )
}

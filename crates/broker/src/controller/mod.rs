//! The requests that the controller decides, one file an API: who may ask, what is to be decided, and how the answer
//! says it. They run in the controller's step; the answer waits for the commit.

pub(crate) mod acls;
pub(crate) mod alter_configs;
mod assign_replicas_to_dirs;
mod client_quotas;
pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_topics;
mod elect_leaders;
mod raft_voters;
mod reassignments;
mod refuse;
mod scram;
mod unregister;
mod update_features;

pub(crate) use refuse::refuse;

use crate::node::{Desk, NodeQuotas};
use crate::request::{Context, FrameError, Now};
use ottla_metadata::controller::VersionedRecord;
use ottla_security::{AclOperation, Action, Authorizer, ResourceType};
use ottla_wire::{ApiError, ApiKey, Decode, Encode, ErrorCode, Reader};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

/// A response that no longer borrows the request.
pub(crate) type Response = Box<dyn Encode + Send>;

/// Records to commit, and the answer to give then.
pub(crate) type Decision = (Vec<VersionedRecord>, Response);

/// Who asks, as the broker that forwarded the request saw it.
pub(crate) struct Asker {
    pub context: Context,
    pub authorizer: Arc<dyn Authorizer>,
    pub quotas: Arc<NodeQuotas>,
    /// How long the client is to wait for the partitions that it made or removed.
    pub wait: Cell<Duration>,
}

impl Asker {
    pub fn new(context: Context, authorizer: Arc<dyn Authorizer>, quotas: Arc<NodeQuotas>) -> Self {
        Self { context, authorizer, quotas, wait: Cell::default() }
    }

    /// Charges the client for partitions that are made or removed (KIP-599). Below `refuses_since` its version does not
    /// know the refusal, and it waits instead.
    pub fn charge(&self, partitions: usize, refuses_since: i16, now: Now) -> Result<(), ApiError> {
        let (user, client) = self.context.taker();
        let (permits, now) = (partitions as f64, now.instant);
        let taken = self.quotas.mutations.ask(|quota| match self.context.version >= refuses_since {
            true => quota.take(user, client, permits, now),
            false => {
                self.wait.set(quota.take_anyway(user, client, permits, now));
                Ok(())
            }
        });
        taken.unwrap_or(Ok(())).map_err(|wait| {
            self.wait.set(wait);
            ErrorCode::ThrottlingQuotaExceeded.into()
        })
    }

    pub fn may(&self, operation: AclOperation, kind: ResourceType, name: &str) -> bool {
        self.authorizer.authorize(&self.context.security(), &Action::new(operation, kind, name)).is_allowed()
    }

    pub fn may_to_topic(&self, operation: AclOperation, topic: &str) -> bool {
        self.may(operation, ResourceType::Topic, topic)
    }

    pub fn may_to_cluster(&self, operation: AclOperation) -> bool {
        self.authorizer.authorize(&self.context.security(), &Action::cluster(operation)).is_allowed()
    }
}

/// Decides one request; `body` is its frame behind the header.
pub(crate) fn decide(desk: &mut Desk<'_>, asker: &Asker, body: &[u8]) -> Result<Decision, FrameError> {
    let mut reader = Reader::new(body);
    let context = &asker.context;
    Ok(match context.key {
        ApiKey::CreateTopics => create_topics::decide(desk, asker, &read(context, &mut reader)?),
        ApiKey::DeleteTopics => delete_topics::decide(desk, asker, &read(context, &mut reader)?),
        ApiKey::CreatePartitions => create_partitions::decide(desk, asker, &read(context, &mut reader)?),
        ApiKey::AlterConfigs => alter_configs::decide_legacy(desk, asker, &read(context, &mut reader)?),
        ApiKey::IncrementalAlterConfigs => alter_configs::decide(desk, asker, &read(context, &mut reader)?),
        ApiKey::CreateAcls => acls::decide_create(desk, asker, &read(context, &mut reader)?),
        ApiKey::DeleteAcls => acls::decide_delete(desk, asker, &read(context, &mut reader)?),
        ApiKey::ElectLeaders => elect_leaders::decide(desk, asker, &read(context, &mut reader)?),
        ApiKey::AlterPartitionReassignments => reassignments::decide(desk, asker, &read(context, &mut reader)?),
        ApiKey::ListPartitionReassignments => reassignments::list(desk, asker, &read(context, &mut reader)?),
        ApiKey::AlterClientQuotas => client_quotas::decide(desk, asker, &read(context, &mut reader)?),
        ApiKey::AlterUserScramCredentials => scram::decide(desk, asker, &read(context, &mut reader)?),
        ApiKey::UpdateFeatures => update_features::decide(desk, asker, &read(context, &mut reader)?),
        ApiKey::UnregisterBroker => unregister::decide_broker(desk, asker, &read(context, &mut reader)?),
        ApiKey::UnregisterController => unregister::decide_controller(desk, asker, &read(context, &mut reader)?),
        ApiKey::AddRaftVoter => raft_voters::decide_add(desk, asker, &read(context, &mut reader)?),
        ApiKey::RemoveRaftVoter => raft_voters::decide_remove(desk, asker, &read(context, &mut reader)?),
        ApiKey::AssignReplicasToDirs => assign_replicas_to_dirs::decide(desk, asker, &read(context, &mut reader)?),
        key => return Err(FrameError::Unsupported { key: key as i16, version: context.version }),
    })
}

fn read<'a, T: Decode<'a>>(context: &Context, reader: &mut Reader<'a>) -> Result<T, FrameError> {
    context.body(reader)
}

/// Texts that an answer owns.
pub(crate) fn owned(text: &str) -> std::borrow::Cow<'static, str> {
    text.to_owned().into()
}

/// The names that stand more than once.
pub(crate) fn duplicates<'a>(names: impl Iterator<Item = &'a str>) -> std::collections::BTreeSet<&'a str> {
    let mut seen = std::collections::BTreeSet::new();
    let mut twice = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            twice.insert(name);
        }
    }
    twice
}

//! Slowing clients down (KIP-13, KIP-124, KIP-219): an answer goes out at once and tells how long its client is to wait,
//! and the connection takes nothing more of it for that time.
//!
//! Bytes are counted by Produce and Fetch themselves; here is the time that requests take, of all others. Where nobody has
//! such a quota, no clock is read and no answer touched.

use crate::node::Node;
use crate::request::{Answer, Context, Now, Parked, Reply, Worker};
use ottla_machine::{Disk, Instant};
use ottla_wire::ApiKey;
use std::time::Duration;

/// What an answer says of waiting until it is found that its client must.
pub(super) const NOT_THROTTLED_MS: i32 = 0;

/// Those that see to it themselves, since what they answer depends on it.
const OWN: [ApiKey; 2] = [ApiKey::Produce, ApiKey::Fetch];
/// Those between nodes, which are never slowed down.
const EXEMPT: [ApiKey; 5] =
    [ApiKey::WriteTxnMarkers, ApiKey::AlterPartition, ApiKey::AllocateProducerIds, ApiKey::Vote, ApiKey::FetchSnapshot];

/// Counts the time that a request took, and slows its client down if that is too much.
pub(super) fn settle<D: Disk>(node: &Node<D>, context: &Context, answer: Answer<D>) -> Answer<D> {
    if !node.quotas.requested.is_set() || OWN.contains(&context.key) || EXEMPT.contains(&context.key) {
        return answer;
    }
    match answer {
        Answer::Reply(reply) => Answer::Reply(slow_down(context, reply, took(node, context, None))),
        Answer::Parked(waiting) => {
            let spent = context.spent();
            Answer::Parked(Box::new(Measured { context: context.clone(), waiting, spent }))
        }
        Answer::Silence { .. } | Answer::Close(_) => answer,
    }
}

/// Counts the time that the client's request took, as far as that is known already; how long the client is to wait.
pub(super) fn took<D: Disk>(node: &Node<D>, context: &Context, known: Option<Duration>) -> Duration {
    if !node.quotas.requested.is_set() {
        return Duration::ZERO;
    }
    let spent = known.unwrap_or_else(|| context.spent());
    node.quotas.requested.record(context, spent.as_secs_f64() * 100.0, context.now.instant + spent)
}

/// The answer that tells its client to wait, if it does not already tell it to wait for longer.
pub(super) fn slow_down<D: Disk>(context: &Context, mut reply: Reply<D>, wait: Duration) -> Reply<D> {
    if wait <= reply.wait {
        return reply;
    }
    reply.wait = wait;
    if let Some(at) = place(context, &reply.bytes)
        && let Some(field) = reply.bytes.get_mut(at..at + 4)
    {
        field.copy_from_slice(&millis(wait).to_be_bytes());
    }
    reply
}

/// As answers tell it.
pub(super) fn millis(wait: Duration) -> i32 {
    i32::try_from(wait.as_millis()).unwrap_or(i32::MAX)
}

/// A request that waits, and whose time is measured: only until it began to wait.
struct Measured<D: Disk> {
    context: Context,
    waiting: Box<dyn Parked<D>>,
    spent: Duration,
}

impl<D: Disk> Parked<D> for Measured<D> {
    fn resume(&mut self, node: &Node<D>, now: Now, worker: &mut Worker) -> Option<Answer<D>> {
        Some(match self.waiting.resume(node, now, worker)? {
            Answer::Reply(reply) => {
                let wait = took(node, &self.context, Some(self.spent));
                Answer::Reply(slow_down(&self.context, reply, wait))
            }
            Answer::Parked(waiting) => {
                Answer::Parked(Box::new(Self { context: self.context.clone(), waiting, spent: self.spent }))
            }
            other => other,
        })
    }

    fn deadline(&self) -> Option<Instant> {
        self.waiting.deadline()
    }

    fn wait_again(&mut self, node: &Node<D>) {
        self.waiting.wait_again(node);
    }

    fn cancel(&mut self, node: &Node<D>) {
        self.waiting.cancel(node);
    }
}

/// Where an answer's frame has its throttle_time_ms; None where its version has none.
fn place(context: &Context, frame: &[u8]) -> Option<usize> {
    let (key, version) = (context.key, context.version);
    let body = match key.info().response_header_version(key, version) {
        0 => 8,
        // The tags of the header are none.
        _ => 9,
    };
    let since = match key {
        ApiKey::Produce
        | ApiKey::SaslHandshake
        | ApiKey::SaslAuthenticate
        | ApiKey::WriteTxnMarkers
        | ApiKey::Vote
        | ApiKey::BeginQuorumEpoch
        | ApiKey::EndQuorumEpoch
        | ApiKey::DescribeQuorum
        | ApiKey::Envelope
        | ApiKey::InitializeShareGroupState
        | ApiKey::ReadShareGroupState
        | ApiKey::WriteShareGroupState
        | ApiKey::DeleteShareGroupState
        | ApiKey::ReadShareGroupStateSummary => return None,
        ApiKey::ApiVersions => return behind_api_versions(version, frame, body),
        ApiKey::OffsetDelete => return Some(body + 2),
        ApiKey::RenewDelegationToken | ApiKey::ExpireDelegationToken => return Some(body + 10),
        // At their end, before the tags.
        ApiKey::CreateDelegationToken | ApiKey::DescribeDelegationToken => {
            return frame.len().checked_sub(if version >= 2 { 5 } else { 4 });
        }
        ApiKey::Metadata | ApiKey::OffsetCommit | ApiKey::OffsetFetch => 3,
        ApiKey::ListOffsets | ApiKey::JoinGroup => 2,
        ApiKey::FindCoordinator
        | ApiKey::Heartbeat
        | ApiKey::LeaveGroup
        | ApiKey::SyncGroup
        | ApiKey::DescribeGroups
        | ApiKey::ListGroups => 1,
        _ => 0,
    };
    (version >= since).then_some(body)
}

/// Behind an error and the versions of all APIs.
fn behind_api_versions(version: i16, frame: &[u8], body: usize) -> Option<usize> {
    let list = body + 2;
    match version {
        0 => None,
        1 | 2 => {
            let count = i32::from_be_bytes(*frame.get(list..)?.first_chunk()?);
            Some(list + 4 + 6 * usize::try_from(count).ok()?)
        }
        _ => {
            // One more than there are, in seven bits a byte; each entry has its tags, none.
            let (low, high) = (usize::from(*frame.get(list)?), usize::from(*frame.get(list + 1)?));
            let (count, width) = if low < 0x80 { (low, 1) } else { (low & 0x7f | high << 7, 2) };
            Some(list + width + 7 * count.checked_sub(1)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Connection, ListenerKind};
    use ottla_machine::{MemDisk, Timestamp};
    use ottla_replica::Wake;
    use ottla_security::{ClientHost, Principal};
    use ottla_wire::Encode;
    use ottla_wire::api::*;
    use std::sync::Arc;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(&self) {}
    }

    fn context(key: ApiKey, version: i16) -> Context {
        let connection = Connection {
            listener: "PLAINTEXT".into(),
            kind: ListenerKind::Broker,
            principal: Principal::anonymous(),
            host: ClientHost::new([127, 0, 0, 1].into()),
            waker: Arc::new(Nobody),
            clock: || Instant(0),
        };
        Context {
            connection: Arc::new(connection),
            key,
            version,
            correlation_id: 7,
            client_id: None,
            now: Now { instant: Instant(0), wall: Timestamp(0) },
            frame_bytes: 0,
        }
    }

    fn reply(context: &Context, response: &dyn Encode) -> Reply<MemDisk> {
        match context.reply(response) {
            Answer::Reply(reply) => reply,
            _ => panic!("{:?} version {} has no answer", context.key, context.version),
        }
    }

    /// Compares, in all versions, an answer that is made to tell of a wait with one that was written to tell of it.
    macro_rules! check {
        ($($key:ident $response:ident { $($field:ident : $value:expr),* })*) => {$(
            let versions = ApiKey::$key.info().versions;
            for version in versions.low..=versions.high {
                let context = context(ApiKey::$key, version);
                let none = reply(&context, &$response { $($field: $value,)* throttle_time_ms: 0, ..Default::default() });
                let told = reply(&context, &$response { $($field: $value,)* throttle_time_ms: 1234, ..Default::default() });
                let slowed = slow_down(&context, none, Duration::from_millis(1234));
                assert_eq!(slowed.bytes, told.bytes, "{} version {version}", stringify!($key));
                assert_eq!(slowed.wait, Duration::from_millis(1234));
            }
        )*};
    }

    #[test]
    fn an_answer_that_is_made_to_tell_of_a_wait_is_otherwise_as_it_was() {
        let apis = |count| vec![api_versions_response::ApiVersion::default(); count];
        check! {
            ListOffsets ListOffsetsResponse {}
            Metadata MetadataResponse {}
            OffsetCommit OffsetCommitResponse {}
            OffsetFetch OffsetFetchResponse {}
            FindCoordinator FindCoordinatorResponse {}
            JoinGroup JoinGroupResponse { protocol_name: Some("".into()) }
            Heartbeat HeartbeatResponse {}
            LeaveGroup LeaveGroupResponse {}
            SyncGroup SyncGroupResponse {}
            DescribeGroups DescribeGroupsResponse {}
            ListGroups ListGroupsResponse {}
            ApiVersions ApiVersionsResponse { api_keys: apis(3) }
            ApiVersions ApiVersionsResponse { api_keys: apis(126) }
            ApiVersions ApiVersionsResponse { api_keys: apis(127) }
            ApiVersions ApiVersionsResponse { api_keys: apis(300) }
            CreateTopics CreateTopicsResponse {}
            DeleteTopics DeleteTopicsResponse {}
            DeleteRecords DeleteRecordsResponse {}
            InitProducerId InitProducerIdResponse {}
            OffsetForLeaderEpoch OffsetForLeaderEpochResponse {}
            AddPartitionsToTxn AddPartitionsToTxnResponse {}
            AddOffsetsToTxn AddOffsetsToTxnResponse {}
            EndTxn EndTxnResponse {}
            TxnOffsetCommit TxnOffsetCommitResponse {}
            DescribeAcls DescribeAclsResponse {}
            CreateAcls CreateAclsResponse {}
            DeleteAcls DeleteAclsResponse {}
            DescribeConfigs DescribeConfigsResponse {}
            AlterConfigs AlterConfigsResponse {}
            AlterReplicaLogDirs AlterReplicaLogDirsResponse {}
            DescribeLogDirs DescribeLogDirsResponse {}
            CreatePartitions CreatePartitionsResponse {}
            CreateDelegationToken CreateDelegationTokenResponse {}
            RenewDelegationToken RenewDelegationTokenResponse {}
            ExpireDelegationToken ExpireDelegationTokenResponse {}
            DescribeDelegationToken DescribeDelegationTokenResponse {}
            DeleteGroups DeleteGroupsResponse {}
            ElectLeaders ElectLeadersResponse {}
            IncrementalAlterConfigs IncrementalAlterConfigsResponse {}
            AlterPartitionReassignments AlterPartitionReassignmentsResponse {}
            ListPartitionReassignments ListPartitionReassignmentsResponse {}
            OffsetDelete OffsetDeleteResponse {}
            DescribeClientQuotas DescribeClientQuotasResponse {}
            AlterClientQuotas AlterClientQuotasResponse {}
            DescribeUserScramCredentials DescribeUserScramCredentialsResponse {}
            AlterUserScramCredentials AlterUserScramCredentialsResponse {}
            UpdateFeatures UpdateFeaturesResponse {}
            DescribeCluster DescribeClusterResponse {}
            DescribeProducers DescribeProducersResponse {}
            UnregisterBroker UnregisterBrokerResponse {}
            DescribeTransactions DescribeTransactionsResponse {}
            ListTransactions ListTransactionsResponse {}
            ConsumerGroupHeartbeat ConsumerGroupHeartbeatResponse {}
            ConsumerGroupDescribe ConsumerGroupDescribeResponse {}
            ListConfigResources ListConfigResourcesResponse {}
            DescribeTopicPartitions DescribeTopicPartitionsResponse {}
            AssignReplicasToDirs AssignReplicasToDirsResponse {}
        }
    }

    #[test]
    fn an_answer_without_a_place_for_it_is_left_as_it_is() {
        let context = context(ApiKey::DescribeQuorum, 2);
        let before = reply(&context, &DescribeQuorumResponse::default()).bytes;
        let slowed = slow_down(&context, reply(&context, &DescribeQuorumResponse::default()), Duration::from_secs(1));
        assert_eq!((slowed.bytes, slowed.wait), (before, Duration::from_secs(1)));
    }
}

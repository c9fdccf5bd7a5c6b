//! The same messages in `kafka-wire`, an implementation that shares nothing with ours: its authors generated it from
//! Apache Kafka's own message definitions.

use kafka_wire::KafkaMessage;
use kafka_wire_core::{ApiVersion, Bytes, DecodeLimits};
use std::collections::BTreeMap;

/// What can be done with a message whose type is known by its name alone.
#[derive(Clone, Copy)]
pub struct Theirs {
    pub supports: fn(i16) -> bool,
    /// Reads bytes that must be one message and nothing more, and writes it again.
    pub again: fn(&[u8], i16) -> Result<Vec<u8>, String>,
}

fn again<T: KafkaMessage>(bytes: &[u8], version: i16) -> Result<Vec<u8>, String> {
    let version = ApiVersion::new(version);
    let message = T::decode_from_bytes(Bytes::copy_from_slice(bytes), version, DecodeLimits::default())
        .map_err(|error| format!("cannot be read: {error:?}"))?;
    let written = message.encode_to_bytes(version).map_err(|error| format!("cannot be written: {error:?}"))?;
    Ok(written.to_vec())
}

macro_rules! table {
    ($($name:ident)*) => {
        [$((stringify!($name), Theirs {
            supports: |version| <kafka_wire::$name as KafkaMessage>::supports(ApiVersion::new(version)),
            again: again::<kafka_wire::$name>,
        })),*]
    };
}

/// All that both have.
#[rustfmt::skip]
pub fn all() -> BTreeMap<&'static str, Theirs> {
    table! {
        AbortedTxn AddOffsetsToTxnRequest AddOffsetsToTxnResponse AddPartitionsToTxnRequest
        AddPartitionsToTxnResponse AddRaftVoterRequest AddRaftVoterResponse AllocateProducerIdsRequest
        AllocateProducerIdsResponse AlterClientQuotasRequest AlterClientQuotasResponse AlterConfigsRequest
        AlterConfigsResponse AlterPartitionReassignmentsRequest AlterPartitionReassignmentsResponse
        AlterPartitionRequest AlterPartitionResponse AlterReplicaLogDirsRequest AlterReplicaLogDirsResponse
        AlterShareGroupOffsetsRequest AlterShareGroupOffsetsResponse AlterUserScramCredentialsRequest
        AlterUserScramCredentialsResponse ApiVersionsRequest ApiVersionsResponse AssignReplicasToDirsRequest
        AssignReplicasToDirsResponse BeginQuorumEpochRequest BeginQuorumEpochResponse BrokerHeartbeatRequest
        BrokerHeartbeatResponse BrokerRegistrationRequest BrokerRegistrationResponse ConsumerGroupDescribeRequest
        ConsumerGroupDescribeResponse ConsumerGroupHeartbeatRequest ConsumerGroupHeartbeatResponse
        ConsumerProtocolAssignment ConsumerProtocolSubscription ControlRecordTypeSchema
        ControllerRegistrationRequest ControllerRegistrationResponse CreateAclsRequest CreateAclsResponse
        CreateDelegationTokenRequest CreateDelegationTokenResponse CreatePartitionsRequest CreatePartitionsResponse
        CreateTopicsRequest CreateTopicsResponse DefaultPrincipalData DeleteAclsRequest DeleteAclsResponse
        DeleteGroupsRequest DeleteGroupsResponse DeleteRecordsRequest DeleteRecordsResponse
        DeleteShareGroupOffsetsRequest DeleteShareGroupOffsetsResponse DeleteShareGroupStateRequest
        DeleteShareGroupStateResponse DeleteTopicsRequest DeleteTopicsResponse DescribeAclsRequest
        DescribeAclsResponse DescribeClientQuotasRequest DescribeClientQuotasResponse DescribeClusterRequest
        DescribeClusterResponse DescribeConfigsRequest DescribeConfigsResponse DescribeDelegationTokenRequest
        DescribeDelegationTokenResponse DescribeGroupsRequest DescribeGroupsResponse DescribeLogDirsRequest
        DescribeLogDirsResponse DescribeProducersRequest DescribeProducersResponse DescribeQuorumRequest
        DescribeQuorumResponse DescribeShareGroupOffsetsRequest DescribeShareGroupOffsetsResponse
        DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse DescribeTransactionsRequest
        DescribeTransactionsResponse DescribeUserScramCredentialsRequest DescribeUserScramCredentialsResponse
        ElectLeadersRequest ElectLeadersResponse EndQuorumEpochRequest EndQuorumEpochResponse EndTxnMarker
        EndTxnRequest EndTxnResponse EnvelopeRequest EnvelopeResponse ExpireDelegationTokenRequest
        ExpireDelegationTokenResponse FetchRequest FetchResponse FetchSnapshotRequest FetchSnapshotResponse
        FindCoordinatorRequest FindCoordinatorResponse GetTelemetrySubscriptionsRequest
        GetTelemetrySubscriptionsResponse HeartbeatRequest HeartbeatResponse IncrementalAlterConfigsRequest
        IncrementalAlterConfigsResponse InitProducerIdRequest InitProducerIdResponse
        InitializeShareGroupStateRequest InitializeShareGroupStateResponse JoinGroupRequest JoinGroupResponse
        LeaderChangeMessage LeaveGroupRequest LeaveGroupResponse ListConfigResourcesRequest
        ListConfigResourcesResponse ListGroupsRequest ListGroupsResponse ListOffsetsRequest ListOffsetsResponse
        ListPartitionReassignmentsRequest ListPartitionReassignmentsResponse ListTransactionsRequest
        ListTransactionsResponse MetadataRequest MetadataResponse OffsetCommitRequest OffsetCommitResponse
        OffsetDeleteRequest OffsetDeleteResponse OffsetFetchRequest OffsetFetchResponse OffsetForLeaderEpochRequest
        OffsetForLeaderEpochResponse ProduceRequest ProduceResponse PushTelemetryRequest PushTelemetryResponse
        ReadShareGroupStateRequest ReadShareGroupStateResponse ReadShareGroupStateSummaryRequest
        ReadShareGroupStateSummaryResponse RemoveRaftVoterRequest RemoveRaftVoterResponse
        RenewDelegationTokenRequest RenewDelegationTokenResponse RequestHeader ResponseHeader
        SaslAuthenticateRequest SaslAuthenticateResponse SaslHandshakeRequest SaslHandshakeResponse
        ShareAcknowledgeRequest ShareAcknowledgeResponse ShareFetchRequest ShareFetchResponse
        ShareGroupDescribeRequest ShareGroupDescribeResponse ShareGroupHeartbeatRequest ShareGroupHeartbeatResponse
        SnapshotFooterRecord SnapshotHeaderRecord StreamsGroupDescribeRequest StreamsGroupDescribeResponse
        StreamsGroupHeartbeatRequest StreamsGroupHeartbeatResponse StreamsGroupTopologyDescriptionUpdateRequest
        StreamsGroupTopologyDescriptionUpdateResponse SyncGroupRequest SyncGroupResponse TxnOffsetCommitRequest
        TxnOffsetCommitResponse UnregisterBrokerRequest UnregisterBrokerResponse UpdateFeaturesRequest
        UpdateFeaturesResponse UpdateRaftVoterRequest UpdateRaftVoterResponse VoteRequest VoteResponse VotersRecord
        WriteShareGroupStateRequest WriteShareGroupStateResponse WriteTxnMarkersRequest WriteTxnMarkersResponse
    }
    .into_iter()
    .collect()
}

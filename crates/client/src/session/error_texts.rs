//! What Java's clients call each error, and what they say when the broker sends no text: scripts match on both, so they
//! are part of the interface.

use ottla_wire::ErrorCode;

/// The class of the Java exception, without its package (`org.apache.kafka.common.errors`), and its text.
#[must_use]
pub const fn exception(code: ErrorCode) -> (&'static str, &'static str) {
    use ErrorCode as E;
    match code {
        E::None => ("Exception", ""),
        E::UnknownServerError => {
            ("UnknownServerException", "The server experienced an unexpected error when processing the request.")
        }
        E::OffsetOutOfRange => (
            "OffsetOutOfRangeException",
            "The requested offset is not within the range of offsets maintained by the server.",
        ),
        E::CorruptMessage => (
            "CorruptRecordException",
            "A record failed its checksum, is of an invalid size, lacks a key where compaction wants one, or is damaged in another way.",
        ),
        E::UnknownTopicOrPartition => {
            ("UnknownTopicOrPartitionException", "This server does not host this topic-partition.")
        }
        E::InvalidFetchSize => ("InvalidFetchSizeException", "The requested fetch size is invalid."),
        E::LeaderNotAvailable => (
            "LeaderNotAvailableException",
            "There is no leader for this topic-partition as we are in the middle of a leadership election.",
        ),
        E::NotLeaderOrFollower => {
            ("NotLeaderOrFollowerException", "The broker is not the leader of the partition, or no replica of it.")
        }
        E::RequestTimedOut => ("TimeoutException", "The request timed out."),
        E::BrokerNotAvailable => ("BrokerNotAvailableException", "The broker is not available."),
        E::ReplicaNotAvailable => ("ReplicaNotAvailableException", "The replica of the partition is not available."),
        E::MessageTooLarge => (
            "RecordTooLargeException",
            "The request included a message larger than the max message size the server will accept.",
        ),
        E::StaleControllerEpoch => ("ControllerMovedException", "The controller moved to another broker."),
        E::OffsetMetadataTooLarge => {
            ("OffsetMetadataTooLarge", "The metadata field of the offset request was too large.")
        }
        E::NetworkException => ("NetworkException", "The server disconnected before a response was received."),
        E::CoordinatorLoadInProgress => {
            ("CoordinatorLoadInProgressException", "The coordinator is loading and hence can't process requests.")
        }
        E::CoordinatorNotAvailable => ("CoordinatorNotAvailableException", "The coordinator is not available."),
        E::NotCoordinator => ("NotCoordinatorException", "This is not the correct coordinator."),
        E::InvalidTopicException => {
            ("InvalidTopicException", "The request attempted to perform an operation on an invalid topic.")
        }
        E::RecordListTooLarge => (
            "RecordBatchTooLargeException",
            "The request included message batch larger than the configured segment size on the server.",
        ),
        E::NotEnoughReplicas => (
            "NotEnoughReplicasException",
            "Messages are rejected since there are fewer in-sync replicas than required.",
        ),
        E::NotEnoughReplicasAfterAppend => (
            "NotEnoughReplicasAfterAppendException",
            "Messages are written to the log, but to fewer in-sync replicas than required.",
        ),
        E::InvalidRequiredAcks => {
            ("InvalidRequiredAcksException", "Produce request specified an invalid value for required acks.")
        }
        E::IllegalGeneration => ("IllegalGenerationException", "Specified group generation id is not valid."),
        E::InconsistentGroupProtocol => (
            "InconsistentGroupProtocolException",
            "The member's protocols do not fit those of the group's other members, or it named none.",
        ),
        E::InvalidGroupId => ("InvalidGroupIdException", "The group id is invalid."),
        E::UnknownMemberId => ("UnknownMemberIdException", "The coordinator is not aware of this member."),
        E::InvalidSessionTimeout => (
            "InvalidSessionTimeoutException",
            "The session timeout is outside the broker's group.min.session.timeout.ms and group.max.session.timeout.ms.",
        ),
        E::RebalanceInProgress => ("RebalanceInProgressException", "The group is rebalancing, so a rejoin is needed."),
        E::InvalidCommitOffsetSize => {
            ("InvalidCommitOffsetSizeException", "The committing offset data size is not valid.")
        }
        E::TopicAuthorizationFailed => ("TopicAuthorizationException", "Topic authorization failed."),
        E::GroupAuthorizationFailed => ("GroupAuthorizationException", "Group authorization failed."),
        E::ClusterAuthorizationFailed => ("ClusterAuthorizationException", "Cluster authorization failed."),
        E::InvalidTimestamp => {
            ("InvalidTimestampException", "The timestamp of the message is out of acceptable range.")
        }
        E::UnsupportedSaslMechanism => {
            ("UnsupportedSaslMechanismException", "The broker does not support the requested SASL mechanism.")
        }
        E::IllegalSaslState => ("IllegalSaslStateException", "Request is not valid given the current SASL state."),
        E::UnsupportedVersion => ("UnsupportedVersionException", "The version of API is not supported."),
        E::TopicAlreadyExists => ("TopicExistsException", "Topic with this name already exists."),
        E::InvalidPartitions => ("InvalidPartitionsException", "Number of partitions is below 1."),
        E::InvalidReplicationFactor => (
            "InvalidReplicationFactorException",
            "Replication factor is below 1 or larger than the number of available brokers.",
        ),
        E::InvalidReplicaAssignment => ("InvalidReplicaAssignmentException", "Replica assignment is invalid."),
        E::InvalidConfig => ("InvalidConfigurationException", "Configuration is invalid."),
        E::NotController => ("NotControllerException", "This is not the correct controller for this cluster."),
        E::InvalidRequest => (
            "InvalidRequestException",
            "The request is malformed, or the broker does not understand it. The broker's log says more.",
        ),
        E::UnsupportedForMessageFormat => (
            "UnsupportedForMessageFormatException",
            "The message format version on the broker does not support the request.",
        ),
        E::PolicyViolation => ("PolicyViolationException", "Request parameters do not satisfy the configured policy."),
        E::OutOfOrderSequenceNumber => {
            ("OutOfOrderSequenceException", "The broker received an out of order sequence number.")
        }
        E::DuplicateSequenceNumber => {
            ("DuplicateSequenceException", "The broker received a duplicate sequence number.")
        }
        E::InvalidProducerEpoch => {
            ("InvalidProducerEpochException", "Producer attempted to produce with an old epoch.")
        }
        E::InvalidTxnState => {
            ("InvalidTxnStateException", "The producer attempted a transactional operation in an invalid state.")
        }
        E::InvalidProducerIdMapping => (
            "InvalidPidMappingException",
            "The producer attempted to use a producer id which is not currently assigned to its transactional id.",
        ),
        E::InvalidTransactionTimeout => {
            ("InvalidTxnTimeoutException", "The transaction timeout is above the broker's transaction.max.timeout.ms.")
        }
        E::ConcurrentTransactions => {
            ("ConcurrentTransactionsException", "Another operation on the same transaction is still under way.")
        }
        E::TransactionCoordinatorFenced => (
            "TransactionCoordinatorFencedException",
            "The transaction coordinator is no longer the one of this producer.",
        ),
        E::TransactionalIdAuthorizationFailed => {
            ("TransactionalIdAuthorizationException", "Transactional Id authorization failed.")
        }
        E::SecurityDisabled => ("SecurityDisabledException", "Security features are disabled."),
        E::OperationNotAttempted => (
            "OperationNotAttemptedException",
            "The broker left this operation alone because another of the same request failed.",
        ),
        E::KafkaStorageError => ("KafkaStorageException", "Disk error when trying to access log file on the disk."),
        E::LogDirNotFound => {
            ("LogDirNotFoundException", "The user-specified log directory is not found in the broker config.")
        }
        E::SaslAuthenticationFailed => ("SaslAuthenticationException", "SASL Authentication failed."),
        E::UnknownProducerId => (
            "UnknownProducerIdException",
            "The broker knows nothing of this producer id: its records may have been removed by retention.",
        ),
        E::ReassignmentInProgress => ("ReassignmentInProgressException", "A partition reassignment is in progress."),
        E::DelegationTokenAuthDisabled => {
            ("DelegationTokenDisabledException", "Delegation Token feature is not enabled.")
        }
        E::DelegationTokenNotFound => ("DelegationTokenNotFoundException", "Delegation Token is not found on server."),
        E::DelegationTokenOwnerMismatch => {
            ("DelegationTokenOwnerMismatchException", "Specified Principal is not valid Owner/Renewer.")
        }
        E::DelegationTokenRequestNotAllowed => (
            "UnsupportedByAuthenticationException",
            "Delegation tokens cannot be asked for over this kind of connection.",
        ),
        E::DelegationTokenAuthorizationFailed => {
            ("DelegationTokenAuthorizationException", "Delegation Token authorization failed.")
        }
        E::DelegationTokenExpired => ("DelegationTokenExpiredException", "Delegation Token is expired."),
        E::InvalidPrincipalType => ("InvalidPrincipalTypeException", "Supplied principalType is not supported."),
        E::NonEmptyGroup => ("GroupNotEmptyException", "The group is not empty."),
        E::GroupIdNotFound => ("GroupIdNotFoundException", "The group id does not exist."),
        E::FetchSessionIdNotFound => ("FetchSessionIdNotFoundException", "The fetch session ID was not found."),
        E::InvalidFetchSessionEpoch => ("InvalidFetchSessionEpochException", "The fetch session epoch is invalid."),
        E::ListenerNotFound => {
            ("ListenerNotFoundException", "The leader has no listener of the name by which the metadata was asked for.")
        }
        E::TopicDeletionDisabled => ("TopicDeletionDisabledException", "Topic deletion is disabled."),
        E::FencedLeaderEpoch => {
            ("FencedLeaderEpochException", "The leader epoch in the request is older than the epoch on the broker.")
        }
        E::UnknownLeaderEpoch => {
            ("UnknownLeaderEpochException", "The leader epoch in the request is newer than the epoch on the broker.")
        }
        E::UnsupportedCompressionType => (
            "UnsupportedCompressionTypeException",
            "The requesting client does not support the compression type of given partition.",
        ),
        E::StaleBrokerEpoch => ("StaleBrokerEpochException", "Broker epoch has changed."),
        E::OffsetNotAvailable => {
            ("OffsetNotAvailableException", "The leader was elected a moment ago and cannot tell its offsets yet.")
        }
        E::MemberIdRequired => (
            "MemberIdRequiredException",
            "The group member needs to have a valid member id before actually entering a consumer group.",
        ),
        E::PreferredLeaderNotAvailable => {
            ("PreferredLeaderNotAvailableException", "The preferred leader was not available.")
        }
        E::GroupMaxSizeReached => ("GroupMaxSizeReachedException", "The group has reached its maximum size."),
        E::FencedInstanceId => (
            "FencedInstanceIdException",
            "Another consumer with this group.instance.id has registered under another member id.",
        ),
        E::EligibleLeadersNotAvailable => {
            ("EligibleLeadersNotAvailableException", "Eligible topic partition leaders are not available.")
        }
        E::ElectionNotNeeded => ("ElectionNotNeededException", "Leader election not needed for topic partition."),
        E::NoReassignmentInProgress => {
            ("NoReassignmentInProgressException", "No partition reassignment is in progress.")
        }
        E::GroupSubscribedToTopic => (
            "GroupSubscribedToTopicException",
            "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it.",
        ),
        E::InvalidRecord => {
            ("InvalidRecordException", "This record has failed the validation on broker and hence will be rejected.")
        }
        E::UnstableOffsetCommit => {
            ("UnstableOffsetCommitException", "There are unstable offsets that need to be cleared.")
        }
        E::ThrottlingQuotaExceeded => ("ThrottlingQuotaExceededException", "The throttling quota has been exceeded."),
        E::ProducerFenced => (
            "ProducerFencedException",
            "There is a newer producer with the same transactionalId which fences the current one.",
        ),
        E::ResourceNotFound => {
            ("ResourceNotFoundException", "A request illegally referred to a resource that does not exist.")
        }
        E::DuplicateResource => {
            ("DuplicateResourceException", "A request illegally referred to the same resource twice.")
        }
        E::UnacceptableCredential => {
            ("UnacceptableCredentialException", "Requested credential would not meet criteria for acceptability.")
        }
        E::InconsistentVoterSet => {
            ("InconsistentVoterSetException", "One side of the request is not a voter that the other expects.")
        }
        E::InvalidUpdateVersion => ("InvalidUpdateVersionException", "The given update version was invalid."),
        E::FeatureUpdateFailed => {
            ("FeatureUpdateFailedException", "Unable to update finalized features due to an unexpected server error.")
        }
        E::PrincipalDeserializationFailure => {
            ("PrincipalDeserializationException", "The principal of a forwarded request could not be read.")
        }
        E::SnapshotNotFound => ("SnapshotNotFoundException", "Requested snapshot was not found."),
        E::PositionOutOfRange => (
            "PositionOutOfRangeException",
            "Requested position is not greater than or equal to zero, and less than the size of the snapshot.",
        ),
        E::UnknownTopicId => ("UnknownTopicIdException", "This server does not host this topic ID."),
        E::DuplicateBrokerRegistration => ("DuplicateBrokerRegistrationException", "This broker ID is already in use."),
        E::BrokerIdNotRegistered => ("BrokerIdNotRegisteredException", "The given broker ID was not registered."),
        E::InconsistentTopicId => {
            ("InconsistentTopicIdException", "The log's topic ID did not match the topic ID in the request.")
        }
        E::InconsistentClusterId => {
            ("InconsistentClusterIdException", "The clusterId in the request does not match that found on the server.")
        }
        E::TransactionalIdNotFound => ("TransactionalIdNotFoundException", "The transactionalId could not be found."),
        E::FetchSessionTopicIdError => {
            ("FetchSessionTopicIdException", "The fetch session encountered inconsistent topic ID usage.")
        }
        E::IneligibleReplica => ("IneligibleReplicaException", "The new ISR contains at least one ineligible replica."),
        E::NewLeaderElected => (
            "NewLeaderElectedException",
            "The AlterPartition request successfully updated the partition state but the leader has changed.",
        ),
        E::OffsetMovedToTieredStorage => {
            ("OffsetMovedToTieredStorageException", "The requested offset is moved to tiered storage.")
        }
        E::FencedMemberEpoch => (
            "FencedMemberEpochException",
            "The coordinator fenced the member's epoch: it must give up its partitions and join again.",
        ),
        E::UnreleasedInstanceId => (
            "UnreleasedInstanceIdException",
            "The instance ID is still used by another member in the consumer group. That member must leave first.",
        ),
        E::UnsupportedAssignor => (
            "UnsupportedAssignorException",
            "The assignor or its version range is not supported by the consumer group.",
        ),
        E::StaleMemberEpoch => (
            "StaleMemberEpochException",
            "The member's epoch is stale: it must learn its new one by a heartbeat and try again.",
        ),
        E::MismatchedEndpointType => {
            ("MismatchedEndpointTypeException", "The request was sent to an endpoint of the wrong type.")
        }
        E::UnsupportedEndpointType => ("UnsupportedEndpointTypeException", "This endpoint type is not supported yet."),
        E::UnknownControllerId => ("UnknownControllerIdException", "This controller ID is not known."),
        E::UnknownSubscriptionId => (
            "UnknownSubscriptionIdException",
            "Client sent a push telemetry request with an invalid or outdated subscription ID.",
        ),
        E::TelemetryTooLarge => (
            "TelemetryTooLargeException",
            "Client sent a push telemetry request larger than the maximum size the broker will accept.",
        ),
        E::InvalidRegistration => {
            ("InvalidRegistrationException", "The controller has considered the broker registration to be invalid.")
        }
        E::TransactionAbortable => (
            "TransactionAbortableException",
            "The transaction ran into an error; abort it to go on with this transactional id.",
        ),
        E::InvalidRecordState => (
            "InvalidRecordStateException",
            "The record state is invalid. The acknowledgement of delivery could not be completed.",
        ),
        E::ShareSessionNotFound => ("ShareSessionNotFoundException", "The share session was not found."),
        E::InvalidShareSessionEpoch => ("InvalidShareSessionEpochException", "The share session epoch is invalid."),
        E::FencedStateEpoch => {
            ("FencedStateEpochException", "The coordinator rejected the request because the state epoch did not match.")
        }
        E::InvalidVoterKey => ("InvalidVoterKeyException", "The voter key doesn't match the receiving replica's key."),
        E::DuplicateVoter => ("DuplicateVoterException", "The voter is already part of the set of voters."),
        E::VoterNotFound => ("VoterNotFoundException", "The voter is not part of the set of voters."),
        E::InvalidRegularExpression => ("InvalidRegularExpression", "The regular expression is not valid."),
        E::RebootstrapRequired => (
            "RebootstrapRequiredException",
            "Client metadata is stale. The client should rebootstrap to obtain new metadata.",
        ),
        E::StreamsInvalidTopology => ("StreamsInvalidTopologyException", "The supplied topology is invalid."),
        E::StreamsInvalidTopologyEpoch => {
            ("StreamsInvalidTopologyEpochException", "The supplied topology epoch is invalid.")
        }
        E::StreamsTopologyFenced => ("StreamsTopologyFencedException", "The supplied topology epoch is outdated."),
        E::ShareSessionLimitReached => {
            ("ShareSessionLimitReachedException", "The limit of share sessions has been reached.")
        }
        E::GroupDeletionFailed => (
            "GroupDeletionFailedException",
            "DeleteGroups could not complete; see the error message on the per-group result for details.",
        ),
        E::StreamsTopologyDescriptionUpdateFailed => (
            "StreamsTopologyDescriptionUpdateFailedException",
            "The broker could not process the topology description update; see the error message for details.",
        ),
        E::ControllerIdNotRegistered => {
            ("ControllerIdNotRegisteredException", "The given controller ID was not registered.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_find_the_words_they_match_on() {
        let (class, text) = exception(ErrorCode::TopicAlreadyExists);
        assert_eq!((class, text), ("TopicExistsException", "Topic with this name already exists."));
    }
}

//! Kafka's error codes: number, protocol name, the same word in CamelCase, and whether Kafka calls it retriable.
//!
//! Source: `org.apache.kafka.common.protocol.Errors` (Kafka 4.1). A code that is not listed here is kept as a
//! number and called `UNKNOWN`; it is never retried. What a caller does with a code is decided elsewhere.

/// One row of Kafka's table of error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CodeInfo {
    pub(crate) code: i16,
    /// Protocol name, as in Kafka's documentation.
    pub(crate) name: &'static str,
    /// The same word in CamelCase, for conditions, events and metric labels.
    pub(crate) reason: &'static str,
    /// A later attempt of the same request may succeed.
    pub(crate) retriable: bool,
}

const UNKNOWN: CodeInfo = row(i16::MIN, "UNKNOWN", "UnknownBrokerError", false);

const fn row(code: i16, name: &'static str, reason: &'static str, retriable: bool) -> CodeInfo {
    CodeInfo {
        code,
        name,
        reason,
        retriable,
    }
}

/// The row of `code`, or one named `UNKNOWN`.
pub(crate) fn lookup(code: i16) -> CodeInfo {
    match TABLE.binary_search_by_key(&code, |info| info.code) {
        Ok(at) => TABLE[at],
        Err(_) => CodeInfo { code, ..UNKNOWN },
    }
}

/// Sorted by code.
#[rustfmt::skip]
const TABLE: &[CodeInfo] = &[
    row(-1, "UNKNOWN_SERVER_ERROR", "UnknownServerError", false),
    row(0, "NONE", "None", false),
    row(1, "OFFSET_OUT_OF_RANGE", "OffsetOutOfRange", false),
    row(2, "CORRUPT_MESSAGE", "CorruptMessage", true),
    row(3, "UNKNOWN_TOPIC_OR_PARTITION", "UnknownTopicOrPartition", true),
    row(4, "INVALID_FETCH_SIZE", "InvalidFetchSize", false),
    row(5, "LEADER_NOT_AVAILABLE", "LeaderNotAvailable", true),
    row(6, "NOT_LEADER_OR_FOLLOWER", "NotLeaderOrFollower", true),
    row(7, "REQUEST_TIMED_OUT", "RequestTimedOut", true),
    row(8, "BROKER_NOT_AVAILABLE", "BrokerNotAvailable", false),
    row(9, "REPLICA_NOT_AVAILABLE", "ReplicaNotAvailable", true),
    row(10, "MESSAGE_TOO_LARGE", "MessageTooLarge", false),
    row(11, "STALE_CONTROLLER_EPOCH", "StaleControllerEpoch", false),
    row(12, "OFFSET_METADATA_TOO_LARGE", "OffsetMetadataTooLarge", false),
    row(13, "NETWORK_EXCEPTION", "NetworkException", true),
    row(14, "COORDINATOR_LOAD_IN_PROGRESS", "CoordinatorLoadInProgress", true),
    row(15, "COORDINATOR_NOT_AVAILABLE", "CoordinatorNotAvailable", true),
    row(16, "NOT_COORDINATOR", "NotCoordinator", true),
    row(17, "INVALID_TOPIC_EXCEPTION", "InvalidTopicException", false),
    row(18, "RECORD_LIST_TOO_LARGE", "RecordListTooLarge", false),
    row(19, "NOT_ENOUGH_REPLICAS", "NotEnoughReplicas", true),
    row(20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", "NotEnoughReplicasAfterAppend", true),
    row(21, "INVALID_REQUIRED_ACKS", "InvalidRequiredAcks", false),
    row(22, "ILLEGAL_GENERATION", "IllegalGeneration", false),
    row(23, "INCONSISTENT_GROUP_PROTOCOL", "InconsistentGroupProtocol", false),
    row(24, "INVALID_GROUP_ID", "InvalidGroupId", false),
    row(25, "UNKNOWN_MEMBER_ID", "UnknownMemberId", false),
    row(26, "INVALID_SESSION_TIMEOUT", "InvalidSessionTimeout", false),
    row(27, "REBALANCE_IN_PROGRESS", "RebalanceInProgress", false),
    row(28, "INVALID_COMMIT_OFFSET_SIZE", "InvalidCommitOffsetSize", false),
    row(29, "TOPIC_AUTHORIZATION_FAILED", "TopicAuthorizationFailed", false),
    row(30, "GROUP_AUTHORIZATION_FAILED", "GroupAuthorizationFailed", false),
    row(31, "CLUSTER_AUTHORIZATION_FAILED", "ClusterAuthorizationFailed", false),
    row(32, "INVALID_TIMESTAMP", "InvalidTimestamp", false),
    row(33, "UNSUPPORTED_SASL_MECHANISM", "UnsupportedSaslMechanism", false),
    row(34, "ILLEGAL_SASL_STATE", "IllegalSaslState", false),
    row(35, "UNSUPPORTED_VERSION", "UnsupportedVersion", false),
    row(36, "TOPIC_ALREADY_EXISTS", "TopicAlreadyExists", false),
    row(37, "INVALID_PARTITIONS", "InvalidPartitions", false),
    row(38, "INVALID_REPLICATION_FACTOR", "InvalidReplicationFactor", false),
    row(39, "INVALID_REPLICA_ASSIGNMENT", "InvalidReplicaAssignment", false),
    row(40, "INVALID_CONFIG", "InvalidConfig", false),
    row(41, "NOT_CONTROLLER", "NotController", true),
    row(42, "INVALID_REQUEST", "InvalidRequest", false),
    row(43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", "UnsupportedForMessageFormat", false),
    row(44, "POLICY_VIOLATION", "PolicyViolation", false),
    row(45, "OUT_OF_ORDER_SEQUENCE_NUMBER", "OutOfOrderSequenceNumber", false),
    row(46, "DUPLICATE_SEQUENCE_NUMBER", "DuplicateSequenceNumber", false),
    row(47, "INVALID_PRODUCER_EPOCH", "InvalidProducerEpoch", false),
    row(48, "INVALID_TXN_STATE", "InvalidTxnState", false),
    row(49, "INVALID_PRODUCER_ID_MAPPING", "InvalidProducerIdMapping", false),
    row(50, "INVALID_TRANSACTION_TIMEOUT", "InvalidTransactionTimeout", false),
    row(51, "CONCURRENT_TRANSACTIONS", "ConcurrentTransactions", false),
    row(52, "TRANSACTION_COORDINATOR_FENCED", "TransactionCoordinatorFenced", false),
    row(53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "TransactionalIdAuthorizationFailed", false),
    row(54, "SECURITY_DISABLED", "SecurityDisabled", false),
    row(55, "OPERATION_NOT_ATTEMPTED", "OperationNotAttempted", false),
    row(56, "KAFKA_STORAGE_ERROR", "KafkaStorageError", true),
    row(57, "LOG_DIR_NOT_FOUND", "LogDirNotFound", false),
    row(58, "SASL_AUTHENTICATION_FAILED", "SaslAuthenticationFailed", false),
    row(59, "UNKNOWN_PRODUCER_ID", "UnknownProducerId", false),
    row(60, "REASSIGNMENT_IN_PROGRESS", "ReassignmentInProgress", false),
    row(61, "DELEGATION_TOKEN_AUTH_DISABLED", "DelegationTokenAuthDisabled", false),
    row(62, "DELEGATION_TOKEN_NOT_FOUND", "DelegationTokenNotFound", false),
    row(63, "DELEGATION_TOKEN_OWNER_MISMATCH", "DelegationTokenOwnerMismatch", false),
    row(64, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", "DelegationTokenRequestNotAllowed", false),
    row(65, "DELEGATION_TOKEN_AUTHORIZATION_FAILED", "DelegationTokenAuthorizationFailed", false),
    row(66, "DELEGATION_TOKEN_EXPIRED", "DelegationTokenExpired", false),
    row(67, "INVALID_PRINCIPAL_TYPE", "InvalidPrincipalType", false),
    row(68, "NON_EMPTY_GROUP", "NonEmptyGroup", false),
    row(69, "GROUP_ID_NOT_FOUND", "GroupIdNotFound", false),
    row(70, "FETCH_SESSION_ID_NOT_FOUND", "FetchSessionIdNotFound", true),
    row(71, "INVALID_FETCH_SESSION_EPOCH", "InvalidFetchSessionEpoch", true),
    row(72, "LISTENER_NOT_FOUND", "ListenerNotFound", true),
    row(73, "TOPIC_DELETION_DISABLED", "TopicDeletionDisabled", false),
    row(74, "FENCED_LEADER_EPOCH", "FencedLeaderEpoch", true),
    row(75, "UNKNOWN_LEADER_EPOCH", "UnknownLeaderEpoch", true),
    row(76, "UNSUPPORTED_COMPRESSION_TYPE", "UnsupportedCompressionType", false),
    row(77, "STALE_BROKER_EPOCH", "StaleBrokerEpoch", false),
    row(78, "OFFSET_NOT_AVAILABLE", "OffsetNotAvailable", true),
    row(79, "MEMBER_ID_REQUIRED", "MemberIdRequired", false),
    row(80, "PREFERRED_LEADER_NOT_AVAILABLE", "PreferredLeaderNotAvailable", true),
    row(81, "GROUP_MAX_SIZE_REACHED", "GroupMaxSizeReached", false),
    row(82, "FENCED_INSTANCE_ID", "FencedInstanceId", false),
    row(83, "ELIGIBLE_LEADERS_NOT_AVAILABLE", "EligibleLeadersNotAvailable", true),
    row(84, "ELECTION_NOT_NEEDED", "ElectionNotNeeded", true),
    row(85, "NO_REASSIGNMENT_IN_PROGRESS", "NoReassignmentInProgress", false),
    row(86, "GROUP_SUBSCRIBED_TO_TOPIC", "GroupSubscribedToTopic", false),
    row(87, "INVALID_RECORD", "InvalidRecord", false),
    row(88, "UNSTABLE_OFFSET_COMMIT", "UnstableOffsetCommit", true),
    row(89, "THROTTLING_QUOTA_EXCEEDED", "ThrottlingQuotaExceeded", true),
    row(90, "PRODUCER_FENCED", "ProducerFenced", false),
    row(91, "RESOURCE_NOT_FOUND", "ResourceNotFound", false),
    row(92, "DUPLICATE_RESOURCE", "DuplicateResource", false),
    row(93, "UNACCEPTABLE_CREDENTIAL", "UnacceptableCredential", false),
    row(94, "INCONSISTENT_VOTER_SET", "InconsistentVoterSet", false),
    row(95, "INVALID_UPDATE_VERSION", "InvalidUpdateVersion", false),
    row(96, "FEATURE_UPDATE_FAILED", "FeatureUpdateFailed", false),
    row(97, "PRINCIPAL_DESERIALIZATION_FAILURE", "PrincipalDeserializationFailure", false),
    row(98, "SNAPSHOT_NOT_FOUND", "SnapshotNotFound", false),
    row(99, "POSITION_OUT_OF_RANGE", "PositionOutOfRange", false),
    row(100, "UNKNOWN_TOPIC_ID", "UnknownTopicId", true),
    row(101, "DUPLICATE_BROKER_REGISTRATION", "DuplicateBrokerRegistration", false),
    row(102, "BROKER_ID_NOT_REGISTERED", "BrokerIdNotRegistered", false),
    row(103, "INCONSISTENT_TOPIC_ID", "InconsistentTopicId", true),
    row(104, "INCONSISTENT_CLUSTER_ID", "InconsistentClusterId", false),
    row(105, "TRANSACTIONAL_ID_NOT_FOUND", "TransactionalIdNotFound", false),
    row(106, "FETCH_SESSION_TOPIC_ID_ERROR", "FetchSessionTopicIdError", true),
    row(107, "INELIGIBLE_REPLICA", "IneligibleReplica", false),
    row(108, "NEW_LEADER_ELECTED", "NewLeaderElected", false),
    row(109, "OFFSET_MOVED_TO_TIERED_STORAGE", "OffsetMovedToTieredStorage", false),
    row(110, "FENCED_MEMBER_EPOCH", "FencedMemberEpoch", false),
    row(111, "UNRELEASED_INSTANCE_ID", "UnreleasedInstanceId", false),
    row(112, "UNSUPPORTED_ASSIGNOR", "UnsupportedAssignor", false),
    row(113, "STALE_MEMBER_EPOCH", "StaleMemberEpoch", false),
    row(114, "MISMATCHED_ENDPOINT_TYPE", "MismatchedEndpointType", false),
    row(115, "UNSUPPORTED_ENDPOINT_TYPE", "UnsupportedEndpointType", false),
    row(116, "UNKNOWN_CONTROLLER_ID", "UnknownControllerId", false),
    row(117, "UNKNOWN_SUBSCRIPTION_ID", "UnknownSubscriptionId", false),
    row(118, "TELEMETRY_TOO_LARGE", "TelemetryTooLarge", false),
    row(119, "INVALID_REGISTRATION", "InvalidRegistration", false),
    row(120, "TRANSACTION_ABORTABLE", "TransactionAbortable", false),
    row(121, "INVALID_RECORD_STATE", "InvalidRecordState", false),
    row(122, "SHARE_SESSION_NOT_FOUND", "ShareSessionNotFound", true),
    row(123, "INVALID_SHARE_SESSION_EPOCH", "InvalidShareSessionEpoch", true),
    row(124, "FENCED_STATE_EPOCH", "FencedStateEpoch", false),
    row(125, "INVALID_VOTER_KEY", "InvalidVoterKey", false),
    row(126, "DUPLICATE_VOTER", "DuplicateVoter", false),
    row(127, "VOTER_NOT_FOUND", "VoterNotFound", false),
    row(128, "INVALID_REGULAR_EXPRESSION", "InvalidRegularExpression", false),
    row(129, "REBOOTSTRAP_REQUIRED", "RebootstrapRequired", false),
    row(130, "STREAMS_INVALID_TOPOLOGY", "StreamsInvalidTopology", false),
    row(131, "STREAMS_INVALID_TOPOLOGY_EPOCH", "StreamsInvalidTopologyEpoch", false),
    row(132, "STREAMS_TOPOLOGY_FENCED", "StreamsTopologyFenced", false),
    row(133, "SHARE_SESSION_LIMIT_REACHED", "ShareSessionLimitReached", true),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_agrees_with_the_codec() {
        assert!(TABLE.is_sorted_by(|a, b| a.code < b.code));
        for info in TABLE.iter().filter(|info| info.code != 0) {
            let theirs = kafka_protocol::error::ResponseError::try_from_code(info.code).unwrap();
            assert_eq!(format!("{theirs:?}"), info.reason);
            assert_eq!(theirs.is_retriable(), info.retriable, "{}", info.name);
        }
    }

    #[test]
    fn a_code_from_the_future_keeps_its_number() {
        let info = lookup(4242);
        assert_eq!(
            (info.code, info.name, info.retriable),
            (4242, "UNKNOWN", false)
        );
    }
}

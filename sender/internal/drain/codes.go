package drain

import "github.com/kactor-go/kactor/protocol"

// meaning is what an error code of the answer says of a batch.
type meaning uint8

const (
	doubtful    meaning = iota // it may be in the log, and no repetition is called for; also what is not known
	written                    // it is in the log
	misnumbered                // it is not appended, because of its numbers
	tooLarge                   // it is not appended, because of its size
	refused                    // it is not appended, and no repetition helps
	again                      // it is not appended, and may be when it is sent again
	unsure                     // it may be in the log; it is sent again
)

// firstCode is the lowest there is.
const firstCode = protocol.UnknownServerError

// meaningOf looks a code up. One that is not known may say anything.
func meaningOf(code protocol.Code) meaning {
	if i := int(code - firstCode); i >= 0 && i < len(meanings) {
		return meanings[i]
	}
	return doubtful
}

// meanings are those of all codes that are known, as Kafka 0.11 to 4.3 gives them in answers to Produce.
var meanings = [...]meaning{
	// It is in the log. DUPLICATE_SEQUENCE_NUMBER is said of a batch that is older than what the broker remembers, by releases before 2.x.
	protocol.None - firstCode:                    written,
	protocol.DuplicateSequenceNumber - firstCode: written,
	// The broker does not take its numbers (ProducerAppendInfo): it is not appended by this try. What that means the producer's identity knows.
	protocol.OutOfOrderSequenceNumber - firstCode: misnumbered,
	protocol.InvalidProducerEpoch - firstCode:     misnumbered,
	protocol.UnknownProducerID - firstCode:        misnumbered,
	// It is not appended, and would be in smaller parts.
	protocol.MessageTooLarge - firstCode:    tooLarge,
	protocol.RecordListTooLarge - firstCode: tooLarge,
	// It is not appended: these come before the append, or the log they speak of is no more (a topic that is deleted while its replicas are waited for). In transactions the leader asks the coordinator first.
	protocol.CorruptMessage - firstCode:            again,
	protocol.UnknownTopicOrPartition - firstCode:   again,
	protocol.LeaderNotAvailable - firstCode:        again,
	protocol.CoordinatorLoadInProgress - firstCode: again,
	protocol.CoordinatorNotAvailable - firstCode:   again,
	protocol.NotCoordinator - firstCode:            again,
	protocol.NotEnoughReplicas - firstCode:         again,
	protocol.ConcurrentTransactions - firstCode:    again,
	protocol.ThrottlingQuotaExceeded - firstCode:   again,
	protocol.UnknownTopicID - firstCode:            again,
	protocol.InconsistentTopicID - firstCode:       again,
	// It may be appended: DelayedProduce waits for the other replicas after the append, and ends with these when they do not come, the leader loses the partition, or the disk fails. And all that have no
	// meaning here, but that a repetition can help.
	protocol.NotLeaderOrFollower - firstCode:          unsure,
	protocol.RequestTimedOut - firstCode:              unsure,
	protocol.ReplicaNotAvailable - firstCode:          unsure,
	protocol.NetworkException - firstCode:             unsure,
	protocol.NotEnoughReplicasAfterAppend - firstCode: unsure,
	protocol.NotController - firstCode:                unsure,
	protocol.KafkaStorageError - firstCode:            unsure,
	protocol.FetchSessionIDNotFound - firstCode:       unsure,
	protocol.InvalidFetchSessionEpoch - firstCode:     unsure,
	protocol.ListenerNotFound - firstCode:             unsure,
	protocol.FencedLeaderEpoch - firstCode:            unsure,
	protocol.UnknownLeaderEpoch - firstCode:           unsure,
	protocol.OffsetNotAvailable - firstCode:           unsure,
	protocol.PreferredLeaderNotAvailable - firstCode:  unsure,
	protocol.EligibleLeadersNotAvailable - firstCode:  unsure,
	protocol.ElectionNotNeeded - firstCode:            unsure,
	protocol.UnstableOffsetCommit - firstCode:         unsure,
	protocol.FetchSessionTopicIDError - firstCode:     unsure,
	protocol.ShareSessionNotFound - firstCode:         unsure,
	protocol.InvalidShareSessionEpoch - firstCode:     unsure,
	protocol.ShareSessionLimitReached - firstCode:     unsure,
	// It is not appended: these are found before the append, and no repetition can help.
	protocol.InvalidTopicException - firstCode:              refused,
	protocol.InvalidRequiredAcks - firstCode:                refused,
	protocol.TopicAuthorizationFailed - firstCode:           refused,
	protocol.ClusterAuthorizationFailed - firstCode:         refused,
	protocol.InvalidTimestamp - firstCode:                   refused,
	protocol.UnsupportedVersion - firstCode:                 refused,
	protocol.InvalidRequest - firstCode:                     refused,
	protocol.UnsupportedForMessageFormat - firstCode:        refused,
	protocol.PolicyViolation - firstCode:                    refused,
	protocol.InvalidTxnState - firstCode:                    refused,
	protocol.InvalidProducerIDMapping - firstCode:           refused,
	protocol.TransactionalIDAuthorizationFailed - firstCode: refused,
	protocol.SecurityDisabled - firstCode:                   refused,
	protocol.UnsupportedCompressionType - firstCode:         refused,
	protocol.InvalidRecord - firstCode:                      refused,
	protocol.ProducerFenced - firstCode:                     refused,
	protocol.TransactionAbortable - firstCode:               refused,
	// It may be appended, and is not repeated: whatever a broker has no code for, and all that have no meaning here.
	protocol.UnknownServerError - firstCode:                 doubtful,
	protocol.OffsetOutOfRange - firstCode:                   doubtful,
	protocol.InvalidFetchSize - firstCode:                   doubtful,
	protocol.BrokerNotAvailable - firstCode:                 doubtful,
	protocol.StaleControllerEpoch - firstCode:               doubtful,
	protocol.OffsetMetadataTooLarge - firstCode:             doubtful,
	protocol.IllegalGeneration - firstCode:                  doubtful,
	protocol.InconsistentGroupProtocol - firstCode:          doubtful,
	protocol.InvalidGroupID - firstCode:                     doubtful,
	protocol.UnknownMemberID - firstCode:                    doubtful,
	protocol.InvalidSessionTimeout - firstCode:              doubtful,
	protocol.RebalanceInProgress - firstCode:                doubtful,
	protocol.InvalidCommitOffsetSize - firstCode:            doubtful,
	protocol.GroupAuthorizationFailed - firstCode:           doubtful,
	protocol.UnsupportedSASLMechanism - firstCode:           doubtful,
	protocol.IllegalSASLState - firstCode:                   doubtful,
	protocol.TopicAlreadyExists - firstCode:                 doubtful,
	protocol.InvalidPartitions - firstCode:                  doubtful,
	protocol.InvalidReplicationFactor - firstCode:           doubtful,
	protocol.InvalidReplicaAssignment - firstCode:           doubtful,
	protocol.InvalidConfig - firstCode:                      doubtful,
	protocol.InvalidTransactionTimeout - firstCode:          doubtful,
	protocol.TransactionCoordinatorFenced - firstCode:       doubtful,
	protocol.OperationNotAttempted - firstCode:              doubtful,
	protocol.LogDirNotFound - firstCode:                     doubtful,
	protocol.SASLAuthenticationFailed - firstCode:           doubtful,
	protocol.ReassignmentInProgress - firstCode:             doubtful,
	protocol.DelegationTokenAuthDisabled - firstCode:        doubtful,
	protocol.DelegationTokenNotFound - firstCode:            doubtful,
	protocol.DelegationTokenOwnerMismatch - firstCode:       doubtful,
	protocol.DelegationTokenRequestNotAllowed - firstCode:   doubtful,
	protocol.DelegationTokenAuthorizationFailed - firstCode: doubtful,
	protocol.DelegationTokenExpired - firstCode:             doubtful,
	protocol.InvalidPrincipalType - firstCode:               doubtful,
	protocol.NonEmptyGroup - firstCode:                      doubtful,
	protocol.GroupIDNotFound - firstCode:                    doubtful,
	protocol.TopicDeletionDisabled - firstCode:              doubtful,
	protocol.StaleBrokerEpoch - firstCode:                   doubtful,
	protocol.MemberIDRequired - firstCode:                   doubtful,
	protocol.GroupMaxSizeReached - firstCode:                doubtful,
	protocol.FencedInstanceID - firstCode:                   doubtful,
	protocol.NoReassignmentInProgress - firstCode:           doubtful,
	protocol.GroupSubscribedToTopic - firstCode:             doubtful,
	protocol.ResourceNotFound - firstCode:                   doubtful,
	protocol.DuplicateResource - firstCode:                  doubtful,
	protocol.UnacceptableCredential - firstCode:             doubtful,
	protocol.InconsistentVoterSet - firstCode:               doubtful,
	protocol.InvalidUpdateVersion - firstCode:               doubtful,
	protocol.FeatureUpdateFailed - firstCode:                doubtful,
	protocol.PrincipalDeserializationFailure - firstCode:    doubtful,
	protocol.SnapshotNotFound - firstCode:                   doubtful,
	protocol.PositionOutOfRange - firstCode:                 doubtful,
	protocol.DuplicateBrokerRegistration - firstCode:        doubtful,
	protocol.BrokerIDNotRegistered - firstCode:              doubtful,
	protocol.InconsistentClusterID - firstCode:              doubtful,
	protocol.TransactionalIDNotFound - firstCode:            doubtful,
	protocol.IneligibleReplica - firstCode:                  doubtful,
	protocol.NewLeaderElected - firstCode:                   doubtful,
	protocol.OffsetMovedToTieredStorage - firstCode:         doubtful,
	protocol.FencedMemberEpoch - firstCode:                  doubtful,
	protocol.UnreleasedInstanceID - firstCode:               doubtful,
	protocol.UnsupportedAssignor - firstCode:                doubtful,
	protocol.StaleMemberEpoch - firstCode:                   doubtful,
	protocol.MismatchedEndpointType - firstCode:             doubtful,
	protocol.UnsupportedEndpointType - firstCode:            doubtful,
	protocol.UnknownControllerID - firstCode:                doubtful,
	protocol.UnknownSubscriptionID - firstCode:              doubtful,
	protocol.TelemetryTooLarge - firstCode:                  doubtful,
	protocol.InvalidRegistration - firstCode:                doubtful,
	protocol.InvalidRecordState - firstCode:                 doubtful,
	protocol.FencedStateEpoch - firstCode:                   doubtful,
	protocol.InvalidVoterKey - firstCode:                    doubtful,
	protocol.DuplicateVoter - firstCode:                     doubtful,
	protocol.VoterNotFound - firstCode:                      doubtful,
	protocol.InvalidRegularExpression - firstCode:           doubtful,
	protocol.RebootstrapRequired - firstCode:                doubtful,
	protocol.StreamsInvalidTopology - firstCode:             doubtful,
	protocol.StreamsInvalidTopologyEpoch - firstCode:        doubtful,
	protocol.StreamsTopologyFenced - firstCode:              doubtful,
}

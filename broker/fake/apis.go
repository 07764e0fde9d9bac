package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// handlers are the APIs that the fake has, by key.
var handlers map[int16]func(*Cluster, *call)

func init() { // not a literal: handlers look at the table themselves
	handlers = map[int16]func(*Cluster, *call){
		msg.ProduceAPI:                      (*Cluster).produce,
		msg.FetchAPI:                        (*Cluster).fetch,
		msg.ListOffsetsAPI:                  (*Cluster).listOffsets,
		msg.MetadataAPI:                     (*Cluster).metadata,
		msg.OffsetCommitAPI:                 (*Cluster).offsetCommit,
		msg.OffsetFetchAPI:                  (*Cluster).offsetFetch,
		msg.FindCoordinatorAPI:              (*Cluster).findCoordinator,
		msg.JoinGroupAPI:                    (*Cluster).joinGroup,
		msg.HeartbeatAPI:                    (*Cluster).heartbeat,
		msg.LeaveGroupAPI:                   (*Cluster).leaveGroup,
		msg.SyncGroupAPI:                    (*Cluster).syncGroup,
		msg.DescribeGroupsAPI:               (*Cluster).describeGroups,
		msg.ListGroupsAPI:                   (*Cluster).listGroups,
		msg.ConsumerGroupDescribeAPI:        (*Cluster).consumerGroupDescribe,
		msg.ConsumerGroupHeartbeatAPI:       (*Cluster).consumerGroupHeartbeat,
		msg.DeleteGroupsAPI:                 (*Cluster).deleteGroups,
		msg.OffsetDeleteAPI:                 (*Cluster).offsetDelete,
		msg.ApiVersionsAPI:                  (*Cluster).apiVersions,
		msg.CreateTopicsAPI:                 (*Cluster).createTopics,
		msg.DeleteTopicsAPI:                 (*Cluster).deleteTopics,
		msg.DeleteRecordsAPI:                (*Cluster).deleteRecords,
		msg.InitProducerIdAPI:               (*Cluster).initProducerID,
		msg.OffsetForLeaderEpochAPI:         (*Cluster).offsetForLeaderEpoch,
		msg.AddPartitionsToTxnAPI:           (*Cluster).addPartitions,
		msg.AddOffsetsToTxnAPI:              (*Cluster).addOffsets,
		msg.EndTxnAPI:                       (*Cluster).endTxn,
		msg.WriteTxnMarkersAPI:              (*Cluster).writeMarkers,
		msg.TxnOffsetCommitAPI:              (*Cluster).txnOffsetCommit,
		msg.DescribeProducersAPI:            (*Cluster).describeProducers,
		msg.DescribeTransactionsAPI:         (*Cluster).describeTransactions,
		msg.ListTransactionsAPI:             (*Cluster).listTransactions,
		msg.CreatePartitionsAPI:             (*Cluster).createPartitions,
		msg.DescribeClusterAPI:              (*Cluster).describeCluster,
		msg.DescribeConfigsAPI:              (*Cluster).describeConfigs,
		msg.AlterConfigsAPI:                 (*Cluster).replaceConfigs,
		msg.IncrementalAlterConfigsAPI:      (*Cluster).alterConfigs,
		msg.DescribeTopicPartitionsAPI:      (*Cluster).describeTopicPartitions,
		msg.DescribeLogDirsAPI:              (*Cluster).describeLogDirs,
		msg.ElectLeadersAPI:                 (*Cluster).electLeaders,
		msg.ListPartitionReassignmentsAPI:   (*Cluster).listReassignments,
		msg.DescribeClientQuotasAPI:         (*Cluster).describeQuotas,
		msg.DescribeUserScramCredentialsAPI: (*Cluster).describeScram,
		msg.ListConfigResourcesAPI:          (*Cluster).listConfigResources,
	}
}

// injected gives the error that FailNext has set for an API, once.
func (c *Cluster) injected(key int16) protocol.Code {
	codes := c.failures[key]
	if len(codes) == 0 {
		return protocol.None
	}
	c.failures[key] = codes[1:]
	return codes[0]
}

// or gives the first code that is an error.
func or(codes ...protocol.Code) protocol.Code {
	for _, c := range codes {
		if c != protocol.None {
			return c
		}
	}
	return protocol.None
}

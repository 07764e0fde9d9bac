package differ

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// Themes of scripts. Those of [Expiry] need brokers that soon forget.
var Themes = []string{"logs", "sessions", "topics", "transactions", "groups", "consumers", Expiry}

// Expiry is the theme of what passes while nobody does anything: sessions of members, transactions, producers and offsets.
const Expiry = "expiry"

// weights tell how often an operation comes, by theme.
type weights [7]int

// operation makes requests of one API.
type operation struct {
	name    string
	key     int16
	weights weights
	// ask makes the request out of what the side has told so far; learn takes in the answer. No request: there is nothing to ask. Nil: nothing is done for a while.
	ask   func(d *draw, w *world) (req protocol.Request, learn func(protocol.Response))
	after settling
}

func (o *operation) api() string { return protocol.APIName(o.key) }

// settling is what has to be waited for behind an operation, because brokers do it by and by.
type settling uint8

const (
	nothing settling = iota
	leaders          // of topics that were created, changed or deleted
	markers          // of transactions
	applied          // configurations: nobody can be asked whether a log goes by them
	emptied          // groups that nobody is in any more: where they are soon forgotten, each side looks for them in its own time
)

var operations []operation

func init() { // not a literal: operations look at worlds, and those at operations
	operations = []operation{
		//                                                         logs sessions topics transactions groups consumers expiry
		{"CreateTopics", msg.CreateTopicsAPI, weights{3, 3, 4, 3, 3, 3, 3}, createTopics, leaders},
		{"CreateTopics oddly", msg.CreateTopicsAPI, weights{0, 0, 6, 0, 0, 0, 0}, createTopicsOddly, leaders},
		{"DeleteTopics", msg.DeleteTopicsAPI, weights{1, 4, 6, 1, 1, 1, 0}, deleteTopics, leaders},
		{"CreatePartitions", msg.CreatePartitionsAPI, weights{1, 1, 5, 1, 1, 2, 0}, createPartitions, leaders},
		{"DeleteRecords", msg.DeleteRecordsAPI, weights{4, 3, 1, 2, 0, 0, 0}, deleteRecords, nothing},
		{"Metadata", msg.MetadataAPI, weights{3, 1, 9, 1, 1, 1, 0}, metadata, nothing},
		{"DescribeTopicPartitions", msg.DescribeTopicPartitionsAPI, weights{0, 0, 5, 0, 0, 0, 0}, describeTopicPartitions, nothing},
		{"DescribeConfigs", msg.DescribeConfigsAPI, weights{0, 0, 6, 0, 0, 0, 0}, describeConfigs, nothing},
		{"AlterConfigs", msg.AlterConfigsAPI, weights{1, 0, 4, 0, 0, 0, 0}, alterConfigs, applied},
		{"IncrementalAlterConfigs", msg.IncrementalAlterConfigsAPI, weights{2, 1, 6, 0, 0, 0, 0}, incrementalAlterConfigs, applied},
		{"DescribeCluster", msg.DescribeClusterAPI, weights{1, 0, 2, 0, 0, 0, 0}, describeCluster, nothing},
		{"ApiVersions", msg.ApiVersionsAPI, weights{1, 0, 1, 0, 0, 0, 0}, apiVersions, nothing},
		{"DescribeLogDirs", msg.DescribeLogDirsAPI, weights{2, 0, 3, 0, 0, 0, 0}, describeLogDirs, nothing},
		{"ElectLeaders", msg.ElectLeadersAPI, weights{0, 0, 3, 0, 0, 0, 0}, electLeaders, nothing},
		{"ListPartitionReassignments", msg.ListPartitionReassignmentsAPI, weights{0, 0, 1, 0, 0, 0, 0}, listReassignments, nothing},
		{"DescribeClientQuotas", msg.DescribeClientQuotasAPI, weights{0, 0, 2, 0, 0, 0, 0}, describeQuotas, nothing},
		{"DescribeUserScramCredentials", msg.DescribeUserScramCredentialsAPI, weights{0, 0, 2, 0, 0, 0, 0}, describeScram, nothing},
		{"ListConfigResources", msg.ListConfigResourcesAPI, weights{0, 0, 2, 0, 0, 0, 0}, listConfigResources, nothing},
		{"Produce", msg.ProduceAPI, weights{30, 20, 12, 20, 2, 1, 16}, produce, nothing},
		{"Fetch", msg.FetchAPI, weights{20, 40, 8, 12, 0, 0, 6}, fetch, nothing},
		{"ListOffsets", msg.ListOffsetsAPI, weights{14, 4, 6, 6, 0, 0, 4}, listOffsets, nothing},
		{"OffsetForLeaderEpoch", msg.OffsetForLeaderEpochAPI, weights{6, 1, 3, 1, 0, 0, 0}, offsetForLeaderEpoch, nothing},
		{"InitProducerId", msg.InitProducerIdAPI, weights{8, 1, 1, 12, 5, 0, 9}, initProducerID, markers},
		{"AddPartitionsToTxn", msg.AddPartitionsToTxnAPI, weights{0, 0, 0, 12, 0, 0, 9}, addPartitions, nothing},
		{"AddOffsetsToTxn", msg.AddOffsetsToTxnAPI, weights{0, 0, 0, 5, 2, 0, 3}, addOffsets, nothing},
		{"TxnOffsetCommit", msg.TxnOffsetCommitAPI, weights{0, 0, 0, 7, 8, 0, 5}, txnOffsetCommit, emptied},
		{"EndTxn", msg.EndTxnAPI, weights{0, 0, 0, 14, 3, 0, 5}, endTxn, markers},
		{"WriteTxnMarkers", msg.WriteTxnMarkersAPI, weights{0, 0, 0, 8, 0, 0, 0}, writeTxnMarkers, nothing},
		{"DescribeProducers", msg.DescribeProducersAPI, weights{4, 0, 1, 5, 0, 0, 7}, describeProducers, nothing},
		{"DescribeTransactions", msg.DescribeTransactionsAPI, weights{0, 0, 0, 5, 1, 0, 6}, describeTransactions, nothing},
		{"ListTransactions", msg.ListTransactionsAPI, weights{0, 0, 0, 4, 0, 0, 2}, listTransactions, nothing},
		{"FindCoordinator", msg.FindCoordinatorAPI, weights{0, 0, 1, 1, 2, 1, 0}, findCoordinator, nothing},
		{"OffsetCommit", msg.OffsetCommitAPI, weights{0, 0, 0, 3, 12, 8, 9}, offsetCommit, emptied},
		{"OffsetFetch", msg.OffsetFetchAPI, weights{0, 0, 0, 8, 12, 8, 7}, offsetFetch, nothing},
		{"JoinGroup", msg.JoinGroupAPI, weights{0, 0, 0, 0, 12, 5, 9}, joinGroup, emptied},
		{"SyncGroup", msg.SyncGroupAPI, weights{0, 0, 0, 0, 8, 3, 5}, syncGroup, nothing},
		{"Heartbeat", msg.HeartbeatAPI, weights{0, 0, 0, 0, 6, 4, 6}, heartbeat, nothing},
		{"LeaveGroup", msg.LeaveGroupAPI, weights{0, 0, 0, 0, 4, 1, 1}, leaveGroup, emptied},
		{"DescribeGroups", msg.DescribeGroupsAPI, weights{0, 0, 0, 0, 6, 3, 5}, describeGroups, nothing},
		{"DeleteGroups", msg.DeleteGroupsAPI, weights{0, 0, 0, 0, 3, 2, 1}, deleteGroups, nothing},
		{"OffsetDelete", msg.OffsetDeleteAPI, weights{0, 0, 0, 0, 5, 4, 0}, offsetDelete, emptied},
		{"ListGroups", msg.ListGroupsAPI, weights{0, 0, 0, 0, 1, 1, 1}, listGroups, nothing},
		{"ConsumerGroupHeartbeat", msg.ConsumerGroupHeartbeatAPI, weights{0, 0, 0, 0, 1, 30, 18}, consumerGroupHeartbeat, emptied},
		{"Idle", msg.ApiVersionsAPI, weights{0, 0, 0, 0, 0, 0, 12}, nil, markers},
		{"ConsumerGroupDescribe", msg.ConsumerGroupDescribeAPI, weights{0, 0, 0, 0, 1, 6, 5}, consumerGroupDescribe, nothing},
	}
}

// reads tells whether an operation leaves everything as it is, whatever it is answered.
func (o *operation) reads() bool {
	switch o.key {
	case msg.MetadataAPI, msg.DescribeClusterAPI, msg.ApiVersionsAPI, msg.ListOffsetsAPI, msg.OffsetForLeaderEpochAPI, msg.DescribeProducersAPI, msg.DescribeTransactionsAPI, msg.ListTransactionsAPI, msg.FindCoordinatorAPI,
		msg.OffsetFetchAPI, msg.DescribeGroupsAPI, msg.ListGroupsAPI, msg.ConsumerGroupDescribeAPI, msg.DescribeConfigsAPI, msg.DescribeTopicPartitionsAPI, msg.DescribeLogDirsAPI, msg.ElectLeadersAPI,
		msg.ListPartitionReassignmentsAPI, msg.DescribeClientQuotasAPI, msg.DescribeUserScramCredentialsAPI, msg.ListConfigResourcesAPI:
		return true
	}
	return false
}

// refuses tells whether an operation that is refused leaves everything as it is. Others do not: batches that are refused begin transactions, requests of transactions fence producers, and fetches have sessions.
func (o *operation) refuses() bool {
	switch o.key {
	case msg.CreateTopicsAPI, msg.DeleteTopicsAPI, msg.CreatePartitionsAPI, msg.DeleteRecordsAPI, msg.OffsetCommitAPI, msg.TxnOffsetCommitAPI, msg.HeartbeatAPI, msg.SyncGroupAPI, msg.LeaveGroupAPI, msg.DeleteGroupsAPI, msg.OffsetDeleteAPI, msg.AlterConfigsAPI,
		msg.IncrementalAlterConfigsAPI:
		return true
	}
	return false
}

func operationOf(name string) *operation {
	for i := range operations {
		if operations[i].name == name {
			return &operations[i]
		}
	}
	return nil
}

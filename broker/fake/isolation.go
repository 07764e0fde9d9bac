package fake

import (
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// isolated tells whether an isolation level is one: no other has a name (IsolationLevel.forId throws).
func isolated(level int8) bool { return level == 0 || level == 1 }

// noIsolation answers a fetch of a level that is none. Kafka finds out when it has sorted out what is unknown, and answers what stands in the request, not in the session (FetchRequest.getErrorResponse); by ids nothing but the error.
func (c *Cluster) failedRequest(q *call, req *msg.FetchRequest) *msg.FetchResponse {
	resp := &msg.FetchResponse{ErrorCode: int16(protocol.UnknownServerError), SessionID: req.SessionID, ThrottleTimeMs: q.throttle(), Responses: []msg.FetchResponseFetchableTopicResponse{}}
	for _, t := range req.Topics {
		if q.Version >= 13 {
			break
		}
		out := msg.FetchResponseFetchableTopicResponse{Topic: t.Topic}
		for _, p := range t.Partitions {
			d := newPartitionData(p.Partition)
			d.ErrorCode = int16(protocol.UnknownServerError)
			switch { // so it was seen on 2.8.2, 3.9.1 and 4.3.0
			case !c.kraft():
				d.AbortedTransactions = nil
			case !c.atLeast("4.0"):
				d.AbortedTransactions, d.Records = []msg.FetchResponseAbortedTransaction{}, nil
			default:
				d.AbortedTransactions = []msg.FetchResponseAbortedTransaction{}
			}
			out.Partitions = append(out.Partitions, d)
		}
		resp.Responses = append(resp.Responses, out)
	}
	return resp
}

// foreign refuses fetches of who says that it is a broker and has no replica of the partition; 2.8.2 gives it records. It has read the assignment that gives it one, if it knows an epoch of the leader: a later one, then (Partition.followerReplicaOrThrow).
func (c *Cluster) foreign(q *call, req *msg.FetchRequest, f *fetching, p *partition) protocol.Code {
	id := replica(q, req)
	switch {
	case !c.kraft() || id < 0 || id != q.Node && slices.Contains(p.replicas, id):
		return protocol.None
	case q.Version >= 9 && f.req.CurrentLeaderEpoch >= 0:
		return protocol.UnknownLeaderEpoch
	}
	return protocol.NotLeaderOrFollower
}

// replica is the broker that fetches; negative: it is a client.
func replica(q *call, req *msg.FetchRequest) int32 {
	if q.Version >= 15 {
		return req.ReplicaState.ReplicaID
	}
	return req.ReplicaID
}

// noIsolatedList tells whether a request for offsets gets so far as to have its isolation level read, and it is none. Before 4.0 that is read of a client's, behind what is wrong with each partition.
func (c *Cluster) noIsolatedList(q *call, req *msg.ListOffsetsRequest, twice map[listed]bool) bool {
	if q.Version < 2 || isolated(req.IsolationLevel) {
		return false
	}
	return c.atLeast("4.0") || req.ReplicaID == -1 && slices.ContainsFunc(req.Topics, func(t msg.ListOffsetsRequestListOffsetsTopic) bool {
		return slices.ContainsFunc(t.Partitions, func(p msg.ListOffsetsRequestListOffsetsPartition) bool {
			return !twice[listed{t.Name, p.PartitionIndex}] && c.placed(p.Timestamp, q.Version) == protocol.None
		})
	})
}

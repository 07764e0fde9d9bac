package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// createPartitions answers CreatePartitions (37).
func (c *Cluster) createPartitions(q *call) {
	req := q.Req.(*msg.CreatePartitionsRequest)
	resp := &msg.CreatePartitionsResponse{}
	injected := or(c.injected(q.Key), c.late(req.TimeoutMs))
	seen := map[string]int{}
	for i := range req.Topics {
		seen[req.Topics[i].Name]++
	}
	if injected == protocol.None && c.kraft() && c.addedPartitions(req, seen) > maxNewPartitions { // there is no room for so many in one change of the cluster (BoundedList)
		injected = protocol.UnknownServerError
	}
	for i := range req.Topics {
		in := &req.Topics[i]
		if seen[in.Name] < 0 {
			continue // it was answered
		}
		no := refusal{code: injected}
		switch {
		case injected != protocol.None:
		case seen[in.Name] > 1:
			no = refuse(protocol.InvalidRequest, "the request names topic %q twice", in.Name)
		default:
			no = c.morePartitions(in, req.ValidateOnly)
		}
		seen[in.Name] = -seen[in.Name]
		resp.Results = append(resp.Results, msg.CreatePartitionsResponseCreatePartitionsTopicResult{Name: in.Name, ErrorCode: int16(no.code), ErrorMessage: no.message()})
	}
	c.reply(q, resp)
}

// addedPartitions are how many partitions a request adds to topics that are there, and named once.
func (c *Cluster) addedPartitions(req *msg.CreatePartitionsRequest, mentions map[string]int) (n int) {
	for i := range req.Topics {
		in := &req.Topics[i]
		if t := c.topic(in.Name); t != nil && mentions[in.Name] == 1 && in.Assignments == nil {
			n += max(int(in.Count)-len(t.partitions), 0)
		}
	}
	return n
}

func (c *Cluster) morePartitions(in *msg.CreatePartitionsRequestCreatePartitionsTopic, only bool) refusal {
	t, code := c.lookup(in.Name, wire.UUID{}, false)
	if code != protocol.None {
		return refuse(code, "there is no topic %q", in.Name)
	}
	old, replicas := len(t.partitions), len(t.partitions[0].replicas)
	if int(in.Count) <= old || in.Count > maxPartitions {
		return refuse(protocol.InvalidPartitions, "%d partitions of topic %q: it has %d, and may have %d to %d", in.Count, in.Name, old, old+1, maxPartitions)
	}
	if in.Assignments != nil {
		if len(in.Assignments) != int(in.Count)-old {
			return refuse(protocol.InvalidReplicaAssignment, "replicas of %d partitions are assigned, of the %d that topic %q is to get", len(in.Assignments), int(in.Count)-old, in.Name)
		}
		for _, a := range in.Assignments {
			if no := c.checkReplicas(a.BrokerIDs, replicas); no.code != protocol.None {
				return no
			}
		}
	}
	if only {
		return refusal{}
	}
	c.grow(t, int(in.Count), replicas)
	for i, a := range in.Assignments {
		t.partitions[old+i].place(c, a.BrokerIDs)
	}
	return refusal{}
}

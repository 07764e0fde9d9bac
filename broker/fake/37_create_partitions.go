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
	injected := c.injected(q.Key)
	seen := map[string]int{}
	for i := range req.Topics {
		seen[req.Topics[i].Name]++
	}
	for i := range req.Topics {
		in := &req.Topics[i]
		if seen[in.Name] < 0 {
			continue // it was answered
		}
		code := injected
		if code == protocol.None && seen[in.Name] > 1 {
			code = protocol.InvalidRequest
		}
		seen[in.Name] = -seen[in.Name]
		if code == protocol.None {
			code = c.morePartitions(in, req.ValidateOnly)
		}
		r := msg.CreatePartitionsResponseCreatePartitionsTopicResult{Name: in.Name, ErrorCode: int16(code)}
		if code != protocol.None {
			r.ErrorMessage = wire.Ptr(code.Description())
		}
		resp.Results = append(resp.Results, r)
	}
	c.reply(q, resp)
}

func (c *Cluster) morePartitions(in *msg.CreatePartitionsRequestCreatePartitionsTopic, only bool) protocol.Code {
	t, code := c.lookup(in.Name, wire.UUID{}, false)
	if code != protocol.None {
		return code
	}
	old, replicas := len(t.partitions), len(t.partitions[0].replicas)
	if int(in.Count) <= old || in.Count > maxPartitions {
		return protocol.InvalidPartitions
	}
	if in.Assignments != nil {
		if len(in.Assignments) != int(in.Count)-old {
			return protocol.InvalidReplicaAssignment
		}
		for _, a := range in.Assignments {
			if code := c.checkReplicas(a.BrokerIDs, replicas); code != protocol.None {
				return code
			}
		}
	}
	if only {
		return protocol.None
	}
	c.grow(t, int(in.Count), replicas)
	for i, a := range in.Assignments {
		t.partitions[old+i].place(c, a.BrokerIDs)
	}
	return protocol.None
}

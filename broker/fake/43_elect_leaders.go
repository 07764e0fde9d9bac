package fake

import (
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Kinds of elections.
const (
	preferredElection int8 = 0
	uncleanElection   int8 = 1
)

// electLeaders answers ElectLeaders (43). Who is elected though not in sync lacks nothing here (see Truncate).
func (c *Cluster) electLeaders(q *call) {
	req := q.Req.(*msg.ElectLeadersRequest)
	resp := &msg.ElectLeadersResponse{}
	topics, all := req.TopicPartitions, req.TopicPartitions == nil
	code := c.injected(q.Key)
	switch {
	case code != protocol.None:
	case !c.atLeast("2.8") && q.Node != c.controller:
		code = protocol.NotController
	case req.ElectionType != preferredElection && req.ElectionType != uncleanElection && (all || len(topics) > 0):
		code = protocol.InvalidRequest
	case all:
		for _, t := range c.topics {
			in := msg.ElectLeadersRequestTopicPartitions{Topic: t.name}
			for _, p := range t.partitions {
				in.Partitions = append(in.Partitions, p.index)
			}
			topics = append(topics, in)
		}
	}
	resp.ErrorCode = int16(code)
	seen := map[topicPartition]bool{}
	for _, in := range topics {
		out := msg.ElectLeadersResponseReplicaElectionResult{Topic: in.Topic}
		for _, index := range in.Partitions {
			tp := topicPartition{in.Topic, index}
			if seen[tp] && !c.kraft() {
				continue
			}
			seen[tp] = true
			got := code
			if got == protocol.None {
				got = c.electLeader(in.Topic, index, req.ElectionType)
			}
			if all && got == protocol.ElectionNotNeeded {
				continue
			}
			r := msg.ElectLeadersResponsePartitionResult{PartitionID: index, ErrorCode: int16(got)}
			if got != protocol.None {
				r.ErrorMessage = wire.Ptr(got.Description())
			}
			out.PartitionResult = append(out.PartitionResult, r)
		}
		if len(out.PartitionResult) > 0 || c.kraft() {
			resp.ReplicaElectionResults = append(resp.ReplicaElectionResults, out)
		}
	}
	c.wakeFetches()
	c.tickTransactions()
	c.reply(q, resp)
}

// electLeader elects a leader where one is wanted (ReplicationControlManager.electLeader).
func (c *Cluster) electLeader(topic string, index int32, how int8) protocol.Code {
	p, err := c.partition(topic, index)
	switch {
	case err != nil:
		return protocol.UnknownTopicOrPartition
	case how == preferredElection && p.leader == p.replicas[0] || how == uncleanElection && p.leader >= 0:
		return protocol.ElectionNotNeeded
	case how == preferredElection && !c.electPreferred(p):
		return protocol.PreferredLeaderNotAvailable
	case how == uncleanElection && !c.electUnclean(p):
		return protocol.EligibleLeadersNotAvailable
	}
	return protocol.None
}

// electPreferred makes the first replica the leader, if it is in sync and runs.
func (c *Cluster) electPreferred(p *partition) bool {
	n := c.node(p.replicas[0])
	if !slices.Contains(p.isr, n.id) || n.down || n.fenced {
		return false
	}
	p.lead(n.id)
	return true
}

// electUnclean makes the first replica that runs the leader, in sync or not.
func (c *Cluster) electUnclean(p *partition) bool {
	for _, id := range p.replicas {
		if n := c.node(id); !n.down && !n.fenced {
			p.isr = []int32{id}
			p.lead(id)
			return true
		}
	}
	return false
}

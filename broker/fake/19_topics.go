package fake

import (
	"slices"
	"strings"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

func (c *Cluster) createTopics(q *call) {
	req := q.Req.(*msg.CreateTopicsRequest)
	resp := &msg.CreateTopicsResponse{}
	injected := c.injected(q.Key)
	for i := range req.Topics {
		in := &req.Topics[i]
		code := injected
		if code == protocol.None && q.Node != c.controller && !c.atLeast("2.8") {
			code = protocol.NotController
		}
		t := Topic{Name: in.Name, Partitions: int(in.NumPartitions), Replicas: int(in.ReplicationFactor)}
		if in.NumPartitions == -1 {
			t.Partitions = c.cfg.DefaultPartitions
		}
		if in.ReplicationFactor == -1 {
			t.Replicas = min(3, c.cfg.Nodes)
		}
		if len(in.Assignments) > 0 {
			t.Partitions, t.Replicas = len(in.Assignments), len(in.Assignments[0].BrokerIDs)
		}
		for _, cfg := range in.Configs {
			switch {
			case cfg.Value == nil:
			case cfg.Name == "message.timestamp.type":
				t.LogAppendTime = *cfg.Value == "LogAppendTime"
			case cfg.Name == "cleanup.policy":
				t.Compacted = strings.Contains(*cfg.Value, "compact")
			}
		}
		code = or(code, c.checkTopic(t))
		r := msg.CreateTopicsResponseCreatableTopicResult{}
		r.SetDefaults()
		r.Name, r.ErrorCode = in.Name, int16(code)
		if code != protocol.None {
			r.ErrorMessage = wire.Ptr(code.Description())
		} else if !req.ValidateOnly {
			made := c.create(t)
			for k := range in.Assignments {
				p := made.partitions[k]
				p.replicas = in.Assignments[k].BrokerIDs
				p.isr, p.leader = slices.Clone(p.replicas), p.replicas[0]
			}
			r.TopicID = made.id
			r.NumPartitions, r.ReplicationFactor = int32(t.Partitions), int16(t.Replicas)
		}
		resp.Topics = append(resp.Topics, r)
	}
	c.reply(q, resp)
}

// maxPartitions of a topic.
const maxPartitions = 100_000

func (c *Cluster) checkTopic(t Topic) protocol.Code {
	switch {
	case !legalTopic.MatchString(t.Name):
		return protocol.InvalidTopicException
	case c.topic(t.Name) != nil:
		return protocol.TopicAlreadyExists
	case t.Partitions < 1 || t.Partitions > maxPartitions:
		return protocol.InvalidPartitions
	case t.Replicas < 1 || t.Replicas > c.cfg.Nodes:
		return protocol.InvalidReplicationFactor
	}
	return protocol.None
}

func (c *Cluster) deleteTopics(q *call) {
	req := q.Req.(*msg.DeleteTopicsRequest)
	resp := &msg.DeleteTopicsResponse{}
	injected := c.injected(q.Key)
	one := func(name *string, id wire.UUID) {
		r := msg.DeleteTopicsResponseDeletableTopicResult{Name: name, TopicID: id}
		t, code := (*topic)(nil), protocol.None
		if name != nil {
			t, code = c.lookup(*name, wire.UUID{}, false)
		} else {
			t, code = c.lookup("", id, true)
		}
		if code = or(injected, code); code == protocol.None {
			r.Name = wire.Ptr(t.name)
			_ = c.DeleteTopic(t.name) // it is there
		}
		r.ErrorCode = int16(code)
		resp.Responses = append(resp.Responses, r)
	}
	for i := range req.Topics {
		one(req.Topics[i].Name, req.Topics[i].TopicID)
	}
	for i := range req.TopicNames {
		one(&req.TopicNames[i], wire.UUID{})
	}
	c.reply(q, resp)
}

func (c *Cluster) createPartitions(q *call) {
	req := q.Req.(*msg.CreatePartitionsRequest)
	resp := &msg.CreatePartitionsResponse{}
	injected := c.injected(q.Key)
	for i := range req.Topics {
		in := &req.Topics[i]
		t, code := c.lookup(in.Name, wire.UUID{}, false)
		if code = or(injected, code); code == protocol.None && (int(in.Count) <= len(t.partitions) || in.Count > maxPartitions) {
			code = protocol.InvalidPartitions
		}
		if code == protocol.None && !req.ValidateOnly {
			c.grow(t, int(in.Count), len(t.partitions[0].replicas))
		}
		r := msg.CreatePartitionsResponseCreatePartitionsTopicResult{Name: in.Name, ErrorCode: int16(code)}
		if code != protocol.None {
			r.ErrorMessage = wire.Ptr(code.Description())
		}
		resp.Results = append(resp.Results, r)
	}
	c.reply(q, resp)
}

func (c *Cluster) deleteRecords(q *call) {
	req := q.Req.(*msg.DeleteRecordsRequest)
	resp := &msg.DeleteRecordsResponse{}
	for i := range req.Topics {
		in := &req.Topics[i]
		out := msg.DeleteRecordsResponseDeleteRecordsTopicResult{Name: in.Name}
		t, code := c.lookup(in.Name, wire.UUID{}, false)
		for _, ip := range in.Partitions {
			r := msg.DeleteRecordsResponseDeleteRecordsPartitionResult{PartitionIndex: ip.PartitionIndex, LowWatermark: -1}
			got := code
			var p *partition
			if got == protocol.None {
				p, got = c.led(q, t, ip.PartitionIndex)
			}
			if got == protocol.None && (ip.Offset < -1 || ip.Offset > p.end) {
				got = protocol.OffsetOutOfRange
			}
			if got == protocol.None {
				if ip.Offset == -1 {
					ip.Offset = p.end
				}
				p.changes++
				p.start = max(p.start, ip.Offset)
				p.log = slices.DeleteFunc(p.log, func(e entry) bool { return e.last < p.start })
				p.forgetBefore(p.start)
				r.LowWatermark = p.start
			}
			r.ErrorCode = int16(got)
			out.Partitions = append(out.Partitions, r)
		}
		resp.Topics = append(resp.Topics, out)
	}
	c.reply(q, resp)
}

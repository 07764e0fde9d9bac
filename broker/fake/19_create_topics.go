package fake

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// createTopics answers CreateTopics (19). Since 2.8 any broker hands it on to the controller.
func (c *Cluster) createTopics(q *call) {
	req := q.Req.(*msg.CreateTopicsRequest)
	resp := &msg.CreateTopicsResponse{}
	injected := c.injected(q.Key)
	before := slices.Clone(c.topics)
	kraft := c.kraft()
	seen := map[string]int{}
	for i := range req.Topics {
		seen[req.Topics[i].Name]++
	}
	if injected == protocol.None && kraft && c.newPartitions(req, seen) > maxNewPartitions { // of the whole request (ReplicationControlManager.validateTotalNumberOfPartitions)
		injected = protocol.PolicyViolation
	}
	for i := range req.Topics {
		in := &req.Topics[i]
		r := msg.CreateTopicsResponseCreatableTopicResult{}
		r.SetDefaults()
		r.Name, r.ErrorMessage = in.Name, nil
		code := injected
		switch {
		case code != protocol.None:
		case q.Node != c.controller && !c.atLeast("2.8"):
			code = protocol.NotController
		case seen[in.Name] > 1:
			code = protocol.InvalidRequest
		case seen[in.Name] < 0: // it was answered
			continue
		default:
			if !kraft {
				before = c.topics
			}
			code = c.createTopic(q, in, before, req.ValidateOnly, &r)
		}
		if kraft || seen[in.Name] == 1 { // before, each mention is answered
			seen[in.Name] = -seen[in.Name]
		}
		if r.ErrorCode = int16(code); code != protocol.None {
			r.ErrorMessage = wire.Ptr(code.Description())
		}
		resp.Topics = append(resp.Topics, r)
	}
	c.reply(q, resp)
}

func (c *Cluster) createTopic(q *call, in *msg.CreateTopicsRequestCreatableTopic, before []*topic, only bool, r *msg.CreateTopicsResponseCreatableTopicResult) protocol.Code {
	t := Topic{Name: in.Name, Config: map[string]string{}}
	if code := c.checkName(in.Name, before); code != protocol.None {
		return code
	}
	if !c.kraft() && len(in.Assignments) == 0 { // numbers come first there
		if code := c.checkCounts(c.counted(in)); code != protocol.None {
			return code
		}
	}
	for _, cfg := range in.Configs {
		switch {
		case cfg.Value == nil && !c.kraft():
			return protocol.InvalidRequest
		case cfg.Value == nil:
			return protocol.InvalidConfig
		}
		t.Config[cfg.Name] = *cfg.Value
	}
	if code := c.checkConfigs(t.Config); code != protocol.None {
		return code
	}
	var assigned [][]int32
	switch {
	case len(in.Assignments) > 0:
		var code protocol.Code
		if assigned, code = c.assigned(in); code != protocol.None {
			return code
		}
		t.Partitions, t.Replicas = len(assigned), len(assigned[0])
	default:
		counted := c.counted(in)
		t.Partitions, t.Replicas = counted.Partitions, counted.Replicas
		if code := c.checkCounts(t); code != protocol.None {
			return code
		}
	}
	made := &topic{name: t.Name, configs: t.Config}
	if only {
		made.id = c.uuid()
	} else {
		made = c.create(t)
		for k, ids := range assigned {
			made.partitions[k].place(c, ids)
		}
	}
	if r.TopicID = made.id; only && !c.atLeast("3.0") { // later releases tell one of a topic that is only looked at, too
		r.TopicID = wire.UUID{}
	}
	r.NumPartitions, r.ReplicationFactor = int32(t.Partitions), int16(t.Replicas)
	r.Configs = c.toldConfigs(q, made)
	return protocol.None
}

// counted gives a topic as many partitions and replicas as are asked for.
func (c *Cluster) counted(in *msg.CreateTopicsRequestCreatableTopic) Topic {
	t := Topic{Partitions: int(in.NumPartitions), Replicas: int(in.ReplicationFactor)}
	if in.NumPartitions == -1 {
		t.Partitions = c.cfg.DefaultPartitions
	}
	if in.ReplicationFactor == -1 {
		t.Replicas = min(3, c.cfg.Nodes)
	}
	return t
}

// toldConfigs gives what the answer tells of the configurations of a new topic (KIP-525).
func (c *Cluster) toldConfigs(q *call, t *topic) []msg.CreateTopicsResponseCreatableTopicConfigs {
	out := []msg.CreateTopicsResponseCreatableTopicConfigs{}
	for i := range c.ofTopics {
		p := &c.ofTopics[i]
		value, source := c.effective(t, p, q.Node)
		if !c.kraft() {
			value = p.told(value)
		}
		out = append(out, msg.CreateTopicsResponseCreatableTopicConfigs{Name: p.name, Value: wire.Ptr(value), ConfigSource: source})
	}
	return out
}

const (
	maxPartitions    = 100_000 // of a topic
	maxNewPartitions = 10_000  // of a request
)

// newPartitions counts what a request asks for: of the topics that it names once.
func (c *Cluster) newPartitions(req *msg.CreateTopicsRequest, seen map[string]int) (n int) {
	for i := range req.Topics {
		switch in := &req.Topics[i]; {
		case seen[in.Name] > 1:
		case len(in.Assignments) > 0:
			n += len(in.Assignments)
		case in.NumPartitions == -1:
			n += c.cfg.DefaultPartitions
		default:
			n += max(0, int(in.NumPartitions))
		}
	}
	return n
}

// legal tells whether a topic may have a name.
func legal(name string) bool { return legalTopic.MatchString(name) && name != "." && name != ".." }

// checkName tells whether a topic may get a name: metrics cannot tell names apart that differ in dots and underscores only. With KRaft Kafka looks at those that were there before the request.
func (c *Cluster) checkName(name string, before []*topic) protocol.Code {
	like := func(s string) string { return strings.ReplaceAll(s, ".", "_") }
	switch {
	case !legal(name):
		return protocol.InvalidTopicException
	case c.topic(name) != nil:
		return protocol.TopicAlreadyExists
	case strings.ContainsAny(name, "._") && slices.ContainsFunc(before, func(t *topic) bool { return like(t.name) == like(name) }):
		return protocol.InvalidTopicException
	}
	return protocol.None
}

func (c *Cluster) checkCounts(t Topic) protocol.Code {
	switch {
	case t.Replicas < 1:
		return protocol.InvalidReplicationFactor
	case t.Partitions > maxNewPartitions && c.kraft(): // with ZooKeeper there may be any number
		return protocol.PolicyViolation
	case t.Partitions < 1:
		return protocol.InvalidPartitions
	case t.Replicas > c.cfg.Nodes:
		return protocol.InvalidReplicationFactor
	}
	return protocol.None
}

// checkTopic holds a topic that a test creates against what there can be.
func (c *Cluster) checkTopic(t Topic) protocol.Code {
	return cmp.Or(c.checkName(t.Name, c.topics), c.checkConfigs(t.configs()), c.checkCounts(t))
}

// assigned gives the replicas of each partition of a new topic as the request assigns them.
func (c *Cluster) assigned(in *msg.CreateTopicsRequestCreatableTopic) ([][]int32, protocol.Code) {
	if in.NumPartitions != -1 || in.ReplicationFactor != -1 {
		return nil, protocol.InvalidRequest
	}
	assignments := in.Assignments
	if !c.kraft() { // the last mention of a partition counts
		assignments = slices.Clone(assignments)
		slices.Reverse(assignments)
		slices.SortStableFunc(assignments, func(a, b msg.CreateTopicsRequestCreatableReplicaAssignment) int {
			return cmp.Compare(a.PartitionIndex, b.PartitionIndex)
		})
		assignments = slices.CompactFunc(assignments, func(a, b msg.CreateTopicsRequestCreatableReplicaAssignment) bool {
			return a.PartitionIndex == b.PartitionIndex
		})
	}
	out := make([][]int32, len(assignments))
	for _, a := range assignments {
		if a.PartitionIndex < 0 || int(a.PartitionIndex) >= len(out) || out[a.PartitionIndex] != nil {
			return nil, protocol.InvalidReplicaAssignment
		}
		if code := c.checkReplicas(a.BrokerIDs, len(in.Assignments[0].BrokerIDs)); code != protocol.None {
			return nil, code
		}
		out[a.PartitionIndex] = slices.Clone(a.BrokerIDs)
	}
	return out, protocol.None
}

// checkReplicas tells whether a partition may have these replicas: so many that there are, none twice.
func (c *Cluster) checkReplicas(ids []int32, n int) protocol.Code {
	if len(ids) == 0 || len(ids) != n {
		return protocol.InvalidReplicaAssignment
	}
	for i, id := range ids {
		if c.node(id) == nil || slices.Contains(ids[:i], id) {
			return protocol.InvalidReplicaAssignment
		}
	}
	return protocol.None
}

// place gives a new partition the replicas that were asked for.
func (p *partition) place(c *Cluster, ids []int32) {
	p.replicas = slices.Clone(ids)
	p.settleLeader(c)
}

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
	injected := or(c.injected(q.Key), c.late(req.TimeoutMs))
	before := alike(c.topics)
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
		r.Name = in.Name
		no := refusal{code: injected}
		switch {
		case injected != protocol.None:
		case q.Node != c.controller && !c.atLeast("2.8"):
			no.code = protocol.NotController
		case seen[in.Name] > 1:
			no = refuse(protocol.InvalidRequest, "the request names topic %q twice", in.Name)
		case seen[in.Name] < 0: // it was answered
			continue
		default:
			no = c.createTopic(q, in, before, req.ValidateOnly, &r)
			if !kraft && no.code == protocol.None && !req.ValidateOnly {
				before[undotted(in.Name)] = in.Name
			}
		}
		if kraft || seen[in.Name] == 1 { // before, each mention is answered
			seen[in.Name] = -seen[in.Name]
		}
		r.ErrorCode, r.ErrorMessage = int16(no.code), no.message()
		resp.Topics = append(resp.Topics, r)
	}
	c.reply(q, resp)
}

// late tells whether the time is over at once that a client waits for the controller: nothing is done then (QuorumController.appendWriteEvent).
func (c *Cluster) late(timeoutMs int32) protocol.Code {
	if c.kraft() && timeoutMs <= 0 {
		return protocol.RequestTimedOut
	}
	return protocol.None
}

func (c *Cluster) createTopic(q *call, in *msg.CreateTopicsRequestCreatableTopic, before map[string]string, only bool, r *msg.CreateTopicsResponseCreatableTopicResult) refusal {
	t := Topic{Name: in.Name, Config: map[string]string{}}
	if no := c.checkName(in.Name, before); no.code != protocol.None {
		return no
	}
	if !c.kraft() && len(in.Assignments) == 0 { // numbers come first there
		if no := c.checkCounts(c.counted(in)); no.code != protocol.None {
			return no
		}
	}
	for _, cfg := range in.Configs {
		switch {
		case cfg.Value == nil && !c.kraft():
			return refuse(protocol.InvalidRequest, "%s is to have the value null", cfg.Name)
		case cfg.Value == nil:
			return refuse(protocol.InvalidConfig, "%s is to have the value null", cfg.Name)
		}
		t.Config[cfg.Name] = *cfg.Value
	}
	if no := c.checkConfigs(t.Config); no.code != protocol.None {
		return no
	}
	var assigned [][]int32
	switch {
	case len(in.Assignments) > 0:
		var no refusal
		if assigned, no = c.assigned(in); no.code != protocol.None {
			return no
		}
		t.Partitions, t.Replicas = len(assigned), len(assigned[0])
	default:
		counted := c.counted(in)
		t.Partitions, t.Replicas = counted.Partitions, counted.Replicas
		if no := c.checkCounts(t); no.code != protocol.None {
			return no
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
	return refusal{}
}

// counted gives a topic as many partitions and replicas as are asked for.
func (c *Cluster) counted(in *msg.CreateTopicsRequestCreatableTopic) Topic {
	t := Topic{Partitions: int(in.NumPartitions), Replicas: int(in.ReplicationFactor)}
	if in.NumPartitions == -1 {
		t.Partitions = c.cfg.DefaultPartitions
	}
	if in.ReplicationFactor == -1 {
		t.Replicas = c.cfg.replicas()
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

// undotted is what metrics call a topic.
func undotted(name string) string { return strings.ReplaceAll(name, ".", "_") }

// alike are the names of topics, by what metrics call them.
func alike(topics []*topic) map[string]string {
	out := make(map[string]string, len(topics))
	for _, t := range topics {
		out[undotted(t.name)] = t.name
	}
	return out
}

// checkName tells whether a topic may get a name: metrics cannot tell names apart that differ in dots and underscores only. With KRaft Kafka looks at those that were there before the request.
func (c *Cluster) checkName(name string, before map[string]string) refusal {
	if !legal(name) {
		return refuse(protocol.InvalidTopicException, "%q is no name of a topic: %s", name, legalNames)
	}
	if c.topic(name) != nil {
		return refuse(protocol.TopicAlreadyExists, "there is a topic %q", name)
	}
	if other, ok := before[undotted(name)]; ok && strings.ContainsAny(name, "._") {
		return refuse(protocol.InvalidTopicException, "topics %q and %q would collide: metrics have no dots", other, name)
	}
	return refusal{}
}

// legalNames are what names topics may have.
const legalNames = `it has 1 to 249 letters, digits, dots, underscores and hyphens, and is neither "." nor ".."`

func (c *Cluster) checkCounts(t Topic) refusal {
	switch {
	case t.Replicas < 1:
		return refuse(protocol.InvalidReplicationFactor, "%d replicas: there is at least one", t.Replicas)
	case t.Partitions > maxNewPartitions && c.kraft(): // with ZooKeeper there may be any number
		return refuse(protocol.PolicyViolation, "%d partitions: a request makes %d at most", t.Partitions, maxNewPartitions)
	case t.Partitions < 1:
		return refuse(protocol.InvalidPartitions, "%d partitions: there is at least one", t.Partitions)
	case t.Replicas > c.cfg.Nodes:
		return refuse(protocol.InvalidReplicationFactor, "%d replicas on %d brokers", t.Replicas, c.cfg.Nodes)
	}
	return refusal{}
}

// checkTopic holds a topic that a test creates against what there can be.
func (c *Cluster) checkTopic(t Topic) refusal {
	for _, no := range []refusal{c.checkName(t.Name, alike(c.topics)), c.checkConfigs(t.configs()), c.checkCounts(t)} {
		if no.code != protocol.None {
			return no
		}
	}
	return refusal{}
}

// assigned gives the replicas of each partition of a new topic as the request assigns them.
func (c *Cluster) assigned(in *msg.CreateTopicsRequestCreatableTopic) ([][]int32, refusal) {
	if in.NumPartitions != -1 || in.ReplicationFactor != -1 {
		return nil, refuse(protocol.InvalidRequest, "with replicas assigned the numbers of partitions and replicas are -1, not %d and %d", in.NumPartitions, in.ReplicationFactor)
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
			return nil, refuse(protocol.InvalidReplicaAssignment, "partition %d is not one of those from 0 to %d, each once", a.PartitionIndex, len(out)-1)
		}
		if no := c.checkReplicas(a.BrokerIDs, len(in.Assignments[0].BrokerIDs)); no.code != protocol.None {
			return nil, no
		}
		out[a.PartitionIndex] = slices.Clone(a.BrokerIDs)
	}
	return out, refusal{}
}

// checkReplicas tells whether a partition may have these replicas: so many that there are, none twice.
func (c *Cluster) checkReplicas(ids []int32, n int) refusal {
	if len(ids) == 0 || len(ids) != n {
		return refuse(protocol.InvalidReplicaAssignment, "replicas %v: each partition has as many as the others, and one at least", ids)
	}
	for i, id := range ids {
		switch {
		case c.node(id) == nil:
			return refuse(protocol.InvalidReplicaAssignment, "replicas %v: there is no broker %d", ids, id)
		case slices.Contains(ids[:i], id):
			return refuse(protocol.InvalidReplicaAssignment, "replicas %v: broker %d is there twice", ids, id)
		}
	}
	return refusal{}
}

// place gives a new partition the replicas that were asked for.
func (p *partition) place(c *Cluster, ids []int32) {
	p.replicas = slices.Clone(ids)
	p.settleLeader(c)
}

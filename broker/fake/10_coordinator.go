package fake

import (
	"hash/fnv"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// committed is an offset that a group has committed.
type committed struct {
	offset   int64
	epoch    int32
	metadata *string
	at       int64 // its number among all commits
}

// coordinatorOf gives the broker that coordinates a key: always the same, as long as it runs. One that was away is not it again.
func (c *Cluster) coordinatorOf(key string) *node {
	if n := c.node(c.moved[key]); n != nil && !n.down && !n.fenced {
		return n
	}
	h := fnv.New32a()
	h.Write([]byte(key))
	at := int(h.Sum32() % uint32(len(c.nodes)))
	for i := range c.nodes {
		if n := c.nodes[(at+i)%len(c.nodes)]; !n.down && !n.fenced {
			c.moved[key] = n.id
			return n
		}
	}
	return nil
}

// writes tells whether the coordinator of a key can write: it is not paused, and not cut off from the others.
func (c *Cluster) writes(key string) bool {
	n := c.coordinatorOf(key)
	return n != nil && !n.paused && n.alone == nil
}

// named gives the broker that n says coordinates a key: the leader of a partition of the offsets topic, so what n has heard of last (KafkaApis.getCoordinator looks into its metadata cache).
func (c *Cluster) named(n *node, key string) *node {
	if id, ok := n.named[key]; ok {
		return c.node(id)
	}
	return c.coordinatorOf(key)
}

// keyOfTransaction is the kind of the keys that are transactional ids; others are groups.
const keyOfTransaction = 1

func (c *Cluster) findCoordinator(q *call) {
	req := q.Req.(*msg.FindCoordinatorRequest)
	resp := &msg.FindCoordinatorResponse{}
	injected := c.injected(q.Key)
	keys := req.CoordinatorKeys
	if q.Version < 4 {
		keys = []string{req.Key}
	}
	for _, key := range keys {
		name := key
		if req.KeyType == keyOfTransaction {
			name = transactionKey(key)
		}
		r := msg.FindCoordinatorResponseCoordinator{Key: key, NodeID: -1, Port: -1, ErrorCode: int16(injected)}
		if n := c.named(q.conn.node, name); injected == protocol.None && n != nil {
			r.NodeID = n.id
			r.Host, r.Port = c.cfg.Host(n.id)
		} else if injected == protocol.None {
			r.ErrorCode = int16(protocol.CoordinatorNotAvailable)
		}
		if q.Version < 4 {
			resp.ErrorCode, resp.NodeID, resp.Host, resp.Port = r.ErrorCode, r.NodeID, r.Host, r.Port
		} else {
			resp.Coordinators = append(resp.Coordinators, r)
		}
	}
	c.reply(q, resp)
}

// coordinates tells whether the broker of the request is the group's coordinator.
func (c *Cluster) coordinates(q *call, group string) protocol.Code {
	if n := c.coordinatorOf(group); n == nil || n.id != q.Node {
		return protocol.NotCoordinator
	}
	return protocol.None
}

func (c *Cluster) offsetCommit(q *call) {
	req := q.Req.(*msg.OffsetCommitRequest)
	resp := &msg.OffsetCommitResponse{}
	injected := c.injected(q.Key)
	whole, one := injected, ofOnePartition(injected)
	if one {
		whole = protocol.None
	}
	g, code := c.coordinatedUnless(whole, q, req.GroupID)
	if code == protocol.None && q.Version > 0 {
		code = c.mayCommit(g, req, q.Version)
	}
	for i := range req.Topics {
		in := &req.Topics[i]
		out := msg.OffsetCommitResponseOffsetCommitResponseTopic{Name: in.Name, TopicID: in.TopicID}
		t, unknown := c.lookup(in.Name, in.TopicID, q.Version >= 10)
		for _, p := range in.Partitions {
			got := unknown // before anything else, as Kafka does
			if t != nil && (p.PartitionIndex < 0 || int(p.PartitionIndex) >= len(t.partitions)) {
				got = protocol.UnknownTopicOrPartition
			}
			if got = or(got, code); one {
				got, one = or(got, injected), false
			}
			if got == protocol.None {
				g.offsets[topicPartition{t.name, p.PartitionIndex}] = committed{p.CommittedOffset, p.CommittedLeaderEpoch, p.CommittedMetadata, c.commit()}
			}
			out.Partitions = append(out.Partitions, msg.OffsetCommitResponseOffsetCommitResponsePartition{PartitionIndex: p.PartitionIndex, ErrorCode: int16(got)})
		}
		resp.Topics = append(resp.Topics, out)
	}
	c.reply(q, resp)
}

// ofOnePartition tells whether coordinators give an error for single partitions: FailNext gives it for the first, and the others are well.
func ofOnePartition(code protocol.Code) bool {
	switch code {
	case protocol.TopicAuthorizationFailed, protocol.UnknownTopicOrPartition, protocol.UnknownTopicID, protocol.UnstableOffsetCommit, protocol.UnknownServerError:
		return true
	}
	return false
}

func (c *Cluster) offsetFetch(q *call) {
	req := q.Req.(*msg.OffsetFetchRequest)
	resp := &msg.OffsetFetchResponse{}
	injected := c.injected(q.Key)
	one := ofOnePartition(injected)
	spoil := func(code *int16) {
		if one {
			*code, one = int16(injected), false
		}
	}
	whole := injected
	if one {
		whole = protocol.None
	}
	if q.Version < 8 {
		resp.ErrorCode = int16(or(whole, c.coordinates(q, req.GroupID)))
		for i := range req.Topics {
			out := msg.OffsetFetchResponseOffsetFetchResponseTopic{Name: req.Topics[i].Name}
			for _, index := range req.Topics[i].PartitionIndexes {
				k, code := c.committedStable(req.GroupID, out.Name, index, req.RequireStable)
				out.Partitions = append(out.Partitions, msg.OffsetFetchResponseOffsetFetchResponsePartition{PartitionIndex: index,
					CommittedOffset: k.offset, CommittedLeaderEpoch: k.epoch, Metadata: k.metadata, ErrorCode: int16(or(protocol.Code(resp.ErrorCode), code))})
				spoil(&out.Partitions[len(out.Partitions)-1].ErrorCode)
			}
			resp.Topics = append(resp.Topics, out)
		}
		c.reply(q, resp)
		return
	}
	for i := range req.Groups {
		g := &req.Groups[i]
		out := msg.OffsetFetchResponseOffsetFetchResponseGroup{GroupID: g.GroupID, ErrorCode: int16(or(whole, c.coordinates(q, g.GroupID)))}
		for k := range g.Topics {
			t, code := c.lookup(g.Topics[k].Name, g.Topics[k].TopicID, q.Version >= 10)
			ot := msg.OffsetFetchResponseOffsetFetchResponseTopics{Name: g.Topics[k].Name, TopicID: g.Topics[k].TopicID}
			for _, index := range g.Topics[k].PartitionIndexes {
				p := msg.OffsetFetchResponseOffsetFetchResponsePartitions{PartitionIndex: index, CommittedOffset: -1, CommittedLeaderEpoch: -1, Metadata: wire.Ptr("")}
				if q.Version >= 10 { // by name, a topic that is not there has no offsets
					p.ErrorCode = int16(code)
				}
				if code == protocol.None {
					k, unstable := c.committedStable(g.GroupID, t.name, index, req.RequireStable)
					p.CommittedOffset, p.CommittedLeaderEpoch, p.Metadata, p.ErrorCode = k.offset, k.epoch, k.metadata, int16(unstable)
				}
				spoil(&p.ErrorCode)
				ot.Partitions = append(ot.Partitions, p)
			}
			out.Topics = append(out.Topics, ot)
		}
		resp.Groups = append(resp.Groups, out)
	}
	c.reply(q, resp)
}

func noneCommitted() committed { return committed{offset: -1, epoch: -1, metadata: wire.Ptr("")} }

// committedStable is committed, unless a transaction is under way that may change it: then that is to be waited for, if the client wants to (KIP-447).
func (c *Cluster) committedStable(group, topic string, partition int32, stable bool) (committed, protocol.Code) {
	if g := c.lookGroup(group); stable && g != nil && g.unstable(topicPartition{topic, partition}) {
		return noneCommitted(), protocol.UnstableOffsetCommit
	}
	return c.committed(group, topic, partition), protocol.None
}

func (c *Cluster) committed(group, topic string, partition int32) committed {
	if g := c.lookGroup(group); g != nil {
		if k, ok := g.offsets[topicPartition{topic, partition}]; ok {
			return k
		}
	}
	return noneCommitted()
}

func (c *Cluster) describeCluster(q *call) {
	resp := &msg.DescribeClusterResponse{}
	resp.SetDefaults()
	resp.ClusterID, resp.ControllerID = c.id, c.controller
	for _, n := range c.nodes {
		if n.fenced || n.down {
			continue
		}
		host, port := c.cfg.Host(n.id)
		b := msg.DescribeClusterResponseDescribeClusterBroker{BrokerID: n.id, Host: host, Port: port}
		if n.rack != "" {
			b.Rack = wire.Ptr(n.rack)
		}
		resp.Brokers = append(resp.Brokers, b)
	}
	c.reply(q, resp)
}

package meta

import (
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// merge makes the next snapshot of an answer and of what was known. A leader never goes back to an older epoch, and a topic that is unknown for a
// moment keeps its partitions: a broker that has just come up may not know it yet.
func (c *Core) merge(m *msg.MetadataResponse, version int16, out *Effects) {
	s := cluster.Snapshot{Controller: cluster.NoNode}
	if version >= 1 {
		s.Controller = m.ControllerID
	}
	if m.ClusterID != nil {
		s.ClusterID = *m.ClusterID
	}
	for i := range m.Brokers {
		b := &m.Brokers[i]
		n := cluster.Node{ID: b.NodeID, Host: b.Host, Port: b.Port}
		if b.Rack != nil {
			n.Rack = *b.Rack
		}
		s.Nodes = append(s.Nodes, n)
	}
	seen := map[string]bool{}
	for i := range m.Topics {
		t := c.topic(&m.Topics[i], version)
		if t != nil && !seen[t.Name] {
			seen[t.Name] = true
			s.Topics = append(s.Topics, t)
		}
	}
	for _, t := range c.snap.Topics { // topics of interest that the answer left out
		if !seen[t.Name] && slices.ContainsFunc(c.topics, func(i interest) bool { return i.name == t.Name }) {
			s.Topics = append(s.Topics, t)
		}
	}
	c.publish(s, out)
}

func (c *Core) topic(m *msg.MetadataResponseMetadataResponseTopic, version int16) *cluster.Topic {
	if m.Name == nil {
		return nil
	}
	t := &cluster.Topic{Name: *m.Name, ID: wire.UUID(m.TopicID), Internal: m.IsInternal, Err: protocol.Code(m.ErrorCode)}
	old := c.snap.Topic(t.Name)
	if len(m.Partitions) == 0 {
		if old != nil && t.Err != protocol.None {
			kept := *old
			kept.Err = t.Err
			return &kept
		}
		return t
	}
	n := int32(-1)
	for i := range m.Partitions {
		n = max(n, m.Partitions[i].PartitionIndex)
	}
	if n < 0 || int(n) >= 4*len(m.Partitions)+16 { // indexes come from the wire
		t.Err = protocol.UnknownServerError
		return t
	}
	t.Partitions = make([]cluster.Partition, n+1)
	for i := range t.Partitions {
		t.Partitions[i] = cluster.Partition{Index: int32(i), Leader: cluster.NoNode, LeaderEpoch: -1, Err: protocol.LeaderNotAvailable}
	}
	for i := range m.Partitions {
		p := &m.Partitions[i]
		if p.PartitionIndex < 0 {
			continue
		}
		q := cluster.Partition{Index: p.PartitionIndex, Leader: p.LeaderID, LeaderEpoch: -1, Replicas: p.ReplicaNodes, ISR: p.IsrNodes,
			Offline: p.OfflineReplicas, Err: protocol.Code(p.ErrorCode)}
		if version >= 7 {
			q.LeaderEpoch = p.LeaderEpoch
		}
		if old != nil && old.ID == t.ID && int(q.Index) < len(old.Partitions) && q.LeaderEpoch >= 0 && old.Partitions[q.Index].LeaderEpoch > q.LeaderEpoch {
			q = old.Partitions[q.Index] // the answer is older than what is known
		}
		t.Partitions[q.Index] = q
	}
	return t
}

// publish makes s the present picture.
func (c *Core) publish(s cluster.Snapshot, out *Effects) {
	s.Version = c.snap.Version + 1
	c.snap = cluster.New(s)
	out.Publish = c.snap
	c.reconcile(out)
	for _, p := range c.peers {
		if p.suspect {
			out.Moved = append(out.Moved, p.ID)
		}
	}
}

// reconcile makes the peers those of the snapshot. Bootstrap addresses are no longer needed once nodes are known.
func (c *Core) reconcile(out *Effects) {
	var peers []*peer
	for _, n := range c.snap.Nodes {
		p := c.peer(n.ID)
		switch {
		case p == nil:
			p = &peer{Node: n}
		case p.Host != n.Host || p.Port != n.Port: // it has moved: connections to the old address are of no use
			out.Gone = append(out.Gone, p.ID)
			p = &peer{Node: n}
		default:
			p.Rack = n.Rack
		}
		peers = append(peers, p)
	}
	for _, p := range c.peers {
		if _, still := c.snap.Node(p.ID); !still {
			out.Gone = append(out.Gone, p.ID)
		}
	}
	c.peers = peers
}

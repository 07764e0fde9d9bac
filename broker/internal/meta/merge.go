package meta

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

// merge makes the next snapshot of an answer and of what was known. Topics that the answer does not speak of stay as they are; if nothing is different, so does the snapshot.
func (c *Core) merge(now time.Time, m *msg.MetadataResponse, version int16, out *Effects) {
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
	slices.SortFunc(s.Nodes, func(a, b cluster.Node) int { return int(a.ID) - int(b.ID) })
	if len(s.Nodes) >= c.most || now.Sub(c.mostAt) >= c.cfg.MaxAge {
		c.most, c.mostAt = len(s.Nodes), now
	}
	var changed []*cluster.Topic
	told := make(map[string]struct{}, len(m.Topics))
	for k := range m.Topics {
		in := &m.Topics[k]
		if in.Name == nil {
			continue
		}
		i := c.topics[*in.Name]
		if _, twice := told[*in.Name]; i == nil || twice {
			continue
		}
		told[i.name] = struct{}{}
		t, doubt := c.judge(now, i, in, version)
		if t != nil && t != c.snap.Topic(i.name) {
			changed = append(changed, t)
		}
		if !doubt {
			i.doubts = 0
		} else {
			c.refresh.askFor(now.Add(min(c.cfg.BackoffFirst<<min(i.doubts, 10), c.cfg.BackoffMax)), i.name)
			i.doubts++
		}
	}
	if len(changed) == 0 && s.Controller == c.snap.Controller && s.ClusterID == c.snap.ClusterID && slices.Equal(s.Nodes, c.snap.Nodes) {
		c.reconcile(out)
		return
	}
	next := c.snap.With(changed, nil)
	next.Controller, next.ClusterID, next.Nodes = s.Controller, s.ClusterID, s.Nodes
	c.publish(next, out)
}

// publish makes s, which nobody has seen yet, the present picture.
func (c *Core) publish(s *cluster.Snapshot, out *Effects) {
	s.Version = c.snap.Version + 1
	c.snap = s
	out.Publish = s
	c.reconcile(out)
	for _, p := range c.peers {
		if p.suspect {
			out.Moved = append(out.Moved, p.ID)
		}
	}
}

// hint takes over a leader learnt from an answer (KIP-951), if it is newer than what is known, and of the topic's present life.
func (c *Core) hint(m *Hint, out *Effects) {
	t := c.snap.Topic(m.Topic)
	if t == nil || m.Partition < 0 || int(m.Partition) >= len(t.Partitions) || m.Epoch <= t.Partitions[m.Partition].LeaderEpoch || m.Leader < 0 {
		return
	}
	if m.TopicID != (cluster.Topic{}).ID && t.ID != (cluster.Topic{}).ID && m.TopicID != t.ID {
		return
	}
	nodes := c.snap.Nodes
	known := func(id int32) bool {
		return slices.ContainsFunc(nodes, func(n cluster.Node) bool { return n.ID == id })
	}
	if m.Node != nil && !known(m.Node.ID) {
		nodes = append(slices.Clone(nodes), *m.Node)
		slices.SortFunc(nodes, func(a, b cluster.Node) int { return int(a.ID) - int(b.ID) })
	}
	if !known(m.Leader) {
		return
	}
	changed := *t
	changed.Partitions = slices.Clone(t.Partitions)
	changed.Partitions[m.Partition].Leader, changed.Partitions[m.Partition].LeaderEpoch = m.Leader, m.Epoch
	next := c.snap.With([]*cluster.Topic{&changed}, nil)
	next.Nodes = nodes
	c.publish(next, out)
}

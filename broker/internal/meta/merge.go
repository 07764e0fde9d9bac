package meta

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/trouble"
)

// answer is one that is being taken.
type answer struct {
	ask     uint64
	peer    int32 // who gives it
	resp    *msg.MetadataResponse
	version int16
	ids     []int32 // of the brokers that it lists, in order; not if it is late
	late    bool    // somebody else was asked meanwhile: it may know less, and only what it tells of topics counts
}

// lists tells whether the answer lists exactly these brokers, given by id. Lists that are the same are one (Core.listed), so that it is a matter of a moment.
func (a *answer) lists(ids []int32) bool {
	return len(a.ids) == len(ids) && (len(ids) == 0 || &a.ids[0] == &ids[0] || slices.Equal(a.ids, ids))
}

// merge makes the next snapshot of an answer and of what was known. Topics that the answer does not speak of stay as they are; if nothing is different, so does the snapshot.
func (c *Core) merge(now time.Time, a *answer, out *Effects) {
	s := c.snap
	if !a.late {
		s = nodes(a)
		c.list(a, s)
		if len(s.Nodes) >= c.most || now.Sub(c.mostAt) >= c.cfg.MaxAge {
			c.most, c.mostAt = len(s.Nodes), now
		}
	}
	changed := c.judgeAll(now, a)
	if s.Controller != c.snap.Controller || s.ClusterID != c.snap.ClusterID || !slices.Equal(s.Nodes, c.snap.Nodes) {
		c.refresh.waits.count = 0
	} else if len(changed) == 0 {
		c.reconcile(out)
		return
	}
	next := c.snap.With(changed, nil)
	next.Controller, next.ClusterID, next.Nodes = s.Controller, s.ClusterID, s.Nodes
	c.publish(next, out)
}

// list notes which brokers an answer lists.
func (c *Core) list(a *answer, s *cluster.Snapshot) {
	same := slices.EqualFunc(c.listed, s.Nodes, func(id int32, n cluster.Node) bool { return id == n.ID })
	if !same {
		c.listed = make([]int32, len(s.Nodes))
		for i := range s.Nodes {
			c.listed[i] = s.Nodes[i].ID
		}
	}
	a.ids = c.listed
}

// nodes are those of an answer, and what else it tells of the cluster.
func nodes(a *answer) *cluster.Snapshot {
	m := a.resp
	s := &cluster.Snapshot{Controller: cluster.NoNode}
	if a.version >= 1 {
		s.Controller = node(m.ControllerID)
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
	return s
}

// judgeAll makes of what an answer tells of topics those that are different now.
func (c *Core) judgeAll(now time.Time, a *answer) (changed []*cluster.Topic) {
	c.merged++
	churns := false
	for k := range a.resp.Topics {
		in := &a.resp.Topics[k]
		if in.Name == nil {
			continue
		}
		i := c.topics[*in.Name]
		if i == nil || i.merged == c.merged || a.late && a.ask <= i.told {
			continue
		}
		i.merged = c.merged
		i.told, i.toldAt = a.ask, now
		i.churns = false
		t, doubt := c.judge(now, i, in, a)
		churns = churns || i.churns
		if t != nil && t != c.snap.Topic(i.name) {
			changed = append(changed, t)
			i.waits.count = 0
		}
		if !doubt {
			i.doubts = 0
		} else {
			c.refresh.askFor(now.Add(c.backoff(i.doubts+1)), i, a.ask+1)
			i.doubts++
		}
	}
	if !a.late {
		c.churns(now, churns)
	}
	return changed
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

// hint takes over a leader learnt from an answer (KIP-951), if it is newer than what is known, and of the topic's present life. One that is far ahead is not believed: metadata will tell. And of one partition only so many are
// taken until metadata says the same: each makes another picture of the cluster, and sends everybody elsewhere.
func (c *Core) hint(now time.Time, m *Hint, out *Effects) {
	t := c.snap.Topic(m.Topic)
	if t == nil || m.Partition < 0 || int(m.Partition) >= len(t.Partitions) || m.Leader < 0 {
		return
	}
	if known := t.Partitions[m.Partition].LeaderEpoch; m.Epoch <= known || far(max(known, 0), m.Epoch) {
		return
	}
	if m.TopicID != (cluster.Topic{}).ID && t.ID != (cluster.Topic{}).ID && m.TopicID != t.ID {
		return
	}
	nodes := c.snap.Nodes
	known := func(id int32) bool {
		return slices.ContainsFunc(nodes, func(n cluster.Node) bool { return n.ID == id })
	}
	if m.Node != nil && !known(m.Node.ID) && reachable(m.Node.ID, m.Node.Host, m.Node.Port) {
		nodes = append(slices.Clone(nodes), *m.Node)
		slices.SortFunc(nodes, func(a, b cluster.Node) int { return int(a.ID) - int(b.ID) })
	}
	if !known(m.Leader) || !c.takes(now, m) {
		return
	}
	changed := *t
	changed.Partitions = slices.Clone(t.Partitions)
	changed.Partitions[m.Partition].Leader, changed.Partitions[m.Partition].LeaderEpoch = m.Leader, m.Epoch
	next := c.snap.With([]*cluster.Topic{&changed}, nil)
	next.Nodes = nodes
	c.publish(next, out)
}

// takes tells whether a hint may be taken now, and counts it.
func (c *Core) takes(now time.Time, m *Hint) bool {
	i := c.topics[m.Topic]
	if i == nil {
		return true // it will be asked for no more
	}
	if i.hints == nil {
		i.hints = map[int32]*trouble.Pace{}
	}
	p := i.hints[m.Partition]
	if p == nil {
		p = &trouble.Pace{}
		i.hints[m.Partition] = p
	}
	if _, waits := p.Waits(now); waits {
		return false
	}
	p.Vain(now, c.retry())
	return true
}

package meta

import (
	"cmp"
	"maps"
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
	asking  int     // how many can be asked, or could be lately
	late    bool    // somebody else was asked meanwhile: it may know less, and only what it tells of topics counts
}

// lists tells whether the answer lists exactly these brokers, given by id. Lists that are the same are one (Core.listed), so that it is a matter of a moment.
func (a *answer) lists(ids []int32) bool {
	return len(a.ids) == len(ids) && (len(ids) == 0 || &a.ids[0] == &ids[0] || slices.Equal(a.ids, ids))
}

// merging is an answer that is being taken: a piece with each step, because it may tell of a million partitions. Between two of them the actor does what else there is to do, and each makes a snapshot of its own.
type merging struct {
	answer
	next   int       // topic of the answer
	sift   *sifting  // the one that is begun with; nil: none is
	churns bool      // so far
	behind []Message // what would have to do with what is being taken
}

// pieceWork is how much of an answer is taken in one step: so many partitions, which is a matter of a few milliseconds. A topic is as much as topicWork of them.
const (
	pieceWork = 20_000
	topicWork = 10
)

// merge begins with an answer. It makes the next snapshot of it and of what was known: topics that it does not speak of stay as they are; if nothing is different, so does the snapshot.
func (c *Core) merge(now time.Time, a *answer, out *Effects) {
	c.merged++
	c.merging = &merging{answer: *a}
	a = &c.merging.answer
	s := c.snap
	if !a.late {
		s = nodes(a)
		c.list(a, s)
		a.asking = c.asking(now)
		c.recognize(s.ClusterID, out)
		if len(s.Nodes) >= c.most || now.Sub(c.mostAt) >= c.cfg.MaxAge {
			c.most, c.mostAt = len(s.Nodes), now
		}
	}
	news := s.Controller != c.snap.Controller || s.ClusterID != c.snap.ClusterID || !slices.Equal(s.Nodes, c.snap.Nodes)
	if news {
		c.refresh.waits.count = 0
	}
	c.piece(now, func(changed []*cluster.Topic) {
		if !news && len(changed) == 0 {
			c.reconcile(out)
			return
		}
		next := c.snap.With(changed, nil)
		next.Controller, next.ClusterID, next.Nodes = s.Controller, s.ClusterID, s.Nodes
		c.publish(next, out)
	}, out)
}

// recognize notes which cluster an answer is of. One of another may mean that a name, or an address, was given to somebody else: what is known is replaced by what that tells, and who reads or writes there should know.
func (c *Core) recognize(id string, out *Effects) {
	switch c.clusterID {
	case id:
		return
	case "":
	default:
		if id == "" {
			return
		}
		out.Strange = &Strange{Was: c.clusterID, Is: id}
	}
	c.clusterID = id
}

// more goes on with an answer.
func (c *Core) more(now time.Time, out *Effects) {
	if c.merging == nil {
		return // nobody wants to know any more
	}
	c.piece(now, func(changed []*cluster.Topic) {
		if len(changed) > 0 {
			c.publish(c.snap.With(changed, nil), out)
		}
	}, out)
}

// piece takes a piece of an answer, and what has waited for its end.
func (c *Core) piece(now time.Time, take func([]*cluster.Topic), out *Effects) {
	g := c.merging
	changed, done := c.judgeAll(now, g)
	take(changed)
	if !done {
		out.More = true
		return
	}
	c.merging = nil
	if !g.late {
		c.churns(now, g.churns)
	}
	c.taken(now, &g.answer, out)
	for i, m := range g.behind {
		if c.merging != nil {
			c.merging.behind = append(c.merging.behind, g.behind[i:]...)
			return
		}
		c.news(now, m, out)
	}
}

// news takes what changes the picture, or lets it wait for its turn.
func (c *Core) news(now time.Time, m Message, out *Effects) {
	if c.merging != nil {
		c.merging.behind = append(c.merging.behind, m)
		return
	}
	switch m := m.(type) {
	case *Metadata:
		c.metadata(now, m, out)
	case Hints:
		c.hints(now, m, out)
	}
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

// judgeAll makes of what an answer tells of topics those that are different now, as far as the work of the step allows. done: that was all.
func (c *Core) judgeAll(now time.Time, g *merging) (changed []*cluster.Topic, done bool) {
	for {
		if g.sift == nil && !c.judgeNext(now, g) {
			return changed, true
		}
		if !c.sift(now, g.sift, &g.answer) {
			return changed, false
		}
		s := g.sift
		if g.sift = nil; c.topics[s.i.name] != s.i {
			continue // nobody is interested any more
		}
		g.churns = g.churns || s.i.churns
		if s.t != nil && s.t != c.snap.Topic(s.i.name) {
			changed = append(changed, s.t)
			s.i.waits.count = 0
		}
		if !s.doubt {
			s.i.doubts = 0
		} else {
			c.refresh.askFor(now.Add(c.backoff(s.i.doubts+1)), s.i, g.ask+1)
			s.i.doubts++
		}
	}
}

// judgeNext begins with the next topic of an answer that somebody is interested in; false: there is none.
func (c *Core) judgeNext(now time.Time, g *merging) bool {
	for g.next < len(g.resp.Topics) {
		in := &g.resp.Topics[g.next]
		g.next++
		if in.Name == nil {
			continue
		}
		i := c.topics[*in.Name]
		if i == nil || i.merged == c.merged || g.late && g.ask <= i.told {
			continue
		}
		c.work -= topicWork
		i.merged = c.merged
		i.told, i.toldAt = g.ask, now
		i.churns = false
		g.sift = c.judge(now, i, in, &g.answer)
		return true
	}
	return false
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

// hints takes over leaders learnt from an answer (KIP-951) that are newer than what is known, and of their topics' present lives. One that is far ahead is not believed: metadata will tell. And of one partition only so many are taken
// until metadata says the same: they make another picture of the cluster, and send everybody elsewhere. All hints of an answer make one picture.
func (c *Core) hints(now time.Time, m Hints, out *Effects) {
	var more []cluster.Node // brokers that nobody has told of before
	known := make(map[int32]bool, len(c.snap.Nodes))
	for _, n := range c.snap.Nodes {
		known[n.ID] = true
	}
	changed := map[string]*cluster.Topic{}
	for i := range m {
		h := &m[i]
		t := changed[h.Topic]
		if t == nil {
			t = c.snap.Topic(h.Topic)
		}
		if !hintFits(t, h) {
			continue
		}
		met := h.Node != nil && h.Node.ID == h.Leader && reachable(h.Node.ID, h.Node.Host, h.Node.Port) && len(c.snap.Nodes)+len(more) < c.mostBrokers()
		if !known[h.Leader] && !met || !c.takes(now, h) {
			continue
		}
		if !known[h.Leader] {
			more = append(more, *h.Node)
			known[h.Leader] = true
		}
		if changed[h.Topic] == nil {
			next := *t
			next.Partitions = slices.Clone(t.Partitions)
			changed[h.Topic], t = &next, &next
		}
		t.Partitions[h.Partition].Leader, t.Partitions[h.Partition].LeaderEpoch = h.Leader, h.Epoch
	}
	if len(changed) == 0 {
		return
	}
	next := c.snap.With(slices.SortedFunc(maps.Values(changed), func(a, b *cluster.Topic) int { return cmp.Compare(a.Name, b.Name) }), nil)
	if len(more) > 0 {
		next.Nodes = append(more, c.snap.Nodes...)
		slices.SortFunc(next.Nodes, func(a, b cluster.Node) int { return cmp.Compare(a.ID, b.ID) })
	}
	c.publish(next, out)
}

// hintFits tells whether a hint is about a partition that there is, and newer than what is known of it.
func hintFits(t *cluster.Topic, h *Hint) bool {
	if t == nil || h.Partition < 0 || int(h.Partition) >= len(t.Partitions) || h.Leader < 0 {
		return false
	}
	if known := t.Partitions[h.Partition].LeaderEpoch; h.Epoch <= known || far(max(known, 0), h.Epoch) {
		return false
	}
	return h.TopicID == (cluster.Topic{}).ID || t.ID == (cluster.Topic{}).ID || h.TopicID == t.ID
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

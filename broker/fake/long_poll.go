package fake

import "time"

// longPoll is a fetch that waits for data.
type longPoll struct {
	conn    ConnID
	until   time.Time
	try     func(final bool) bool
	session *session
	parts   []*partition // that it waits for
	seen    uint64       // what there was when it was tried last
}

// wait keeps a fetch that has no answer yet.
func (c *Cluster) wait(w *longPoll, parts []*fetching) {
	for _, f := range parts {
		t := c.topic(f.name)
		if t == nil {
			t = c.topicByID(f.id)
		}
		if t != nil && f.req.Partition >= 0 && int(f.req.Partition) < len(t.partitions) {
			w.parts = append(w.parts, t.partitions[f.req.Partition])
		}
	}
	w.seen = c.concerning(w)
	c.waiting = append(c.waiting, w)
}

// concerning grows with everything that can let a fetch have its answer: changes of the cluster, of the partitions, and of what its session fetches.
func (c *Cluster) concerning(w *longPoll) uint64 {
	sum := c.changes
	for _, p := range w.parts {
		sum += p.changes
	}
	if w.session != nil {
		sum += uint64(w.session.epoch)
	}
	return sum
}

// audit sees to it that no fetch is passed over that would have its answer. Tests set it.
var audit bool

// wakeFetches answers the fetches that have waited long enough, or for which there is something now. Those that nothing has changed for are not looked at: with hundreds of consumers that would be most of the work.
func (c *Cluster) wakeFetches() {
	waiting := c.waiting
	c.waiting = nil
	for _, w := range waiting {
		k := c.conns[w.conn]
		if k == nil {
			continue
		}
		if k.node.paused {
			c.waiting = append(c.waiting, w)
			continue
		}
		final, now := !c.now.Before(w.until), c.concerning(w)
		if !final && now == w.seen {
			if audit && w.try(false) {
				panic("fake: a fetch had an answer, and nothing seemed to have changed for it")
			}
			c.waiting = append(c.waiting, w)
			continue
		}
		w.seen = now
		if !w.try(final) {
			c.waiting = append(c.waiting, w)
		}
	}
}

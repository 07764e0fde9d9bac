package drain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/wire"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// drive sends what can be sent.
func (c *Core) drive(now time.Time, out *Effects) {
	c.nextAt = time.Time{}
	if !c.over {
		c.expire(now, out)
		for more := true; more; {
			c.cutDue(now, out)
			more = c.sendAll(now, out)
		}
	}
	c.finish(now, out)
}

func (c *Core) at(t time.Time) {
	if c.nextAt.IsZero() || t.Before(c.nextAt) {
		c.nextAt = t
	}
}

// cutDue closes open batches that have lingered, or that need not, because nothing is under way to their broker. While the window of a broker is full, or others of the partition go first, they stay
// open: they could not be sent, but they can grow. Otherwise what comes while a leader is away waits in as many batches as callers came, and where answers take long each of them takes as long as one that is full: the
// delay would stay when the leader is back, and add up.
func (c *Core) cutDue(now time.Time, out *Effects) {
	for _, l := range c.lines {
		if len(l.opens) > 0 && l.flight < c.cfg.Window {
			c.cutLine(now, l, out)
		}
	}
}

func (c *Core) cutLine(now time.Time, l *line, out *Effects) {
	all := len(c.closers) > 0 || len(c.flushs) > 0
	idle := c.cfg.Adaptive && l.node >= 0 && l.flight == 0
	kept := l.opens[:0]
	for i, o := range l.opens {
		p, due := o.p, o.at.Add(c.cfg.Linger)
		switch {
		case p.home != l || p.open != o.at: // out of date
		case !all && len(p.queue) > 0 && !now.Before(due) && now.Before(o.at.Add(c.cfg.Grow)):
			c.at(o.at.Add(c.cfg.Grow))
			kept = append(kept, o)
		case all || !now.Before(due) || idle && len(p.queue) == 0 && len(p.flight) == 0:
			c.cut(p, out)
		case idle:
			c.at(due)
			kept = append(kept, o)
		default: // those behind it are due later
			c.at(due)
			l.opens = append(kept, l.opens[i:]...)
			return
		}
	}
	l.opens = kept
}

// verdict of sendable.
type verdict uint8

const (
	send verdict = iota
	wait         // look again
	drop         // something must happen to the partition first: it is activated then
)

// sendable tells whether the first batch of a partition may go now.
func (c *Core) sendable(now time.Time, p *part, out *Effects) verdict {
	if len(p.queue) == 0 || p.queue[0].Packing || len(p.flight) >= c.cfg.Window {
		return drop
	}
	if p.settling {
		if len(p.flight) > 0 {
			return drop
		}
		if now.Before(p.retryAt) {
			c.at(p.retryAt)
			return wait
		}
	}
	if until, rests := c.rests(now, p); rests && len(p.flight) == 0 {
		c.at(until)
		return wait
	}
	if len(p.flight) > 0 && p.home.node != p.node { // to two brokers at once there is no order; the cluster actor fetches back what a silent one has
		return drop
	}
	return c.ids.may(now, p, out)
}

// sendAll fills the windows of all brokers. more: an open batch has waited for what was sent, or given up.
func (c *Core) sendAll(now time.Time, out *Effects) (more bool) {
	c.more = false
	for _, l := range c.lines {
		for len(l.active) > 0 && l.flight < c.cfg.Window && c.send(now, l, out) {
		}
	}
	c.ids.ask(now, out)
	return c.more
}

// leaderless waits for a leader, unless there is no such partition any more.
func (c *Core) leaderless(now time.Time, p *part, out *Effects) verdict {
	none := wire.UUID{}
	if t := c.snap.Topic(p.to.Topic); t != nil && t.Err == protocol.None && t.ID != none && p.there != none && t.ID != p.there && int(p.to.Partition) >= len(t.Partitions) {
		c.vanished(p, t, out)
		return drop
	}
	p.settling = true
	p.retryAt = now.Add(c.cfg.BackoffMax)
	c.at(p.retryAt)
	p.queue[0].LastErr = protocol.LeaderNotAvailable
	if t := c.snap.Topic(p.to.Topic); t != nil && t.Err != protocol.None {
		p.queue[0].LastErr = t.Err
	}
	out.Refresh = append(out.Refresh, Refresh{p.to.Topic, cluster.NoNode, "a partition has no leader"})
	return wait
}

// vanished ends what waits for a partition that is no more: the topic was created again, with fewer. (A topic cannot lose partitions: one that seems to have, under its old id or where topics have none, is told of by who has not heard of them.)
func (c *Core) vanished(p *part, t *cluster.Topic, out *Effects) {
	for len(p.queue) > 0 {
		b := p.pop()
		err := fmt.Errorf("%w: the topic was created again, with %d partitions", protocol.UnknownTopicOrPartition, len(t.Partitions))
		if b.Maybe {
			err = fmt.Errorf("%w: %w", ErrUncertain, err)
		}
		c.settle(b, -1, -1, err, out)
	}
}

// send makes one request for a broker: the first batch of each partition it leads, as many as fit. Who was sent comes behind those who were not. It returns false if
// there is nothing to send.
func (c *Core) send(now time.Time, l *line, out *Effects) bool {
	var r *Request
	size, topics := 0, 0
	kept, behind := l.active[:0], c.behind[:0]
	for i, p := range l.active {
		may := c.sendable(now, p, out)
		if may == send && l.node < 0 {
			may = c.leaderless(now, p, out)
		}
		switch may {
		case drop:
			p.listed = false
			c.more = c.more || len(p.queue) == 0 && !p.open.IsZero() // what was before the open batch may just have been given up
			continue
		case wait:
			kept = append(kept, p)
			continue
		}
		b := p.queue[0]
		if size += b.Size(); size > c.cfg.MaxRequest && r != nil {
			kept = append(kept, l.active[i:]...)
			break
		}
		if r == nil {
			r = &Request{Node: l.node, Deadline: now.Add(c.cfg.RequestTimeout), Timeout: c.cfg.RequestTimeout}
		}
		p.pop()
		c.ids.going(now, p, b)
		p.settling, p.counted, p.eased, p.retryAt = false, false, false, time.Time{}
		p.flight = append(p.flight, b)
		p.node, b.TopicID = l.node, p.topic
		b.Attempts++
		b.OnWire++
		b.Flying = true
		if n := len(r.Batches); n > 0 && r.Batches[n-1].To.Topic != b.To.Topic {
			topics++
		}
		r.Batches = append(r.Batches, b)
		c.prove(p, b, r)
		if p.listed = len(p.queue) > 0; p.listed {
			behind = append(behind, p)
		} else if !p.open.IsZero() && !now.Before(p.open.Add(c.cfg.Linger)) {
			c.more = true
		}
	}
	l.active = append(kept, behind...)
	clear(behind)
	c.behind = behind[:0]
	if r == nil {
		return false
	}
	if topics > 0 { // each topic is mentioned once
		slices.SortStableFunc(r.Batches, func(a, b *batch.Batch) int { return strings.Compare(a.To.Topic, b.To.Topic) })
	}
	l.flight++
	out.Send = append(out.Send, r)
	return true
}

// expire ends batches whose time is over.
func (c *Core) expire(now time.Time, out *Effects) {
	if c.due.IsZero() {
		return
	}
	if !now.Before(c.due) {
		c.due = time.Time{}
		for _, p := range c.parts {
			c.expirePart(now, p, out)
		}
	}
	if !c.due.IsZero() {
		c.at(c.due)
	}
}

func (c *Core) expirePart(now time.Time, p *part, out *Effects) {
	lives := func(b *batch.Batch) bool {
		if !now.Before(b.Deadline) {
			return false
		}
		if c.due.IsZero() || b.Deadline.Before(c.due) {
			c.due = b.Deadline
		}
		return true
	}
	for len(p.queue) > 0 && !lives(p.queue[0]) {
		b := p.pop()
		c.settle(b, -1, -1, c.late(now, b), out)
		c.activate(p)
	}
	for _, b := range p.flight { // its records are told now; its place in the order stays until the answer
		if !b.Settled && !lives(b) {
			b.Maybe = true
			c.settle(b, -1, -1, c.late(now, b), out)
		}
	}
}

func (c *Core) late(now time.Time, b *batch.Batch) error {
	err := fmt.Errorf("%w after %s, %d tries", ErrTimeout, now.Sub(b.Created).Round(time.Millisecond), b.Attempts)
	if b.LastErr != nil {
		err = fmt.Errorf("%w: %w", err, b.LastErr)
	}
	if b.Maybe {
		return fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	return err
}

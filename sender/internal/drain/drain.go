// Package drain is the pure core of the sender: which batches go where and when, and what becomes of them.
//
//	batches of a partition: queue (in order) --> in flight (up to the window) --> settled
//	                          ^                       |
//	                          +-- in their old order -+   after a failure, when nothing of the partition is in flight
//
// It takes and gives what is in messages.go, and owns: queues, windows and expiry (send.go), outcomes (answer.go, by the table in codes.go), retries, back-off and splitting (repeat.go), the
// time that leaders are given (proof.go), the pace of who gets no further (pace.go), and the producer's identity (numbers.go: what that is; idempotent.go).
//
// Order: a partition that had a failure sends nothing until everything it has in flight has come back; then all of it goes again in the old order.
// With idempotence a broker refuses what would be out of order, so five requests may be in flight; but only where it knows the producer.
//
// Outcomes: a batch is acknowledged, rejected (it is provably not in the log) or uncertain (it may be). A batch that may have been written keeps its
// sequence, so that a repetition of it is recognized.
package drain

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/trouble"
	"github.com/kactor-go/kactor/protocol/wire"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// Reasons why records end; the sender gives them names users see.
var (
	ErrTimeout   = errors.New("delivery time-out")
	ErrUncertain = errors.New("the record may have been written")
	ErrClosed    = errors.New("producer closed")
	ErrIdentity  = errors.New("the broker gives no producer id, and no error")
)

// Config of the core.
type Config struct {
	Acks           int16
	Idempotent     bool
	Required       bool // without an id nothing is written
	Window         int  // requests in flight for each broker
	MaxRequest     int
	RequestTimeout time.Duration
	Linger         time.Duration
	Grow           time.Duration // an open batch that could not be sent stays open so long at most: the time of its records is over with that of its first
	Adaptive       bool          // nothing waits while the line is idle
	Retries        int
	BackoffFirst   time.Duration
	BackoffMax     time.Duration
	Compress       bool
}

// Source cuts open batches: the buffer that callers fill.
type Source interface {
	// Cut closes the open batch of a partition and appends all that are closed.
	Cut(to cluster.TopicPartition, closed []*batch.Batch) []*batch.Batch
}

// part is one partition.
type part struct {
	to       cluster.TopicPartition
	queue    []*batch.Batch // in order
	flight   []*batch.Batch // in order
	open     time.Time      // when the open batch began; zero: there is none
	home     *line          // of its leader
	led      int32          // epoch of its leader; -1: not known
	topic    wire.UUID      // id of its topic; zero: not known
	there    wire.UUID      // id of the topic that had it last: what is queued is for that one
	listed   bool           // it is among home's active ones
	settling bool           // something failed: wait until nothing is in flight
	counted  bool           // that is among failures
	node     int32          // to which flight is under way
	failures int            // one after the other; what was in flight at one of them fails with it
	retryAt  time.Time
	vain     bool         // it gets no further: nothing of it was taken since something came back
	pace     trouble.Pace // of its requests, while it gets no further
	eased    bool         // another leads it now, which is asked once whatever the pace
	proofs   int          // how often its leader, which is new, is still given little time; see proof.go
	seq      sequence     // of its numbers
}

// pop takes the first batch out of the queue.
func (p *part) pop() *batch.Batch {
	b := p.queue[0]
	p.queue = slices.Delete(p.queue, 0, 1)
	return b
}

// of is the partition of a batch.
func of(b *batch.Batch) *part { return b.Owner.(*part) }

// line is what is to be sent to one broker, and under way to it. The line of cluster.NoNode has what nobody leads.
type line struct {
	node   int32
	flight int
	active []*part      // that may have something to send; who comes first is sent first
	opens  []opening    // by time
	moved  bool         // scratch of changed: a partition has left it, or come to it
	pace   trouble.Pace // of requests for partitions that get no further
	spared int          // of those in flight, such as fail with one that has failed before
}

// opening is an open batch. It is out of date when its partition has cut it, or has moved.
type opening struct {
	p  *part
	at time.Time
}

type flush struct {
	owner any
	upTo  uint64
	left  int
}

// Core is the state of the sender.
type Core struct {
	cfg     Config
	source  Source
	snap    *cluster.Snapshot
	parts   []*part // in the order they were met
	index   map[cluster.TopicPartition]*part
	topics  map[string][]*part // the same, by topic
	lines   []*line            // in the order they were met
	byNode  map[int32]*line
	ids     numbers
	serial  uint64
	alive   int            // batches not settled
	due     time.Time      // no batch is to expire before; zero: there is none
	behind  []*part        // scratch of send
	more    bool           // result of sendAll
	cuts    []*batch.Batch // scratch of cut
	found   []found        // scratch of answer
	sorted  bool           // it is not in the order of the answer any more
	asked   time.Time      // scratch of answer: when it was asked
	taken   bool           // scratch of answer: something is in the log
	vain    bool           // scratch of answer: something goes again
	flushs  []flush
	closers []any // who closes it
	closeBy time.Time
	over    bool
	nextAt  time.Time
}

// gap is the room between the serials of two batches, for the parts that they may be split into.
const gap = 1 << 32

// New makes the core.
func New(cfg Config, source Source, snap *cluster.Snapshot) *Core {
	c := &Core{cfg: cfg, source: source, snap: snap, index: map[cluster.TopicPartition]*part{}, topics: map[string][]*part{}, byNode: map[int32]*line{}}
	c.ids = plain{c}
	if cfg.Idempotent {
		c.ids = &idempotent{c: c}
	}
	return c
}

func (c *Core) part(to cluster.TopicPartition) *part {
	p := c.index[to]
	if p == nil {
		p = &part{to: to}
		p.home = c.line(c.look(p))
		c.index[to] = p
		c.parts = append(c.parts, p)
		c.topics[to.Topic] = append(c.topics[to.Topic], p)
	}
	return p
}

// look notes what the picture of the cluster says of a partition, and gives its leader, or cluster.NoNode.
func (c *Core) look(p *part) int32 {
	p.topic, p.led = wire.UUID{}, -1
	t := c.snap.Topic(p.to.Topic)
	if t == nil {
		return cluster.NoNode
	}
	p.topic = t.ID
	if int(p.to.Partition) < len(t.Partitions) {
		p.there = t.ID
	}
	node, epoch := c.snap.Leader(p.to.Topic, p.to.Partition)
	p.led = epoch
	return max(node, cluster.NoNode)
}

func (c *Core) line(node int32) *line {
	l := c.byNode[node]
	if l == nil {
		l = &line{node: node}
		c.lines, c.byNode[node] = append(c.lines, l), l
	}
	return l
}

// Step takes one message.
func (c *Core) Step(now time.Time, m Message, out *Effects) {
	switch m := m.(type) {
	case *Wake:
		for i := range m.Ready {
			c.ready(&m.Ready[i], out)
		}
		if c.over { // a caller was on its way when the producer closed
			c.cutAll(out)
		}
	case *Changed:
		c.changed(now, m.Snapshot)
	case *Packed:
		c.packed(m, out)
	case *Answer:
		c.answer(now, m, out)
	case *Released:
		for _, b := range m.Request.Batches {
			b.OnWire--
			c.free(b, out)
		}
	case *Identity:
		c.ids.told(now, m, out)
	case *Flush:
		c.cutAll(out)
		c.flushs = append(c.flushs, flush{m.Owner, c.serial + gap - 1, c.alive})
	case *Close:
		if c.over {
			out.Closed = append(out.Closed, m.Owner)
			break
		}
		if len(c.closers) == 0 || m.Deadline.Before(c.closeBy) { // who closes it, too, may not wait as long
			c.closeBy = m.Deadline
		}
		c.closers = append(c.closers, m.Owner)
		c.cutAll(out)
	}
	c.drive(now, out)
}

// Tick looks at the deadlines.
func (c *Core) Tick(now time.Time, out *Effects) { c.drive(now, out) }

func (c *Core) ready(r *Ready, out *Effects) {
	p := c.part(r.To)
	c.accept(p, r.Closed, out)
	if p.open = r.Open; !p.open.IsZero() {
		l := p.home
		if len(l.opens) > 64 && len(l.opens) > 2*len(c.parts) { // most of them are out of date
			l.opens = slices.DeleteFunc(l.opens, func(o opening) bool { return o.p.home != l || o.p.open != o.at })
		}
		l.opens = append(l.opens, opening{p, p.open})
	}
}

// accept takes over batches that are closed.
func (c *Core) accept(p *part, closed []*batch.Batch, out *Effects) {
	for _, b := range closed {
		c.serial += gap
		b.Serial, b.Gap, b.Owner = c.serial, gap, p
		c.alive++
		if c.due.IsZero() || b.Deadline.Before(c.due) {
			c.due = b.Deadline
		}
		p.queue = append(p.queue, b)
		if c.cfg.Compress && !c.over {
			b.Packing = true
			out.Pack = append(out.Pack, b)
		}
	}
	c.activate(p)
}

// activate lets a partition be looked at by the next request, if it has something. It is called after everything that may have made it sendable.
func (c *Core) activate(p *part) {
	if !p.listed && len(p.queue) > 0 {
		p.listed = true
		p.home.active = append(p.home.active, p)
	}
}

// cut closes the open batch of a partition.
func (c *Core) cut(p *part, out *Effects) {
	if p.open.IsZero() {
		return
	}
	p.open = time.Time{}
	c.cuts = c.source.Cut(p.to, c.cuts[:0])
	c.accept(p, c.cuts, out)
}

func (c *Core) cutAll(out *Effects) {
	for _, p := range c.parts {
		c.cut(p, out)
	}
}

func (c *Core) packed(m *Packed, out *Effects) {
	m.Batch.Packing = false // with an error, which cannot come but by a bug, the records go uncompressed
	c.activate(of(m.Batch))
	c.free(m.Batch, out)
}

func (c *Core) changed(now time.Time, s *cluster.Snapshot) {
	if s.Version < c.snap.Version { // it comes by two ways
		return
	}
	old := c.snap
	c.snap = s
	var moved []*part
	for was, is := range s.Changes(old) { // not all: there may be thousands, each of which comes with a picture of its own
		for _, p := range c.topics[cmp.Or(was, is).Name] {
			led := p.led
			node := c.look(p)
			if node != p.home.node || p.led != led {
				p.unproven()
			}
			if node == p.home.node {
				continue
			}
			p.home.moved = true
			p.home = c.line(node)
			p.home.moved = true
			moved = append(moved, p)
			if node >= 0 { // a new leader need not wait for the back-off of the old one
				p.eased = p.vain
				if !p.retryAt.IsZero() {
					p.retryAt = now
				}
			}
		}
	}
	if len(moved) > 0 {
		c.relist(moved)
	}
	if len(c.lines) > spareLines+2*len(s.Nodes) {
		c.forgetLines()
	}
}

// spareLines are kept beside those of the brokers that there are.
const spareLines = 16

// forgetLines forgets brokers that lead nothing, and have nothing under way: where brokers get new ids there would be more and more.
func (c *Core) forgetLines() {
	used := make(map[*line]struct{}, len(c.lines))
	for _, p := range c.parts {
		used[p.home] = struct{}{}
	}
	c.lines = slices.DeleteFunc(c.lines, func(l *line) bool {
		if _, is := used[l]; is || l.flight > 0 {
			return false
		}
		delete(c.byNode, l.node)
		return true
	})
}

// relist puts partitions that have moved into the lists of their new leaders' lines.
func (c *Core) relist(moved []*part) {
	for _, l := range c.lines {
		if l.moved {
			l.active = slices.DeleteFunc(l.active, func(p *part) bool { return p.home != l })
			l.opens = slices.DeleteFunc(l.opens, func(o opening) bool { return o.p.home != l })
		}
	}
	for _, p := range moved {
		p.listed = false
		c.activate(p)
		if !p.open.IsZero() {
			p.home.opens = append(p.home.opens, opening{p, p.open})
		}
	}
	for _, l := range c.lines {
		if l.moved {
			l.moved = false
			slices.SortStableFunc(l.opens, func(a, b opening) int { return a.at.Compare(b.at) })
		}
	}
}

// settle tells the outcome of a batch, once.
func (c *Core) settle(b *batch.Batch, base, appendTime int64, err error, out *Effects) {
	if b.Settled {
		c.free(b, out)
		return
	}
	b.Settled = true
	if c.alive--; c.alive == 0 {
		c.due = time.Time{}
	}
	for i := range c.flushs {
		if b.Serial <= c.flushs[i].upTo {
			c.flushs[i].left--
		}
	}
	out.Settled = append(out.Settled, Settled{b, base, appendTime, err})
	c.free(b, out)
}

// free gives a buffer back when the batch is settled and nobody reads its bytes: neither a connection nor a compressor.
func (c *Core) free(b *batch.Batch, out *Effects) {
	if b.Settled && b.OnWire == 0 && !b.Packing && !b.Freed {
		b.Freed = true
		out.Free = append(out.Free, b)
	}
	if b.Freed && !b.Flying && !b.Gone {
		b.Gone = true
		out.Gone = append(out.Gone, b)
	}
}

// finish answers flushes and the close.
func (c *Core) finish(now time.Time, out *Effects) {
	if c.over && c.alive > 0 {
		c.abandon(ErrClosed, out)
	}
	c.flushs = slices.DeleteFunc(c.flushs, func(f flush) bool {
		if f.left <= 0 {
			out.Flushed = append(out.Flushed, f.owner)
			return true
		}
		return false
	})
	if len(c.closers) == 0 || c.over {
		return
	}
	if c.alive > 0 && now.Before(c.closeBy) {
		c.at(c.closeBy)
		return
	}
	c.abandon(ErrClosed, out)
}

// abandon settles everything that is left.
func (c *Core) abandon(err error, out *Effects) {
	c.over, c.nextAt = true, time.Time{}
	for _, p := range c.parts {
		for _, b := range p.flight {
			c.settle(b, -1, -1, fmt.Errorf("%w: %w", ErrUncertain, err), out)
		}
		for _, b := range p.queue {
			if b.Maybe {
				c.settle(b, -1, -1, fmt.Errorf("%w: %w", ErrUncertain, err), out)
			} else {
				c.settle(b, -1, -1, err, out)
			}
		}
		p.queue = nil
	}
	for _, f := range c.flushs {
		out.Flushed = append(out.Flushed, f.owner)
	}
	out.Closed = append(out.Closed, c.closers...)
	c.flushs, c.closers = nil, nil
}

// Next is the earliest deadline.
func (c *Core) Next() time.Time { return c.nextAt }

// Abort settles everything with err.
func (c *Core) Abort(err error, out *Effects) {
	c.cutAll(out)
	c.abandon(err, out)
}

// Refuse answers a message that comes after Abort.
func (c *Core) Refuse(m Message, err error, out *Effects) {
	switch m := m.(type) {
	case *Wake:
		for i := range m.Ready {
			c.ready(&m.Ready[i], out)
		}
		c.cutAll(out)
		c.abandon(err, out)
	case *Flush:
		out.Flushed = append(out.Flushed, m.Owner)
	case *Close:
		out.Closed = append(out.Closed, m.Owner)
	case *Packed:
		c.packed(m, out)
	case *Released:
		for _, b := range m.Request.Batches {
			b.OnWire--
			c.free(b, out)
		}
	}
}

// Package lanes decides which of a consumer's records are handled when several are at a time: the pure core of Consumer.Handle.
//
// Records of one lane are handled one after the other, in the order of their offsets, and lanes beside each other. A lane is a key, a partition, or a record, by [Order]. What is finished is known for each
// partition: Low is the offset below which everything was. A record may be put off until a time; its lane waits with it. How much may be added is a share of each partition's: see pool in share.go.
package lanes

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Order says which records are handled one after the other.
type Order uint8

// The orders.
const (
	ByPartition Order = iota // those of a partition
	ByKey                    // those of a partition that have the same key; records without a key are on their own
	Unordered                // none
)

// Unit is a record.
type Unit struct {
	cluster.TopicPartition
	Offset int64
	Before int32 // leader epoch of the record before; -1: not known
	Topic  wire.UUID
	Bytes  int // that it holds
	Due    time.Time
	Value  any // the caller's

	part *part
	lane *lane
	done bool
	cut  bool // it ran when the reader went back before it: whether it is done does not matter any more
}

// lane is a queue of units of which the first may be running.
type lane struct {
	part    *part
	key     string
	keyed   bool // it is in part.lanes
	queue   []*Unit
	running bool // or it ran, and what ran is undone
	at      int  // in Core.later; -1: it is not there
}

// part is a partition of which something is not finished, or of which something runs that was cut.
type part struct {
	tp      cluster.TopicPartition
	open    []*Unit // in order; the first is not done
	lanes   map[string]*lane
	all     *lane // ByPartition
	parked  []*lane
	running int
	waiting int  // units of lanes that wait for a time
	left    int  // units that are not done
	bytes   int  // of those
	counted int  // units that count for the bound
	full    bool // it was filled, and is to have room for some before it is added to again
	dropped bool
}

// Core has what was given to Add and is not finished. It is not safe for concurrent use.
type Core struct {
	order   Order
	units   pool // those that count: neither waiting for a time nor paused
	bytes   pool // of all
	divided int  // between so many partitions
	parts   map[cluster.TopicPartition]*part
	paused  map[cluster.TopicPartition]bool
	stopped map[cluster.TopicPartition]bool
	ready   []*lane
	later   heapOf
	stray   map[cluster.TopicPartition]int // units that run of what was dropped
}

// New makes a core that is full with most units or most bytes; units that wait for a time, and those of paused partitions, do not count, but their bytes do.
func New(order Order, most, bytes int) *Core {
	return &Core{order: order, units: newPool(most), bytes: newPool(bytes), divided: 1, parts: map[cluster.TopicPartition]*part{}, paused: map[cluster.TopicPartition]bool{}, stopped: map[cluster.TopicPartition]bool{}, stray: map[cluster.TopicPartition]int{}}
}

// Divide says between how many partitions the bounds are divided.
func (c *Core) Divide(parts int) {
	if parts == c.divided {
		return
	}
	c.divided = parts
	c.units.divide(parts)
	c.bytes.divide(parts)
	for _, p := range c.parts {
		c.units.change(0, p.counted)
		c.bytes.change(0, p.bytes)
	}
}

// Room is how many units more of a partition may be added, and after how many bytes no more. A partition that has nothing may always have one, unless all together have the bytes of the bound. One that was filled
// is to have room for half a share first: its reader should not come for each unit.
func (c *Core) Room(tp cluster.TopicPartition) (units, bytes int) {
	p := c.parts[tp]
	if p == nil {
		p = &part{}
	}
	units, bytes = c.units.room(p.counted), c.bytes.room(p.bytes)
	if c.bytes.used >= c.bytes.most || units == 0 || bytes == 0 || p.full && (units < c.units.share/2 || bytes < c.bytes.share/2) {
		return 0, 0
	}
	p.full = false
	return units, bytes
}

// hold notes that a partition has so many units and bytes more.
func (c *Core) hold(p *part, units, bytes int) {
	p.left += units
	c.bytes.change(p.bytes, p.bytes+bytes)
	p.bytes += bytes
	c.count(p)
}

// count counts a partition's units for the bound.
func (c *Core) count(p *part) {
	counted := p.left - p.waiting
	if c.paused[p.tp] {
		counted = 0
	}
	c.units.change(p.counted, counted)
	p.counted = counted
	if (p.counted >= c.units.share || p.bytes >= c.bytes.share) && (c.units.room(p.counted) == 0 || c.bytes.room(p.bytes) == 0) {
		p.full = true
	}
}

// Add takes a unit. Its offset is not below that of the partition's last: see Back. Units may share one, if several came of one record: below it everything is finished when all of them are.
func (c *Core) Add(u *Unit, key []byte) {
	p := c.parts[u.TopicPartition]
	if p == nil {
		p = &part{tp: u.TopicPartition, lanes: map[string]*lane{}}
		c.parts[u.TopicPartition] = p
	}
	u.part = p
	p.open = append(p.open, u)
	c.hold(p, 1, u.Bytes)
	l := c.lane(p, key)
	u.lane = l
	l.queue = append(l.queue, u)
	switch {
	case l.at >= 0:
		c.waits(p, 1)
	case len(l.queue) == 1 && !l.running:
		c.line(l)
	}
}

func (c *Core) lane(p *part, key []byte) *lane {
	switch {
	case c.order == ByPartition:
		if p.all == nil {
			p.all = &lane{part: p, at: -1}
		}
		return p.all
	case c.order == Unordered || key == nil:
		return &lane{part: p, at: -1}
	}
	l := p.lanes[string(key)]
	if l == nil {
		l = &lane{part: p, key: string(key), keyed: true, at: -1}
		p.lanes[l.key] = l
	}
	return l
}

// line puts a lane that has something where it belongs.
func (c *Core) line(l *lane) {
	switch {
	case l.part.dropped:
	case !l.queue[0].Due.IsZero():
		heap.Push(&c.later, l)
		c.waits(l.part, len(l.queue))
	case c.paused[l.part.tp]:
		l.part.parked = append(l.part.parked, l)
	default:
		c.ready = append(c.ready, l)
	}
}

// waits counts units that begin to wait for a time, or end.
func (c *Core) waits(p *part, n int) {
	p.waiting += n
	c.count(p)
}

// Ripen lets units go on whose time has come.
func (c *Core) Ripen(now time.Time) {
	for len(c.later) > 0 && !c.later[0].queue[0].Due.After(now) {
		l := heap.Pop(&c.later).(*lane)
		c.waits(l.part, -len(l.queue))
		l.queue[0].Due = time.Time{}
		c.line(l)
	}
}

// Next is when Ripen has something to do; zero: never.
func (c *Core) Next() time.Time {
	if len(c.later) == 0 {
		return time.Time{}
	}
	return c.later[0].queue[0].Due
}

// Waits tells whether a partition has units that wait for a time: there is no use in reading on.
func (c *Core) Waits(tp cluster.TopicPartition) bool {
	p := c.parts[tp]
	return p != nil && p.waiting > 0
}

// Ready is how many units could begin.
func (c *Core) Ready() int { return len(c.ready) }

// Take gives a unit to run; nil: there is none. Finish it with Done or Undone.
func (c *Core) Take(now time.Time) *Unit {
	c.Ripen(now)
	for len(c.ready) > 0 {
		l := c.ready[0]
		c.ready[0] = nil
		c.ready = c.ready[1:]
		p := l.part
		switch {
		case p.dropped || c.stopped[p.tp]:
			continue
		case c.paused[p.tp]:
			p.parked = append(p.parked, l)
			continue
		}
		u := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		l.running = true
		p.running++
		return u
	}
	return nil
}

// Done says that a unit is finished.
func (c *Core) Done(u *Unit) {
	u.done = true
	p := u.part
	if !p.dropped && !u.cut {
		c.hold(p, -1, -u.Bytes)
	}
	i := 0
	for i < len(p.open) && p.open[i].done {
		p.open[i] = nil
		i++
	}
	p.open = p.open[i:]
	l := u.lane
	l.running = false
	if len(l.queue) > 0 {
		c.line(l)
	} else if l.keyed {
		delete(p.lanes, l.key)
	}
	c.ended(p)
}

// Undone says that a unit ran and is not finished. Nothing more of its lane begins, until the partition is dropped.
func (c *Core) Undone(u *Unit) { c.ended(u.part) }

// ended counts a unit that does not run any more. A partition is kept as long as something of it runs: what comes again of a lane waits for what was cut.
func (c *Core) ended(p *part) {
	p.running--
	if !p.dropped {
		if len(p.open) == 0 && p.running == 0 {
			delete(c.parts, p.tp)
		}
		return
	}
	if c.stray[p.tp]--; c.stray[p.tp] == 0 {
		delete(c.stray, p.tp)
	}
}

// Low is the offset below which everything of a partition that was added is finished, with the leader epoch of the record before it, -1 if it is not known; ok is false if everything is.
func (c *Core) Low(tp cluster.TopicPartition) (offset int64, epoch int32, ok bool) {
	p := c.parts[tp]
	if p == nil || len(p.open) == 0 {
		return -1, -1, false
	}
	return p.open[0].Offset, p.open[0].Before, true
}

// Topic is the id of the topic that the unit at Low was read of; zero: not known.
func (c *Core) Topic(tp cluster.TopicPartition) (id wire.UUID) {
	if p := c.parts[tp]; p != nil && len(p.open) > 0 {
		id = p.open[0].Topic
	}
	return id
}

// Open gives the partitions of which something is not finished, in order.
func (c *Core) Open() []cluster.TopicPartition {
	var out []cluster.TopicPartition
	for tp, p := range c.parts {
		if len(p.open) > 0 {
			out = append(out, tp)
		}
	}
	slices.SortFunc(out, cluster.TopicPartition.Compare)
	return out
}

// Empty tells whether everything is finished.
func (c *Core) Empty() bool {
	for _, p := range c.parts {
		if len(p.open) > 0 {
			return false
		}
	}
	return true
}

// Stop lets nothing more of partitions begin, neither of what was added nor of what will be, until they are forgotten.
func (c *Core) Stop(tps ...cluster.TopicPartition) {
	for _, tp := range tps {
		c.stopped[tp] = true
	}
}

// Running is how many units of partitions run.
func (c *Core) Running(tps ...cluster.TopicPartition) (n int) {
	for _, tp := range tps {
		if p := c.parts[tp]; p != nil {
			n += p.running
		}
		n += c.stray[tp]
	}
	return n
}

// Drop forgets what was added of a partition; what runs of it is only counted by Running. It stays paused and stopped, if it is.
func (c *Core) Drop(tp cluster.TopicPartition) {
	p := c.parts[tp]
	if p == nil {
		return
	}
	c.units.change(p.counted, 0)
	c.bytes.change(p.bytes, 0)
	p.dropped = true
	if p.running > 0 {
		c.stray[tp] += p.running
	}
	if p.waiting > 0 {
		c.unlist(func(l *lane) bool { return l.part == p })
	}
	delete(c.parts, tp)
}

// unlist takes lanes out of those that wait for a time.
func (c *Core) unlist(gone func(*lane) bool) {
	c.later = slices.DeleteFunc(c.later, gone)
	for i, l := range c.later {
		l.at = i
	}
	heap.Init(&c.later)
}

// Forget drops partitions that are not the reader's any more. When one is again it is neither paused nor stopped.
func (c *Core) Forget(tps ...cluster.TopicPartition) {
	for _, tp := range tps {
		c.Drop(tp)
		delete(c.paused, tp)
		delete(c.stopped, tp)
	}
}

// Back says at which offset the reader of a partition goes on. What was added from there on is forgotten: it comes again, or the log does not have it any more. What runs of it is only counted by Running, and its lane waits for it.
func (c *Core) Back(tp cluster.TopicPartition, to int64) {
	p := c.parts[tp]
	if p == nil || len(p.open) == 0 || p.open[len(p.open)-1].Offset < to {
		return
	}
	kept, _ := slices.BinarySearchFunc(p.open, to, func(u *Unit, to int64) int { return cmp.Compare(u.Offset, to) })
	if kept == 0 && p.running == 0 { // also the lanes of what is undone
		c.Drop(tp)
		return
	}
	empty := false
	for _, u := range p.open[kept:] {
		if u.done {
			continue
		}
		l := u.lane
		at, _ := slices.BinarySearchFunc(l.queue, to, func(u *Unit, to int64) int { return cmp.Compare(u.Offset, to) })
		if l.at >= 0 {
			p.waiting -= len(l.queue) - at
		}
		clear(l.queue[at:])
		l.queue = l.queue[:at]
		u.cut = true
		c.hold(p, -1, -u.Bytes)
		empty = empty || at == 0
	}
	clear(p.open[kept:])
	p.open = p.open[:kept]
	if !empty {
		return
	}
	gone := func(l *lane) bool { return l.part == p && len(l.queue) == 0 }
	c.ready, p.parked = slices.DeleteFunc(c.ready, gone), slices.DeleteFunc(p.parked, gone)
	c.unlist(gone)
	for key, l := range p.lanes {
		if len(l.queue) == 0 && !l.running {
			delete(p.lanes, key)
		}
	}
}

// Pause lets nothing of a partition begin until it is called with false.
func (c *Core) Pause(tp cluster.TopicPartition, on bool) {
	if c.paused[tp] == on {
		return
	}
	p := c.parts[tp]
	if on {
		c.paused[tp] = true
		if p != nil {
			c.count(p)
		}
		return
	}
	delete(c.paused, tp)
	if p != nil {
		c.count(p)
		c.ready = append(c.ready, p.parked...)
		p.parked = nil
	}
}

// Paused tells whether a partition is paused.
func (c *Core) Paused(tp cluster.TopicPartition) bool { return c.paused[tp] }

// heapOf are lanes by the time of their first unit.
type heapOf []*lane

func (h heapOf) Len() int           { return len(h) }
func (h heapOf) Less(i, j int) bool { return h[i].queue[0].Due.Before(h[j].queue[0].Due) }
func (h heapOf) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push is heap.Interface's.
func (h *heapOf) Push(x any) {
	l := x.(*lane)
	l.at = len(*h)
	*h = append(*h, l)
}

// Pop is heap.Interface's.
func (h *heapOf) Pop() any {
	last := len(*h) - 1
	l := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	l.at = -1
	return l
}

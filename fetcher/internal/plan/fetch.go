package plan

import (
	"cmp"
	"slices"
	"time"

	"github.com/kactor-go/kactor/fetcher/internal/session"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/wire"
)

// least is how much of the budget must be free for a fetch.
const least = 64 << 10

// shares is how many fetches the budget is for at least. Of few large answers most would wait for the application, out of every cache.
const shares = 4

// A partition is fetched ahead of the application by two chunks, or by as many small ones as make a whole answer.
const (
	ahead = 2
	many  = 64
)

// full tells whether so much of a partition waits for the application that no more of it is fetched.
func (c *Core) full(p *part) bool {
	return p.buffered >= ahead && (p.bytes >= int64(c.cfg.PartitionBytes) || p.buffered >= many)
}

// brief is how long a broker may hold a fetch back at first when partitions were left out of it because they are full: the application may have read them in a moment,
// and must not wait for the sake of the others.
const brief = 20 * time.Millisecond

// driveFetches sends a fetch to every broker that has something to give and none in flight.
func (c *Core) driveFetches(now time.Time, out *Effects) {
	var wants, aparts map[int32][]*part
	var nodes []int32
	for _, l := range c.lines {
		l.full, l.used = false, false
	}
	c.short = false
	for _, p := range c.parts {
		if p.state == Validating && p.lastEpoch < 0 && !p.asked { // what was to be checked was damaged, and is fetched again
			p.become(Fetching)
		}
		if p.state == Failed {
			c.remind(now, p, out)
		}
		if p.home != nil {
			p.home.used = true
		}
		if p.state != Fetching || p.paused || p.flight != nil || p.waits() {
			continue
		}
		if c.full(p) {
			if p.home != nil {
				p.home.full = true
			}
			continue
		}
		node, epoch, ok := c.leader(now, p, out)
		if !ok || !c.current(p, epoch) {
			continue
		}
		if p.replica >= 0 {
			if _, there := c.snap.Node(p.replica); there && now.Before(p.replicaBy) {
				node = p.replica
			} else {
				p.replica = cluster.NoNode
			}
		}
		p.near = node == p.replica
		p.home = c.line(node)
		if p.apart != nil {
			if aparts == nil {
				aparts = map[int32][]*part{}
			}
			aparts[node] = append(aparts[node], p)
			continue
		}
		if wants == nil {
			wants = map[int32][]*part{}
		}
		if wants[node] == nil {
			nodes = append(nodes, node)
		}
		wants[node] = append(wants[node], p)
	}
	brokers := len(nodes)
	for _, l := range c.lines {
		switch {
		case wants[l.node] != nil:
		case l.flight, l.apart:
			brokers++
		case !l.used: // nothing is read from it any more
			c.end(l, out)
		}
	}
	// Who was asked longest ago comes first: when the budget is short all have their turn.
	slices.SortStableFunc(nodes, func(a, b int32) int { return cmp.Compare(c.line(a).turn, c.line(b).turn) })
	for _, node := range nodes {
		l := c.line(node)
		if now.Before(l.retryAt) {
			c.at(l.retryAt)
			continue
		}
		if !l.flight {
			if until, waits := l.fetches.Waits(now); waits {
				c.at(until)
			} else {
				c.fetch(now, l, wants[node], brokers, out)
			}
			continue
		}
		l.wanted = true
		until, waits := l.asides.Waits(now)
		parts := slices.DeleteFunc(wants[node], func(p *part) bool { return p.dry == l.turn || waits && p.hampered() })
		if waits && len(parts) == 0 {
			c.at(until)
		}
		if late, at := l.late(now); len(parts) == 0 || at.IsZero() {
			continue
		} else if !late {
			c.at(at)
			continue
		}
		c.aside(now, l, parts[:min(len(parts), mostNamed)], brokers, out)
	}
	for _, l := range c.lines {
		if parts := aparts[l.node]; parts != nil {
			c.driveApart(now, l, parts, brokers+1, out)
		}
	}
}

// current takes over a leader's epoch. What was fetched under another is checked first: the log may have been truncated (KIP-320).
func (c *Core) current(p *part, epoch int32) bool {
	if epoch == p.epoch || epoch < 0 {
		return true
	}
	p.epoch = epoch
	if p.lastEpoch < 0 && epoch < p.under { // nobody leads again with an older epoch: the log may be another
		p.lastEpoch = p.under
	}
	if p.lastEpoch >= 0 && p.lastEpoch != epoch && p.offset > 0 {
		p.become(Validating)
		return false
	}
	return true
}

// renewal is how long a request is repeated before it is made anew: replicas to read from have their time, too.
const renewal = 10 * time.Second

// late tells whether a broker holds back a fetch that others should not wait for: it had nothing to give at once. A broker handles the requests of a connection one after the other, so what is to be read meanwhile - after a
// seek, or of a partition that was paused or new - would come only when the wait is over. at is when it will be late.
func (l *line) late(now time.Time) (late bool, at time.Time) {
	if l.wait <= brief || l.beside {
		return false, time.Time{}
	}
	at = l.sent.Add(brief)
	return !now.Before(at), at
}

// request makes a request for partitions, and reserves its answer's size; nil: there is no room.
func (c *Core) request(now time.Time, l *line, parts []*part, brokers int, out *Effects) *Request {
	cost := c.cost(brokers)
	if cost == 0 {
		c.evict(now, out)
		return nil // Taken makes room
	}
	r := &Request{Node: l.node, MaxByte: int32(cost), Cost: cost, Wait: c.cfg.MaxWait, asked: now, parts: parts, flight: new(flight), stamp: c.stamp, until: now.Add(renewal), brokers: brokers}
	r.Wants = make([]session.Want, 0, len(parts))
	for i, p := range parts {
		w := session.Want{TopicPartition: p.TopicPartition, Offset: p.offset, LogStart: -1, LeaderEpoch: p.epoch, LastEpoch: p.readEpoch, MaxBytes: p.maxBytes}
		r.uneven = r.uneven || p.uneven()
		if t := c.topic(p.Topic); t != nil {
			w.ID = t.ID
		}
		if w.ID == (wire.UUID{}) {
			r.ByName = true
		}
		r.Wants = append(r.Wants, w)
		p.flight, p.at, p.wanted, p.room = r.flight, i, p.offset, p.maxBytes
	}
	c.used += cost
	return r
}

// cost is how much of the budget a request takes; zero: there is no room.
func (c *Core) cost(brokers int) int64 {
	free := c.cfg.Budget - c.used
	if free < least {
		c.short = true
		return 0
	}
	cost := min(int64(c.cfg.MaxBytes), max(c.cfg.Budget/int64(max(brokers, shares)), least))
	c.short = c.short || cost > free
	return min(cost, free)
}

// aside asks on another connection for what is not in the request that a broker holds back, without a session and without waiting.
func (c *Core) aside(now time.Time, l *line, parts []*part, brokers int, out *Effects) {
	r := c.request(now, l, parts, brokers, out)
	if r == nil {
		return
	}
	r.Aside, r.Wait, r.Ask = true, 0, session.Ask{Epoch: -1, Send: r.Wants}
	l.beside = true
	out.Fetch = append(out.Fetch, r)
}

func (c *Core) fetch(now time.Time, l *line, parts []*part, brokers int, out *Effects) {
	all := len(parts)
	parts = l.some(parts)
	r := c.request(now, l, parts, brokers, out)
	if r == nil {
		return
	}
	if l.full {
		r.Wait = min(brief<<l.idle, c.cfg.MaxWait)
		l.idle = min(l.idle+1, longest)
	}
	r.Ask = l.session.Next(r.Wants)
	if len(parts) < all { // it is not to wait for records while there are others to ask for
		r.Wait = 0
	}
	l.flight, l.wanted, l.sent, l.wait = true, len(parts) < all, now, r.Wait
	l.silence.begin(now)
	c.turn++
	l.turn = c.turn
	out.Fetch = append(out.Fetch, r)
}

// mostNamed is how many partitions one request names that its broker does not know of yet: each costs half a microsecond, and a step is to be short.
const mostNamed = 25_000

// some leaves out of parts what is too much to be named at once. What the session has stays.
func (l *line) some(parts []*part) []*part {
	if len(parts) <= mostNamed {
		return parts
	}
	told, more := l.session.Told(), 0
	return slices.DeleteFunc(parts, func(p *part) bool {
		for len(told) > 0 && told[0].Compare(p.TopicPartition) < 0 {
			told = told[1:]
		}
		if len(told) > 0 && told[0].TopicPartition == p.TopicPartition {
			return false
		}
		more++
		return more > mostNamed
	})
}

// evict asks for room: what the application has paused may wait longer than those that it reads. As much as one fetch wants is enough.
func (c *Core) evict(now time.Time, out *Effects) {
	if out.evicted { // for another broker
		return
	}
	out.evicted = true
	free := int64(0)
	for _, p := range c.parts {
		if free >= c.cfg.Budget/shares {
			break
		}
		if p.paused && p.buffered > 0 {
			out.Evict = append(out.Evict, Eviction{p.TopicPartition, p.gen})
			free += p.bytes
		}
	}
	if free > 0 { // a chunk that the reader has at hand stays until it has gone on
		c.at(now.Add(c.cfg.BackoffMax))
	}
}

// repeat asks again for the same, if that is all there is to do: the answer brought nothing, and nothing has changed since it was asked for. It costs the same for any
// number of partitions.
func (c *Core) repeat(now time.Time, m *Fetched, out *Effects) bool {
	r := m.Request
	if m.Err != nil || m.Resp.ErrorCode != 0 || m.Resp.SessionID == 0 || len(m.Resp.Responses) > 0 || !r.waited(now) || !c.same(now, r) {
		return false
	}
	l := c.line(r.Node)
	if r.calm(now) {
		l.fetches.Forward()
	}
	l.session.Answered(m.Resp.SessionID)
	ask, ok := l.session.Repeat()
	if !ok {
		return false
	}
	next := *r
	next.Ask, next.Wait, next.asked = ask, min(2*r.Wait, c.cfg.MaxWait), now
	l.fails, l.sent, l.wait = 0, now, next.Wait
	c.turn++
	l.turn = c.turn
	out.Fetch = append(out.Fetch, &next)
	return true
}

// same tells whether there is nothing else to ask a broker for than what a request has asked for.
func (c *Core) same(now time.Time, r *Request) bool {
	return r.inTurn() && r.stamp == c.stamp && now.Before(r.until) && !c.closed && !c.short && !c.line(r.Node).wanted
}

// uneven tells whether something is to be noted of a partition also by an answer that says nothing of it.
func (p *part) uneven() bool { return p.hampered() || p.lapsed || p.pace.Held() || p.back.Held() }

// along asks again for the same but for what an answer has brought of some partitions. It costs the same for any number of others.
func (c *Core) along(now time.Time, l *line, r *Request, brought []*part, out *Effects) bool {
	changed := make([]int, 0, len(brought))
	for _, p := range brought {
		if p.state != Fetching || p.doubt || p.uneven() || c.full(p) {
			return false
		}
		changed = append(changed, p.at)
	}
	if _, waits := l.fetches.Waits(now); waits {
		return false
	}
	cost := c.cost(r.brokers)
	if cost == 0 {
		return false
	}
	for _, p := range brought {
		w := &r.Wants[p.at]
		w.Offset, w.LeaderEpoch, w.LastEpoch, w.MaxBytes = p.offset, p.epoch, p.readEpoch, p.maxBytes
	}
	ask, ok := l.session.Change(r.Wants, changed)
	if !ok {
		return false
	}
	next := *r
	next.Ask, next.Wait, next.asked, next.MaxByte, next.Cost = ask, c.cfg.MaxWait, now, int32(cost), cost
	for _, p := range brought {
		p.flight, p.wanted, p.room = r.flight, p.offset, p.maxBytes
	}
	c.used += cost
	l.flight, l.sent, l.wait = true, now, next.Wait
	c.turn++
	l.turn = c.turn
	c.at(l.silence.askAt)
	out.Fetch = append(out.Fetch, &next)
	return true
}

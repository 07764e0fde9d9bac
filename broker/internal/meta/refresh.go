package meta

import (
	"maps"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// refresh is the state of asking for metadata: at most one request is in flight, wishes that come meanwhile are one more. A wish that names topics asks for these; only what is old, or a broker that is in
// trouble, is a reason to ask for all.
type refresh struct {
	all    time.Time           // when to ask for all topics; zero: not before something happens
	some   time.Time           // when to ask for names; zero: there are none, and no wish to know the nodes
	names  map[string]struct{} // to be asked for next
	except []int32             // who is not to be asked next, as long as there are others

	inFlight bool
	whole    bool     // it asks for all
	asked    []string // it asks for
	peer     int32    // who was asked last
	ask      uint64   // how often was asked
	patience
	failures int
	begun    time.Time // when the first of the attempts was made since an answer came
	last     time.Time // when an answer came last

	waiters    []any // of the request in flight
	someWait   []any // of the next request
	allWait    []any // of the next request for all
	lacking    []*interest
	lackingDue time.Time // the earliest time at which one of them is asked for again
}

// want asks for everything as soon as it is allowed.
func (r *refresh) want(now time.Time) { r.all = earlier(r.all, now) }

// ask asks for a topic at that time.
func (r *refresh) askFor(at time.Time, topic string) {
	if r.names == nil {
		r.names = map[string]struct{}{}
	}
	r.names[topic] = struct{}{}
	r.some = earlier(r.some, at)
}

// soon is when a question may be repeated.
func (c *Core) soon(now time.Time) time.Time {
	if t := c.refresh.last.Add(c.cfg.BackoffFirst / 2); !c.refresh.last.IsZero() && now.Before(t) {
		return t
	}
	return now
}

// wish takes a wish. A topic that is new is asked for at once; what an answer has told a moment ago, soon.
func (c *Core) wish(now time.Time, m *Refresh, out *Effects) {
	if c.closed {
		if m.Owner != nil {
			out.Refuse = append(out.Refuse, Refusal{m.Owner, ErrClosed})
		}
		return
	}
	r := &c.refresh
	for _, t := range m.Topics {
		if c.want(now, t) {
			r.askFor(now, t)
		} else {
			r.askFor(c.soon(now), t)
		}
	}
	if m.Except >= 0 {
		r.except = append(r.except, m.Except)
	}
	whole := len(m.Topics) == 0 && !m.Nodes
	if whole {
		r.want(now)
	} else if m.Nodes {
		r.some = earlier(r.some, c.soon(now))
	}
	switch {
	case m.Owner == nil:
	case whole:
		r.allWait = append(r.allWait, m.Owner)
	default:
		r.someWait = append(r.someWait, m.Owner)
	}
}

// unwish ends the wait of somebody who does not wait any more.
func (c *Core) unwish(owner any) {
	r := &c.refresh
	for _, list := range []*[]any{&r.waiters, &r.someWait, &r.allWait} {
		*list = slices.DeleteFunc(*list, func(o any) bool { return o == owner })
	}
}

// driveRefresh asks when it is time: not more often than the back-off allows.
func (c *Core) driveRefresh(now time.Time, out *Effects) {
	r := &c.refresh
	if r.inFlight && r.over(now) {
		c.unanswered(now)
	}
	if !r.lackingDue.IsZero() && !now.Before(r.lackingDue) {
		c.askLacking(now)
	}
	if r.inFlight {
		return
	}
	whole := !r.all.IsZero() && !now.Before(r.all)
	if whole && c.soon(now).After(now) {
		whole, r.all = false, c.soon(now)
	}
	if !whole && (r.some.IsZero() || now.Before(r.some)) {
		return
	}
	if r.begun.IsZero() {
		r.begun = now
	}
	p := c.otherPeer(now, &r.patience, r.peer, r.except...)
	if p == nil {
		c.fail(now)
		at := now.Add(c.cfg.BackoffFirst)
		r.all, r.some = later(r.all, at), later(r.some, at)
		return
	}
	if whole {
		c.forgetIdle(now, out)
		c.forgetCoordinators(now, out)
		r.asked = slices.Sorted(maps.Keys(c.topics))
		r.all = time.Time{}
		r.waiters = append(append(r.waiters, r.allWait...), r.someWait...)
		r.allWait = nil
	} else {
		r.asked = slices.Sorted(maps.Keys(r.names))
		r.waiters = append(r.waiters, r.someWait...)
	}
	r.some, r.names, r.someWait = time.Time{}, nil, nil
	m := &msg.MetadataRequest{AllowAutoTopicCreation: c.cfg.AutoCreate, Topics: make([]msg.MetadataRequestMetadataRequestTopic, 0, len(r.asked))}
	for i := range r.asked {
		m.Topics = append(m.Topics, msg.MetadataRequestMetadataRequestTopic{Name: &r.asked[i]})
	}
	r.ask++
	r.inFlight, r.whole, r.peer, r.except = true, whole, p.ID, nil
	out.Metadata, out.Peer, out.MetaAsk = m, p.Node, r.ask
	c.question(p)
	c.wait(now, &r.patience)
}

// askLacking asks again for topics that were not there.
func (c *Core) askLacking(now time.Time) {
	r := &c.refresh
	r.lackingDue = time.Time{}
	due := now.Add(c.cfg.BackoffFirst / 2) // what would follow in a moment goes along
	r.lacking = slices.DeleteFunc(r.lacking, func(i *interest) bool {
		if i.missing == 0 || c.topics[i.name] != i {
			i.listed = false
			return true
		}
		if i.askAt.After(due) {
			r.lackingDue = earlier(r.lackingDue, i.askAt)
			return false
		}
		r.askFor(now, i.name)
		i.listed = false
		return true
	})
}

// unanswered gives up on the request in flight: it is made anew, elsewhere.
func (c *Core) unanswered(now time.Time) {
	c.putBack(now)
}

// putBack makes what the request in flight asks for be asked for at that time.
func (c *Core) putBack(at time.Time) {
	r := &c.refresh
	r.inFlight = false
	if r.whole {
		r.all = earlier(r.all, at)
		r.allWait = append(r.waiters, r.allWait...)
	} else {
		r.some = earlier(r.some, at)
		r.someWait = append(r.waiters, r.someWait...)
		for _, name := range r.asked {
			r.askFor(at, name)
		}
	}
	r.asked, r.waiters = nil, nil
}

// patience is how long a question waits for its answer before it is asked elsewhere, too: a broker handles the requests of a connection one after the other, and may hold one back for long (rule R1).
type patience struct {
	until time.Time
	moves int // how often it was asked elsewhere since there was an answer
}

// over tells whether it is over.
func (p *patience) over(now time.Time) bool { return !p.until.IsZero() && !now.Before(p.until) }

// wait begins to wait for an answer, longer each time.
func (c *Core) wait(now time.Time, p *patience) {
	p.until = time.Time{}
	if len(c.peers) > 1 && c.cfg.LateAfter > 0 {
		p.until = now.Add(min(c.cfg.LateAfter<<min(p.moves, 10), c.cfg.Timeout))
	}
}

// otherPeer gives a broker to ask: not the last one, if that has not answered in time, and otherwise not except.
func (c *Core) otherPeer(now time.Time, p *patience, last int32, except ...int32) *peer {
	if !p.over(now) {
		return c.questioned(now, except...)
	}
	p.moves++
	return c.questioned(now, last)
}

// metadata takes an answer.
func (c *Core) metadata(now time.Time, m *Metadata, out *Effects) {
	r := &c.refresh
	if c.closed || m.Ask != r.ask || !r.inFlight {
		return
	}
	r.patience = patience{}
	if m.Err == nil && protocol.Code(m.Resp.ErrorCode) == protocol.RebootstrapRequired && c.cfg.Recover { // KIP-1102
		c.rebootstrap()
		m.Err = protocol.RebootstrapRequired
	}
	if m.Err == nil && len(m.Resp.Brokers) == 0 { // a broker that has only just started knows nobody
		m.Err = protocol.BrokerNotAvailable
	}
	if m.Err != nil {
		c.failed(now)
		return
	}
	r.inFlight, r.failures, r.begun, r.last = false, 0, time.Time{}, now
	c.merge(now, m.Resp, m.Version, out)
	out.Fresh = append(out.Fresh, r.waiters...)
	r.waiters, r.asked = nil, nil
	if r.all.IsZero() {
		r.all = now.Add(c.cfg.MaxAge)
	}
	c.unpark(now, out)
	for _, p := range c.peers { // its partitions may soon be led elsewhere
		if p.suspect && p.placed > 0 || p.failures > 0 && now.Sub(p.failing) < electionsLast && c.leads(p.ID) {
			r.all = earlier(r.all, now.Add(c.cfg.BackoffMax/4))
		}
	}
}

// failed puts off what was asked for.
func (c *Core) failed(now time.Time) {
	r := &c.refresh
	r.failures++
	d := min(c.cfg.BackoffFirst<<min(r.failures-1, 10), c.cfg.BackoffMax)
	at := now.Add(d + time.Duration(float64(d)*0.2*(2*c.cfg.Rand.Float64()-1)))
	c.putBack(at)
	r.all, r.some = later(r.all, at), later(r.some, at)
	c.fail(now)
}

// fail notes that an attempt has failed.
func (c *Core) fail(now time.Time) {
	r := &c.refresh
	if c.cfg.Recover && now.Sub(r.begun) >= c.cfg.Rebootstrap { // KIP-1102
		c.rebootstrap()
		r.begun = now
	}
	c.recover(now)
}

// lacks tells whether a topic is not there. It may be new, and this broker may not have heard of it yet, or somebody is about to create it: it is asked for again soon, then less and less often.
func lacks(code protocol.Code) bool {
	return code == protocol.UnknownTopicOrPartition || code == protocol.UnknownTopicID || code == protocol.LeaderNotAvailable
}

// electionsLast is how long a cluster may need to let others lead in place of a broker that is away: its session time-out, 9 s unless configured, and some more.
const electionsLast = 15 * time.Second

// leads tells whether a broker leads a partition.
func (c *Core) leads(node int32) bool {
	for t := range c.snap.All() {
		for i := range t.Partitions {
			if t.Partitions[i].Leader == node {
				return true
			}
		}
	}
	return false
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// later puts a time off, unless it is never.
func later(t, at time.Time) time.Time {
	if t.IsZero() || t.After(at) {
		return t
	}
	return at
}

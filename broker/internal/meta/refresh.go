package meta

import (
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// interest is a topic that is kept up to date.
type interest struct {
	name string
	used time.Time
}

// refresh is the state of asking for metadata: at most one request is in flight, wishes that come meanwhile are one more.
type refresh struct {
	next     time.Time // when to ask next
	inFlight bool
	peer     int32  // who was asked last
	except   int32  // who is not to be asked next; nobody
	ask      uint64 // how often was asked
	patience
	again       bool // somebody wished for it while one was in flight
	failures    int
	missing     int // answers in a row that lacked a topic
	failedSince time.Time
	last        time.Time // when an answer came last
	waiters     []any     // of the request in flight, or of the next if there is none
	nextWaiters []any     // of the one after
}

// want asks for metadata as soon as it is allowed.
func (r *refresh) want(now time.Time) {
	if r.inFlight {
		r.again = true
		return
	}
	if r.next.IsZero() || now.Before(r.next) {
		r.next = now
	}
}

// want notes the interest in a topic.
func (c *Core) want(now time.Time, topic string) {
	i, found := slices.BinarySearchFunc(c.topics, topic, func(t interest, name string) int { return strings.Compare(t.name, name) })
	if !found {
		c.topics = slices.Insert(c.topics, i, interest{name: topic})
	}
	c.topics[i].used = now
}

func (c *Core) wish(now time.Time, m *Refresh, out *Effects) {
	if c.closed {
		if m.Owner != nil {
			out.Refuse = append(out.Refuse, Refusal{m.Owner, ErrClosed})
		}
		return
	}
	for _, t := range m.Topics {
		c.want(now, t)
	}
	if m.Except >= 0 {
		c.refresh.except = m.Except
	}
	if m.Owner != nil {
		if c.refresh.inFlight {
			c.refresh.nextWaiters = append(c.refresh.nextWaiters, m.Owner)
		} else {
			c.refresh.waiters = append(c.refresh.waiters, m.Owner)
		}
	}
	c.refresh.want(now)
}

// driveRefresh asks when it is time: not more often than the back-off allows.
func (c *Core) driveRefresh(now time.Time, out *Effects) {
	r := &c.refresh
	if r.inFlight && r.over(now) {
		c.unanswered(now)
	}
	if r.inFlight || r.next.IsZero() || now.Before(r.next) {
		return
	}
	if earliest := r.last.Add(c.cfg.BackoffFirst / 2); !r.last.IsZero() && now.Before(earliest) {
		r.next = earliest
		return
	}
	p := c.otherPeer(now, &r.patience, r.peer, r.except)
	if p == nil {
		r.next = now.Add(c.cfg.BackoffFirst)
		c.giveUpOnNodes(now)
		return
	}
	c.topics = slices.DeleteFunc(c.topics, func(t interest) bool { return c.cfg.TopicIdle > 0 && now.Sub(t.used) > c.cfg.TopicIdle })
	m := &msg.MetadataRequest{AllowAutoTopicCreation: c.cfg.AutoCreate, Topics: []msg.MetadataRequestMetadataRequestTopic{}}
	for _, t := range c.topics {
		m.Topics = append(m.Topics, msg.MetadataRequestMetadataRequestTopic{Name: wire.Ptr(t.name)})
	}
	r.ask++
	r.peer, r.except = p.ID, nobody
	out.Metadata, out.Peer, out.MetaAsk = m, p.Node, r.ask
	p.placed++
	r.inFlight, r.again, r.next = true, false, time.Time{}
	c.wait(now, &r.patience)
}

// unanswered gives up on the request in flight: it is made anew, elsewhere.
func (c *Core) unanswered(now time.Time) {
	r := &c.refresh
	r.inFlight = false
	r.waiters = append(r.waiters, r.nextWaiters...)
	r.nextWaiters = nil
	r.want(now)
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
func (c *Core) otherPeer(now time.Time, p *patience, last, except int32) *peer {
	if !p.over(now) {
		return c.anyPeer(now, except)
	}
	p.moves++
	return c.anyPeer(now, last)
}

// giveUpOnNodes goes back to the bootstrap addresses when no known broker has answered for long (KIP-899, KIP-1102).
func (c *Core) giveUpOnNodes(now time.Time) {
	r := &c.refresh
	if r.failedSince.IsZero() {
		r.failedSince = now
	}
	if c.cfg.Rebootstrap > 0 && now.Sub(r.failedSince) >= c.cfg.Rebootstrap && len(c.cfg.Bootstrap) > 0 {
		c.bootstrap()
		r.failedSince = time.Time{}
	}
}

func (c *Core) metadata(now time.Time, m *Metadata, out *Effects) {
	r := &c.refresh
	if c.closed || m.Ask != r.ask || !r.inFlight {
		return
	}
	r.inFlight, r.patience = false, patience{}
	if m.Err == nil && protocol.Code(m.Resp.ErrorCode) == protocol.RebootstrapRequired {
		c.bootstrap()
		m.Err = protocol.RebootstrapRequired
	}
	if m.Err == nil && len(m.Resp.Brokers) == 0 { // a broker that has only just started knows nobody
		m.Err = protocol.BrokerNotAvailable
	}
	if m.Err != nil {
		r.failures++
		d := min(c.cfg.BackoffFirst<<min(r.failures-1, 10), c.cfg.BackoffMax)
		r.next = now.Add(d + time.Duration(float64(d)*0.2*(2*c.cfg.Rand.Float64()-1)))
		c.giveUpOnNodes(now)
		return
	}
	r.failures, r.failedSince, r.last = 0, time.Time{}, now
	again := r.again
	c.merge(m.Resp, m.Version, out)
	out.Fresh = append(out.Fresh, r.waiters...)
	r.waiters, r.nextWaiters = r.nextWaiters, nil
	r.next = now.Add(c.cfg.MaxAge)
	if again {
		r.next = now.Add(c.cfg.BackoffFirst / 2)
	}
	if r.missing++; !lacks(m.Resp) {
		r.missing = 0
	} else {
		r.next = earlier(r.next, now.Add(min(c.cfg.BackoffFirst<<min(r.missing-1, 10), 10*c.cfg.BackoffMax)))
	}
	c.unpark(now, out)
	for _, p := range c.peers { // its partitions may soon be led elsewhere
		if p.suspect && p.placed > 0 || p.failures > 0 && now.Sub(p.failing) < electionsLast && c.leads(p.ID) {
			r.next = earlier(r.next, now.Add(c.cfg.BackoffMax/4))
		}
	}
	for _, p := range c.parked { // what they wait for is still not known
		if p.Target.Kind != ToCoordinator {
			r.next = earlier(r.next, now.Add(c.cfg.BackoffFirst))
			break
		}
	}
}

// lacks tells whether a topic is not there. It may be new, and this broker may not have heard of it yet, or somebody is about to create it: it is asked for again soon, then less and less often.
func lacks(m *msg.MetadataResponse) bool {
	return slices.ContainsFunc(m.Topics, func(t msg.MetadataResponseMetadataResponseTopic) bool {
		code := protocol.Code(t.ErrorCode)
		return code == protocol.UnknownTopicOrPartition || code == protocol.UnknownTopicID || code == protocol.LeaderNotAvailable
	})
}

// electionsLast is how long a cluster may need to let others lead in place of a broker that is away: its session time-out, 9 s unless configured, and some more.
const electionsLast = 15 * time.Second

// leads tells whether a broker leads a partition.
func (c *Core) leads(node int32) bool {
	for _, t := range c.snap.Topics {
		if slices.ContainsFunc(t.Partitions, func(p cluster.Partition) bool { return p.Leader == node }) {
			return true
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

// hint takes over a leader learnt from an answer (KIP-951), if it is newer than what is known.
func (c *Core) hint(m *Hint, out *Effects) {
	old := c.snap.Partition(m.Topic, m.Partition)
	if old == nil || m.Epoch <= old.LeaderEpoch || m.Leader < 0 {
		return
	}
	s := *c.snap
	if m.Node != nil {
		if _, known := s.Node(m.Node.ID); !known {
			s.Nodes = append(slices.Clone(s.Nodes), *m.Node)
		}
	}
	if _, known := cluster.New(s).Node(m.Leader); !known {
		return
	}
	s.Topics = slices.Clone(s.Topics)
	for i, t := range s.Topics {
		if t.Name == m.Topic {
			changed := *t
			changed.Partitions = slices.Clone(t.Partitions)
			changed.Partitions[m.Partition].Leader, changed.Partitions[m.Partition].LeaderEpoch = m.Leader, m.Epoch
			s.Topics[i] = &changed
		}
	}
	c.publish(s, out)
}

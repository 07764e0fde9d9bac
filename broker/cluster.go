package broker

import (
	"errors"
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker/internal/conn"
	"github.com/kactor-go/kactor/broker/internal/meta"
	"github.com/kactor-go/kactor/broker/internal/survey"
	"github.com/kactor-go/kactor/protocol"
)

// Messages from connections to the cluster actor.
type (
	up struct {
		k    *connection
		told protocol.Ranges // what the broker speaks; not Known: it is up still
	}
	late  struct{ k *connection }
	ended struct {
		peer int32
		call *meta.Coordinated
	}
	unwish     struct{ r *Refresh }
	connClosed struct{ k *connection }
	connLeft   struct{ k *connection }
	down       struct {
		k   *connection
		err error
	}
	connFailed struct {
		k   *connection
		err error
	}
	metadataAnswer    struct{ m meta.Metadata }
	coordinatorAnswer struct{ m meta.Coordinator }
	more              struct{}
)

func (*up) cluster()                {}
func (*unwish) cluster()            {}
func (*late) cluster()              {}
func (*ended) cluster()             {}
func (*connClosed) cluster()        {}
func (*connLeft) cluster()          {}
func (*down) cluster()              {}
func (*connFailed) cluster()        {}
func (*metadataAnswer) cluster()    {}
func (*coordinatorAnswer) cluster() {}
func (*more) cluster()              {}

// Step translates a message for the core; what is not about metadata is done here. The method makes Client a role.Core; only its host calls it.
func (c *Client) Step(now time.Time, m Message, out *meta.Effects) {
	switch m := m.(type) {
	case *Route:
		t := meta.Target{Kind: uint8(m.To.Kind), Node: m.To.Node, Topic: m.To.Topic, Partition: m.To.Partition, Key: m.To.Key, KeyType: m.To.KeyType}
		placed := m.Deadline.Add(-m.Wait) // else there is no time left for the broker to let it wait
		m.since = now
		c.core.Step(now, &meta.Route{Target: t, Deadline: placed, Wait: m.Wait, Owner: m}, out)
	case *Refresh:
		if c.hooks.Refresh != nil {
			topics, why := slices.Clone(m.Topics), m.Why
			c.hook("Refresh", func() { c.hooks.Refresh(topics, why) })
		}
		r := &meta.Refresh{Topics: m.Topics, Nodes: m.Nodes, Shared: m.Shared, Except: m.Except}
		if m.Reply != nil {
			r.Owner = m
		}
		c.core.Step(now, r, out)
	case *Watch:
		c.watch(m)
	case Hints:
		hints := make(meta.Hints, len(m))
		for i, h := range m {
			hints[i] = meta.Hint{TopicPartition: h.TopicPartition, TopicID: h.TopicID, Leader: h.Leader, Epoch: h.Epoch, Node: h.Node}
		}
		c.core.Step(now, hints, out)
	case *Forget:
		c.core.Step(now, &meta.Forget{Key: m.Key, KeyType: m.KeyType}, out)
	case *Drop:
		c.core.Step(now, &meta.Drop{Topics: m.Topics}, out)
	case *Close:
		c.closing = m
		c.survey.Abort(&c.verdicts)
		c.core.Step(now, &meta.Close{}, out)
	case *unwish:
		c.core.Step(now, &meta.Unwish{Owner: m.r}, out)
	case *up:
		c.survey.Told(m.told)
		if !m.k.leaving {
			c.core.Step(now, &meta.Up{Peer: m.k.peer.ID}, out)
		}
	case *down:
		if !m.k.leaving { // what happens at an address that the node has left says nothing of it
			c.core.Step(now, &meta.Down{Peer: m.k.peer.ID, Err: m.err, Fatal: errors.Is(m.err, ErrFatal)}, out)
		}
	case *late:
		if m.k.leaving {
			return
		}
		if c.hooks.Suspect != nil {
			peer := m.k.peer.ID
			c.hook("Suspect", func() { c.hooks.Suspect(peer) })
		}
		c.core.Step(now, &meta.Late{Peer: m.k.peer.ID}, out)
	case *ended:
		c.core.Step(now, &meta.Ended{Peer: m.peer, Call: m.call}, out)
	case *metadataAnswer:
		c.core.Step(now, &m.m, out)
	case *coordinatorAnswer:
		c.core.Step(now, &m.m, out)
	case *more:
		c.core.Step(now, &meta.More{}, out)
	case *elsewhere:
		c.elsewhere(now, m, out)
	case *lacking:
		c.lacking(now, m)
	case *surveyed:
		c.surveyed(m)
	case *connClosed:
		c.drop(m.k)
	case *connLeft:
		m.k.stop(func() {})
	case *connFailed:
		c.lose(m)
	}
}

// Tick implements role.Core.
func (c *Client) Tick(now time.Time, out *meta.Effects) {
	if at := c.survey.Next(); !at.IsZero() && !now.Before(at) {
		c.survey.Tick(now, c.core.Peers(), &c.verdicts)
	}
	c.core.Tick(now, out)
}

// Next implements role.Core.
func (c *Client) Next() time.Time {
	at := c.core.Next()
	if asks := c.survey.Next(); !asks.IsZero() && (at.IsZero() || asks.Before(at)) {
		return asks
	}
	return at
}

// Abort implements role.Core.
func (c *Client) Abort(err error, out *meta.Effects) {
	c.core.Abort(err, out)
	c.survey.Abort(&c.verdicts)
	for _, k := range c.connections {
		k.self.Tell(&conn.Close{})
	}
}

// Refuse implements role.Core.
func (c *Client) Refuse(m Message, err error, out *meta.Effects) {
	switch m := m.(type) {
	case *Route:
		out.Refuse = append(out.Refuse, meta.Refusal{Owner: m, Err: err})
	case *Refresh:
		if m.Reply != nil {
			out.Refuse = append(out.Refuse, meta.Refusal{Owner: m, Err: err})
		}
	case *Watch:
		if m.Gone != nil {
			m.Gone()
		}
	case *lacking:
		m.answer(c.world, survey.Verdict{})
	case *elsewhere:
		m.r.answer(c.world, m.reply)
	case *connClosed:
		c.drop(m.k)
	case *connLeft:
		m.k.stop(func() {})
	case *connFailed:
		c.lose(m)
	case *Close:
		c.closing = m
	}
}

func (c *Client) watch(m *Watch) {
	for i, w := range c.watchers {
		if w.ID == m.ID {
			c.watchers = append(c.watchers[:i:i], c.watchers[i+1:]...)
			break
		}
	}
	if m.Changed != nil {
		c.watchers = append(c.watchers, m)
		m.Changed(c.core.Snapshot())
		return
	}
	c.endLane(m.ID)
	if m.Gone != nil {
		m.Gone()
	}
}

// endLane closes the connections of a lane: what is still asked there is of no use.
func (c *Client) endLane(lane uint64) {
	for _, k := range c.connections {
		if k.lane == lane && !k.leaving {
			k.leaving = true
			k.self.Tell(&conn.Close{Deadline: c.world.Now()})
		}
	}
}

// drop takes leave of a connection that is closed for good. It is stopped only when it has dealt with all it was sent: mail of a stopped actor is lost.
func (c *Client) drop(k *connection) {
	for i, o := range c.connections {
		if o == k {
			c.connections = append(c.connections[:i:i], c.connections[i+1:]...)
			k.self.Tell(&conn.Bye{})
			c.forget(k.peer.ID) // it may have been ready only after the node had left
			return
		}
	}
}

// lose takes leave of a connection that has failed by a bug.
func (c *Client) lose(m *connFailed) {
	c.drop(m.k)
	if c.failed != nil {
		c.failed(m.err)
	}
}

// perform carries out the effects in the order that meta.Effects documents.
func (c *Client) perform(h *role.Handle, out *meta.Effects) {
	if out.Publish != nil {
		c.snapshot.Store(out.Publish)
		for _, w := range c.watchers {
			w.Changed(out.Publish)
		}
		if c.hooks.Changed != nil {
			snap := out.Publish
			c.hook("Changed", func() { c.hooks.Changed(snap) })
		}
	}
	for _, f := range out.Found {
		c.found(f)
	}
	if u := out.Unfit; u != nil && u.Err != nil {
		c.unreached(u.Peer, "metadata", u.Err)
	} else if u != nil {
		c.reached(u.Peer)
	}
	c.suspected.Store(int32(c.core.Suspects()))
	for _, id := range out.Moved {
		for _, k := range c.connections {
			if k.peer.ID == id {
				k.self.Tell(&conn.Moved{})
			}
		}
	}
	c.performSurvey(h)
	if out.Metadata != nil {
		c.askMetadata(h, out)
	}
	for _, a := range out.Ask {
		c.askCoordinator(h, a)
	}
	for _, p := range out.Place {
		r := p.Owner.(*Route)
		r.coordinated = p.Call
		c.place(h, p.Peer, r)
	}
	for _, r := range out.Refuse {
		c.refuse(r)
	}
	for _, o := range out.Fresh {
		o.(*Refresh).answer(c.core.Snapshot(), nil)
	}
	for _, n := range out.Gone {
		c.forget(n.ID)
		for _, k := range c.connections {
			if k.peer.ID == n.ID && k.peer.Host == n.Host && k.peer.Port == n.Port && !k.leaving {
				k.leaving = true
				k.self.Tell(&conn.Close{Deadline: h.World().Now().Add(c.cfg.RequestTimeout), Why: conn.ErrGone})
			}
		}
	}
	if out.Publish != nil { // a node that left the cluster leads nothing any more: what it still has moves
		for _, k := range c.connections {
			if k.leaving {
				k.self.Tell(&conn.Moved{})
			}
		}
	}
	if len(out.Barred) > 0 {
		c.barred(out.Barred)
	}
	if out.Strange != nil {
		c.strange(out.Strange)
	}
	if out.More {
		c.self.Tell(&more{})
	}
	c.driveClose()
}

// driveClose closes the connections, and tells when the last is gone.
func (c *Client) driveClose() {
	if c.closing == nil {
		return
	}
	if c.closing.Deadline != (time.Time{}) {
		for _, k := range c.connections {
			deadline := c.closing.Deadline
			if k.purpose == Fetch { // what brokers hold back is of no use any more
				deadline = c.world.Now()
			}
			k.self.Tell(&conn.Close{Deadline: deadline})
		}
		c.closing.Deadline = time.Time{}
	}
	if len(c.connections) == 0 && c.closing.Done != nil {
		c.closing.Done()
		c.closing.Done = nil
	}
}

package broker

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker/internal/conn"
	"github.com/kactor-go/kactor/broker/internal/meta"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

// Hooks are told what happens, one after the other, on a goroutine that is not an actor's: one that blocks holds up only those behind it, of which some are dropped when 1,024 wait. Any may be nil. One that panics is reported to the world,
// which logs it, and passed over.
type Hooks struct {
	Changed   func(*cluster.Snapshot)
	Refresh   func(topics []string, why string) // somebody asks for new metadata; requests for it coalesce
	Suspect   func(node int32)
	Throttled func(node int32, d time.Duration)
	Slow      func(step string, took time.Duration)
}

// Client is the cluster actor seen from outside: what other roles route their requests through.
type Client struct {
	cfg      Config
	hooks    Hooks
	aside    *role.Aside
	world    role.World
	self     role.Ref[Message]
	stop     func(func())
	learnt   learnt
	snapshot atomic.Pointer[cluster.Snapshot]
	versions atomic.Pointer[map[int32]protocol.Ranges]
	// suspected is how many brokers are suspect; connections tell of answers only while there are any.
	suspected atomic.Int32
	waits     role.Waits
	failures  failures

	// What follows belongs to the actor.
	core        *meta.Core
	connections []*connection
	watchers    []*Watch
	coordinate  map[coordKey]*atomic.Int32 // who coordinates; what was sent to another may move
	closing     *Close
	failed      func(error)
}

// Start starts the cluster actor. It connects when something is asked of it. failed is told if a role fails by a bug; it must only tell.
func Start(under role.Spawner, cfg Config, hooks Hooks, failed func(error)) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	nodes, err := Addresses(cfg.Bootstrap)
	if err != nil {
		return nil, err
	}
	w := under.World()
	c := &Client{cfg: cfg, hooks: hooks, aside: role.NewAside(w), world: w, failed: failed, coordinate: map[coordKey]*atomic.Int32{}}
	c.core = meta.New(meta.Config{Bootstrap: nodes, MaxAge: cfg.MetadataMaxAge, TopicIdle: cfg.TopicIdle, BackoffFirst: cfg.RetryFirst, BackoffMax: cfg.RetryMax,
		Timeout: cfg.RequestTimeout, LateAfter: cfg.LateAfter, Recover: !cfg.NoRebootstrap, Rebootstrap: cfg.RebootstrapAfter, AutoCreate: cfg.AutoCreateTopics, Rand: w.Rand()})
	c.snapshot.Store(c.core.Snapshot())
	c.versions.Store(&map[int32]protocol.Ranges{})
	c.self, c.stop = role.Spawn[Message, meta.Effects](under, c, c.perform, (*meta.Effects).Reset, role.Options{Name: "cluster", Failed: failed, Slow: c.slow})
	return c, nil
}

func (c *Client) slow(step string, took time.Duration) {
	if c.hooks.Slow != nil {
		c.hook("Slow", func() { c.hooks.Slow(step, took) })
	}
}

// hook calls one of the user's functions, not on an actor.
func (c *Client) hook(name string, f func()) { c.aside.Do("hook "+name, f) }

// Ref is the address of the cluster actor.
func (c *Client) Ref() Ref { return c.self }

// World is the world the client lives in.
func (c *Client) World() role.World { return c.world }

// Snapshot is the present picture of the cluster; never nil.
func (c *Client) Snapshot() *cluster.Snapshot { return c.snapshot.Load() }

// Versions are the versions that a node speaks; ok is false before a connection to it was made.
func (c *Client) Versions(node int32) (r protocol.Ranges, ok bool) {
	r, ok = (*c.versions.Load())[node]
	return r, ok
}

func (c *Client) remember(node int32, r protocol.Ranges) {
	c.amend(func(versions map[int32]protocol.Ranges) { versions[node] = r })
}

// forget forgets the versions of nodes that are not in the cluster any more: where brokers get new ids the list would grow for ever.
func (c *Client) forget(node int32) {
	if _, known := c.Versions(node); known && !c.core.Knows(node) {
		c.amend(func(versions map[int32]protocol.Ranges) { delete(versions, node) })
	}
}

// amend changes the versions: connections do so at the same time.
func (c *Client) amend(change func(map[int32]protocol.Ranges)) {
	for {
		old := c.versions.Load()
		next := maps.Clone(*old)
		change(next)
		if c.versions.CompareAndSwap(old, &next) {
			return
		}
	}
}

// Messages from connections to the cluster actor.
type (
	up    struct{ k *connection }
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

// Step translates a message for the core; what is not about metadata is done here. The method makes Client a role.Core; only its host calls it.
func (c *Client) Step(now time.Time, m Message, out *meta.Effects) {
	switch m := m.(type) {
	case *Route:
		t := meta.Target{Kind: uint8(m.To.Kind), Node: m.To.Node, Topic: m.To.Topic, Partition: m.To.Partition, Key: m.To.Key, KeyType: m.To.KeyType}
		c.core.Step(now, &meta.Route{Target: t, Deadline: m.Deadline, Wait: m.Wait, Owner: m}, out)
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
	case *Hint:
		c.core.Step(now, &meta.Hint{TopicPartition: m.TopicPartition, TopicID: m.TopicID, Leader: m.Leader, Epoch: m.Epoch, Node: m.Node}, out)
	case *Forget:
		c.core.Step(now, &meta.Forget{Key: m.Key, KeyType: m.KeyType}, out)
	case *Drop:
		c.core.Step(now, &meta.Drop{Topics: m.Topics}, out)
	case *Close:
		c.closing = m
		c.core.Step(now, &meta.Close{}, out)
	case *unwish:
		c.core.Step(now, &meta.Unwish{Owner: m.r}, out)
	case *up:
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
	case *connClosed:
		c.drop(m.k)
	case *connLeft:
		m.k.stop(func() {})
	case *connFailed:
		c.drop(m.k)
		if c.failed != nil {
			c.failed(m.err)
		}
	}
}

// Tick implements role.Core.
func (c *Client) Tick(now time.Time, out *meta.Effects) { c.core.Tick(now, out) }

// Next implements role.Core.
func (c *Client) Next() time.Time { return c.core.Next() }

// Abort implements role.Core.
func (c *Client) Abort(err error, out *meta.Effects) {
	c.core.Abort(err, out)
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
	case *connClosed:
		c.drop(m.k)
	case *connLeft:
		m.k.stop(func() {})
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
	for _, k := range c.connections {
		if k.lane == m.ID && !k.leaving {
			k.leaving = true
			k.self.Tell(&conn.Close{Deadline: c.world.Now()}) // what is still asked there is of no use
		}
	}
	if m.Gone != nil {
		m.Gone()
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
	c.suspected.Store(int32(c.core.Suspects()))
	for _, id := range out.Moved {
		for _, k := range c.connections {
			if k.peer.ID == id {
				k.self.Tell(&conn.Moved{})
			}
		}
	}
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

func (c *Client) connection(h *role.Handle, peer cluster.Node, purpose Purpose, lane uint64) *connection {
	for _, k := range c.connections {
		if !k.leaving && k.peer.ID == peer.ID && k.purpose == purpose && k.lane == lane && k.peer.Host == peer.Host && k.peer.Port == peer.Port {
			return k
		}
	}
	k := c.spawnConnection(h, peer, purpose, lane)
	c.connections = append(c.connections, k)
	return k
}

func (c *Client) place(h *role.Handle, peer cluster.Node, r *Route) {
	call := &conn.Call{Req: r.Req, MinVersion: r.MinVersion, MaxVersion: r.MaxVersion, Deadline: r.Deadline, Wait: r.Wait, OneWay: r.OneWay, Fit: r.Fit, Owner: r}
	switch {
	case len(r.Partitions) > 0:
		call.Moved = func() bool { return c.moved(peer.ID, r.Partitions) }
	case r.Replayable && r.coordinated != nil:
		at := c.coordinate[coordKey{r.To.Key, r.To.KeyType}]
		call.Moved = func() bool { return at.Load() != peer.ID }
	}
	purpose := r.Purpose
	if purpose == Calls && r.coordinated != nil {
		purpose = Coordinate
	}
	k := c.connection(h, peer, purpose, r.Lane)
	if purpose == Fetch {
		c.touch(k, r)
	}
	k.self.Tell(call)
	if r.Lane != 0 && r.caller != nil && r.caller.left.Load() { // sent before its caller left: a connection of its own must not outlive it
		k.leaving = true
		k.self.Tell(&conn.Close{Deadline: r.Deadline})
	}
}

type coordKey struct {
	key     string
	keyType int8
}

// found notes who coordinates a key.
func (c *Client) found(f meta.Found) {
	key := coordKey{f.Key, f.KeyType}
	if f.Node < 0 {
		delete(c.coordinate, key)
		return
	}
	if c.coordinate[key] == nil {
		c.coordinate[key] = &atomic.Int32{}
	}
	c.coordinate[key].Store(f.Node)
}

// touch marks the topics of a fetch as used, now and then: an idle consumer fetches the same ones over and over.
func (c *Client) touch(k *connection, r *Route) {
	now := c.world.Now()
	if c.cfg.TopicIdle <= 0 || now.Before(k.touchAt) {
		return
	}
	k.touchAt = now.Add(c.cfg.TopicIdle / 4)
	s := c.core.Snapshot()
	for i := range r.Partitions {
		s.Topic(r.Partitions[i].Topic).Touch()
	}
}

// question is the purpose of a question for metadata or a coordinator.
func (c *Client) question() Purpose {
	if c.core.Suspects() > 0 {
		return Ask
	}
	return Calls
}

// moved tells whether one of the partitions has a leader of a higher epoch elsewhere: then the old leader is fenced.
func (c *Client) moved(node int32, partitions []Led) bool {
	s := c.Snapshot()
	for _, p := range partitions {
		if leader, epoch := s.Leader(p.Topic, p.Partition); epoch > p.Epoch && leader != node && leader >= 0 {
			return true
		}
	}
	return false
}

func (c *Client) askMetadata(h *role.Handle, out *meta.Effects) {
	ask := out.MetaAsk
	c.place(h, out.Peer, &Route{Req: out.Metadata, Purpose: c.question(), Deadline: h.World().Now().Add(c.cfg.RequestTimeout), Wait: out.MetaWait, Fit: fitMetadata, Reply: func(r Reply) {
		m := meta.Metadata{Ask: ask, Version: r.Version, Err: r.Err}
		if r.Err == nil {
			m.Resp = r.Resp.(*msg.MetadataResponse)
		}
		c.self.Tell(&metadataAnswer{m})
	}})
}

// fitMetadata makes the request one that the version can carry: whether topics may be created cannot be said before version 4.
func fitMetadata(version int16, req protocol.Request) error {
	if m := req.(*msg.MetadataRequest); version < 4 {
		m.AllowAutoTopicCreation = true
	}
	return nil
}

func (c *Client) askCoordinator(h *role.Handle, a meta.AskCoordinator) {
	req := &msg.FindCoordinatorRequest{KeyType: a.KeyType}
	c.place(h, a.Peer, &Route{Req: req, Purpose: c.question(), Deadline: h.World().Now().Add(c.cfg.RequestTimeout),
		Fit: func(version int16, _ protocol.Request) error {
			if version >= 4 {
				req.CoordinatorKeys = []string{a.Key}
			} else {
				req.Key = a.Key
			}
			return nil
		},
		Reply: func(r Reply) {
			m := meta.Coordinator{Ask: a.Ask, Key: a.Key, KeyType: a.KeyType, Version: r.Version, Err: r.Err}
			if r.Err == nil {
				m.Resp = r.Resp.(*msg.FindCoordinatorResponse)
			}
			c.self.Tell(&coordinatorAnswer{m})
		}})
}

func (c *Client) refuse(r meta.Refusal) {
	err := r.Err
	for _, p := range [...]struct{ inner, outer error }{{meta.ErrClosed, ErrClosed}, {meta.ErrNoBroker, ErrNoBroker}, {meta.ErrNoLeader, ErrNoLeader}} {
		if errors.Is(err, p.inner) {
			err = &reason{p.outer, err}
			break
		}
	}
	switch o := r.Owner.(type) {
	case *Route:
		o.release()
		o.answer(c.world, Reply{Node: cluster.NoNode, Err: &CallError{API: apiName(o), Version: -1, Node: cluster.NoNode, Phase: "route", Err: err}})
	case *Refresh:
		o.answer(nil, &CallError{API: "Metadata", Version: -1, Node: cluster.NoNode, Phase: "route", Err: err})
	}
}

func apiName(r *Route) string { return protocol.APIName(r.Req.APIKey()) }

// Stop closes all connections: calls in flight are waited for until ctx ends, then everything is refused with ErrClosed, and the actor is gone.
func (c *Client) Stop(ctx context.Context) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = c.world.Now().Add(c.cfg.RequestTimeout)
	}
	err := c.close(ctx, deadline)
	if err != nil { // calls are still in flight: no longer wait for them
		_ = c.close(context.WithoutCancel(ctx), c.world.Now())
	}
	gone := role.NewPromise[struct{}](c.world)
	c.stop(func() { gone.Settle(struct{}{}, nil) })
	_, _ = gone.Get(context.WithoutCancel(ctx))
	c.waits.Close(ErrClosed)
	return err
}

func (c *Client) close(ctx context.Context, deadline time.Time) error {
	closed := role.NewPromise[struct{}](c.world)
	c.self.Tell(&Close{Deadline: deadline, Done: func() { closed.Settle(struct{}{}, nil) }})
	_, err := closed.Get(ctx)
	return err
}

var watchers atomic.Uint64

// NextWatch gives an id for a Watch that nobody else has.
func NextWatch() uint64 { return watchers.Add(1) }

// Call sends one request and waits for its answer.
func Call(ctx context.Context, c *Client, r Route) (Reply, error) {
	p := role.NewPromise[Reply](c.world)
	r.Reply = func(reply Reply) { p.Settle(reply, reply.Err) }
	done, err := c.waits.Add(func(err error) { p.Settle(Reply{Node: cluster.NoNode}, err) })
	if err != nil {
		return Reply{Node: cluster.NoNode}, err
	}
	defer done()
	if r.Deadline.IsZero() {
		r.Deadline = c.world.Now().Add(c.cfg.RequestTimeout)
		if d, ok := ctx.Deadline(); ok && d.Before(r.Deadline) {
			r.Deadline = d
		}
	}
	c.self.Tell(&r)
	reply, err := p.Get(ctx)
	if err != nil && err == ctx.Err() {
		err = c.Because(err)
	}
	return reply, err
}

// Metadata asks for the metadata of topics, or of all that are known, and waits for an answer that was asked for after the call.
func Metadata(ctx context.Context, c *Client, topics ...string) (*cluster.Snapshot, error) {
	p := role.NewPromise[*cluster.Snapshot](c.world)
	done, err := c.waits.Add(func(err error) { p.Settle(nil, err) })
	if err != nil {
		return nil, err
	}
	defer done()
	r := &Refresh{Topics: topics, Except: cluster.NoNode, Why: "a caller asks", Reply: func(s *cluster.Snapshot, err error) { p.Settle(s, err) }}
	c.self.Tell(r)
	s, err := p.Get(ctx)
	if err != nil && err == ctx.Err() {
		c.self.Tell(&unwish{r})
		err = c.Because(err)
	}
	return s, err
}

package broker

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker/internal/meta"
	"github.com/kactor-go/kactor/broker/internal/survey"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
)

// Hooks are told what happens, one after the other, on a goroutine that is not an actor's: one that blocks holds up only those behind it, of which some are dropped when 1,024 wait. Any may be nil. One that panics is reported to the world,
// which logs it, and passed over.
type Hooks struct {
	Changed   func(*cluster.Snapshot)
	Refresh   func(topics []string, why string) // somebody asks for new metadata; requests for it coalesce
	Suspect   func(node int32)
	Throttled func(node int32, d time.Duration)
	Slow      func(step string, took time.Duration)
	Barred    func(nodes []cluster.Node) // the cluster advertises them where allowed.brokers does not allow: they are not connected to
	Strange   func(was, is string)       // an address leads to another cluster than before: its id, and the other one's
	// Lacking: the brokers say that they do not support an API, though their other versions are of releases that have it, as the one at addr was the last to be asked for. Final: they have said so for five seconds.
	Lacking func(api, addr string, final bool)
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
	openings openings
	snapshot atomic.Pointer[cluster.Snapshot]
	versions atomic.Pointer[map[int32]protocol.Ranges]
	// suspected is how many brokers are suspect; connections tell of answers only while there are any.
	suspected atomic.Int32
	waits     role.Waits
	allowed   *allowed
	failures  failures

	// What follows belongs to the actor.
	core        *meta.Core
	survey      *survey.Core
	verdicts    survey.Effects
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
	allowed, err := newAllowed(&cfg)
	if err != nil {
		return nil, err
	}
	w := under.World()
	c := &Client{cfg: cfg, hooks: hooks, allowed: allowed, aside: role.NewAside(w), world: w, failed: failed, coordinate: map[coordKey]*atomic.Int32{}}
	c.survey = survey.New()
	c.core = meta.New(meta.Config{Bootstrap: nodes, MaxAge: cfg.MetadataMaxAge, TopicIdle: cfg.TopicIdle, BackoffFirst: cfg.RetryFirst, BackoffMax: cfg.RetryMax,
		Timeout: cfg.RequestTimeout, LateAfter: cfg.LateAfter, Recover: !cfg.NoRebootstrap, Rebootstrap: cfg.RebootstrapAfter, AutoCreate: cfg.AutoCreateTopics,
		MaxBrokers: cfg.MaxBrokers, MaxPartitions: cfg.MaxPartitions, Bar: allowed.bar, Rand: w.Rand()})
	c.snapshot.Store(c.core.Snapshot())
	c.versions.Store(&map[int32]protocol.Ranges{})
	c.self, c.stop = role.Spawn[Message, meta.Effects](under, c, c.perform, (*meta.Effects).Reset, role.Options{Name: "cluster", Failed: failed})
	return c, nil
}

func (c *Client) barred(nodes []cluster.Node) {
	if c.hooks.Barred != nil {
		nodes = slices.Clone(nodes)
		c.hook("Barred", func() { c.hooks.Barred(nodes) })
	}
}

// strange tells that a broker is of another cluster.
func (c *Client) strange(s *meta.Strange) {
	if c.hooks.Strange != nil {
		c.hook("Strange", func() { c.hooks.Strange(s.Was, s.Is) })
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

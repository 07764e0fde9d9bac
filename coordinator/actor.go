package coordinator

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/coordinator/internal/member"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

// Coordinator is the membership of one consumer. What concerns partitions is for the application's goroutine, the rest for any.
type Coordinator struct {
	cfg     Config
	world   role.World
	client  *broker.Client
	fetcher *fetcher.Fetcher
	core    *member.Core
	self    role.Ref[Message]
	stop    func(func())
	caller  *broker.Caller
	note    func(what, text string)
	waits   role.Waits

	identity atomic.Pointer[Identity]
	awaits   atomic.Pointer[error] // what the member waits for
	bits     atomic.Uint32         // not zero: there is work
	began    time.Time
	seen     atomic.Int64 // when the application polled, in nanoseconds since it began: wall clocks jump
	reading  atomic.Bool  // it goes through records, and each counts
	waiting  atomic.Bool  // it waits for records
	busy     atomic.Int32 // how many of its goroutines wait in a call for what the group wants done
	mu       sync.Mutex
	work     Work
	idle     bool // the core wants to know when the application polls again

	progress int64 // sum of the positions at the last look; the actor's
}

// Start starts the membership of the consumer that reads with f. note, if not nil, is told what an operator may want to know; failed is told if it fails by a bug; both must only tell.
func Start(under role.Spawner, client *broker.Client, f *fetcher.Fetcher, cfg Config, note func(what, text string), failed func(error)) (*Coordinator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Group == "" {
		cfg.Protocol, cfg.AutoCommit = member.Alone, false
	}
	w := under.World()
	c := &Coordinator{cfg: cfg, world: w, client: client, fetcher: f, note: note, began: w.Now()}
	c.core = member.New(member.Config{Group: cfg.Group, Instance: cfg.Instance, Rack: cfg.Rack, Protocol: cfg.Protocol, Assignors: cfg.Assignors, Remote: cfg.Remote, ID: newMemberID(w),
		Session: cfg.Session, Heartbeat: cfg.Heartbeat, MaxPoll: cfg.MaxPoll, AutoCommit: cfg.AutoCommit, AutoInterval: cfg.AutoInterval, MaxMembers: cfg.MaxMembers, MaxSubscription: cfg.MaxSubscription, Retention: cfg.Retention, Stable: cfg.Stable, Internal: cfg.Internal,
		MaxAge: cfg.MaxAge, RequestTimeout: cfg.RequestTimeout, BackoffFirst: cfg.RetryFirst, BackoffMax: cfg.RetryMax, Rand: w.Rand()}, client.Snapshot())
	identity := c.core.Identity()
	c.identity.Store(&identity)
	c.self, c.stop = role.Spawn[Message, member.Effects](under, c.core, c.perform, (*member.Effects).Reset, role.Options{Name: "coordinator", Failed: failed})
	c.caller = client.Caller(func(s *cluster.Snapshot) { c.self.Tell(&member.Changed{Snapshot: s}) })
	return c, nil
}

// End lets the cluster actor forget the coordinator: after Leave.
func (c *Coordinator) End() { c.caller.Leave() }

// Over says that the membership was ended and nobody tells its actor anything any more: it may be stopped before the client's connections are.
func (c *Coordinator) Over() bool { return c.caller.Over() }

// Stop ends the actor. Its requests must have come back: see Over, or close the client's connections first.
func (c *Coordinator) Stop(ctx context.Context) error {
	p := role.NewPromise[struct{}](c.world)
	c.stop(func() { p.Settle(struct{}{}, nil) })
	_, err := p.Get(ctx)
	c.waits.Close(ErrClosed)
	return err
}

// perform carries out the effects in the order that member.Effects documents.
func (c *Coordinator) perform(h *role.Handle, out *member.Effects) {
	ref := c.client.Ref()
	now := h.World().Now()
	if out.Forget {
		ref.Tell(&broker.Forget{Key: c.cfg.Group, KeyType: broker.KeyGroup})
	}
	if len(out.Refresh) > 0 {
		slices.Sort(out.Refresh)
		ref.Tell(&broker.Refresh{Topics: slices.Compact(slices.Clone(out.Refresh)), Except: cluster.NoNode, Why: "a group reads them"})
	}
	if out.List {
		c.list(now)
	}
	for _, a := range out.Asks {
		c.world.Go(a.What(), func() { c.ask(a) })
	}
	recalled := uint64(0)
	if out.Rebalance != nil || out.Recall != 0 || out.Drop || len(out.Errors) > 0 || out.CommitDue || out.Idle {
		c.put(func() {
			if out.Drop {
				c.work.Rebalance, c.work.Commit, c.work.Errors = nil, false, nil
			}
			if r := c.work.Rebalance; r != nil && r.Seq == out.Recall {
				c.work.Rebalance, recalled = out.Instead, r.Seq
			}
			if out.Rebalance != nil {
				c.work.Rebalance = out.Rebalance
			}
			c.work.Commit = c.work.Commit || out.CommitDue
			for _, err := range out.Errors {
				if errors.Is(err, member.ErrBlind) {
					err = c.client.Because(err)
				}
				c.work.Errors = append(c.work.Errors, err)
			}
			c.idle = c.idle || out.Idle
		})
	}
	for _, k := range out.Calls { // after what the application must know of before others do: that its partitions are lost
		c.call(now, k)
	}
	if recalled != 0 {
		c.self.Tell(&member.Recalled{Seq: recalled})
	}
	c.begin(out.Begins, out.Starts)
	for i := range out.Results {
		r := &out.Results[i]
		switch owner := r.Owner.(type) {
		case committing:
			owner(r.Err)
		case *role.Promise[[]Offset]:
			owner.Settle(r.Offsets, r.Err)
		}
	}
	if c.note != nil {
		for _, n := range out.Notes {
			c.note(n.What, n.Text)
		}
	}
	if out.AskPolled {
		c.self.Tell(&member.Polled{At: c.lastSeen(now)})
	}
	if why := c.core.Awaits(); why != nil {
		c.awaits.Store(&why)
	} else if c.awaits.Load() != nil {
		c.awaits.Store(nil)
	}
	if identity := c.core.Identity(); identity != *c.identity.Load() {
		c.identity.Store(&identity)
	}
	for _, o := range slices.Concat(out.Left, out.Settled) {
		if p, ok := o.(*role.Promise[struct{}]); ok && p != nil {
			p.Settle(struct{}{}, nil)
		}
	}
}

// begin lets the fetcher read from where the group has committed; where nothing was, from where auto.offset.reset says; and the others from their start.
func (c *Coordinator) begin(offsets []Offset, fromStart []cluster.TopicPartition) {
	if len(offsets)+len(fromStart) == 0 {
		return
	}
	starts := make([]fetcher.Begin, len(offsets), len(offsets)+len(fromStart))
	for i, o := range offsets {
		starts[i] = fetcher.Begin{TopicPartition: o.TopicPartition, Offset: o.Offset, Epoch: o.LeaderEpoch.Int() + 1}
		if o.Offset < 0 {
			starts[i].Offset, starts[i].Epoch = fetcher.AtDefault, 0
		}
	}
	for _, p := range fromStart {
		starts = append(starts, fetcher.Begin{TopicPartition: p, Offset: fetcher.AtStart})
	}
	c.fetcher.Release(starts...)
}

// put changes the work and wakes the application, if it waits for records.
func (c *Coordinator) put(change func()) {
	c.mu.Lock()
	change()
	c.bits.Store(1)
	c.mu.Unlock()
	c.fetcher.Wake()
}

// lastSeen is when the application polled: now, if it waits for records, or is Busy, or, going through them, has read some since the last look.
func (c *Coordinator) lastSeen(now time.Time) time.Time {
	sum := c.fetcher.Progress()
	moved := sum != c.progress
	c.progress = sum
	if c.waiting.Load() || c.busy.Load() > 0 || moved && c.reading.Load() {
		return now
	}
	return c.began.Add(time.Duration(c.seen.Load()))
}

// call sends a request to the group's coordinator.
func (c *Coordinator) call(now time.Time, k *member.Call) {
	route := &broker.Route{Req: k.Req, To: broker.Target{Kind: broker.ToCoordinator, Key: c.cfg.Group, KeyType: broker.KeyGroup}, MinVersion: max(k.Min, least(k.Kind)), Purpose: broker.Group, Lane: c.caller.Lane(),
		Wait: k.Wait, Deadline: now.Add(k.Timeout), Fit: fit, Replayable: true} // a coordinator that is none any more writes nothing, and who joins or commits twice does it once
	if k.Capped {
		route.MaxVersion = k.Max
	}
	if k.Kind == member.CommitCall || k.Kind == member.FetchCall || k.Kind == member.LeaveCall { // not behind a join that the coordinator holds back
		route.Purpose, route.Lane = broker.Calls, 0
	}
	route.Reply = func(r broker.Reply) {
		var failed *broker.CallError
		called := errors.As(r.Err, &failed)
		c.self.Tell(&member.Answer{Call: k, Resp: r.Resp, Version: r.Version, Err: r.Err, Lacks: errors.Is(r.Err, broker.ErrUnsupported), Unsupported: errors.Is(r.Err, broker.ErrNobody),
			Closed: errors.Is(r.Err, broker.ErrClosed), Moved: errors.Is(r.Err, broker.ErrMoved),
			Nobody: called && failed.Phase == "route", Sent: called && failed.Sent})
	}
	c.caller.Send(route)
}

// ask calls a function of the application's, which may panic or end the goroutine it is called on.
func (c *Coordinator) ask(a *member.Ask) {
	told := a.Failed(errors.New("has ended its goroutine"))
	defer func() {
		if p := recover(); p != nil {
			told = a.Failed(fmt.Errorf("has panicked: %v\n%s", p, debug.Stack()))
		}
		c.self.Tell(told)
	}()
	told = a.Run()
}

// list asks any broker for all topics.
func (c *Coordinator) list(now time.Time) {
	req := &msg.MetadataRequest{}
	req.SetDefaults()
	req.Topics, req.AllowAutoTopicCreation = nil, false
	c.caller.Send(&broker.Route{Req: req, Deadline: now.Add(c.cfg.RequestTimeout), Fit: fit, Reply: func(r broker.Reply) {
		m := &member.Listed{Err: r.Err}
		if resp, ok := r.Resp.(*msg.MetadataResponse); ok {
			m = member.List(resp)
		}
		c.self.Tell(m)
	}})
}

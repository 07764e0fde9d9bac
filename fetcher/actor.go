package fetcher

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

// Message is what the fetcher actor takes; callers use the methods of Fetcher.
type Message = plan.Message

// Fetcher fetches for one consumer. Its methods are called by the consumer's goroutine, Pause, Resume and the positions by any. What changes a partition is told to the actor under the buffer's lock: it hears of changes in their order.
type Fetcher struct {
	cfg    Config
	world  role.World
	client *broker.Client
	core   *plan.Core
	self   role.Ref[Message]
	stop   func(func())
	buf    *buffer
	caller *broker.Caller
	over   atomic.Bool             // it is closed
	ended  *role.Promise[struct{}] // when the actor knows
	note   func(what, partition, text string)
}

// Start starts a fetcher on a client's connections. note, if not nil, is told of resets and of partitions in trouble; failed is told if it fails by a bug; both must only tell.
func Start(under role.Spawner, client *broker.Client, cfg Config, note func(what, partition, text string), failed func(error)) (*Fetcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	w := under.World()
	f := &Fetcher{cfg: cfg, world: w, client: client, note: note, ended: role.NewPromise[struct{}](w)}
	f.buf = &buffer{world: w, byTP: map[cluster.TopicPartition]*place{}, wait: role.NewWaiter(), poison: poisons(w), give: func(t []plan.Taking) { f.self.Tell(&plan.Taken{Chunks: t}) },
		hold: func(bytes int64) { f.self.Tell(&plan.Held{Bytes: bytes}) }, large: cfg.Budget / 4,
		crc: cfg.CheckCRCs, limit: cfg.Decompress, committed: cfg.Committed, worth: worthAhead}
	if f.buf.poison { // small batches, too: mistakes are to be found
		f.buf.worth = 0
	}
	f.core = plan.New(plan.Config{MinBytes: int32(cfg.MinBytes), MaxBytes: int32(cfg.MaxBytes), PartitionBytes: int32(cfg.PartitionBytes), MaxWait: cfg.MaxWait, Budget: cfg.Budget,
		Committed: cfg.Committed, Rack: cfg.Rack, Policy: cfg.Reset.policy, Duration: cfg.Reset.ago, RequestTimeout: cfg.RequestTimeout, BackoffFirst: cfg.RetryFirst,
		BackoffMax: cfg.RetryMax, ReplicaAge: cfg.ReplicaAge}, client.Snapshot())
	f.self, f.stop = role.Spawn[Message, plan.Effects](under, f.core, f.perform, (*plan.Effects).Reset, role.Options{Name: "fetcher", Failed: failed})
	f.caller = client.Caller(func(s *cluster.Snapshot) { f.self.Tell(&plan.Changed{Snapshot: s}) })
	return f, nil
}

// poisons tells whether memory that is given back is to be spoilt, so that who still reads it is found out.
func poisons(w role.World) bool {
	p, ok := w.(interface{ Poisons() bool })
	return ok && p.Poisons()
}

// Close ends the sessions with the brokers. Readers get ErrClosed.
func (f *Fetcher) Close(ctx context.Context) error {
	f.buf.mu.Lock()
	if f.buf.over { // by somebody else, who may be at it still
		f.buf.mu.Unlock()
		_, err := f.ended.Get(ctx)
		return err
	}
	f.buf.over = true
	var wake []*role.Waiter
	for _, p := range f.buf.order {
		wake = append(wake, p.waiters...)
		p.waiters = nil
	}
	f.buf.mu.Unlock()
	for _, w := range append(wake, f.buf.wait) {
		f.world.Wake(w)
	}
	f.caller.Leave()
	f.self.Tell(&plan.Close{Owner: f.ended})
	_, err := f.ended.Get(ctx)
	f.over.Store(true)
	return err
}

// Over says that the fetcher is closed and nobody tells its actor anything any more: it may be ended before the client's connections are.
func (f *Fetcher) Over() bool { return f.over.Load() && f.caller.Over() }

// Stop ends the actor. Its requests must have come back: see Over, or close the client's connections first.
func (f *Fetcher) Stop(ctx context.Context) error {
	p := role.NewPromise[struct{}](f.world)
	f.stop(func() { p.Settle(struct{}{}, nil) })
	_, err := p.Get(ctx)
	return err
}

// explain adds to the trouble that a partition has no leader which addresses cannot be connected to: a client that reaches nobody knows of none.
func (f *Fetcher) explain(fails []plan.Failure) {
	var why error
	for i := range fails {
		if fails[i].Err != error(protocol.LeaderNotAvailable) {
			continue
		}
		if why == nil {
			why = f.client.Because(fails[i].Err)
		}
		fails[i].Err = why
	}
}

// perform carries out the effects in the order that plan.Effects documents.
func (f *Fetcher) perform(h *role.Handle, out *plan.Effects) {
	ref := f.client.Ref()
	if len(out.Hints) > 0 {
		hints := make(broker.Hints, len(out.Hints))
		for i, e := range out.Hints {
			hints[i] = broker.Hint{TopicPartition: e.TopicPartition, TopicID: e.Topic, Leader: e.Leader, Epoch: e.Epoch, Node: e.Node}
		}
		ref.Tell(hints)
	}
	if len(out.Refresh) > 0 {
		ref.Tell(&broker.Refresh{Topics: slices.Clone(out.Refresh), Except: cluster.NoNode, Why: out.Why})
	}
	for _, d := range out.Doubts {
		ref.Tell(&broker.Refresh{Topics: d.Topics, Except: d.Node, Why: "it is in doubt whether its leader still is one"})
	}
	now := h.World().Now()
	for _, r := range out.Fetch {
		f.fetch(now, r)
	}
	for _, q := range out.List {
		f.listOffsets(now, q)
	}
	for _, q := range out.Check {
		f.check(now, q)
	}
	f.explain(out.Fail)
	for _, n := range few(f.buf.put(out)) {
		if f.note != nil {
			f.note(n.what, n.partition, n.text)
		}
	}
	for _, m := range out.Frames {
		m.(*frame).release()
	}
	for _, e := range out.End {
		req := &msg.FetchRequest{}
		req.SetDefaults()
		req.ReplicaID, req.SessionID, req.SessionEpoch, req.Topics = -1, e.ID, -1, []msg.FetchRequestFetchTopic{}
		f.caller.Send(&broker.Route{Req: req, To: broker.Target{Kind: broker.ToNode, Node: e.Node}, Deadline: now.Add(time.Second), Reply: func(broker.Reply) {}})
	}
	if out.Closed != nil {
		out.Closed.(*role.Promise[struct{}]).Settle(struct{}{}, nil)
	}
}

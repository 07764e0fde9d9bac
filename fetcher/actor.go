package fetcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Message is what the fetcher actor takes; callers use the methods of Fetcher.
type Message = plan.Message

// Fetcher fetches for one consumer. Its methods are called by the consumer's goroutine, Pause, Resume and the positions by any.
type Fetcher struct {
	cfg    Config
	world  role.World
	client *broker.Client
	core   *plan.Core
	self   role.Ref[Message]
	stop   func(func())
	buf    *buffer
	caller *broker.Caller
	over   atomic.Bool // it is closed
	note   func(what, note string)
}

// Start starts a fetcher on a client's connections. note, if not nil, is told of resets and of partitions in trouble; failed is told if it fails by a bug; both must only tell.
func Start(under role.Spawner, client *broker.Client, cfg Config, note func(what, note string), failed func(error)) (*Fetcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	w := under.World()
	f := &Fetcher{cfg: cfg, world: w, client: client, note: note}
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

// Assign begins to read partitions; those that are assigned already are moved to the new place.
func (f *Fetcher) Assign(starts ...Begin) {
	m := &plan.Assign{}
	var dropped []plan.Taking
	var still []cluster.TopicPartition
	var wake []*role.Waiter
	f.buf.mu.Lock()
	for _, s := range starts {
		if p := f.buf.byTP[s.TopicPartition]; s.released && (p == nil || !p.held) { // it was sought, or is gone
			continue
		}
		offset := s.Offset
		if !s.Time.IsZero() {
			offset = AtDefault
		}
		p := plan.Start{TopicPartition: s.TopicPartition, Offset: s.Offset, Epoch: s.Epoch - 1}
		gen, d := f.buf.assign(s.TopicPartition, offset, p.Epoch)
		p.Gen = gen
		dropped = append(dropped, d...)
		place := f.buf.byTP[s.TopicPartition]
		if place.life.state.Load() == paused {
			still = append(still, s.TopicPartition)
		}
		if offset >= 0 {
			wake = append(wake, place.waiters...)
			place.waiters = nil
		}
		if !s.Time.IsZero() {
			p.ByTime, p.Time = true, s.Time.UnixMilli()
		}
		m.Starts = append(m.Starts, p)
	}
	f.buf.mu.Unlock()
	if len(dropped) > 0 {
		f.buf.give(dropped)
	}
	for _, w := range wake {
		f.world.Wake(w)
	}
	f.self.Tell(m)
	if len(still) > 0 { // the core has not heard of a pause while they were held
		f.self.Tell(&plan.Pause{Parts: still, On: true})
	}
}

// Hold assigns partitions that are not read before Release says where they begin, or a seek. Until then they have no position.
func (f *Fetcher) Hold(parts ...cluster.TopicPartition) {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	for _, tp := range parts {
		f.buf.assign(tp, AtDefault, -1)
		f.buf.byTP[tp].held = true
	}
}

// Release begins to read partitions that are still held. Any goroutine may call it.
func (f *Fetcher) Release(starts ...Begin) {
	for i := range starts {
		starts[i].released = true
	}
	f.Assign(starts...)
}

// Read is how far a partition was read.
type Read struct {
	cluster.TopicPartition
	Offset int64 // of the next record
	Epoch  int32 // leader epoch of the record before; -1: not known
	// Topic is the id of the topic that was read: an offset says nothing of another that was created under the same name since. Zero where ids are not known (before Kafka 2.8).
	Topic wire.UUID
}

// Reads gives the positions of all partitions that have one, in order.
func (f *Fetcher) Reads() (out []Read) {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	for _, p := range f.buf.order {
		if n := p.life.position.Load(); n >= 0 {
			out = append(out, Read{p.tp, n, p.life.epoch.Load(), p.topic})
		}
	}
	slices.SortFunc(out, func(a, b Read) int { return a.Compare(b.TopicPartition) })
	return out
}

// Seek moves partitions that are assigned. What was fetched before is dropped, also if it is being read just now.
func (f *Fetcher) Seek(starts ...Begin) error {
	f.buf.mu.Lock()
	for _, s := range starts {
		if f.buf.byTP[s.TopicPartition] == nil {
			f.buf.mu.Unlock()
			return fmt.Errorf("seek %s: %w", s.TopicPartition, ErrNotAssigned)
		}
		if s.Offset < AtDefault {
			f.buf.mu.Unlock()
			return fmt.Errorf("seek %s: %d is no offset", s.TopicPartition, s.Offset)
		}
	}
	f.buf.mu.Unlock()
	f.Assign(starts...)
	return nil
}

// Unassign ends the reading of partitions.
func (f *Fetcher) Unassign(parts ...cluster.TopicPartition) {
	var dropped []plan.Taking
	var wake []*role.Waiter
	f.buf.mu.Lock()
	for _, tp := range parts {
		d, w, _ := f.buf.revoke(tp)
		dropped, wake = append(dropped, d...), append(wake, w...)
	}
	f.buf.mu.Unlock()
	if len(dropped) > 0 {
		f.buf.give(dropped)
	}
	for _, w := range wake {
		f.world.Wake(w)
	}
	f.self.Tell(&plan.Revoke{Parts: parts})
}

// Pause stops the reading of partitions: when it returns nothing of them is given out any more. What is fetched is kept.
func (f *Fetcher) Pause(parts ...cluster.TopicPartition) error { return f.pause(parts, true) }

// Resume lets paused partitions go on.
func (f *Fetcher) Resume(parts ...cluster.TopicPartition) error { return f.pause(parts, false) }

func (f *Fetcher) pause(parts []cluster.TopicPartition, on bool) error {
	f.buf.mu.Lock()
	for _, tp := range parts {
		if f.buf.byTP[tp] == nil {
			f.buf.mu.Unlock()
			return fmt.Errorf("pause or resume %s: %w", tp, ErrNotAssigned)
		}
	}
	for _, tp := range parts {
		f.buf.byTP[tp].pause(on)
	}
	f.buf.mu.Unlock()
	f.self.Tell(&plan.Pause{Parts: slices.Clone(parts), On: on})
	if !on {
		f.world.Wake(f.buf.wait)
	}
	return nil
}

// Assignment gives the partitions that are assigned, in order.
func (f *Fetcher) Assignment() []cluster.TopicPartition {
	return f.list(func(*place) bool { return true })
}

// Paused gives the partitions that are paused, in order.
func (f *Fetcher) Paused() []cluster.TopicPartition {
	return f.list(func(p *place) bool { return p.life.state.Load() == paused })
}

func (f *Fetcher) list(keep func(*place) bool) (parts []cluster.TopicPartition) {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	for _, p := range f.buf.order {
		if keep(p) {
			parts = append(parts, p.tp)
		}
	}
	slices.SortFunc(parts, cluster.TopicPartition.Compare)
	return parts
}

// Take waits for the next chunk, in turn over the partitions. A chunk that was not read to its end is given again.
func (f *Fetcher) Take(ctx context.Context) (*Chunk, error) {
	return f.buf.Take(ctx)
}

// Ready gives the next chunk if there is one, without waiting; nil if there is none.
func (f *Fetcher) Ready() (*Chunk, error) {
	return f.buf.take(nil)
}

// ReadyOf is Ready for the partitions for which open is true. open must be quick, and must not call the fetcher.
func (f *Fetcher) ReadyOf(open func(cluster.TopicPartition) bool) (*Chunk, error) {
	return f.buf.take(open)
}

// Parts is how many partitions are assigned.
func (f *Fetcher) Parts() int {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	return len(f.buf.order)
}

// Wait waits until there may be something to take, Wake was called, or ctx ends: then its error is returned.
func (f *Fetcher) Wait(ctx context.Context) error { return f.world.Park(ctx, f.buf.wait) }

// Wake ends a Wait.
func (f *Fetcher) Wake() { f.world.Wake(f.buf.wait) }

// Position gives the offset that is read next, and waits until it is known.
func (f *Fetcher) Position(ctx context.Context, tp cluster.TopicPartition) (int64, error) {
	return f.buf.position(ctx, tp)
}

// Moved tells whether there are Resets. It costs one load.
func (f *Fetcher) Moved() bool { return f.buf.moved.Load() }

// Resets takes what has become of positions that were reset.
func (f *Fetcher) Resets() (out []PositionReset) {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	out, f.buf.resets = f.buf.resets, nil
	f.buf.moved.Store(false)
	return out
}

// Watermarks gives what the brokers said last of a partition; ok is false if it is not assigned.
func (f *Fetcher) Watermarks(tp cluster.TopicPartition) (w Watermarks, ok bool) {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	p := f.buf.byTP[tp]
	if p == nil {
		return w, false
	}
	return Watermarks{p.logStart, p.lastStable, p.highWater}, true
}

// Lag is how many offsets lie between the position and the end of what can be read; -1: not known yet.
func (f *Fetcher) Lag(tp cluster.TopicPartition) int64 {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	p := f.buf.byTP[tp]
	if p == nil || p.highWater < 0 {
		return -1
	}
	position := p.life.position.Load()
	if position < 0 {
		return -1
	}
	end := p.highWater
	if f.cfg.Committed {
		end = p.lastStable
	}
	return max(0, end-position)
}

// Close ends the sessions with the brokers. Readers get ErrClosed.
func (f *Fetcher) Close(ctx context.Context) error {
	f.buf.mu.Lock()
	if f.buf.over {
		f.buf.mu.Unlock()
		return nil
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
	p := role.NewPromise[struct{}](f.world)
	f.self.Tell(&plan.Close{Owner: p})
	_, err := p.Get(ctx)
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

// perform carries out the effects in the order that plan.Effects documents.
func (f *Fetcher) perform(h *role.Handle, out *plan.Effects) {
	ref := f.client.Ref()
	for _, e := range out.Hints {
		ref.Tell(&broker.Hint{TopicPartition: e.TopicPartition, TopicID: e.Topic, Leader: e.Leader, Epoch: e.Epoch, Node: e.Node})
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
	for _, n := range f.buf.put(out) {
		if f.note != nil {
			f.note(n.what, n.text)
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

// fetch sends a fetch request.
func (f *Fetcher) fetch(now time.Time, r *plan.Request) {
	req := &msg.FetchRequest{}
	req.SetDefaults()
	req.ReplicaID, req.MaxWaitMs, req.MinBytes, req.MaxBytes = -1, int32(r.Wait.Milliseconds()), int32(f.cfg.MinBytes), r.MaxByte
	req.SessionID, req.SessionEpoch, req.RackID = r.Ask.ID, r.Ask.Epoch, f.cfg.Rack
	if f.cfg.Committed {
		req.IsolationLevel = 1
	}
	req.Topics = []msg.FetchRequestFetchTopic{}
	for i := range r.Ask.Send {
		w := &r.Ask.Send[i]
		last := len(req.Topics) - 1
		if last < 0 || req.Topics[last].Topic != w.Topic {
			req.Topics = append(req.Topics, msg.FetchRequestFetchTopic{Topic: w.Topic, TopicID: w.ID})
			last++
		}
		p := msg.FetchRequestFetchPartition{}
		p.SetDefaults()
		p.Partition, p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch, p.LogStartOffset, p.PartitionMaxBytes = w.Partition, w.LeaderEpoch, w.Offset, w.LastEpoch, -1, w.MaxBytes
		req.Topics[last].Partitions = append(req.Topics[last].Partitions, p)
	}
	for _, w := range r.Ask.Forget {
		last := len(req.ForgottenTopicsData) - 1
		if last < 0 || req.ForgottenTopicsData[last].Topic != w.Topic {
			req.ForgottenTopicsData = append(req.ForgottenTopicsData, msg.FetchRequestForgottenTopic{Topic: w.Topic, TopicID: w.ID})
			last++
		}
		req.ForgottenTopicsData[last].Partitions = append(req.ForgottenTopicsData[last].Partitions, w.Partition)
	}
	led, _ := r.Led.([]broker.Led)
	if led == nil {
		led = make([]broker.Led, len(r.Wants))
		for i := range r.Wants {
			led[i] = broker.Led{TopicPartition: r.Wants[i].TopicPartition, Epoch: r.Wants[i].LeaderEpoch}
		}
		r.Led = led
	}
	route := &broker.Route{Req: req, To: broker.Target{Kind: broker.ToNode, Node: r.Node}, Purpose: broker.Fetch, Lane: f.caller.Lane(), Wait: r.Wait,
		Deadline: now.Add(f.cfg.RequestTimeout + r.Wait), Partitions: led}
	if r.Aside {
		route.Purpose, route.Lane = 0, 0
	}
	if r.ByName {
		route.MaxVersion = 12
	}
	route.Fit = fitFetch
	route.Reply = func(reply broker.Reply) {
		m := &plan.Fetched{Request: r, Version: reply.Version, Err: reply.Err, Moved: errors.Is(reply.Err, broker.ErrMoved)}
		if resp, ok := reply.Resp.(*msg.FetchResponse); ok {
			m.Resp, m.Frame = resp, newFrame(reply.Frame, f.world.Network())
		}
		if m.Moved { // not to be sent to the old leader again
			f.self.Tell(&plan.Changed{Snapshot: f.client.Snapshot()})
		}
		f.self.Tell(m)
	}
	f.caller.Send(route)
}

// errSession says that a request of a session would go to a broker that has none: it speaks an older version than the one that opened it.
var errSession = errors.New("the broker has no fetch sessions any more")

// fitFetch drops what an old broker cannot be told.
func fitFetch(version int16, m protocol.Request) error {
	req := m.(*msg.FetchRequest)
	if version < 7 {
		if req.SessionEpoch > 0 {
			return errSession
		}
		req.SessionID, req.SessionEpoch, req.ForgottenTopicsData = 0, -1, nil
	}
	if version < 12 { // the epoch of what was fetched is checked with OffsetForLeaderEpoch instead
		for i := range req.Topics {
			for k := range req.Topics[i].Partitions {
				req.Topics[i].Partitions[k].LastFetchedEpoch = -1
			}
		}
	}
	return nil
}

func (f *Fetcher) listOffsets(now time.Time, q *plan.Query) {
	req := &msg.ListOffsetsRequest{}
	req.SetDefaults()
	req.ReplicaID = -1
	if f.cfg.Committed {
		req.IsolationLevel = 1
	}
	for i := range q.Parts {
		addList(req, q.Parts[i].TopicPartition, q.Parts[i].LeaderEpoch, q.Parts[i].Timestamp)
	}
	f.caller.Send(&broker.Route{Req: req, To: broker.Target{Kind: broker.ToNode, Node: q.Node}, Deadline: now.Add(f.cfg.RequestTimeout), Partitions: ledOf(q), Fit: fitList,
		Reply: func(r broker.Reply) {
			m := &plan.Listed{Query: q, Version: r.Version, Err: r.Err, Fatal: errors.Is(r.Err, broker.ErrUnsupported) || errors.Is(r.Err, broker.ErrClosed)}
			if resp, ok := r.Resp.(*msg.ListOffsetsResponse); ok {
				m.Resp = resp
			}
			f.self.Tell(m)
		}})
}

// ledOf are the partitions of a query: it ends early when a broker that does not answer leads them no longer.
func ledOf(q *plan.Query) []broker.Led {
	led := make([]broker.Led, len(q.Parts))
	for i := range q.Parts {
		led[i] = broker.Led{TopicPartition: q.Parts[i].TopicPartition, Epoch: q.Parts[i].LeaderEpoch}
	}
	return led
}

func addList(req *msg.ListOffsetsRequest, tp cluster.TopicPartition, epoch int32, timestamp int64) {
	last := len(req.Topics) - 1
	if last < 0 || req.Topics[last].Name != tp.Topic {
		req.Topics = append(req.Topics, msg.ListOffsetsRequestListOffsetsTopic{Name: tp.Topic})
		last++
	}
	p := msg.ListOffsetsRequestListOffsetsPartition{}
	p.SetDefaults()
	p.PartitionIndex, p.CurrentLeaderEpoch, p.Timestamp, p.MaxNumOffsets = tp.Partition, epoch, timestamp, 1
	req.Topics[last].Partitions = append(req.Topics[last].Partitions, p)
}

// fitList drops what an old broker cannot be told: the isolation level.
func fitList(version int16, req protocol.Request) error {
	if version < 2 {
		req.(*msg.ListOffsetsRequest).IsolationLevel = 0
	}
	return nil
}

func (f *Fetcher) check(now time.Time, q *plan.Query) {
	req := &msg.OffsetForLeaderEpochRequest{}
	req.SetDefaults()
	req.ReplicaID = -1
	for i := range q.Parts {
		p := &q.Parts[i]
		last := len(req.Topics) - 1
		if last < 0 || req.Topics[last].Topic != p.Topic {
			req.Topics = append(req.Topics, msg.OffsetForLeaderEpochRequestOffsetForLeaderTopic{Topic: p.Topic})
			last++
		}
		req.Topics[last].Partitions = append(req.Topics[last].Partitions, msg.OffsetForLeaderEpochRequestOffsetForLeaderPartition{
			Partition: p.Partition, CurrentLeaderEpoch: p.LeaderEpoch, LeaderEpoch: p.LastEpoch})
	}
	f.caller.Send(&broker.Route{Req: req, MinVersion: 3, To: broker.Target{Kind: broker.ToNode, Node: q.Node}, Deadline: now.Add(f.cfg.RequestTimeout), Partitions: ledOf(q),
		Reply: func(r broker.Reply) {
			m := &plan.Checked{Query: q, Err: r.Err, Fatal: errors.Is(r.Err, broker.ErrUnsupported)}
			if resp, ok := r.Resp.(*msg.OffsetForLeaderEpochResponse); ok {
				m.Resp = resp
			}
			f.self.Tell(m)
		}})
}

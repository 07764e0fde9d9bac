package plan_test

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// The worlds of a fetcher: one partition, two brokers, a reader that takes what was fetched, seeks and pauses, in every order (explore_test.go). worldbrokers_test.go has the brokers.

// rules are what there is and what may happen in a world.
type rules struct {
	name      string
	change    func(*plan.Config)
	records   int   // that are there at the beginning
	writes    int   // that are written meanwhile, each by the leader of its time
	begin     int64 // where reading begins; plan.AtDefault: where the policy says
	faults    int
	seeks     []int64 // that the reader makes, one after the other
	pauses    int     // and how often it pauses
	breaks    bool    // requests fail
	moves     bool    // the other broker becomes the leader
	idle      bool    // the leader at the beginning is not the first, and has written nothing; a committed offset has its epoch
	elects    bool    // and lacks the latest record
	cuts      bool    // the old leader does not know
	expires   bool    // the first record is deleted
	recreates bool    // the topic is created again, with half as many records
	damages   bool    // what was fetched is damaged, and so is the epoch that it tells
	follower  bool    // the leader names the other broker to read from, which lacks the latest record
	refuses   []protocol.Code
	sessions  bool // brokers forget fetch sessions
	back      bool // metadata may be from before
}

// world is one of them.
type world struct {
	rules   rules
	core    *plan.Core
	now     time.Time
	brokers [2]broker
	asks    []*ask
	log     log
	leader  int32
	epoch   int32
	topic   wire.UUID
	version int64
	stale   bool // the core's picture is not of today
	was     *cluster.Snapshot
	told    int32 // leader epoch of the picture that was told last
	old     int   // pictures of before that come
	faults  int
	waited  int   // how often time has passed and nothing else has happened
	empties int   // how many fetches were held back in vain, and something was there to be read
	lags    int64 // records that a follower lacks
	seek    int
	written int
	pauses  int
	paused  bool
	gen     uint64
	chunks  []chunk
	dropped []chunk   // that are given back unread
	again   int64     // a damaged chunk is fetched again from here; -1: none is
	read    int64     // offset to be read next; -1: not known yet
	before  int32     // epoch of the record before; -1
	given   []entry   // what was read on the way to there
	sought  bool      // it was asked where the log begins
	of      wire.UUID // the topic that was
	late    int       // chunks that came while it was paused
	bad     string
}

// chunk is one in the reader's buffer.
type chunk struct {
	gen    uint64
	life   int
	from   int64
	bytes  int64
	got    []entry
	broken bool // it is damaged
}

var part = cluster.TopicPartition{Topic: "a"}

func newWorld(r rules) *world {
	w := &world{rules: r, now: time.Unix(1000, 0), leader: 1, epoch: 1, topic: wire.UUID{1}, faults: r.faults, pauses: r.pauses, before: -1}
	for range r.records {
		w.log.write(w.topic, 1)
	}
	for i := range w.brokers {
		w.brokers[i].led = -1
	}
	cfg := plan.Config{MinBytes: 1, MaxBytes: 1 << 20, PartitionBytes: 1, MaxWait: 500 * time.Millisecond, Budget: 64 << 20, Policy: plan.ResetEarliest, RequestTimeout: 30 * time.Second, BackoffFirst: 100 * time.Millisecond,
		BackoffMax: 100 * time.Millisecond, ReplicaAge: 5 * time.Minute}
	if r.change != nil {
		r.change(&cfg)
	}
	if r.follower {
		w.lags = int64(r.records)
	}
	if r.idle {
		w.epoch++
	}
	w.told = w.epoch
	w.core = plan.New(cfg, w.picture())
	w.start(r.begin)
	return w
}

func (w *world) picture() *cluster.Snapshot {
	t := &cluster.Topic{Name: "a", ID: w.topic, Partitions: []cluster.Partition{{Leader: w.leader, LeaderEpoch: w.epoch}}}
	return cluster.New(cluster.Snapshot{Version: w.version, Nodes: []cluster.Node{{ID: 1}, {ID: 2}}}, t)
}

// start begins to read, or goes on reading elsewhere.
func (w *world) start(offset int64) {
	w.gen++
	w.read, w.before, w.again, w.given, w.of = max(offset, -1), -1, -1, nil, w.topic
	kept := w.chunks
	w.chunks = nil
	epoch := int32(-1)
	if w.rules.idle && offset >= 0 {
		epoch = w.epoch
	}
	w.step(&plan.Assign{Starts: []plan.Start{{TopicPartition: part, Gen: w.gen, Offset: offset, Epoch: epoch}}})
	for _, k := range kept { // what is in the buffer is of a life before
		w.step(&plan.Taken{Chunks: []plan.Taking{{TopicPartition: part, Gen: k.gen, Bytes: k.bytes, Dropped: true}}})
	}
}

// patience is after how many times nobody waits any more: it hangs.
const patience = 12

// Now implements explore.World.
func (w *world) Now() time.Time { return w.now }

// Events implements explore.World.
func (w *world) Events() (out []explore.Event) {
	add := func(name string, of int, do func()) {
		out = append(out, explore.Event{Name: name, Of: of, Do: do})
	}
	if len(w.chunks) > 0 && !w.paused {
		add("a chunk is read", 0, w.take)
	}
	if w.stale {
		add("metadata", 0, w.refresh)
	}
	if w.old > 0 {
		add("metadata of before", 0, func() {
			w.old--
			w.version++
			was := *w.was
			was.Version = w.version
			w.stale, w.told = true, -1
			w.step(&plan.Changed{Snapshot: &was})
		})
	}
	for i, a := range w.asks {
		if !a.answered && w.answerable(a) {
			add("handled is "+a.what(), i+1, func() { w.handle(a, false) })
		}
		if a.answered {
			add("answered is "+a.what(), i+1, func() {
				w.asks = slices.Delete(slices.Clone(w.asks), i, i+1)
				w.step(a.answer)
			})
		}
	}
	for i, a := range w.asks {
		if a.fetch != nil && !a.answered && !w.busy() && w.read != w.log.end() && w.empties < patience/4 {
			add("nothing came in time to answer "+a.what(), i+1, func() {
				w.empties++
				w.handle(a, true)
			})
		}
	}
	if w.rules.follower && w.lags > 0 {
		add("the follower has it all", 0, func() { w.lags = 0 })
	}
	if next := w.core.Next(); !next.IsZero() && !w.busy() && !w.paused && w.read != w.log.end() && w.waited < patience {
		add("time passes", 0, func() { w.tick(next) })
	}
	if w.seek < len(w.rules.seeks) {
		add("seek to", int(w.rules.seeks[w.seek]), func() {
			w.seek++
			w.start(w.rules.seeks[w.seek-1])
		})
	}
	if w.paused {
		add("resume", 0, func() { w.pause(false) })
	} else if w.pauses > 0 {
		add("pause", 0, func() {
			w.pauses--
			w.pause(true)
		})
	}
	if w.written < w.rules.writes {
		add("a record is written", 0, func() {
			w.written++
			w.log.write(w.topic, w.epoch)
		})
	}
	if w.faults > 0 {
		out = w.faulty(out)
	}
	return out
}

// busy tells whether something is under way that is faster than time-outs.
func (w *world) busy() bool {
	return w.stale || w.old > 0 || w.lags > 0 || len(w.chunks) > 0 && !w.paused || slices.ContainsFunc(w.asks, func(a *ask) bool { return a.answered || w.answerable(a) })
}

func (w *world) pause(on bool) {
	w.paused, w.late = on, 0
	w.step(&plan.Pause{Parts: []cluster.TopicPartition{part}, On: on})
}

func (w *world) refresh() {
	w.stale, w.told, w.empties = false, w.epoch, 0
	w.version++
	w.step(&plan.Changed{Snapshot: w.picture()})
}

// take reads the first chunk to its end, as the consumer does.
func (w *world) take() {
	k := w.chunks[0]
	w.chunks = slices.Clone(w.chunks[1:])
	t := plan.Taking{TopicPartition: part, Gen: k.gen, Bytes: k.bytes}
	if k.broken {
		t.Back, t.At, t.Epoch, t.Life, t.Err = true, k.from, w.before, k.life, protocol.CorruptMessage
		m := &plan.Taken{Chunks: []plan.Taking{t}}
		for _, o := range w.chunks { // nothing behind it is read
			m.Chunks = append(m.Chunks, plan.Taking{TopicPartition: part, Gen: o.gen, Bytes: o.bytes, Dropped: true})
		}
		w.chunks, w.again = nil, k.from
		w.step(m)
		return
	}
	for _, e := range k.got {
		if e.offset >= k.from {
			w.give(e)
		}
	}
	w.step(&plan.Taken{Chunks: []plan.Taking{t}})
}

// give is what the application gets.
func (w *world) give(e entry) {
	switch {
	case e.offset != w.read:
		w.bad = fmt.Sprintf("offset %d is given out, and %d was to come", e.offset, w.read)
	case !w.log.had(e):
		w.bad = fmt.Sprintf("what is given out at offset %d was never there", e.offset)
	}
	w.read, w.before = e.offset+1, e.epoch
	w.given = append(w.given[:len(w.given):len(w.given)], e)
}

// agrees gives how far the log has what was read and what is in the buffer, and whether that is all of it, and reading can go on behind it.
func (w *world) agrees() (to int64, all bool) {
	has := w.given
	to = w.read
	for _, k := range w.chunks {
		for _, e := range k.got {
			if e.offset >= max(k.from, to) {
				has, to = append(has[:len(has):len(has)], e), e.offset+1
			}
		}
	}
	for _, e := range has {
		if e.offset >= w.log.start && !slices.Contains(w.log.entries, e) {
			return e.offset, false
		}
	}
	return min(to, w.log.end()), !w.log.beyond(to) && w.of == w.topic
}

func (w *world) tick(to time.Time) {
	w.waited++
	if to.After(w.now) {
		w.now = to
	}
	out := plan.Effects{}
	w.core.Tick(w.now, &out)
	w.perform(&out)
	if next := w.core.Next(); !next.IsZero() && !next.After(w.now) {
		w.bad = "what was due is due still"
	}
}

func (w *world) step(m plan.Message) {
	w.waited = 0
	out := plan.Effects{}
	w.core.Step(w.now, m, &out)
	w.perform(&out)
}

// perform does what the core wants, in its order.
func (w *world) perform(out *plan.Effects) {
	if len(out.Doubts) > 0 || len(out.Refresh) > 0 {
		w.stale = w.stale || w.told != w.epoch
	}
	for _, r := range out.Fetch {
		if w.paused {
			w.bad = "a partition that is paused is fetched"
		}
		if slices.ContainsFunc(w.asks, func(a *ask) bool { return a.fetch != nil && a.fetch.Node == r.Node && a.fetch.Aside == r.Aside }) {
			w.bad = "two fetches are under way to a broker"
		}
		w.asks = append(w.asks, &ask{node: r.Node, fetch: r})
	}
	for _, q := range out.List {
		w.sought = true
		w.asks = append(w.asks, &ask{node: q.Node, list: q})
	}
	for _, q := range out.Check {
		w.asks = append(w.asks, &ask{node: q.Node, check: q})
	}
	for _, p := range out.Places {
		w.place(p)
	}
	for _, k := range out.Chunks {
		w.arrived(k)
	}
	dropped := &plan.Taken{}
	for _, k := range w.dropped {
		dropped.Chunks = append(dropped.Chunks, plan.Taking{TopicPartition: part, Gen: k.gen, Bytes: k.bytes, Dropped: true})
	}
	w.dropped = nil
	for _, f := range out.Fail {
		if f.Gen == w.gen && !f.Again {
			w.bad = "the reader is told that it must decide, for nothing: " + f.Err.Error()
		}
		if f.Again && !f.Keeps && w.faults == w.rules.faults {
			w.bad = "the reader is told of trouble that is none: " + f.Err.Error()
		}
	}
	if len(dropped.Chunks) > 0 {
		w.step(dropped)
	}
}

// place follows the core's word of where reading goes on.
func (w *world) place(p plan.Place) {
	if p.Gen != w.gen || p.Position < 0 && p.Why == "" {
		return
	}
	agrees, all := w.agrees()
	switch {
	case w.read >= 0 && all && p.Position < 0:
		w.bad = "it is asked where reading goes on, for nothing"
	case w.read >= 0 && all:
		w.bad = fmt.Sprintf("reading goes on at %d, for nothing", p.Position)
	case p.Position < 0:
		return
	case !w.sought: // it goes back to what it has in common with the log
		if p.Position != agrees {
			w.bad = fmt.Sprintf("reading goes on at %d, and what was read is there up to %d", p.Position, agrees)
		}
	case w.rules.begin == plan.AtEnd: // of the time when it was asked
		if p.Position < int64(w.rules.records) || p.Position > w.log.end() {
			w.bad = fmt.Sprintf("reading begins at %d, and the end is %d", p.Position, w.log.end())
		}
	case p.Position > w.log.start || w.faults == w.rules.faults && p.Position != w.log.start: // the policy is to begin at the beginning, which may have been told before it moved on
		w.bad = fmt.Sprintf("reading begins at %d", p.Position)
	}
	w.dropped, w.chunks = append(w.dropped, w.chunks...), nil // what is in the buffer was fetched at the position before
	w.sought = false
	w.read, w.before, w.again, w.of = p.Position, -1, -1, w.topic
	w.given = slices.DeleteFunc(slices.Clone(w.given), func(e entry) bool { return e.offset >= p.Position || !slices.Contains(w.log.entries, e) })
}

// arrived puts a chunk into the buffer.
func (w *world) arrived(c *plan.Chunk) {
	if c.Gen != w.gen {
		w.bad = "a chunk of a life before comes to the reader"
		return
	}
	if w.late++; w.paused && w.late > 1 {
		w.bad = "more than was under way comes while it is paused"
	}
	if w.again >= 0 && w.again != c.Offset { // it was asked for before what was damaged
		w.dropped = append(w.dropped, chunk{gen: c.Gen, bytes: c.Bytes})
		return
	}
	w.again = -1
	k := chunk{gen: c.Gen, life: c.Life, from: c.Offset, bytes: c.Bytes}
	for raw := c.Records; len(raw) > 0; {
		b, rest, ok, err := record.Next(raw)
		if err != nil || !ok {
			break
		}
		k.broken = k.broken || b.CheckCRC() != nil
		k.got = append(k.got, entry{c.Topic, b.BaseOffset, b.LeaderEpoch})
		raw = rest
	}
	w.chunks = append(w.chunks, k)
}

// Wrong implements explore.World.
func (w *world) Wrong() string { return w.bad }

// Rest implements explore.World: everything is read.
func (w *world) Rest() bool {
	return !w.stale && w.old == 0 && len(w.chunks) == 0 && !w.paused && w.seek == len(w.rules.seeks) && w.written == w.rules.writes && w.read == w.log.end() && w.lags == 0 && !slices.ContainsFunc(w.asks, func(a *ask) bool { return a.answered })
}

var errBroken = errors.New("connection reset")

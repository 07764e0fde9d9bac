package fetcher

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// The worlds of a reader: the fetcher's core and its buffer, with what each tells the other under way, a reader who takes record by record, seeks and pauses, and a broker that has a log with transactions, in every order
// (explore_test.go). The core alone, with brokers that change and fail, is in internal/plan.

// rules are what there is and what may happen in a world.
type rules struct {
	name      string
	log       func(*txnLog)
	codec     compress.Codec
	committed bool    // read_committed
	begin     int64   // where reading begins
	seeks     []int64 // that the reader makes, one after the other
	pauses    int     // and how often it pauses
	most      int     // batches that an answer has
	sparse    bool    // the broker's index is: it may also name aborted transactions of behind the answer
	reuse     bool    // the reader keeps no records
	damages   int     // of answers, one turned bit each
	cuts      bool    // answers end in the middle of a batch
	parts     int     // answers that are the first part of a batch, as those of brokers before 0.10.1 were
}

// world is one of them.
type world struct {
	role.World
	rules   *rules
	log     *txnLog
	wanted  []int64 // offsets of the records that are to be read
	now     time.Time
	core    *plan.Core
	f       *Fetcher
	net     spoiler
	mail    []plan.Message // under way to the core
	asks    []*plan.Request
	frames  int // that were made
	hand    *Chunk
	read    int64 // offset behind what was read
	kept    []record.View
	seek    int
	pauses  int
	paused  bool
	damages int
	parts   int
	waited  int // how often time has passed and nothing else has happened
	bad     string
}

// patience is after how many times nobody waits any more: it hangs.
const patience = 4

// logs are those of the worlds: they do not change.
var logs = map[*rules]*txnLog{}

func newWorld(r *rules) *world {
	if logs[r] == nil {
		logs[r] = &txnLog{codec: r.codec}
		r.log(logs[r])
	}
	w := &world{rules: r, log: logs[r], now: time.Unix(1000, 0), pauses: r.pauses, damages: r.damages, parts: r.parts}
	for _, b := range w.log.batches {
		if c, _, _, _ := record.Next(b.raw); !c.Control && (!r.committed || !slices.ContainsFunc(w.log.aborted, func(a txnRange) bool { return a.producer == c.ProducerID && a.first <= b.base && b.last < a.last })) {
			for o := b.base; o <= b.last; o++ {
				w.wanted = append(w.wanted, o)
			}
		}
	}
	cfg := DefaultConfig()
	cfg.Committed = r.committed
	w.core = plan.New(plan.Config{MinBytes: 1, MaxBytes: 1 << 20, PartitionBytes: 1, MaxWait: 500 * time.Millisecond, Budget: 64 << 20, Committed: r.committed, Policy: plan.ResetEarliest, RequestTimeout: 30 * time.Second,
		BackoffFirst: 100 * time.Millisecond, BackoffMax: 100 * time.Millisecond, ReplicaAge: 5 * time.Minute}, w.picture())
	w.f = &Fetcher{cfg: cfg, world: w, buf: &buffer{world: w, byTP: map[cluster.TopicPartition]*place{}, wait: role.NewWaiter(), large: cfg.Budget / 4, poison: true, crc: true, limit: cfg.Decompress, committed: r.committed}}
	w.f.buf.give = func(t []plan.Taking) { w.mail = append(w.mail, &plan.Taken{Chunks: t}) }
	w.f.buf.hold = func(int64) { w.bad = "so little is held back from the budget" }
	w.start(r.begin)
	return w
}

var topic = wire.UUID{1}

func (w *world) picture() *cluster.Snapshot {
	t := &cluster.Topic{Name: tp.Topic, ID: topic, Partitions: []cluster.Partition{{Leader: 1, LeaderEpoch: 1}}}
	return cluster.New(cluster.Snapshot{Nodes: []cluster.Node{{ID: 1}}}, t)
}

// start begins to read somewhere. Nobody hears what the fetcher tells its actor, because there is none.
func (w *world) start(offset int64) {
	w.f.Assign(Begin{TopicPartition: tp, Offset: offset})
	w.mail = append(w.mail, &plan.Assign{Starts: []plan.Start{{TopicPartition: tp, Offset: offset, Epoch: -1, Gen: w.f.buf.gen}}})
	w.read = offset
}

func (w *world) pause(on bool) {
	w.paused = on
	if on {
		_ = w.f.Pause(tp)
	} else {
		_ = w.f.Resume(tp)
	}
	w.mail = append(w.mail, &plan.Pause{Parts: []cluster.TopicPartition{tp}, On: on})
}

// Workers, Wake and Network are of role.World.
func (w *world) Workers() int          { return 0 }
func (w *world) Wake(*role.Waiter)     {}
func (w *world) Network() role.Network { return &w.net }

// Now implements explore.World, and role.World.
func (w *world) Now() time.Time { return w.now }

// Events implements explore.World.
func (w *world) Events() (out []explore.Event) {
	add := func(name string, of int, do func()) {
		out = append(out, explore.Event{Name: name, Of: of, Do: do})
	}
	if len(w.mail) > 0 {
		add("the core hears what it is told", 0, func() {
			m := w.mail[0]
			w.mail = slices.Clone(w.mail[1:])
			w.step(m)
		})
	}
	if w.hand != nil {
		add("a record is read", 0, w.next)
	}
	add("the reader looks what there is", 0, w.take)
	for i, r := range w.asks {
		w.answers(i, r, add, func(name string, of int, do func()) {
			out = append(out, explore.Event{Name: name, Of: of, Fault: true, Do: do})
		})
	}
	if w.seek < len(w.rules.seeks) {
		add("seek to", int(w.rules.seeks[w.seek]), func() {
			w.seek++
			w.start(w.rules.seeks[w.seek-1])
		})
	}
	switch {
	case w.paused:
		add("resume", 0, func() { w.pause(false) })
	case w.pauses > 0:
		add("pause", 0, func() {
			w.pauses--
			w.pause(true)
		})
	}
	if next := w.core.Next(); !next.IsZero() && !w.busy() && w.waited < patience {
		add("time passes", 0, func() {
			w.waited++
			w.now = next
			out := plan.Effects{}
			w.core.Tick(w.now, &out)
			w.perform(&out)
		})
	}
	return out
}

// busy tells whether something is under way that is faster than time-outs, or nothing is to be waited for.
func (w *world) busy() bool {
	return len(w.mail) > 0 || w.paused || len(w.f.buf.byTP[tp].chunks) > 0 || w.f.buf.byTP[tp].life.position.Load() == w.log.end || slices.ContainsFunc(w.asks, func(r *plan.Request) bool { return r.Wants[0].Offset < w.log.end || r.Aside })
}

// answers adds what the broker may answer. It holds back a fetch that nothing is there for.
func (w *world) answers(i int, r *plan.Request, add, fault func(name string, of int, do func())) {
	from := r.Wants[0].Offset
	first := slices.IndexFunc(w.log.batches, func(b txnBatch) bool { return b.last >= from })
	if first < 0 {
		if r.Aside || !w.busy() {
			add("nothing is there for fetch", i+1, func() { w.answer(i, nil, nil) })
		}
		return
	}
	for n := 1; n <= w.rules.most && first+n <= len(w.log.batches); n++ {
		batches := w.log.batches[first : first+n]
		rest := w.log.batches[first+n:]
		var raw []byte
		for _, b := range batches {
			raw = append(raw, b.raw...)
		}
		if w.rules.cuts && len(rest) > 0 {
			raw = append(raw, rest[0].raw[:len(rest[0].raw)-4]...)
		}
		name := fmt.Sprintf("%d batches are the answer to fetch", n)
		upper := batches[n-1].last + 1
		if w.rules.sparse {
			upper = w.log.end
		}
		add(name, i+1, func() { w.answer(i, raw, w.aborted(from, upper)) })
		if w.damages > 0 {
			fault("damaged is the last of "+name, i+1, func() {
				w.damages--
				raw := slices.Clone(raw)
				raw[len(raw)-1] ^= 1
				w.answer(i, raw, w.aborted(from, upper))
			})
			fault("damaged is the size of the first of "+name, i+1, func() {
				w.damages--
				raw := slices.Clone(raw)
				raw[8] ^= 1 << 7
				w.answer(i, raw, w.aborted(from, upper))
			})
		}
	}
	if w.parts > 0 {
		add("a part of a batch is the answer to fetch", i+1, func() {
			w.parts--
			b := w.log.batches[first]
			w.answer(i, b.raw[:len(b.raw)-4], w.aborted(from, b.last+1))
		})
	}
}

// aborted gives the aborted transactions of which something is between two offsets, as brokers do.
func (w *world) aborted(from, upper int64) (out []msg.FetchResponseAbortedTransaction) {
	for _, a := range w.log.aborted {
		if w.rules.committed && a.last >= from && a.first < upper {
			out = append(out, msg.FetchResponseAbortedTransaction{ProducerID: a.producer, FirstOffset: a.first})
		}
	}
	return out
}

func (w *world) answer(i int, raw []byte, aborted []msg.FetchResponseAbortedTransaction) {
	r := w.asks[i]
	w.asks = slices.Delete(slices.Clone(w.asks), i, i+1)
	d := msg.FetchResponsePartitionData{}
	d.SetDefaults()
	d.PreferredReadReplica, d.HighWatermark, d.LastStableOffset, d.Records, d.AbortedTransactions = -1, w.log.end, w.log.end, slices.Clone(raw), aborted
	resp := &msg.FetchResponse{Responses: []msg.FetchResponseFetchableTopicResponse{{TopicID: topic, Partitions: []msg.FetchResponsePartitionData{d}}}}
	w.frames++
	w.step(&plan.Fetched{Request: r, Version: 13, Resp: resp, Frame: newFrame(d.Records, &w.net)})
}

func (w *world) step(m plan.Message) {
	w.waited = 0
	out := plan.Effects{}
	w.core.Step(w.now, m, &out)
	w.perform(&out)
}

// perform does what the core wants, as the fetcher does it.
func (w *world) perform(out *plan.Effects) {
	if len(out.List)+len(out.Check) > 0 {
		w.bad = "it is asked where the log begins, or ends"
	}
	w.asks = append(w.asks, out.Fetch...)
	for _, f := range out.Fail {
		if w.damages == w.rules.damages {
			w.bad = "the reader is told of trouble that is none: " + f.Err.Error()
		}
	}
	w.f.buf.put(out)
	for _, f := range out.Frames {
		f.(*frame).release()
	}
}

// take lets the reader have what there is, as Poll does.
func (w *world) take() {
	w.kept = slices.DeleteFunc(w.kept, func(record.View) bool { return w.rules.reuse })
	k, err := w.f.Ready()
	if err != nil && w.damages == w.rules.damages {
		w.bad = "the reader is told of trouble that is none: " + err.Error()
	}
	if w.hand = k; k == nil {
		return
	}
	if w.rules.reuse {
		k.Reuse()
	} else {
		k.Keep()
	}
}

// next reads a record.
func (w *world) next() {
	w.kept = slices.DeleteFunc(w.kept, func(record.View) bool { return w.rules.reuse })
	var v record.View
	if !w.hand.Next(&v) {
		if err := w.hand.Err(); err != nil && (w.damages == w.rules.damages || !errors.Is(err, record.ErrCRC) && !errors.Is(err, record.ErrLength)) {
			w.bad = "a batch cannot be read: " + err.Error()
		}
		w.hand = nil
		return
	}
	switch i, _ := slices.BinarySearch(w.wanted, w.read); {
	case w.paused:
		w.bad = fmt.Sprintf("offset %d is given out, and it is paused", v.Offset)
	case i == len(w.wanted):
		w.bad = fmt.Sprintf("offset %d is given out, and nothing was to come", v.Offset)
	case v.Offset != w.wanted[i]:
		w.bad = fmt.Sprintf("offset %d is given out, and %d was to come", v.Offset, w.wanted[i])
	}
	w.read = v.Offset + 1
	w.kept = append(w.kept[max(0, len(w.kept)-1):len(w.kept):len(w.kept)], v)
}

// Wrong implements explore.World.
func (w *world) Wrong() string {
	for _, v := range w.kept {
		if s := string(v.Value); s != "committed" && s != "aborted" {
			return fmt.Sprintf("the memory of offset %d is used again, and its reader has it still", v.Offset)
		}
	}
	for _, r := range w.f.Reads() {
		i, _ := slices.BinarySearch(w.wanted, w.read)
		if r.Offset < w.read {
			return fmt.Sprintf("the position is %d, and it was read up to %d", r.Offset, w.read)
		}
		if i < len(w.wanted) && w.wanted[i] < r.Offset {
			return fmt.Sprintf("the position is %d, and offset %d was not given out", r.Offset, w.wanted[i])
		}
	}
	return w.bad
}

// Rest implements explore.World: everything is read, and nothing is held of what came.
func (w *world) Rest() bool {
	reads := w.f.Reads()
	return len(w.mail) == 0 && w.hand == nil && !w.paused && w.seek == len(w.rules.seeks) && len(reads) == 1 && reads[0].Offset == w.log.end && w.net.freed == w.frames
}

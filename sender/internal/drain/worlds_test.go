package drain_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
	"github.com/kactor-go/kactor/sender/internal/batch"
	"github.com/kactor-go/kactor/sender/internal/drain"
)

// The worlds of a sender: one partition, two brokers, a connection to each, a few batches and a few faults, in every order (explore_test.go). worldlog_test.go has the log that the brokers share.

// rules are what there is and what may happen in a world.
type rules struct {
	name      string
	change    func(*drain.Config)
	batches   int
	records   int // of a batch; 0: one
	faults    int
	within    time.Duration // delivery.timeout.ms; 0: two minutes
	epoch     int16         // of the producer id that is given first
	breaks    bool          // connections end: what is under way is lost, or comes still, or was not sent
	moves     bool          // the other broker becomes the leader
	elects    bool          // it may lack the latest batch then
	codes     []protocol.Code
	forgets   bool // after silence a leader does not know the producer any more
	slow      bool // time passes while something is under way
	noID      bool // the producer id is refused once
	recreates bool // the topic is deleted and created again
	closes    bool // the producer is closed
	most      int  // records that fit into a batch; 0: any number
	spoilt    int  // a record that is not valid; 0: all are
	old       bool // the leader is of a release before 2.0, which does not say where a repetition is
	all       bool // nothing happens for which a record could not be written in the end
	loose     bool // records may be there twice, and out of order: only what is told is held against the log
}

// call is a request under way to a broker.
type call struct {
	request *drain.Request
	id      int64 // what its batch went with: the batch itself may get other numbers
	epoch   int16
	first   int32
	topic   wire.UUID
	records []int
	written bool // nobody reads its bytes any more
	handled bool // the broker has an answer, or gives none
	code    protocol.Code
	base    int64
	bad     []int32
	ended   bool // it ends without an answer
	sent    bool
	moved   bool
}

// broker is one, with what is under way to it on the connection of today, and what comes to it still of one that has ended.
type broker struct {
	line  []*call
	still []*call
}

// world is one of them.
type world struct {
	rules   rules
	core    *drain.Core
	now     time.Time
	brokers [2]broker
	log     log
	leader  int32 // 1 or 2
	epoch   int32
	topic   wire.UUID
	version int64  // of the picture that the core has
	stale   bool   // the core's picture is not of today
	late    int    // how often time has passed since: metadata is faster than that
	asked   bool   // for an identity
	given   int16  // identities
	next    int    // batch to be handed over
	faults  int    // that are left
	hurt    []bool // by batch: something has gone wrong since it was handed over
	lacks   bool   // a leader was elected that lacks what was in the log
	closing bool
	closed  bool
	reading []*call        // ended, and its bytes may still be read
	batches []*batch.Batch // that the core knows
	told    [][]verdict    // by record
	bad     string         // something happened that must not
}

// verdict is what a record was told.
type verdict uint8

const (
	written verdict = iota
	uncertain
	rejected
)

// record is the completion of one.
type record int

func (record) Done(cluster.RecordMetadata, error) {}

func newWorld(r rules) *world {
	if r.within == 0 {
		r.within = 2 * time.Minute
	}
	r.records = max(r.records, 1)
	w := &world{rules: r, now: time.Unix(1000, 0), leader: 1, topic: wire.UUID{1}, faults: r.faults, told: make([][]verdict, r.batches*r.records)}
	cfg := drain.Config{Acks: -1, Idempotent: true, Window: 5, MaxRequest: 1 << 20, RequestTimeout: 30 * time.Second, Linger: 5 * time.Millisecond, Retries: 1 << 30, BackoffFirst: 100 * time.Millisecond, BackoffMax: 100 * time.Millisecond}
	if r.change != nil {
		r.change(&cfg)
	}
	w.log.acks, w.log.most, w.log.spoilt, w.log.old = cfg.Acks, r.most, r.spoilt, r.old
	w.core = drain.New(cfg, w, w.picture())
	return w
}

// Cut implements drain.Source: batches are handed over closed.
func (w *world) Cut(_ cluster.TopicPartition, closed []*batch.Batch) []*batch.Batch { return closed }

func (w *world) picture() *cluster.Snapshot {
	t := &cluster.Topic{Name: "a", ID: w.topic, Partitions: []cluster.Partition{{Leader: w.leader, LeaderEpoch: w.epoch}}}
	return cluster.New(cluster.Snapshot{Version: w.version, Nodes: []cluster.Node{{ID: 1}, {ID: 2}}}, t)
}

// Now implements explore.World.
func (w *world) Now() time.Time { return w.now }

// Events implements explore.World.
func (w *world) Events() (out []explore.Event) {
	add := func(name string, of int, do func()) {
		out = append(out, explore.Event{Name: name, Of: of, Do: do})
	}
	if w.next < w.rules.batches && !w.closing {
		add("hand over batch", w.next+1, w.handOver)
	}
	if w.asked {
		add("producer id", 0, w.identify)
	}
	if w.stale {
		add("metadata", 0, w.refresh)
	}
	for i := range w.brokers {
		w.ofBroker(i, add)
	}
	for i, c := range w.reading {
		add("the link lets go of call", i+1, func() {
			w.reading = slices.Delete(slices.Clone(w.reading), i, i+1)
			w.release(c)
		})
	}
	if next := w.core.Next(); !next.IsZero() && !w.busy() && (!w.stale || w.late == 0) {
		add("time passes", 0, func() { w.waited(); w.tick(next) })
	}
	if w.rules.closes && !w.closing {
		add("close", 0, func() {
			w.closing = true
			w.step(&drain.Close{Deadline: w.now.Add(50 * time.Millisecond), Owner: "closer"})
		})
	}
	if w.faults > 0 {
		out = w.faulty(out)
	}
	return out
}

// ofBroker is what a broker does.
func (w *world) ofBroker(i int, add func(string, int, func())) {
	b, node := &w.brokers[i], i+1
	if k := slices.IndexFunc(b.line, func(c *call) bool { return !c.handled && !c.ended }); k >= 0 {
		add("handled by broker", node, func() { w.handle(node, b.line[k], protocol.None) })
	}
	if len(b.still) > 0 {
		add("handled late by broker", node, func() {
			c := b.still[0]
			b.still = b.still[1:]
			w.log.handle(c, int32(node) == w.leader, w.topic, protocol.None, w.now)
		})
	}
	if len(b.line) > 0 && (b.line[0].handled || b.line[0].ended) {
		add("answer of broker", node, func() {
			c := b.line[0]
			b.line = b.line[1:]
			w.reply(c)
		})
	}
	if !w.stale && int32(node) != w.leader && len(b.line) > 0 && !b.line[0].ended { // the cluster actor fetches back what the old leader does not answer
		add("calls are moved from broker", node, func() { w.end(node, true, true, true) })
	}
}

// busy tells whether something is under way: it is faster than time-outs, unless it is slow.
func (w *world) busy() bool {
	for i := range w.brokers {
		if b := &w.brokers[i]; len(b.line)+len(b.still) > 0 {
			return true
		}
	}
	return w.asked || len(w.reading) > 0
}

func (w *world) handle(node int, c *call, says protocol.Code) {
	if !c.written {
		w.release(c)
	}
	w.log.handle(c, int32(node) == w.leader, w.topic, says, w.now)
}

func (w *world) handOver() {
	b := batch.New(cluster.TopicPartition{Topic: "a"}, make([]byte, 0, 1024), w.now)
	b.Deadline = w.now.Add(w.rules.within)
	for i := range w.rules.records {
		b.Append(1000, nil, []byte("v"), nil, record(w.next*w.rules.records+i))
	}
	w.next++
	w.hurt = append(w.hurt, w.lacks || w.stale && (w.log.acks == 0 || w.rules.moves && w.rules.recreates)) // whoever is sent it by mistake does not say so, or has not heard either that the topic is another's
	w.batches = append(w.batches, b)
	w.step(&drain.Wake{Ready: []drain.Ready{{To: b.To, Closed: []*batch.Batch{b}}}})
}

func (w *world) identify() {
	w.asked = false
	w.given++
	epoch := int16(0)
	if w.given == 1 {
		epoch = w.rules.epoch
	}
	w.step(&drain.Identity{ID: 76 + int64(w.given), Epoch: epoch})
}

// waited notes that time has passed without metadata.
func (w *world) waited() {
	if w.stale {
		w.late++
	}
}

func (w *world) refresh() {
	w.stale, w.late = false, 0
	w.version++
	w.step(&drain.Changed{Snapshot: w.picture()})
}

func (w *world) tick(to time.Time) {
	if to.After(w.now) {
		w.now = to
	}
	out := drain.Effects{}
	w.core.Tick(w.now, &out)
	w.perform(&out)
	if next := w.core.Next(); !next.IsZero() && !next.After(w.now) {
		w.bad = "what was due is due still"
	}
}

func (w *world) step(m drain.Message) {
	out := drain.Effects{}
	w.core.Step(w.now, m, &out)
	w.perform(&out)
}

// perform does what the core wants.
func (w *world) perform(out *drain.Effects) {
	w.asked = w.asked || out.AskIdentity
	for _, r := range out.Send {
		if len(r.Batches) != 1 {
			w.bad = "two batches of a partition are in a request"
		}
		b := r.Batches[0]
		b.Bytes(false)
		if b.Epoch == math.MaxInt16 {
			w.bad = "there is no such epoch" // KIP-360
		}
		c := &call{request: r, id: b.ProducerID, epoch: b.Epoch, first: b.Sequence, topic: b.TopicID}
		for _, e := range b.Entries {
			c.records = append(c.records, int(e.Done.(record)))
		}
		w.brokers[r.Node-1].line = append(w.brokers[r.Node-1].line, c)
	}
	for _, s := range out.Settled {
		for i, e := range s.Batch.Entries {
			w.tell(int(e.Done.(record)), i, s)
		}
	}
	for _, b := range out.Free {
		if w.isRead(b) {
			w.bad = "the memory of a batch is given back while the link reads it"
		}
	}
	for _, b := range out.Gone {
		if b.Split { // its memory is no caller's
			continue
		}
		i := slices.Index(w.batches, b)
		if i < 0 || !b.Freed {
			w.bad = "a batch is gone twice, or its memory was not given back"
			continue
		}
		w.batches = slices.Delete(slices.Clone(w.batches), i, i+1)
	}
	w.closed = w.closed || len(out.Closed) > 0
}

// tell notes what a record is told.
func (w *world) tell(n, i int, s drain.Settled) {
	how := rejected
	switch {
	case s.Err == nil:
		how = written
		if s.Base >= 0 && !w.log.has(n, s.Base+int64(i)) {
			w.bad = fmt.Sprintf("record %d is told an offset at which it is not", n+1)
		}
	case errors.Is(s.Err, drain.ErrUncertain):
		how = uncertain
	case errors.Is(s.Err, protocol.InvalidRecord) && n != w.rules.spoilt-1:
		w.bad = fmt.Sprintf("record %d is valid, and is told as not", n+1)
	}
	if how != written && n != w.rules.spoilt-1 && !w.closing && !w.hurt[n/w.rules.records] && !errors.Is(s.Err, protocol.ClusterAuthorizationFailed) { // which holds for some time
		w.bad = fmt.Sprintf("record %d is given up, and nothing has gone wrong since it was handed over: %v", n+1, s.Err)
	}
	if w.rules.all && how != written {
		w.bad = fmt.Sprintf("record %d is given up: %v", n+1, s.Err)
	}
	if errors.Is(s.Err, drain.ErrTimeout) && !w.rules.slow {
		w.bad = fmt.Sprintf("record %d has waited in vain", n+1)
	}
	w.told[n] = append(w.told[n], how)
}

// isRead tells whether a link may read the bytes of a batch.
func (w *world) isRead(b *batch.Batch) bool {
	reads := func(c *call) bool { return !c.written && slices.Contains(c.request.Batches, b) }
	return slices.ContainsFunc(w.brokers[0].line, reads) || slices.ContainsFunc(w.brokers[1].line, reads) || slices.ContainsFunc(w.reading, reads)
}

func (w *world) release(c *call) {
	c.written = true
	w.step(&drain.Released{Request: c.request})
}

// reply gives the core the end of a call.
func (w *world) reply(c *call) {
	a := &drain.Answer{Request: c.request, Version: 13, Sent: true}
	switch {
	case c.ended:
		a.Err, a.Sent, a.Moved = errors.New("connection reset"), c.sent, c.moved
		if !c.written {
			w.reading = append(w.reading, c)
		}
	case w.log.acks != 0:
		p := msg.ProduceResponsePartitionProduceResponse{}
		p.SetDefaults()
		p.ErrorCode, p.BaseOffset, p.LogAppendTimeMs = int16(c.code), c.base, -1
		for _, i := range c.bad {
			p.RecordErrors = append(p.RecordErrors, msg.ProduceResponseBatchIndexAndErrorMessage{BatchIndex: i})
		}
		a.Resp = &msg.ProduceResponse{Responses: []msg.ProduceResponseTopicProduceResponse{{TopicID: c.topic, PartitionResponses: []msg.ProduceResponsePartitionProduceResponse{p}}}}
	}
	w.step(a)
}

// Wrong implements explore.World.
func (w *world) Wrong() string {
	if w.bad != "" {
		return w.bad
	}
	return w.log.wrong(w.told, w.rules.loose)
}

// Rest implements explore.World.
func (w *world) Rest() bool {
	if w.busy() || w.asked || !w.closing && w.next < w.rules.batches || w.closing != w.closed {
		return false
	}
	for n, t := range w.told {
		if len(t) == 0 && n < w.next*w.rules.records {
			return false
		}
	}
	return len(w.batches) == 0
}

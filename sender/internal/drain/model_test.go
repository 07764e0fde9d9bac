package drain

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// The model plays random histories of one partition against a leader that keeps a producer's state as Kafka does (ProducerAppendInfo, ProducerStateEntry), and holds what was told of each record against the log.

// recordID is the completion of a record.
type recordID int

func (recordID) Done(cluster.RecordMetadata, error) {}

// leaderState is what a leader has: its log, and what it knows of the producer.
type leaderState struct {
	r     *rand.Rand
	rules rules
	calm  bool // nothing goes wrong any more
	known bool
	id    int64
	epoch int16
	last  int32
	cache [][2]int32 // first and last sequence of the latest five batches
	log   []*sentBatch
	lost  map[int]bool // records that were in the log
	most  int          // records that fit into a batch
}

// rules are what may happen in a history.
type rules struct {
	retries   int
	forgets   time.Duration // after so much silence, longer than anything is tried, the leader forgets the producer
	anyTime   bool          // it forgets whenever it likes: then records may be there twice, and out of order, but what is told is true
	elects    bool          // a replica becomes the leader that lacks some of what was in the log
	moves     bool          // others lead, or nobody does for a while
	flaps     bool          // metadata tells the id of another topic now and then
	badRecord bool          // every seventh record is not valid
	lastIDs   bool          // ids have only three epochs left
}

// sentBatch is a batch as it went to the leader.
type sentBatch struct {
	of       *batch.Batch
	request  *Request
	topic    wire.UUID
	id       int64
	epoch    int16
	sequence int32
	records  []int
	handled  bool
	code     protocol.Code
	bad      []int32
}

// handle appends a batch, or refuses it.
func (l *leaderState) handle(w *sentBatch) {
	w.handled = true
	w.code = l.answer(w)
}

func (l *leaderState) answer(w *sentBatch) protocol.Code {
	often := func(n int) bool { return !l.calm && l.r.IntN(n) == 0 }
	if l.rules.anyTime && often(20) {
		l.forget()
	}
	if w.topic != (wire.UUID{1}) {
		return protocol.UnknownTopicID
	}
	if often(12) {
		return []protocol.Code{protocol.NotEnoughReplicas, protocol.CorruptMessage, protocol.NotLeaderOrFollower, protocol.KafkaStorageError, protocol.UnknownServerError}[l.r.IntN(5)]
	}
	if often(60) {
		return protocol.PolicyViolation
	}
	if len(w.records) > l.most {
		return protocol.MessageTooLarge
	}
	if l.rules.badRecord {
		for i, n := range w.records {
			if n%7 == 6 {
				w.bad = append(w.bad, int32(i))
			}
		}
		if len(w.bad) > 0 {
			return protocol.InvalidRecord
		}
	}
	known := l.known && w.id == l.id
	last := record.AddSequence(w.sequence, int32(len(w.records)-1))
	switch {
	case known && w.epoch == l.epoch && slices.Contains(l.cache, [2]int32{w.sequence, last}):
		return protocol.None
	case known && w.epoch < l.epoch:
		return protocol.InvalidProducerEpoch
	case known && w.epoch > l.epoch && w.sequence != 0, known && w.epoch == l.epoch && w.sequence != record.AddSequence(l.last, 1):
		return protocol.OutOfOrderSequenceNumber
	}
	l.remember(w)
	l.log = append(l.log, w)
	if often(12) {
		return []protocol.Code{protocol.NotEnoughReplicasAfterAppend, protocol.RequestTimedOut, protocol.NotLeaderOrFollower, protocol.KafkaStorageError, protocol.UnknownServerError}[l.r.IntN(5)]
	}
	return protocol.None
}

// remember notes a batch that is in the log.
func (l *leaderState) remember(w *sentBatch) {
	last := record.AddSequence(w.sequence, int32(len(w.records)-1))
	if !l.known || w.id != l.id || w.epoch != l.epoch {
		l.cache = nil
	}
	l.known, l.id, l.epoch, l.last = true, w.id, w.epoch, last
	if l.cache = append(l.cache, [2]int32{w.sequence, last}); len(l.cache) > 5 {
		l.cache = l.cache[1:]
	}
}

func (l *leaderState) forget() { l.known, l.cache = false, nil }

// lose drops the latest batches of the log, and what is known of the producer is what the others say.
func (l *leaderState) lose(batches int) {
	keep := max(0, len(l.log)-batches)
	for _, w := range l.log[keep:] {
		for _, n := range w.records {
			l.lost[n] = true
		}
	}
	l.log = l.log[:keep]
	l.forget()
	for _, w := range l.log {
		l.remember(w)
	}
}

// history is one that is being played.
type history struct {
	*bench
	l     *leaderState
	r     *rand.Rand
	line  []*sentBatch // of the connection
	next  int          // number of the next record
	seen  int          // of b.told
	told  map[int][]error
	trace *[]string // nil: nobody wants it

	calmAt time.Time // when nothing went wrong any more
	fresh  int       // the first record that was handed over then
}

// soon is how long it may take, once the leader is well, until there is an outcome for everything. Time-outs come too late for that.
const soon = 5 * time.Second

func (h *history) notef(format string, args ...any) {
	if h.trace != nil {
		*h.trace = append(*h.trace, fmt.Sprintf(format, args...))
	}
}

// take looks at what the core wants.
func (h *history) take() {
	for ; h.seen < len(h.bench.told); h.seen++ {
		s := h.bench.told[h.seen]
		for _, e := range s.Batch.Entries {
			n := int(e.Done.(recordID))
			h.told[n] = append(h.told[n], s.Err)
			h.notef("told #%d: %v", n, s.Err)
		}
	}
	for _, q := range h.sent {
		for _, b := range q.Batches {
			w := &sentBatch{of: b, request: q, topic: b.TopicID, id: b.ProducerID, epoch: b.Epoch, sequence: b.Sequence}
			for _, e := range b.Entries {
				w.records = append(w.records, int(e.Done.(recordID)))
			}
			h.notef("send id %d epoch %d sequence %d %v", w.id, w.epoch, w.sequence, w.records)
			h.line = append(h.line, w)
		}
	}
	h.sent = nil
}

func (h *history) reply(w *sentBatch) {
	p := msg.ProduceResponsePartitionProduceResponse{}
	p.SetDefaults()
	p.ErrorCode, p.BaseOffset, p.LogAppendTimeMs = int16(w.code), -1, -1
	for _, i := range w.bad {
		p.RecordErrors = append(p.RecordErrors, msg.ProduceResponseBatchIndexAndErrorMessage{BatchIndex: i})
	}
	h.notef("answer epoch %d sequence %d: %s", w.epoch, w.sequence, w.code.Name())
	h.step(&Released{w.request})
	h.step(&Answer{Request: w.request, Version: 13, Sent: true, Resp: &msg.ProduceResponse{Responses: []msg.ProduceResponseTopicProduceResponse{
		{TopicID: w.topic, PartitionResponses: []msg.ProduceResponsePartitionProduceResponse{p}}}}})
	h.take()
}

func (h *history) handleNext() {
	if i := slices.IndexFunc(h.line, func(w *sentBatch) bool { return !w.handled }); i >= 0 {
		h.l.handle(h.line[i])
	}
}

func (h *history) replyNext() {
	if len(h.line) > 0 && h.line[0].handled {
		w := h.line[0]
		h.line = h.line[1:]
		h.reply(w)
	}
}

// breaks ends the connection. Some of what is under way comes through.
func (h *history) breaks() {
	line := h.line
	for n := h.r.IntN(len(line) + 1); n > 0; n-- {
		if w := line[n-1]; !w.handled {
			for _, o := range line[:n] {
				if !o.handled {
					h.l.handle(o)
				}
			}
		}
	}
	h.notef("the connection breaks")
	h.ends(Answer{Err: errReset, Sent: true})
}

// moves lets another lead, or nobody. What is under way to the old leader comes back at once, or with its refusal.
func (h *history) moves(version int64, epoch int32) {
	node := 1 + epoch%3
	if h.r.IntN(3) == 0 {
		node = cluster.NoNode
	}
	h.notef("node %d leads in epoch %d", node, epoch)
	h.lead(version, node, epoch, 1)
	h.take()
	if h.r.IntN(2) == 0 {
		h.ends(Answer{Err: errReset, Sent: true, Moved: true})
		return
	}
	for _, w := range h.line {
		if !w.handled && w.request.Node != node {
			w.handled, w.code = true, protocol.NotLeaderOrFollower
		}
	}
}

// ends is the end of all that is under way, whatever came of it.
func (h *history) ends(how Answer) {
	line := h.line
	h.line = nil
	for _, w := range line {
		h.step(&Released{w.request})
		a := how
		a.Request = w.request
		h.step(&a)
		h.take()
	}
}

func (h *history) produce(within time.Duration) {
	o := batch.New(cluster.TopicPartition{Topic: "a"}, make([]byte, 0, 4096), h.now)
	o.Deadline = h.now.Add(within)
	for range 1 + h.r.IntN(5) {
		o.Append(1000, nil, []byte("v"), nil, recordID(h.next))
		h.next++
	}
	h.step(&Wake{Ready: []Ready{{To: o.To, Closed: []*batch.Batch{o}}}})
	h.take()
}

func (h *history) wait(d time.Duration) {
	h.later(d)
	h.take()
}

// playHistory plays one seed, and gives what is wrong with it.
func playHistory(t *testing.T, seed uint64, rules rules, trace *[]string) (wrong string) {
	r := rand.New(rand.NewPCG(seed, 3))
	b := newBench(t, func(c *Config) { c.Retries = rules.retries })
	if rules.lastIDs {
		b.c.Step(b.now, &Identity{ID: 76, Epoch: math.MaxInt16 - 3}, &b.out)
	}
	h := &history{bench: b, r: r, trace: trace, told: map[int][]error{}, l: &leaderState{r: r, rules: rules, lost: map[int]bool{}, most: 2 + r.IntN(4)}}
	version, epoch := int64(1), int32(0)
	for range 120 {
		switch k := r.IntN(22); {
		case k < 6:
			h.produce(time.Duration(5+h.r.IntN(20)) * time.Second)
		case k < 11:
			h.handleNext()
		case k < 16:
			h.replyNext()
		case k == 16:
			h.breaks()
		case k == 17 && rules.flaps && (!rules.elects || r.IntN(2) == 0):
			version++
			h.lead(version, 1, epoch, byte(1+r.IntN(4)/3))
			h.take()
		case k == 17 && rules.moves && (!rules.elects || r.IntN(2) == 0):
			version++
			epoch++
			h.moves(version, epoch)
		case k == 17 && rules.elects:
			h.breaks()
			h.l.lose(r.IntN(10))
			version++
			epoch++
			h.lead(version, 1+epoch%3, epoch, 1)
			h.take()
		case k == 18 && len(h.line) == 0 && rules.forgets > 0:
			h.wait(rules.forgets)
			h.l.forget()
		case k > 18:
			d := time.Duration(r.IntN(1500)) * time.Millisecond
			if n := b.c.Next(); !n.IsZero() && r.IntN(2) == 0 {
				d = max(0, n.Sub(b.now))
			}
			h.wait(d)
		}
	}
	h.l.calm = true
	h.lead(version+1, 1, epoch+1, 1)
	h.take()
	h.fresh, h.calmAt = h.next, h.now
	for range 3 {
		h.produce(time.Hour)
	}
	for range 400 {
		switch {
		case len(h.line) > 0:
			h.handleNext()
			h.replyNext()
		case len(h.told) < h.next && !b.c.Next().IsZero():
			h.wait(max(0, b.c.Next().Sub(b.now)))
		}
	}
	return h.verify(rules)
}

// verify holds what was told against the log.
func (h *history) verify(rules rules) string {
	times := map[int]int{}
	latest := -1
	for _, w := range h.l.log {
		for _, n := range w.records {
			if n < latest && !rules.anyTime {
				return fmt.Sprintf("#%d comes behind #%d", n, latest)
			}
			latest = n
			times[n]++
		}
	}
	if d := h.now.Sub(h.calmAt); d > soon {
		return fmt.Sprintf("%s after the leader was well there was not everything told", d)
	}
	for n := range h.next {
		told := h.told[n]
		switch {
		case len(told) != 1:
			return fmt.Sprintf("#%d has %d outcomes", n, len(told))
		case told[0] == nil && times[n] == 0 && !h.l.lost[n]:
			return fmt.Sprintf("#%d is told as written and is not in the log", n)
		case told[0] != nil && !errors.Is(told[0], ErrUncertain) && times[n] > 0:
			return fmt.Sprintf("#%d is told as not written (%v) and is in the log", n, told[0])
		case times[n] > 1 && !rules.anyTime:
			return fmt.Sprintf("#%d is in the log %d times", n, times[n])
		case errors.Is(told[0], protocol.InvalidRecord) && !errors.Is(told[0], ErrUncertain) && n%7 != 6:
			return fmt.Sprintf("#%d is valid and was told %v", n, told[0])
		case n >= h.fresh && told[0] != nil && !errors.Is(told[0], protocol.InvalidRecord):
			return fmt.Sprintf("#%d was handed over when the leader was well, and told %v", n, told[0])
		}
	}
	return ""
}

func TestHistoriesOfOnePartition(t *testing.T) {
	const many = 1 << 30
	for _, c := range []struct {
		name  string
		rules rules
	}{
		{"a leader that remembers", rules{retries: many}},
		{"few retries", rules{retries: 2}},
		{"a leader that forgets after silence", rules{retries: many, forgets: time.Minute}},
		{"a leader that forgets at any time", rules{retries: many, anyTime: true}},
		{"bad records", rules{retries: many, badRecord: true}},
		{"bad records and a leader that forgets at any time", rules{retries: many, badRecord: true, anyTime: true}},
		{"a leader that lacks what was in the log", rules{retries: many, elects: true}},
		{"a leader that moves", rules{retries: many, moves: true}},
		{"a topic id that flaps", rules{retries: many, flaps: true}},
		{"ids that are used up", rules{retries: many, lastIDs: true, badRecord: true}},
		{"all of it", rules{retries: 20, forgets: time.Minute, badRecord: true, flaps: true, elects: true, moves: true, lastIDs: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			histories := uint64(500)
			if testing.Short() {
				histories = 50
			}
			for seed := range histories {
				if wrong := playHistory(t, seed, c.rules, nil); wrong != "" {
					var trace []string
					playHistory(t, seed, c.rules, &trace)
					t.Fatalf("seed %d: %s\n\t%s", seed, wrong, strings.Join(trace, "\n\t"))
				}
			}
		})
	}
}

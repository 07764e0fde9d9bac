package drain

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// account plays random histories of several partitions against brokers that say anything, and counts: whatever happens, each record has one outcome, each buffer is given back once, and when nobody reads it, each flush is answered once,
// behind the outcomes that it waits for, and no broker has more requests under way than its window.
type account struct {
	t    *testing.T
	seed uint64
	r    *rand.Rand
	c    *Core
	now  time.Time
	cfg  Config

	open    map[cluster.TopicPartition]*batch.Batch
	packing []*batch.Batch
	line    []*Request // not answered
	held    []*Request // not released
	asked   bool

	records  int
	told     map[int]int
	batches  map[*batch.Batch]bool // that the core was given
	reading  map[*batch.Batch]int  // requests and compressors that read its bytes
	freed    map[*batch.Batch]int
	gone     map[*batch.Batch]int
	flushes  int
	upTo     map[int]int // records handed over before a flush
	answered map[int]int
	closed   int
}

func (a *account) Cut(to cluster.TopicPartition, closed []*batch.Batch) []*batch.Batch {
	if o := a.open[to]; o != nil {
		delete(a.open, to)
		a.batches[o] = true
		closed = append(closed, o)
	}
	return closed
}

func (a *account) step(m Message) {
	var out Effects
	if m == nil {
		a.c.Tick(a.now, &out)
	} else {
		a.c.Step(a.now, m, &out)
	}
	a.note(&out)
}

func (a *account) note(out *Effects) {
	for _, b := range out.Pack {
		a.packing = append(a.packing, b)
		a.reading[b]++
	}
	a.asked = a.asked || out.AskIdentity
	for _, q := range out.Send {
		a.line, a.held = append(a.line, q), append(a.held, q)
		for _, b := range q.Batches {
			if a.freed[b] > 0 {
				a.t.Fatalf("seed %d: a batch is sent whose buffer was given back", a.seed)
			}
			a.reading[b]++
		}
	}
	flight := map[int32]int{}
	for _, q := range a.line {
		if flight[q.Node]++; flight[q.Node] > a.cfg.Window {
			a.t.Fatalf("seed %d: %d requests are under way to a broker", a.seed, flight[q.Node])
		}
	}
	for _, s := range out.Settled {
		for _, e := range s.Batch.Entries {
			a.told[int(e.Done.(recordID))]++
		}
	}
	for _, b := range out.Free {
		if a.freed[b]++; a.freed[b] > 1 || a.reading[b] > 0 {
			a.t.Fatalf("seed %d: a buffer is given back %d times, %d read it", a.seed, a.freed[b], a.reading[b])
		}
	}
	for _, b := range out.Gone {
		a.gone[b]++
	}
	for _, f := range out.Flushed {
		n := f.(int)
		a.answered[n]++
		for k := range a.upTo[n] {
			if a.told[k] != 1 {
				a.t.Fatalf("seed %d: a flush is answered before #%d of %d", a.seed, k, a.upTo[n])
			}
		}
	}
	if len(out.Closed) > 0 {
		a.closed++
	}
}

// partitions are two of topic a, and one of b.
func (a *account) partition() cluster.TopicPartition {
	return []cluster.TopicPartition{{Topic: "a"}, {Topic: "a", Partition: 1}, {Topic: "b"}}[a.r.IntN(3)]
}

func (a *account) batch(to cluster.TopicPartition) *batch.Batch {
	o := batch.New(to, make([]byte, 0, 4096), a.now)
	o.Deadline = a.now.Add(time.Duration(1+a.r.IntN(60)) * time.Second)
	a.records += a.fill(o)
	return o
}

func (a *account) fill(o *batch.Batch) int {
	n := 1 + a.r.IntN(4)
	for i := range n {
		o.Append(1000, nil, []byte("v"), nil, recordID(a.records+i))
	}
	return n
}

// lead moves leaders, or lets topics be made again, or be unknown.
func (a *account) lead() {
	s := a.c.snap
	version := s.Version + 1
	name := []string{"a", "b"}[a.r.IntN(2)]
	if a.r.IntN(10) == 0 {
		s = s.With(nil, []string{name})
	} else {
		t := &cluster.Topic{Name: name}
		t.ID[0], t.ID[1] = name[0], byte(a.r.IntN(8)/7)
		for i := range int32(2) {
			t.Partitions = append(t.Partitions, cluster.Partition{Index: i, Leader: int32(a.r.IntN(4)) - 1, LeaderEpoch: int32(version)})
		}
		s = s.With([]*cluster.Topic{t}, nil)
	}
	s.Version = version
	a.step(&Changed{s})
}

func (a *account) release(i int) {
	q := a.held[i]
	a.held = append(a.held[:i:i], a.held[i+1:]...)
	for _, b := range q.Batches {
		a.reading[b]--
	}
	a.step(&Released{q})
}

func (a *account) answer() {
	q := a.line[0]
	a.line = a.line[1:]
	m := &Answer{Request: q, Version: 9, Sent: true}
	switch k := a.r.IntN(10); {
	case k == 0:
		m.Err, m.Sent, m.Moved, m.Refused = errReset, a.r.IntN(2) == 0, a.r.IntN(3) == 0, a.r.IntN(5) == 0
	case a.cfg.Acks == 0:
	default:
		m.Resp = &msg.ProduceResponse{}
		for _, o := range q.Batches {
			p := msg.ProduceResponsePartitionProduceResponse{}
			p.SetDefaults()
			p.Index, p.LogAppendTimeMs = o.To.Partition, -1
			if a.r.IntN(3) == 0 {
				codes := protocol.Codes()
				p.ErrorCode = int16(codes[a.r.IntN(len(codes))])
				if a.r.IntN(3) == 0 {
					p.ErrorCode = int16([]protocol.Code{protocol.MessageTooLarge, protocol.InvalidRecord, protocol.OutOfOrderSequenceNumber, protocol.NotLeaderOrFollower}[a.r.IntN(4)])
				}
				for i := range a.r.IntN(4) {
					p.RecordErrors = append(p.RecordErrors, msg.ProduceResponseBatchIndexAndErrorMessage{BatchIndex: int32(i)})
				}
			}
			if a.r.IntN(30) > 0 { // else the answer says nothing of it
				m.Resp.Responses = append(m.Resp.Responses, msg.ProduceResponseTopicProduceResponse{Name: o.To.Topic, PartitionResponses: []msg.ProduceResponsePartitionProduceResponse{p}})
			}
		}
	}
	a.step(m)
}

func (a *account) identify() {
	a.asked = false
	m := &Identity{ID: int64(a.r.IntN(3)), Epoch: 32_000}
	switch a.r.IntN(8) {
	case 0:
		m = &Identity{Err: protocol.ClusterAuthorizationFailed}
	case 1:
		m = &Identity{Err: protocol.CoordinatorLoadInProgress}
	case 2:
		m = &Identity{Err: errors.New("unsupported"), Unsupported: a.r.IntN(3) == 0}
	}
	a.step(m)
}

func (a *account) pack(i int) {
	b := a.packing[i]
	a.packing = append(a.packing[:i:i], a.packing[i+1:]...)
	a.reading[b]--
	a.step(&Packed{Batch: b})
}

func (a *account) act() {
	switch k := a.r.IntN(20); {
	case k < 3:
		to := a.partition()
		list := a.Cut(to, nil)
		o := a.batch(to)
		a.batches[o] = true
		a.step(&Wake{Ready: []Ready{{To: to, Closed: append(list, o)}}})
	case k < 6:
		to := a.partition()
		if o := a.open[to]; o != nil {
			a.records += a.fill(o)
			break
		}
		a.open[to] = a.batch(to)
		a.step(&Wake{Ready: []Ready{{To: to, Open: a.now}}})
	case k == 6 && a.flushes < 5:
		a.upTo[a.flushes] = a.records
		a.flushes++
		a.step(&Flush{Owner: a.flushes - 1})
	case k == 7:
		a.lead()
	case k < 12 && len(a.line) > 0:
		a.answer()
	case k < 14 && len(a.held) > 0:
		a.release(a.r.IntN(len(a.held)))
	case k < 16 && len(a.packing) > 0:
		a.pack(a.r.IntN(len(a.packing)))
	case k == 16 && a.asked:
		a.identify()
	default:
		d := time.Duration(a.r.IntN(800)) * time.Millisecond
		if n := a.c.Next(); !n.IsZero() && a.r.IntN(2) == 0 {
			d = max(0, n.Sub(a.now))
		}
		a.now = a.now.Add(d)
		a.step(nil)
	}
}

// end closes the producer, or lets it fail, and lets everything come back.
func (a *account) end() {
	aborts := a.r.IntN(3) == 0
	if aborts {
		var out Effects
		a.c.Abort(errReset, &out)
		a.note(&out)
	} else {
		a.step(&Close{Deadline: a.now.Add(time.Duration(a.r.IntN(3000)) * time.Millisecond), Owner: "c"})
		for range 100 {
			a.act()
		}
		a.now = a.now.Add(time.Minute)
		a.step(nil)
	}
	for len(a.line)+len(a.held)+len(a.packing) > 0 {
		switch {
		case aborts && len(a.line) > 0:
			var out Effects
			a.c.Refuse(&Answer{Request: a.line[0], Err: errReset}, errReset, &out)
			a.line = a.line[1:]
			a.note(&out)
		case len(a.line) > 0:
			a.answer()
		case len(a.held) > 0 && !aborts:
			a.release(0)
		case len(a.held) > 0:
			var out Effects
			for _, b := range a.held[0].Batches {
				a.reading[b]--
			}
			a.c.Refuse(&Released{a.held[0]}, errReset, &out)
			a.held = a.held[1:]
			a.note(&out)
		case aborts:
			var out Effects
			a.reading[a.packing[0]]--
			a.c.Refuse(&Packed{Batch: a.packing[0]}, errReset, &out)
			a.packing = a.packing[1:]
			a.note(&out)
		default:
			a.pack(0)
		}
	}
	for n := range a.records {
		if a.told[n] != 1 {
			a.t.Fatalf("seed %d: #%d has %d outcomes", a.seed, n, a.told[n])
		}
	}
	for b := range a.batches {
		if a.freed[b] != 1 || a.gone[b] > 1 || a.gone[b] == 0 && !aborts {
			a.t.Fatalf("seed %d: the buffer of a batch is given back %d times, it is forgotten %d times", a.seed, a.freed[b], a.gone[b])
		}
	}
	for n := range a.flushes {
		if a.answered[n] != 1 {
			a.t.Fatalf("seed %d: flush %d is answered %d times", a.seed, n, a.answered[n])
		}
	}
	if !aborts && a.closed != 1 || a.c.alive != 0 {
		a.t.Fatalf("seed %d: the close is answered %d times, %d batches are alive", a.seed, a.closed, a.c.alive)
	}
}

func TestEverythingIsGivenBackOnce(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		cfg := Config{Acks: int16(r.IntN(3)) - 1, Window: 1 + r.IntN(5), MaxRequest: 200 + r.IntN(1000), RequestTimeout: 10 * time.Second, Linger: 5 * time.Millisecond, Grow: time.Duration(r.IntN(2)) * time.Second, Adaptive: r.IntN(2) == 0,
			Retries: []int{0, 2, 1 << 30}[r.IntN(3)], BackoffFirst: 100 * time.Millisecond, BackoffMax: time.Second, Compress: r.IntN(2) == 0}
		cfg.Idempotent = cfg.Acks == -1 && r.IntN(4) > 0
		a := &account{t: t, seed: seed, r: r, now: time.Unix(1000, 0), cfg: cfg, open: map[cluster.TopicPartition]*batch.Batch{}, told: map[int]int{}, batches: map[*batch.Batch]bool{}, reading: map[*batch.Batch]int{},
			freed: map[*batch.Batch]int{}, gone: map[*batch.Batch]int{}, upTo: map[int]int{}, answered: map[int]int{}}
		a.c = New(cfg, a, snapshot(0, 1, 2))
		for range 200 {
			a.act()
		}
		a.end()
	}
}

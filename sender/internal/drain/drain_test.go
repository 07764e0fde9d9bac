package drain

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// bench is a sender's core on a test's bench, with a cluster of topic "a": partition 0 led by node 1, partition 1 by node 2.
type bench struct {
	t    *testing.T
	c    *Core
	now  time.Time
	out  Effects
	open map[cluster.TopicPartition]*batch.Batch
	told []Settled
	sent []*Request // not answered
	id   *Identity  // answer to who asks for an id; nil: 77
	asks int        // how often one was asked for
}

func snapshot(epoch int32, leaders ...int32) *cluster.Snapshot {
	t := &cluster.Topic{Name: "a", ID: wire.UUID{1}}
	for i, l := range leaders {
		t.Partitions = append(t.Partitions, cluster.Partition{Index: int32(i), Leader: l, LeaderEpoch: epoch})
	}
	return cluster.New(cluster.Snapshot{Nodes: []cluster.Node{{ID: 1}, {ID: 2}, {ID: 3}}}, t)
}

func newBench(t *testing.T, change func(*Config)) *bench {
	cfg := Config{Acks: -1, Idempotent: true, Window: 5, MaxRequest: 1 << 20, RequestTimeout: 30 * time.Second, Linger: 5 * time.Millisecond, Retries: 1 << 30,
		BackoffFirst: 100 * time.Millisecond, BackoffMax: time.Second}
	if change != nil {
		change(&cfg)
	}
	b := &bench{t: t, now: time.Unix(1000, 0), open: map[cluster.TopicPartition]*batch.Batch{}}
	b.c = New(cfg, b, snapshot(0, 1, 2))
	if cfg.Idempotent {
		b.step(&Wake{}) // nothing to do: no id is asked for
		if b.out.AskIdentity {
			t.Fatal("an id is asked for although there is nothing to send")
		}
	}
	return b
}

// Cut implements Source.
func (b *bench) Cut(to cluster.TopicPartition, closed []*batch.Batch) []*batch.Batch {
	if o := b.open[to]; o != nil {
		delete(b.open, to)
		closed = append(closed, o)
	}
	return closed
}

func (b *bench) step(m Message) *Effects {
	b.out = Effects{}
	b.c.Step(b.now, m, &b.out)
	b.note()
	return &b.out
}

func (b *bench) later(d time.Duration) *Effects {
	b.now = b.now.Add(d)
	b.out = Effects{}
	b.c.Tick(b.now, &b.out)
	if next := b.c.Next(); !next.IsZero() && !next.After(b.now) { // its actor would do nothing else
		b.t.Errorf("at %s, %s is due still", b.now, next)
	}
	b.note()
	return &b.out
}

func (b *bench) note() {
	b.sent = append(b.sent, b.out.Send...)
	b.told = append(b.told, b.out.Settled...)
	if b.out.AskIdentity {
		b.asks++
		b.step(cmp.Or(b.id, &Identity{ID: 77}))
	}
}

// add closes a batch of n records in partition p.
func (b *bench) add(p int32, n int) *batch.Batch {
	o := b.batch(p, n)
	b.step(&Wake{Ready: []Ready{{To: o.To, Closed: []*batch.Batch{o}}}})
	return o
}

func (b *bench) batch(p int32, n int) *batch.Batch {
	o := batch.New(cluster.TopicPartition{Topic: "a", Partition: p}, make([]byte, 0, 4096), b.now)
	o.Deadline = b.now.Add(2 * time.Minute)
	for i := range n {
		o.Append(1000, nil, fmt.Append(nil, i), nil, nil)
	}
	return o
}

// answer answers the oldest request: each of its partitions with the code.
func (b *bench) answer(code protocol.Code, base int64) *Effects {
	b.t.Helper()
	if len(b.sent) == 0 {
		b.t.Fatal("nothing was sent")
	}
	r := b.sent[0]
	b.sent = b.sent[1:]
	m := &msg.ProduceResponse{}
	for _, o := range r.Batches {
		p := msg.ProduceResponsePartitionProduceResponse{}
		p.SetDefaults()
		p.Index, p.ErrorCode, p.BaseOffset, p.LogAppendTimeMs = o.To.Partition, int16(code), base, -1
		m.Responses = append(m.Responses, msg.ProduceResponseTopicProduceResponse{Name: "a", PartitionResponses: []msg.ProduceResponsePartitionProduceResponse{p}})
	}
	b.step(&Released{r})
	return b.step(&Answer{Request: r, Resp: m, Version: 9, Sent: true})
}

// fail ends the oldest request without an answer.
func (b *bench) fail(err error, sent bool) *Effects {
	r := b.sent[0]
	b.sent = b.sent[1:]
	b.step(&Released{r})
	return b.step(&Answer{Request: r, Err: err, Sent: sent})
}

func (b *bench) inFlight(want ...*batch.Batch) {
	b.t.Helper()
	var got []*batch.Batch
	for _, r := range b.sent {
		got = append(got, r.Batches...)
	}
	if len(got) != len(want) {
		b.t.Fatalf("%d batches are in flight, expected %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			b.t.Fatalf("batch %d in flight is of %s with sequence %d", i, got[i].To, got[i].Sequence)
		}
	}
}

func (b *bench) outcome(o *batch.Batch, want error) {
	b.t.Helper()
	n := 0
	for _, s := range b.told {
		if s.Batch == o {
			n++
			if want == nil && s.Err != nil || want != nil && !errors.Is(s.Err, want) {
				b.t.Fatalf("the outcome is %v, expected %v", s.Err, want)
			}
		}
	}
	if n != 1 {
		b.t.Fatalf("%d outcomes", n)
	}
}

func (b *bench) pending(o *batch.Batch) {
	b.t.Helper()
	for _, s := range b.told {
		if s.Batch == o {
			b.t.Fatalf("it has an outcome: %v", s.Err)
		}
	}
}

func TestSequencesFollowEachOtherAndTheFirstGoesAlone(t *testing.T) {
	b := newBench(t, nil)
	first, second, third := b.add(0, 3), b.add(0, 2), b.add(0, 1)
	b.inFlight(first)
	if first.ProducerID != 77 || first.Sequence != 0 {
		t.Fatalf("%+v", first)
	}
	b.answer(protocol.None, 10)
	b.outcome(first, nil)
	b.inFlight(second, third)
	if second.Sequence != 3 || third.Sequence != 5 {
		t.Fatalf("sequences %d and %d", second.Sequence, third.Sequence)
	}
}

func TestBatchesOfOneBrokerShareARequest(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Idempotent = false })
	b.step(&Changed{snapshot(1, 1, 1)})
	x, y := b.batch(0, 1), b.batch(1, 1)
	b.step(&Wake{Ready: []Ready{{To: x.To, Closed: []*batch.Batch{x}}, {To: y.To, Closed: []*batch.Batch{y}}}})
	if len(b.sent) != 1 || len(b.sent[0].Batches) != 2 {
		t.Fatalf("%d requests", len(b.sent))
	}
}

func TestARequestNamesATopicOnce(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Idempotent, c.Window = false, 1 })
	b.add(0, 1)
	other := func(topic string, p int32) *batch.Batch {
		o := batch.New(cluster.TopicPartition{Topic: topic, Partition: p}, make([]byte, 0, 256), b.now)
		o.Deadline = b.now.Add(time.Minute)
		o.Append(0, nil, nil, nil, nil)
		return o
	}
	s := snapshot(0, 1, 1)
	s = s.With([]*cluster.Topic{{Name: "b", Partitions: s.Topic("a").Partitions}}, nil)
	b.step(&Changed{s})
	for _, o := range []*batch.Batch{other("b", 0), other("a", 0), other("b", 1), other("a", 1)} {
		b.step(&Wake{Ready: []Ready{{To: o.To, Closed: []*batch.Batch{o}}}})
	}
	b.answer(protocol.None, 0)
	if len(b.sent) != 1 || len(b.sent[0].Batches) != 4 {
		t.Fatalf("%d requests", len(b.sent))
	}
	topics := ""
	for _, o := range b.sent[0].Batches {
		topics += o.To.Topic
	}
	if topics != "aabb" {
		t.Fatalf("the topics are in the order %s", topics)
	}
}

func TestOpenBatchesGrowWhileTheWindowIsFull(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Idempotent, c.Window = false, 1 })
	b.step(&Changed{snapshot(1, 1, 1)})
	first := b.add(0, 1)
	b.inFlight(first)
	o := b.batch(1, 1)
	b.open[o.To] = o
	b.step(&Wake{Ready: []Ready{{To: o.To, Open: b.now}}})
	b.later(time.Second) // long past linger.ms
	if b.open[o.To] == nil {
		t.Fatal("it was closed although it cannot be sent")
	}
	b.answer(protocol.None, 0)
	b.inFlight(o)
}

func TestBatchesThatWereOpenedLaterLingerLonger(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Idempotent = false })
	b.step(&Changed{snapshot(1, 1, 1)})
	x := b.batch(0, 1)
	b.open[x.To] = x
	b.step(&Wake{Ready: []Ready{{To: x.To, Open: b.now}}})
	b.later(3 * time.Millisecond)
	y := b.batch(1, 1)
	b.open[y.To] = y
	b.step(&Wake{Ready: []Ready{{To: y.To, Open: b.now}}})
	b.inFlight()
	if due := b.now.Add(2 * time.Millisecond); b.c.Next() != due {
		t.Fatalf("the next deadline is %s, expected %s", b.c.Next(), due)
	}
	b.later(2 * time.Millisecond)
	b.inFlight(x)
	b.step(&Changed{snapshot(2, 2, 2)}) // the open one moves along
	b.later(3 * time.Millisecond)
	b.inFlight(x, y)
}

func TestTheWindowOfABrokerIsKept(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Idempotent, c.Window = false, 2 })
	for range 4 {
		b.add(0, 1)
	}
	if len(b.sent) != 2 {
		t.Fatalf("%d requests in flight", len(b.sent))
	}
	b.answer(protocol.None, 0)
	if len(b.sent) != 2 {
		t.Fatalf("%d requests in flight", len(b.sent))
	}
}

func TestLingering(t *testing.T) {
	open := func(b *bench) *batch.Batch {
		o := b.batch(0, 1)
		b.open[o.To] = o
		b.step(&Wake{Ready: []Ready{{To: o.To, Open: b.now}}})
		return o
	}
	t.Run("a linger that was set is kept", func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.Idempotent = false })
		o := open(b)
		b.inFlight()
		if next := b.c.Next(); !next.Equal(b.now.Add(5 * time.Millisecond)) {
			t.Fatalf("next in %v", next.Sub(b.now))
		}
		b.later(5 * time.Millisecond)
		b.inFlight(o)
	})
	t.Run("adaptive lingering waits only while the line is busy", func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.Idempotent, c.Adaptive = false, true })
		first := open(b)
		b.inFlight(first)
		second := open(b)
		b.inFlight(first)
		b.answer(protocol.None, 0)
		b.inFlight(second)
	})
	t.Run("a flush does not wait", func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.Idempotent = false })
		o := open(b)
		b.step(&Flush{Owner: "f"})
		b.inFlight(o)
		if out := b.answer(protocol.None, 0); len(out.Flushed) != 1 {
			t.Fatal("not told")
		}
	})
}

func TestRetriesKeepTheOrder(t *testing.T) {
	b := newBench(t, nil)
	b.add(0, 1)
	b.answer(protocol.None, 0)
	x, y, z := b.add(0, 1), b.add(0, 1), b.add(0, 1)
	b.inFlight(x, y, z)
	b.answer(protocol.NotLeaderOrFollower, -1) // of x
	b.inFlight(y, z)
	b.later(time.Second)
	b.inFlight(y, z) // what is in flight comes back first
	b.answer(protocol.NotLeaderOrFollower, -1)
	b.answer(protocol.NotLeaderOrFollower, -1)
	b.later(2 * time.Second)
	b.inFlight(x) // after a failure the first goes alone
	b.answer(protocol.None, 1)
	b.inFlight(y, z)
	if x.Sequence != 1 || y.Sequence != 2 || z.Sequence != 3 {
		t.Fatalf("sequences %d, %d, %d", x.Sequence, y.Sequence, z.Sequence)
	}
}

func TestRetriesBackOffAndANewLeaderNeedNotWait(t *testing.T) {
	b := newBench(t, nil)
	o := b.add(0, 1)
	out := b.answer(protocol.NotLeaderOrFollower, -1)
	if len(out.Refresh) != 1 {
		t.Fatal("metadata is not asked for")
	}
	b.later(50 * time.Millisecond)
	b.inFlight()
	b.step(&Changed{snapshot(1, 3, 2)})
	b.inFlight(o)
	if b.sent[0].Node != 3 {
		t.Fatalf("sent to %d", b.sent[0].Node)
	}
}

func TestNothingGoesToTwoBrokersAtOnce(t *testing.T) {
	b := newBench(t, nil)
	b.add(0, 1)
	b.answer(protocol.None, 0)
	x := b.add(0, 1)
	b.step(&Changed{snapshot(1, 3, 2)})
	y := b.add(0, 1)
	b.inFlight(x)
	b.answer(protocol.None, 1)
	b.inFlight(y)
}

func TestOutOfOrderAtTheFrontBeginsANewEpoch(t *testing.T) {
	b := newBench(t, nil)
	b.add(0, 1)
	b.answer(protocol.None, 0)
	other := b.add(1, 4)
	b.answer(protocol.None, 0)
	x := b.add(0, 2)
	b.answer(protocol.OutOfOrderSequenceNumber, -1)
	b.later(time.Second)
	b.inFlight(x)
	if x.Epoch != 1 || x.Sequence != 0 || other.Epoch != 0 {
		t.Fatalf("epoch %d, sequence %d; the other partition's epoch %d", x.Epoch, x.Sequence, other.Epoch)
	}
	y := b.add(1, 1)
	if y.Epoch != 0 || y.Sequence != 4 {
		t.Fatalf("the other partition goes on in epoch %d at %d", y.Epoch, y.Sequence)
	}
}

// TestWhatWasSentAndNotAnsweredDoesNotBeginAnew has two batches that a broker did not answer, and one before them that is given up. The new leader misses that: what the old one may still get, and write if it leads again, is not sent
// under another number, too.
func TestWhatWasSentAndNotAnsweredDoesNotBeginAnew(t *testing.T) {
	b := newBench(t, nil)
	b.add(0, 1)
	b.answer(protocol.None, 0)
	old := b.add(0, 1)
	b.later(time.Minute)
	x, y := b.add(0, 1), b.add(0, 1)
	for range 3 {
		b.fail(errors.New("reset"), true)
	}
	b.later(61 * time.Second) // the first one's time is over
	b.outcome(old, ErrUncertain)
	z := b.add(0, 1)
	b.inFlight(x)
	b.answer(protocol.OutOfOrderSequenceNumber, -1)
	b.outcome(x, ErrUncertain)
	b.outcome(y, ErrUncertain)
	b.inFlight(z)
	if z.Epoch != 1 || z.Sequence != 0 {
		t.Fatalf("epoch %d, sequence %d", z.Epoch, z.Sequence)
	}
}

func TestOutOfOrderBehindAnotherOnlyWaits(t *testing.T) {
	b := newBench(t, nil)
	b.add(0, 1)
	b.answer(protocol.None, 0)
	x, y := b.add(0, 1), b.add(0, 1)
	b.answer(protocol.NotEnoughReplicas, -1)
	b.answer(protocol.OutOfOrderSequenceNumber, -1)
	b.later(2 * time.Second)
	b.inFlight(x)
	b.answer(protocol.None, 1)
	b.inFlight(y)
	if y.Epoch != 0 || y.Sequence != 2 {
		t.Fatalf("epoch %d, sequence %d", y.Epoch, y.Sequence)
	}
}

func TestADuplicateIsWritten(t *testing.T) {
	b := newBench(t, nil)
	o := b.add(0, 1)
	b.fail(errors.New("reset"), true)
	b.later(time.Second)
	b.answer(protocol.DuplicateSequenceNumber, -1)
	b.outcome(o, nil)
}

func TestOutcomes(t *testing.T) {
	reset := errors.New("connection reset")
	for _, c := range []struct {
		name string
		do   func(b *bench, o *batch.Batch)
		want error
		not  error
	}{
		{"rejected by the broker", func(b *bench, _ *batch.Batch) { b.answer(protocol.TopicAuthorizationFailed, -1) }, protocol.TopicAuthorizationFailed, ErrUncertain},
		{"rejected when an earlier try may have been written", func(b *bench, _ *batch.Batch) {
			b.fail(reset, true)
			b.later(time.Second)
			b.answer(protocol.TopicAuthorizationFailed, -1)
		}, ErrUncertain, nil},
		{"rejected when no try was sent", func(b *bench, _ *batch.Batch) {
			b.fail(reset, false)
			b.later(time.Second)
			b.answer(protocol.TopicAuthorizationFailed, -1)
		}, protocol.TopicAuthorizationFailed, ErrUncertain},
		{"its time is over in the queue", func(b *bench, _ *batch.Batch) {
			b.fail(reset, false)
			b.step(&Changed{snapshot(1, -1, -1)})
			b.later(2 * time.Minute)
		}, ErrTimeout, ErrUncertain},
		{"its time is over in flight", func(b *bench, _ *batch.Batch) { b.later(2 * time.Minute) }, ErrUncertain, nil},
		{"closed before it was sent", func(b *bench, _ *batch.Batch) {
			b.fail(reset, false)
			b.step(&Changed{snapshot(1, -1, -1)})
			b.step(&Close{Deadline: b.now, Owner: "c"})
		}, ErrClosed, ErrUncertain},
		{"closed in flight", func(b *bench, _ *batch.Batch) { b.step(&Close{Deadline: b.now, Owner: "c"}) }, ErrUncertain, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nil)
			o := b.add(0, 1)
			c.do(b, o)
			b.outcome(o, c.want)
			for _, s := range b.told {
				if c.not != nil && errors.Is(s.Err, c.not) {
					t.Fatalf("%v", s.Err)
				}
			}
		})
	}
}

func TestABufferIsFreeWhenItIsWrittenAndSettled(t *testing.T) {
	b := newBench(t, nil)
	o := b.add(0, 1)
	out := b.later(2 * time.Minute)
	if len(out.Settled) != 1 || len(out.Free) != 0 { // the connection may still read it
		t.Fatalf("%+v", out)
	}
	if out := b.step(&Released{b.sent[0]}); len(out.Free) != 1 || out.Free[0] != o {
		t.Fatal("not free")
	}
}

func TestATooLargeBatchIsSplitAndKeepsItsSequences(t *testing.T) {
	b := newBench(t, nil)
	o := b.add(0, 5)
	b.answer(protocol.MessageTooLarge, -1)
	b.pending(o)
	if len(b.sent) != 1 || b.sent[0].Batches[0].Count != 2 || b.sent[0].Batches[0].Sequence != 0 {
		t.Fatalf("%+v", b.sent)
	}
	b.answer(protocol.None, 0)
	if second := b.sent[0].Batches[0]; second.Count != 3 || second.Sequence != 2 {
		t.Fatalf("%+v", second)
	}
	b.answer(protocol.None, 2)
	if len(b.told) != 2 || b.told[1].Base != 2 {
		t.Fatalf("%+v", b.told)
	}
}

func TestASingleRecordThatIsTooLargeIsRejected(t *testing.T) {
	b := newBench(t, nil)
	o := b.add(0, 1)
	b.answer(protocol.MessageTooLarge, -1)
	b.outcome(o, protocol.MessageTooLarge)
}

func TestBrokersWithoutProducerIDs(t *testing.T) {
	b := newBench(t, nil)
	o := b.batch(0, 1)
	b.out = Effects{}
	b.c.Step(b.now, &Wake{Ready: []Ready{{To: o.To, Closed: []*batch.Batch{o}}}}, &b.out)
	if !b.out.AskIdentity {
		t.Fatal("no id is asked for")
	}
	b.step(&Identity{Unsupported: true, Err: errors.New("unsupported")})
	b.inFlight(o)
	if o.ProducerID >= 0 {
		t.Fatalf("id %d", o.ProducerID)
	}
}

func TestAFlushWaitsForWhatWasThereOnly(t *testing.T) {
	b := newBench(t, nil)
	b.add(0, 1)
	b.step(&Flush{Owner: "f"})
	b.add(1, 1)
	if out := b.answer(protocol.None, 0); len(out.Flushed) != 1 || out.Flushed[0] != "f" {
		t.Fatalf("flushed %v", out.Flushed)
	}
}

func TestATopicCreatedAgainBeginsAtZero(t *testing.T) {
	b := newBench(t, nil)
	b.add(0, 3)
	b.answer(protocol.None, 0)
	s := snapshot(0, 1, 2)
	again := *s.Topic("a")
	again.ID = wire.UUID{2}
	b.step(&Changed{cluster.New(cluster.Snapshot{Nodes: s.Nodes}, &again)})
	if o := b.add(0, 1); o.Sequence != 0 || o.Epoch != 1 {
		t.Fatalf("epoch %d, sequence %d", o.Epoch, o.Sequence)
	}
}

func TestCloseWaitsAndTells(t *testing.T) {
	b := newBench(t, nil)
	o := b.add(0, 1)
	b.step(&Close{Deadline: b.now.Add(time.Second), Owner: "c"})
	if len(b.out.Closed) != 0 {
		t.Fatal("closed at once")
	}
	if out := b.answer(protocol.None, 0); !slices.Equal(out.Closed, []any{"c"}) {
		t.Fatal("not closed")
	}
	b.outcome(o, nil)
	if !b.c.Next().IsZero() {
		t.Fatal("a deadline")
	}
}

// Without acknowledgements what was not sent for sure was rejected at its first failure, as when a broker that starts again refuses to be connected to.
func TestWithoutAcksWhatWasNotSentGoesAgain(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Acks, c.Idempotent = 0, false })
	o := b.add(0, 1)
	b.fail(errors.New("connection refused"), false)
	b.later(time.Second)
	b.inFlight(o)
	b.fail(io.EOF, true)
	b.outcome(o, ErrUncertain)
}

// An open batch stays open while others of its partition go first. Where those were given up it still waited as long as it may grow.
func TestAnOpenBatchGoesWhenWhatIsBeforeItIsGivenUp(t *testing.T) {
	openBehind := func(b *bench, p int32) *batch.Batch {
		o := b.batch(p, 1)
		b.open[o.To] = o
		b.step(&Wake{Ready: []Ready{{To: o.To, Open: b.now}}})
		b.later(200 * time.Millisecond)
		return o
	}
	for _, c := range []struct {
		name string
		do   func(b *bench) *batch.Batch
		want error // its outcome; nil: it is sent
	}{
		{"for a new epoch", func(b *bench) *batch.Batch {
			b.add(0, 1)
			b.answer(protocol.None, 0)
			b.add(0, 1)
			b.add(0, 1)
			b.fail(io.EOF, true)
			b.fail(io.EOF, true)
			o := openBehind(b, 0)
			b.answer(protocol.OutOfOrderSequenceNumber, -1)
			return o
		}, nil},
		{"with its topic", func(b *bench) *batch.Batch {
			b.add(1, 1)
			b.fail(io.EOF, false)
			b.step(&Changed{snapshot(1, 1, -1)})
			o := openBehind(b, 1)
			s := snapshot(0, 1)
			again := *s.Topic("a")
			again.ID = wire.UUID{2}
			b.step(&Changed{cluster.New(cluster.Snapshot{Nodes: s.Nodes}, &again)})
			b.later(time.Second)
			return o
		}, protocol.UnknownTopicOrPartition},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, func(c *Config) { c.Grow = time.Minute })
			o := c.do(b)
			if c.want != nil {
				b.outcome(o, c.want)
				return
			}
			b.inFlight(o)
		})
	}
}

// A producer is closed by one who waits long, and beside that by one who does not: the first was never told that it is closed.
func TestASecondCloseBringsTheFirstForward(t *testing.T) {
	b := newBench(t, nil)
	o := b.add(0, 1)
	b.step(&Close{Deadline: b.now.Add(time.Minute), Owner: "c"})
	if b.step(&Close{Deadline: b.now.Add(time.Hour), Owner: "long"}); !b.c.Next().Equal(b.now.Add(time.Minute)) {
		t.Fatalf("one waits longer, and it is closed at %s, now is %s", b.c.Next(), b.now)
	}
	b.step(&Close{Deadline: b.now.Add(time.Second), Owner: "short"})
	if out := b.later(time.Second); !slices.Equal(out.Closed, []any{"c", "long", "short"}) {
		t.Fatalf("told are %v", out.Closed)
	}
	b.outcome(o, ErrUncertain)
}

func TestAbortSettlesEverything(t *testing.T) {
	b := newBench(t, nil)
	x := b.add(0, 1)
	y := b.batch(1, 1)
	bug := errors.New("bug")
	b.out = Effects{}
	b.c.Abort(bug, &b.out)
	b.note()
	b.outcome(x, bug)
	b.out = Effects{}
	b.c.Refuse(&Wake{Ready: []Ready{{To: y.To, Closed: []*batch.Batch{y}}}}, bug, &b.out)
	b.note()
	b.outcome(y, bug)
}

// What is being compressed when the core fails, and what comes behind it, kept its part of buffer.memory for ever: callers were told that the buffer is full, and not what has happened.
func TestAbortGivesMemoryBack(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Compress = true })
	x, y := b.add(0, 1), b.batch(1, 1)
	bug := errors.New("bug")
	b.out = Effects{}
	b.c.Abort(bug, &b.out)
	b.c.Refuse(&Wake{Ready: []Ready{{To: y.To, Closed: []*batch.Batch{y}}}}, bug, &b.out)
	b.c.Refuse(&Packed{Batch: x}, bug, &b.out)
	for _, o := range b.out.Pack {
		b.c.Refuse(&Packed{Batch: o}, bug, &b.out)
	}
	if !x.Freed || !y.Freed || len(b.out.Free) != 2 {
		t.Errorf("free are %v and %v, %d buffers", x.Freed, y.Freed, len(b.out.Free))
	}
}

// callers hand a record of partition 0 over every 100 ms.
func (b *bench) callers(d time.Duration) {
	for end := b.now.Add(d); b.now.Before(end); b.later(100 * time.Millisecond) {
		to := cluster.TopicPartition{Topic: "a"}
		if o := b.open[to]; o != nil {
			o.Append(1000, nil, nil, nil, nil)
			continue
		}
		b.open[to] = b.batch(0, 1)
		b.step(&Wake{Ready: []Ready{{To: to, Open: b.now}}})
	}
}

// The delay of a pause must not stay for ever where each answer takes long: what comes meanwhile would have to wait behind hundreds of batches of one record.
func TestADelayIsMadeUpForWhereAnswersTakeLong(t *testing.T) {
	for name, leader := range map[string]int32{"no leader": cluster.NoNode, "a leader that does not answer": 1} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(c *Config) { c.Grow = 12 * time.Second })
			b.step(&Changed{snapshot(1, leader, 2)})
			b.callers(29 * time.Second)
			for len(b.sent) > 0 {
				b.fail(errReset, true)
			}
			b.step(&Changed{snapshot(2, 3, 2)})
			for end := b.now.Add(10 * time.Second); b.now.Before(end); b.callers(100 * time.Millisecond) {
				for len(b.sent) > 0 && b.sent[0].Deadline.Add(time.Second-30*time.Second).Before(b.now) {
					b.answer(protocol.None, 0)
				}
			}
			p := b.c.index[cluster.TopicPartition{Topic: "a"}]
			for _, o := range slices.Concat(p.flight, p.queue) {
				if age := b.now.Sub(o.Created); age > 3*time.Second {
					t.Fatalf("a batch waits for %s, with %d in flight and %d behind them", age, len(p.flight), len(p.queue))
				}
			}
		})
	}
}

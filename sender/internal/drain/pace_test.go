package drain

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/wire"
)

// play answers all that is sent, a millisecond later, for so long, and gives when it was sent.
func (b *bench) play(d time.Duration, answer func(n int)) (sent []time.Time) {
	for end := b.now.Add(d); b.now.Before(end); {
		if len(b.sent) > 0 {
			sent = append(sent, b.now)
			b.now = b.now.Add(time.Millisecond)
			answer(len(sent))
			continue
		}
		next := b.c.Next()
		if next.IsZero() || next.After(end) {
			break
		}
		b.later(next.Sub(b.now))
	}
	return sent
}

// most is how many there are within a second.
func most(at []time.Time) (n int) {
	for i := range at {
		k, _ := slices.BinarySearchFunc(at, at[i].Add(time.Second), time.Time.Compare)
		n = max(n, k-i)
	}
	return n
}

// TestWhoGetsNoFurtherSendsLessAndLess: whatever a broker says, at once and each time.
func TestWhoGetsNoFurtherSendsLessAndLess(t *testing.T) {
	code := func(codes ...protocol.Code) func(b *bench, n int) {
		return func(b *bench, n int) { b.answer(codes[n%len(codes)], -1) }
	}
	for name, answer := range map[string]func(b *bench, n int){
		"a sequence that is out of order": code(protocol.OutOfOrderSequenceNumber),
		"no producer":                     code(protocol.UnknownProducerID),
		"an epoch that is none":           code(protocol.InvalidProducerEpoch),
		"no leader":                       code(protocol.NotLeaderOrFollower),
		"codes in turn":                   code(protocol.NotEnoughReplicas, protocol.OutOfOrderSequenceNumber, protocol.UnknownProducerID, protocol.CorruptMessage),
		"the connection ends":             func(b *bench, _ int) { b.fail(errReset, false) },
		"the connection ends, or out of order": func(b *bench, n int) {
			if n%2 == 0 {
				b.fail(errReset, false)
			} else {
				b.answer(protocol.OutOfOrderSequenceNumber, -1)
			}
		},
		"it has moved": func(b *bench, _ int) {
			r := b.sent[0]
			b.sent = b.sent[1:]
			b.step(&Released{r})
			b.step(&Answer{Request: r, Err: errReset, Moved: true})
		},
	} {
		for _, first := range []bool{false, true} { // does a batch come before those in the log
			b := newBench(t, nil)
			if first {
				b.add(0, 1)
				b.answer(protocol.None, 0)
			}
			for range 5 {
				b.add(0, 1)
			}
			sent := b.play(30*time.Second, func(n int) { answer(b, n) })
			if n := most(sent); n > 12 || len(sent) > 50 || len(sent) < 25 {
				t.Errorf("%s: %d requests in 30 s, %d within a second", name, len(sent), n)
			}
		}
	}
}

// TestAnotherLeaderIsAskedAtOnce, once, whatever the one before has said for long.
func TestAnotherLeaderIsAskedAtOnce(t *testing.T) {
	b := begun(t, nil)
	b.add(0, 1)
	b.play(20*time.Second, func(int) { b.answer(protocol.LeaderNotAvailable, -1) })
	if len(b.sent) > 0 {
		t.Fatal("a request is under way")
	}
	b.lead(1, 3, 1, 1)
	if len(b.sent) != 1 || b.sent[0].Node != 3 {
		t.Fatalf("sent: %v", b.sent)
	}
	b.answer(protocol.OutOfOrderSequenceNumber, -1)
	if len(b.sent) != 0 {
		t.Fatal("asked twice at once")
	}
	b.later(time.Second)
	b.answer(protocol.None, 3)
	x := b.add(0, 1) // all is well again
	b.inFlight(x)
}

// TestWhatGetsOnIsNotHeldUp by another partition of its broker that does not.
func TestWhatGetsOnIsNotHeldUp(t *testing.T) {
	b := newBench(t, nil)
	b.step(&Changed{func() *cluster.Snapshot { s := snapshot(1, 1, 1); s.Version = 1; return s }()})
	b.add(0, 1)
	b.play(10*time.Second, func(int) { b.answer(protocol.OutOfOrderSequenceNumber, -1) })
	for range 5 {
		x := b.add(1, 1)
		b.inFlight(x)
		b.answer(protocol.None, 0)
		b.outcome(x, nil)
	}
}

// TestANewEpochIsNotSlow: what changes on the way is no trouble.
func TestANewEpochIsNotSlow(t *testing.T) {
	b := begun(t, nil)
	x := b.add(0, 1)
	b.answer(protocol.OutOfOrderSequenceNumber, -1)
	if b.inFlight(x); x.Epoch != 1 {
		t.Fatalf("epoch %d", x.Epoch)
	}
}

// TestProducerIDs that are none are no ids, and those that bring nothing into a log are asked for at a rate.
func TestProducerIDs(t *testing.T) {
	for _, id := range []*Identity{{ID: -1, Epoch: -1}, {ID: 5, Epoch: -1}, {ID: -1}, {ID: math.MinInt64, Epoch: 1}} {
		b := newBench(t, nil)
		b.id = id
		x := b.add(0, 1)
		sent := b.play(10*time.Second, func(int) { t.Fatal("it is sent") })
		if len(sent) != 0 || b.asks < 5 || b.asks > 16 {
			t.Errorf("%+v: asked for %d times in 10 s", id, b.asks)
		}
		b.id = nil
		b.later(b.c.Next().Sub(b.now))
		b.inFlight(x)
	}
	b := newBench(t, nil)
	b.id = &Identity{ID: math.MaxInt64, Epoch: math.MaxInt16}
	for p := range int32(2) {
		b.add(p, 1)
	}
	b.play(10*time.Second, func(int) { b.answer(protocol.OutOfOrderSequenceNumber, -1) })
	if b.asks > 20 {
		t.Errorf("%d ids are asked for in 10 s", b.asks)
	}
}

// TestOffsetsThatThereCannotBe are not told: a record's own offset is counted from them.
func TestOffsetsThatThereCannotBe(t *testing.T) {
	for _, c := range []struct{ base, want int64 }{{-77, -1}, {math.MinInt64, -1}, {-1, -1}, {0, 0}, {math.MaxInt64 - 3, math.MaxInt64 - 3}, {math.MaxInt64 - 2, -1}, {math.MaxInt64, -1}} {
		b := newBench(t, nil)
		b.add(0, 3)
		b.answer(protocol.None, c.base)
		if got := b.told[0]; got.Base != c.want || got.AppendTime != -1 || got.Err != nil {
			t.Errorf("base %d is told as %+v", c.base, got)
		}
	}
}

// TestLinesOfBrokersThatAreGone: where each answer brings other brokers there were more and more.
func TestLinesOfBrokersThatAreGone(t *testing.T) {
	b := newBench(t, nil)
	b.add(0, 1)
	for i := range int32(1000) {
		topic := &cluster.Topic{Name: "a", ID: wire.UUID{1}, Partitions: []cluster.Partition{{Leader: 10 + i, LeaderEpoch: i}}}
		b.step(&Changed{cluster.New(cluster.Snapshot{Version: int64(1 + i), Nodes: []cluster.Node{{ID: 10 + i}}}, topic)})
		if len(b.sent) > 0 {
			b.answer(protocol.NotLeaderOrFollower, -1)
		}
	}
	if len(b.c.lines) > 2*spareLines {
		t.Errorf("%d lines are kept", len(b.c.lines))
	}
}

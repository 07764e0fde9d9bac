package drain

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/wire"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

var errReset = errors.New("connection reset")

// begun is a bench whose partition 0 has a batch in the log.
func begun(t *testing.T, change func(*Config)) *bench {
	b := newBench(t, change)
	b.add(0, 1)
	b.answer(protocol.None, 0)
	return b
}

// errOf is what was told of a batch.
func (b *bench) errOf(o *batch.Batch) error {
	b.t.Helper()
	for _, s := range b.told {
		if s.Batch == o {
			return s.Err
		}
	}
	b.t.Fatal("no outcome")
	return nil
}

// lead gives the cluster another picture: partition 0 is led by a node in an epoch, and its topic has this id.
func (b *bench) lead(version int64, node, epoch int32, topic byte) {
	t := *snapshot(epoch, node, 2).Topics()[0]
	t.ID = wire.UUID{topic}
	b.step(&Changed{cluster.New(cluster.Snapshot{Version: version, Nodes: []cluster.Node{{ID: 1}, {ID: 2}, {ID: 3}}}, &t)})
}

// Kafka takes any first sequence of a producer that it has forgotten: the second would be taken although the first is not.
func TestTheFirstBatchGoesAloneWhereTheProducerMayBeForgotten(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(b *bench)
	}{
		{"after silence", func(b *bench) { b.now = b.now.Add(silence) }},
		{"with another leader", func(b *bench) { b.lead(1, 3, 1, 1) }},
		{"with the same leader in another epoch", func(b *bench) { b.lead(1, 1, 2, 1) }},
		{"after a failure", func(b *bench) { b.add(0, 1); b.answer(protocol.NotEnoughReplicas, -1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := begun(t, nil)
			c.do(b)
			b.add(0, 1)
			b.add(0, 1)
			b.add(0, 1)
			b.later(100 * time.Millisecond)
			if len(b.sent) != 1 {
				t.Fatalf("%d requests in flight", len(b.sent))
			}
			b.answer(protocol.None, 1)
			if len(b.sent) < 2 {
				t.Fatalf("%d requests in flight when the first is in the log", len(b.sent))
			}
		})
	}
}

func TestOthersFollowAtOnceWhereTheLeaderHasJustAnswered(t *testing.T) {
	b := begun(t, nil)
	b.now = b.now.Add(silence - time.Millisecond)
	x, y := b.add(0, 1), b.add(0, 1)
	b.inFlight(x, y)
}

// A leader that has forgotten the producer took the second for its first.
func TestNothingIsInferredFromALaterBatchInTheLog(t *testing.T) {
	t.Run("it was refused, and no try of it can have been written", func(t *testing.T) {
		b := begun(t, nil)
		x, y := b.add(0, 1), b.add(0, 1)
		b.answer(protocol.NotEnoughReplicas, -1)
		b.answer(protocol.None, 1)
		b.later(time.Second)
		b.answer(protocol.OutOfOrderSequenceNumber, -1)
		b.outcome(y, nil)
		if err := b.errOf(x); !errors.Is(err, protocol.OutOfOrderSequenceNumber) || errors.Is(err, ErrUncertain) {
			t.Fatalf("told %v", err)
		}
		z := b.add(0, 1)
		if z.Epoch != 0 || z.Sequence != 3 {
			t.Fatalf("the next goes with epoch %d and sequence %d", z.Epoch, z.Sequence)
		}
	})
	t.Run("a try of it may have been written", func(t *testing.T) {
		b := begun(t, nil)
		x, y := b.add(0, 1), b.add(0, 1)
		b.answer(protocol.RequestTimedOut, -1)
		b.answer(protocol.None, 1)
		b.later(time.Second)
		b.answer(protocol.OutOfOrderSequenceNumber, -1)
		b.outcome(y, nil)
		b.outcome(x, ErrUncertain)
	})
}

// The topic was created again, or a broker that lags behind says so: what may be in the log as it is must not come into it again under other numbers.
func TestWhatMayBeWrittenDoesNotGoToATopicCreatedAgain(t *testing.T) {
	b := begun(t, nil)
	x, y := b.add(0, 1), b.add(0, 1)
	b.fail(errReset, true)
	b.answer(protocol.UnknownTopicOrPartition, -1)
	b.lead(1, 1, 0, 9)
	b.later(time.Second)
	b.outcome(x, ErrUncertain)
	b.inFlight(y)
	b.answer(protocol.UnknownTopicID, -1)
	b.lead(2, 1, 0, 1)
	b.later(time.Second)
	b.inFlight(y)
	if y.Epoch != 2 || y.Sequence != 0 {
		t.Fatalf("epoch %d, sequence %d", y.Epoch, y.Sequence)
	}
}

func TestUsedUpEpochsAskForAnotherID(t *testing.T) {
	b := newBench(t, nil)
	o := b.batch(0, 1)
	b.out = Effects{}
	b.c.Step(b.now, &Wake{Ready: []Ready{{To: o.To, Closed: []*batch.Batch{o}}}}, &b.out)
	b.step(&Identity{ID: 500, Epoch: math.MaxInt16 - 2})
	b.answer(protocol.OutOfOrderSequenceNumber, -1)
	b.later(time.Second)
	b.inFlight(o)
	if o.ProducerID != 500 || o.Epoch != math.MaxInt16-1 {
		t.Fatalf("id %d, epoch %d", o.ProducerID, o.Epoch)
	}
	b.answer(protocol.OutOfOrderSequenceNumber, -1)
	b.later(b.c.Next().Sub(b.now))
	b.inFlight(o)
	if o.ProducerID != 77 || o.Epoch != 0 || o.Sequence != 0 {
		t.Fatalf("id %d, epoch %d, sequence %d", o.ProducerID, o.Epoch, o.Sequence)
	}
	b.answer(protocol.None, 0)
	b.outcome(o, nil)
}

// The id is asked for by those who need one: the others go on.
func TestWhoHasAnIDDoesNotWaitForTheOneOfAnother(t *testing.T) {
	b := begun(t, nil)
	b.c.ids.(*idempotent).known = false
	o := b.batch(1, 1)
	b.out = Effects{}
	b.c.Step(b.now, &Wake{Ready: []Ready{{To: o.To, Closed: []*batch.Batch{o}}}}, &b.out)
	if !b.out.AskIdentity {
		t.Fatal("no id is asked for")
	}
	b.inFlight(b.add(0, 1))
}

// A broker that refuses the numbers again and again is not asked again without a pause.
func TestANewEpochThatIsRefusedBacksOff(t *testing.T) {
	b := begun(t, nil)
	o := b.add(0, 1)
	b.answer(protocol.OutOfOrderSequenceNumber, -1)
	b.inFlight(o)
	b.answer(protocol.OutOfOrderSequenceNumber, -1)
	b.inFlight()
	b.later(100 * time.Millisecond)
	b.inFlight(o)
}

// When the batch in front ended uncertain because the partition began anew, the one behind it was sent while it was still being compressed.
func TestWhatIsBeingCompressedIsNotSentWhenThePartitionBeginsAnew(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Compress = true })
	b.step(&Packed{Batch: b.add(0, 1)})
	b.answer(protocol.None, 0)
	first := b.add(0, 1)
	b.step(&Packed{Batch: first})
	b.fail(errReset, true)
	b.later(100 * time.Millisecond)
	second := b.add(0, 1)
	b.inFlight(first)
	b.answer(protocol.OutOfOrderSequenceNumber, -1)
	if err := b.errOf(first); !errors.Is(err, ErrUncertain) {
		t.Fatalf("the first: %v", err)
	}
	b.inFlight()
	b.step(&Packed{Batch: second})
	b.inFlight(second)
}

// TestAnIDThatIsRefusedIsNotAskedForWithEachBatch has brokers give no id, with each code that there is, for a minute in which batches come all the time. (A producer without the right to one asked a hundred times for a hundred batches.)
func TestAnIDThatIsRefusedIsNotAskedForWithEachBatch(t *testing.T) {
	for _, code := range append(protocol.Codes(), 1000) {
		if code == protocol.None {
			continue
		}
		b := newBench(t, nil)
		b.id = &Identity{Err: code}
		begin, most, failures := b.now, 0, 0
		for at := time.Duration(0); at <= time.Minute; at += b.c.pause(failures) {
			most++
			failures++
		}
		var all []*batch.Batch
		for b.now.Sub(begin) < time.Minute {
			all = append(all, b.add(int32(len(all)%2), 1))
			if !code.Retriable() {
				b.outcome(all[len(all)-1], code)
			}
			b.later(100 * time.Millisecond)
		}
		if b.asks > most || b.asks < most/2 {
			t.Errorf("%s: an id was asked for %d times, expected are %d at most", code.Name(), b.asks, most)
		}
		b.id = nil
		b.later(time.Second)
		for range 2 { // the first is in the log, and so is what comes
			last := b.add(0, 1)
			for len(b.sent) > 0 {
				b.answer(protocol.None, 0)
			}
			b.outcome(last, nil)
		}
	}
}

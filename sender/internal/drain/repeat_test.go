package drain

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// spoil answers the oldest request: these records of its batch are bad.
func (b *bench) spoil(code protocol.Code, bad ...int32) {
	b.t.Helper()
	r := b.sent[0]
	b.sent = b.sent[1:]
	p := msg.ProduceResponsePartitionProduceResponse{}
	p.SetDefaults()
	p.Index, p.ErrorCode, p.BaseOffset = r.Batches[0].To.Partition, int16(code), -1
	for _, i := range bad {
		text := fmt.Sprintf("record %d is bad", i)
		p.RecordErrors = append(p.RecordErrors, msg.ProduceResponseBatchIndexAndErrorMessage{BatchIndex: i, BatchIndexErrorMessage: &text})
	}
	b.step(&Released{r})
	b.step(&Answer{Request: r, Version: 9, Sent: true, Resp: &msg.ProduceResponse{Responses: []msg.ProduceResponseTopicProduceResponse{{Name: "a", PartitionResponses: []msg.ProduceResponsePartitionProduceResponse{p}}}}})
}

func TestOnlyBadRecordsFail(t *testing.T) {
	b := begun(t, nil)
	b.step(&Flush{Owner: "before"})
	x, y := b.add(0, 4), b.add(0, 1)
	b.step(&Flush{Owner: "f"})
	b.spoil(protocol.InvalidRecord, 1, 3, 99, 1)
	if len(b.told) != 3 {
		t.Fatalf("%d outcomes", len(b.told))
	}
	for i, s := range b.told[1:] {
		if want := fmt.Sprintf("record %d is bad", 2*i+1); !errors.Is(s.Err, protocol.InvalidRecord) || errors.Is(s.Err, ErrUncertain) || !strings.Contains(s.Err.Error(), want) || s.Batch.Count != 1 {
			t.Fatalf("told %v of %d records", s.Err, s.Batch.Count)
		}
	}
	b.pending(x)
	b.answer(protocol.OutOfOrderSequenceNumber, -1) // y, behind what was not appended
	rest := b.sent[0].Batches[0]
	if rest.Count != 2 || rest.Epoch != 1 || rest.Sequence != 0 {
		t.Fatalf("%d records, epoch %d, sequence %d", rest.Count, rest.Epoch, rest.Sequence)
	}
	b.inFlight(rest)
	b.answer(protocol.None, 1)
	b.inFlight(y)
	if y.Epoch != 1 || y.Sequence != 2 {
		t.Fatalf("epoch %d, sequence %d", y.Epoch, y.Sequence)
	}
	if out := b.answer(protocol.None, 3); len(out.Flushed) != 1 || out.Flushed[0] != "f" || b.c.alive != 0 {
		t.Fatalf("flushed: %v, alive: %d", out.Flushed, b.c.alive)
	}
}

func TestBadRecordsAndWhatIsAroundThem(t *testing.T) {
	t.Run("all are bad", func(t *testing.T) {
		b := begun(t, nil)
		b.add(0, 2)
		b.spoil(protocol.InvalidTimestamp, 0, 1)
		if len(b.told) != 3 || b.c.alive != 0 || len(b.sent) != 0 {
			t.Fatalf("%d outcomes, %d alive", len(b.told), b.c.alive)
		}
	})
	t.Run("what was before it goes first, in its epoch", func(t *testing.T) {
		b := begun(t, nil)
		w := b.add(0, 1)
		b.add(0, 2)
		b.answer(protocol.RequestTimedOut, -1)
		b.spoil(protocol.InvalidRecord, 0)
		b.later(time.Second)
		b.inFlight(w)
		if w.Epoch != 0 || w.Sequence != 1 {
			t.Fatalf("epoch %d, sequence %d", w.Epoch, w.Sequence)
		}
		b.answer(protocol.None, 1)
		if rest := b.sent[0].Batches[0]; rest.Epoch != 1 || rest.Count != 1 {
			t.Fatalf("epoch %d, %d records", rest.Epoch, rest.Count)
		}
	})
	t.Run("what is behind it is in the log: the leader had forgotten the producer", func(t *testing.T) {
		b := begun(t, nil)
		b.add(0, 2)
		y := b.add(0, 1)
		b.spoil(protocol.InvalidRecord, 0)
		b.answer(protocol.None, 1)
		b.outcome(y, nil)
		if len(b.sent) != 0 || b.c.alive != 0 || !errors.Is(b.told[len(b.told)-1].Err, protocol.OutOfOrderSequenceNumber) || errors.Is(b.told[len(b.told)-1].Err, ErrUncertain) {
			t.Fatalf("%d in flight, told %v", len(b.sent), b.told[len(b.told)-1].Err)
		}
	})
	t.Run("it may have been written", func(t *testing.T) {
		b := begun(t, nil)
		o := b.add(0, 2)
		b.fail(errReset, true)
		b.later(time.Second)
		b.spoil(protocol.InvalidTimestamp, 0)
		b.outcome(o, ErrUncertain)
	})
	t.Run("its time is over", func(t *testing.T) {
		b := begun(t, nil)
		o := b.add(0, 2)
		b.later(2 * time.Minute)
		b.spoil(protocol.InvalidTimestamp, 0)
		b.outcome(o, ErrUncertain)
		if len(b.sent) != 0 {
			t.Fatal("it is sent again")
		}
	})
	t.Run("the broker names no record that there is", func(t *testing.T) {
		b := begun(t, nil)
		o := b.add(0, 2)
		b.spoil(protocol.InvalidRecord, -1, 2)
		b.outcome(o, protocol.InvalidRecord)
	})
	t.Run("without idempotence, compressed", func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.Idempotent, c.Compress = false, true })
		o := b.add(0, 2)
		b.step(&Packed{Batch: o})
		b.spoil(protocol.InvalidRecord, 1)
		if len(b.out.Pack) != 1 || b.out.Pack[0].Count != 1 {
			t.Fatalf("%+v", b.out.Pack)
		}
		b.step(&Packed{Batch: b.out.Pack[0]})
		b.answer(protocol.None, 0)
		if len(b.told) != 2 || b.c.alive != 0 {
			t.Fatalf("%d outcomes, %d alive", len(b.told), b.c.alive)
		}
	})
}

func TestWhatFailsTogetherIsOneFailure(t *testing.T) {
	b := begun(t, nil)
	for range 5 {
		b.add(0, 1)
	}
	for len(b.sent) > 0 {
		b.fail(errReset, true)
	}
	b.later(100 * time.Millisecond)
	if len(b.sent) != 1 {
		t.Fatal("nothing is sent after retry.backoff.ms")
	}
	b.fail(errReset, true)
	b.later(199 * time.Millisecond)
	if len(b.sent) != 0 {
		t.Fatal("the second failure does not wait longer")
	}
	b.later(time.Millisecond)
	if len(b.sent) != 1 {
		t.Fatal("nothing is sent")
	}
}

func TestTheFailureOfOneIsNoTryOfThoseBehindIt(t *testing.T) {
	b := begun(t, func(c *Config) { c.Retries = 1 })
	x, y := b.add(0, 1), b.add(0, 1)
	b.answer(protocol.NotEnoughReplicas, -1)
	b.answer(protocol.OutOfOrderSequenceNumber, -1)
	b.later(time.Second)
	b.answer(protocol.None, 1)
	b.outcome(x, nil)
	b.answer(protocol.NotEnoughReplicas, -1)
	b.pending(y)
}

// An answer names its topic by the id that the request had, also when the picture of the cluster has another by now, or none.
func TestAnAnswerForATopicThatHasLeftThePicture(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Idempotent = false })
	o := b.add(0, 1)
	r := b.sent[0]
	b.sent = nil
	b.step(&Changed{cluster.New(cluster.Snapshot{Version: 2, Nodes: []cluster.Node{{ID: 1}}})})
	p := msg.ProduceResponsePartitionProduceResponse{}
	p.SetDefaults()
	p.BaseOffset = 10
	b.step(&Answer{Request: r, Version: 13, Sent: true, Resp: &msg.ProduceResponse{Responses: []msg.ProduceResponseTopicProduceResponse{{TopicID: wire.UUID{1}, PartitionResponses: []msg.ProduceResponsePartitionProduceResponse{p}}}}})
	b.outcome(o, nil)
}

func TestUncertainIsNotToldAsRejected(t *testing.T) {
	last := func(c *Config) { c.Idempotent, c.Retries = false, 0 }
	for _, c := range []struct {
		name   string
		change func(*Config)
		do     func(b *bench)
	}{
		{"the request became impossible", nil, func(b *bench) {
			b.fail(errReset, true)
			b.later(time.Second)
			r := b.sent[0]
			b.step(&Released{r})
			b.step(&Answer{Request: r, Err: errors.New("unsupported"), Refused: true})
		}},
		{"too large after it may have been written", nil, func(b *bench) {
			b.fail(errReset, true)
			b.later(time.Second)
			b.answer(protocol.MessageTooLarge, -1)
		}},
		{"appended, on the last try", last, func(b *bench) { b.answer(protocol.NotEnoughReplicasAfterAppend, -1) }},
		{"no leader any more, and its time is over", nil, func(b *bench) {
			b.answer(protocol.NotLeaderOrFollower, -1)
			b.step(&Changed{snapshot(1, -1, -1)})
			b.later(2 * time.Minute)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.change)
			o := b.add(0, 1)
			c.do(b)
			b.outcome(o, ErrUncertain)
		})
	}
}

// A caller may be between its look at "closed" and its record when the producer closes.
func TestWhatComesAfterTheCloseHasItsOutcome(t *testing.T) {
	for _, open := range []bool{true, false} {
		b := newBench(t, nil)
		b.step(&Close{Deadline: b.now.Add(time.Second), Owner: "c"})
		if !slices.Equal(b.out.Closed, []any{"c"}) {
			t.Fatal("not closed")
		}
		o := b.batch(0, 1)
		r := Ready{To: o.To, Closed: []*batch.Batch{o}}
		if open {
			b.open[o.To] = o
			r = Ready{To: o.To, Open: b.now}
		}
		out := b.step(&Wake{Ready: []Ready{r}})
		if len(out.Free) != 1 || len(out.Send) != 0 {
			t.Fatalf("%d buffers are free, %d requests are sent", len(out.Free), len(out.Send))
		}
		b.outcome(o, ErrClosed)
		if out := b.step(&Flush{Owner: "f"}); len(out.Flushed) != 1 {
			t.Fatal("a flush after the close is not answered")
		}
		if out := b.step(&Close{Owner: "again"}); !slices.Equal(out.Closed, []any{"again"}) {
			t.Fatal("a second close is not answered")
		}
	}
}

package drain

import (
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// answerEach answers the oldest request: each of its batches with a code.
func (b *bench) answerEach(codes ...protocol.Code) {
	b.t.Helper()
	r := b.sent[0]
	b.sent = b.sent[1:]
	m := &msg.ProduceResponse{}
	for i, o := range r.Batches {
		p := msg.ProduceResponsePartitionProduceResponse{}
		p.SetDefaults()
		p.Index, p.ErrorCode, p.LogAppendTimeMs = o.To.Partition, int16(codes[i]), -1
		m.Responses = append(m.Responses, msg.ProduceResponseTopicProduceResponse{Name: "a", PartitionResponses: []msg.ProduceResponsePartitionProduceResponse{p}})
	}
	b.step(&Released{r})
	b.step(&Answer{Request: r, Resp: m, Version: 9, Sent: true})
}

func (b *bench) timeout() time.Duration {
	b.t.Helper()
	if len(b.sent) == 0 {
		b.t.Fatal("nothing was sent")
	}
	return b.sent[0].Timeout
}

// moved makes node 3 the leader of both partitions of the bench's topic.
func (b *bench) moved(epoch int32) {
	s := snapshot(epoch, 3, 3)
	s.Version = b.c.snap.Version + 1
	b.step(&Changed{Snapshot: s})
}

// TestANewLeaderIsGivenLittleTime until it has acknowledged something: what others of the same request wait for is bounded.
func TestANewLeaderIsGivenLittleTime(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Window, c.Retries = 1, 1 })
	b.add(0, 1)
	if b.timeout() != 30*time.Second {
		t.Fatalf("%s", b.timeout())
	}
	b.answer(protocol.None, 0)
	b.add(1, 1)
	b.answer(protocol.None, 0)
	b.moved(1)
	first := b.add(0, 1)
	x, y := b.add(0, 1), b.add(1, 1)
	b.answer(protocol.None, 1)
	b.outcome(first, nil)
	if b.inFlight(x, y); b.timeout() != proofTime { // partition 1 has a leader that has acknowledged nothing
		t.Fatalf("%s", b.timeout())
	}
	for i := range proofs { // more of them than retries
		b.now = b.now.Add(proofTime)
		if i == 0 {
			b.answerEach(protocol.None, protocol.RequestTimedOut)
		} else {
			b.answerEach(protocol.RequestTimedOut)
		}
		b.outcome(x, nil)
		b.pending(y)
		if b.inFlight(y); y.Sequence != 1 {
			t.Fatalf("the repetition has sequence %d", y.Sequence)
		}
	}
	if b.timeout() != 30*time.Second {
		t.Fatalf("%s after %d tries with little time", b.timeout(), proofs)
	}
	b.answer(protocol.DuplicateSequenceNumber, -1)
	b.outcome(y, nil)
	b.moved(2) // to itself: it leads anew
	b.add(1, 1)
	if b.timeout() != proofTime {
		t.Fatalf("%s in the next epoch", b.timeout())
	}
}

// TestWhoCannotRepeatGivesItsLeaderAllItsTime: without numbers a repetition would be written twice. Brokers before 0.11 have no ids of producers.
func TestWhoCannotRepeatGivesItsLeaderAllItsTime(t *testing.T) {
	for what, b := range map[string]*bench{
		"not idempotent":      newBench(t, func(c *Config) { c.Idempotent = false }),
		"brokers without ids": newBench(t, nil),
	} {
		if b.c.cfg.Idempotent {
			b.step(&Identity{Err: errReset, Unsupported: true})
		}
		if b.add(0, 1).Numbered {
			t.Fatalf("%s: its batches have numbers", what)
		}
		b.answer(protocol.None, 0)
		b.moved(1)
		b.add(0, 1)
		if b.timeout() != 30*time.Second {
			t.Errorf("%s: %s", what, b.timeout())
		}
	}
	b := newBench(t, func(c *Config) { c.RequestTimeout = 100 * time.Millisecond })
	b.moved(1)
	b.add(0, 1)
	if b.timeout() != 100*time.Millisecond {
		t.Errorf("%s of 100ms", b.timeout())
	}
}

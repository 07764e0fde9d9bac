package drain

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// TestPartitionsAreInTheLineOfTheirLeader: only topics that a picture has otherwise are looked at. Whatever pictures come, also when some are left out or come twice, each partition is where its leader is, once if it has
// something to send, and as it is known.
func TestPartitionsAreInTheLineOfTheirLeader(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := newBench(t, func(c *Config) { c.Window = 1 })
		next := b.c.snap
		for range 200 {
			to := cluster.TopicPartition{Topic: fmt.Sprint("t", r.IntN(8)), Partition: int32(r.IntN(3))}
			switch r.IntN(6) {
			case 0:
				o := batch.New(to, make([]byte, 0, 4096), b.now)
				o.Deadline = b.now.Add(1 << 40)
				o.Append(1000, nil, nil, nil, nil)
				b.step(&Wake{Ready: []Ready{{To: to, Closed: []*batch.Batch{o}}}})
			case 1:
				if b.open[to] == nil {
					b.open[to] = batch.New(to, make([]byte, 0, 4096), b.now)
					b.open[to].Deadline = b.now.Add(1 << 40)
					b.open[to].Append(1000, nil, nil, nil, nil)
				}
				b.step(&Wake{Ready: []Ready{{To: to, Open: b.open[to].Created}}})
			case 2:
				if len(b.sent) > 0 {
					b.answer(protocol.NotLeaderOrFollower, 0)
				}
				b.later(1 << 20)
			default:
				version := next.Version + 1
				if r.IntN(8) == 0 {
					next = next.With(nil, []string{to.Topic})
				} else {
					topic := &cluster.Topic{Name: to.Topic, ID: wire.UUID{1, to.Topic[1]}}
					for i := range int32(1 + r.IntN(3)) {
						topic.Partitions = append(topic.Partitions, cluster.Partition{Index: i, Leader: int32(r.IntN(4)) - 1, LeaderEpoch: int32(version)})
					}
					next = next.With([]*cluster.Topic{topic}, nil)
				}
				next.Version = version
				for range r.IntN(3) {
					b.step(&Changed{Snapshot: next})
				}
			}
			for _, p := range b.c.parts {
				was, home := *p, p.home
				if node := b.c.look(p); node != home.node || p.topic != was.topic || p.led != was.led {
					t.Fatalf("seed %d: %s is at %d as %+v, it is led by %d as %+v", seed, p.to, home.node, was, node, *p)
				}
				for _, l := range b.c.lines {
					n := 0
					for _, q := range l.active {
						if q == p {
							n++
						}
					}
					if n > 1 || n == 1 && (l != home || !p.listed) || n == 0 && l == home && p.listed {
						t.Fatalf("seed %d: %s is %d times in the line of %d, its leader is %d", seed, p.to, n, l.node, home.node)
					}
				}
				if !p.open.IsZero() && !slices.Contains(home.opens, opening{p, p.open}) {
					t.Fatalf("seed %d: the open batch of %s is not in its leader's line", seed, p.to)
				}
			}
		}
	}
}

// TestATopicThatComesBackWithFewerPartitions: what waits for one that is no more would wait for delivery.timeout.ms, and every Flush and Close with it.
func TestATopicThatComesBackWithFewerPartitions(t *testing.T) {
	for _, byID := range []bool{true, false} {
		b := newBench(t, nil)
		b.add(1, 1)
		b.answer(protocol.None, 0)
		sent := b.add(1, 1)
		b.fail(errReset, true) // it may have been written, in the topic that was
		waits := b.add(1, 1)
		s := snapshot(0, 1)
		s.Version = b.c.snap.Version + 1
		s.Topic("a").ID = wire.UUID{}
		if byID {
			s.Topic("a").ID = wire.UUID{2}
		}
		b.step(&Changed{Snapshot: s})
		out := b.later(time.Second)
		if !byID { // it may be a broker that does not know all of them yet
			b.pending(sent)
			b.pending(waits)
			continue
		}
		b.outcome(sent, ErrUncertain)
		b.outcome(waits, protocol.UnknownTopicOrPartition)
		if b.c.alive != 0 || len(b.sent) > 0 {
			t.Fatalf("%d alive, %+v", b.c.alive, out)
		}
		next := b.add(0, 1)
		b.answer(protocol.None, 0)
		b.outcome(next, nil)
	}
}

// TestAHintTellsOfWhichTopicItIs: a leader epoch of a topic's earlier life says nothing of the present one. A request of before KIP-516 (produce version 13) asks by name, and so does its answer.
func TestAHintTellsOfWhichTopicItIs(t *testing.T) {
	for version, id := range map[int16]wire.UUID{12: {}, 13: {1}} {
		b := newBench(t, nil)
		b.add(0, 1)
		p := msg.ProduceResponsePartitionProduceResponse{}
		p.SetDefaults()
		p.ErrorCode, p.CurrentLeader = int16(protocol.NotLeaderOrFollower), msg.ProduceResponseLeaderIDAndEpoch{LeaderID: 3, LeaderEpoch: 6}
		topic := msg.ProduceResponseTopicProduceResponse{Name: "a", TopicID: id, PartitionResponses: []msg.ProduceResponsePartitionProduceResponse{p}}
		out := b.step(&Answer{Request: b.sent[0], Version: version, Sent: true, Resp: &msg.ProduceResponse{Responses: []msg.ProduceResponseTopicProduceResponse{topic}}})
		if len(out.Hints) != 1 || out.Hints[0].Topic != id || out.Hints[0].Leader != 3 {
			t.Errorf("version %d: %+v", version, out.Hints)
		}
	}
}

// A broker that has not heard yet of partitions that were added tells of fewer, under the same id. What was queued for them was rejected, as if the topic had been created again.
func TestATopicLosesNoPartitions(t *testing.T) {
	b := newBench(t, nil)
	o := b.add(1, 1)
	b.fail(io.EOF, false)
	b.step(&Changed{snapshot(0, 1)})
	b.later(time.Second)
	if len(b.told) != 0 {
		t.Fatalf("a record has its outcome: %v", b.told[0].Err)
	}
	b.step(&Changed{snapshot(0, 1, 2)})
	b.later(time.Second)
	b.inFlight(o)
}

// A record may be there before the picture of the cluster by which its caller has placed it.
func TestAPartitionIsWaitedForThatWasJustAdded(t *testing.T) {
	b := newBench(t, nil)
	o := b.add(2, 1)
	b.later(time.Second)
	if len(b.told) != 0 {
		t.Fatalf("a record has its outcome: %v", b.told[0].Err)
	}
	b.step(&Changed{snapshot(0, 1, 2, 3)})
	b.later(time.Second)
	b.inFlight(o)
}

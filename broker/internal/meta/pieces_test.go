package meta

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

type (
	wireTopic     = msg.MetadataResponseMetadataResponseTopic
	wirePartition = msg.MetadataResponseMetadataResponsePartition
)

// piece is step without what the actor tells itself.
func (b *bench) piece(m Message) *Effects {
	b.out = Effects{}
	b.c.Step(b.now, m, &b.out)
	return &b.out
}

// provinces is an answer with so many topics, each with so many partitions.
func provinces(topics, partitions int) *msg.MetadataResponse {
	m := metadata(nil, nil)
	m.Topics = nil
	for t := range topics {
		in := wireTopic{Name: wire.Ptr(fmt.Sprintf("t%05d", t)), TopicID: wire.UUID{7, byte(t >> 8), byte(t)}}
		for p := range partitions {
			in.Partitions = append(in.Partitions, wirePartition{PartitionIndex: int32(p), LeaderID: 1, LeaderEpoch: 5})
		}
		m.Topics = append(m.Topics, in)
	}
	return m
}

func names(m *msg.MetadataResponse) (names []string) {
	for i := range m.Topics {
		names = append(names, *m.Topics[i].Name)
	}
	return names
}

// What a step does of a large answer is bounded, the first time, when nothing is different and when everything is. Between two pieces there is time for others; who waits for the answer has all of it.
func TestALargeAnswerIsTakenInPieces(t *testing.T) {
	for _, k := range []struct{ topics, partitions int }{{1, 200_000}, {200, 1000}, {10_000, 3}} {
		b := newBench(t, nil).known()
		for n, leader := range []int32{1, 1, 2} {
			resp := provinces(k.topics, k.partitions)
			for i := range resp.Topics {
				for j := range resp.Topics[i].Partitions {
					resp.Topics[i].Partitions[j].LeaderID, resp.Topics[i].Partitions[j].LeaderEpoch = leader, 5+leader
				}
			}
			b.step(&Refresh{Topics: names(resp), Except: cluster.NoNode, Owner: "who waits"})
			b.later(time.Second)
			steps, before := 1, 0
			out := b.piece(&Metadata{Ask: b.c.refresh.ask, Resp: resp, Version: 12})
			for ; out.More; steps++ {
				s := b.c.merging.sift
				if len(out.Fresh) > 0 || s != nil && s.k-before > pieceWork {
					t.Fatalf("%+v: %d are told, the step did %d partitions of a topic", k, len(out.Fresh), s.k-before)
				}
				if before = 0; s != nil {
					before = s.k
				}
				if out := b.piece(leader1()); len(out.Place) != 1 || out.More {
					t.Fatalf("%+v: %+v", k, out)
				}
				out = b.piece(&More{})
			}
			if len(out.Fresh) != 1 || b.c.merging != nil || b.c.refresh.inFlight {
				t.Fatalf("%+v: %+v", k, out)
			}
			if least := k.topics * k.partitions / pieceWork; steps < least || steps > 5*least+20 {
				t.Errorf("%+v, answer %d: %d steps", k, n, steps)
			}
			for i := range resp.Topics {
				for j := range resp.Topics[i].Partitions {
					if node, epoch := b.c.snap.Leader(*resp.Topics[i].Name, int32(j)); node != leader || epoch != 5+leader {
						t.Fatalf("%+v: %s/%d is led by %d in epoch %d", k, *resp.Topics[i].Name, j, node, epoch)
					}
				}
			}
		}
	}
}

func leader1() *Route {
	return &Route{Target: Target{Kind: ToLeader, Topic: "a", Partition: 1}, Deadline: time.Unix(10_000, 0)}
}

// begun is a core that has begun with an answer about topic a, led by node 2 in epoch 6, and b, and has come to the middle of a. Who asked waits.
func begun(t *testing.T) (b *bench, rest *msg.MetadataResponse) {
	b = newBench(t, func(c *Config) { c.AutoCreate = false }).known()
	b.c.portion = 1
	b.later(time.Second)
	b.step(&Refresh{Topics: []string{"a", "b"}, Except: cluster.NoNode, Owner: "who waits"})
	m := metadata([]int32{2, 2, 2, 2}, []int32{6, 6, 6, 6})
	m.Topics = append(m.Topics, m.Topics[0])
	m.Topics[1].Name = wire.Ptr("b")
	out := b.piece(&Metadata{Ask: b.c.refresh.ask, Resp: m, Version: 12})
	for n := 0; n < 12 && (b.c.merging.sift == nil || b.c.merging.sift.k < 2); n++ {
		out = b.piece(&More{})
	}
	if !out.More || b.c.merging.sift.i.name != "a" {
		t.Fatalf("%+v", b.c.merging)
	}
	return b, m
}

// rest takes what is left of an answer, and gives the waits that are over.
func (b *bench) rest() (fresh []any) {
	for n := 0; b.c.merging != nil; n++ {
		out := b.piece(&More{})
		fresh = append(fresh, out.Fresh...)
		if out.More != (b.c.merging != nil) || n > 1000 {
			b.t.Fatalf("nobody goes on: %+v", out)
		}
	}
	return fresh
}

func (b *bench) led(topic string, partition, node, epoch int32) {
	b.t.Helper()
	if n, e := b.c.snap.Leader(topic, partition); n != node || e != epoch {
		b.t.Errorf("%s/%d is led by %d in epoch %d, not by %d in %d", topic, partition, n, e, node, epoch)
	}
}

// What comes while an answer is being taken does not get lost in it.
func TestWhatComesWhileAnAnswerIsBeingTaken(t *testing.T) {
	t.Run("a hint", func(t *testing.T) {
		b, _ := begun(t)
		b.piece(Hints{{TopicPartition: cluster.TopicPartition{Topic: "a", Partition: 0}, Leader: 3, Epoch: 7}})
		if fresh := b.rest(); len(fresh) != 1 {
			t.Errorf("%d are told", len(fresh))
		}
		b.led("a", 0, 3, 7)
		b.led("a", 1, 2, 6)
		b.led("b", 3, 2, 6)
	})
	t.Run("another answer", func(t *testing.T) {
		b, _ := begun(t)
		b.piece(&Down{Peer: b.c.refresh.peer, Err: errors.New("gone")}) // it is asked of another
		b.later(time.Second)
		if !b.c.refresh.inFlight {
			t.Fatal("nobody is asked")
		}
		m := metadata([]int32{3, 3, 3, 3}, []int32{7, 7, 7, 7})
		b.piece(&Metadata{Ask: b.c.refresh.ask, Resp: m, Version: 12})
		if fresh := b.rest(); len(fresh) != 1 {
			t.Errorf("%d are told", len(fresh))
		}
		b.led("a", 0, 3, 7)
		b.led("b", 3, 2, 6)
	})
	t.Run("the end of the interest", func(t *testing.T) {
		b, _ := begun(t)
		b.piece(&Drop{Topics: []string{"a"}})
		if fresh := b.rest(); len(fresh) != 1 || b.c.snap.Topic("a") != nil {
			t.Errorf("%d are told, %+v is known", len(fresh), b.c.snap.Topic("a"))
		}
		b.led("b", 3, 2, 6)
	})
	t.Run("the loss of the broker", func(t *testing.T) {
		b, _ := begun(t)
		b.piece(&Down{Peer: b.c.refresh.peer, Err: errors.New("gone")})
		if fresh := b.rest(); len(fresh) != 0 {
			t.Errorf("%d are told, and another was asked", len(fresh))
		}
		b.led("a", 0, 2, 6)
	})
	t.Run("a wait is over", func(t *testing.T) {
		b, _ := begun(t)
		b.piece(&Unwish{Owner: "who waits"})
		if fresh := b.rest(); len(fresh) != 0 {
			t.Errorf("%d are told", len(fresh))
		}
	})
	t.Run("the end", func(t *testing.T) {
		b, _ := begun(t)
		if out := b.piece(&Close{}); len(out.Refuse) != 1 {
			t.Errorf("%d are told", len(out.Refuse))
		}
		if out := b.piece(&More{}); out.More || out.Publish != nil || !b.c.Next().IsZero() {
			t.Errorf("%+v", out)
		}
	})
}

// What an answer comes to does not go by how large the pieces are.
func TestPiecesComeToTheSame(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		whole, pieces := newBench(t, nil), newBench(t, nil)
		pieces.c.portion = 1 + rnd.IntN(5)
		all := []string{"a", "b", "c"}
		for n := range 12 {
			m := metadata(nil, nil)
			m.Topics = nil
			for _, name := range all {
				if rnd.IntN(4) == 0 {
					continue
				}
				in := wireTopic{Name: &name, TopicID: wire.UUID{byte(rnd.IntN(8) / 6)}}
				if rnd.IntN(6) == 0 {
					in.ErrorCode = int16([]protocol.Code{protocol.UnknownTopicOrPartition, protocol.LeaderNotAvailable}[rnd.IntN(2)])
				}
				for p := range 1 + rnd.IntN(6) {
					q := wirePartition{PartitionIndex: int32(p), LeaderID: 1 + rnd.Int32N(3), LeaderEpoch: []int32{-1, 1, 2, 3, 4, 5000}[rnd.IntN(6)]}
					if rnd.IntN(10) == 0 {
						q.PartitionIndex = rnd.Int32N(8) - 1
					}
					in.Partitions = append(in.Partitions, q)
				}
				m.Topics = append(m.Topics, in)
			}
			wait := time.Duration(rnd.IntN(5000)) * time.Millisecond
			for _, b := range []*bench{whole, pieces} {
				b.step(&Refresh{Topics: all, Except: cluster.NoNode, Owner: n})
				b.now = b.now.Add(wait)
				b.c.Tick(b.now, &b.out)
				copied := *m
				copied.Brokers = slices.Clone(m.Brokers)
				b.step(&Metadata{Resp: &copied, Version: 12})
			}
			a, b := whole.c, pieces.c
			for _, name := range all {
				if s, p := a.snap.Topic(name), b.snap.Topic(name); (s == nil) != (p == nil) || s != nil && !s.Equal(p) {
					t.Fatalf("seed %d, answer %d: %+v, in pieces %+v", seed, n, s, p)
				}
				if i, k := a.topics[name], b.topics[name]; i.doubts != k.doubts || i.waits != k.waits || i.askAt != k.askAt || len(i.back) != len(k.back) || len(i.moves) != len(k.moves) || i.fewer.count != k.fewer.count {
					t.Fatalf("seed %d, answer %d: %+v, in pieces %+v", seed, n, i, k)
				}
			}
			if whole.c.Next() != pieces.c.Next() || len(whole.out.Fresh) != len(pieces.out.Fresh) || a.refresh.churn != b.refresh.churn {
				t.Fatalf("seed %d, answer %d: %+v, in pieces %+v", seed, n, a.refresh, b.refresh)
			}
		}
	}
}

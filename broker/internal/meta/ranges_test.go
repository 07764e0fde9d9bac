package meta

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

type wireBroker = msg.MetadataResponseMetadataResponseBroker

// TestBrokersThatThereCannotBe: ids below zero stand for bootstrap addresses and for nobody, and of two with one id only one can be asked.
func TestBrokersThatThereCannotBe(t *testing.T) {
	b := newBench(t, nil).known()
	b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
	b.later(time.Second)
	m := metadata([]int32{-7, 2, 4711}, []int32{6, -9, 6})
	m.ControllerID = -7
	m.Brokers = append(m.Brokers, []wireBroker{{NodeID: -7, Host: "x", Port: 1}, {NodeID: -1, Host: "x", Port: 1}, {NodeID: 10, Host: "", Port: 1}, {NodeID: 11, Host: "x", Port: 0}, {NodeID: 12, Host: "x", Port: -1},
		{NodeID: 13, Host: "x", Port: math.MaxUint16 + 1}, {NodeID: 14, Host: strings.Repeat("x", 256), Port: 1}, {NodeID: 2, Host: "another", Port: 1}, {NodeID: math.MaxInt32, Host: "x", Port: math.MaxUint16}}...)
	out := b.step(&Metadata{Resp: m, Version: 12})
	if out.Publish == nil {
		t.Fatal("no news")
	}
	s := out.Publish
	if got := fmt.Sprint(s.Nodes); got != fmt.Sprintf("[{1 broker 9092 } {2 broker 9093 } {3 broker 9094 } {%d x 65535 }]", math.MaxInt32) {
		t.Errorf("nodes %s", got)
	}
	if s.Controller != cluster.NoNode {
		t.Errorf("controller %d", s.Controller)
	}
	if p := s.Partition("a", 0); p.Leader != cluster.NoNode {
		t.Errorf("leader %d", p.Leader)
	}
	if p := s.Partition("a", 1); p.LeaderEpoch != -1 {
		t.Errorf("epoch %d", p.LeaderEpoch)
	}
	if len(b.c.peers) != len(b.c.byID) || len(b.c.peers) != 4 {
		t.Errorf("%d peers, %d by id", len(b.c.peers), len(b.c.byID))
	}
}

// TestAnAnswerWithNoBrokerToAskIsNone: it was taken, and nobody was left to ask.
func TestAnAnswerWithNoBrokerToAskIsNone(t *testing.T) {
	b := newBench(t, nil)
	b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode, Owner: "who waits"})
	m := metadata([]int32{1}, []int32{1})
	for i := range m.Brokers {
		m.Brokers[i].NodeID = -7
	}
	out := b.step(&Metadata{Resp: m, Version: 12})
	if out.Publish != nil || len(out.Fresh) != 0 || len(b.c.peers) != 2 || out.Unfit == nil || !errors.Is(out.Unfit.Err, ErrNobody) {
		t.Errorf("%+v, %d peers", out, len(b.c.peers))
	}
}

// TestTooMuchIsRefused tells why, and goes on with others that tell less; where there are none nobody waits for what will not come.
func TestTooMuchIsRefused(t *testing.T) {
	brokers := func(m *msg.MetadataResponse) {
		for i := range 11 {
			m.Brokers = append(m.Brokers, wireBroker{NodeID: int32(100 + i), Host: "x", Port: 1})
		}
	}
	partitions := func(m *msg.MetadataResponse) {
		p := m.Topics[0].Partitions[0]
		for range 21 {
			p.PartitionIndex++
			m.Topics[0].Partitions = append(m.Topics[0].Partitions, p)
		}
	}
	for name, grow := range map[string]func(*msg.MetadataResponse){"10 are expected": brokers, "more than 20 partitions": partitions} {
		b := newBench(t, func(c *Config) { c.MaxBrokers, c.MaxPartitions = 10, 20 })
		out := b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode, Owner: "who waits"})
		asked := 0
		for len(out.Refuse) == 0 && asked < 10 {
			if out.Metadata == nil {
				out = b.later(b.c.Next().Sub(b.now))
				continue
			}
			asked++
			peer := out.Peer.ID
			m := metadata([]int32{1}, []int32{1})
			grow(m)
			out = b.step(&Metadata{Resp: m, Version: 12})
			if out.Publish != nil || out.Unfit == nil || out.Unfit.Peer.ID != peer || !errors.Is(out.Unfit.Err, ErrTooMuch) || !strings.Contains(out.Unfit.Err.Error(), name) {
				t.Fatalf("%s: %+v", name, out.Unfit)
			}
		}
		if len(out.Refuse) != 1 || !errors.Is(out.Refuse[0].Err, ErrTooMuch) || asked != 2 {
			t.Fatalf("%s: refused %+v after %d questions", name, out.Refuse, asked)
		}
		b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode, Owner: "who waits"})
		var fit *Unfit
		for range 20 { // what was asked before this is answered first
			if !b.c.refresh.inFlight {
				b.later(b.c.Next().Sub(b.now))
				continue
			}
			out = b.step(&Metadata{Resp: metadata([]int32{1}, []int32{1}), Version: 12})
			if fit = cmp.Or(fit, out.Unfit); len(out.Fresh) > 0 {
				break
			}
		}
		if b.c.snap.Topic("a") == nil || len(out.Fresh) != 1 || fit == nil || fit.Err != nil {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

// TestGapsAreFew: 300,000 partitions of which each has four times the index made 1,200,000, and 72 bytes of memory for each that came.
func TestGapsAreFew(t *testing.T) {
	for last, known := range map[int32]int{99: 100, 124: 125, 157: 0, 399: 0} {
		b := newBench(t, nil)
		b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
		m := metadata(slices.Repeat([]int32{1}, 100), slices.Repeat([]int32{1}, 100))
		m.Topics[0].Partitions[99].PartitionIndex = last
		b.step(&Metadata{Resp: m, Version: 12})
		if topic := b.c.snap.Topic("a"); topic == nil || len(topic.Partitions) != known || (topic.Err == protocol.None) != (known > 0) {
			t.Errorf("100 partitions, of which the last has the index %d: %+v", last, topic)
		}
	}
}

// TestIndexesThatWouldTakeTooMuch: what is taken of an answer has a limit.
func TestIndexesThatWouldTakeTooMuch(t *testing.T) {
	for last, known := range map[int32]int{19: 20, 20: 0, -1: 0, math.MaxInt32: 0} {
		b := newBench(t, func(c *Config) { c.MaxPartitions = 20 })
		b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
		m := metadata([]int32{1, 1, 1}, []int32{1, 1, 1})
		if m.Topics[0].Partitions[2].PartitionIndex = last; last < 0 {
			m.Topics[0].Partitions = m.Topics[0].Partitions[2:]
		}
		b.step(&Metadata{Resp: m, Version: 12})
		topic := b.c.snap.Topic("a")
		if topic == nil || len(topic.Partitions) != known || (topic.Err == protocol.None) != (known > 0) {
			t.Fatalf("index %d: %+v", last, topic)
		}
		for i, p := range topic.Partitions {
			if there := i < 2 || i == 19; p.Index != int32(i) || (p.Leader == 1) != there {
				t.Errorf("partition %d: %+v", i, p)
			}
		}
	}
}

// TestOneAnswerDoesNotHideTheLeadersThatCome: an epoch of 2^31-1 is newer than whatever comes.
func TestOneAnswerDoesNotHideTheLeadersThatCome(t *testing.T) {
	poison := func(b *bench) *Effects {
		b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
		b.later(time.Second)
		return b.step(&Metadata{Resp: metadata([]int32{3, 2}, []int32{math.MaxInt32, 5}), Version: 12})
	}
	b := newBench(t, nil).known()
	if out := poison(b); out.Publish != nil {
		t.Error("metadata of one broker is believed")
	}
	out := b.step(Hints{{TopicPartition: cluster.TopicPartition{Topic: "a"}, Leader: 3, Epoch: math.MaxInt32}})
	if out.Publish != nil {
		t.Error("an answer to something else is believed")
	}
	b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
	b.later(time.Second)
	if out := b.step(&Metadata{Resp: metadata([]int32{2, 2}, []int32{6, 5}), Version: 12}); out.Publish == nil {
		t.Fatal("the next leader is hidden")
	}
	if len(b.c.topics["a"].back) != 0 {
		t.Error("what was not believed is still held against the next")
	}
	if node, epoch := b.c.snap.Leader("a", 0); node != 2 || epoch != 6 {
		t.Errorf("led by %d in epoch %d", node, epoch)
	}
}

// TestWhatIsFarAheadIsBelievedOfAll: it may be so, where the client was away for long.
func TestWhatIsFarAheadIsBelievedOfAll(t *testing.T) {
	b := newBench(t, nil).known()
	out := b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
	peers := map[int32]bool{}
	for n := 0; out.Publish == nil && n < 10; {
		if out.Metadata == nil {
			out = b.later(b.c.Next().Sub(b.now))
			continue
		}
		n++
		peers[out.Peer.ID] = true
		out = b.step(&Metadata{Resp: metadata([]int32{3, 2}, []int32{6000, 5}), Version: 12})
	}
	if node, epoch := b.c.snap.Leader("a", 0); node != 3 || epoch != 6000 || len(peers) != 3 {
		t.Errorf("led by %d in epoch %d after answers of %v", node, epoch, peers)
	}
	if took := b.now.Sub(time.Unix(1000, 0)); took > 2*time.Second {
		t.Errorf("after %s", took)
	}
}

// TestHintsAreTakenAtARate: each sends everybody to another leader.
func TestHintsAreTakenAtARate(t *testing.T) {
	b := newBench(t, nil).known()
	taken := 0
	hint := func(p, epoch int32) bool {
		return b.step(Hints{{TopicPartition: cluster.TopicPartition{Topic: "a", Partition: p}, Leader: 1 + epoch%3, Epoch: epoch}}).Publish != nil
	}
	for i := range int32(900) {
		if hint(0, 6+i) {
			taken++
		}
		b.now = b.now.Add(time.Millisecond)
	}
	if taken < 3 || taken > 8 {
		t.Errorf("%d of 900 within a second are taken", taken)
	}
	if !hint(1, 6) {
		t.Error("that of another partition is not")
	}
	b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
	b.later(time.Second)
	b.step(&Metadata{Resp: metadata([]int32{1, 2}, []int32{950, 7}), Version: 12})
	for i := range int32(3) {
		if !hint(0, 951+i) {
			t.Errorf("hint %d after metadata that says the same is not taken", i)
		}
	}
}

// TestACoordinatorThatIsNoneIsAskedForAtARate: each broker names another, which says that it is none.
func TestACoordinatorThatIsNoneIsAskedForAtARate(t *testing.T) {
	b := newBench(t, nil).known()
	asked, node := 0, int32(100)
	begun := b.now
	out := b.step(toGroup(0))
	for b.now.Sub(begun) < 10*time.Second {
		if len(out.Ask) == 0 {
			if out = b.later(min(b.c.Next().Sub(b.now), 10*time.Millisecond)); len(out.Place) == 0 {
				continue
			}
		}
		asked += len(out.Ask)
		node++
		out = b.names(node)
		if len(out.Place) != 1 {
			t.Fatalf("%+v", out)
		}
		b.now = b.now.Add(time.Millisecond)
		b.step(&Ended{Peer: node, Call: out.Place[0].Call})
		b.step(&Forget{Key: "g"})
		out = b.step(toGroup(0))
	}
	if asked < 8 || asked > 20 {
		t.Errorf("asked %d times in 10 s", asked)
	}
	b.now = b.now.Add(time.Minute)
	for range 3 { // it was one for long
		b.later(0)
		b.names(1)
		b.now = b.now.Add(time.Minute)
		b.step(&Forget{Key: "g"})
		if out := b.step(toGroup(0)); len(out.Ask) != 1 {
			t.Error("a coordinator that has changed is not asked for at once")
		}
	}
}

// TestACoordinatorThatThereCannotBe: requests went to it, and connections to nowhere.
func TestACoordinatorThatThereCannotBe(t *testing.T) {
	for _, n := range []*msg.FindCoordinatorResponse{{NodeID: -1, Port: -1}, {NodeID: -7, Host: "x", Port: 1}, {NodeID: 9, Host: "", Port: 1}, {NodeID: 9, Host: "x", Port: 0}, {NodeID: 9, Host: "x", Port: 70000}} {
		b := newBench(t, nil).known()
		b.step(toGroup(0))
		out := b.step(&Coordinator{Key: "g", Version: 3, Resp: n})
		if len(out.Place) != 0 || len(out.Ask) != 0 || b.c.coordinator("g", 0).err != protocol.CoordinatorNotAvailable {
			t.Errorf("%+v: placed %+v", n, out.Place)
		}
	}
}

// TestMetadataThatMovesEachTimeIsAskedForAtARate: each answer sends everybody elsewhere, and there somebody asks again.
func TestMetadataThatMovesEachTimeIsAskedForAtARate(t *testing.T) {
	for name, move := range map[string]func(n int, m *msg.MetadataResponse){
		"leaders": func(n int, m *msg.MetadataResponse) { m.Topics[0].Partitions[0].LeaderID = int32(1 + n%3) },
		"leaders, every other time": func(n int, m *msg.MetadataResponse) {
			m.Topics[0].Partitions[0].LeaderID = int32(1 + n/2%3)
		},
		"topics and brokers": func(n int, m *msg.MetadataResponse) {
			m.Topics[0].TopicID = wire.UUID{9, byte(n), byte(n >> 8)}
			m.Brokers[0].NodeID, m.Topics[0].Partitions[0].LeaderID = int32(100+n), int32(100+n)
		},
	} {
		b := newBench(t, nil).known()
		var asked []time.Time
		begun := b.now
		for b.now.Sub(begun) < 30*time.Second {
			out := b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
			if out.Metadata == nil {
				out = b.later(b.c.Next().Sub(b.now))
			}
			if out.Metadata != nil {
				asked = append(asked, b.now)
				b.now = b.now.Add(time.Millisecond)
				m := metadata([]int32{1, 2}, []int32{int32(6 + len(asked)), 5})
				move(len(asked), m)
				b.step(&Metadata{Resp: m, Version: 12})
			}
		}
		if n := len(asked); n < 25 || n > 80 {
			t.Errorf("%s: %d questions in 30 s", name, n)
		}
	}
}

// TestManyLeadersMoveWithoutAWait: each partition gets its next leader a moment after the other.
func TestManyLeadersMoveWithoutAWait(t *testing.T) {
	b := newBench(t, nil)
	leaders, epochs := make([]int32, 100), make([]int32, 100)
	for i := range leaders {
		leaders[i] = 1
	}
	b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
	b.step(&Metadata{Resp: metadata(leaders, epochs), Version: 12})
	begun := b.now
	for i := range leaders {
		b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
		if !b.c.refresh.inFlight {
			b.later(b.c.Next().Sub(b.now))
		}
		leaders[i], epochs[i] = 2, 1
		b.step(&Metadata{Resp: metadata(leaders, epochs), Version: 12})
	}
	if took := b.now.Sub(begun); took > 100*50*time.Millisecond {
		t.Errorf("it took %s", took)
	}
}

// crowd is an answer with so many brokers and partitions of one topic.
func crowd(brokers, partitions int) *msg.MetadataResponse {
	m := metadata(nil, nil)
	for i := range brokers {
		m.Brokers = append(m.Brokers, wireBroker{NodeID: int32(1000 + i), Host: "broker", Port: 9092})
	}
	for i := range partitions {
		m.Topics[0].Partitions = append(m.Topics[0].Partitions, msg.MetadataResponseMetadataResponsePartition{PartitionIndex: int32(i), LeaderID: 1, LeaderEpoch: 5})
	}
	return m
}

// BenchmarkFirstMetadata is what the first answer that tells of a million partitions costs, and the longest of its steps.
func BenchmarkFirstMetadata(b *testing.B) {
	for _, topics := range []int{1, 1000} {
		b.Run(fmt.Sprintf("%d topics", topics), func(b *testing.B) {
			resp := provinces(topics, 1_000_000/topics)
			longest := time.Duration(0)
			for b.Loop() {
				t := newBench(&testing.T{}, nil)
				t.step(&Refresh{Topics: names(resp), Except: cluster.NoNode})
				var m Message = &Metadata{Ask: t.c.refresh.ask, Resp: resp, Version: 12}
				for ; ; m = (&More{}) {
					begun := time.Now()
					more := t.piece(m).More
					if longest = max(longest, time.Since(begun)); !more {
						break
					}
				}
			}
			b.ReportMetric(float64(longest.Microseconds())/1000, "ms/longest-step")
		})
	}
}

// BenchmarkMetadata is what an answer of a large cluster costs in which nothing is different.
func BenchmarkMetadata(b *testing.B) {
	for _, n := range []struct{ brokers, partitions int }{{3, 100}, {9_000, 100}, {3, 1_000_000}} {
		b.Run(fmt.Sprintf("%d brokers, %d partitions", n.brokers, n.partitions), func(b *testing.B) {
			t := newBench(&testing.T{}, nil)
			resp := crowd(n.brokers, n.partitions)
			for b.Loop() {
				t.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
				t.later(time.Second)
				t.step(&Metadata{Resp: resp, Version: 12})
			}
		})
	}
}

package cluster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/wire"
)

func numbered(n int) *Topic {
	return &Topic{Name: fmt.Sprint("topic-", n), ID: wire.UUID{1, byte(n >> 16), byte(n >> 8), byte(n)}, Partitions: []Partition{{Leader: 1, LeaderEpoch: int32(n)}}}
}

// TestSnapshotsAreWhatAMapIs holds a history of random changes against a plain map, each snapshot and what is said to have changed since an older one.
func TestSnapshotsAreWhatAMapIs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := New(Snapshot{})
	model := map[string]*Topic{}
	for range 300 {
		before, was := s, map[string]*Topic{}
		for k, v := range model {
			was[k] = v
		}
		var put []*Topic
		var gone []string
		for range rng.IntN(40) {
			topic := numbered(rng.IntN(300))
			switch {
			case slices.ContainsFunc(put, func(o *Topic) bool { return o.Name == topic.Name }):
			case rng.IntN(3) == 0:
				gone = append(gone, topic.Name)
			default:
				topic.ID[4] = byte(rng.IntN(2)) // created again
				put = append(put, topic)
			}
		}
		s = s.With(put, gone)
		for _, name := range gone {
			delete(model, name)
		}
		for _, topic := range put {
			model[topic.Name] = topic
		}
		all := s.Topics()
		if len(all) != len(model) || !slices.IsSortedFunc(all, compareTopics) {
			t.Fatalf("%d topics, expected %d", len(all), len(model))
		}
		for name, topic := range model {
			if s.Topic(name) != topic || s.TopicByID(topic.ID) != topic {
				t.Fatalf("%s: %p and %p, expected %p", name, s.Topic(name), s.TopicByID(topic.ID), topic)
			}
		}
		for _, topic := range was {
			if now := model[topic.Name]; before.Topic(topic.Name) != topic || (now == nil || now.ID != topic.ID) && s.TopicByID(topic.ID) != nil {
				t.Fatalf("%s: the snapshot before has changed, or an id is left", topic.Name)
			}
		}
		changed := 0
		for a, b := range s.Changes(before) {
			name := or(a, b).Name
			if changed++; was[name] != a || model[name] != b {
				t.Fatalf("%s has changed from %v to %v", name, a, b)
			}
		}
		for i := range 300 {
			if name := numbered(i).Name; was[name] != model[name] {
				changed--
			}
		}
		if changed != 0 {
			t.Fatalf("%d too many or too few have changed", changed)
		}
	}
}

func or(a, b *Topic) *Topic {
	if a != nil {
		return a
	}
	return b
}

// TestASnapshotCostsWhatHasChanged: with thousands of topics one more made a copy of all, and of their indexes.
func TestASnapshotCostsWhatHasChanged(t *testing.T) {
	var topics []*Topic
	for i := range 20000 {
		topics = append(topics, numbered(i))
	}
	s := New(Snapshot{}, topics...)
	again := *topics[77]
	again.Err = protocol.LeaderNotAvailable
	next := s.With([]*Topic{&again}, nil)
	if n := testing.AllocsPerRun(100, func() { s.With([]*Topic{&again}, nil) }); n > 40 {
		t.Errorf("a change of one topic of 20,000 makes %.0f allocations", n)
	}
	seen := 0
	next.names.walkUnshared(s.names, &seen)
	if seen > 3*leafMax {
		t.Errorf("%d topics are looked at to find the one that has changed", seen)
	}
	if n := testing.AllocsPerRun(100, func() { _, _, _ = s.Topic("topic-5"), s.TopicByID(again.ID), s.Partition("topic-9", 0) }); n > 0 {
		t.Errorf("looking up makes %.0f allocations", n)
	}
}

func (x *index) walkUnshared(old *index, seen *int) {
	was, is := unshared(old, x, nil, nil)
	*seen = len(was) + len(is)
}

func BenchmarkLeader(b *testing.B) {
	for _, n := range []int{1, 100, 10000} {
		var topics []*Topic
		for i := range n {
			topics = append(topics, numbered(i))
		}
		s := New(Snapshot{}, topics...)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				if node, _ := s.Leader(topics[i%n].Name, 0); node != 1 {
					b.Fatal(node)
				}
			}
		})
	}
}

package meta

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

var errBarred = errors.New("not allowed")

// barring bars these hosts.
func barring(hosts ...string) func(*Config) {
	return func(c *Config) {
		c.Bar = func(n cluster.Node) error {
			if slices.Contains(hosts, n.Host) {
				return errBarred
			}
			return nil
		}
	}
}

// TestABarredBrokerIsToldAndAskedNothing: what is for it has an error at once, and the others are as they were.
func TestABarredBrokerIsToldAndAskedNothing(t *testing.T) {
	b := newBench(t, barring("evil"))
	b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
	m := metadata([]int32{1, 2}, []int32{5, 5})
	m.Brokers[1].Host = "evil"
	out := b.step(&Metadata{Resp: m, Version: 12})
	if len(out.Barred) != 1 || out.Barred[0].ID != 2 {
		t.Fatalf("barred are %v", out.Barred)
	}
	if out := b.step(leader(0)); len(out.Place) != 1 || out.Place[0].Peer.ID != 1 {
		t.Fatalf("placed at %+v", out.Place)
	}
	for _, target := range []Target{{Kind: ToLeader, Topic: "a", Partition: 1}, {Kind: ToNode, Node: 2}} {
		out := b.step(&Route{Target: target, Deadline: b.now.Add(time.Minute), Owner: "o"})
		if len(out.Refuse) != 1 || !errors.Is(out.Refuse[0].Err, errBarred) || len(out.Place) != 0 {
			t.Fatalf("%+v: %+v", target, out)
		}
	}
	for range 20 {
		b.now = b.now.Add(time.Second)
		out := b.step(&Refresh{Except: cluster.NoNode})
		if out.Metadata == nil || out.Peer.ID == 2 {
			t.Fatalf("asked is %+v", out.Peer)
		}
		if out := b.step(&Metadata{Resp: m, Version: 12}); len(out.Barred) != 0 {
			t.Fatal("told again")
		}
		if out := b.step(&Route{Target: Target{Kind: Any}, Deadline: b.now.Add(time.Minute), Owner: "any"}); len(out.Place) != 1 || out.Place[0].Peer.ID == 2 {
			t.Fatalf("placed at %+v", out.Place)
		}
	}
	b.now = b.now.Add(time.Second)
	b.step(&Refresh{Except: cluster.NoNode})
	if out := b.step(&Metadata{Resp: metadata([]int32{1, 2}, []int32{5, 5}), Version: 12}); len(out.Gone) != 1 {
		t.Fatalf("gone are %v", out.Gone)
	}
	if out := b.step(leader(1)); len(out.Place) != 1 || out.Place[0].Peer.ID != 2 {
		t.Fatal("it has another address now, and is not asked")
	}
}

// TestACoordinatorThatIsBarred is named by who does not list it among the brokers.
func TestACoordinatorThatIsBarred(t *testing.T) {
	b := newBench(t, barring("evil")).known()
	b.step(&Route{Target: Target{Kind: ToCoordinator, Key: "g"}, Deadline: b.now.Add(time.Minute), Owner: "o"})
	out := b.step(&Coordinator{Key: "g", Version: 3, Resp: &msg.FindCoordinatorResponse{NodeID: 9, Host: "evil", Port: 9092}})
	if len(out.Refuse) != 1 || !errors.Is(out.Refuse[0].Err, errBarred) || len(out.Place) != 0 || len(out.Barred) != 1 {
		t.Fatalf("%+v", out)
	}
}

// TestALeaderThatIsBarred is named by an answer of another kind (KIP-951).
func TestALeaderThatIsBarred(t *testing.T) {
	b := newBench(t, barring("evil")).known()
	out := b.step(Hints{{TopicPartition: cluster.TopicPartition{Topic: "a"}, Leader: 9, Epoch: 100, Node: &cluster.Node{ID: 9, Host: "evil", Port: 9092}}})
	if len(out.Barred) != 1 {
		t.Fatalf("%+v", out)
	}
	if out := b.step(leader(0)); len(out.Refuse) != 1 || !errors.Is(out.Refuse[0].Err, errBarred) {
		t.Fatalf("%+v", out)
	}
}

// TestWhereAllAreBarred the bootstrap addresses are asked on, because one of the answers may be another.
func TestWhereAllAreBarred(t *testing.T) {
	b := newBench(t, barring("broker"))
	b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
	for range 5 {
		b.step(&Metadata{Resp: metadata([]int32{1, 2}, []int32{5, 5}), Version: 12})
		b.now = b.now.Add(time.Second)
		if out := b.step(&Refresh{Except: cluster.NoNode}); out.Metadata == nil || out.Peer.ID >= 0 {
			t.Fatalf("asked is %+v", out.Peer)
		}
	}
	out := b.step(&Route{Target: Target{Kind: Any}, Deadline: b.now.Add(time.Minute), Owner: "any"})
	if len(out.Place) != 1 || out.Place[0].Peer.ID >= 0 {
		t.Fatalf("%+v", out)
	}
}

// TestWhyNothingCanBePlacedIsShort has many brokers with long names of control characters, none of which can be reached.
func TestWhyNothingCanBePlacedIsShort(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Recover = false })
	b.step(&Refresh{Except: cluster.NoNode})
	m := metadata(nil, nil)
	for id := range int32(100) {
		m.Brokers = append(m.Brokers, msg.MetadataResponseMetadataResponseBroker{NodeID: 10 + id, Host: strings.Repeat("\n\x1b", 100), Port: 1})
	}
	b.step(&Metadata{Resp: m, Version: 12})
	for id := range int32(110) {
		b.step(&Down{Peer: id, Err: errors.New("refused"), Fatal: true})
	}
	text := b.c.why(Target{}).Error()
	if len(text) > 4096 || strings.ContainsAny(text, "\x1b\r") || !strings.Contains(text, "more addresses") {
		t.Errorf("%d bytes: %.300q", len(text), text)
	}
}

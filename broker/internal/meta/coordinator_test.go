package meta

import (
	"fmt"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

func toGroup(wait time.Duration) *Route {
	return &Route{Target: Target{Kind: ToCoordinator, Key: "g"}, Deadline: time.Unix(1e6, 0), Wait: wait, Owner: "call"}
}

// coordinated brings the core to know that node coordinates group g, and a request of it to be under way.
func coordinated(t *testing.T, node int32, wait time.Duration) *bench {
	b := newBench(t, func(c *Config) { c.LateAfter = 500 * time.Millisecond }).known()
	for id := range int32(3) {
		b.step(&Up{Peer: id + 1})
	}
	b.later(time.Second)
	b.step(toGroup(wait))
	b.names(node)
	if len(b.out.Place) != 1 || b.out.Place[0].Call == nil {
		t.Fatalf("placed %+v", b.out.Place)
	}
	return b
}

// names answers that node coordinates group g.
func (b *bench) names(node int32) *Effects {
	return b.step(&Coordinator{Key: "g", Version: 3, Resp: &msg.FindCoordinatorResponse{NodeID: node, Host: "broker", Port: 9091 + node}})
}

// TestACoordinatorThatStandsStillIsReplaced has rule R1: a consumer that commits synchronously stood still for request.timeout.ms, although there was a new coordinator after 4 s. Others name the old one until it is
// fenced; who has named a new one is believed.
func TestACoordinatorThatStandsStillIsReplaced(t *testing.T) {
	b := coordinated(t, 1, 0)
	out := b.step(&Late{Peer: 1})
	begun, asked := b.now, 0
	for b.now.Sub(begun) < 4*time.Second {
		for _, a := range out.Ask {
			if asked++; a.Peer.ID == 1 {
				t.Fatal("the coordinator is asked itself")
			}
			if out = b.names(1); len(out.Moved) != 0 || len(out.Found) != 0 {
				t.Fatalf("the same coordinator is news: %+v", out)
			}
		}
		out = b.later(50 * time.Millisecond)
	}
	if asked < 13 || asked > 17 {
		t.Errorf("asked %d times in 4 s", asked)
	}
	for len(out.Ask) == 0 {
		out = b.later(50 * time.Millisecond)
	}
	out = b.names(2)
	if len(out.Found) != 1 || out.Found[0].Node != 2 || len(out.Moved) != 1 || out.Moved[0] != 1 {
		t.Fatalf("found %+v, moved %v", out.Found, out.Moved)
	}
	b.step(toGroup(0))
	b.placed(2)
	for range 100 { // the call at the old one ends
		if out := b.later(50 * time.Millisecond); len(out.Ask) != 0 {
			t.Fatal("asked although the coordinator is well")
		}
	}
}

// TestAJoinThatIsHeldBackIsLookedAfter: nothing is late of a coordinator that may hold a join back for minutes, also if it stands still.
func TestAJoinThatIsHeldBackIsLookedAfter(t *testing.T) {
	b := coordinated(t, 1, 5*time.Minute)
	asked := 0
	for range 100 {
		if out := b.later(100 * time.Millisecond); len(out.Ask) > 0 {
			asked++
			b.names(1)
		}
	}
	if asked < 4 || asked > 5 {
		t.Errorf("asked %d times in 10 s", asked)
	}
	for len(b.later(100*time.Millisecond).Ask) == 0 {
	}
	if out := b.names(3); len(out.Moved) != 1 || out.Moved[0] != 1 {
		t.Errorf("moved %v", out.Moved)
	}
	b.step(&Late{Peer: 1})
	for len(b.later(100*time.Millisecond).Ask) == 0 {
	}
	if out := b.names(1); len(out.Moved) != 0 {
		t.Error("back to one that is suspect, because a broker has not heard of the new one yet")
	}
	for range 2 {
		b.step(&Ended{Peer: 1, Call: &Coordinated{Key: "g", Held: true}})
	}
	for range 100 {
		if out := b.later(100 * time.Millisecond); len(out.Ask) != 0 {
			t.Fatal("asked although nothing is held back")
		}
	}
}

// TestWhoSaysItIsNotTheCoordinatorIsNotAsked: a broker that is cut off from the others names itself.
func TestWhoSaysItIsNotTheCoordinatorIsNotAsked(t *testing.T) {
	b := coordinated(t, 1, 0)
	seen := map[int32]bool{}
	for range 3 {
		b.step(&Forget{Key: "g"})
		out := b.step(toGroup(0))
		if len(out.Ask) != 1 || out.Ask[0].Peer.ID == 1 {
			t.Fatalf("asked %+v", out.Ask)
		}
		seen[out.Ask[0].Peer.ID] = true
		b.step(&Ended{Peer: out.Ask[0].Peer.ID})
		b.names(1)
		b.later(time.Second)
	}
	if len(seen) != 2 {
		t.Errorf("asked were only %v", seen)
	}
}

// TestCoordinatorsNobodyNeedsAreForgotten: each group that was ever described stayed for as long as the client.
func TestCoordinatorsNobodyNeedsAreForgotten(t *testing.T) {
	b := newBench(t, nil).known()
	for i := range 1000 {
		key := fmt.Sprint("g", i)
		b.step(&Route{Target: Target{Kind: ToCoordinator, Key: key}, Deadline: b.now.Add(time.Second)})
		if i%2 == 0 {
			b.step(&Coordinator{Key: key, Version: 3, Resp: &msg.FindCoordinatorResponse{NodeID: 2}})
			b.step(&Ended{Peer: 2, Call: b.out.Place[0].Call})
		}
	}
	b.step(toGroup(0))
	b.names(1)
	out := b.later(time.Hour)
	if len(b.c.coords) != 1 || len(b.c.coord) != 1 || len(out.Found) != 1000 || out.Found[0].Node != cluster.NoNode {
		t.Errorf("%d coordinators are kept, %d forgotten", len(b.c.coords), len(out.Found))
	}
	if b.c.coordinator("g", 0) == nil {
		t.Error("one that is being asked is forgotten")
	}
}

// TestACoordinatorSomewhereElseIsAReasonToAsk: metadata that had the address of another broker for the coordinator's was believed for metadata.max.age.ms, and whoever was there said each time that he is none.
func TestACoordinatorSomewhereElseIsAReasonToAsk(t *testing.T) {
	for _, there := range []bool{true, false} {
		b := coordinated(t, 1, 0)
		b.later(time.Second)
		b.step(&Forget{Key: "g"})
		b.step(toGroup(0))
		known := b.c.peer(1).Node
		if !there {
			known.Host = "elsewhere"
		}
		b.step(&Coordinator{Key: "g", Version: 3, Resp: &msg.FindCoordinatorResponse{NodeID: 1, Host: known.Host, Port: known.Port}})
		asked := b.out.Metadata != nil
		for range 20 {
			asked = b.later(50*time.Millisecond).Metadata != nil || asked
		}
		if asked == there {
			t.Errorf("there: %v, asked: %v", there, asked)
		}
	}
}

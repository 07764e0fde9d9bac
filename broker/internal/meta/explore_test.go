package meta

import (
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim/explore"
)

// forgotten are what decides nothing.
var forgotten = []string{"meta.Core.cfg", "meta.Core.work", "cluster.Snapshot.Version"}

var worlds = []struct {
	rules rules
	depth int    // 0: to the end
	size  string // what there is so far
}{
	{rules{name: "the leader moves", nodes: 3, wishes: 3, faults: 2, moves: true, maxAge: 5 * time.Minute, lasts: 5 * time.Second}, 0, "16580 states, 37516 transitions, depth 27"},
	{rules{name: "the leader moves, and a call looks for it", nodes: 3, call: true, wishes: 1, faults: 2, moves: true, maxAge: 5 * time.Minute, lasts: 5 * time.Second}, 0, "5369 states, 10746 transitions, depth 29"},
	{rules{name: "a broker hears nothing any more", nodes: 2, wishes: 2, faults: 3, moves: true, cuts: true, leaves: true, maxAge: 5 * time.Minute, lasts: 4 * time.Second}, 20, "6725 states, 11375 transitions, depth 20, not to the end"},
	{rules{name: "a broker of three hears nothing any more", nodes: 3, call: true, wishes: 1, faults: 2, moves: true, cuts: true, maxAge: 5 * time.Minute, lasts: 2 * time.Second}, 0, "5556 states, 11175 transitions, depth 29"},
	{rules{name: "the topic is created again, and has no id", nodes: 2, wishes: 1, faults: 1, recreates: true, maxAge: 5 * time.Second, lasts: time.Minute}, 0, "1626 states, 2379 transitions, depth 28"},
	{rules{name: "the topic is created again, and has an id", nodes: 2, ids: true, wishes: 1, faults: 2, recreates: true, cuts: true, maxAge: 5 * time.Second, lasts: time.Minute}, 0, "10694 states, 15736 transitions, depth 73"},
	{rules{name: "the coordinator stands still", nodes: 3, group: true, faults: 1, stands: true, maxAge: 5 * time.Minute, lasts: 6 * time.Second}, 0, "7838 states, 11700 transitions, depth 96"},
	{rules{name: "the coordinator moves", nodes: 2, group: true, faults: 1, moves: true, maxAge: 5 * time.Minute, lasts: 2 * time.Second}, 0, "25 states, 32 transitions, depth 9"},
	{rules{name: "who leads and coordinates stands still", nodes: 2, call: true, group: true, faults: 1, stands: true, maxAge: 5 * time.Minute, lasts: 6 * time.Second}, 0, "2518 states, 3546 transitions, depth 91"},
}

// TestWorlds plays each small world in every order.
func TestWorlds(t *testing.T) {
	for _, c := range worlds {
		p := explore.Plan{New: func() explore.World { return newWorld(c.rules) }, Forget: forgotten, Old: 20 * time.Second, Depth: c.depth}
		explore.Check(t, c.rules.name, p, c.size, "")
	}
}

package plan_test

import (
	"testing"

	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol"
)

// forgotten are what decides nothing.
var forgotten = []string{"plan.Core.cfg"}

// names are how requests are known to be of the present.
var names = []string{"plan.Core.stamp", "plan.Request.stamp"}

var worlds = []struct {
	rules rules
	depth int    // 0: to the end
	size  string // what there is so far
	whole string // and in all; empty: it is that, or was not found out
}{
	{rules{name: "a seek", records: 2, seeks: []int64{1}, faults: 1, breaks: true, moves: true}, 0, "1512 states, 2351 transitions, depth 26", ""},
	{rules{name: "a pause", records: 3, pauses: 1, faults: 1, breaks: true}, 0, "515 states, 792 transitions, depth 16", ""},
	{rules{name: "a seek, a pause, and the leader moves", records: 2, writes: 1, seeks: []int64{1}, pauses: 1, faults: 1, moves: true}, 10, "4733 states, 9552 transitions, depth 10, not to the end", "69173 states, 145097 transitions, depth 31"},
	{rules{name: "the leader moves", records: 2, writes: 1, faults: 2, moves: true, breaks: true}, 0, "8238 states, 13699 transitions, depth 23", ""},
	{rules{name: "the leader moves behind a reader at the end", begin: plan.AtEnd, records: 2, writes: 1, faults: 2, idle: true, moves: true}, 0, "1592 states, 2246 transitions, depth 19", ""},
	{rules{name: "the leader moves behind a committed offset", begin: 2, records: 2, writes: 1, faults: 2, idle: true, moves: true}, 0, "840 states, 1210 transitions, depth 17", ""},
	{rules{name: "the next leader lacks a record", records: 2, writes: 1, faults: 1, elects: true}, 0, "387 states, 629 transitions, depth 17", ""},
	{rules{name: "an old leader does not know", records: 1, writes: 1, faults: 1, cuts: true}, 0, "479 states, 509 transitions, depth 32", ""},
	{rules{name: "metadata goes back", records: 2, writes: 1, faults: 1, moves: true, back: true}, 0, "2289 states, 4284 transitions, depth 21", ""},
	{rules{name: "metadata goes back to a leader that does not know", records: 1, writes: 1, faults: 1, cuts: true, back: true}, 0, "237 states, 330 transitions, depth 26", ""},
	{rules{name: "sessions are forgotten", records: 2, writes: 1, faults: 2, sessions: true, breaks: true}, 0, "1148 states, 2065 transitions, depth 16", ""},
	{rules{name: "records are deleted", records: 2, begin: plan.AtDefault, faults: 2, expires: true, breaks: true}, 0, "478 states, 651 transitions, depth 14", ""},
	{rules{name: "the topic is created again", records: 2, faults: 1, recreates: true}, 0, "114 states, 186 transitions, depth 14", ""},
	{rules{name: "records are damaged", records: 2, faults: 2, damages: true}, 0, "1601 states, 1645 transitions, depth 42", ""},
	{rules{name: "a follower is read from", records: 2, faults: 1, follower: true, breaks: true}, 0, "180 states, 258 transitions, depth 19", ""},
	{rules{name: "refusals", records: 2, faults: 1, refuses: []protocol.Code{protocol.TopicAuthorizationFailed, protocol.KafkaStorageError}}, 0, "48 states, 60 transitions, depth 9", ""},
}

// TestWorlds plays each small world in every order.
func TestWorlds(t *testing.T) {
	for _, c := range worlds {
		p := explore.Plan{New: func() explore.World { return newWorld(c.rules) }, Forget: forgotten, Names: names, Depth: c.depth}
		explore.Check(t, c.rules.name, p, c.size, c.whole)
	}
}

package plan_test

import (
	"testing"

	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol"
)

// forgotten are what decides nothing.
var forgotten = []string{"plan.Core.cfg", "plan.Core.lastTopic", "plan.Core.lastSnap", "plan.Core.wished"}

// names are how requests are known to be of the present.
var names = []string{"plan.Core.stamp", "plan.Request.stamp"}

var worlds = []struct {
	rules rules
	depth int    // 0: to the end
	size  string // what there is so far
	whole string // and in all; empty: it is that, or was not found out
}{
	{rules{name: "a seek", records: 2, seeks: []int64{1}, faults: 1, breaks: true, moves: true}, 0, "1960 states, 2856 transitions, depth 26", ""},
	{rules{name: "a pause", records: 3, pauses: 1, faults: 1, breaks: true}, 0, "644 states, 953 transitions, depth 16", ""},
	{rules{name: "a seek, a pause, and the leader moves", records: 2, writes: 1, seeks: []int64{1}, pauses: 1, faults: 1, moves: true}, 10, "6102 states, 11555 transitions, depth 10, not to the end", "128668 states, 245218 transitions, depth 31"},
	{rules{name: "the leader moves", records: 2, writes: 1, faults: 2, moves: true, breaks: true}, 0, "12636 states, 19495 transitions, depth 23", ""},
	{rules{name: "the leader moves behind a reader at the end", begin: plan.AtEnd, records: 2, writes: 1, faults: 2, idle: true, moves: true}, 0, "1815 states, 2447 transitions, depth 19", ""},
	{rules{name: "the leader moves behind a committed offset", begin: 2, records: 2, writes: 1, faults: 2, idle: true, moves: true}, 0, "968 states, 1314 transitions, depth 17", ""},
	{rules{name: "the next leader lacks a record", records: 2, writes: 1, faults: 1, elects: true}, 0, "471 states, 713 transitions, depth 18", ""},
	{rules{name: "an old leader does not know", records: 1, writes: 1, faults: 1, cuts: true}, 0, "475 states, 506 transitions, depth 32", ""},
	{rules{name: "metadata goes back", records: 2, writes: 1, faults: 1, moves: true, back: true}, 0, "3145 states, 5519 transitions, depth 21", ""},
	{rules{name: "metadata goes back to a leader that does not know", records: 1, writes: 1, faults: 1, cuts: true, back: true}, 0, "232 states, 330 transitions, depth 26", ""},
	{rules{name: "sessions are forgotten", records: 2, writes: 1, faults: 2, sessions: true, breaks: true}, 0, "1405 states, 2476 transitions, depth 16", ""},
	{rules{name: "records are deleted", records: 2, begin: plan.AtDefault, faults: 2, expires: true, breaks: true}, 0, "529 states, 713 transitions, depth 14", ""},
	{rules{name: "the topic is created again", records: 2, faults: 1, recreates: true}, 0, "141 states, 218 transitions, depth 14", ""},
	{rules{name: "records are damaged", records: 2, faults: 2, damages: true}, 0, "566 states, 580 transitions, depth 31", ""},
	{rules{name: "a follower is read from", records: 2, faults: 1, follower: true, breaks: true}, 0, "305 states, 399 transitions, depth 20", ""},
	{rules{name: "refusals", records: 2, faults: 1, refuses: []protocol.Code{protocol.TopicAuthorizationFailed, protocol.KafkaStorageError}}, 0, "55 states, 68 transitions, depth 9", ""},
}

// TestWorlds plays each small world in every order.
func TestWorlds(t *testing.T) {
	for _, c := range worlds {
		p := explore.Plan{New: func() explore.World { return newWorld(c.rules) }, Forget: forgotten, Names: names, Depth: c.depth}
		explore.Check(t, c.rules.name, p, c.size, c.whole)
	}
}

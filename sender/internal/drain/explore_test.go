package drain_test

import (
	"math"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/sender/internal/drain"
)

// forgotten are what decides nothing: what is only told, bytes, a deadline that the link looks at, and lists that are used again.
var forgotten = []string{"batch.Batch.LastErr", "batch.Batch.Created", "batch.Batch.Buf", "drain.Request.Deadline", "drain.Core.behind", "drain.Core.cuts", "drain.Core.found", "drain.Core.sorted"}

var worlds = []struct {
	rules rules
	depth int    // 0: to the end
	size  string // what there is so far
	whole string // and in all; empty: it is that, or was not found out
}{
	{rules{name: "connections end", all: true, batches: 3, faults: 2, breaks: true}, 0, "3148 states, 4843 transitions, depth 20", ""},
	{rules{name: "an old leader", all: true, batches: 3, faults: 1, breaks: true, old: true}, 0, "550 states, 769 transitions, depth 17", ""},
	{rules{name: "the leader moves", all: true, batches: 2, faults: 2, breaks: true, moves: true}, 0, "17175 states, 32687 transitions, depth 24", ""},
	{rules{name: "codes", batches: 3, faults: 2, codes: codes}, 0, "1626 states, 2541 transitions, depth 17", ""},
	{rules{name: "time passes", batches: 2, faults: 2, breaks: true, slow: true, within: 2 * time.Second}, 0, "884 states, 1371 transitions, depth 15", ""},
	{rules{name: "few retries", batches: 2, faults: 2, breaks: true, codes: codes, change: func(c *drain.Config) { c.Retries = 1 }}, 0, "992 states, 1675 transitions, depth 15", ""},
	{rules{name: "the leader forgets", all: true, batches: 3, faults: 2, breaks: true, forgets: true, codes: codes[:1]}, 0, "4160 states, 6397 transitions, depth 20", ""},
	{rules{name: "the next leader lacks a record", batches: 3, faults: 1, elects: true}, 0, "1007 states, 1719 transitions, depth 20", ""},
	{rules{name: "the topic is created again", batches: 3, faults: 2, recreates: true, breaks: true}, 16, "16805 states, 26486 transitions, depth 16, not to the end", "24773 states, 39117 transitions, depth 27"},
	{rules{name: "ids are used up", batches: 3, faults: 2, breaks: true, elects: true, epoch: math.MaxInt16 - 1}, 15, "10922 states, 17686 transitions, depth 15, not to the end", "30647 states, 56845 transitions, depth 29"},
	{rules{name: "any two faults", batches: 3, faults: 2, breaks: true, moves: true, elects: true, forgets: true, slow: true, recreates: true, noID: true, codes: codes}, 8, "6677 states, 10650 transitions, depth 8, not to the end", "243103 states, 476652 transitions, depth 30"},
	{rules{name: "no id", batches: 2, faults: 2, noID: true, breaks: true}, 0, "793 states, 1103 transitions, depth 16", ""},
	{rules{name: "the producer is closed", batches: 2, faults: 1, breaks: true, slow: true, closes: true}, 0, "359 states, 550 transitions, depth 13", ""},
	{rules{name: "records are not valid", batches: 2, records: 2, faults: 1, breaks: true, codes: codes, spoilt: 2}, 0, "343 states, 449 transitions, depth 14", ""},
	{rules{name: "batches are too large", batches: 2, records: 2, faults: 1, breaks: true, codes: codes, most: 1}, 0, "927 states, 1238 transitions, depth 21", ""},
	{rules{name: "acks=0", batches: 3, faults: 2, breaks: true, moves: true, loose: true, change: func(c *drain.Config) { c.Acks, c.Idempotent = 0, false }}, 10, "10967 states, 19452 transitions, depth 10, not to the end", "30334 states, 61590 transitions, depth 22"},
	{rules{name: "without idempotence", batches: 2, faults: 2, breaks: true, moves: true, loose: true, change: func(c *drain.Config) { c.Idempotent = false }}, 10, "7139 states, 11485 transitions, depth 10, not to the end", "95102 states, 253785 transitions, depth 32"},
}

// codes are what a leader says: before the append, behind it, and what may be either.
var codes = []protocol.Code{protocol.NotEnoughReplicas, protocol.NotEnoughReplicasAfterAppend, protocol.NotLeaderOrFollower, protocol.KafkaStorageError, protocol.UnknownServerError, protocol.PolicyViolation}

// TestWorlds plays each small world in every order.
func TestWorlds(t *testing.T) {
	for _, c := range worlds {
		p := explore.Plan{New: func() explore.World { return newWorld(c.rules) }, Forget: forgotten, Depth: c.depth}
		explore.Check(t, c.rules.name, p, c.size, c.whole)
	}
}

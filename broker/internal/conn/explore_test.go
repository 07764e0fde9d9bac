package conn_test

import (
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/broker/internal/conn"
)

// forgotten are what decides nothing: the versions are always the same, once they are known.
var forgotten = []string{"conn.Core.versions", "conn.Core.cfg", "conn.Call.Req"}

func oneWay(c *conn.Call)  { c.OneWay = true }
func movable(c *conn.Call) { c.Moved = func() bool { return false } }

var worlds = []struct {
	rules rules
	depth int    // 0: to the end
	size  string // what there is so far
	whole string // and in all; empty: it is that, or was not found out
}{
	{rules{name: "links end", calls: []func(*conn.Call){nil, nil}, faults: 2, breaks: true, twice: true}, 0, "1090 states, 1486 transitions, depth 24", ""},
	{rules{name: "time passes", calls: []func(*conn.Call){nil, oneWay}, faults: 2, slow: true, throttle: 60_000, strange: true}, 0, "919 states, 1306 transitions, depth 20", ""},
	{rules{name: "the broker asks to wait", calls: []func(*conn.Call){nil, nil, oneWay}, faults: 2, throttle: 60_000, brief: true, change: func(c *conn.Config) { c.ThrottleMax = 2 * time.Second }}, 0, "125 states, 208 transitions, depth 17", ""},
	{rules{name: "calls move, and the connection is closed", calls: []func(*conn.Call){movable, oneWay}, faults: 1, breaks: true, slow: true, moves: true, closes: true}, 0, "3543 states, 6004 transitions, depth 21", ""},
	{rules{name: "versions", calls: []func(*conn.Call){nil, nil}, faults: 2, versions: true, breaks: true, room: 1}, 0, "1080 states, 1316 transitions, depth 24", ""},
	{rules{name: "no Kafka", calls: []func(*conn.Call){nil, nil}, faults: 2, fatal: true, breaks: true, closes: true}, 0, "2620 states, 4260 transitions, depth 26", ""},
}

// TestWorlds plays each small world in every order.
func TestWorlds(t *testing.T) {
	for _, c := range worlds {
		p := explore.Plan{New: func() explore.World { return newWorld(c.rules) }, Forget: forgotten, Depth: c.depth}
		explore.Check(t, c.rules.name, p, c.size, c.whole)
	}
}

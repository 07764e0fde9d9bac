package lanes_test

import (
	"testing"

	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/api/internal/lanes"
)

var worlds = []struct {
	rules rules
	size  string // what there is
}{
	{rules{name: "keys", order: lanes.ByKey, logs: []string{"aba-"}, workers: 2, most: 3}, "49 states, 86 transitions, depth 12"},
	{rules{name: "two partitions, one pauses", order: lanes.ByPartition, logs: []string{"aa", "aa"}, workers: 2, most: 2, pauses: 1}, "254 states, 613 transitions, depth 14"},
	{rules{name: "keys, and the reader goes back", order: lanes.ByKey, logs: []string{"aab-"}, workers: 2, most: 4, backs: []int{1, 0}}, "2390 states, 5445 transitions, depth 29"},
	{rules{name: "no order, and the reader goes back", order: lanes.Unordered, logs: []string{"aaa"}, workers: 2, most: 3, backs: []int{1, 0}}, "480 states, 1128 transitions, depth 24"},
	{rules{name: "partitions, and the reader goes back", order: lanes.ByPartition, logs: []string{"aaa"}, workers: 2, most: 3, backs: []int{1, 0}, pauses: 1}, "937 states, 2281 transitions, depth 21"},
	{rules{name: "records wait for a time", order: lanes.ByKey, logs: []string{"AaBA", "b"}, workers: 2, most: 4, pauses: 1}, "2938 states, 8215 transitions, depth 18"},
	{rules{name: "records wait, and the reader goes back", order: lanes.ByKey, logs: []string{"ABA"}, workers: 2, most: 4, pauses: 1, backs: []int{1, 0}}, "6088 states, 16236 transitions, depth 25"},
	{rules{name: "a partition is given up", order: lanes.ByKey, logs: []string{"aba", "a"}, workers: 2, most: 4, gives: 1, faults: 1, fails: true, hangs: true}, "1849 states, 4522 transitions, depth 20"},
	{rules{name: "a partition is given up, and the reader goes back", order: lanes.ByPartition, logs: []string{"aAa"}, workers: 2, most: 2, gives: 1, backs: []int{0}, faults: 2, fails: true, hangs: true}, "2870 states, 6855 transitions, depth 28"},
}

// TestWorlds plays each small world in every order.
func TestWorlds(t *testing.T) {
	for _, c := range worlds {
		explore.Check(t, c.rules.name, explore.Plan{New: func() explore.World { return newWorld(c.rules) }}, c.size, "")
	}
}

package member_test

import (
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/coordinator/internal/member"
)

// forgotten are what decides nothing: what does not change.
var forgotten = []string{"member.Core.cfg", "member.Core.snap", "member.Core.kinds"}

func remote(c *member.Config)      { c.Protocol = member.Consumer }
func cooperative(c *member.Config) { c.Assignors = []assign.Assignor{assign.CooperativeSticky{}} }

var worlds = []struct {
	rules rules
	depth int    // 0: to the end
	size  string // what there is so far
	whole string // and in all; empty: it is that, or was not found out
}{
	{rules{name: "classic, eager", members: 2, faults: 1, kills: true, loses: true, eager: true}, 24, "3940 states, 7199 transitions, depth 24, not to the end", "20434 states, 33153 transitions, depth 73"},
	{rules{name: "classic, a slow application", members: 1, faults: 1, slow: true, eager: true}, 0, "115 states, 179 transitions, depth 25", ""},
	{rules{name: "classic, a slow application that is forgotten", members: 1, faults: 2, slow: true, forgets: true}, 0, "1493 states, 2287 transitions, depth 60", ""},
	{rules{name: "KIP-848, a slow application that is forgotten", change: remote, members: 1, faults: 2, slow: true, forgets: true}, 0, "754 states, 1176 transitions, depth 47", ""},
	{rules{name: "classic, commits of what was given up", members: 2, commits: 1, behind: true, eager: true}, 42, "3725 states, 8148 transitions, depth 42, not to the end", "4773 states, 10232 transitions, depth 58"},
	{rules{name: "cooperative", change: cooperative, members: 2, faults: 1, kills: true, loses: true}, 24, "4080 states, 7483 transitions, depth 24, not to the end", "30520 states, 45861 transitions, depth 81"},
	{rules{name: "KIP-848", change: remote, members: 2, faults: 1, kills: true, loses: true}, 0, "4672 states, 6805 transitions, depth 53", ""},
	{rules{name: "classic, eager, a kill and a lost answer", members: 2, faults: 2, kills: true, loses: true, eager: true}, 16, "5459 states, 8464 transitions, depth 16, not to the end", "246059 states, 363486 transitions, depth 91"},
	{rules{name: "KIP-848, a kill and a lost answer", change: remote, members: 2, faults: 2, kills: true, loses: true}, 18, "4269 states, 6144 transitions, depth 18, not to the end", "36067 states, 49586 transitions, depth 59"},
	{rules{name: "classic, a commit", members: 1, faults: 2, commits: 1, loses: true, moves: true, forgets: true, fails: true}, 18, "3113 states, 4439 transitions, depth 18, not to the end", ""},
	{rules{name: "KIP-848, a commit", change: remote, members: 1, faults: 2, commits: 1, loses: true, moves: true, forgets: true, fails: true}, 0, "6995 states, 11320 transitions, depth 45", ""},
	{rules{name: "classic, a member that is forgotten", members: 2, faults: 1, commits: 1, forgets: true}, 18, "3140 states, 6176 transitions, depth 18, not to the end", "237275 states, 507897 transitions, depth 99"},
	{rules{name: "KIP-848, a member that is forgotten", change: remote, members: 2, faults: 1, commits: 1, forgets: true}, 17, "3339 states, 7483 transitions, depth 17, not to the end", ""},
	{rules{name: "classic, an application that is late", members: 1, faults: 2, late: true, commits: 1, denies: true}, 22, "4971 states, 9738 transitions, depth 22, not to the end", ""},
	{rules{name: "KIP-848, an application that is late", change: remote, members: 2, faults: 1, late: true}, 16, "7642 states, 15982 transitions, depth 16, not to the end", ""},
	{rules{name: "classic, a member is closed", members: 2, faults: 1, leaves: true, loses: true}, 17, "3268 states, 5808 transitions, depth 17, not to the end", ""},
	{rules{name: "KIP-848, a member is closed", change: remote, members: 2, faults: 1, leaves: true, loses: true}, 20, "3308 states, 5700 transitions, depth 20, not to the end", ""},
}

// TestWorlds plays each small world in every order.
func TestWorlds(t *testing.T) {
	for _, c := range worlds {
		p := explore.Plan{New: func() explore.World { return newWorld(c.rules) }, Forget: forgotten, Old: 6 * time.Second, Depth: c.depth}
		explore.Check(t, c.rules.name, p, c.size, c.whole)
	}
}

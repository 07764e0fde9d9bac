package explore

import (
	"flag"
	"testing"
)

var whole = flag.Bool("whole", false, "explore the worlds that take minutes, too")

// Check plays a small world in every order, and sees to it that it is as large as it was: to its end, or to the plan's depth, which is less with -short. Where that depth is not the end, -whole plays all of it; all is empty if
// there is nothing else, or if it was not found out.
func Check(t *testing.T, name string, p Plan, size, all string) {
	t.Run(name, func(t *testing.T) {
		want := size
		switch {
		case *whole && all != "":
			p.Depth, want = 0, all
		case testing.Short():
			p.Depth, want = 10, ""
		}
		if got := Explore(p); got.Wrong != "" || want != "" && got.String() != want || size == "" {
			t.Errorf("world %q: %s", name, got)
		}
	})
}

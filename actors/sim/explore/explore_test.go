package explore

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// jars are two jars of 3 and 5 litres: an old riddle, and a world whose states everybody can count.
type jars struct {
	three, five int
	wanted      int
	steps       int // does not count
	stuck       bool
}

func (j *jars) Now() time.Time { return time.Time{} }

func (j *jars) Events() []Event {
	if j.stuck {
		return nil
	}
	pour := min(j.three, 5-j.five)
	back := min(j.five, 3-j.three)
	all := []Event{
		{Name: "fill", Of: 3, Do: func() { j.three = 3 }},
		{Name: "fill", Of: 5, Do: func() { j.five = 5 }},
		{Name: "empty", Of: 3, Do: func() { j.three = 0 }},
		{Name: "empty", Of: 5, Do: func() { j.five = 0 }},
		{Name: "pour into the larger", Do: func() { j.three, j.five = j.three-pour, j.five+pour }},
		{Name: "pour into the smaller", Do: func() { j.three, j.five = j.three+back, j.five-back }},
	}
	for i := range all {
		do := all[i].Do
		all[i].Do = func() { do(); j.steps++ }
	}
	return all
}

func (j *jars) Wrong() string {
	if j.five == j.wanted {
		return "the larger jar has it"
	}
	return ""
}

func (j *jars) Rest() bool { return j.three+j.five == 0 }

func jarsPlan(change func(*jars)) Plan {
	return Plan{Forget: []string{"explore.jars.steps"}, New: func() World {
		j := &jars{wanted: -1}
		if change != nil {
			change(j)
		}
		return j
	}}
}

// TestEveryStateIsMet has 16 states: one jar is always full or empty.
func TestEveryStateIsMet(t *testing.T) {
	const want = "16 states, 96 transitions, depth 7"
	for range 2 {
		if got := Explore(jarsPlan(nil)).String(); got != want {
			t.Errorf("%s, and not %s", got, want)
		}
	}
}

// TestTheShortestHistory measures four litres in six steps, as the riddle has it.
func TestTheShortestHistory(t *testing.T) {
	r := Explore(jarsPlan(func(j *jars) { j.wanted = 4 }))
	want := []string{"fill 5", "pour into the smaller", "empty 3", "pour into the smaller", "fill 5", "pour into the smaller"}
	if r.Wrong != "the larger jar has it" || !slices.Equal(r.History, want) {
		t.Errorf("%s", r)
	}
	if text := r.String(); !strings.HasPrefix(text, "wrong after 6 events: the larger jar has it\n\t 1 fill 5\n") {
		t.Errorf("it is told so: %s", text)
	}
}

func TestAnExplorationThatIsBounded(t *testing.T) {
	p := jarsPlan(nil)
	p.Depth = 2
	if r := Explore(p); r.Whole || r.Depth != 2 || r.Wrong != "" || !strings.HasSuffix(r.String(), ", not to the end") {
		t.Errorf("%s", r)
	}
	p = jarsPlan(nil)
	p.States = 5
	if r := Explore(p); r.Whole || r.States < 5 || r.States > 10 {
		t.Errorf("%s", r)
	}
}

// chain goes from one number to the next.
type chain struct {
	at    int
	to    map[int][]int
	fault map[int]bool // who comes there by a fault
	rest  int
	panic int
}

func (c *chain) Now() time.Time { return time.Time{} }
func (c *chain) Wrong() string  { return "" }
func (c *chain) Rest() bool     { return c.at == c.rest }
func (c *chain) Events() (out []Event) {
	for _, n := range c.to[c.at] {
		out = append(out, Event{Name: "to", Of: n, Fault: c.fault[n], Do: func() {
			if n > 0 && n == c.panic {
				panic("there is no such place")
			}
			c.at = n
		}})
	}
	return out
}

// TestRest has worlds that come to rest from everywhere, or not.
func TestRest(t *testing.T) {
	for name, c := range map[string]struct {
		world chain
		want  []string
	}{
		"an end":                    {chain{to: map[int][]int{0: {1}, 1: {2}}, rest: 2}, nil},
		"a circle that can be left": {chain{to: map[int][]int{0: {1}, 1: {0, 2}}, rest: 2}, nil},
		"a dead end":                {chain{to: map[int][]int{0: {1, 2}}, rest: 2}, []string{"to 1"}},
		"a circle":                  {chain{to: map[int][]int{0: {1, 3}, 1: {2}, 2: {1}}, rest: 3}, []string{"to 1"}},
		"only by a fault":           {chain{to: map[int][]int{0: {1, 2}, 1: {2}}, fault: map[int]bool{2: true}, rest: 2}, []string{}},
		"a panic":                   {chain{to: map[int][]int{0: {1}, 1: {2}}, rest: 1, panic: 2}, []string{"to 1", "to 2"}},
	} {
		r := Explore(Plan{New: func() World { w := c.world; return &w }})
		if (r.Wrong == "") != (c.want == nil) || !slices.Equal(r.History, c.want) {
			t.Errorf("%s: %s", name, r)
		}
	}
}

func TestWhatIsForgottenMustBeThere(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a field that is not there is forgotten")
		}
	}()
	p := jarsPlan(nil)
	p.Forget = append(p.Forget, "explore.jars.colour")
	Explore(p)
}

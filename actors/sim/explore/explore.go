// Package explore plays small worlds in every order. The simulator (actors/sim) draws orders from a seed; here a core stands in a small model of its surroundings, which tells what can happen next, and everything that
// can happen does, one after the other, in each state that the world can come to. What comes out is a proof for that world: its states, the ways between them, and the shortest history that is wrong, if there is one.
//
//	explore.go      the search: breadth first, so what is found first is the shortest
//	check.go        a world as a test
//	fingerprint.go  which states are the same
//
// States are not copied: a history is played again from its beginning, so a world is any Go value whose events always do the same. Two histories that lead to the same state are gone on with once. Who uses it: the tests of the
// cores (explore_test.go there), each with a model of what is around it.
//
// It knows no core and no actor, and imports the standard library alone; it stands beside the simulator because it answers the same question.
package explore

import (
	"fmt"
	"time"
)

// World is a core and a model of what surrounds it, both in one state. What is in it, and in what it points to, is the state: nothing may hide in a function or behind a channel.
type World interface {
	// Now is the time in it. Times count by how far they are from it.
	Now() time.Time
	// Events are what can happen now, in an order that depends on the state alone.
	Events() []Event
	// Wrong tells what must never be; empty: nothing is wrong.
	Wrong() string
	// Rest tells whether all is done that was begun. From every state it must be possible to come to one of rest without another fault.
	Rest() bool
}

// Event is something that can happen.
type Event struct {
	Name  string
	Of    int  // which, for the history; 0 is not told
	Fault bool // nobody can rely on it
	Do    func()
}

func (e Event) String() string {
	if e.Of == 0 {
		return e.Name
	}
	return fmt.Sprintf("%s %d", e.Name, e.Of)
}

// Plan is what is to be explored.
type Plan struct {
	New    func() World  // each time the same
	Depth  int           // of histories, in events; 0: to their end
	States int           // more are not looked at; 0: as many as there are
	Forget []string      // fields that decide nothing, as "batch.Batch.LastErr": states that differ in nothing else are the same
	Old    time.Duration // times that are longer ago are all the same: nobody looks further back; 0: they are not
	Names  []string      // fields whose numbers only name something: it counts where the same is, and not which it is. Who counts up to make them never meets an old one again
}

// Result is what was found.
type Result struct {
	States      int  // that differ
	Transitions int  // events, in all states
	Depth       int  // of the longest history that was needed to come to a state
	Whole       bool // there is nothing else
	Wrong       string
	History     []string // the shortest that is wrong
}

// String is one line, or the wrong history.
func (r Result) String() string {
	if r.Wrong != "" {
		s := fmt.Sprintf("wrong after %d events: %s", len(r.History), r.Wrong)
		for i, e := range r.History {
			s += fmt.Sprintf("\n\t%2d %s", i+1, e)
		}
		return s
	}
	s := fmt.Sprintf("%d states, %d transitions, depth %d", r.States, r.Transitions, r.Depth)
	if !r.Whole {
		s += ", not to the end"
	}
	return s
}

// node is a state, by how it was come to.
type node struct {
	from  int32 // -1: it is the first
	event int32
	depth int32
}

// edge is a way between two states that is no fault.
type edge struct{ from, to int32 }

// explorer is one search.
type explorer struct {
	plan  Plan
	print *printer
	nodes []node
	seen  map[fingerprint]int32
	calm  []edge
	rests []bool // by node: it rests, or nobody has looked behind it
	path  []int32
	Result
}

// Explore plays a world in every order.
func Explore(p Plan) Result {
	x := &explorer{plan: p, print: newPrinter(p.Forget, p.Names), seen: map[fingerprint]int32{}}
	x.print.old = p.Old
	x.Whole = true
	w := p.New()
	x.add(node{from: -1}, w)
	x.look(0, w)
	for at := 0; at < len(x.nodes) && x.Wrong == ""; at++ {
		x.expand(int32(at))
	}
	x.States = len(x.nodes)
	if x.Wrong == "" {
		x.print.check()
		x.unrest()
	}
	return x.Result
}

// add gives a state its number; fresh: it was not there before.
func (x *explorer) add(n node, w World) (number int32, fresh bool) {
	f := x.print.of(w, w.Now())
	if number, ok := x.seen[f]; ok {
		return number, false
	}
	number = int32(len(x.nodes))
	x.seen[f] = number
	x.nodes = append(x.nodes, n)
	x.rests = append(x.rests, w.Rest())
	x.Depth = max(x.Depth, int(n.depth))
	return number, true
}

// look holds a new state against what must be.
func (x *explorer) look(number int32, w World) {
	if wrong := w.Wrong(); wrong != "" {
		x.wrong(number, wrong)
	}
}

func (x *explorer) wrong(number int32, what string) {
	x.Wrong, x.History = what, x.history(number)
}

// expand lets everything happen that can happen in a state.
func (x *explorer) expand(at int32) {
	n := x.nodes[at]
	if x.plan.Depth > 0 && int(n.depth) >= x.plan.Depth || x.plan.States > 0 && len(x.nodes) >= x.plan.States {
		x.Whole, x.rests[at] = false, true
		return
	}
	w := x.replay(at)
	events := w.Events()
	for i, many := 0, len(events); i < many; i++ {
		if i > 0 {
			w = x.replay(at)
			events = w.Events()
		}
		next := node{at, int32(i), n.depth + 1}
		x.Transitions++
		if failed := do(events[i]); failed != "" {
			x.nodes = append(x.nodes, next)
			x.wrong(int32(len(x.nodes)-1), failed)
			return
		}
		number, fresh := x.add(next, w)
		if !events[i].Fault {
			x.calm = append(x.calm, edge{at, number})
		}
		if fresh {
			if x.look(number, w); x.Wrong != "" {
				return
			}
		}
	}
}

// do lets an event happen. A core that panics is wrong.
func do(e Event) (failed string) {
	defer func() {
		if r := recover(); r != nil {
			failed = fmt.Sprintf("panic: %v", r)
		}
	}()
	e.Do()
	return ""
}

// replay comes to a state again.
func (x *explorer) replay(number int32) World {
	x.path = x.path[:0]
	for ; x.nodes[number].from >= 0; number = x.nodes[number].from {
		x.path = append(x.path, x.nodes[number].event)
	}
	w := x.plan.New()
	for i := len(x.path) - 1; i >= 0; i-- {
		w.Events()[x.path[i]].Do()
	}
	return w
}

// history tells how a state was come to.
func (x *explorer) history(number int32) (out []string) {
	var path []int32
	for ; x.nodes[number].from >= 0; number = x.nodes[number].from {
		path = append(path, x.nodes[number].event)
	}
	w := x.plan.New()
	for i := len(path) - 1; i >= 0; i-- {
		e := w.Events()[path[i]]
		out = append(out, e.String())
		if i > 0 {
			e.Do()
		}
	}
	return out
}

// unrest finds the first state from which no way without faults leads to one of rest.
func (x *explorer) unrest() {
	into := make([][]int32, len(x.nodes))
	for _, e := range x.calm {
		into[e.to] = append(into[e.to], e.from)
	}
	var queue []int32
	for number, rests := range x.rests {
		if rests {
			queue = append(queue, int32(number))
		}
	}
	for len(queue) > 0 {
		number := queue[0]
		queue = queue[1:]
		for _, from := range into[number] {
			if !x.rests[from] {
				x.rests[from] = true
				queue = append(queue, from)
			}
		}
	}
	for number, rests := range x.rests {
		if !rests {
			x.wrong(int32(number), "from here it never comes to rest")
			return
		}
	}
}

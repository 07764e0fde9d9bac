package member

import (
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/protocol/printable"
)

// Ask is a function of the application's: it may take as long as it likes, panic, or call the consumer, so it is called off the actor. Told brings what came of it.
type Ask struct {
	what string
	run  func() any
}

// What names the function.
func (a *Ask) What() string { return a.what }

// Run calls the function, and gives what the core is to be told.
func (a *Ask) Run() *Told { return &Told{ask: a, value: a.run()} }

// Failed is what the core is to be told when Run does not return.
func (a *Ask) Failed(why error) *Told { return &Told{ask: a, err: fmt.Errorf("%s %w", a.what, why)} }

// asking is what an assignor is asked: what it sends along with a join, or how to divide.
type asking struct {
	ask   *Ask
	then  func(now time.Time, value any, out *Effects)
	state State
	gen   int32
	ends  time.Time // the group waits no longer
	limit string

	seen time.Time     // when the core has looked last
	had  time.Duration // for how long it has run meanwhile, as far as that is known: the process may stand still
	all  time.Duration // it may take
}

// step is how long it is at most until the core looks whether an assignor has returned.
func (a *asking) step() time.Duration { return a.all / looks }

// passed counts the time since the core has looked last: if that is longer than it should be, nothing ran.
func (a *asking) passed(now time.Time) {
	a.had += min(now.Sub(a.seen), a.step())
	a.seen = now
}

// consult asks assignors, off the actor if some are the application's, and goes on with the answer, unless the member has gone on without it.
func (c *Core) consult(now time.Time, what string, own bool, ends time.Time, limit string, run func() any, then func(time.Time, any, *Effects), out *Effects) {
	if own {
		then(now, run(), out)
		return
	}
	c.asked = asking{ask: &Ask{what, run}, then: then, state: c.state, gen: c.generation, ends: ends, limit: limit, seen: now, all: ends.Sub(now)}
	out.Asks = append(out.Asks, c.asked.ask)
}

// driveAsked forgets what the member has gone on without. When an assignor does not return in time the member joins anew, and when that happens again its membership ends: others can lead the group then. Time in which the process
// stood still does not count.
func (c *Core) driveAsked(now time.Time, out *Effects) {
	a := &c.asked
	if a.ask != nil {
		a.passed(now)
	}
	switch {
	case a.ask == nil:
	case c.state != a.state || c.generation != a.gen || c.leaving != nil:
		c.asked = asking{}
	case !now.Before(a.ends):
		err := fmt.Errorf("%s has not returned within %s", a.ask.what, a.limit)
		if a.had >= a.all-a.step() {
			c.stuck++
		}
		c.asked = asking{}
		if c.stuck > 1 {
			c.fail(err, out)
			return
		}
		out.Errors = append(out.Errors, err)
		c.lose(out)
	}
}

// told takes what came of an Ask.
func (c *Core) told(now time.Time, m *Told, out *Effects) {
	c.driveAsked(now, out)
	switch a := c.asked; {
	case m.ask == c.sub.asked:
		c.matched(now, m, out)
	case m.ask != a.ask:
	case m.err != nil:
		c.asked = asking{}
		c.fail(m.err, out)
	default:
		c.asked, c.stuck = asking{}, 0
		a.then(now, m.value, out)
	}
}

// kind is an assignor, with what it says the same every time.
type kind struct {
	assign.Assignor
	name        string
	cooperative bool
	own         bool // not the application's: it does not block
}

// kinds asks the assignors for what does not change, once.
func kinds(list []assign.Assignor) (out []kind) {
	for _, a := range list {
		k := kind{Assignor: a, name: a.Name(), cooperative: a.Cooperative()}
		switch a.(type) {
		case assign.Range, assign.RoundRobin, assign.Sticky, assign.CooperativeSticky:
			k.own = true
		}
		out = append(out, k)
	}
	return out
}

// matching is the names that a pattern matches.
type matching struct {
	topics []string
	err    error // of a name that it has panicked for
}

// match calls the pattern for each name. One that it panics for does not match.
func match(pattern func(string) bool, names []string) (m matching) {
	one := func(name string) (ok bool) {
		defer func() {
			if p := recover(); p != nil {
				m.err = fmt.Errorf("subscribe: the function that matches topics has panicked for \"%s\": %v", printable.Text(name), p)
			}
		}()
		return pattern(name)
	}
	for _, name := range names {
		if one(name) {
			m.topics = append(m.topics, name)
		}
	}
	slices.Sort(m.topics)
	return m
}

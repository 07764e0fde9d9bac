// Package survey is the pure core that decides whether what one broker lacks is lacking everywhere, so that no retry can help. A broker that is upgraded, or is not what it was, a proxy that changes answers: each may lack for a
// while what the cluster has.
//
//	a call is refused --offered before?--> passing
//	                  --else: every broker is asked, twice, on separate connections--> final, or passing
package survey

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
)

const (
	// MostAsked is how many brokers are asked at most.
	MostAsked = 32
	// Times is on how many connections each is asked.
	Times = 2
	// pause lies between two surveys at first, and twice as much each time: until the next, what the last has found holds.
	pause    = 5 * time.Second
	mostWait = 5 * time.Minute
)

// Need is one of the versions of an API; with Min > Max nobody can have it.
type Need struct {
	API int16
	protocol.Range
}

// Verdict ends a call that was refused.
type Verdict struct {
	Owner any
	Final bool // no broker that could be asked has what it needs, and none ever had
	Asked int  // of so many brokers
}

// Effects of a step.
type Effects struct {
	Ask      []int32 // brokers to be asked for their versions, each on a new connection: one is in it Times times
	Verdicts []Verdict
}

// Core is what has been told of what brokers speak.
type Core struct {
	most    map[int16]protocol.Range // the lowest and the highest version that any broker has ever told
	waiting []waiting
	open    int           // questions without an answer
	heard   map[int32]int // of a survey, on how many connections each broker has answered
	partly  bool          // the last survey found a broker that answered only now and then
	asked   int           // how many brokers have answered it
	surveys int
	nextAt  time.Time
}

type waiting struct {
	need  Need
	owner any
}

// New makes a core that has heard of nothing.
func New() *Core { return &Core{most: map[int16]protocol.Range{}} }

// Told notes what a broker speaks.
func (c *Core) Told(r protocol.Ranges) {
	for _, key := range protocol.APIKeys() {
		theirs, ok := r.Get(key)
		if !ok || theirs.Min > theirs.Max {
			continue
		}
		if m, before := c.most[key]; before {
			theirs = protocol.Range{Min: min(m.Min, theirs.Min), Max: max(m.Max, theirs.Max)}
		}
		c.most[key] = theirs
	}
}

// offered tells whether any broker has ever had what is needed.
func (c *Core) offered(n Need) bool {
	m, ok := c.most[n.API]
	return ok && m.Max >= n.Min && m.Min <= n.Max
}

// Refused takes a call that one of the brokers has refused.
func (c *Core) Refused(now time.Time, n Need, owner any, brokers []int32, out *Effects) {
	switch {
	case n.Min > n.Max:
		out.Verdicts = append(out.Verdicts, Verdict{Owner: owner, Final: true})
	case c.offered(n):
		out.Verdicts = append(out.Verdicts, Verdict{Owner: owner})
	case c.open > 0:
		c.waiting = append(c.waiting, waiting{n, owner})
	case now.Before(c.nextAt) || len(brokers) == 0:
		c.waiting = append(c.waiting, waiting{n, owner})
		c.judge(out)
	default:
		c.waiting = append(c.waiting, waiting{n, owner})
		c.heard = map[int32]int{}
		for _, id := range brokers[:min(len(brokers), MostAsked)] {
			for range Times {
				out.Ask = append(out.Ask, id)
			}
		}
		c.open = len(out.Ask)
		c.nextAt = now.Add(min(pause<<min(c.surveys, 10), mostWait))
		c.surveys++
	}
}

// Answered says that a question has ended: whether the broker has told its versions, with Told before.
func (c *Core) Answered(id int32, told bool, out *Effects) {
	if c.open == 0 {
		return
	}
	if told {
		c.heard[id]++
	}
	if c.open--; c.open > 0 {
		return
	}
	c.asked, c.partly = len(c.heard), false
	for _, n := range c.heard {
		c.partly = c.partly || n < Times
	}
	c.judge(out)
}

// judge ends what waits.
func (c *Core) judge(out *Effects) {
	for _, w := range c.waiting {
		out.Verdicts = append(out.Verdicts, Verdict{w.owner, c.asked > 0 && !c.partly && !c.offered(w.need), c.asked})
	}
	c.waiting = nil
}

// Abort ends what waits without an answer.
func (c *Core) Abort(out *Effects) {
	c.open, c.asked = 0, 0
	c.judge(out)
}

// Waiting tells whether anything waits for a verdict.
func (c *Core) Waiting() bool { return len(c.waiting) > 0 }

// Reset empties the effects.
func (e *Effects) Reset() {
	clear(e.Verdicts)
	*e = Effects{Ask: e.Ask[:0], Verdicts: slices.Delete(e.Verdicts, 0, len(e.Verdicts))}
}

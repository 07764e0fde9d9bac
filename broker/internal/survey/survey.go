// Package survey is the pure core that decides whether what one broker lacks is lacking everywhere, so that no retry can help. A broker that is upgraded, or is not what it was, a proxy that changes answers: each may lack for a
// while what the cluster has.
//
//	a call is refused --offered before?--> passing
//	                  --else: every broker is asked, twice, on separate connections--> another has it, or does not answer: passing
//	                    all lack it, and are of a release that did not have it yet -------------------------------------> final
//	                    all lack it, though they have what is newer: passing, and if the next survey says so, too, final
package survey

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
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
	Older bool // they are of a release that does not have it
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
	begun   time.Time
	nextAt  time.Time
	missed  map[Need]time.Time // what all lack that they should have, since the first survey that has said so
}

type waiting struct {
	need  Need
	owner any
}

// New makes a core that has heard of nothing.
func New() *Core { return &Core{most: map[int16]protocol.Range{}, missed: map[Need]time.Time{}} }

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
		c.ask(now, brokers, out)
	}
}

// ask begins a survey.
func (c *Core) ask(now time.Time, brokers []int32, out *Effects) {
	c.heard = map[int32]int{}
	for _, id := range brokers[:min(len(brokers), MostAsked)] {
		for range Times {
			out.Ask = append(out.Ask, id)
		}
	}
	c.open = len(out.Ask)
	c.begun, c.nextAt = now, now.Add(min(pause<<min(c.surveys, 10), mostWait))
	c.surveys++
}

// Next is when the brokers are to be asked again although no call is refused: so that what lasts is known when the next one is. The zero time: they need not be.
func (c *Core) Next() time.Time {
	if c.open == 0 {
		for _, since := range c.missed {
			if since.Equal(c.begun) {
				return c.nextAt
			}
		}
	}
	return time.Time{}
}

// Tick asks if it is time.
func (c *Core) Tick(now time.Time, brokers []int32, out *Effects) {
	if at := c.Next(); at.IsZero() || now.Before(at) {
		return
	}
	if len(brokers) == 0 {
		c.nextAt = now.Add(pause)
		return
	}
	c.ask(now, brokers, out)
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
		v := Verdict{Owner: w.owner, Asked: c.asked}
		if c.asked > 0 && !c.partly && !c.offered(w.need) {
			v.Older = c.older(w.need)
			v.Final = v.Older || c.lasts(w.need)
		} else {
			delete(c.missed, w.need)
		}
		out.Verdicts = append(out.Verdicts, v)
	}
	c.waiting = nil
}

// lasts tells whether a survey before has said the same. If not, the next one comes soon.
func (c *Core) lasts(n Need) bool {
	since, before := c.missed[n]
	if !before {
		c.missed[n] = c.begun
		if soon := c.begun.Add(pause); soon.Before(c.nextAt) {
			c.nextAt = soon
		}
		return false
	}
	return c.begun.Sub(since) >= pause
}

// aged are APIs that brokers of every release have, and whose versions tell how old it is.
var aged = []int16{msg.ProduceAPI, msg.FetchAPI, msg.ListOffsetsAPI, msg.MetadataAPI}

// older tells whether all that was ever told fits a release that does not have what is needed: then that is no wonder.
func (c *Core) older(n Need) bool {
	return slices.ContainsFunc(protocol.Releases(), func(name string) bool {
		r, err := protocol.Release(name)
		if err != nil {
			return false
		}
		if theirs, has := r.Get(n.API); has && theirs.Max >= n.Min && theirs.Min <= n.Max {
			return false
		}
		return !slices.ContainsFunc(aged, func(key int16) bool {
			told, tells := c.most[key]
			theirs, has := r.Get(key)
			return !tells || !has || told.Max > theirs.Max
		})
	})
}

// Abort ends what waits without an answer.
func (c *Core) Abort(out *Effects) {
	c.open, c.asked = 0, 0
	clear(c.missed)
	c.judge(out)
}

// Waiting tells whether anything waits for a verdict.
func (c *Core) Waiting() bool { return len(c.waiting) > 0 }

// Reset empties the effects.
func (e *Effects) Reset() {
	clear(e.Verdicts)
	*e = Effects{Ask: e.Ask[:0], Verdicts: slices.Delete(e.Verdicts, 0, len(e.Verdicts))}
}

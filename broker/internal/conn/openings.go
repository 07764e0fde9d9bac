package conn

import (
	"sync"
	"time"
)

// Openings limits how many connections are opened to one address, whichever of them it is: as many as there are to be while all is well, and from the moment on that one of them has ended without having been of use, until one is,
// not more than five in any second, those before counted. Each connection has a limit of its own besides. The zero Openings has seen none. It is shared by the connections of a client.
type Openings struct {
	mu sync.Mutex
	of map[string]*openings
}

type openings struct {
	last [burst]time.Time // in their order
	vain time.Time        // when one has ended without having been of use last, if none has been since
}

// inTrouble is how long it matters that a connection was of no use.
const inTrouble = time.Second

// mostOpenings is of how many addresses is remembered at most what they were like.
const mostOpenings = 10_000

// Open counts a connection that is opened now, or tells until when it must wait.
func (o *Openings) Open(addr string, now time.Time) (until time.Time, waits bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.at(addr)
	if first := a.last[0]; !a.vain.IsZero() && now.Sub(a.vain) < inTrouble && !first.IsZero() && now.Before(first.Add(time.Second)) {
		return first.Add(time.Second), true
	}
	copy(a.last[:], a.last[1:])
	a.last[burst-1] = now
	return time.Time{}, false
}

// Ended notes that a connection has ended without having been of use; Used, that one is.
func (o *Openings) Ended(addr string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at(addr).vain = now
}

// Used notes that somebody was answered on a connection.
func (o *Openings) Used(addr string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at(addr).vain = time.Time{}
}

func (o *Openings) at(addr string) *openings {
	a := o.of[addr]
	if a == nil {
		if o.of == nil || len(o.of) >= mostOpenings {
			o.of = map[string]*openings{}
		}
		a = &openings{}
		o.of[addr] = a
	}
	return a
}

// turn tells whether the connection may open a link now: by its own limit, and by that of all that go to the address. Then it is counted.
func (c *Core) turn(now time.Time) bool {
	if c.mayOpen().After(now) {
		return false
	}
	if c.cfg.Openings != nil {
		until, waits := c.cfg.Openings.Open(c.address(), now)
		if waits {
			c.turnAt = until
			return false
		}
	}
	c.opens(now)
	return true
}

// vain notes that a link has ended which was of no use.
func (c *Core) vain(now time.Time) {
	if c.cfg.Openings != nil {
		c.cfg.Openings.Ended(c.address(), now)
	}
}

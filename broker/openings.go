package broker

import (
	"sync"
	"time"
)

// openings limits how many connections are opened to one address, whichever of them it is: as many as there are to be while all is well, and from the moment on that one of them has ended without having been of use, until one is,
// not more than five in any second, those before counted. Each connection has a limit of its own besides. The zero value has seen none. It implements conn.Openings.
type openings struct {
	mu sync.Mutex
	of map[string]*opening // by address
}

// mostOpened is how many connections are opened to an address that is in trouble, in a second.
const mostOpened = 5

// opening is what it was like with one address.
type opening struct {
	last [mostOpened]time.Time // in their order
	vain time.Time             // when one has ended without having been of use last, if none has been since
}

// inTrouble is how long it matters that a connection was of no use.
const inTrouble = time.Second

// mostOpenings is of how many addresses is remembered at most what they were like.
const mostOpenings = 10_000

// Open counts a connection that is opened now, or tells until when it must wait.
func (o *openings) Open(addr string, now time.Time) (until time.Time, waits bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.at(addr)
	if first := a.last[0]; !a.vain.IsZero() && now.Sub(a.vain) < inTrouble && !first.IsZero() && now.Before(first.Add(time.Second)) {
		return first.Add(time.Second), true
	}
	copy(a.last[:], a.last[1:])
	a.last[mostOpened-1] = now
	return time.Time{}, false
}

// Ended notes that a connection has ended without having been of use; Used, that one is.
func (o *openings) Ended(addr string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at(addr).vain = now
}

// Used notes that somebody was answered on a connection.
func (o *openings) Used(addr string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at(addr).vain = time.Time{}
}

func (o *openings) at(addr string) *opening {
	a := o.of[addr]
	if a == nil {
		if o.of == nil || len(o.of) >= mostOpenings {
			o.of = map[string]*opening{}
		}
		a = &opening{}
		o.of[addr] = a
	}
	return a
}

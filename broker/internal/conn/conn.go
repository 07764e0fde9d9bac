// Package conn is the pure core of a connection: what one link to one broker is doing, and what became of each call on it.
//
//	Idle --call--> Resolving --> Dialling --> Negotiating --> Ready
//	  ^                |             |             |            |
//	  +--- back-off ---+-------------+-------------+------------+   (and Closed, from everywhere)
//
// It owns: the addresses of the broker, negotiated versions, correlation ids, the window, deadlines, throttling, the idle clock, and
// whether a call that failed may have been seen. It does not repeat calls, and it does not know about metadata.
//
// What it has to ask itself before others may, as for the versions, are calls of its own: they are answered like all others, each by what is to be done then. While one is under way the gate is closed: the
// calls of others wait, before Ready and, should the connection have to ask something in between, in Ready.
// setup.go: how it comes about; calls.go: what is asked on it; message.go: what it takes and gives. Tests: conn_test.go has a table for every rule.
package conn

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/kactor-go/kactor/protocol"
)

// State of a connection.
type State uint8

// The states.
const (
	Idle State = iota
	Resolving
	Dialling
	Negotiating
	Ready
	Closed
)

var stateNames = [...]string{"idle", "dns", "dial", "api-versions", "request", "closed"}

// String is the phase as errors name it.
func (s State) String() string { return stateNames[s] }

var legal = [...][]State{
	Idle:        {Resolving, Negotiating, Closed},
	Resolving:   {Dialling, Idle, Closed},
	Dialling:    {Dialling, Negotiating, Ready, Idle, Closed},
	Negotiating: {Ready, Dialling, Idle, Closed},
	Ready:       {Idle, Closed},
	Closed:      {},
}

// Config of a connection.
type Config struct {
	Host         string
	Port         int32
	ClientID     *string
	SetupTimeout time.Duration // socket.connection.setup.timeout.ms
	SetupMax     time.Duration // socket.connection.setup.timeout.max.ms; less than SetupTimeout: it does not grow
	MaxIdle      time.Duration // connections.max.idle.ms; zero: never
	Window       int           // calls in flight at once
	BackoffFirst time.Duration // reconnect.backoff.ms
	BackoffMax   time.Duration // reconnect.backoff.max.ms
	LateFloor    time.Duration // an answer is not late before this
	ThrottleMax  time.Duration // an answer may hold back what follows so long at most: request.timeout.ms
	// Versions, if known, are the most that is used of what a broker tells, and what is assumed of one that does not; a release without ApiVersions, before 0.10, is not asked (broker.version).
	Versions protocol.Ranges
	// Fallback, if known, is only assumed of a broker that does not tell (broker.version.fallback).
	Fallback protocol.Ranges
	Learnt   Learnt
	// Allowed tells which addresses of the host may be dialled (allowed.brokers); nil: all.
	Allowed func(addr string) bool
	// Openings is what all connections of the client have in common; nil: each is alone.
	Openings Openings
	Rand     *rand.Rand
}

// Core is the state of one connection.
type Core struct {
	cfg    Config
	state  State
	gen    uint64
	asking int16 // the version of ApiVersions that is being tried
	learnt Learnt
	silent bool // the last attempt has ended in silence: the next goes on with asking

	addrs   []string
	next    int // which address comes next
	setupBy time.Time
	lateBy  time.Time // a connection that does not come about makes the broker suspect, as an answer does that does not come
	retryAt time.Time
	openBy  time.Time // see opens
	turnAt  time.Time // another one may not be opened before: see turn
	// lastOpened is when the last connections were, in their order.
	lastOpened [burst]time.Time
	failures   int // in a row, until the broker has answered somebody or the connection has lasted
	lastErr    error
	refused    *End      // the last attempt has failed so that no retry can help: what calls end with until the next
	since      time.Time // when it was ready
	proven     bool      // somebody was answered since

	versions  protocol.Ranges
	waiting   []*Call
	flight    []*Call   // in the order they were sent
	own       *Call     // in flight, and the connection's own: the gate is closed
	decoding  *Decode   // the answer that is being read beside the actor, of a call that is not in flight any more; nil: there is none
	behind    []Message // what the link has told since: it waits for its turn
	doubts    int       // how often in a row it was asked again for its versions because a call did not fit
	doubtAt   time.Time // not again before
	renewing  bool      // the connection is made anew for that
	unflushed []unflushed
	nextID    int32
	rtt       time.Duration
	spent     int // how many addresses of the host have failed since one was well: the next attempt begins behind them
	holdUntil time.Time
	lastUse   time.Time
	suspect   bool
	closing   bool
	closeBy   time.Time
	why       error // calls that it does not wait for end with it
	finished  bool
}

// unflushed is a frame that a link may still be reading from.
type unflushed struct {
	gen  uint64
	call *Call
}

// New makes a connection that opens with its first call.
func New(cfg Config) *Core { return &Core{cfg: cfg, learnt: cfg.Learnt} }

// Versions gives what was negotiated last.
func (c *Core) Versions() protocol.Ranges { return c.versions }

// State gives the state.
func (c *Core) State() State { return c.state }

// Pending is how many calls wait or are in flight.
func (c *Core) Pending() int { return len(c.waiting) + len(c.flight) }

func (c *Core) become(s State) {
	for _, l := range legal[c.state] {
		if l == s {
			c.state = s
			return
		}
	}
	panic(fmt.Sprintf("connection: %s cannot become %s", c.state, s))
}

// Step takes one message.
func (c *Core) Step(now time.Time, m Message, out *Effects) {
	switch m := m.(type) {
	case *Call:
		c.call(now, m, out)
	case *Resolved:
		if m.Gen == c.gen && c.state == Resolving {
			c.resolved(now, m, out)
		}
	case *Opened:
		if m.Gen == c.gen && c.state == Dialling {
			c.opened(now, out)
		}
	case *Received, *Broken:
		if c.decoding != nil && genOf(m) == c.gen {
			c.behind = append(c.behind, m)
		} else {
			c.heard(now, m, out)
		}
	case *Decoded:
		c.decoded(now, m, out)
	case *Flushed:
		c.flushed(now, m.Gen, out)
	case *Moved:
		c.moved(now, out)
	case *Close:
		c.closing, c.closeBy, c.why = true, m.Deadline, m.Why
		if c.why == nil {
			c.why = ErrClosed
		}
	case *Bye:
		out.Left = true
	}
	c.drive(now, out)
}

// genOf is the generation of what a link tells.
func genOf(m Message) uint64 {
	switch m := m.(type) {
	case *Received:
		return m.Gen
	case *Broken:
		return m.Gen
	}
	return 0
}

// heard takes what the link tells.
func (c *Core) heard(now time.Time, m Message, out *Effects) {
	switch m := m.(type) {
	case *Received:
		if m.Gen == c.gen && (c.state == Ready || c.state == Negotiating) {
			c.received(now, m.Frame, out)
		}
	case *Broken:
		if m.Gen == c.gen && c.state != Idle && c.state != Closed && !c.again(now, m.Err, out) {
			c.broken(now, m.Err, out)
		}
		c.releaseLink(m.Gen, out)
	}
}

// Tick looks at the deadlines.
func (c *Core) Tick(now time.Time, out *Effects) {
	c.expire(now, out)
	c.drive(now, out)
}

// drive does what can be done now.
func (c *Core) drive(now time.Time, out *Effects) {
	c.closeIf(now, out)
	if c.state == Idle && len(c.waiting) > 0 && !now.Before(c.opensAt()) && c.turn(now) {
		c.gen++
		out.Gen = c.gen
		c.setupBy = now.Add(c.setupTime())
		c.lateBy, c.suspect = now.Add(c.cfg.LateFloor), false
		if !c.silent {
			c.asking = c.first(now)
		}
		c.silent = false
		if addr, err := netip.ParseAddr(c.cfg.Host); err == nil { // nothing to look up
			c.become(Resolving)
			c.resolved(now, &Resolved{Gen: c.gen, Addrs: []string{addr.String()}}, out)
		} else {
			c.become(Resolving)
			out.Resolve = true
		}
	}
	if c.state == Ready {
		c.send(now, out)
		if len(out.Send) == 0 { // what cannot be sent has ended; what was sent is waited for at least until it is written
			c.closeIf(now, out)
		}
	}
	if c.state == Closed && len(c.unflushed) == 0 && !c.finished { // not before: buffers would never be released
		c.finished = true
		out.Finished = true
	}
}

// closeIf closes the connection if that is asked for and nothing is waited for any more.
func (c *Core) closeIf(now time.Time, out *Effects) {
	if c.closing && c.state != Closed && (c.live() == 0 || !now.Before(c.closeBy)) {
		c.shut(now, c.why, out)
	}
}

// hangUp closes the link. What was to be sent on it by the same step is not sent, and one that was to be opened by it is not: the step may have taken long, or come late.
func hangUp(out *Effects) {
	out.CloseLink, out.Dial, out.Raise = true, "", false
	clear(out.Send)
	out.Send = out.Send[:0]
}

// broken deals with the loss of the link.
func (c *Core) broken(now time.Time, err error, out *Effects) {
	hangUp(out)
	switch c.state {
	case Dialling:
		c.asking = c.first(now) // it may be another broker that listens there the next time
		if c.next < len(c.addrs) && c.turn(now) {
			c.lastErr = err
			c.dial(now, out)
			return
		}
		c.failSetup(now, err, out)
	case Resolving, Negotiating:
		c.failSetup(now, err, out)
	case Ready:
		c.become(Idle)
		c.gen++
		lasted := now.Sub(c.since) > c.cfg.BackoffMax
		if !lasted {
			c.vain(now)
		}
		if c.proven || lasted { // else it only seemed to be well
			c.failures = 0
		}
		if lasted {
			c.openBy = time.Time{}
		}
		c.failures++ // one, however much was under way
		err = classed(err)
		c.retryAt = now.Add(c.backoff())
		out.Down = err
		if len(c.flight) > 0 || errors.Is(err, protocol.ErrCorrelation) { // else its time may just be over, for the broker
			out.DownPhase = Ready.String()
		}
		c.failFlight(now, err, out)
	}
}

// expire deals with everything whose time has come.
func (c *Core) expire(now time.Time, out *Effects) {
	switch c.state {
	case Resolving, Dialling, Negotiating:
		if !now.Before(c.setupBy) {
			c.silent = c.state == Negotiating && c.lower()
			c.broken(now, fmt.Errorf("%w: connection set-up took more than %s", ErrTimeout, c.setupTime()), out)
		} else if !c.suspect && !now.Before(c.lateBy) {
			c.isLate(now, out)
		}
	case Ready:
		c.expireFlight(now, out)
		if c.state == Ready && len(c.flight) == 0 && c.live() == 0 && c.cfg.MaxIdle > 0 && now.Sub(c.lastUse) >= c.cfg.MaxIdle {
			hangUp(out)
			c.become(Idle)
			c.gen++
			c.retryAt = time.Time{}
		}
	}
	kept := c.waiting[:0]
	for _, m := range c.waiting {
		if now.Before(m.Deadline) {
			kept = append(kept, m)
			continue
		}
		err := ErrTimeout
		switch {
		case c.lastErr != nil:
			err = fmt.Errorf("%w: %w", ErrTimeout, c.lastErr)
		case !now.After(c.holdUntil):
			err = fmt.Errorf("%w: %w", ErrTimeout, ErrThrottled)
		}
		c.end(now, m, End{Err: err, Phase: c.state.String()}, out)
	}
	clear(c.waiting[len(kept):])
	c.waiting = kept
}

// shut ends everything.
func (c *Core) shut(now time.Time, err error, out *Effects) {
	phase := c.state.String()
	c.become(Closed)
	c.gen++
	hangUp(out)
	c.failFlight(now, err, out)
	waiting := c.waiting
	c.waiting = nil
	for _, m := range waiting {
		c.end(now, m, End{Err: err, Phase: phase}, out)
	}
}

// Next is the earliest deadline.
func (c *Core) Next() time.Time {
	var t time.Time
	add := func(d time.Time) {
		if !d.IsZero() && (t.IsZero() || d.Before(t)) {
			t = d
		}
	}
	for _, m := range c.waiting {
		add(m.Deadline)
	}
	switch c.state {
	case Idle:
		if len(c.waiting) > 0 {
			add(c.opensAt())
		}
	case Resolving, Dialling, Negotiating:
		add(c.setupBy)
		if !c.suspect {
			add(c.lateBy)
		}
	case Ready:
		if d := c.decoding; d != nil && !d.call.ghost {
			add(d.call.Deadline)
		}
		for i, m := range c.flight {
			if c.decoding != nil { // its answer may be there
				if !m.ghost {
					add(m.Deadline)
				}
				continue
			}
			add(m.Deadline)
			if i == 0 && !c.suspect {
				add(m.late)
			}
		}
		if m := c.unwritten(); m != nil {
			add(m.Deadline)
			if !c.suspect {
				add(m.late)
			}
		}
		if len(c.waiting) > 0 {
			add(c.holdUntil)
		} else if len(c.flight) == 0 && c.live() == 0 && c.cfg.MaxIdle > 0 {
			add(c.lastUse.Add(c.cfg.MaxIdle))
		}
	}
	if c.closing && c.state != Closed {
		add(c.closeBy)
	}
	return t
}

// Abort ends every call with err.
func (c *Core) Abort(err error, out *Effects) {
	if c.state != Closed {
		c.shut(c.lastUse, err, out)
	}
	for _, u := range c.unflushed { // nothing is stepped any more: the link is closed, and what it still reads is let go
		c.release(u.call, out)
	}
	c.unflushed, c.finished, out.Finished = nil, true, true
}

// Refuse ends a call that comes after Abort.
func (c *Core) Refuse(m Message, err error, out *Effects) {
	switch m := m.(type) {
	case *Call:
		c.end(m.Accepted, m, End{Err: err}, out)
	case *Close:
		out.Finished = true
	case *Bye:
		out.Left = true
	}
}

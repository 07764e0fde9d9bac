package conn

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol/printable"
)

func (c *Core) resolved(now time.Time, m *Resolved, out *Effects) {
	if m.Err != nil || len(m.Addrs) == 0 {
		err := m.Err
		if err == nil {
			err = fmt.Errorf("%s has no address", printable.Text(c.cfg.Host))
		}
		c.failSetup(now, err, out)
		return
	}
	c.addrs, c.next = m.Addrs, 0
	if c.cfg.Allowed != nil {
		c.addrs = slices.DeleteFunc(slices.Clone(m.Addrs), func(addr string) bool { return !c.cfg.Allowed(addr) })
	}
	if len(c.addrs) == 0 {
		c.failSetup(now, fatal{fmt.Errorf("%s is at %s: %w", printable.Text(c.cfg.Host), printable.Text(strings.Join(m.Addrs, ", ")), ErrNotAllowed)}, out)
		return
	}
	if n := c.spent % len(c.addrs); n > 0 { // there may be fewer now
		c.addrs = slices.Concat(c.addrs[n:], c.addrs[:n])
	}
	c.dial(now, out)
}

func (c *Core) dial(now time.Time, out *Effects) {
	c.become(Dialling)
	c.gen++
	out.Gen = c.gen
	out.Dial = c.addr()
	c.next++
	c.setupBy = now.Add(c.setupTime())
}

// setupTime is how long this attempt to connect may take: it doubles with each that has failed (KIP-601).
func (c *Core) setupTime() time.Duration {
	d := c.cfg.SetupTimeout
	for i := 0; i < c.failures && d < c.cfg.SetupMax; i++ {
		d = min(2*d, c.cfg.SetupMax)
	}
	return d
}

// address is what all connections to it are counted by.
func (c *Core) address() string { return c.cfg.Host + ":" + strconv.Itoa(int(c.cfg.Port)) }

func (c *Core) addr() string {
	host := c.addrs[c.next]
	if a, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(a, uint16(c.cfg.Port)).String()
	}
	return host + ":" + strconv.Itoa(int(c.cfg.Port))
}

func (c *Core) opened(now time.Time, out *Effects) {
	if c.asking == unasked {
		c.versions = c.assumed()
		c.ready(now, out)
		return
	}
	c.become(Negotiating)
	c.askVersions(now, out)
}

// again deals with the end of a connection whose peer was asked for its versions: it is asked in a lower version at once, on a new connection. Who waits is not told.
func (c *Core) again(now time.Time, err error, out *Effects) bool {
	if c.state != Negotiating || !HungUp(err) || !c.lower() {
		return false
	}
	hangUp(out)
	c.failFlight(now, err, out)
	if !c.turn(now) {
		c.become(Idle)
		c.gen++
		c.silent = true
		return true
	}
	c.next--
	c.dial(now, out)
	return true
}

// burst is how many connections may be opened at once; further ones each after Core.pause. A connection that lasts begins anew, except that whatever becomes of connections - who answers and hangs up, each time, seems to be well -
// there are not more than five in any second.
const burst = 5

// pause is what lies between two connections, when there are many: reconnect.backoff.max.ms, as far as that is between 200 ms and a second.
func (c *Core) pause() time.Duration {
	return min(max(c.cfg.BackoffMax, time.Second/burst), time.Second)
}

// opens notes that a connection is opened.
func (c *Core) opens(now time.Time) {
	if c.openBy.Before(now) {
		c.openBy = now
	}
	c.openBy = c.openBy.Add(c.pause())
	copy(c.lastOpened[:], c.lastOpened[1:])
	c.lastOpened[burst-1] = now
}

// mayOpen is from when on another may be.
func (c *Core) mayOpen() time.Time {
	at := c.openBy.Add(-(burst - 1) * c.pause())
	if first := c.lastOpened[0]; !first.IsZero() && at.Before(first.Add(time.Second)) {
		return first.Add(time.Second)
	}
	return at
}

// opensAt is when an attempt to connect may begin.
func (c *Core) opensAt() time.Time {
	at := c.retryAt
	for _, t := range [...]time.Time{c.mayOpen(), c.turnAt} {
		if t.After(at) {
			at = t
		}
	}
	return at
}

func (c *Core) ready(now time.Time, out *Effects) {
	c.become(Ready)
	c.lastErr, c.refused, c.retryAt, c.suspect = nil, nil, time.Time{}, false
	c.since, c.proven = now, false
	if !c.renewing {
		c.doubts, c.doubtAt = 0, time.Time{}
	}
	c.renewing = false
	c.lastUse, c.spent = now, 0
	switch {
	case c.asking == c.newest():
		c.learnt = Learnt{}
	case c.learnt.Until.IsZero() || c.learnt.Version != c.asking: // else it was learnt before, and is to be forgotten in time
		c.learnt = Learnt{c.asking, now.Add(learntFor)}
	}
	out.Up, out.Raise = true, true
}

// failSetup ends an attempt to connect. Who waits is told: another broker may do.
func (c *Core) failSetup(now time.Time, err error, out *Effects) {
	phase := c.state.String()
	err = classed(err)
	untried := c.state == Dialling && c.next < len(c.addrs)
	if c.state == Dialling {
		c.spent = (c.spent + c.next) % len(c.addrs)
	}
	hangUp(out)
	c.become(Idle)
	c.gen++
	c.vain(now)
	c.failures++
	c.lastErr = err
	c.failFlight(now, err, out)
	c.refused = nil
	if errors.Is(err, ErrFatal) && !untried {
		c.refused = &End{Err: err, Phase: phase}
	}
	c.retryAt = now.Add(c.backoff())
	waiting := c.waiting
	c.waiting = nil
	for _, m := range waiting {
		c.end(now, m, End{Err: err, Phase: phase}, out)
	}
	out.Down, out.DownPhase = err, phase
}

// backoff doubles with each failure in a row, with 20 % of jitter; it is the longest at once where no retry can help.
func (c *Core) backoff() time.Duration {
	d := c.cfg.BackoffFirst
	for i := 1; i < c.failures && d < c.cfg.BackoffMax; i++ {
		d *= 2
	}
	if d = min(d, c.cfg.BackoffMax); c.refused != nil {
		d = c.cfg.BackoffMax
	}
	return d + time.Duration(float64(d)*0.2*(2*c.cfg.Rand.Float64()-1))
}

package conn

import "time"

// Openings is what all connections of a client have in common: how many links are opened to one address (host:port), whichever connection it is for.
type Openings interface {
	// Open counts a link that is opened now, or tells until when it must wait.
	Open(addr string, now time.Time) (until time.Time, waits bool)
	// Ended notes that a link has ended without having been of use.
	Ended(addr string, now time.Time)
	// Used notes that somebody was answered on a link.
	Used(addr string)
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

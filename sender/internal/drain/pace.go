package drain

import (
	"time"

	"github.com/kactor-go/kactor/protocol/trouble"
)

// Whatever answers say, and whatever follows from it - a retry, a new epoch, another producer id, another leader: if nothing of a partition gets into the log it is sent less and less often, and so are all such partitions of a broker
// together. What gets on, on the same broker, is not held up by it. A batch that ends gets the next on its way, so it counts neither way.

// retry is how those who get no further wait longer and longer.
func (c *Core) retry() trouble.Backoff {
	return trouble.Backoff{First: c.cfg.BackoffFirst, Max: c.cfg.BackoffMax}
}

// stuck notes that something of a partition comes back to be sent again. What was in flight together counts once.
func (c *Core) stuck(p *part) {
	c.vain, p.vain = true, true
	if !p.settling {
		p.pace.Vain(c.asked, c.retry())
	}
}

// gets notes that something of a partition is in the log.
func (c *Core) gets(p *part) {
	c.taken = true
	if p.vain {
		p.vain, p.eased = false, false
		p.pace.Forward()
	}
}

// paced notes what an answer of a broker was worth.
func (c *Core) paced(l *line) {
	switch {
	case c.taken:
		l.pace.Forward()
		l.spared = 0
	case l.spared > 0: // what was in flight together counts once
		l.spared--
	case c.vain:
		l.pace.Vain(c.asked, c.retry())
		l.spared = l.flight
	}
	c.taken, c.vain, c.asked = false, false, time.Time{}
}

// rests tells until when a partition that gets no further is not sent.
func (c *Core) rests(now time.Time, p *part) (until time.Time, waits bool) {
	if !p.vain || p.eased {
		return time.Time{}, false
	}
	if until, waits = p.pace.Waits(now); waits {
		return until, true
	}
	return p.home.pace.Waits(now)
}

package member

import (
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/trouble"
)

// slowly is how the requests of a group are held back that get no further, whatever retry.backoff.ms says: by up to a second.
var slowly = trouble.Backoff{First: 100 * time.Millisecond, Max: time.Second}

// settled is how long a membership has to last, with nothing new, to count as progress: longer than it is ever held back. A rebalance has a few answers that change it, one after the other; what changes without end is none.
const settled = 2 * time.Second

// restless notes an answer after which the membership begins anew, or changes.
func (c *Core) restless(now time.Time, call *Call) {
	c.changed = now
	c.pace.Vain(call.at, slowly)
}

// turned is restless for an answer that tells a member to begin anew: where it was held back it may be the first good one after long trouble, and then no step waits.
func (c *Core) turned(now time.Time, call *Call, code protocol.Code) {
	if !c.pace.Held() || code == c.said {
		c.restless(now, call)
		return
	}
	c.said, c.changed = code, now
	c.pace.Turned(call.at, slowly)
}

// lasts notes that a heartbeat was due, whatever the answer to it says.
func (c *Core) lasts(beat *Call) {
	if beat.at.Sub(c.changed) >= settled {
		c.pace.Forward()
		c.changed, c.said = time.Time{}, protocol.None
	}
}

// openAt is when the coordinator may be asked again about the membership; the zero time: at once.
func (c *Core) openAt() time.Time { return later(c.retryAt, c.heldUntil()) }

// heldUntil is openAt, of what is tried again at a time of its own.
func (c *Core) heldUntil() time.Time {
	at, _ := c.pace.Waits(time.Time{})
	return at
}

// vainly notes an answer that has brought nothing forward, and tells when the same may be asked again; the zero time: at once.
func vainly(p *trouble.Pace, call *Call) time.Time {
	p.Vain(call.at, slowly)
	at, _ := p.Waits(time.Time{})
	return at
}

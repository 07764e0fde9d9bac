package member

import (
	"fmt"
	"slices"
	"time"
)

// offer gives the application something to do.
func (c *Core) offer(r *Rebalance, out *Effects) {
	c.seq++
	r.Seq = c.seq
	c.pending = r
	given := *r // the application's own
	out.Rebalance = &given
}

// recall takes back what the application has not begun with: it is out of date. In its place there is at once what it has lost, so that it is given nothing else in between.
func (c *Core) recall(out *Effects) {
	if c.pending == nil || c.pending.Lost {
		return
	}
	out.Recall = c.pending.Seq
	if len(c.owned) > 0 {
		c.seq++
		c.instead = &Rebalance{Seq: c.seq, Lost: true, Revoke: slices.Clone(c.owned)}
		given := *c.instead
		out.Instead = &given
	}
}

func (c *Core) recalled(seq uint64) {
	if c.pending != nil && c.pending.Seq == seq {
		c.pending, c.instead = c.instead, nil
	}
}

// exchanged notes that the application is at what it was given instead, if that is so: it may say so before it is told that the other was recalled.
func (c *Core) exchanged(seq uint64) {
	if c.instead != nil && c.instead.Seq == seq {
		c.pending, c.instead = c.instead, nil
	}
}

// heldBy notes that partitions have changed hands: what was revoked is given up, what is new is held until its offsets are known.
func (c *Core) heldBy(seq uint64, out *Effects) {
	c.exchanged(seq)
	r := c.pending
	if r == nil || r.Seq != seq {
		return
	}
	c.owned = with(without(c.owned, r.Revoke), r.Assign)
	c.givenBy(r.IDs)
	c.remote.stale, c.fetches.stale = true, true
	if c.proto == Alone {
		c.beginAlone(r.Assign, out)
	} else if c.state == Taking { // else it was lost meanwhile, and the application is told so when it is done: it never begins
		c.fetches.begin(false, r.Assign)
	}
}

// done goes on when the application has done its part.
func (c *Core) done(now time.Time, seq uint64, out *Effects) {
	c.exchanged(seq)
	r := c.pending
	if r == nil || r.Seq != seq {
		return
	}
	c.pending, c.instead = nil, nil
	switch c.state {
	case Giving:
		c.become(Joining)
	case Taking:
		c.become(Stable)
		if c.proto == Classic {
			if c.cooperative() && len(r.Revoke) > 0 {
				c.rejoin, c.reason = true, "partitions were given up for others"
			}
		} else {
			c.remote.told.owned = false
			c.beatAt = now
		}
	case Losing, Expired, Failed:
		c.driveLosing(out)
	}
}

// watched tells whether the application must poll.
func (c *Core) watched() bool {
	return c.leaving == nil && (c.generation >= 0 || c.state == Giving) && c.state != Expired && c.state != Failed && c.state != Unjoined
}

// looks is how many times in max.poll.interval.ms it is looked whether the application polls: one that goes through records says nothing, and its progress is all that is seen.
const looks = 8

// lookAt is when it is looked next whether the application polls.
func (c *Core) lookAt() time.Time {
	if !c.watched() || c.asking {
		return time.Time{}
	}
	return earlier(c.polled.Add(c.cfg.MaxPoll), later(c.polled, c.looked).Add(c.cfg.MaxPoll/looks))
}

// drivePoll looks whether the application polls.
func (c *Core) drivePoll(now time.Time, out *Effects) {
	if at := c.lookAt(); !at.IsZero() && !now.Before(at) {
		c.asking = true
		out.AskPolled = true
	}
}

// polledAt takes when the application was seen last.
func (c *Core) polledAt(now, at time.Time, out *Effects) {
	c.asking, c.looked = false, now
	if at.After(c.polled) {
		c.polled = at
	}
	if c.state == Expired {
		if now.Sub(c.polled) < c.cfg.MaxPoll {
			c.lose(out)
		} else {
			out.Idle = true
		}
		return
	}
	if c.watched() && now.Sub(c.polled) >= c.cfg.MaxPoll {
		c.expire(out)
	}
}

// returned settles, before the application is given anything, whether it has come back in time. It asks when it believes that it has not: what it reads must not be read by others already.
func (c *Core) returned(now time.Time, m *Returned, out *Effects) {
	out.Settled = append(out.Settled, m.Owner)
	if m.Last.After(c.polled) {
		c.polled = m.Last
	}
	switch {
	case c.watched() && now.Sub(c.polled) >= c.cfg.MaxPoll:
		c.expire(out)
	case c.state != Expired:
		c.polled = now
	}
}

// expire leaves the group: the application does not poll, so somebody else shall have the partitions. Static members just fall silent.
func (c *Core) expire(out *Effects) {
	if c.proto == Consumer {
		c.tell(c.goodbyeConsumer(), ConsumerCall, out)
	} else if c.cfg.Instance == "" && c.id != "" {
		c.tell(c.goodbyeClassic("the application does not poll within max.poll.interval.ms"), LeaveCall, out)
	}
	c.gave, c.generation, c.call, c.beat, c.rejoin, c.reason, c.ends, c.beatAt = -1, -1, nil, nil, false, "", time.Time{}, time.Time{}
	if c.proto == Classic {
		c.id = ""
	}
	c.remote.reset()
	c.forsake(out)
	c.recall(out)
	c.become(Expired)
	c.driveLosing(out)
	out.Idle = true
	out.Notes = append(out.Notes, Note{"the application did not poll in time",
		fmt.Sprintf("within max.poll.interval.ms, %s, and has lost its partitions: handle fewer records at a time (max.poll.records) or raise the limit", c.cfg.MaxPoll)})
}

// driveAuto lets the application commit from time to time.
func (c *Core) driveAuto(now time.Time, out *Effects) {
	if !c.cfg.AutoCommit || c.leaving != nil || len(c.owned) == 0 && !c.manual {
		c.autoAt = time.Time{}
		return
	}
	if c.autoAt.IsZero() {
		c.autoAt = now.Add(c.cfg.AutoInterval)
	}
	if !now.Before(c.autoAt) {
		c.autoAt = now.Add(c.cfg.AutoInterval)
		out.CommitDue = true
	}
}

package member

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/trouble"
)

// lose begins anew: the group has gone on without the member.
func (c *Core) lose(out *Effects) {
	c.gave, c.generation, c.call, c.beat, c.rejoin, c.reason, c.ends = -1, -1, nil, nil, false, "", time.Time{}
	c.remote.reset()
	c.forsake(out)
	c.recall(out)
	c.become(Losing)
	c.driveLosing(out)
}

// driveLosing tells the application what it has lost, when it has done with what it is at. Who does not poll finds it when it does, before anything that was fetched.
func (c *Core) driveLosing(out *Effects) {
	switch {
	case c.pending != nil || c.state != Losing && c.state != Expired && c.state != Failed:
	case len(c.owned) > 0:
		c.offer(&Rebalance{Lost: true, Revoke: slices.Clone(c.owned)}, out)
	case c.state == Losing:
		c.become(Joining)
		if !c.sub.any() {
			c.become(Unjoined)
		}
	}
}

// leave ends the membership, as far as the group is concerned.
func (c *Core) leave(now time.Time, m *Leave, out *Effects) {
	if c.leaving != nil { // it is no longer waited for
		c.leaving.Deadline = now
		if m.Owner != nil {
			out.Left = append(out.Left, m.Owner)
		}
		return
	}
	out.Drop = true
	c.pending, c.instead, c.owned, c.ids, c.sub = nil, nil, nil, nil, subscription{}
	c.fetches.stale = true
	c.beat, c.alone = nil, alone{}
	c.leaving, c.retryAt, c.pace = m, time.Time{}, trouble.Pace{}
	if c.call != nil && c.call.Kind == JoinCall || c.state == Failed || c.state == Expired {
		c.call = nil
	}
}

// driveLeave commits what is to be committed, then says goodbye.
func (c *Core) driveLeave(now time.Time, out *Effects) {
	l := c.leaving
	if c.call != nil && c.call.leaving {
		if !now.Before(l.Deadline) {
			c.call = nil
			c.gone(out)
		}
		return
	}
	if now.Before(l.Deadline) && (c.commits.open() || now.Before(c.openAt())) {
		return
	}
	c.call = nil
	if req, kind := c.goodbye(); req != nil && now.Before(l.Deadline) {
		c.call = &Call{Kind: kind, Req: req, Timeout: min(l.Deadline.Sub(now), c.cfg.RequestTimeout), leaving: true, at: now}
		out.Calls = append(out.Calls, c.call)
		return
	}
	c.gone(out)
}

// goodbye is the request that ends the membership; nil: there is nothing to tell.
func (c *Core) goodbye() (protocol.Request, Kind) {
	if c.proto == Consumer {
		if c.generation < 0 && !c.remote.knocked {
			return nil, 0
		}
		return c.goodbyeConsumer(), ConsumerCall
	}
	if c.id == "" || c.generation < 0 && c.state != Joining && c.state != Failed { // who has failed of itself, as with an assignor that cannot divide, is waited for
		return nil, 0
	}
	static := c.cfg.Instance != ""
	if how := c.leaving.How; how == RemainInGroup || static && how == LeaveDefault {
		return nil, 0
	}
	return c.goodbyeClassic("the consumer is closed"), LeaveCall
}

// left takes the answer to a goodbye. It is said again while there is time, if another broker is the coordinator now, which has not heard it: else the group would wait for the member until its session is over. One that could
// not be sent is not: nobody can be reached, and who closes does not wait for that.
func (c *Core) left(now time.Time, m *Answer, out *Effects) {
	code := protocol.None
	switch r := m.Resp.(type) {
	case *msg.LeaveGroupResponse:
		code = protocol.Code(r.ErrorCode)
	case *msg.ConsumerGroupHeartbeatResponse:
		code = protocol.Code(r.ErrorCode)
	}
	if m.Moved || m.Err != nil && m.Sent && !m.Closed || again(code) {
		c.hindered(now, m, code, out)
		return
	}
	c.gone(out)
}

func (c *Core) gone(out *Effects) {
	if c.leaving.Owner != nil {
		out.Left = append(out.Left, c.leaving.Owner)
	}
	final := c.leaving.Final
	c.remote.ours = false
	c.leaving, c.call, c.beat, c.rejoin = nil, nil, nil, false
	c.generation, c.ends, c.beatAt, c.retryAt = -1, time.Time{}, time.Time{}, time.Time{}
	c.trouble.Over()
	c.remote.reset()
	if c.proto == Classic {
		c.id = ""
	}
	c.err, c.member, c.gave = nil, false, -1
	c.become(Unjoined)
	if final {
		c.err = ErrClosed
		c.become(Failed)
		c.refuse(ErrClosed, out)
	}
}

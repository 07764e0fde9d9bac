package broker

import (
	"errors"
	"time"

	"github.com/kactor-go/kactor/broker/internal/conn"
	"github.com/kactor-go/kactor/broker/internal/meta"
	"github.com/kactor-go/kactor/protocol/cluster"
)

// elsewhere is a request for any broker that one of them could not be sent, or does not answer in time: another is tried. Each is tried once; then the request stays with one that has not answered yet, or ends as it has ended
// with the last.
type elsewhere struct {
	node  int32 // the one
	r     *Route
	reply Reply
	lack  *lacking // what it does not support; nil: that is not the reason
}

func (*elsewhere) cluster() {}

// anywhere tells whether any broker will do.
func (r *Route) anywhere() bool { return r.To.Kind == Any && !r.own }

func (c *Client) elsewhere(now time.Time, m *elsewhere, out *meta.Effects) {
	m.r.tried = append(m.r.tried, m.node)
	waits := errors.Is(m.reply.Err, conn.ErrElsewhere)
	switch {
	case c.closing != nil:
		m.r.answer(c.world, Reply{Node: cluster.NoNode, Err: ErrClosed})
	case now.Before(m.r.Deadline) && !errors.Is(m.reply.Err, ErrClosed) && (waits || c.core.Untried(now, m.r.tried)):
		m.r.stays = !c.core.Untried(now, m.r.tried)
		c.core.Step(now, &meta.Route{Target: meta.Target{Kind: uint8(Any)}, Deadline: m.r.Deadline.Add(-m.r.Wait), Wait: m.r.Wait, Except: m.r.tried, Owner: m.r}, out)
	case m.lack != nil:
		c.lacking(now, m.lack)
	case waits: // its time is over
		var failed *CallError
		if errors.As(m.reply.Err, &failed) {
			late := *failed
			late.Err = ErrTimeout
			m.reply.Err = &late
		}
		m.r.answer(c.world, m.reply)
	default:
		m.r.answer(c.world, m.reply)
	}
}

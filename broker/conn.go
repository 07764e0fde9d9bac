package broker

import (
	"errors"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker/internal/conn"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/printable"
)

// connection is the actor around conn.Core: it performs the core's effects.
type connection struct {
	client  *Client
	peer    cluster.Node
	purpose Purpose
	lane    uint64
	core    *conn.Core
	self    role.Ref[conn.Message]
	stop    func(func())
	link    role.Link
	touchAt time.Time // when the topics of its fetches are marked as used again; the cluster actor's
	leaving bool      // it is being closed: no new calls; the cluster actor's
	over    bool
}

func (c *Client) spawnConnection(h *role.Handle, peer cluster.Node, purpose Purpose, lane uint64) *connection {
	w := h.World()
	k := &connection{client: c, peer: peer, purpose: purpose, lane: lane}
	id := c.cfg.ClientID
	k.core = conn.New(conn.Config{
		Host: peer.Host, Port: peer.Port, ClientID: &id, SetupTimeout: c.cfg.SetupTimeout, SetupMax: c.cfg.SetupMax, MaxIdle: c.cfg.MaxIdle, Window: c.cfg.MaxInFlight,
		BackoffFirst: c.cfg.ReconnectFirst, BackoffMax: c.cfg.ReconnectMax, LateFloor: c.cfg.LateAfter, ThrottleMax: c.cfg.RequestTimeout, Rand: w.Rand(),
		Versions: release(c.cfg.Release), Fallback: release(c.cfg.ReleaseFallback), Learnt: c.learnt.about(peer, w.Now()), Allowed: c.allowed.leads(peer), Openings: &c.openings,
	})
	k.self, k.stop = role.Spawn[conn.Message, conn.Effects](h, k.core, k.perform, (*conn.Effects).Reset, role.Options{
		Name:   fmt.Sprintf("connection %s (%s)", printable.Text(peer.Addr()), purpose),
		Failed: func(err error) { c.self.Tell(&connFailed{k, err}) },
	})
	return k
}

// perform carries out the effects in the order that Effects documents.
func (k *connection) perform(h *role.Handle, out *conn.Effects) {
	w := h.World()
	if out.CloseLink && k.link != nil {
		k.link.Close()
		k.link = nil
	}
	if out.Resolve {
		gen := out.Gen
		w.Network().Resolve(k.peer.Host, func(addrs []string, err error) {
			k.self.Tell(&conn.Resolved{Gen: gen, Addrs: addrs, Err: printable.Error(err)})
		})
	}
	if out.Dial != "" {
		k.link = w.Network().Dial(out.Dial, k.peer.Host, &sink{k.self, out.Gen})
	}
	if out.Raise {
		k.link.Raise()
	}
	for _, segments := range out.Send {
		k.link.Send(segments)
	}
	if d := out.Decode; d != nil {
		w.Offload(func() { k.self.Tell(d.Run()) })
	}
	if out.Consumed > 0 && k.link != nil {
		k.link.Consumed(out.Consumed)
	}
	for i := range out.Ends {
		k.end(&out.Ends[i])
	}
	for _, c := range out.Released {
		c.Owner.(*Route).release()
	}
	switch {
	case out.Down != nil:
		if out.DownPhase != "" {
			k.client.unreached(k.peer, phaseOf(out.DownPhase, out.Down), public(out.Down))
		}
		if errors.Is(out.Down, ErrNotAllowed) {
			k.client.barred([]cluster.Node{k.peer})
		}
		if !out.Unread || k.purpose != Fetch && k.purpose != Apart { // who fetches asks in another way, and nothing else is to change
			k.client.self.Tell(&down{k, out.Down})
		}
	case out.Up:
		k.client.reached(k.peer)
		k.client.remember(k.peer.ID, k.core.Versions())
		k.client.learnt.note(k.peer, k.core.Learnt())
		k.client.self.Tell(&up{k, k.core.Versions()})
	case out.Late:
		if k.core.State() < conn.Ready {
			k.client.awaits(k.peer, phaseOf(k.core.State().String(), nil), &reason{ErrTimeout, errSlow})
		}
		k.client.self.Tell(&late{k})
	}
	if out.Alive && k.client.suspected.Load() > 0 {
		k.client.self.Tell(&up{k: k})
	}
	if out.Throttle > 0 && k.client.hooks.Throttled != nil {
		peer, throttle := k.peer.ID, out.Throttle
		k.client.hook("Throttled", func() { k.client.hooks.Throttled(peer, throttle) })
	}
	if out.Finished && !k.over {
		k.over = true
		k.client.reached(k.peer)
		k.client.self.Tell(&connClosed{k})
	}
	if out.Left {
		k.client.self.Tell(&connLeft{k})
	}
}

// end answers the owner of a call.
func (k *connection) end(e *conn.End) {
	r := e.Call.Owner.(*Route)
	reply := Reply{Resp: e.Resp, Version: e.Version, Node: k.peer.ID, Frame: e.Frame}
	if e.Err != nil {
		err := &CallError{API: apiName(r), Version: e.Version, Node: k.peer.ID, Addr: k.peer.Addr(), Phase: phaseOf(e.Phase, e.Err), Sent: e.Sent, Elapsed: e.Elapsed, Err: public(e.Err)}
		err.Unmet = k.client.unmet(k.peer.ID, err.Phase)
		reply.Err = err
	}
	lack := k.lacks(r, reply)
	switch {
	case e.Err != nil && r.anywhere() && (!e.Sent || errors.Is(e.Err, conn.ErrElsewhere)):
		k.client.self.Tell(&elsewhere{k.peer.ID, r, reply, lack})
	case lack != nil:
		k.client.self.Tell(lack)
	default:
		r.answer(k.client.world, reply) // first: somebody may wait for it
	}
	if !r.own || r.Lane == 0 { // else it is a question of a survey, which nobody has counted
		k.client.self.Tell(&ended{k.peer.ID, r.coordinated})
	}
}

// phaseOf tells TLS from what it is a part of.
func phaseOf(phase string, err error) string {
	if errors.Is(err, ErrTLS) {
		return "tls"
	}
	return phase
}

// public gives the cores' reasons the names that users see.
func public(err error) error {
	for _, p := range [...]struct{ inner, outer error }{
		{conn.ErrMoved, ErrMoved}, {conn.ErrClosed, ErrClosed}, {conn.ErrGone, ErrGone},
	} {
		if err == p.inner {
			return p.outer
		}
	}
	switch {
	case errors.Is(err, conn.ErrThrottled):
		return &reason{ErrThrottled, &reason{ErrTimeout, err}}
	case errors.Is(err, conn.ErrTimeout):
		return &reason{ErrTimeout, err}
	case errors.Is(err, conn.ErrUnsupported):
		return &reason{ErrUnsupported, err}
	case errors.Is(err, conn.ErrUnread):
		return &reason{ErrUnread, err}
	}
	return err
}

// reason is an error that is also one of ours.
type reason struct{ is, err error }

func (r *reason) Error() string   { return r.err.Error() }
func (r *reason) Unwrap() []error { return []error{r.is, r.err} }

// sink turns the events of a link into messages of its generation.
type sink struct {
	to  role.Ref[conn.Message]
	gen uint64
}

func (s *sink) Opened() { s.to.Tell(&conn.Opened{Gen: s.gen}) }
func (s *sink) Received(frame []byte) {
	s.to.Assist(&conn.Received{Gen: s.gen, Frame: frame}) // who reads has nothing else to do
}
func (s *sink) Flushed()         { s.to.Tell(&conn.Flushed{Gen: s.gen}) }
func (s *sink) Broken(err error) { s.to.Tell(&conn.Broken{Gen: s.gen, Err: printable.Error(err)}) }

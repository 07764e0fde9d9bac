package broker

import (
	"sync/atomic"

	"github.com/kactor-go/kactor/protocol/cluster"
)

// Caller is a role as the cluster actor knows it: it watches, and has requests under way. When it has left and everything has come back, nobody tells it anything any
// more: it may be stopped.
type Caller struct {
	client *Client
	id     uint64
	open   atomic.Int64
	left   atomic.Bool // Leave was called
	gone   atomic.Bool
}

// Caller makes a caller. changed is told of snapshots: see Watch.
func (c *Client) Caller(changed func(*cluster.Snapshot)) *Caller {
	k := &Caller{client: c, id: NextWatch()}
	c.self.Tell(&Watch{ID: k.id, Changed: changed})
	return k
}

// Lane is a lane of connections of the caller's own: see Route.
func (k *Caller) Lane() uint64 { return k.id }

// Send sends a request to the cluster actor.
func (k *Caller) Send(r *Route) {
	reply := r.Reply
	r.caller = k
	k.Begin()
	r.Reply = func(p Reply) {
		reply(p)
		k.End()
	}
	if released := r.Released; released != nil {
		k.Begin()
		r.Released = func() {
			released()
			k.End()
		}
	}
	k.client.self.Tell(r)
}

// Begin says that something was begun with that will tell the role its end; End that it has.
func (k *Caller) Begin() { k.open.Add(1) }

// End is the other half of Begin.
func (k *Caller) End() { k.open.Add(-1) }

// Leave ends the watch, and the connections of the lane.
func (k *Caller) Leave() {
	k.left.Store(true)
	k.client.self.Tell(&Watch{ID: k.id, Gone: func() { k.gone.Store(true) }})
}

// Over says that nobody tells the role anything any more.
func (k *Caller) Over() bool { return k.gone.Load() && k.open.Load() == 0 }

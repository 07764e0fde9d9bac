package meta

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/printable"
)

// route finds the broker of a request, or parks it.
func (c *Core) route(now time.Time, r *Route, out *Effects) {
	if c.closed {
		out.Refuse = append(out.Refuse, Refusal{r.Owner, ErrClosed})
		return
	}
	if !c.place(now, r, out) {
		c.park(now, r, out)
	}
}

// place sends a request on if it is known where to.
func (c *Core) place(now time.Time, r *Route, out *Effects) bool {
	p := c.find(now, r.Target, r.Except)
	switch {
	case p == nil && r.Target.Kind == ToNode: // its owner chose the node, and has to choose again
		c.refresh.askNodes(c.soon(now))
		out.Refuse = append(out.Refuse, Refusal{r.Owner, c.why(r.Target)})
		return true
	case p == nil:
		return false
	case p.barred:
		out.Refuse = append(out.Refuse, Refusal{r.Owner, p.err})
		return true
	}
	p.placed++
	place := Place{Owner: r.Owner, Peer: p.Node}
	if r.Target.Kind == ToCoordinator {
		place.Call = c.begun(now, c.coordinator(r.Target.Key, r.Target.KeyType), p, r)
	}
	out.Place = append(out.Place, place)
	return true
}

// find gives the peer for a target, or nil if it is not known now. Where any will do those of not are the last to be taken.
func (c *Core) find(now time.Time, t Target, not []int32) *peer {
	switch t.Kind {
	case ToController:
		if c.snap.Controller >= 0 {
			return c.peer(c.snap.Controller)
		}
		return nil
	case ToNode:
		return c.peer(t.Node)
	case ToLeader:
		if node, _ := c.snap.Leader(t.Topic, t.Partition); node >= 0 {
			return c.peer(node)
		}
		return nil
	case ToCoordinator:
		if k := c.coordinator(t.Key, t.KeyType); k != nil && k.node >= 0 {
			return c.peer(k.node)
		}
		return nil
	}
	return c.anyPeer(now, not)
}

// park lets a request wait, and asks then for what it needs; for a topic that nobody has asked for, and a coordinator, at once.
func (c *Core) park(now time.Time, r *Route, out *Effects) {
	c.parkedDue = earlier(c.parkedDue, r.Deadline)
	switch r.Target.Kind {
	case ToCoordinator:
		c.parkKey(now, r)
		return
	case ToLeader:
		i, fresh := c.want(now, r.Target.Topic)
		if i.bad {
			out.Refuse = append(out.Refuse, Refusal{r.Owner, protocol.InvalidTopicException})
			return
		}
		at := now
		if !fresh {
			at = c.soon(now)
		}
		c.share(at, i)
	default:
		if m := &c.refresh; !m.inFlight {
			m.askNodes(c.again(c.soon(now), &m.waits, m.told, m.last))
		}
	}
	c.parked = append(c.parked, r)
}

// unpark tries the parked requests again.
func (c *Core) unpark(now time.Time, out *Effects) {
	parked := c.parked
	c.parked = nil
	for _, r := range parked {
		if !c.place(now, r, out) {
			c.park(now, r, out)
		}
	}
}

// expire refuses the parked requests whose time is over.
func (c *Core) expire(now time.Time, out *Effects) {
	if c.parkedDue.IsZero() || now.Before(c.parkedDue) {
		return
	}
	c.parkedDue = time.Time{}
	over := func(r *Route) bool {
		if now.Before(r.Deadline) {
			c.parkedDue = earlier(c.parkedDue, r.Deadline)
			return false
		}
		out.Refuse = append(out.Refuse, Refusal{r.Owner, c.why(r.Target)})
		return true
	}
	c.parked = slices.DeleteFunc(c.parked, over)
	for _, k := range c.coords {
		k.parked = slices.DeleteFunc(k.parked, over)
	}
}

// mostNamed is how many of the brokers that cannot be reached are named.
const mostNamed = 10

// why says why a request could not be placed.
func (c *Core) why(t Target) error {
	var reach error
	named := 0
	for _, p := range c.peers {
		if err := cmp.Or(p.err, p.unfit); err != nil {
			if named++; named <= mostNamed {
				reach = errors.Join(reach, fmt.Errorf("%s: %w", printable.Text(p.Addr()), err))
			}
		}
	}
	if named > mostNamed {
		reach = errors.Join(reach, fmt.Errorf("and %d more addresses", named-mostNamed))
	}
	switch t.Kind {
	case ToLeader:
		if topic := c.snap.Topic(t.Topic); topic != nil {
			if topic.Err != protocol.None {
				return fmt.Errorf("%w: %s/%d: %w", ErrNoLeader, printable.Text(t.Topic), t.Partition, topic.Err)
			}
			return fmt.Errorf("%w: %s/%d of %d partitions", ErrNoLeader, printable.Text(t.Topic), t.Partition, len(topic.Partitions))
		}
		return errors.Join(fmt.Errorf("%w: %s is not known", ErrNoLeader, printable.Text(t.Topic)), reach)
	case ToNode:
		return fmt.Errorf("%w: node %d is not in the cluster", ErrNoBroker, t.Node)
	case ToCoordinator:
		if k := c.coordinator(t.Key, t.KeyType); k != nil && k.err != nil {
			return fmt.Errorf("no coordinator for \"%s\": %w", printable.Text(t.Key), k.err)
		}
	}
	if reach == nil {
		return ErrNoBroker
	}
	return fmt.Errorf("%w: %w", ErrNoBroker, reach)
}

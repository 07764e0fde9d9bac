package meta

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/trouble"
)

type coordKey struct {
	key     string
	keyType int8
}

// coordinator is what is known of the coordinator of a group, a transactional id or a share partition.
type coordinator struct {
	coordKey
	node   int32 // cluster.NoNode: not known
	was    int32 // the last that was known
	parked []*Route
	placed int       // requests that it has not answered
	held   int       // of these, such as it may hold back
	used   time.Time // when a request went to it last

	asked bool  // a request is in flight
	peer  int32 // at this broker, or it was the last
	ask   uint64
	patience
	failures int
	pace     trouble.Pace // of questions whose answers did not last
	askedAt  time.Time    // when it was asked last
	foundAt  time.Time    // when somebody was named last
	askAt    time.Time    // when to ask next, if there is a reason
	err      error
}

// heldLook is how often it is looked whether a coordinator that holds requests back is one still: of one that stands still then nothing is late.
const heldLook = 2 * time.Second

func (c *Core) coordinator(key string, keyType int8) *coordinator {
	return c.coord[coordKey{key, keyType}]
}

// coordAt lets the coordinators be looked at then.
func (c *Core) coordAt(t time.Time) { c.coordDue = earlier(c.coordDue, t) }

// parkKey lets a request wait until its coordinator is known.
func (c *Core) parkKey(now time.Time, r *Route) {
	key := coordKey{r.Target.Key, r.Target.KeyType}
	k := c.coord[key]
	if k == nil {
		k = &coordinator{coordKey: key, node: cluster.NoNode, was: cluster.NoNode, peer: nobody}
		c.coord[key] = k
		c.coords = append(c.coords, k)
	}
	k.node = cluster.NoNode
	k.parked = append(k.parked, r)
	k.used = now
	c.coordAt(now)
}

// begun counts a request that goes to the coordinator.
func (c *Core) begun(now time.Time, k *coordinator, p *peer, r *Route) *Coordinated {
	call := &Coordinated{Key: k.key, KeyType: k.keyType, Held: r.Wait > 0}
	k.placed++
	k.used = now
	if call.Held {
		if k.held++; k.held == 1 {
			k.askAt = now.Add(heldLook)
			c.coordAt(k.askAt)
		}
	}
	if p.suspect {
		c.doubt(now, k)
	}
	return call
}

// coordinated counts the end of a request that went to a coordinator.
func (c *Core) coordinated(now time.Time, m *Coordinated) {
	if m == nil {
		return
	}
	if k := c.coordinator(m.Key, m.KeyType); k != nil {
		k.placed--
		k.used = now
		if m.Held {
			k.held--
		}
	}
}

func (c *Core) forget(now time.Time, key string, keyType int8) {
	if k := c.coordinator(key, keyType); k != nil {
		c.lose(now, k)
	}
}

// lose notes that the coordinator is none, or away. If it has not been one for long the answer that named it was worth nothing.
func (c *Core) lose(now time.Time, k *coordinator) {
	if k.node == cluster.NoNode {
		return
	}
	k.node = cluster.NoNode
	if now.Sub(k.foundAt) > c.cfg.BackoffMax {
		k.pace.Forward()
	} else {
		k.pace.Vain(k.askedAt, c.retry())
	}
}

// retry is how those who get no further wait longer and longer.
func (c *Core) retry() trouble.Backoff {
	return trouble.Backoff{First: c.cfg.BackoffFirst, Max: c.cfg.BackoffMax}
}

// doubt asks whether somebody else coordinates now, because the coordinator does not answer (rule R1).
func (c *Core) doubt(now time.Time, k *coordinator) {
	if k.failures == 0 {
		k.askAt = now
	}
	c.coordAt(k.askAt)
}

// reason tells whether there is one to ask for a coordinator, and how soon again.
func (c *Core) reason(k *coordinator) (again time.Duration, ok bool) {
	p := c.peer(k.node)
	switch {
	case len(k.parked) > 0:
		return 0, true
	case k.placed > 0 && k.node >= 0 && (p == nil || p.suspect):
		return c.cfg.BackoffMax / 4, true
	case k.held > 0 && k.node >= 0:
		return heldLook, true
	}
	return 0, false
}

func (c *Core) driveCoordinators(now time.Time, out *Effects) {
	if c.coordDue.IsZero() || now.Before(c.coordDue) {
		return
	}
	c.coordDue = time.Time{}
	for _, k := range c.coords {
		if k.asked && k.over(now) {
			k.asked = false
		}
		if k.asked {
			if !k.until.IsZero() {
				c.coordAt(k.until)
			}
			continue
		}
		if _, ok := c.reason(k); !ok {
			continue
		}
		if now.Before(k.askAt) {
			c.coordAt(k.askAt)
			continue
		}
		if until, waits := k.pace.Waits(now); waits {
			c.coordAt(until)
			continue
		}
		p := c.otherPeer(now, &k.patience, false, k.peer, k.was)
		if p == nil {
			k.askAt = now.Add(c.cfg.BackoffFirst)
			c.coordAt(k.askAt)
			continue
		}
		k.asked, k.peer, k.askedAt = true, p.ID, now
		k.ask++
		c.question(p)
		c.wait(now, &k.patience, 1)
		if !k.until.IsZero() {
			c.coordAt(k.until)
		}
		out.Ask = append(out.Ask, AskCoordinator{k.ask, p.Node, k.key, k.keyType})
	}
}

// found takes the answer to FindCoordinator.
func (c *Core) found(now time.Time, m *Coordinator, out *Effects) {
	k := c.coordinator(m.Key, m.KeyType)
	if k == nil || c.closed || !k.asked || m.Ask != k.ask {
		return
	}
	k.asked, k.patience = false, patience{}
	c.coordAt(now)
	err := m.Err
	var node cluster.Node
	if err == nil {
		node, err = coordinatorOf(m)
	}
	if err == nil && c.peer(node.ID) == nil && !reachable(node.ID, node.Host, node.Port) {
		err = protocol.CoordinatorNotAvailable
	}
	if err != nil {
		k.failures++
		k.err = err
		k.askAt = now.Add(c.backoff(k.failures))
		if code, ok := err.(protocol.Code); m.Final || ok && !code.Retriable() {
			c.refuseKey(k, err, out)
		}
		return
	}
	k.failures, k.err = 0, nil
	if p := c.peer(node.ID); p != nil && p.suspect && k.node >= 0 && k.node != node.ID { // who says so has not heard of it yet
		k.askAt = now.Add(c.cfg.BackoffMax / 4)
		return
	}
	if p := c.peer(node.ID); p == nil {
		c.meet(c.advertised(node, out))
	} else if p.Host != node.Host || p.Port != node.Port { // it has moved, or one of the two was told wrong
		c.refresh.want(c.soon(now))
	}
	k.node, k.foundAt = node.ID, now
	if k.was != node.ID {
		if k.was >= 0 {
			out.Moved = append(out.Moved, k.was)
		}
		k.was = node.ID
		out.Found = append(out.Found, Found{k.key, k.keyType, node.ID})
	}
	parked := k.parked
	k.parked = nil
	for _, r := range parked {
		c.route(now, r, out)
	}
	again, _ := c.reason(k)
	k.askAt = now.Add(again)
}

// refuseKey ends the requests that wait for a coordinator there will not be.
func (c *Core) refuseKey(k *coordinator, err error, out *Effects) {
	for _, r := range k.parked {
		out.Refuse = append(out.Refuse, Refusal{r.Owner, err})
	}
	k.parked = nil
}

// forgetCoordinators ends the interest in coordinators that nobody has asked anything for long.
func (c *Core) forgetCoordinators(now time.Time, out *Effects) {
	c.coords = slices.DeleteFunc(c.coords, func(k *coordinator) bool {
		if len(k.parked) > 0 || k.placed > 0 || now.Sub(k.used) < c.cfg.MaxAge {
			return false
		}
		delete(c.coord, k.coordKey)
		out.Found = append(out.Found, Found{k.key, k.keyType, cluster.NoNode})
		return true
	})
}

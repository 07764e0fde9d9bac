package meta

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
)

// coordinator is what is known of the coordinator of a group, a transactional id or a share partition.
type coordinator struct {
	key     string
	keyType int8
	node    int32 // cluster.NoNode: not known
	wanted  bool  // somebody waits for it
	asked   bool  // a request is in flight
	peer    int32 // at this broker
	ask     uint64
	patience
	failures int
	retryAt  time.Time
	err      error
}

func (c *Core) coordinator(key string, keyType int8) *coordinator {
	for i := range c.coord {
		if c.coord[i].key == key && c.coord[i].keyType == keyType {
			return &c.coord[i]
		}
	}
	return nil
}

func (c *Core) lookUp(key string, keyType int8) {
	k := c.coordinator(key, keyType)
	if k == nil {
		c.coord = append(c.coord, coordinator{key: key, keyType: keyType, node: cluster.NoNode})
		k = &c.coord[len(c.coord)-1]
	}
	k.wanted, k.node = true, cluster.NoNode
}

func (c *Core) forget(key string, keyType int8) {
	if k := c.coordinator(key, keyType); k != nil {
		k.node = cluster.NoNode
	}
}

func (c *Core) driveCoordinators(now time.Time, out *Effects) {
	for i := range c.coord {
		k := &c.coord[i]
		if k.asked && k.over(now) {
			k.asked = false
		}
		if !k.wanted || k.asked || now.Before(k.retryAt) {
			continue
		}
		p := c.otherPeer(now, &k.patience, k.peer, nobody)
		if p == nil {
			k.retryAt = now.Add(c.cfg.BackoffFirst)
			continue
		}
		k.asked, k.peer = true, p.ID
		k.ask++
		p.placed++
		c.wait(now, &k.patience)
		out.Ask = append(out.Ask, AskCoordinator{k.ask, p.Node, k.key, k.keyType})
	}
}

// found takes the answer to FindCoordinator: one coordinator up to version 3, a list from version 4 on (KIP-699).
func (c *Core) found(now time.Time, m *Coordinator, out *Effects) {
	k := c.coordinator(m.Key, m.KeyType)
	if k == nil || c.closed || !k.asked || m.Ask != k.ask {
		return
	}
	k.asked, k.patience = false, patience{}
	err := m.Err
	var node cluster.Node
	if err == nil {
		r := m.Resp
		code := r.ErrorCode
		node = cluster.Node{ID: r.NodeID, Host: r.Host, Port: r.Port}
		if m.Version >= 4 {
			code = int16(protocol.CoordinatorNotAvailable)
			for i := range r.Coordinators {
				if a := &r.Coordinators[i]; a.Key == m.Key {
					code = a.ErrorCode
					node = cluster.Node{ID: a.NodeID, Host: a.Host, Port: a.Port}
				}
			}
		}
		err = protocol.Code(code).Err()
	}
	if err != nil {
		k.failures++
		k.err = err
		k.retryAt = now.Add(min(c.cfg.BackoffFirst<<min(k.failures-1, 10), c.cfg.BackoffMax))
		if code, ok := err.(protocol.Code); ok && !code.Retriable() {
			c.refuseKey(k, err, out)
		}
		return
	}
	k.failures, k.err, k.wanted, k.node = 0, nil, false, node.ID
	if c.peer(node.ID) == nil {
		c.peers = append(c.peers, &peer{Node: node})
	}
	c.unpark(now, out)
}

// refuseKey ends the requests that wait for a coordinator there will not be.
func (c *Core) refuseKey(k *coordinator, err error, out *Effects) {
	k.wanted = false
	c.parked = slices.DeleteFunc(c.parked, func(r *Route) bool {
		if r.Target.Kind != ToCoordinator || r.Target.Key != k.key || r.Target.KeyType != k.keyType {
			return false
		}
		out.Refuse = append(out.Refuse, Refusal{r.Owner, err})
		return true
	})
}

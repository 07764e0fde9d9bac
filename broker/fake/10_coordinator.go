package fake

import (
	"hash/fnv"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// coordinatorOf gives the broker that coordinates a key: always the same, as long as it runs. One that was away is not it again.
func (c *Cluster) coordinatorOf(key string) *node {
	if n := c.node(c.moved[key]); n != nil && !n.down && !n.fenced {
		return n
	}
	h := fnv.New32a()
	h.Write([]byte(key))
	at := int(h.Sum32() % uint32(len(c.nodes)))
	for i := range c.nodes {
		if n := c.nodes[(at+i)%len(c.nodes)]; !n.down && !n.fenced {
			c.moved[key] = n.id
			return n
		}
	}
	return nil
}

// writes tells whether the coordinator of a key can write: it is not paused, and not cut off from the others.
func (c *Cluster) writes(key string) bool {
	n := c.coordinatorOf(key)
	return n != nil && !n.paused && n.alone == nil
}

// named gives the broker that n says coordinates a key: the leader of a partition of the offsets topic, so what n has heard of last (KafkaApis.getCoordinator looks into its metadata cache).
func (c *Cluster) named(n *node, key string) *node {
	if id, ok := n.named[key]; ok {
		return c.node(id)
	}
	return c.coordinatorOf(key)
}

// keyOfTransaction is the kind of the keys that are transactional ids; others are groups.
const keyOfTransaction = 1

func (c *Cluster) findCoordinator(q *call) {
	req := q.Req.(*msg.FindCoordinatorRequest)
	resp := &msg.FindCoordinatorResponse{}
	injected := c.injected(q.Key)
	keys := req.CoordinatorKeys
	if q.Version < 4 {
		keys = []string{req.Key}
	}
	for _, key := range keys {
		name := key
		if req.KeyType == keyOfTransaction {
			name = transactionKey(key)
		}
		r := msg.FindCoordinatorResponseCoordinator{Key: key, NodeID: -1, Port: -1, ErrorCode: int16(injected)}
		if req.KeyType < 0 || req.KeyType > keyOfTransaction {
			r.ErrorCode = int16(protocol.InvalidRequest)
		} else if n := c.named(q.conn.node, name); injected == protocol.None && n != nil {
			r.NodeID = n.id
			r.Host, r.Port = c.cfg.Host(n.id)
		} else if injected == protocol.None {
			r.ErrorCode = int16(protocol.CoordinatorNotAvailable)
		}
		if q.Version < 4 {
			resp.ErrorCode, resp.NodeID, resp.Host, resp.Port = r.ErrorCode, r.NodeID, r.Host, r.Port
		} else {
			resp.Coordinators = append(resp.Coordinators, r)
		}
	}
	c.reply(q, resp)
}

// coordinates tells whether the broker of the request is the group's coordinator.
func (c *Cluster) coordinates(q *call, group string) protocol.Code {
	if n := c.coordinatorOf(group); n == nil || n.id != q.Node {
		return protocol.NotCoordinator
	}
	return protocol.None
}

package broker

import (
	"maps"
	"sync"
	"time"

	"github.com/kactor-go/kactor/broker/internal/conn"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
)

// Versions are the versions that a node speaks; ok is false before a connection to it was made.
func (c *Client) Versions(node int32) (r protocol.Ranges, ok bool) {
	r, ok = (*c.versions.Load())[node]
	return r, ok
}

func (c *Client) remember(node int32, r protocol.Ranges) {
	c.amend(func(versions map[int32]protocol.Ranges) { versions[node] = r })
}

// forget forgets the versions of nodes that are not in the cluster any more: where brokers get new ids the list would grow for ever.
func (c *Client) forget(node int32) {
	if _, known := c.Versions(node); known && !c.core.Knows(node) {
		c.amend(func(versions map[int32]protocol.Ranges) { delete(versions, node) })
	}
}

// amend changes the versions: connections do so at the same time.
func (c *Client) amend(change func(map[int32]protocol.Ranges)) {
	for {
		old := c.versions.Load()
		next := maps.Clone(*old)
		change(next)
		if c.versions.CompareAndSwap(old, &next) {
			return
		}
	}
}

// learnt is how brokers want to be asked for their versions, by address: what one connection has found out the next one need not.
type learnt struct {
	sync.Mutex
	of map[string]conn.Learnt
}

// note notes what a connection has found out.
func (l *learnt) note(peer cluster.Node, what conn.Learnt) {
	l.Lock()
	defer l.Unlock()
	if what.Until.IsZero() {
		delete(l.of, peer.Addr())
		return
	}
	if l.of == nil {
		l.of = map[string]conn.Learnt{}
	}
	l.of[peer.Addr()] = what
}

// about gives what is known of an address, and forgets what is too old.
func (l *learnt) about(peer cluster.Node, now time.Time) conn.Learnt {
	l.Lock()
	defer l.Unlock()
	for addr, what := range l.of {
		if !now.Before(what.Until) {
			delete(l.of, addr)
		}
	}
	return l.of[peer.Addr()]
}

// release gives the versions of a release; none, if it has no name.
func release(name string) protocol.Ranges {
	if name == "" {
		return protocol.Ranges{}
	}
	r, _ := protocol.Release(name) // Validate has seen it
	return r
}

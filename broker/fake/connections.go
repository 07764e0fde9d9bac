package fake

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// number gives a configuration of a broker that is a number, as it is now.
func (c *Cluster) number(n *node, name string, usually int64) int64 {
	values := c.chainOfBroker([]string{name}, n.id)
	if len(values) == 0 {
		return usually
	}
	v, err := strconv.ParseInt(strings.TrimSpace(values[0].value), 10, 64)
	if err != nil {
		return usually
	}
	return v
}

// admitConns lets connections be served that had to wait, as far as max.connections goes. As in Kafka the system takes those behind that (SocketServer's acceptor waits), and what they send lies there until others end.
func (c *Cluster) admitConns(n *node) {
	if n.waiting == 0 || n.down {
		return
	}
	most := c.number(n, "max.connections", math.MaxInt32)
	for _, k := range c.connsOf(n) {
		if k.waits && int64(n.served) < most {
			k.waits = false
			n.waiting--
			n.served++
			c.schedule(&delayed{at: c.now, conn: k.id})
		}
	}
}

// forgetConn takes a connection away, so that another may be served in its place.
func (c *Cluster) forgetConn(k *conn) {
	if c.conns[k.id] != k {
		return
	}
	delete(c.conns, k.id)
	if k.waits {
		k.node.waiting--
	} else {
		k.node.served--
	}
	c.admitConns(k.node)
}

// maxIdle is after what time a connection is closed that nothing is sent on, either way; 0: never.
func (c *Cluster) maxIdle() time.Duration {
	v, said := c.static["connections.max.idle.ms"]
	ms, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
	if !said || err != nil || ms < 0 || ms > math.MaxInt64/int64(time.Millisecond) {
		return 0
	}
	return max(time.Duration(ms)*time.Millisecond, time.Millisecond)
}

// closeIdle closes connections on which nothing was sent for too long, whether a request is under way or not (Selector.maybeCloseOldestConnection; seen on 4.3.0, where it ends a fetch that waits).
func (c *Cluster) closeIdle() {
	if c.idleAfter == 0 {
		return
	}
	var late []*conn
	for _, k := range c.conns {
		switch {
		case k.waits || k.node.paused:
		case k.last.IsZero():
			k.last = c.now
		case c.now.Sub(k.last) >= c.idleAfter:
			late = append(late, k)
		}
	}
	slices.SortFunc(late, func(a, b *conn) int { return int(a.id) - int(b.id) })
	for _, k := range late {
		c.hangUp(k)
	}
}

// nextIdle is when closeIdle is wanted.
func (c *Cluster) nextIdle(add func(time.Time)) {
	if c.idleAfter == 0 {
		return
	}
	for _, k := range c.conns {
		switch {
		case k.waits || k.node.paused:
		case k.last.IsZero():
			add(c.now.Add(time.Millisecond))
		default:
			add(k.last.Add(c.idleAfter))
		}
	}
}

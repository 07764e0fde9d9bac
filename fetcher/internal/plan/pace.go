package plan

import (
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/trouble"
)

// Who gets no further does not hurry: a broker that answers at once and brings nothing, whatever it says, is asked ever more rarely, and so is a partition that gets nowhere, so that it does not hold up the others. What is read counts,
// and not what has come: it may be damaged.

// calmly is how long a broker must have waited for records at least for its answer to be as good as some: who asks four times for each such wait, as may be before it is held back, is no storm.
const calmly = 200 * time.Millisecond

// longest is how often the wait of a brief fetch is doubled at most.
const longest = 10

// waited tells whether a broker has waited for records for most of the time that it was given.
func (r *Request) waited(now time.Time) bool { return now.Sub(r.asked) >= r.Wait/4*3 && r.Wait > 0 }

// calm tells whether an answer has let its time pass.
func (r *Request) calm(now time.Time) bool { return now.Sub(r.asked) >= calmly }

func (c *Core) backoff() trouble.Backoff {
	return trouble.Backoff{First: c.cfg.BackoffFirst, Max: c.cfg.BackoffMax}
}

// rest is the backoff of a broker's fetches. What is not asked for cannot come: it is no longer than the wait for records.
func (c *Core) rest() trouble.Backoff {
	b := c.backoff()
	b.Max = min(b.Max, max(c.cfg.MaxWait, b.First))
	return b
}

// weigh notes what a broker's answer is worth: well says that it is none of an error, brought how many partitions have got records, poor how many have got nothing but trouble.
func (c *Core) weigh(now time.Time, l *line, r *Request, well bool, brought, poor int) {
	pace := &l.fetches
	switch {
	case r.Apart:
		pace = &l.aparts
	case r.Aside:
		pace = &l.asides
	}
	if brought > 0 {
		l.idle = 0
	}
	switch {
	case well && r.calm(now):
		pace.Forward()
	case well && (brought > 0 || r.waited(now) || !r.inTurn() && poor == 0): // what has come is yet to be read
	default:
		pace.Vain(r.asked, c.rest())
	}
}

// fruitful notes that what had come was read, and the position is behind it.
func (c *Core) fruitful(p *part) {
	p.vains = 0
	p.pace.Forward()
	if p.home != nil {
		p.home.fetches.Forward()
		p.home.asides.Forward()
	}
	if p.trouble.Damaged() {
		p.trouble.Over()
	}
}

// futile notes that what had come was read, and the position is where it was.
func (c *Core) futile(p *part) {
	p.pace.Vain(p.since, c.backoff())
	if p.home != nil {
		p.home.fetches.Vain(p.since, c.rest())
		p.home.asides.Vain(p.since, c.rest())
	}
}

// hampered tells whether a partition is in trouble: it waits where those that are not do not wait.
func (p *part) hampered() bool { return p.trouble.Fails > 0 || p.vains > 0 }

// node gives a broker that an answer names; nil if it does not.
func (m *Fetched) node(id int32) *cluster.Node {
	if m.nodes == nil {
		m.nodes = make(map[int32]*cluster.Node, len(m.Resp.NodeEndpoints))
		for _, n := range m.Resp.NodeEndpoints {
			node := &cluster.Node{ID: n.NodeID, Host: n.Host, Port: n.Port}
			if n.Rack != nil {
				node.Rack = *n.Rack
			}
			m.nodes[n.NodeID] = node
		}
	}
	return m.nodes[id]
}

package plan

import (
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
)

// A leader that is cut off from the other brokers, but not from its clients, answers as before and brings nothing any more; only another broker can tell that there is a new leader. So another one is asked when a
// broker has brought nothing for much longer than it does mostly, and again after ever longer times.
const (
	unusual    = 4               // times what lies between two answers with records mostly
	leastQuiet = 2 * time.Second // before anybody is asked
	mostQuiet  = 5 * time.Minute // metadata is asked for as often anyway
	growth     = 1.5
)

// silence is how long a broker has brought nothing.
type silence struct {
	since time.Time     // it brought something, or was asked for the first time
	gap   time.Duration // between two answers with records, mostly
	quiet time.Duration // to wait for the next question, from the last
	askAt time.Time     // zero: it is asked for nothing
}

// begin is called when a fetch is sent.
func (s *silence) begin(now time.Time) {
	if s.askAt.IsZero() {
		s.since = now
		s.rest(now)
	}
}

// broken is called with an answer that brought something.
func (s *silence) broken(now time.Time) {
	s.gap += (now.Sub(s.since) - s.gap) / 8
	s.since = now
	s.rest(now)
}

func (s *silence) rest(now time.Time) {
	s.quiet = min(max(unusual*s.gap, leastQuiet), mostQuiet)
	s.askAt = now.Add(s.quiet)
}

// Doubt asks for metadata of topics, but not Node: it may not lead them any more, and not know.
type Doubt struct {
	Node   int32
	Topics []string
}

// driveSilence asks about brokers that bring nothing.
func (c *Core) driveSilence(now time.Time, out *Effects) {
	for _, l := range c.lines {
		s := &l.silence
		switch {
		case !l.flight:
			s.askAt = time.Time{}
			continue
		case !now.Before(s.askAt):
			out.Doubts = append(out.Doubts, c.doubt(l))
			s.quiet = min(time.Duration(growth*float64(s.quiet)), mostQuiet)
			s.askAt = now.Add(s.quiet)
		}
		c.at(s.askAt)
	}
}

// doubt asks about all that is fetched from a broker. Replicas that are read from because they are near are left: their leader knows whether they are in sync.
func (c *Core) doubt(l *line) Doubt {
	d := Doubt{Node: l.node}
	for _, p := range c.parts {
		if p.home != l {
			continue
		}
		if p.replica == l.node {
			p.replica = cluster.NoNode
			c.stamp++ // it is not asked again
		}
		if n := len(d.Topics); n == 0 || d.Topics[n-1] != p.Topic { // partitions are in order of their topics
			d.Topics = append(d.Topics, p.Topic)
		}
	}
	return d
}

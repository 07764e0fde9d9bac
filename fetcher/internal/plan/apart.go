package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/fetcher/internal/session"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/trouble"
)

// An answer that cannot be read is lost with all that is in it, and so is the next that is asked for in the same way: brokers give a whole batch, however large and whatever was asked for. So who was asked for together is asked
// for in halves from then on, until each has come, or is alone and known to be what cannot be read.
//
//	together --an answer cannot be read--> apart, in halves --again--> in quarters ... --again--> alone: told
//	   ^                                          |                                                |
//	   +------- something came, or to none -------+------------------------------------------------+
//
// The others are not held up: what is asked for apart has a connection of its own, which such an answer ends, is not waited for, and has its own pace.

// apart are partitions that are asked for with no others.
type apart struct{ turn uint64 } // when they were asked for last

// unread says that what is next in a partition cannot be read.
type unread struct{ err error }

func (u *unread) Error() string {
	return fmt.Sprintf("the answer with what is there cannot be read, although nothing else was asked for: %v", u.err)
}

func (u *unread) Unwrap() error { return u.err }

// split sets the partitions of an answer that could not be read apart, in halves. One alone is what cannot be read.
func (c *Core) split(now time.Time, r *Request, err error, out *Effects) {
	parts := slices.DeleteFunc(slices.Clone(r.parts), func(p *part) bool { return p.flight != r.flight || p.state != Fetching })
	if len(parts) == 1 {
		p := parts[0]
		p.apart, p.replica = &apart{c.turn}, cluster.NoNode
		c.troubled(now, p, trouble.Twice, &unread{err}, out)
		p.pace.Vain(r.asked, c.backoff())
		return
	}
	for _, half := range [][]*part{parts[:len(parts)/2], parts[len(parts)/2:]} {
		a := &apart{c.turn} // behind those that were not asked yet
		for _, p := range half {
			p.apart = a
		}
	}
}

// together has those asked for with all others again whose answer could be read and had records for none of them. Where it had some, the others were left out perhaps: brokers give a batch that is too large only as the first.
func (r *Request) together(brought int) {
	if r.Apart && brought == 0 {
		for _, p := range r.parts {
			p.apart = nil
		}
	}
}

// driveApart asks for those of parts that are next to be asked for apart.
func (c *Core) driveApart(now time.Time, l *line, parts []*part, brokers int, out *Effects) {
	if l.apart {
		return
	}
	at := l.retryAt
	if until, waits := l.aparts.Waits(now); waits && until.After(at) {
		at = until
	}
	if now.Before(at) {
		c.at(at)
		return
	}
	first := slices.MinFunc(parts, func(a, b *part) int { return cmp.Compare(a.apart.turn, b.apart.turn) }).apart
	r := c.request(now, l, slices.DeleteFunc(parts, func(p *part) bool { return p.apart != first }), brokers, out)
	if r == nil {
		return
	}
	c.turn++
	first.turn = c.turn
	r.Apart, r.Wait, r.Ask = true, 0, session.Ask{Epoch: -1, Send: r.Wants}
	l.apart = true
	out.Fetch = append(out.Fetch, r)
}

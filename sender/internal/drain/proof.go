package drain

import (
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// With acks=all a leader answers a request when the followers of all its partitions have what it brings, and takes no other request of the connection before. When brokers have changed places, some followers ask their new leader
// before it knows that it is one, and ask again a second later (replica.fetch.backoff.ms): what is replicated long since would wait for them. So a leader that has not acknowledged anything of a partition yet is given little
// time, and says then what is replicated (REQUEST_TIMED_OUT of the rest). The rest is sent again, which a broker recognizes when the producer is idempotent.
const (
	proofTime = 500 * time.Millisecond // instead of request.timeout.ms
	proofs    = 4                      // so many times at most, until there is something else wrong
)

// unproven notes that a partition has a new leader.
func (p *part) unproven() { p.proofs = proofs }

// prove gives a leader little time for a request that has a batch of p, if a broker recognizes a repetition of it: by its number.
func (c *Core) prove(p *part, b *batch.Batch, r *Request) {
	if p.proofs > 0 && b.Numbered {
		r.Timeout = min(r.Timeout, proofTime)
	}
}

// brief tells whether a request gave its leader little time.
func (c *Core) brief(r *Request) bool { return r.Timeout < c.cfg.RequestTimeout }

// unproved puts a batch back whose followers have not come within that time. That is no failure, and no retry: it goes again at once.
func (c *Core) unproved(now time.Time, r *Request, b *batch.Batch, out *Effects) {
	b.Spared++
	b.LastErr = protocol.RequestTimedOut
	if p := of(b); p.proofs > 0 {
		p.proofs--
	}
	doubted(r, b, protocol.RequestTimedOut, out)
	c.again(now, b, atOnce, out)
}

package drain

import (
	"fmt"
	"math"
	"time"

	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// identity is the producer id (KIP-98).
type identity struct {
	known    bool
	asked    bool
	id       int64
	epoch    int16
	failures int
	retryAt  time.Time
}

// sequence is where a partition is: its next sequence, under an epoch of its own. A partition whose log has lost something begins anew in the next epoch;
// the others go on in theirs, because what they have under way must keep its numbers to be recognized.
type sequence struct {
	topic wire.UUID // of the topic when numbering began: created again it is another, and begins anew
	set   bool
	id    int64
	epoch int16
	next  int32
	renew bool   // begin the next epoch as soon as nothing is in flight
	last  uint64 // serial of the latest batch of this epoch that is in the log
}

// confirm notes that a batch is in the log.
func (s *sequence) confirm(b *batch.Batch) {
	if b.Numbered && b.ProducerID == s.id && b.Epoch == s.epoch {
		s.last = max(s.last, b.Serial)
	}
}

// confirmed tells whether a batch must be in the log: brokers take a batch only behind the one before it.
func (s *sequence) confirmed(b *batch.Batch) bool {
	return b.Numbered && b.ProducerID == s.id && b.Epoch == s.epoch && b.Serial < s.last
}

func (c *Core) driveIdentity(now time.Time, out *Effects) {
	i := &c.ident
	if i.asked {
		return
	}
	if now.Before(i.retryAt) {
		c.at(i.retryAt)
		return
	}
	i.asked = true
	out.AskIdentity = true
}

func (c *Core) identity(now time.Time, m *Identity, out *Effects) {
	i := &c.ident
	i.asked = false
	switch {
	case m.Unsupported: // brokers before 0.11 have no ids: at least once is what they can do
		c.cfg.Idempotent = false
	case m.Err == nil:
		i.known, i.id, i.epoch, i.failures = true, m.ID, m.Epoch, 0
	case retriable(m.Err):
		i.failures++
		i.retryAt = now.Add(min(c.cfg.BackoffFirst<<min(i.failures-1, 10), c.cfg.BackoffMax))
		for _, p := range c.parts {
			if len(p.queue) > 0 {
				p.queue[0].LastErr = m.Err
			}
		}
	default:
		for _, p := range c.parts {
			queue := p.queue
			p.queue = nil
			for _, b := range queue {
				c.settle(b, -1, -1, fmt.Errorf("no producer id: %w", m.Err), out)
			}
		}
	}
}

// numberable tells whether the next batch of a partition can have its number, and begins a new epoch where one is due.
func (c *Core) numberable(p *part) bool {
	s := &p.seq
	if s.renew {
		if len(p.flight) > 0 {
			return false
		}
		c.renew(p)
		return c.ident.known
	}
	if id := c.topicID(p); s.set && id != s.topic && id != (wire.UUID{}) && s.topic != (wire.UUID{}) {
		if len(p.flight) > 0 {
			return false
		}
		c.renew(p) // the topic was created again: its log knows nothing of this producer
	}
	return c.ident.known
}

func (c *Core) topicID(p *part) wire.UUID {
	if t := c.snap.Topic(p.to.Topic); t != nil {
		return t.ID
	}
	return wire.UUID{}
}

// renew lets a partition begin at 0 in the next epoch, as KIP-360 has it for producers without transactions, and numbers what is queued anew. It is called only
// when the broker has proven that none of it is in the log.
func (c *Core) renew(p *part) {
	s := &p.seq
	s.renew = false
	if s.epoch >= math.MaxInt16-1 { // all epochs are used up: another id
		c.ident.known = false
	}
	id, epoch := s.id, s.epoch+1
	*s = sequence{}
	if c.ident.known {
		*s = sequence{topic: c.topicID(p), set: true, id: id, epoch: epoch}
	}
	for _, b := range p.queue {
		b.Numbered, b.Sealed, b.Maybe = false, false, false
	}
}

// number gives a batch its place, unless it has one.
func (c *Core) number(p *part, b *batch.Batch) {
	s := &p.seq
	if !s.set {
		*s = sequence{topic: c.topicID(p), set: true, id: c.ident.id, epoch: c.ident.epoch}
	}
	if s.topic == (wire.UUID{}) {
		s.topic = c.topicID(p)
	}
	if b.Numbered {
		return
	}
	b.ProducerID, b.Epoch, b.Sequence, b.Numbered, b.Sealed = s.id, s.epoch, s.next, true, false
	s.next = record.AddSequence(s.next, b.Count)
}

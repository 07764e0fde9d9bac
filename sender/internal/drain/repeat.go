package drain

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// delay is when a partition goes on after a batch of it has come back.
type delay uint8

const (
	asItIs  delay = iota // as others have decided: it has not failed by itself
	atOnce               // nothing failed, or the failure is past
	backOff              // after a while, longer with each failure
)

// again puts a batch back into the queue, at its old place.
func (c *Core) again(now time.Time, b *batch.Batch, d delay, out *Effects) {
	c.stuck(of(b))
	p := c.back(b)
	switch {
	case d == atOnce:
		p.retryAt = now
	case d == backOff && !p.counted: // otherwise by the failure that has come just before, of what was in flight with it
		p.counted = true
		p.failures++
		if at := now.Add(c.pause(p.failures)); at.After(p.retryAt) {
			p.retryAt = at
		}
	}
	if b.Settled { // its time was over while it was in flight
		c.free(b, out)
		return
	}
	c.insert(p, b)
}

// pause is how long to wait after so many failures.
func (c *Core) pause(failures int) time.Duration {
	return min(c.cfg.BackoffFirst<<min(failures-1, 10), c.cfg.BackoffMax)
}

// insert puts batches into the queue, where their serials belong.
func (c *Core) insert(p *part, batches ...*batch.Batch) {
	i, _ := slices.BinarySearchFunc(p.queue, batches[0].Serial, func(q *batch.Batch, s uint64) int {
		if q.Serial < s {
			return -1
		}
		return 1
	})
	p.queue = slices.Insert(p.queue, i, batches...)
}

// tooLarge splits a batch that the broker does not take; a single record is refused.
func (c *Core) tooLarge(b *batch.Batch, code protocol.Code, out *Effects) {
	p := c.back(b)
	if b.Settled {
		c.free(b, out)
		return
	}
	if b.Count == 1 {
		c.refuse(b, fmt.Errorf("%w: a record of %d bytes", code, b.Size()), out)
		return
	}
	first, second, err := b.Halve()
	if err != nil {
		c.refuse(b, fmt.Errorf("%w: %w", code, err), out)
		return
	}
	c.replace(p, b, out, first, second)
}

// spoilt deals with a batch that was refused because of some of its records (KIP-467): they fail, each with what the broker says of it, and the others go again. It returns false if the batch has to be
// taken as a whole: the broker names no record of it, or an earlier try may have been written.
func (c *Core) spoilt(b *batch.Batch, code protocol.Code, a partitionAnswer, out *Effects) bool {
	if b.Maybe || b.Settled {
		return false
	}
	bad := map[int32]error{}
	for i := range a.RecordErrors {
		e := &a.RecordErrors[i]
		if n := e.BatchIndex; n >= 0 && n < b.Count && bad[n] == nil {
			text := e.BatchIndexErrorMessage
			if text == nil || *text == "" {
				text = a.ErrorMessage
			}
			bad[n] = textOf(code, text)
		}
	}
	if len(bad) == 0 {
		return false
	}
	parts := make([]*batch.Batch, 0, len(bad))
	for i := range b.Count {
		if bad[i] != nil {
			parts = append(parts, b.Only(i))
		}
	}
	if len(bad) == int(b.Count) {
		c.replace(c.back(b), b, out)
	} else {
		rest, err := b.Without(func(i int32) bool { return bad[i] != nil })
		if err != nil {
			return false
		}
		c.ids.shrunk(rest)
		c.replace(c.back(b), b, out, rest)
	}
	c.lives(b, len(parts))
	for i, k := 0, int32(0); k < b.Count; k++ {
		if bad[k] != nil {
			c.settle(parts[i], -1, -1, bad[k], out)
			i++
		}
	}
	return true
}

// replace puts others with its records into the place of a batch.
func (c *Core) replace(p *part, b *batch.Batch, out *Effects, parts ...*batch.Batch) {
	for _, o := range parts {
		o.Owner = p
		if c.cfg.Compress {
			o.Packing = true
			out.Pack = append(out.Pack, o)
		}
	}
	if len(parts) > 0 {
		c.insert(p, parts...)
	}
	b.Settled = true // its records live on in the others
	c.lives(b, len(parts)-1)
	c.free(b, out)
}

// lives counts so many more batches as those who wait for b wait for.
func (c *Core) lives(b *batch.Batch, more int) {
	c.alive += more
	for k := range c.flushs {
		if b.Serial <= c.flushs[k].upTo {
			c.flushs[k].left += more
		}
	}
}

func retriable(err error) bool {
	var code protocol.Code
	if errors.As(err, &code) {
		return code.Retriable()
	}
	return true
}

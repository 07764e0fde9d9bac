package role

import (
	"context"
	"sync"
)

// Credits bound memory at the edge: callers take bytes before they hand over data and the owner gives them back when the data is done
// with. Waiting callers are served in order, so a large record is not starved by small ones.
type Credits struct {
	world World

	mu      sync.Mutex
	limit   int64
	free    int64
	closed  error
	waiting []*taker
}

type taker struct {
	n  int64
	w  *Waiter
	ok bool
}

// NewCredits makes n credits. A request for more than n waits for all of them and takes them all.
func NewCredits(w World, n int64) *Credits { return &Credits{world: w, limit: n, free: n} }

// TryTake takes n credits if they are free and nobody waits.
func (c *Credits) TryTake(n int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed == nil && c.take(n)
}

func (c *Credits) take(n int64) bool {
	if len(c.waiting) > 0 || c.free < min(n, c.limit) {
		return false
	}
	c.free -= n
	return true
}

// Take takes n credits and waits for them until ctx ends.
func (c *Credits) Take(ctx context.Context, n int64) error {
	c.mu.Lock()
	if c.closed != nil {
		defer c.mu.Unlock()
		return c.closed
	}
	if c.take(n) {
		c.mu.Unlock()
		return nil
	}
	t := &taker{n: n, w: NewWaiter()}
	c.waiting = append(c.waiting, t)
	c.mu.Unlock()
	for {
		err := c.world.Park(ctx, t.w)
		c.mu.Lock()
		if t.ok {
			c.mu.Unlock()
			return nil
		}
		if c.closed != nil {
			err = c.closed
		}
		if err != nil {
			for i, o := range c.waiting {
				if o == t {
					c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
					break
				}
			}
			woken := c.serve() // the next in line may be smaller
			c.mu.Unlock()
			c.wake(woken)
			return err
		}
		c.mu.Unlock()
	}
}

// Give returns n credits.
func (c *Credits) Give(n int64) {
	if n == 0 {
		return
	}
	c.mu.Lock()
	c.free += n
	woken := c.serve()
	c.mu.Unlock()
	c.wake(woken)
}

// serve hands free credits to those who wait, in order. The caller holds the lock and wakes them after it.
func (c *Credits) serve() []*taker {
	n := 0
	for n < len(c.waiting) && c.free >= min(c.waiting[n].n, c.limit) {
		c.free -= c.waiting[n].n
		c.waiting[n].ok = true
		n++
	}
	if n == 0 {
		return nil
	}
	woken := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	return woken
}

func (c *Credits) wake(ts []*taker) {
	for _, t := range ts {
		c.world.Wake(t.w)
	}
}

// Used is the number of credits taken now.
func (c *Credits) Used() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.limit - c.free
}

// Close refuses every later Take, and those who wait, with err.
func (c *Credits) Close(err error) {
	c.mu.Lock()
	if c.closed == nil {
		c.closed = err
	}
	woken := append([]*taker(nil), c.waiting...)
	c.mu.Unlock()
	c.wake(woken)
}

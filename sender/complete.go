package sender

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/sender/internal/drain"
)

// Quiet is a Completion that may do no more than wake somebody. Then it can be told on the actor.
type Quiet interface {
	Completion
	// DoneQuietly is Done if that does no more than wake somebody; otherwise it does nothing and returns false.
	DoneQuietly(p Placed, err error) bool
}

// completer runs completions on a goroutine of its own, in the order in which batches were settled. Actors only add to its queue.
type completer struct {
	world role.World
	mu    sync.Mutex
	queue []drain.Settled
	idle  bool // the goroutine has nothing to do
	wait  *role.Waiter
	over  bool
	ended *role.Promise[struct{}]
	// finished is that it has ended.
	finished atomic.Bool
}

func newCompleter(w role.World) *completer {
	c := &completer{world: w, wait: role.NewWaiter(), ended: role.NewPromise[struct{}](w)}
	w.Go("completions", c.run)
	return c
}

// add queues a settled batch. What completions need is taken out of the batch first: its buffer may be used again meanwhile.
func (c *completer) add(s drain.Settled) {
	c.mu.Lock()
	if c.idle && len(c.queue) == 0 && len(s.Batch.Entries) == 1 {
		if q, ok := s.Batch.Entries[0].Done.(Quiet); ok && q.DoneQuietly(placed(&s, 0), outcome(&s)) {
			c.mu.Unlock()
			release(s.Batch)
			return
		}
	}
	c.queue = append(c.queue, s)
	c.mu.Unlock()
	c.world.Wake(c.wait)
}

// end lets the goroutine end when the queue is empty.
func (c *completer) end() {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.world.Wake(c.wait)
}

func (c *completer) run() {
	defer c.ended.Settle(struct{}{}, nil)
	defer c.finished.Store(true)
	for {
		c.mu.Lock()
		queue := c.queue
		c.queue = nil
		over := c.over
		c.idle = len(queue) == 0
		c.mu.Unlock()
		for i := range queue {
			c.complete(&queue[i])
		}
		if len(queue) > 0 {
			continue
		}
		if over {
			return
		}
		_ = c.world.Park(context.Background(), c.wait)
	}
}

func (c *completer) complete(s *drain.Settled) {
	err := outcome(s)
	for next := 0; next < len(s.Batch.Entries); {
		next = c.some(s, err, next)
	}
	release(s.Batch)
}

// some calls completions from number first on, and gives the number of the one to go on with: a panic in one is the user's, and must not take the others along.
func (c *completer) some(s *drain.Settled, err error, first int) (next int) {
	b := s.Batch
	next = first
	defer func() {
		if r := recover(); r != nil {
			c.world.Report(fmt.Errorf("a completion for %s panicked: %v", b.To, r))
		}
	}()
	for i, e := range b.Entries[first:] {
		next++
		if e.Done != nil {
			e.Done.Done(placed(s, first+i), err)
		}
	}
	return next
}

// placed is where record number i of a batch went.
func placed(s *drain.Settled, i int) Placed {
	p := Placed{Topic: s.Batch.To.Topic, Partition: s.Batch.To.Partition, Offset: -1, Timestamp: s.Batch.Entries[i].Time}
	if s.AppendTime >= 0 {
		p.Timestamp = s.AppendTime
	}
	if s.Base >= 0 {
		p.Offset = s.Base + int64(i)
	}
	return p
}

func outcome(s *drain.Settled) error {
	if s.Err == nil {
		return nil
	}
	return fmt.Errorf("produce %s: %w", s.Batch.To, s.Err)
}

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
	DoneQuietly(p RecordMetadata, err error) bool
}

// completer runs completions on a goroutine of its own, in the order in which batches were settled. Actors only add to its queue.
type completer struct {
	world  role.World
	panics *role.Panics
	mu     sync.Mutex
	queue  []drain.Settled
	idle   bool // the goroutine has nothing to do
	wait   *role.Waiter
	over   bool
	gone   bool // the goroutine has ended, or is about to
	ended  *role.Promise[struct{}]
	// finished is that it has ended.
	finished atomic.Bool

	busy atomic.Bool // completions are being called,
	who  atomic.Pointer[string]

	// What follows is the goroutine's: what it is telling, and where it is in it.
	telling  []drain.Settled
	at, next int
	exited   bool // a completion has ended the goroutine
}

func newCompleter(w role.World) *completer {
	c := &completer{world: w, panics: role.NewPanics(w), wait: role.NewWaiter(), ended: role.NewPromise[struct{}](w)}
	w.Go("completions", c.run)
	return c
}

// within tells whether a completion is being called by the goroutine that asks: what waits for completions would wait for itself.
func (c *completer) within() bool {
	if !c.busy.Load() {
		return false
	}
	who := c.who.Load()
	return who != nil && *who == role.Goroutine()
}

// add queues a settled batch. What completions need is taken out of the batch first: its buffer may be used again meanwhile.
func (c *completer) add(s drain.Settled) {
	c.mu.Lock()
	if c.gone { // who flushes beside the end of a close is told all the same
		c.mu.Unlock()
		c.world.Go("late completion", func() { c.complete(&s, 0) })
		return
	}
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
	who := role.Goroutine()
	c.who.Store(&who)
	c.exited = false
	defer func() {
		if c.exited { // as a test's FailNow does: what is left is told by another
			c.world.Go("completions", c.run)
		}
	}()
	for c.tell() {
	}
	c.finished.Store(true)
	c.ended.Settle(struct{}{}, nil)
}

// tell calls the completions of what is queued, or waits for some; false: nothing comes any more.
func (c *completer) tell() bool {
	for ; c.at < len(c.telling); c.at, c.next = c.at+1, 0 {
		c.complete(&c.telling[c.at], c.next)
	}
	c.mu.Lock()
	c.telling, c.queue, c.at = c.queue, nil, 0
	some := len(c.telling) > 0
	c.idle, c.gone = !some, !some && c.over
	gone := c.gone
	c.mu.Unlock()
	if !some && !gone {
		_ = c.world.Park(context.Background(), c.wait)
	}
	return !gone
}

// complete calls the completions of a batch, from record number next on.
func (c *completer) complete(s *drain.Settled, next int) {
	err := outcome(s)
	c.busy.Store(true)
	for next < len(s.Batch.Entries) {
		next = c.some(s, err, next)
	}
	c.busy.Store(false)
	release(s.Batch)
}

// some calls completions from number first on, and gives the number of the one to go on with: a panic in one is the user's, and must not take the others along.
func (c *completer) some(s *drain.Settled, err error, first int) (next int) {
	b := s.Batch
	next = first
	over := false
	defer func() {
		if over {
			return
		}
		if r := recover(); r != nil {
			c.panics.Report("a completion", fmt.Sprintf("a completion for %s", b.To), r)
			return
		}
		c.exited, c.next = true, next
	}()
	for i, e := range b.Entries[first:] {
		next++
		if e.Done != nil {
			e.Done.Done(placed(s, first+i), err)
		}
	}
	over = true
	return next
}

// placed is where record number i of a batch went.
func placed(s *drain.Settled, i int) RecordMetadata {
	p := RecordMetadata{Topic: s.Batch.To.Topic, Partition: s.Batch.To.Partition, Offset: -1, Timestamp: s.Batch.Entries[i].Time}
	if s.AppendTime >= 0 {
		p.Timestamp = s.AppendTime
	}
	if s.Base >= 0 {
		p.Offset = s.Base + int64(i)
	}
	return p
}

// whole is an error that names what it is about already.
type whole struct{ error }

func outcome(s *drain.Settled) error {
	if s.Err == nil {
		return nil
	}
	if w, ok := s.Err.(*whole); ok {
		return w.error
	}
	return fmt.Errorf("produce %s: %w", s.Batch.To, s.Err)
}

package sim

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"

	"github.com/kactor-go/kactor/actors/role"
)

// Caller is a goroutine of the simulated world: user code that blocks. It and the scheduler hand control strictly back and forth.
type Caller struct {
	id     uint64
	name   string
	next   func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	ctx    context.Context // of the park it is in
	queued bool            // it is among what can happen now

	goroutine atomic.Uint64 // its number
}

// callerIDs keeps callers apart from actors as senders.
const callerIDs = 1 << 32

// endOfWorld unwinds callers that still wait when the run is over.
type endOfWorld struct{}

// Go starts f as a caller.
func (w *World) Go(name string, f func()) {
	w.nextCaller++
	c := &Caller{id: callerIDs + w.nextCaller, name: name}
	c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		c.goroutine.Store(goroutine())
		defer func() {
			if r := recover(); r != nil {
				if _, over := r.(endOfWorld); !over {
					panic(r)
				}
			}
		}()
		f()
	})
	w.callers = append(w.callers, c)
	w.queue(c)
}

func (w *World) queue(c *Caller) {
	if !c.queued {
		c.queued = true
		w.ready = append(w.ready, item{caller: c})
	}
}

// resume runs c until it parks or ends.
func (w *World) resume(c *Caller) {
	c.queued = false
	w.running, w.current = c, c.id
	w.acting.Store(c)
	_, alive := c.next()
	w.running = nil
	w.acting.Store(nil)
	if alive {
		return
	}
	for i, o := range w.callers {
		if o == c {
			w.callers = append(w.callers[:i], w.callers[i+1:]...)
			break
		}
	}
}

// slot is what the world keeps in a waiter.
type slot struct {
	woken  bool
	caller *Caller
}

func slotOf(wt *role.Waiter) *slot {
	s, ok := wt.Slot.(*slot)
	if !ok {
		s = &slot{}
		wt.Slot = s
	}
	return s
}

// Park hands control to the scheduler until wt is woken or ctx ends. Outside a caller it panics: an actor must never block.
func (w *World) Park(ctx context.Context, wt *role.Waiter) error {
	s := slotOf(wt)
	if s.woken {
		s.woken = false
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.ended { // callers are unwound, and what they have deferred may wait
		panic(endOfWorld{})
	}
	c := w.running
	if c == nil {
		panic("sim: an actor blocks")
	}
	s.caller, c.ctx = c, ctx
	if !c.yield(struct{}{}) {
		panic(endOfWorld{})
	}
	s.caller, c.ctx = nil, nil
	if s.woken {
		s.woken = false
		return nil
	}
	return ctx.Err()
}

// Wake makes the caller that waits on wt able to go on.
func (w *World) Wake(wt *role.Waiter) {
	s := slotOf(wt)
	s.woken = true
	if s.caller != nil {
		w.queue(s.caller)
	}
}

// expire queues the parked callers whose contexts have ended. Contexts change only when a caller or a timer has run.
func (w *World) expire() {
	for i := 0; i < len(w.derived); i++ {
		c := w.derived[i]
		if c.err == nil && c.parent.Err() != nil {
			c.end(c.parent.Err())
		}
		if c.err != nil {
			w.derived = append(w.derived[:i], w.derived[i+1:]...)
			i--
		}
	}
	for _, c := range w.callers {
		if c.ctx != nil && !c.queued && c.ctx.Err() != nil {
			w.queue(c)
		}
	}
}

// waiting names the callers that wait.
func (w *World) waiting() string {
	var b strings.Builder
	for _, c := range w.callers {
		fmt.Fprintf(&b, "%s ", c.name)
	}
	return strings.TrimSpace(b.String())
}

// end unwinds the callers that are left.
func (w *World) end() {
	w.ended = true
	for _, c := range w.callers {
		c.stop()
	}
	w.callers = nil
}

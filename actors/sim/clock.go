package sim

import (
	"context"
	"slices"
	"time"
)

// simTimer is a timer in virtual time.
type simTimer struct {
	w    *World
	f    func()
	name string
	at   time.Time
	seq  uint64
	pos  int // place in the heap plus one; 0 when disarmed
	live bool
}

// Set arms the timer.
func (t *simTimer) Set(at time.Time) {
	t.Stop()
	t.at, t.live = at, true
	t.w.clock.push(t)
}

// Stop disarms the timer.
func (t *simTimer) Stop() {
	t.live = false
	t.w.clock.remove(t)
}

func (t *simTimer) fire() {
	if t.live {
		t.live = false
		t.f()
	}
}

// timers is a heap by time, then by the order of setting.
type timers struct {
	heap []*simTimer
	seq  uint64
}

func (h *timers) peek() *simTimer {
	if len(h.heap) == 0 {
		return nil
	}
	return h.heap[0]
}

func (h *timers) push(t *simTimer) {
	h.seq++
	t.seq = h.seq
	h.heap = append(h.heap, t)
	t.pos = len(h.heap)
	h.up(t.pos - 1)
}

func (h *timers) pop() *simTimer {
	t := h.peek()
	if t != nil {
		h.remove(t)
	}
	return t
}

func (h *timers) remove(t *simTimer) {
	if t.pos == 0 {
		return
	}
	i, last := t.pos-1, len(h.heap)-1
	h.swap(i, last)
	h.heap[last] = nil
	h.heap = h.heap[:last]
	t.pos = 0
	if i < last {
		h.up(i)
		h.down(i)
	}
}

func (h *timers) less(i, j int) bool {
	a, b := h.heap[i], h.heap[j]
	if !a.at.Equal(b.at) {
		return a.at.Before(b.at)
	}
	return a.seq < b.seq
}

func (h *timers) swap(i, j int) {
	h.heap[i], h.heap[j] = h.heap[j], h.heap[i]
	h.heap[i].pos, h.heap[j].pos = i+1, j+1
}

func (h *timers) up(i int) {
	for i > 0 {
		p := (i - 1) / 2
		if !h.less(i, p) {
			return
		}
		h.swap(i, p)
		i = p
	}
}

func (h *timers) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(h.heap) {
			return
		}
		if c+1 < len(h.heap) && h.less(c+1, c) {
			c++
		}
		if !h.less(c, i) {
			return
		}
		h.swap(i, c)
		i = c
	}
}

// simContext is a context with a deadline in virtual time.
type simContext struct {
	w        *World
	parent   context.Context
	deadline time.Time
	done     chan struct{}
	err      error
	after    []*func()
	timer    *simTimer
	unhook   func() bool
}

// WithTimeout is context.WithTimeout in virtual time. A context derived from it by the context package ends with it.
func (w *World) WithTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	c := &simContext{w: w, parent: parent, deadline: w.now.Add(d), done: make(chan struct{})}
	if pd, ok := parent.Deadline(); ok && pd.Before(c.deadline) {
		c.deadline = pd
	}
	c.timer = &simTimer{w: w, name: "deadline", f: func() { c.end(context.DeadlineExceeded) }}
	c.timer.Set(c.deadline)
	switch p := parent.(type) {
	case *simContext:
		if p.err != nil {
			c.end(p.err)
		} else {
			c.unhook = p.AfterFunc(func() { c.end(p.err) })
		}
	default:
		if parent.Done() != nil {
			w.derived = append(w.derived, c)
		}
	}
	return c, func() { c.end(context.Canceled) }
}

func (c *simContext) end(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	c.timer.Stop()
	if c.unhook != nil {
		c.unhook()
	}
	close(c.done)
	after := c.after
	c.after = nil
	for _, f := range after {
		(*f)()
	}
}

// Deadline implements context.Context.
func (c *simContext) Deadline() (time.Time, bool) { return c.deadline, true }

// Done implements context.Context.
func (c *simContext) Done() <-chan struct{} { return c.done }

// Err implements context.Context.
func (c *simContext) Err() error {
	if c.err == nil && c.parent.Err() != nil {
		return c.parent.Err()
	}
	return c.err
}

// Value implements context.Context.
func (c *simContext) Value(key any) any { return c.parent.Value(key) }

// AfterFunc lets the context package end derived contexts at once, on the same goroutine.
func (c *simContext) AfterFunc(f func()) func() bool {
	p := &f
	c.after = append(c.after, p)
	return func() bool {
		i := slices.Index(c.after, p)
		if i >= 0 {
			c.after = slices.Delete(c.after, i, i+1)
		}
		return i >= 0
	}
}

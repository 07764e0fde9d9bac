package api

import (
	"fmt"
	"sync"

	"github.com/kactor-go/kactor/actors/role"
)

// ErrConcurrent: Poll, Records, Batches or Handle was called while another goroutine was in one of them. Where Java's client throws ConcurrentModificationException.
var ErrConcurrent = fmt.Errorf("%w: another goroutine is reading from this consumer", ErrIllegalState)

// reader is who reads from a consumer: one goroutine at a time.
type reader struct {
	mu    sync.Mutex
	taken bool
	owner string // the goroutine that goes through an iterator: its loop may call Poll; else empty
}

// begin notes that the calling goroutine reads from now on, until it calls end. Of an iterator it knows the goroutine: what its loop calls comes from the same.
func (r *reader) begin(iterator bool) (end func(), ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken {
		return func() {}, r.owner != "" && r.owner == role.Goroutine()
	}
	if r.taken = true; iterator {
		r.owner = role.Goroutine()
	}
	return r.end, true
}

func (r *reader) end() {
	r.mu.Lock()
	r.taken, r.owner = false, ""
	r.mu.Unlock()
}

// reads begins to read, or tells why that cannot be now.
func (c *Consumer) reads(what string, iterator bool) (end func(), err error) {
	end, ok := c.reader.begin(iterator)
	switch {
	case ok:
		return end, nil
	case c.turn.mine():
		return nil, errReentered(what)
	case c.work.Load() != nil:
		return nil, fmt.Errorf("%s: %w", what, errHandling)
	}
	return nil, fmt.Errorf("%s: %w", what, ErrConcurrent)
}

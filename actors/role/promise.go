package role

import (
	"context"
	"errors"
	"sync"
)

// Promise is the answer to one request: completed exactly once, awaited by any number of callers.
type Promise[T any] struct {
	world World

	mu        sync.Mutex
	completed bool
	value     T
	err       error
	waiters   []*Waiter
	then      []func(T, error)
	done      chan struct{}
}

// ErrTwice is reported when a promise is completed a second time.
var ErrTwice = errors.New("kactor: promise completed twice")

// NewPromise makes a promise whose waiters park in w.
func NewPromise[T any](w World) *Promise[T] { return &Promise[T]{world: w} }

// Complete fulfils the promise. Doing it twice is a bug, which is reported; the first answer stays.
func (p *Promise[T]) Complete(v T, err error) {
	if !p.Settle(v, err) {
		p.world.Report(ErrTwice)
	}
}

// Settle is Complete where a completion may have come before: after a panic. It reports whether this was the first.
func (p *Promise[T]) Settle(v T, err error) bool {
	p.mu.Lock()
	if p.completed {
		p.mu.Unlock()
		return false
	}
	then := p.then
	p.then = nil
	waiters := p.complete(v, err)
	p.mu.Unlock()
	for _, w := range waiters {
		p.world.Wake(w)
	}
	for _, f := range then {
		f(v, err)
	}
	return true
}

// SettleQuietly is Settle for a promise that only wakes those who wait: it does nothing, and returns false, if it would call a function.
func (p *Promise[T]) SettleQuietly(v T, err error) bool {
	p.mu.Lock()
	if len(p.then) > 0 || p.completed {
		p.mu.Unlock()
		return false
	}
	waiters := p.complete(v, err)
	p.mu.Unlock()
	for _, w := range waiters {
		p.world.Wake(w)
	}
	return true
}

// complete keeps the answer; who calls wakes those who wait. p's lock is held.
func (p *Promise[T]) complete(v T, err error) []*Waiter {
	waiters := p.waiters
	p.completed, p.value, p.err, p.waiters = true, v, err, nil
	if p.done != nil {
		close(p.done)
	}
	return waiters
}

// Get waits for the answer. When ctx ends first its error is returned and the promise stays as it is.
func (p *Promise[T]) Get(ctx context.Context) (T, error) {
	p.mu.Lock()
	if p.completed {
		defer p.mu.Unlock()
		return p.value, p.err
	}
	w := NewWaiter()
	p.waiters = append(p.waiters, w)
	p.mu.Unlock()
	for {
		err := p.world.Park(ctx, w)
		p.mu.Lock()
		if p.completed {
			defer p.mu.Unlock()
			return p.value, p.err
		}
		if err != nil {
			for i, o := range p.waiters {
				if o == w {
					p.waiters = append(p.waiters[:i], p.waiters[i+1:]...)
					break
				}
			}
			p.mu.Unlock()
			var zero T
			return zero, err
		}
		p.mu.Unlock()
	}
}

// TryGet gives the answer if it is there.
func (p *Promise[T]) TryGet() (v T, err error, ok bool) { //nolint:revive // the error belongs to the value
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.value, p.err, p.completed
}

// Done is closed when the answer is there, for a select. In a simulated world use Get: nothing there waits on channels.
func (p *Promise[T]) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == nil {
		p.done = make(chan struct{})
		if p.completed {
			close(p.done)
		}
	}
	return p.done
}

// Then calls f with the answer, at once if it is there. f runs on the goroutine that completes the promise and must not block.
func (p *Promise[T]) Then(f func(T, error)) {
	p.mu.Lock()
	if !p.completed {
		p.then = append(p.then, f)
		p.mu.Unlock()
		return
	}
	v, err := p.value, p.err
	p.mu.Unlock()
	f(v, err)
}

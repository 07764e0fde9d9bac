package api

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/kactor-go/kactor/actors/role"
)

// turn is whose turn it is to change a consumer: one goroutine's at a time. Unlike a mutex it is waited for no longer than a context lasts, because a listener may block while it is had,
// and who takes it twice, as a listener does that closes its consumer, is told so instead of waiting for ever.
type turn struct {
	world   role.World
	mu      sync.Mutex
	taken   bool
	owner   string // the goroutine that runs the application's functions while it has the turn; else empty
	waiting []*role.Waiter
}

// take waits for the turn. Give it back with give.
func (t *turn) take(ctx context.Context, what string) error {
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return nil
	}
	if t.owner != "" && t.owner == role.Goroutine() {
		t.mu.Unlock()
		return errReentered(what)
	}
	w := role.NewWaiter()
	t.waiting = append(t.waiting, w)
	t.mu.Unlock()
	for {
		err := t.world.Park(ctx, w)
		t.mu.Lock()
		at := slices.Index(t.waiting, w)
		if at < 0 { // it was handed over
			t.mu.Unlock()
			return nil
		}
		if err != nil {
			t.waiting = slices.Delete(t.waiting, at, at+1)
			t.mu.Unlock()
			return fmt.Errorf("%s: a listener is still being called: %w", what, err)
		}
		t.mu.Unlock()
	}
}

func errReentered(what string) error {
	return fmt.Errorf("%s: %w: a listener or the function of a commit is being called by this consumer, and must return first", what, ErrIllegalState)
}

// mine tells whether the goroutine that calls has the turn, and is in a function of the application's.
func (t *turn) mine() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.owner != "" && t.owner == role.Goroutine()
}

// give hands the turn to who has waited longest.
func (t *turn) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 {
		t.taken = false
		return
	}
	w := t.waiting[0]
	t.waiting = t.waiting[1:]
	t.world.Wake(w)
}

// call calls a function of the application's while the turn is had.
func (t *turn) call(f func()) {
	t.own(role.Goroutine())
	defer t.own("")
	f()
}

func (t *turn) own(who string) {
	t.mu.Lock()
	t.owner = who
	t.mu.Unlock()
}

// each calls all functions, also those behind one that panics.
func each(list ...func()) {
	if len(list) == 0 {
		return
	}
	defer each(list[1:]...)
	list[0]()
}

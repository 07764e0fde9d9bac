package sim

import (
	"context"

	"github.com/kactor-go/kactor/actors/role"
)

// Group is a number of callers that somebody waits for: a sync.WaitGroup of the simulated world. The zero value is empty.
type Group struct {
	running int
	waiters []*role.Waiter
}

// Go starts f as a caller of the group.
func (g *Group) Go(w *World, name string, f func()) {
	g.running++
	w.Go(name, func() {
		defer func() {
			if g.running--; g.running == 0 {
				for _, wt := range g.waiters {
					w.Wake(wt)
				}
				g.waiters = nil
			}
		}()
		f()
	})
}

// Wait waits until all have returned, or until ctx ends.
func (g *Group) Wait(ctx context.Context, w *World) error {
	for g.running > 0 {
		wt := role.NewWaiter()
		g.waiters = append(g.waiters, wt)
		if err := w.Park(ctx, wt); err != nil {
			return err
		}
	}
	return nil
}

package sender

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kactor-go/kactor/actors/role"
)

// A turn is one goroutine's at a time, whoever gives up waiting for one; when all were given back it is free, and nobody waits who was not woken.
func TestATurnIsOfOneAtATime(t *testing.T) {
	const goroutines, rounds = 8, 300
	w := role.NewSystem(nil, nil, nil)
	defer w.Close()
	var x turn
	var inside, met, taken atomic.Int32
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			for i := range rounds {
				ctx, cancel := context.WithCancel(context.Background())
				if (g+i)%3 == 0 {
					go cancel()
				}
				if x.try() || x.wait(ctx, w) == nil {
					if inside.Add(1) > 1 {
						met.Add(1)
					}
					taken.Add(1)
					runtime.Gosched()
					inside.Add(-1)
					x.give(w)
				}
				cancel()
			}
		})
	}
	all.Wait()
	if met.Load() > 0 || taken.Load() < goroutines*rounds/2 || x.taken.Load() || x.line.Load() > 0 {
		t.Errorf("%d of %d turns were taken, %d met another; %d wait", taken.Load(), goroutines*rounds, met.Load(), x.line.Load())
	}
}

// Who waits for a partitioner that does not return is told when the producer is closed.
func TestWhoWaitsForATurnIsToldOfTheEnd(t *testing.T) {
	w := role.NewSystem(nil, nil, nil)
	defer w.Close()
	var x turn
	x.try()
	told := make(chan error)
	for range 2 {
		go func() { told <- x.wait(context.Background(), w) }()
	}
	for x.line.Load() < 2 { // who comes behind the end need not be woken
		runtime.Gosched()
	}
	x.close(w, ErrClosed)
	for range 2 {
		if err := <-told; !errors.Is(err, ErrClosed) {
			t.Errorf("told %v", err)
		}
	}
	x.give(w)
	if !x.try() {
		t.Error("the turn is not free")
	}
}

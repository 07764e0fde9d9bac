package sim

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// waitsOutside runs a caller that waits for something outside of the world, which comes when the watch has found it.
func waitsOutside(t *testing.T, wait func(w *World, found chan struct{})) string {
	t.Helper()
	w := New(7)
	w.Patience(time.Millisecond)
	found := make(chan struct{})
	var trap string
	w.trapped = func(text string) {
		trap = text
		close(found)
	}
	if err := w.Run(func(w *World) error { wait(w, found); return nil }); err != nil {
		t.Fatal(err)
	}
	return trap
}

func TestACallerThatWaitsOutsideOfTheWorldIsNamed(t *testing.T) {
	for name, wait := range map[string]func(w *World, found chan struct{}){
		"chan receive": func(_ *World, found chan struct{}) { <-found },
		"select": func(_ *World, found chan struct{}) {
			select {
			case <-found:
			case <-make(chan int):
			}
		},
		"sync.WaitGroup.Wait": func(_ *World, found chan struct{}) {
			var g sync.WaitGroup
			g.Go(func() { <-found })
			g.Wait()
		},
		"sync.Cond.Wait": func(_ *World, found chan struct{}) {
			var mu sync.Mutex
			c := sync.NewCond(&mu)
			over := false
			go func() {
				<-found
				mu.Lock()
				over = true
				mu.Unlock()
				c.Broadcast()
			}()
			mu.Lock()
			for !over {
				c.Wait()
			}
			mu.Unlock()
		},
		"sync.Mutex.Lock": func(_ *World, found chan struct{}) {
			var mu sync.Mutex
			mu.Lock()
			go func() { <-found; mu.Unlock() }()
			mu.Lock()
			defer mu.Unlock()
		},
	} {
		t.Run(name, func(t *testing.T) {
			trap := waitsOutside(t, wait)
			for _, want := range []string{"seed 7", `the caller "main"`, "[" + name, "trap_test.go:", "World.Go"} {
				if !strings.Contains(trap, want) {
					t.Errorf("%q is not in\n%s", want, trap)
				}
			}
		})
	}
}

func TestACallerBesideOthersIsNamed(t *testing.T) {
	trap := waitsOutside(t, func(w *World, found chan struct{}) {
		w.Go("shopkeeper", func() { <-found })
		_ = w.Sleep(t.Context(), time.Second)
	})
	if !strings.Contains(trap, `the caller "shopkeeper"`) {
		t.Error(trap)
	}
}

func TestWhatTheWorldRunsItselfIsNamed(t *testing.T) {
	trap := waitsOutside(t, func(w *World, found chan struct{}) {
		w.After(time.Second, "timer", func() { <-found })
		_ = w.Sleep(t.Context(), 2*time.Second)
	})
	if !strings.Contains(trap, "an actor") {
		t.Error(trap)
	}
}

func TestWhoComputesForLongIsNotBlocked(t *testing.T) {
	w := New(7)
	w.Patience(time.Millisecond)
	w.trapped = func(trap string) { t.Error(trap) }
	if err := w.Run(func(w *World) error {
		for w.watch.looked.Load() < 5*looks {
			runtime.Gosched()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A short wait for another goroutine is none that hangs: in each step the looks begin anew.
func TestShortWaitsInManyStepsAreNoTrap(t *testing.T) {
	w := New(7)
	w.trapped = func(trap string) { t.Error(trap) }
	if err := w.Run(func(w *World) error {
		x := &watch{w: w, patience: time.Hour}
		for range 10 * looks {
			done := make(chan string)
			go func() { done <- x.see() }()
			if trap := <-done; trap != "" {
				t.Error(trap)
			}
			if err := w.Sleep(t.Context(), time.Second); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestABlockedGoroutineIsFoundInADump(t *testing.T) {
	dump := `goroutine 1 [running]:
main.main()
	/shop/main.go:3 +0x1

goroutine 7 [sleep, 2 minutes]:
time.Sleep(0x3b9aca00)
	runtime/time.go:338 +0x165
shop.wait(...)
	/shop/wait.go:12
shop.(*Till).Open(0xc000012345)
	/shop/till.go:40 +0x2c
created by shop.main in goroutine 1
	/shop/main.go:9 +0x2

goroutine 77 [coroutine]:
iter.Pull[...].func2()
	iter/iter.go:300 +0x1`
	if g, ok := find(dump, 7); !ok || g.state != "sleep" || g.place != "/shop/wait.go:12" {
		t.Errorf("%+v", g)
	}
	for _, id := range []uint64{1, 77, 9} {
		if g, ok := find(dump, id); ok {
			t.Errorf("goroutine %d is blocked: %+v", id, g)
		}
	}
}

package role_test

import (
	"runtime"
	"testing"

	"github.com/kactor-go/kactor/actors/role"
)

// TestAside has functions that panic, end their goroutine and block: those behind them are called in order, and who gives them never waits.
func TestAside(t *testing.T) {
	w := system(t, nil)
	a := role.NewAside(w)
	called, gate, over := make(chan int, 10), make(chan struct{}), make(chan struct{})
	a.Do("panics", func() { called <- 1; panic("on purpose") })
	a.Do("ends", func() { called <- 2; runtime.Goexit() })
	a.Do("blocks", func() { called <- 3; <-gate })
	for i := 1; i <= 3; i++ {
		if n := <-called; n != i {
			t.Errorf("%d is called, not %d", n, i)
		}
	}
	for range 2000 { // while one blocks
		a.Do("waits", func() {})
	}
	if n := a.Lost(); n != 2000-1024 {
		t.Errorf("%d were dropped", n)
	}
	close(gate)
	for { // there is room again, soon
		lost := a.Lost()
		a.Do("the last", func() { close(over) })
		if a.Lost() == lost {
			break
		}
		runtime.Gosched()
	}
	<-over
}

package member

import (
	"testing"
	"time"

	"github.com/kactor-go/kactor/coordinator/assign"
)

// The process stands still while the application's assignor is asked, again and again: that is not the assignor's fault. One that does not return while the process runs ends the membership.
func TestOnlyAnAssignorThatHadTheTimeDoesNotReturn(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Assignors, c.Session = []assign.Assignor{slow{}}, 4*time.Second })
	out := b.step(&Subscribe{Topics: []string{"work"}})
	asked := func() {
		t.Helper()
		for range 3 {
			if len(out.Asks) > 0 {
				return
			}
			out = b.later(b.c.cfg.BackoffMax)
		}
		t.Fatalf("the assignor is not asked: %+v", out)
	}
	for range 4 {
		asked()
		out = b.later(time.Minute)
	}
	for n := 1; b.c.state != Failed; n++ {
		asked()
		for b.c.asked.ask != nil {
			out = b.later(b.c.Next().Sub(b.now))
		}
		if n > 2 {
			t.Fatalf("it was asked %d times, and never returned", n)
		}
	}
}

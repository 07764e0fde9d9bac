package conn

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// A name that leads to many addresses, as a headless service has them, was a storm where each of them refuses: they were tried one after the other, 1,000 and more in a second. All get their turn all the same.
func TestManyAddressesAreNoStorm(t *testing.T) {
	for _, n := range []int{1, 3, 12} {
		b := newBench(t, nil)
		var addrs []string
		for i := range n {
			addrs = append(addrs, fmt.Sprintf("10.0.0.%d", i+1))
		}
		var dials []time.Time
		tried := map[string]bool{}
		b.step(b.call())
		for end := b.now.Add(60 * time.Second); b.now.Before(end); {
			switch {
			case b.out.Resolve:
				b.step(&Resolved{Gen: b.out.Gen, Addrs: addrs})
			case b.out.Dial != "":
				dials, tried[b.out.Dial] = append(dials, b.now), true
				b.now = b.now.Add(200 * time.Microsecond)
				b.step(&Broken{Gen: b.out.Gen, Err: errors.New("connection refused")})
			case b.c.Pending() == 0: // who waits was told, and asks again
				if b.step(b.call()); !b.out.Resolve {
					b.later(10 * time.Millisecond)
				}
			default:
				b.later(10 * time.Millisecond)
			}
		}
		most := 0
		for i, j := 0, 0; i < len(dials); i++ {
			for dials[i].Sub(dials[j]) >= time.Second {
				j++
			}
			most = max(most, i-j+1)
		}
		if most > 6 || len(tried) != n { // five at once, and the first of those that follow
			t.Errorf("%d addresses: %d connections, at most %d in a second; %d were tried", n, len(dials), most, len(tried))
		}
	}
}

// The second of two addresses is well: it is used at once.
func TestTheNextAddressIsTriedAtOnce(t *testing.T) {
	b := newBench(t, nil)
	b.step(b.call())
	b.step(&Resolved{Gen: b.out.Gen, Addrs: []string{"10.0.0.1", "10.0.0.2"}})
	if b.step(&Broken{Gen: b.out.Gen, Err: errors.New("connection refused")}); b.out.Dial != "10.0.0.2:9092" {
		t.Errorf("dials %q", b.out.Dial)
	}
}

// Answers that were slow once, and are not any more, do not keep a broker that stands still from being noticed: it was late only after four times their mean.
func TestWhatWasSlowIsForgotten(t *testing.T) {
	for _, c := range []struct {
		slow    time.Duration
		answers int // that are fast
		within  time.Duration
	}{{0, 3, time.Second}, {25 * time.Second, 0, 10 * time.Second}, {25 * time.Second, 5, time.Second}, {2 * time.Second, 0, 8 * time.Second}} {
		b := newBench(t, nil)
		first := b.ready(b.call())
		b.now = b.now.Add(c.slow)
		b.answer(first, b.c.flight[0].Req.NewResponse())
		for range c.answers {
			b.step(b.call())
			f := b.sent()
			b.now = b.now.Add(time.Millisecond)
			b.answer(f, b.c.flight[0].Req.NewResponse())
		}
		b.step(b.call())
		at := b.now
		for !b.out.Late && b.now.Sub(at) < 29*time.Second {
			b.later(10 * time.Millisecond)
		}
		if took := b.now.Sub(at); took != c.within {
			t.Errorf("an answer after %s, then %d fast ones: late after %s, expected %s", c.slow, c.answers, took, c.within)
		}
	}
}

package broker

import (
	"testing"
	"time"
)

// While all is well any number of connections may be opened to an address; while they end without having been of use, five in any second, whoever opens them; and as soon as one is of use the others need not wait.
func TestConnectionsToOneAddressAreCountedTogether(t *testing.T) {
	var o openings
	start := time.Unix(1000, 0)
	for i := range 30 {
		if until, waits := o.Open("a:1", start); waits {
			t.Fatalf("well, opening %d waits until %s", i, until)
		}
	}
	o.Ended("a:1", start)
	if until, waits := o.Open("a:1", start.Add(time.Millisecond)); !waits || !until.Equal(start.Add(time.Second)) {
		t.Errorf("one was in vain: %s, %v", until, waits)
	}
	if _, waits := o.Open("b:1", start); waits {
		t.Error("another address waits")
	}
	var opened []time.Time
	for now := start.Add(time.Second); now.Before(start.Add(5 * time.Second)); now = now.Add(10 * time.Millisecond) {
		if _, waits := o.Open("a:1", now); !waits {
			opened = append(opened, now)
			o.Ended("a:1", now)
		}
	}
	for i := mostOpened; i < len(opened); i++ {
		if opened[i].Sub(opened[i-mostOpened]) < time.Second {
			t.Fatalf("opened at %v", opened)
		}
	}
	if len(opened) < 4*mostOpened {
		t.Errorf("only %d were opened in four seconds", len(opened))
	}
	o.Used("a:1")
	for i := range 30 {
		if _, waits := o.Open("a:1", opened[len(opened)-1].Add(time.Millisecond)); waits {
			t.Fatalf("one was of use, opening %d waits", i)
		}
	}
}

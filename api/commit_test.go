package api

import (
	"context"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/api/internal/lanes"
	"github.com/kactor-go/kactor/broker"
)

// halting is a world in which who wakes somebody can be held.
type halting struct {
	*role.System
	hold chan func()
}

func (h *halting) Wake(w *role.Waiter) {
	select {
	case f := <-h.hold:
		f()
	default:
	}
	h.System.Wake(w)
}

// TestWhatIsFinishedIsOfOneMoment has Handle begin, and read up to offset 10, while somebody else commits and waits for the positions: what Handle has read is not finished. The fetcher's lock is held meanwhile, by a Resume.
func TestWhatIsFinishedIsOfOneMoment(t *testing.T) {
	w := &halting{role.NewSystem(nil, broker.NewNetwork(broker.NetworkConfig{}), nil), make(chan func(), 1)}
	defer w.Close()
	c, err := Dial(t.Context(), World(w), Lazy(), Brokers("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	over, end := context.WithCancel(t.Context())
	defer func() { end(); _ = c.Shutdown(over) }()
	k, err := c.Consumer("g")
	if err != nil {
		t.Fatal(err)
	}
	tp := TopicPartition{Topic: "t"}
	if err := k.AssignAt(10, tp); err != nil {
		t.Fatal(err)
	}
	begun := &work{c: k, core: lanes.New(ByPartition, 10, 1<<20)}
	begun.core.Add(&lanes.Unit{TopicPartition: tp, Offset: 3, Before: -1}, nil)
	for _, ask := range []func() []OffsetAndMetadata{func() []OffsetAndMetadata { return k.finished(nil) }, k.positions} {
		k.work.Store(nil)
		held, release, got := make(chan struct{}), make(chan struct{}), make(chan []OffsetAndMetadata, 1)
		w.hold <- func() { close(held); <-release }
		go func() { _ = k.Resume(tp) }()
		<-held
		go func() { got <- ask() }()
		time.Sleep(20 * time.Millisecond) // it waits for the positions, most probably
		k.work.Store(begun)
		k.handles.Add(1)
		close(release)
		if o := <-got; len(o) != 1 || o[0].Offset != 3 {
			t.Errorf("finished are %v, and 3 is being handled", o)
		}
	}
	k.work.Store(nil)
}

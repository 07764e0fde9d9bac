package fetcher

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol/cluster"
)

// listener is a core that notes what it is told of pauses.
type listener struct {
	told []bool
	over *role.Promise[struct{}]
}

func (l *listener) Step(_ time.Time, m Message, _ *plan.Effects) {
	switch m := m.(type) {
	case *plan.Pause:
		l.told = append(l.told, m.On)
	case *plan.Close:
		l.over.Settle(struct{}{}, nil)
	}
}

func (*listener) Tick(time.Time, *plan.Effects)           {}
func (*listener) Next() time.Time                         { return time.Time{} }
func (*listener) Abort(error, *plan.Effects)              {}
func (*listener) Refuse(Message, error, *plan.Effects)    {}
func (*listener) perform(_ *role.Handle, _ *plan.Effects) {}

// pausing is a fetcher of one partition whose actor only listens.
func pausing(t *testing.T) (*Fetcher, func() []bool) {
	w := role.NewSystem(nil, nil, nil)
	t.Cleanup(w.Close)
	l := &listener{over: role.NewPromise[struct{}](w)}
	f := &Fetcher{world: w, buf: &buffer{world: w, byTP: map[cluster.TopicPartition]*place{}, wait: role.NewWaiter()}}
	f.self, f.stop = role.Spawn[Message, plan.Effects](role.NewTree(w, "test", nil), l, l.perform, (*plan.Effects).Reset, role.Options{Name: "listener"})
	f.Hold(nil, tp)
	return f, func() []bool {
		f.self.Tell(&plan.Close{})
		if _, err := l.over.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		return l.told
	}
}

// changes are what application and reader do to a partition.
var changes = []func(*Fetcher) error{
	func(f *Fetcher) error { return f.Pause(tp) },
	func(f *Fetcher) error { return f.Resume(tp) },
	func(f *Fetcher) error { return f.Rest(tp, true) },
	func(f *Fetcher) error { return f.Rest(tp, false) },
}

// TestAPartitionHasTwoReasonsToBePaused has what the application wants and what the reader wants in every order, up to six changes: neither undoes the other's, and the core hears of what changes only.
func TestAPartitionHasTwoReasonsToBePaused(t *testing.T) {
	f, heard := pausing(t)
	var want []bool
	for n := range 1 << (2 * 6) {
		p := f.buf.byTP[tp]
		var is [2]bool // asked for, resting
		for i := range 6 {
			what := n >> (2 * i) & 3
			if err := changes[what](f); err != nil {
				t.Fatal(err)
			}
			before := is[0] || is[1]
			is[what/2] = what%2 == 0
			now := is[0] || is[1]
			if now != before {
				want = append(want, now)
			}
			if stands := p.life.state.Load() == paused; stands != now || slices.Contains(f.Paused(), tp) != is[0] {
				t.Fatalf("history %#x, after %d changes: asked for: %v, resting: %v; it stands: %v, paused are %v", n, i+1, is[0], is[1], stands, f.Paused())
			}
		}
		for _, on := range []int{1, 3} {
			_ = changes[on](f)
		}
		if is[0] || is[1] {
			want = append(want, false)
		}
	}
	if got := heard(); !slices.Equal(got, want) {
		t.Errorf("the core has heard of %d changes, there were %d", len(got), len(want))
	}
}

// TestTheCoreHearsOfPausesInTheirOrder has four goroutines change a partition: what the core heard last is how it is, or it would not be fetched any more although it is not paused.
func TestTheCoreHearsOfPausesInTheirOrder(t *testing.T) {
	f, heard := pausing(t)
	var all sync.WaitGroup
	for _, change := range changes {
		all.Go(func() {
			for range 20_000 {
				_ = change(f)
			}
		})
	}
	all.Wait()
	stands := f.buf.byTP[tp].life.state.Load() == paused
	got := heard()
	for i, on := range got {
		if on != (i%2 == 0) {
			t.Fatalf("change %d of %d: on: %v", i, len(got), on)
		}
	}
	if last := len(got)%2 == 1; last != stands {
		t.Errorf("it stands: %v, the core has heard: %v", stands, last)
	}
}

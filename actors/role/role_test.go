package role_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
)

// A counter: a role small enough to see the whole kit at work.

type message interface{ counter() }

type add struct{ n int }
type get struct{ reply *role.Promise[int] }
type after struct {
	d     time.Duration
	reply *role.Promise[int]
}
type explode struct{ reply *role.Promise[int] }

func (add) counter()     {}
func (get) counter()     {}
func (after) counter()   {}
func (explode) counter() {}

type answer struct {
	to  *role.Promise[int]
	n   int
	err error
}

type effects struct{ answers []answer }

type core struct {
	sum     int
	pending []after
	due     []time.Time
}

func (c *core) Step(now time.Time, m message, out *effects) {
	switch m := m.(type) {
	case add:
		c.sum += m.n
	case get:
		out.answers = append(out.answers, answer{m.reply, c.sum, nil})
	case after:
		c.pending = append(c.pending, m)
		c.due = append(c.due, now.Add(m.d))
	case explode:
		c.pending = append(c.pending, after{0, m.reply})
		c.due = append(c.due, now.Add(time.Hour))
		panic("boom")
	}
}

func (c *core) Tick(now time.Time, out *effects) {
	for i := 0; i < len(c.due); i++ {
		if !c.due[i].After(now) {
			out.answers = append(out.answers, answer{c.pending[i].reply, c.sum, nil})
			c.pending = append(c.pending[:i], c.pending[i+1:]...)
			c.due = append(c.due[:i], c.due[i+1:]...)
			i--
		}
	}
}

func (c *core) Next() (t time.Time) {
	for _, d := range c.due {
		if t.IsZero() || d.Before(t) {
			t = d
		}
	}
	return t
}

func (c *core) Abort(err error, out *effects) {
	for _, p := range c.pending {
		out.answers = append(out.answers, answer{p.reply, 0, err})
	}
	c.pending, c.due = nil, nil
}

func (c *core) Refuse(m message, err error, out *effects) {
	switch m := m.(type) {
	case get:
		out.answers = append(out.answers, answer{m.reply, 0, err})
	case after:
		out.answers = append(out.answers, answer{m.reply, 0, err})
	case explode:
		out.answers = append(out.answers, answer{m.reply, 0, err})
	case add:
	}
}

func perform(_ *role.Handle, out *effects) {
	for _, a := range out.answers {
		a.to.Settle(a.n, a.err)
	}
}

func reset(out *effects) { out.answers = out.answers[:0] }

func start(t *testing.T, failed func(error)) (*role.System, role.Ref[message], func()) {
	t.Helper()
	w := system(t, nil)
	tree := role.NewTree(w, "client", nil)
	ref, stop := role.Spawn[message, effects](tree, &core{}, perform, reset, role.Options{Name: "counter", Failed: failed})
	return w, ref, func() {
		gone := make(chan struct{})
		stop(func() { close(gone) })
		<-gone
		if err := tree.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func ask(w role.World, ref role.Ref[message], m func(*role.Promise[int]) message) (int, error) {
	p := role.NewPromise[int](w)
	ref.Tell(m(p))
	return p.Get(context.Background())
}

func TestMessagesOfOneSenderArriveInOrder(t *testing.T) {
	w, ref, end := start(t, nil)
	defer end()
	for i := 1; i <= 1000; i++ {
		ref.Tell(add{i})
	}
	sum, err := ask(w, ref, func(p *role.Promise[int]) message { return get{p} })
	if sum != 500500 || err != nil {
		t.Fatalf("sum %d, %v", sum, err)
	}
}

func TestTickComesAtTheDeadline(t *testing.T) {
	w, ref, end := start(t, nil)
	defer end()
	begun := time.Now()
	var wg sync.WaitGroup
	for _, d := range []time.Duration{20 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond} {
		wg.Go(func() {
			if _, err := ask(w, ref, func(p *role.Promise[int]) message { return after{d, p} }); err != nil {
				t.Error(err)
			}
			if time.Since(begun) < d {
				t.Errorf("answered before its %v", d)
			}
		})
	}
	wg.Wait()
}

func TestPanicCompletesWhatWasAcceptedAndRefusesTheRest(t *testing.T) {
	told := make(chan error, 1)
	w, ref, end := start(t, func(err error) { told <- err })
	defer end()
	waiting := role.NewPromise[int](w)
	ref.Tell(after{time.Hour, waiting})
	_, err := ask(w, ref, func(p *role.Promise[int]) message { return explode{p} })
	if !errors.Is(err, role.ErrFailed) || !strings.Contains(err.Error(), "boom") {
		t.Fatalf("the exploding request: %v", err)
	}
	if _, err := waiting.Get(context.Background()); !errors.Is(err, role.ErrFailed) {
		t.Fatalf("the request accepted before: %v", err)
	}
	for range 3 {
		if _, err := ask(w, ref, func(p *role.Promise[int]) message { return get{p} }); !errors.Is(err, role.ErrFailed) {
			t.Fatalf("a request after the panic: %v", err)
		}
	}
	if err := <-told; !errors.Is(err, role.ErrFailed) {
		t.Fatalf("the owner was told %v", err)
	}
	if w.Bugs() != 1 {
		t.Fatalf("%d bugs reported", w.Bugs())
	}
}

func TestPromiseWakesEveryWaiterAndKeepsTheFirstAnswer(t *testing.T) {
	w := system(t, nil)
	p := role.NewPromise[int](w)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if v, err := p.Get(context.Background()); v != 7 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
		})
	}
	called := make(chan int, 2)
	p.Then(func(v int, _ error) { called <- v })
	p.Complete(7, nil)
	wg.Wait()
	p.Then(func(v int, _ error) { called <- v })
	if a, b := <-called, <-called; a != 7 || b != 7 {
		t.Errorf("callbacks got %d, %d", a, b)
	}
	<-p.Done()
	p.Complete(8, nil)
	if v, _, _ := p.TryGet(); v != 7 {
		t.Errorf("the second answer %d replaced the first", v)
	}
	if w.Bugs() != 1 {
		t.Errorf("completing twice was reported %d times", w.Bugs())
	}
}

func TestPromiseOutlivesACancelledWait(t *testing.T) {
	w := system(t, nil)
	p := role.NewPromise[int](w)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Get(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	p.Complete(1, nil)
	if v, err := p.Get(ctx); v != 1 || err != nil {
		t.Fatalf("an answer that is there counts more than the context: %d, %v", v, err)
	}
}

func TestCreditsServeInOrderAndNeverExceedTheLimit(t *testing.T) {
	w := system(t, nil)
	c := role.NewCredits(w, 100)
	if !c.TryTake(80) || c.TryTake(30) || !c.TryTake(20) {
		t.Fatal("taking from the free credits")
	}
	c.Give(20)
	large := make(chan error)
	go func() { large <- c.Take(context.Background(), 500) }() // more than the limit: waits for all of them
	for c.TryTake(1) {                                         // until the large one waits, small ones get through
		c.Give(1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	small := make(chan error)
	go func() { small <- c.Take(ctx, 1) }()
	cancel()
	if err := <-small; !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled wait: %v", err)
	}
	c.Give(80)
	if err := <-large; err != nil {
		t.Fatal(err)
	}
	if c.Used() != 500 {
		t.Fatalf("%d used", c.Used())
	}
	c.Give(500)
	closed := errors.New("closed")
	if err := c.Take(context.Background(), 100); err != nil {
		t.Fatal(err)
	}
	waits := make(chan error)
	go func() { waits <- c.Take(context.Background(), 1) }()
	c.Close(closed)
	if err := <-waits; !errors.Is(err, closed) {
		t.Fatalf("a wait at close: %v", err)
	}
}

func TestBackoffDoublesUpToItsMaximumWithinItsJitter(t *testing.T) {
	w := system(t, nil)
	b := role.Backoff{Initial: 100 * time.Millisecond, Max: time.Second, Jitter: 0.2}
	r := w.Rand()
	for failures, want := range map[int]time.Duration{1: 100, 2: 200, 3: 400, 4: 800, 5: 1000, 50: 1000} {
		want *= time.Millisecond
		for range 100 {
			if d := b.After(failures, r); d < want*8/10 || d > want*12/10 {
				t.Fatalf("after %d failures: %v, want about %v", failures, d, want)
			}
		}
	}
}

func TestCoarseClockFollowsTheClock(t *testing.T) {
	w := system(t, nil)
	before := time.Now().UnixMilli()
	for range 1000 {
		if ms := w.NowMs(); ms < before-1000 || ms > time.Now().UnixMilli() {
			t.Fatalf("%d is not between %d and now", ms, before)
		}
	}
}

// A role is a core and a function that carries out its effects.
func ExampleSpawn() {
	w := role.NewSystem(nil, nil, nil)
	defer w.Close()
	tree := role.NewTree(w, "client", nil)
	ref, _ := role.Spawn[message, effects](tree, &core{}, perform, reset, role.Options{Name: "counter"})
	ref.Tell(add{40})
	ref.Tell(add{2})
	p := role.NewPromise[int](w)
	ref.Tell(get{p})
	fmt.Println(p.Get(context.Background()))
	_ = tree.Stop(context.Background())
	// Output: 42 <nil>
}

func BenchmarkTell(b *testing.B) {
	w := system(b, nil)
	tree := role.NewTree(w, "client", nil)
	ref, _ := role.Spawn[message, effects](tree, &core{}, perform, reset, role.Options{Name: "counter"})
	b.ReportAllocs()
	m := message(add{1})
	for b.Loop() {
		ref.Tell(m)
	}
	_, _ = ask(w, ref, func(p *role.Promise[int]) message { return get{p} })
	_ = tree.Stop(context.Background())
}

func BenchmarkAsk(b *testing.B) {
	w := system(b, nil)
	tree := role.NewTree(w, "client", nil)
	ref, _ := role.Spawn[message, effects](tree, &core{}, perform, reset, role.Options{Name: "counter"})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ask(w, ref, func(p *role.Promise[int]) message { return get{p} }); err != nil {
			b.Fatal(err)
		}
	}
	_ = tree.Stop(context.Background())
}

package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/role"
)

// Epoch is when every simulated world begins.
var Epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// World is a simulated world: it implements role.World. One goroutine runs at a time, time passes only when nothing can happen
// now, and what happens next among all that could is drawn from the seed. Make one with New, or let Run do it.
type World struct {
	seed    uint64
	rng     *rand.Rand
	now     time.Time
	skew    time.Duration // of the wall clock
	stalled time.Duration
	network role.Network

	ready   []item         // what can happen now
	pairs   map[pair]*mail // messages under way, by sender and receiver
	clock   timers         // what happens later
	sched   []func()       // mailboxes that protoactor wants run
	current uint64         // who acts: an actor, a caller, or 0 for the clock

	callers []*Caller // alive, in order of birth
	running *Caller
	derived []*simContext // contexts whose parents the runtime made

	nextActor  uint64
	nextCaller uint64
	steps      int
	hash       uint64
	tracing    func(string)
	bugs       []error
	failIn     int // so often an actor acts until it fails
	checks     []func() error
	heard      map[telling]*heard // warnings
	warned     func(cause string) // nil: nobody asks for them
	ended      bool

	patience time.Duration // see Patience
	trapped  func(string)  // is told instead of a panic
	watch    *watch
	turn     atomic.Uint64          // steps, for the watch
	acting   atomic.Pointer[Caller] // running, for the watch
	runner   atomic.Uint64          // the goroutine that runs the world
}

// The one actor system of all simulated worlds: it costs milliseconds to make, and has no state that a world could see.
var shared = sync.OnceValue(func() *role.ActorSystem { return role.NewActorSystem(slog.New(slog.DiscardHandler)) })

// New makes a world whose whole history follows from seed.
func New(seed uint64) *World {
	return &World{
		seed:  seed,
		rng:   rand.New(rand.NewPCG(seed, 0x6b6163746f72)),
		now:   Epoch,
		pairs: map[pair]*mail{},
		hash:  14695981039346656037,
		heard: map[telling]*heard{},
	}
}

// Seed gives the seed.
func (w *World) Seed() uint64 { return w.seed }

// SetNetwork says how brokers are reached; call it before anything is dialled.
func (w *World) SetNetwork(n role.Network) { w.network = n }

// Network gives the network.
func (w *World) Network() role.Network { return w.network }

// Now is the virtual time.
func (w *World) Now() time.Time { return w.now }

// NowMs is the wall clock in Unix milliseconds: the virtual time, but for what Skew has done to it.
func (w *World) NowMs() int64 { return w.now.Add(w.skew).UnixMilli() }

// Skew sets the wall clock so far off the virtual time; timers and Now do not notice.
func (w *World) Skew(d time.Duration) { w.skew = d }

// Stall lets d pass in which nothing of what is simulated happens, as if its process stood still: what was due is all late.
func (w *World) Stall(d time.Duration) { w.now, w.stalled = w.now.Add(d), w.stalled+d }

// Awake is the present time less all that was spent in Stall.
func (w *World) Awake() time.Time { return w.now.Add(-w.stalled) }

// Rand makes a source for one owner, seeded by the world's.
func (w *World) Rand() *rand.Rand { return rand.New(rand.NewPCG(w.rng.Uint64(), w.rng.Uint64())) }

// ActorSystem gives the actor system on which simulated actors live.
func (w *World) ActorSystem() *role.ActorSystem { return shared() }

// Dispatcher gives the world itself: it runs mailboxes.
func (w *World) Dispatcher() role.Dispatcher { return w }

// Throughput is of no meaning here.
func (w *World) Throughput() int { return 1 << 30 }

// Schedule is called by protoactor when a mailbox has mail; it runs at the end of the step that sent it.
func (w *World) Schedule(f func()) { w.sched = append(w.sched, f) }

// NextActor numbers the actors.
func (w *World) NextActor() uint64 { w.nextActor++; return w.nextActor }

// Enter notes which actor plays.
func (w *World) Enter(a *role.Address) { w.current = a.ID }

// Act lets the actor fail that has its turn for it.
func (w *World) Act(a *role.Address) {
	if w.failIn--; w.failIn == 0 {
		w.Tracef("%s fails", a.Name)
		panic(errPlanned)
	}
}

var errPlanned = errors.New("sim: planned")

// FailAt lets an actor fail before or after it takes a message, as a bug in it would: n is how often one does either until then. It is no bug of the run.
func (w *World) FailAt(n int) { w.failIn = n }

// Poisons says that buffers are to be filled with garbage when they are given back, so that who uses one too long is found out.
func (w *World) Poisons() bool { return true }

// Report notes a bug; Run fails with it.
func (w *World) Report(bug error) {
	if !strings.Contains(bug.Error(), errPlanned.Error()) || !errors.Is(bug, role.ErrFailed) {
		w.bugs = append(w.bugs, bug)
	}
}

// Check adds an invariant that is asked after every step. An error ends the run.
func (w *World) Check(f func() error) { w.checks = append(w.checks, f) }

// Post queues m between its sender and a; the seed decides which pair of actors comes next.
func (w *World) Post(a *role.Address, m any) {
	k := pair{w.current, a.ID}
	q := w.pairs[k]
	if q == nil {
		q = &mail{to: a, from: w.current}
		w.pairs[k] = q
	}
	q.messages = append(q.messages, m)
	if len(q.messages) == 1 {
		w.ready = append(w.ready, item{mail: q})
	}
}

// Offload makes f something that can happen now.
func (w *World) Offload(f func()) { w.ready = append(w.ready, item{f: f, name: "work"}) }

// Workers is a number, so that a run does not depend on the machine.
func (w *World) Workers() int { return 3 }

// Assist runs f: here the seed says who acts.
func (w *World) Assist(f func()) { f() }

// NewTimer makes a timer in virtual time.
func (w *World) NewTimer(f func()) role.Timer { return &simTimer{w: w, f: f, name: "timer"} }

// After makes f happen d from now. name is for traces.
func (w *World) After(d time.Duration, name string, f func()) role.Timer {
	t := &simTimer{w: w, f: f, name: name}
	t.Set(w.now.Add(d))
	return t
}

// pair is a sender and a receiver.
type pair struct{ from, to uint64 }

// mail is what a sender has under way to a receiver, in order.
type mail struct {
	to       *role.Address
	from     uint64
	messages []any
}

// item is one thing that can happen now.
type item struct {
	mail   *mail
	caller *Caller
	f      func()
	name   string
}

// StepLimit ends a run that does not come to an end.
const StepLimit = 2_000_000

// ErrStuck says that callers wait and nothing can happen any more.
var ErrStuck = errors.New("sim: nothing can happen any more, but callers wait")

// Run runs main as the first caller of a new world until it returns, and then what is left to happen at that moment.
// The error is the first of: a panic of main, a reported bug, a broken invariant, ErrStuck.
func Run(seed uint64, main func(w *World) error) error { return New(seed).Run(main) }

// Run runs main as a caller of the world.
func (w *World) Run(main func(w *World) error) error {
	defer w.end()
	defer w.watched()()
	var result error
	finished := false
	w.Go("main", func() {
		result = main(w)
		finished = true
	})
	for !finished {
		if err := w.step(); err != nil {
			return err
		}
	}
	return result
}

// step lets one thing happen.
func (w *World) step() error {
	w.turn.Add(1)
	if w.steps++; w.steps > StepLimit {
		return fmt.Errorf("sim: seed %d: no end after %d steps, at %s", w.seed, StepLimit, w.now.Sub(Epoch))
	}
	if len(w.ready) == 0 && !w.advance() {
		return fmt.Errorf("%w: %s", ErrStuck, w.waiting())
	}
	i := w.rng.IntN(len(w.ready))
	it := w.ready[i]
	last := len(w.ready) - 1
	if it.mail == nil || len(it.mail.messages) == 1 {
		w.ready[i] = w.ready[last]
		w.ready[last] = item{}
		w.ready = w.ready[:last]
	}
	w.play(it)
	for len(w.sched) > 0 {
		f := w.sched[0]
		w.sched = w.sched[1:]
		f()
	}
	w.current = 0
	return w.judge()
}

func (w *World) play(it item) {
	switch {
	case it.mail != nil:
		m := it.mail.messages[0]
		it.mail.messages[0] = nil
		it.mail.messages = it.mail.messages[1:]
		w.note("mail", it.mail.from, it.mail.to.ID, m)
		it.mail.to.Deliver(m)
	case it.caller != nil:
		w.note("caller", it.caller.id, 0, nil)
		w.resume(it.caller)
		w.expire()
	default:
		w.note(it.name, 0, 0, nil)
		w.current = 0
		it.f()
		w.expire()
	}
}

func (w *World) judge() error {
	if len(w.bugs) > 0 {
		return fmt.Errorf("sim: seed %d, step %d, at %s: %w", w.seed, w.steps, w.now.Sub(Epoch), errors.Join(w.bugs...))
	}
	for _, c := range w.checks {
		if err := c(); err != nil {
			return fmt.Errorf("sim: seed %d, step %d, at %s: %w", w.seed, w.steps, w.now.Sub(Epoch), err)
		}
	}
	return nil
}

// advance moves the clock to the next timers and makes them ready.
func (w *World) advance() bool {
	t := w.clock.pop()
	if t == nil {
		return false
	}
	if t.at.After(w.now) {
		w.now = t.at
	}
	for {
		w.ready = append(w.ready, item{f: t.fire, name: t.name})
		if n := w.clock.peek(); n == nil || n.at.After(w.now) {
			return true
		}
		t = w.clock.pop()
	}
}

// note adds a step to the hash of the history, and to the trace if somebody listens.
func (w *World) note(kind string, a, b uint64, m any) {
	for _, v := range [...]uint64{uint64(kind[0]), a, b, uint64(w.now.UnixNano())} {
		w.hash = (w.hash ^ v) * 1099511628211
	}
	if w.tracing != nil {
		w.tracing(fmt.Sprintf("%12s %s %d>%d %T", w.now.Sub(Epoch), kind, a, b, m))
	}
}

// Note adds bytes to the hash of the history: frames, outcomes.
func (w *World) Note(b []byte) {
	h := w.hash
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	w.hash = h
}

// Hash is the hash of everything that has happened so far. The same seed gives the same hash, or something is not deterministic.
func (w *World) Hash() uint64 { return w.hash }

// Steps is how many things have happened.
func (w *World) Steps() int { return w.steps }

// Trace writes a line for each step to out.
func (w *World) Trace(out io.Writer) {
	w.tracing = func(s string) { fmt.Fprintln(out, s) }
}

// Tracef writes a line of its own into the trace.
func (w *World) Tracef(format string, args ...any) {
	if w.tracing != nil {
		w.tracing(fmt.Sprintf("%12s ", w.now.Sub(Epoch)) + fmt.Sprintf(format, args...))
	}
}

// Sleep parks the caller for d of virtual time, or until ctx ends.
func (w *World) Sleep(ctx context.Context, d time.Duration) error {
	wt := role.NewWaiter()
	t := w.After(d, "sleep", func() { w.Wake(wt) })
	defer t.Stop()
	return w.Park(ctx, wt)
}

var (
	_ role.World       = (*World)(nil)
	_ role.Overhearing = (*World)(nil)
)

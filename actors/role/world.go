package role

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// A World is what the client lives in: it gives time and randomness, runs mailboxes, parks callers and reaches brokers.
//
// There are two. [System] is the real one: goroutines, the wall clock, TCP. The simulated world of actors/sim runs everything
// on one goroutine at a time in virtual time, in an order drawn from a seed. Code below the facade takes everything that is not
// deterministic from its World and never from the runtime.
type World interface {
	// Now is the present time; only differences matter to cores.
	Now() time.Time
	// NowMs is the present Unix time in milliseconds, at most a few milliseconds old. It is much cheaper than Now.
	NowMs() int64
	// NewTimer makes a disarmed timer. When it fires it calls f, which must not block.
	NewTimer(f func()) Timer
	// WithTimeout is context.WithTimeout in the time of the world.
	WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)
	// Rand makes a source of randomness for one owner; it is not safe for concurrent use.
	Rand() *rand.Rand

	// Go starts f as a caller: a goroutine that may park. name is for reports.
	Go(name string, f func())
	// Offload runs f soon, off the actor that asks for it: compression, checksums, decoding. f must not park.
	Offload(f func())
	// Assist runs f, which tells actors something. The calling goroutine may then run them, instead of waking another: it must hold no lock that an actor takes.
	Assist(f func())
	// Workers is how many functions given to Offload can run at a time, beside the caller's own.
	Workers() int
	// Park blocks the calling goroutine until w is woken or ctx ends; then it returns ctx's error.
	// A wake before the park is not lost.
	Park(ctx context.Context, w *Waiter) error
	// Wake releases the goroutine that waits, or will wait, on w. It never blocks; waking twice is waking once.
	Wake(w *Waiter)

	// Network reaches brokers.
	Network() Network

	// Report tells of something that must never happen: an illegal transition, a promise completed twice, a role that failed.
	// The simulated world fails the run; the real one logs and counts.
	Report(bug error)

	// Post carries m to the actor at a; Ref.Tell is its typed face.
	Post(a *Address, m any)
	// ActorSystem and Dispatcher are what actors are spawned on.
	ActorSystem() *actor.ActorSystem
	Dispatcher() Dispatcher
}

// Stage is a world that wants to know which actor plays. The simulated world does: it tells senders apart by it.
type Stage interface {
	// Enter is called before an actor handles a message.
	Enter(a *Address)
	// Act is called before and after a core takes one, where a panic counts as the core's.
	Act(a *Address)
}

// Dispatcher runs mailboxes: protoactor's interface, named here so that worlds need not import it.
type Dispatcher = actor.Dispatcher

// A Timer fires once at the time it was last set to.
type Timer interface {
	// Set arms the timer at t, instead of any earlier setting.
	Set(t time.Time)
	// Stop disarms the timer. A firing that has begun is not recalled.
	Stop()
}

// A Waiter is one place where one goroutine waits. Make it with NewWaiter and use it again as often as you like.
type Waiter struct {
	ch chan struct{}
	// Slot belongs to the world that parks the waiter.
	Slot any
}

// NewWaiter makes a waiter.
func NewWaiter() *Waiter { return &Waiter{ch: make(chan struct{}, 1)} }

// C is the channel on which the real world wakes; a world of another kind need not use it.
func (w *Waiter) C() chan struct{} { return w.ch }

// ActorSystem is protoactor's actor system, named here so that worlds need not import it.
type ActorSystem = actor.ActorSystem

// Part gives a context that ends when a part of ctx's time is over: n of so many. Where ctx has no deadline, or has ended, that has none of its own.
func Part(w World, ctx context.Context, n, of time.Duration) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok && ctx.Err() == nil {
		return w.WithTimeout(ctx, end.Sub(w.Now())/of*n)
	}
	return context.WithCancel(ctx)
}

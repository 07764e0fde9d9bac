package role

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// System is the real world: an actor system of protoactor, goroutines, the wall clock and a network.
type System struct {
	actors  *actor.ActorSystem
	network Network
	log     *slog.Logger
	engine  *engine
	closed  atomic.Bool
	bugs    atomic.Int64
}

// NewSystem makes the real world on the embedder's actor system, or, when actors is nil, on one that all those in the process share. log gets reports of bugs;
// nil discards them, and the same comes in ten seconds once at most. End it with Close.
func NewSystem(actors *actor.ActorSystem, network Network, log *slog.Logger) *System {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &System{actors: actors, network: network, engine: hireEngine(actors == nil)}
	s.log = LogSparing(log, s)
	if actors == nil {
		s.actors = s.engine.actors
	}
	return s
}

// NewActorSystem makes an actor system whose log goes to log, with protoactor's metrics switched off.
func NewActorSystem(log *slog.Logger) *ActorSystem {
	return actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log }),
		actor.WithDeadLetterRequestLogging(false))
}

// Close leaves the workers and the actor system that are shared; with the last they end. Actors must be stopped by then.
func (s *System) Close() {
	if !s.closed.Swap(true) {
		s.engine.leave()
	}
}

// Now is the wall clock with Go's monotonic reading.
func (s *System) Now() time.Time { return time.Now() }

// NowMs is the Unix time in milliseconds, as of the last millisecond or so.
func (s *System) NowMs() int64 { return s.engine.clock.nowMs() }

// Rand makes a source seeded by the runtime.
func (s *System) Rand() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) }

// NewTimer makes a timer that fires on a goroutine of its own.
func (s *System) NewTimer(f func()) Timer {
	t := time.AfterFunc(time.Hour, f)
	t.Stop()
	return wallTimer{t}
}

type wallTimer struct{ t *time.Timer }

func (t wallTimer) Set(at time.Time) { t.t.Reset(time.Until(at)) }
func (t wallTimer) Stop()            { t.t.Stop() }

// WithTimeout is context.WithTimeout.
func (s *System) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}

// Go is a go statement.
func (s *System) Go(_ string, f func()) { go f() }

// Offload runs f on one of a few workers.
func (s *System) Offload(f func()) { s.engine.work.Schedule(f) }

// Workers is one less than the processors.
func (s *System) Workers() int { return runtime.GOMAXPROCS(0) - 1 }

// Assist runs f, and the mailboxes that f fills, unless somebody is at them.
func (s *System) Assist(f func()) { s.engine.mail.assist(f) }

// Park waits on the waiter's channel.
func (s *System) Park(ctx context.Context, w *Waiter) error {
	select {
	case <-w.ch:
		return nil
	default:
	}
	select {
	case <-w.ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Wake releases the waiter.
func (s *System) Wake(w *Waiter) {
	select {
	case w.ch <- struct{}{}:
	default:
	}
}

// Network gives the network.
func (s *System) Network() Network { return s.network }

// Report logs a bug as an error and counts it. That of an application is called so.
func (s *System) Report(bug error) {
	s.bugs.Add(1)
	text := "kactor: a bug; please report it"
	var own *PanicError
	if errors.As(bug, &own) {
		text = "kactor: a function of the application's has panicked"
	}
	s.log.Error(text, "err", bug)
}

// Bugs is how many bugs were reported.
func (s *System) Bugs() int64 { return s.bugs.Load() }

// Post sends at once.
func (s *System) Post(a *Address, m any) { a.Deliver(m) }

// ActorSystem gives the actor system.
func (s *System) ActorSystem() *actor.ActorSystem { return s.actors }

// Dispatcher gives the pool on which mailboxes run.
func (s *System) Dispatcher() Dispatcher { return s.engine.mail }

var _ World = (*System)(nil)

package role

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Core is the pure half of a role: no clock, no I/O, no goroutine, no lock. M is the role's sealed message interface and E its struct
// of effects, which the host hands over empty and performs in the order the type documents.
type Core[M, E any] interface {
	// Step takes one message.
	Step(now time.Time, m M, out *E)
	// Tick says that a deadline may have passed; a tick too many changes nothing.
	Tick(now time.Time, out *E)
	// Next is the earliest deadline; the zero time for none.
	Next() time.Time
	// Abort completes everything pending with err: the role stops, or Step had a bug.
	Abort(err error, out *E)
	// Refuse answers a message that will not be stepped, after Abort; and that at which Step had the bug, which it may have begun with.
	Refuse(m M, err error, out *E)
}

// ErrFailed is what a role answers after a panic in it. The report to the owner has the stack.
var ErrFailed = errors.New("kactor: a role of the client failed")

// Options say how a role is hosted.
type Options struct {
	// Name of the actor, for reports: the role and what it is for.
	Name string
	// Failed is told once when the core or its effects panic. The role then refuses everything until it is stopped.
	// It runs on the actor and must only tell.
	Failed func(err error)
	// Spawned, if not nil, gets the handle before the first message is handled.
	Spawned func(h *Handle)
}

// Slow is told of a step of an actor - its name, and the type of the message - that took longer than SlowStep. It runs on the actor and must only tell.
type Slow func(step string, took time.Duration)

// SlowStep is how long a step of an actor may take before it counts as blocking.
const SlowStep = 50 * time.Millisecond

// Handle is the host as its own effects see it. It is valid only while effects are performed.
type Handle struct {
	world World
	self  *Address
	ctx   actor.Context
	watch Slow
}

// World gives the world of the actor.
func (h *Handle) World() World { return h.world }

// Spawner is where a role can be spawned: a Tree, or a Handle inside an actor for children of its own.
type Spawner interface {
	World() World
	spawn(props *actor.Props) *actor.PID
	slow() Slow // nil: nobody is told
}

func (h *Handle) spawn(props *actor.Props) *actor.PID { return h.ctx.Spawn(props) }

func (h *Handle) slow() Slow { return h.watch }

// tick is the message of a host's own timer.
type tick struct{}

// Spawn starts an actor around core. perform carries out the effects and must not block; the host empties the struct with reset afterwards.
// The returned stop ends the actor and calls done when it is gone; mail it still has is dropped, so stop only a role whose
// senders are gone.
func Spawn[M, E any](under Spawner, core Core[M, E], perform func(h *Handle, out *E), reset func(out *E), o Options) (ref Ref[M], stop func(done func())) {
	w := under.World()
	h := &host[M, E]{core: core, perform: perform, reset: reset, o: o}
	h.h.world, h.h.watch = w, under.slow()
	h.self = &Address{ID: nextID(w), Name: o.Name, system: w.ActorSystem()}
	h.h.self = h.self
	h.timer = w.NewTimer(h.fire)
	h.stage, _ = w.(Stage)
	props := actor.PropsFromProducer(func() actor.Actor { return h },
		actor.WithDispatcher(w.Dispatcher()), actor.WithSupervisor(stopStrategy{}))
	h.self.pid = under.spawn(props)
	ref = Ref[M]{world: w, to: h.self}
	return ref, func(done func()) {
		h.stopped.Store(&done)
		w.ActorSystem().Root.Stop(h.self.pid)
	}
}

// host is the actor around a core.
type host[M, E any] struct {
	core    Core[M, E]
	perform func(*Handle, *E)
	reset   func(*E)
	o       Options
	self    *Address
	stage   Stage
	h       Handle
	out     E

	performing bool

	timer   Timer
	armed   time.Time   // what the timer is set to; zero when it is not
	ticking atomic.Bool // a tick is on its way: at most one
	failed  error
	stopped atomic.Pointer[func()]
}

// fire runs when the timer does; it only sends.
func (h *host[M, E]) fire() {
	if h.ticking.CompareAndSwap(false, true) {
		h.h.world.Post(h.self, tick{})
	}
}

// Receive is protoactor's door.
func (h *host[M, E]) Receive(ctx actor.Context) {
	h.h.ctx = ctx
	if h.stage != nil {
		h.stage.Enter(h.self)
	}
	switch m := ctx.Message().(type) {
	case M:
		h.step(m)
	case tick:
		h.ticking.Store(false)
		h.tick()
	case *actor.Started:
		if h.o.Spawned != nil {
			h.o.Spawned(&h.h)
		}
	case *actor.Stopped:
		h.timer.Stop()
		if done := h.stopped.Load(); done != nil {
			(*done)()
		}
	}
	h.h.ctx = nil
}

func (h *host[M, E]) step(m M) {
	now := h.h.world.Now()
	if h.failed != nil {
		h.refuse(m)
		return
	}
	if !h.guard(func() {
		if h.stage != nil {
			h.stage.Act(h.self)
		}
		h.core.Step(now, m, &h.out)
		if h.stage != nil {
			h.stage.Act(h.self)
		}
		h.flush()
	}) {
		h.refuse(m) // the core has not taken it, or not all of it; what it has, it has ended
		return
	}
	h.rearm()
	if took, slow := h.took(now); slow {
		h.h.watch(fmt.Sprintf("%s: %T", h.self.Name, m), took)
	}
}

// took tells whether a step has been slow, if somebody is told.
func (h *host[M, E]) took(since time.Time) (took time.Duration, slow bool) {
	if h.h.watch == nil {
		return 0, false
	}
	took = h.h.world.Now().Sub(since)
	return took, took > SlowStep
}

// refuse answers a message after a failure.
func (h *host[M, E]) refuse(m M) {
	h.guard(func() {
		h.core.Refuse(m, h.failed, &h.out)
		h.flush()
	})
}

func (h *host[M, E]) tick() {
	h.armed = time.Time{}
	if h.failed != nil {
		return
	}
	now := h.h.world.Now()
	if h.guard(func() {
		h.core.Tick(now, &h.out)
		h.flush()
	}) {
		h.rearm()
		if took, slow := h.took(now); slow {
			h.h.watch(h.self.Name+": a deadline", took)
		}
	}
}

func (h *host[M, E]) flush() {
	h.performing = true
	h.perform(&h.h, &h.out)
	h.performing = false
	h.reset(&h.out)
}

// rearm sets the timer only when it would fire too late. A tick too early is harmless, and cheaper than a setting for each message: that may wake a thread of the runtime.
func (h *host[M, E]) rearm() {
	next := h.core.Next()
	if next.IsZero() || !h.armed.IsZero() && !next.Before(h.armed) {
		return
	}
	h.armed = next
	h.timer.Set(next)
}

// guard runs f; a panic in it fails the role.
func (h *host[M, E]) guard(f func()) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			h.fail(r)
		}
	}()
	f()
	return true
}

// fail completes everything the core had accepted, so that nobody waits for ever, and tells the owner. There is no restart:
// the promises of the callers lived in that state.
func (h *host[M, E]) fail(r any) {
	performing := h.performing
	h.performing = false
	if h.failed != nil { // Refuse or Abort panicked: nothing more can be done for this message
		h.h.world.Report(fmt.Errorf("%s: panic while refusing: %v", h.self.Name, r))
		h.reset(&h.out)
		return
	}
	h.failed = fmt.Errorf("%w: %s: %v", ErrFailed, h.self.Name, r)
	h.h.world.Report(fmt.Errorf("%w\n%s", h.failed, debug.Stack())) // who is told of the failure finds it reported
	if performing {
		h.reset(&h.out)
	} else { // what the core had decided before stands: it may be the answer that somebody waits for
		h.guard(h.flush)
	}
	h.guard(func() {
		h.core.Abort(h.failed, &h.out)
		h.flush()
	})
	h.timer.Stop()
	if h.o.Failed != nil {
		h.o.Failed(h.failed)
	}
}

// stopStrategy stops an actor whose Receive panicked outside a core: it never restarts, because the state would be lost.
type stopStrategy struct{}

func (stopStrategy) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, _, _ interface{}) {
	s.StopChildren(child)
}

package role

import (
	"context"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// Tree is the supervisor of one client: an actor under the root of the embedder's system, whose children are the client's roles.
type Tree struct {
	world World
	at    *Address
	watch Slow
}

// NewTree starts the supervisor. slow, if not nil, is told of the steps of all roles below it, and of what they spawn.
func NewTree(w World, name string, slow Slow) *Tree {
	t := &Tree{world: w, watch: slow, at: &Address{ID: nextID(w), Name: name, system: w.ActorSystem()}}
	props := actor.PropsFromProducer(func() actor.Actor { return t },
		actor.WithDispatcher(w.Dispatcher()), actor.WithSupervisor(stopStrategy{}))
	t.at.pid = w.ActorSystem().Root.Spawn(props)
	return t
}

// World gives the world of the tree.
func (t *Tree) World() World { return t.world }

func (t *Tree) slow() Slow { return t.watch }

// adopt asks the supervisor for a child. Caller -> tree; one for each caller.
type adopt struct {
	props *actor.Props
	child *Promise[*actor.PID]
}

// leave asks the supervisor to end. Caller -> tree; once.
type leave struct{ done *Promise[struct{}] }

func (t *Tree) spawn(props *actor.Props) *actor.PID {
	p := NewPromise[*actor.PID](t.world)
	t.world.Post(t.at, &adopt{props, p})
	pid, _ := p.Get(context.Background())
	return pid
}

// Stop stops the supervisor and the children it still has, and waits until they are gone or ctx ends.
func (t *Tree) Stop(ctx context.Context) error {
	p := NewPromise[struct{}](t.world)
	t.world.Post(t.at, &leave{p})
	_, err := p.Get(ctx)
	return err
}

// Receive is protoactor's door.
func (t *Tree) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *adopt:
		m.child.Complete(c.Spawn(m.props), nil)
	case *leave:
		t.at.stopped(m.done)
		c.Stop(c.Self())
	case *actor.Stopped:
		if p := t.at.leaving.Load(); p != nil {
			p.Complete(struct{}{}, nil)
		}
	}
}

func (a *Address) stopped(p *Promise[struct{}]) { a.leaving.Store(p) }

// numbered is a world that numbers its own actors, so that every run of it gives the same numbers.
type numbered interface{ NextActor() uint64 }

var actors atomic.Uint64

func nextID(w World) uint64 {
	if n, ok := w.(numbered); ok {
		return n.NextActor()
	}
	return actors.Add(1)
}

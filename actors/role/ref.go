package role

import (
	"fmt"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// Address is an actor as worlds know it.
type Address struct {
	// ID numbers the actors of a world from 1, in the order of their birth.
	ID uint64
	// Name is the role and what it is for: "connection 3".
	Name string

	pid    *actor.PID
	system *actor.ActorSystem

	leaving atomic.Pointer[Promise[struct{}]] // of a tree: who waits for its end
}

// Deliver puts m into the actor's mailbox. Only worlds call it; everybody else uses Ref.Tell.
func (a *Address) Deliver(m any) { a.system.Root.Send(a.pid, m) }

// String gives the name.
func (a *Address) String() string { return a.Name }

// Ref is a typed address of an actor: only messages of the interface M go there. The zero Ref drops everything.
type Ref[M any] struct {
	world World
	to    *Address
}

// Tell sends m and returns at once. Messages of one sender to one receiver arrive in order.
func (r Ref[M]) Tell(m M) {
	if r.to != nil {
		r.world.Post(r.to, m)
	}
}

// Assist is Tell for a goroutine that goes to sleep next: it may run what it has set in motion itself. It must hold no lock that an actor takes.
func (r Ref[M]) Assist(m M) {
	if r.to != nil {
		r.world.Assist(func() { r.world.Post(r.to, m) })
	}
}

// Zero reports that the Ref leads nowhere.
func (r Ref[M]) Zero() bool { return r.to == nil }

// String names the actor.
func (r Ref[M]) String() string {
	if r.to == nil {
		return "nobody"
	}
	return fmt.Sprint(r.to.Name)
}

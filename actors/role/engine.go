package role

import (
	"log/slog"
	"sync"

	"github.com/asynkron/protoactor-go/actor"
)

// engine is what all clients of a process run on: the workers, and the actor system of those that were given none. An actor system of protoactor has 2.9 MiB, most of it empty maps; with one each, 200 clients had 580 MiB.
//
// It is there from the first client to the last: when that is closed its goroutines end and its memory goes, so a process whose clients are closed has nothing of kactor left.
type engine struct {
	mail  *pool
	work  *pool
	clock coarse

	users  int // under engines
	actors *actor.ActorSystem
}

var engines struct {
	sync.Mutex
	current *engine // nil: nobody uses one
}

// hireEngine gives the engine of the process. With system it has an actor system.
func hireEngine(system bool) *engine {
	engines.Lock()
	defer engines.Unlock()
	e := engines.current
	if e == nil {
		e = &engine{mail: newPool(smallCrowd), work: newPool(0)}
		engines.current = e
	}
	if system && e.actors == nil {
		e.actors = NewActorSystem(slog.New(slog.DiscardHandler)) // bugs are reported to the client whose they are
	}
	e.users++
	return e
}

// leave is called once for each hireEngine, when the user's actors have stopped.
func (e *engine) leave() {
	engines.Lock()
	defer engines.Unlock()
	if e.users--; e.users > 0 {
		return
	}
	engines.current = nil
	e.mail.close()
	e.work.close()
	if e.actors != nil {
		e.actors.Shutdown()
	}
}

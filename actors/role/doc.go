// Package role is the kit of which every actor of kactor is made.
//
// A role (connection, cluster, sender, fetcher, coordinator) is a pure state machine, its [Core], and a thin actor that hosts it.
// The core is stepped with messages and with the time, and answers with effects; the host performs the effects.
//
//	message -> mailbox -> host: core.Step(now, m, &out) -> perform(&out) -> arm the timer at core.Next()
//	timer   -> mailbox -> host: core.Tick(now, &out)    -> perform(&out) -> ...
//	panic   -> core.Abort(err, &out) -> perform(&out)   -> report to the owner; later messages are refused
//
// What is here:
//
//	Core, Spawn, Handle   the pure half of a role and the actor around it (host.go)
//	Ref                   a typed address (ref.go)
//	World                 time, mailboxes, parking of callers, the network: production or simulated (world.go, system.go)
//	Promise, Credits      how callers wait (promise.go, credits.go)
//	LogSparing            one line of the log for a cause (sparing.go)
//	Backoff               delays between attempts (backoff.go)
//	Tree                  the supervisor under the embedder's own actor system (tree.go)
//
// This is the only package that imports protoactor-go, and it uses a small part of it: an actor system, props with a
// dispatcher, spawn, send, watch and stop. Everything else (futures, receive time-outs, bounded mailboxes, restarts) is left alone,
// because a role must never block, lose mail or restart without its state.
package role

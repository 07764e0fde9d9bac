// Package sim is the simulated world: the whole client, its callers and a cluster run on one goroutine at a time, in virtual time, in an
// order drawn from a seed. The same seed gives the same history, byte for byte, so a bug found once is a test for ever.
//
//	World     implements role.World: scheduler, virtual clock, callers, contexts (world.go, clock.go, caller.go)
//
// Deadlines in simulated code come from World.WithTimeout, waiting goes through role.Promise and role.Credits, and goroutines are
// started with World.Go. Code that waits on a channel or sleeps by itself stops the world: after a few seconds that is found out, and the process
// panics with the place (World.Patience, trap.go).
package sim

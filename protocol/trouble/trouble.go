// Package trouble is what stands in the way of something that is asked for until it succeeds: the records of a partition, its offsets, a commit. It is one state: since when, tried again at, told at.
// It is pure: who has the clock says what time it is.
//
//	fine --Met--> troubled --Met (retry after ever longer times; told as its kind says)--> troubled
//	  ^                        |
//	  +------Came, Over--------+
package trouble

import "time"

// Kind says how likely it is that a trouble passes by itself, and so when it is told.
type Kind uint8

// The kinds.
const (
	Passing Kind = iota // the cluster's own affairs - a leader moves, a disk fails: told when it has lasted for Patience
	Twice               // a damage that may be of the way or of the log: told when it comes again
	Lasting             // a refusal: told at once
)

const (
	// Patience is how long a passing trouble is nobody's concern.
	Patience = 10 * time.Second
	// Pause lies between two tellings of one thing's troubles at least.
	Pause = 10 * time.Second
)

// Backoff is when something is tried again: First after the first failure, twice as late after each further one, Max at most.
type Backoff struct {
	First, Max time.Duration
}

// After gives the delay after so many failures in a row.
func (b Backoff) After(failures int) time.Duration {
	return min(b.First<<min(max(failures-1, 0), 10), b.Max)
}

// State is the trouble of one thing. The zero State is none.
type State struct {
	Err     error     // what came last; nil: all is well
	Fails   int       // since all was well
	RetryAt time.Time // not to be tried again before; zero: at once

	damages int       // of Fails, those of kind Twice
	since   time.Time // nothing has come since then; zero: the last time something came
	toldAt  time.Time
}

// Met notes a failure and says whether it is to be told now. Failures of whatever kinds, one after the other, are one trouble: the last is told as its own kind says, and any when nothing has come for Patience.
func (s *State) Met(now time.Time, kind Kind, err error, b Backoff) (tell bool) {
	if s.since.IsZero() {
		s.since = now
	}
	if kind == Twice {
		s.damages++
	}
	s.Err = err
	s.Fails++
	s.RetryAt = now.Add(b.After(s.Fails))
	due := kind == Lasting || kind == Twice && s.damages > 1 || now.Sub(s.since) >= Patience
	if !due || !s.toldAt.IsZero() && now.Sub(s.toldAt) < Pause {
		return false
	}
	s.toldAt = now
	return true
}

// Damaged tells whether something was damaged, and has not turned out to be sound since.
func (s *State) Damaged() bool { return s.damages > 0 }

// Came notes that what was asked for has come. If it was damaged before, it is not over until it has turned out to be sound: that is Over.
func (s *State) Came() {
	if !s.Damaged() {
		s.Over()
		return
	}
	s.since, s.RetryAt = time.Time{}, time.Time{}
}

// Again says whether a trouble that nobody tries again - it waits for the application - is to be told once more; else when it is.
func (s *State) Again(now time.Time) (tell bool, at time.Time) {
	if at = s.toldAt.Add(Pause); now.Before(at) {
		return false, at
	}
	s.toldAt = now
	return true, now.Add(Pause)
}

// Over notes that it has succeeded. What was told lately is remembered: a trouble that comes and goes is not told each time.
func (s *State) Over() { *s = State{toldAt: s.toldAt} }

// Hurry lets it be tried again at once: something has changed.
func (s *State) Hurry() { s.RetryAt = time.Time{} }

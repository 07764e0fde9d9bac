package sim

import (
	"fmt"
	"time"
)

// Lines that an actor, or a caller, has for the log in a second without being a storm: of one cause, and of all.
const (
	mostLines = 5
	mostWords = 20
)

// telling is who says something, and why; "": whatever it is.
type telling struct {
	by    uint64
	cause string
}

// heard is what was to be logged since a moment.
type heard struct {
	since time.Time
	lines int
}

// Overhear is told of each warning that is to be logged, also of those that are left out because the like was said a moment ago. More than a few of one cause in a second of virtual time are a bug: a role goes round and round
// without getting anywhere.
func (w *World) Overhear(cause string) {
	if w.warned != nil {
		w.warned(cause)
	}
	if w.hear(telling{w.current, cause}) == mostLines+1 {
		w.Report(fmt.Errorf("sim: more than %d lines in the log within a second: %s", mostLines, cause))
	}
	if w.hear(telling{w.current, ""}) == mostWords+1 {
		w.Report(fmt.Errorf("sim: more than %d lines in the log within a second, the last of which is: %s", mostWords, cause))
	}
}

// OnWarning calls f with the cause of each warning, in the step that gives it: a logger is called aside, whenever the goroutine of that comes to run. f must only note.
func (w *World) OnWarning(f func(cause string)) { w.warned = f }

// hear counts.
func (w *World) hear(t telling) int {
	h := w.heard[t]
	if h == nil || w.now.Sub(h.since) >= time.Second {
		h = &heard{since: w.now}
		w.heard[t] = h
	}
	h.lines++
	return h.lines
}

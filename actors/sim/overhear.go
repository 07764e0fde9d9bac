package sim

import (
	"fmt"
	"time"
)

// mostLines of one cause in a second are no storm: five of each of the clients of a world, which are four at most as a rule.
const mostLines = 20

// heard is what was to be logged about one cause since a moment.
type heard struct {
	since time.Time
	lines int
}

// Overhear is told of each warning that is to be logged, also of those that are left out because the like was said a moment ago. More than a few of one cause in a second of virtual time are a bug: a role goes round and round
// without getting anywhere.
func (w *World) Overhear(cause string) {
	h := w.heard[cause]
	if h == nil || w.now.Sub(h.since) >= time.Second {
		h = &heard{since: w.now}
		w.heard[cause] = h
	}
	if h.lines++; h.lines == mostLines+1 {
		w.Report(fmt.Errorf("sim: more than %d lines in the log within a second: %s", mostLines, cause))
	}
}

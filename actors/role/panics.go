package role

import (
	"fmt"
	"sync"
	"time"
)

// panicsEvery lies between two tellings of one function's panics at least.
const panicsEvery = 10 * time.Second

// Panics limits what is told of functions of the application's that panic, and may do so with every record: of each function at once, then every ten seconds at most. It is safe for concurrent use.
type Panics struct {
	world World
	mu    sync.Mutex
	of    map[string]*panicked // by what the function is for: there are few
}

// panicked is one function's panics.
type panicked struct {
	told time.Time
	kept int // since then
}

// NewPanics makes one that has the time of a world.
func NewPanics(w World) *Panics { return &Panics{world: w, of: map[string]*panicked{}} }

// Met notes that a function has panicked, and says whether that is to be told, and how many of its panics were not told since it was last.
func (p *Panics) Met(what string) (tell bool, kept int) {
	now := p.world.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.of[what]
	switch {
	case f == nil:
		p.of[what] = &panicked{told: now}
		return true, 0
	case now.Sub(f.told) < panicsEvery:
		f.kept++
		return false, f.kept
	}
	kept = f.kept
	*f = panicked{told: now}
	return true, kept
}

// Report is Met for what is reported to the world: what, with kind, names the one that has panicked.
func (p *Panics) Report(kind, what string, value any) {
	switch tell, kept := p.Met(kind); {
	case !tell:
	case kept > 0:
		p.world.Report(&PanicError{fmt.Sprintf("%s has panicked: %v (and %d times since that was told last)", what, value, kept)})
	default:
		p.world.Report(&PanicError{fmt.Sprintf("%s has panicked: %v", what, value)})
	}
}

// PanicError is a panic of a function of the application's.
type PanicError struct{ text string }

func (e *PanicError) Error() string { return e.text }

package sim

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultPatience is how long, in real time, a goroutine of the world may be blocked outside of it.
const DefaultPatience = 3 * time.Second

// looks is how many times a goroutine must be found blocked, at the same place and in the same step.
const looks = 4

// watch finds callers that wait on something the world knows nothing of: a channel, a WaitGroup, time.Sleep. While one does, nothing else runs, so what it waits for may never come, and the run would hang without a word. It only
// observes, in real time, and what it sees does not depend on how fast the machine is: who computes for long is not blocked.
type watch struct {
	w        *World
	patience time.Duration
	found    func(trap string)

	mu     sync.Mutex
	timer  *time.Timer
	over   bool
	step   uint64
	place  string
	times  int
	looked atomic.Int64
}

// Patience says after how much real time a caller that waits outside of the world, on a channel for instance, is found out (3 s): then the process panics and names the place. Call it before Run; a negative one turns that off.
func (w *World) Patience(d time.Duration) { w.patience = d }

// watched begins to watch the calling goroutine, which runs the world, and its callers. It returns what ends that.
func (w *World) watched() (end func()) {
	if w.patience < 0 {
		return func() {}
	}
	x := &watch{w: w, patience: w.patience, found: w.trapped}
	if x.patience == 0 {
		x.patience = DefaultPatience
	}
	if x.found == nil {
		x.found = func(trap string) { panic(trap) }
	}
	w.watch = x
	w.runner.Store(goroutine())
	x.mu.Lock()
	x.timer = time.AfterFunc(x.patience/looks, x.look)
	x.mu.Unlock()
	return x.end
}

func (x *watch) end() {
	x.mu.Lock()
	x.over = true
	x.timer.Stop()
	x.mu.Unlock()
}

// look is called several times in each patience.
func (x *watch) look() {
	x.mu.Lock()
	trap := x.see()
	if !x.over {
		x.timer.Reset(x.patience / looks)
	}
	x.mu.Unlock()
	x.looked.Add(1)
	if trap != "" {
		x.found(trap)
	}
}

// see gives a report when it is time for one.
func (x *watch) see() (trap string) {
	step := x.w.turn.Load()
	if x.over || step != x.step { // it goes on
		x.step, x.place, x.times = step, "", 0
		return ""
	}
	name, g, found := x.blocked()
	if !found || x.place != "" && x.place != g.id+g.place {
		x.place, x.times = "", 0
		return ""
	}
	x.place = g.id + g.place
	if x.times++; x.times != looks {
		return ""
	}
	return fmt.Sprintf("sim: seed %d: %s waits outside of the world, and nothing else happens until it goes on: goroutine %s [%s] at %s\nWait with World.Park, World.Sleep or a role.Promise, start goroutines with World.Go, and make deadlines with World.WithTimeout.\n\n%s",
		x.w.seed, name, g.id, g.state, g.place, g.stack)
}

// blocked finds the goroutine that is to go on, and cannot.
func (x *watch) blocked() (name string, g stack, ok bool) {
	b := make([]byte, 1<<20)
	for n := runtime.Stack(b, true); n == len(b) && n < 64<<20; n = runtime.Stack(b, true) {
		b = make([]byte, 4*len(b))
	}
	all := string(bytes.TrimRight(b, "\x00"))
	if c := x.w.acting.Load(); c != nil {
		if g, ok := find(all, c.goroutine.Load()); ok {
			return fmt.Sprintf("the caller %q", c.name), g, true
		}
	}
	g, ok = find(all, x.w.runner.Load())
	return "an actor, or what the world runs itself,", g, ok
}

// stack is one goroutine of a dump.
type stack struct {
	id, state, place, stack string
}

// waits are the states of a goroutine that waits for another, or for time.
var waits = []string{"chan ", "select", "semacquire", "sync.", "sleep"}

// find gives a goroutine of a dump if it is blocked.
func find(all string, id uint64) (g stack, ok bool) {
	g.id = strconv.FormatUint(id, 10)
	head := "goroutine " + g.id + " ["
	for _, text := range strings.Split(all, "\n\n") {
		rest, mine := strings.CutPrefix(text, head)
		if !mine {
			continue
		}
		g.state, rest, _ = strings.Cut(rest, "]:\n")
		g.state, _, _ = strings.Cut(g.state, ",")
		g.stack = text
		for _, w := range waits {
			if strings.HasPrefix(g.state, w) {
				g.place = place(rest)
				return g, true
			}
		}
		return g, false
	}
	return g, false
}

// place is where in a stack the code of somebody else than Go's own packages is.
func place(frames string) string {
	lines := strings.Split(frames, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		own := false
		for _, p := range []string{"runtime.", "sync.", "time.", "context.", "internal/", "sync/"} {
			own = own || strings.HasPrefix(lines[i], p)
		}
		if !own {
			at, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " +0x")
			return at
		}
	}
	return "an unknown place"
}

// goroutine is the number of the calling goroutine.
func goroutine() uint64 {
	var b [64]byte
	s := strings.TrimPrefix(string(b[:runtime.Stack(b[:], false)]), "goroutine ")
	s, _, _ = strings.Cut(s, " ")
	n, _ := strconv.ParseUint(s, 10, 64)
	return n
}

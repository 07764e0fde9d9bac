package role

import (
	"context"
	"log/slog"
	"sync"
)

// mostAside is how many functions wait at most.
const mostAside = 1024

// Aside calls functions of the application's that actors have something to tell, as loggers and hooks: not on the actor, one after the other, in the order they were given. One that panics is reported, see Panics, and one that blocks holds up
// those behind it and nothing else; when 1,024 wait, more are dropped. The zero value is not ready: see NewAside.
type Aside struct {
	start  func(name string, f func())
	panics *Panics // nil: nobody is told
	mu     sync.Mutex
	queue  []aside
	busy   bool
	lost   int
}

type aside struct {
	what string
	f    func()
}

// NewAside makes one that calls on goroutines of w, and reports panics to it.
func NewAside(w World) *Aside { return &Aside{start: w.Go, panics: NewPanics(w)} }

// Do lets f be called soon. It never blocks.
func (a *Aside) Do(what string, f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) >= mostAside {
		a.lost++
		return
	}
	a.queue = append(a.queue, aside{what, f})
	if !a.busy {
		a.busy = true
		a.start("aside", a.run)
	}
}

// Lost is how many were dropped.
func (a *Aside) Lost() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lost
}

// run calls what waits. A function that ends its goroutine leaves the rest to another.
func (a *Aside) run() {
	left := true
	defer func() {
		if left {
			a.start("aside", a.run)
		}
	}()
	for {
		a.mu.Lock()
		if len(a.queue) == 0 {
			a.busy, a.queue, left = false, nil, false
			a.mu.Unlock()
			return
		}
		next := a.queue[0]
		a.queue = a.queue[1:]
		a.mu.Unlock()
		a.call(next)
	}
}

func (a *Aside) call(next aside) {
	defer func() {
		if p := recover(); p != nil && a.panics != nil {
			defer func() { _ = recover() }() // who is told may be who has panicked
			a.panics.Report(next.what, next.what, p)
		}
	}()
	next.f()
}

// LogAside makes a logger that passes on what it is told to another one, which is the application's, as Aside does: from any goroutine, actors too. Whether the other wants to be told of less than warnings is asked once, now.
func LogAside(to *slog.Logger) *slog.Logger {
	h := to.Handler()
	a := &Aside{start: func(_ string, f func()) { go f() }}
	return slog.New(&logAside{a, h, h.Enabled(context.Background(), slog.LevelDebug), h.Enabled(context.Background(), slog.LevelInfo)})
}

type logAside struct {
	aside       *Aside
	to          slog.Handler
	debug, info bool
}

// Enabled does not ask the other logger.
func (l *logAside) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || l.info && level >= slog.LevelInfo || l.debug
}

// Handle lets the other logger be told.
func (l *logAside) Handle(_ context.Context, r slog.Record) error {
	r = r.Clone()
	l.aside.Do("the logger", func() {
		if ctx := context.Background(); l.to.Enabled(ctx, r.Level) {
			_ = l.to.Handle(ctx, r)
		}
	})
	return nil
}

// WithAttrs is slog.Handler's.
func (l *logAside) WithAttrs(attrs []slog.Attr) slog.Handler { return l.with(l.to.WithAttrs(attrs)) }

// WithGroup is slog.Handler's.
func (l *logAside) WithGroup(name string) slog.Handler { return l.with(l.to.WithGroup(name)) }

func (l *logAside) with(to slog.Handler) *logAside {
	next := *l
	next.to = to
	return &next
}

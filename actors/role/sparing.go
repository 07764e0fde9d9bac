package role

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/kactor-go/kactor/protocol/printable"
)

const (
	// LogEvery lies between two lines about one cause at least.
	LogEvery = 10 * time.Second
	// LogMost are the lines of one message, whatever they are about, in any second at most: there may be as many partitions, or numbers in what others send, as they like.
	LogMost = 20
	// mostCauses are told apart; of more than that those of one message are one cause.
	mostCauses = 1000
)

// Overhearing is a world that wants to know what would be logged, before LogSparing leaves out what was said a moment ago. The simulated world does: who says the same again and again is busy with nothing.
type Overhearing interface {
	// Overhear is called on whatever goroutine logs, for warnings and worse.
	Overhear(cause string)
}

// about names the attributes that say what a line is about; with its message they are its cause. The others - errors, texts, numbers - may be different each time, and some of them others can choose.
var about = map[string]bool{"group": true, "partition": true, "topic": true, "step": true, "why": true}

// LogSparing makes a logger that passes on to another one a line for each cause in ten seconds, and LogMost with one message in a second: who is in trouble, or has a fellow who is hostile, has the same trouble thousands of times. The next line of a cause says how many
// were left out before it, as "untold". Errors, which are bugs, are one cause only where the first line of their "err" is the same, too. now is the time of the world.
func LogSparing(to *slog.Logger, w World) *slog.Logger {
	s := &sparing{to: to.Handler(), shared: &spared{now: w.Now, of: map[string]*cause{}, messages: map[string]*burst{}}}
	s.shared.overhears, _ = w.(Overhearing)
	return slog.New(s)
}

type sparing struct {
	to     slog.Handler
	shared *spared
}

// spared is what a logger and those made of it know.
type spared struct {
	now       func() time.Time
	overhears Overhearing

	mu       sync.Mutex
	of       map[string]*cause
	messages map[string]*burst
}

// burst is what was said with one message lately.
type burst struct {
	told   [LogMost]time.Time // when the last lines were written, in turn
	next   int
	untold int // since the last
}

// cause is why lines are written.
type cause struct {
	told   time.Time
	untold int // since then
}

// Enabled is the other logger's.
func (s *sparing) Enabled(ctx context.Context, level slog.Level) bool {
	return s.to.Enabled(ctx, level) || s.shared.overhears != nil && level >= slog.LevelWarn
}

// Handle passes a line on, or counts it.
func (s *sparing) Handle(ctx context.Context, r slog.Record) error {
	name := causeOf(r)
	if s.shared.overhears != nil && r.Level >= slog.LevelWarn {
		s.shared.overhears.Overhear(name)
	}
	if !s.to.Enabled(ctx, r.Level) {
		return nil
	}
	tell, untold := s.shared.met(name, r.Message)
	if !tell {
		return nil
	}
	if untold > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("untold", untold))
	}
	return s.to.Handle(ctx, r)
}

func causeOf(r slog.Record) string {
	var b strings.Builder
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		switch {
		case about[a.Key]:
			b.WriteString("|" + printable.Text(a.Value.String()))
		case a.Key == "err" && r.Level >= slog.LevelError:
			first, _, _ := strings.Cut(a.Value.String(), "\n")
			b.WriteString("|" + printable.Text(first))
		}
		return true
	})
	return b.String()
}

// met says whether a line is to be written, and how many of its cause were not since the last.
func (s *spared) met(name, message string) (tell bool, untold int) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.of[name]
	if c == nil && len(s.of) >= mostCauses {
		for name, c := range s.of {
			if now.Sub(c.told) >= LogEvery {
				delete(s.of, name)
			}
		}
		if len(s.of) >= mostCauses {
			name = message
			c = s.of[name]
		}
	}
	if c != nil && now.Sub(c.told) < LogEvery {
		c.untold++
		return false, 0
	}
	b := s.burst(message)
	if before := b.told[b.next]; !before.IsZero() && now.Sub(before) < time.Second {
		b.untold++
		return false, 0
	}
	untold = b.untold
	if c != nil {
		untold += c.untold
	}
	b.told[b.next], b.next, b.untold = now, (b.next+1)%LogMost, 0
	s.of[name] = &cause{told: now}
	return true, untold
}

// burst gives what is known of a message. There are as many as there are in the code, unless somebody writes what others say into one.
func (s *spared) burst(message string) *burst {
	b := s.messages[message]
	if b == nil {
		if len(s.messages) >= mostCauses {
			clear(s.messages)
		}
		b = &burst{}
		s.messages[message] = b
	}
	return b
}

// WithAttrs is slog.Handler's.
func (s *sparing) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &sparing{s.to.WithAttrs(attrs), s.shared}
}

// WithGroup is slog.Handler's.
func (s *sparing) WithGroup(name string) slog.Handler {
	return &sparing{s.to.WithGroup(name), s.shared}
}

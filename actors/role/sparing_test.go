package role_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/actors/sim"
)

// lines collects what is logged.
type lines struct{ list *[]string }

func (lines) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (h lines) WithAttrs([]slog.Attr) slog.Handler             { return h }
func (h lines) WithGroup(string) slog.Handler                  { return h }
func (h lines) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	*h.list = append(*h.list, text)
	return nil
}

// sparing logs into a list, in virtual time.
func sparing(t *testing.T, f func(w *sim.World, log *slog.Logger)) (got []string) {
	t.Helper()
	if err := sim.Run(1, func(w *sim.World) error {
		f(w, role.LogSparing(slog.New(lines{&got}), w))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestOneLineForACause has a trouble each second, of which others can choose the text, and another one beside it.
func TestOneLineForACause(t *testing.T) {
	got := sparing(t, func(w *sim.World, log *slog.Logger) {
		for n := range 25 {
			log.Warn("in trouble", "group", "g", "what", n)
			log.Debug("nobody wants to know")
			if n%10 == 3 {
				log.Warn("in trouble", "group", "h", "what", n)
			}
			_ = w.Sleep(context.Background(), time.Second)
		}
	})
	want := []string{"in trouble group=g what=0", "in trouble group=h what=3", "in trouble group=g what=10 untold=9", "in trouble group=h what=13", "in trouble group=g what=20 untold=9", "in trouble group=h what=23"}
	if !slices.Equal(got, want) {
		t.Errorf("logged %q", got)
	}
}

func TestBugsAreToldApart(t *testing.T) {
	got := sparing(t, func(_ *sim.World, log *slog.Logger) {
		for _, err := range []error{errors.New("one"), errors.New("other"), errors.New("one\nwith a stack")} {
			log.Error("a bug", "err", err)
		}
	})
	if !slices.Equal(got, []string{"a bug err=one", "a bug err=other"}) {
		t.Errorf("logged %q", got)
	}
}

// TestManyCausesOfOneMessage has a trouble of each of many partitions, in a world that does not mind: some of them are told each second.
func TestManyCausesOfOneMessage(t *testing.T) {
	var got []string
	sparing(t, func(w *sim.World, _ *slog.Logger) {
		log := role.LogSparing(slog.New(lines{&got}), struct{ role.World }{w})
		for range 2 {
			for n := range 5000 {
				log.Warn("in trouble", "partition", n)
			}
			log.Warn("in another trouble", "partition", 1)
			_ = w.Sleep(context.Background(), role.LogEvery)
		}
	})
	if len(got) != 2*(role.LogMost+1) || got[role.LogMost-1] != "in trouble partition=19" || got[role.LogMost] != "in another trouble partition=1" || got[role.LogMost+1] != "in trouble partition=0 untold=4980" {
		t.Errorf("logged %q", got)
	}
}

// TestManyMessages has more causes than are told apart.
func TestManyMessages(t *testing.T) {
	var got []string
	sparing(t, func(w *sim.World, _ *slog.Logger) {
		log := role.LogSparing(slog.New(lines{&got}), struct{ role.World }{w})
		for n := range 5000 {
			log.Warn("in trouble "+strconv.Itoa(n%100), "partition", n)
			_ = w.Sleep(context.Background(), time.Millisecond)
		}
	})
	if len(got) < 1000 || len(got) > 1100 {
		t.Errorf("%d lines are logged", len(got))
	}
}

// TestAStormInTheLogIsABugOfTheSimulatedWorld, also where nobody listens.
func TestAStormInTheLogIsABugOfTheSimulatedWorld(t *testing.T) {
	for n, want := range map[int]bool{5: false, 6: true} {
		err := sim.Run(1, func(w *sim.World) error {
			log := role.LogSparing(slog.New(slog.DiscardHandler), w)
			for i := range n {
				log.Warn("in trouble", "what", i)
			}
			return w.Sleep(context.Background(), time.Second)
		})
		if got := err != nil; got != want {
			t.Errorf("%d lines within a second: %v", n, err)
		}
	}
}

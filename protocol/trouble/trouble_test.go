package trouble

import (
	"errors"
	"slices"
	"testing"
	"time"
)

var (
	backoff = Backoff{100 * time.Millisecond, time.Second}
	errA    = errors.New("a")
)

// told gives the seconds at which a trouble is told that comes each second.
func told(s *State, kind Kind, seconds ...int) (at []int) {
	for _, n := range seconds {
		if s.Met(time.Unix(int64(1000+n), 0), kind, errA, backoff) {
			at = append(at, n)
		}
	}
	return at
}

func each(from, to int) (out []int) {
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}

func TestWhenATroubleIsTold(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		want []int
	}{{Lasting, []int{0, 10, 20}}, {Twice, []int{1, 11, 21}}, {Passing, []int{10, 20}}} {
		if got := told(new(State), c.kind, each(0, 25)...); !slices.Equal(got, c.want) {
			t.Errorf("kind %d is told at %v, expected %v", c.kind, got, c.want)
		}
	}
}

func TestATroubleThatComesAndGoesIsNotToldEachTime(t *testing.T) {
	var s State
	var got []int
	for _, n := range each(0, 25) {
		got = append(got, told(&s, Lasting, n)...)
		s.Over()
	}
	if !slices.Equal(got, []int{0, 10, 20}) {
		t.Errorf("told at %v", got)
	}
}

func TestAPassingTroubleCountsFromItsBeginning(t *testing.T) {
	var s State
	told(&s, Passing, each(0, 9)...)
	s.Over()
	if got := told(&s, Passing, each(9, 25)...); !slices.Equal(got, []int{19}) {
		t.Errorf("told at %v", got)
	}
}

func TestTriesBecomeRarer(t *testing.T) {
	var s State
	now := time.Unix(1000, 0)
	for _, want := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		s.Met(now, Passing, errA, backoff)
		if got := s.RetryAt.Sub(now); got != want*time.Millisecond {
			t.Errorf("failure %d: tried again after %s, expected %s", s.Fails, got, want*time.Millisecond)
		}
	}
	s.Over()
	if s.Err != nil || s.Fails != 0 || !s.RetryAt.IsZero() {
		t.Errorf("when it is over: %+v", s)
	}
}

func TestWhatWaitsForTheApplicationIsToldAgain(t *testing.T) {
	var s State
	told(&s, Lasting, 0)
	var got []int
	for _, n := range each(0, 25) {
		if tell, at := s.Again(time.Unix(int64(1000+n), 0)); tell {
			got = append(got, n)
		} else if !at.After(time.Unix(int64(1000+n), 0)) {
			t.Fatalf("at second %d it is to be told at %s, and is not", n, at)
		}
	}
	if !slices.Equal(got, []int{10, 20}) {
		t.Errorf("told at %v", got)
	}
}

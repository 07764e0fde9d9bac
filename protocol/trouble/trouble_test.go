package trouble

import (
	"errors"
	"math/rand/v2"
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

// A partition's leader moves again and again while one of its batches is damaged: each alone was told, and together they were not.
func TestKindsThatAlternateAreOneTrouble(t *testing.T) {
	for _, c := range []struct {
		kinds []Kind
		comes bool // something comes before each damage
		want  []int
	}{
		{[]Kind{Twice, Passing}, false, []int{2, 12, 22}},
		{[]Kind{Twice, Passing}, true, []int{2, 12, 22}},
		{[]Kind{Passing, Twice}, false, []int{3, 13, 23}},
		{[]Kind{Passing, Passing, Twice}, true, []int{5, 17}},
		{[]Kind{Passing, Lasting}, false, []int{1, 11, 21}},
		{[]Kind{Twice, Lasting, Passing}, false, []int{1, 11, 21}},
		{[]Kind{Passing, Passing, Passing, Passing, Passing, Passing, Passing, Passing, Passing, Passing, Passing, Passing, Twice}, false, []int{10, 20}},
	} {
		var s State
		var got []int
		for _, n := range each(0, 25) {
			kind := c.kinds[n%len(c.kinds)]
			if c.comes && kind == Twice {
				s.Came()
			}
			got = append(got, told(&s, kind, n)...)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v is told at %v", c, got)
		}
	}
}

func TestWhateverComesAfterPatienceIsTold(t *testing.T) {
	for _, kind := range []Kind{Passing, Twice, Lasting} {
		var s State
		told(&s, Passing, 0)
		if got := told(&s, kind, 11); !slices.Equal(got, []int{11}) {
			t.Errorf("kind %d is told at %v", kind, got)
		}
	}
}

func TestADamageIsNotOverWhenSomethingHasCome(t *testing.T) {
	var s State
	told(&s, Twice, 0)
	if s.Came(); !s.Damaged() || s.Err == nil || s.Fails != 1 || !s.RetryAt.IsZero() {
		t.Errorf("%+v", s)
	}
	if got := told(&s, Passing, 3600); got != nil { // that is another's beginning
		t.Errorf("told at %v", got)
	}
	if s.Over(); s.Damaged() || s.Err != nil {
		t.Errorf("%+v", s)
	}
	told(&s, Passing, 3601)
	if s.Came(); s.Err != nil {
		t.Errorf("%+v", s)
	}
}

// TestHistories has failures of all kinds in any order, and what comes in between.
func TestHistories(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		pattern := make([]Kind, 1+r.IntN(4))
		for i := range pattern {
			pattern[i] = Kind(r.IntN(3))
		}
		rare := 2 + r.IntN(60)
		var s State
		var begun, last time.Time // of the failures since something has come; of the tellings
		damages := 0
		for n := range 200 {
			now := time.Unix(1000+int64(n), int64(r.IntN(1e9)))
			switch r.IntN(rare) {
			case 0:
				s.Came()
				begun = time.Time{}
				continue
			case 1:
				s.Over()
				begun, damages = time.Time{}, 0
				continue
			}
			kind := pattern[n%len(pattern)]
			if begun.IsZero() {
				begun = now
			}
			if kind == Twice {
				damages++
			}
			tell := s.Met(now, kind, errA, backoff)
			if tell {
				if !last.IsZero() && now.Sub(last) < Pause {
					t.Fatalf("seed %d: told after %s", seed, now.Sub(last))
				}
				last = now
			}
			lasts, again := now.Sub(begun) >= Patience, kind == Twice && damages > 1
			switch {
			case (lasts || again || kind == Lasting) && (last.IsZero() || now.Sub(last) >= Pause):
				t.Fatalf("seed %d: at %s kind %d is not told, after %s and %d damages", seed, now, kind, now.Sub(begun), damages)
			case tell && !lasts && !again && kind != Lasting:
				t.Fatalf("seed %d: at %s kind %d is told after %s and %d damages", seed, now, kind, now.Sub(begun), damages)
			}
		}
	}
}

package trouble

import (
	"testing"
	"time"
)

// Who was held back takes two steps at once when answers turn. If all of them do, that are three requests each time.
func TestPaceOfAnswersThatTurn(t *testing.T) {
	b := Backoff{First: 100 * time.Millisecond, Max: time.Second}
	now := time.Unix(1000, 0)
	var p Pace
	for range Free + 5 {
		p.Vain(now, b)
		now, _ = p.Waits(time.Time{})
	}
	for range mostTurns {
		if p.Turned(now, b); p.at.After(now) {
			t.Errorf("it waits until %v", p.at)
		}
	}
	p = Pace{}
	var asked []time.Time
	for begun := now; now.Before(begun.Add(time.Minute)); {
		if until, waits := p.Waits(now); waits {
			now = until
			continue
		}
		asked = append(asked, now)
		p.Turned(now, b)
	}
	for i, at := range asked {
		if i >= 20 && at.Sub(asked[i-20]) < time.Second {
			t.Errorf("requests %d to %d within %v", i-20, i, at.Sub(asked[i-20]))
		}
	}
	if n := len(asked); n > 200 {
		t.Errorf("%d requests in a minute", n)
	}
}

// Who was held back and has then asked nothing for long, because there was nobody to ask, begins anew.
func TestPaceOfWhoHasRested(t *testing.T) {
	b := Backoff{First: 100 * time.Millisecond, Max: time.Second}
	now := time.Unix(1000, 0)
	var p Pace
	for range Free + 5 {
		p.Vain(now, b)
		now, _ = p.Waits(time.Time{})
	}
	now = now.Add(restsAfter * b.Max)
	if p.Vain(now, b); !p.Held() {
		t.Error("not held back after five seconds")
	}
	now, _ = p.Waits(time.Time{})
	now = now.Add(restsAfter*b.Max + 1)
	for range Free {
		if p.Vain(now, b); p.Held() {
			t.Error("held back after more than that")
		}
	}
	if p.Vain(now, b); !p.Held() {
		t.Error("not held back again")
	}
}

// Who gets no further asks at most so often in any second, however fast the answers are; who gets on is never held back.
func TestPace(t *testing.T) {
	b := Backoff{First: 100 * time.Millisecond, Max: time.Second}
	start := time.Unix(1000, 0)
	for _, took := range []time.Duration{0, time.Millisecond, 30 * time.Millisecond, 700 * time.Millisecond} {
		var p Pace
		var asked []time.Time
		for now := start; now.Before(start.Add(time.Minute)); {
			if until, waits := p.Waits(now); waits {
				now = until
				continue
			}
			asked = append(asked, now)
			p.Vain(now, b)
			now = now.Add(took)
		}
		for i, at := range asked {
			if i >= 10 && at.Sub(asked[i-10]) < time.Second {
				t.Errorf("answers after %v: requests %d to %d within %v", took, i-10, i, at.Sub(asked[i-10]))
			}
		}
		if n := len(asked); took < time.Second/2 && (n < 60 || n > 70) || took > time.Second/2 && n < 60 {
			t.Errorf("answers after %v: %d requests in a minute", took, n)
		}
		if !p.Held() {
			t.Errorf("answers after %v: not held back", took)
		}
		p.Forward()
		if until, waits := p.Waits(start); waits || p.Held() {
			t.Errorf("held back until %v by what has gone forward", until)
		}
	}
}

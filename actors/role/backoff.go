package role

import (
	"math/rand/v2"
	"time"
)

// Backoff gives the delay before the next attempt: Initial, doubled with each failure up to Max, spread by Jitter
// (KIP-144, KIP-580).
type Backoff struct {
	Initial time.Duration // before the second attempt
	Max     time.Duration // never longer than this, jitter aside
	Jitter  float64       // 0.2 spreads a delay over 80 % to 120 %
}

// After is the delay after the given number of failures in a row, 1 for the first.
func (b Backoff) After(failures int, r *rand.Rand) time.Duration {
	d := b.Initial
	for i := 1; i < failures && d < b.Max; i++ {
		d *= 2
	}
	d = min(d, b.Max)
	if b.Jitter > 0 {
		d += time.Duration(float64(d) * b.Jitter * (2*r.Float64() - 1))
	}
	return d
}

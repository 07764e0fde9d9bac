package fetcher

import (
	"context"
	"errors"
	"testing"
)

// TestWhoWaitsForAPositionInVainIsForgotten: callers that give up leave nothing behind.
func TestWhoWaitsForAPositionInVainIsForgotten(t *testing.T) {
	b := newBench(t)
	b.seek(AtDefault)
	ended, end := context.WithCancel(t.Context())
	end()
	for range 3 {
		if _, err := b.buf.position(ended, tp); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if n := len(b.buf.byTP[tp].waiters); n != 0 {
		t.Errorf("%d waiters are kept of callers that have gone", n)
	}
}

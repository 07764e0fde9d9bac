package api_test

import (
	"context"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// slow is a world in which a goroutine is not scheduled for a second where it looks at the clock.
type slow struct {
	*sim.World
	who  string // the goroutine; empty: none
	next int    // after so many looks
}

func (s *slow) Now() time.Time {
	if s.who == role.Goroutine() {
		if s.next--; s.next == 0 {
			pass(context.Background(), s.World, time.Second)
		}
	}
	return s.World.Now()
}

// TestAResetThatComesWithItsRecordsLosesNone: whenever the reader stands still, a position that is reset then comes together with the first records of there. They are handled, and not forgotten with what was read before.
func TestAResetThatComesWithItsRecordsLosesNone(t *testing.T) {
	const records = 3
	for looks := range 8 {
		s := &slow{next: looks}
		written(t, 1, records, func(ctx context.Context, w *sim.World, _ *fake.Cluster, client *api.Client) error {
			told := false
			k, err := client.Consumer("", api.Property("auto.offset.reset", "earliest"), api.OnReset(func(api.PositionReset) { told = true }))
			if err != nil {
				return err
			}
			if err := k.Assign(part); err != nil {
				return err
			}
			ctx, cancel := w.WithTimeout(ctx, time.Minute)
			defer cancel()
			var handled []int64
			s.who = role.Goroutine()
			_ = k.Handle(ctx, func(_ context.Context, r *api.Record) error {
				if handled = append(handled, r.Offset); !told {
					t.Errorf("stood still at look %d: a record is handled before the reset was told", looks)
				}
				if len(handled) == records {
					cancel()
				}
				return nil
			})
			s.who = ""
			if len(handled) != records {
				t.Errorf("stood still at look %d: handled are %v of %d records", looks, handled, records)
			}
			return nil
		}, func(w *sim.World) role.World { s.World = w; return s })
	}
}

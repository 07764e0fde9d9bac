package api_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// pass lets time pass.
func pass(ctx context.Context, w *sim.World, d time.Duration) {
	ctx, cancel := w.WithTimeout(ctx, d)
	defer cancel()
	_ = w.Park(ctx, role.NewWaiter())
}

// TestAnAutomaticCommitIsNotLeftOutForAnOlderOne commits an offset automatically, then a later one otherwise, and goes back to the first to read on from there: that is committed when the consumer is closed.
func TestAnAutomaticCommitIsNotLeftOutForAnOlderOne(t *testing.T) {
	for name, commit := range map[string]func(ctx context.Context, w *sim.World, k *api.Consumer) error{
		"Commit": func(ctx context.Context, _ *sim.World, k *api.Consumer) error { return k.Commit(ctx) },
		"CommitAsync": func(ctx context.Context, w *sim.World, k *api.Consumer) error {
			err := k.CommitAsync(nil)
			pass(ctx, w, 100*time.Millisecond)
			return err
		},
		"Handle": func(ctx context.Context, _ *sim.World, k *api.Consumer) error {
			failed := errors.New("no more")
			if err := k.Handle(ctx, func(_ context.Context, r *api.Record) error {
				if r.Offset == 8 {
					return failed
				}
				return nil
			}); !errors.Is(err, failed) {
				return err
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			written(t, 1, 10, func(ctx context.Context, w *sim.World, c *fake.Cluster, client *api.Client) error {
				k, err := client.Consumer("g", api.Topics("t"), api.Property("auto.offset.reset", "earliest"), api.Property("auto.commit.interval.ms", "1000"))
				if err != nil {
					return err
				}
				committed := func(want int64) {
					t.Helper()
					if got := c.Committed("g", "t", 0); got != want {
						t.Errorf("committed is %d, expected %d", got, want)
					}
				}
				_, err = polled(ctx, w, k, 5*time.Second, api.MaxRecords(5))
				err = errors.Join(err, k.Pause(part))
				_, more := polled(ctx, w, k, 5*time.Second)
				committed(5)
				err = errors.Join(err, more, k.Resume(part))
				if name != "Handle" {
					_, more = polled(ctx, w, k, 5*time.Second, api.MaxRecords(3))
					err = errors.Join(err, more)
				}
				err = errors.Join(err, commit(ctx, w, k))
				committed(8)
				err = errors.Join(err, k.Seek(part, 5))
				pass(ctx, w, 100*time.Millisecond) // until it is known of which topic the position is
				err = errors.Join(err, k.Shutdown(ctx))
				committed(5)
				return err
			})
		})
	}
}

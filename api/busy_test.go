package api_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
)

// TestWhoIsInACallThatWaitsIsThere has a coordinator that takes a commit for longer than max.poll.interval.ms, or a handler that takes so long to end, while the application is in a call that waits for it. The member left its group as if
// nobody polled, and the commit was told that it is fenced.
func TestWhoIsInACallThatWaitsIsThere(t *testing.T) {
	slow := func(c *fake.Cluster) {
		c.FailNext(8, slices.Repeat([]protocol.Code{protocol.CoordinatorLoadInProgress}, 9)...)
	}
	for name, call := range map[string]func(ctx context.Context, w *sim.World, c *fake.Cluster, k *api.Consumer) error{
		"Close": func(ctx context.Context, _ *sim.World, c *fake.Cluster, k *api.Consumer) error {
			slow(c)
			return k.Shutdown(ctx)
		},
		"Unsubscribe": func(ctx context.Context, _ *sim.World, c *fake.Cluster, k *api.Consumer) error {
			slow(c)
			return k.Unsubscribe(ctx)
		},
		"Poll": func(ctx context.Context, w *sim.World, c *fake.Cluster, k *api.Consumer) error { // while partitions are given up
			slow(c)
			err := errors.Join(k.Pause(part), k.Subscribe("u"))
			_, more := polled(ctx, w, k, 20*time.Second)
			return errors.Join(err, more)
		},
		"Handle": func(ctx context.Context, w *sim.World, _ *fake.Cluster, k *api.Consumer) error {
			begun := 0
			w.Go("handles", func() {
				_ = k.Handle(ctx, func(ctx context.Context, _ *api.Record) error {
					begun++
					pass(context.WithoutCancel(ctx), w, 4*time.Second)
					return nil
				})
			})
			pass(ctx, w, time.Second)
			if err := k.Shutdown(ctx); err != nil || begun != 1 {
				return fmt.Errorf("%d records were handled: %w", begun, err)
			}
			return nil
		},
	} {
		for _, group := range []string{"classic", "consumer"} {
			if name == "Poll" && group == "consumer" { // the coordinator gives it max.poll.interval.ms to give up, and then it is out
				continue
			}
			t.Run(name+" "+group, func(t *testing.T) {
				written(t, 1, 10, func(ctx context.Context, w *sim.World, c *fake.Cluster, client *api.Client) error {
					lost := 0
					k, err := client.Consumer("g", api.Topics("t"), api.Properties(map[string]string{"auto.offset.reset": "earliest", "group.protocol": group, "max.poll.interval.ms": "3000", "auto.commit.interval.ms": "3600000"}),
						api.OnRebalance(api.RebalanceListener{OnLost: func(context.Context, []api.TopicPartition) { lost++ }}))
					if err != nil {
						return err
					}
					want := int64(6)
					_, err = polled(ctx, w, k, 5*time.Second, api.MaxRecords(5))
					err = errors.Join(err, call(ctx, w, c, k))
					if name != "Handle" {
						want = 5
					}
					if got := c.Committed("g", "t", 0); got != want || lost > 0 {
						t.Errorf("committed is %d, expected %d; %d times something was lost", got, want, lost)
					}
					return err
				})
			})
		}
	}
}

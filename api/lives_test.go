package api_test

import (
	"context"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// TestAnErrorOfALifeBeforeIsNotTold has a partition, and a membership, that fails while nobody polls, and begins anew: what ended the life before is not told of this one.
func TestAnErrorOfALifeBeforeIsNotTold(t *testing.T) {
	const records = 3
	for name, begin := range map[string]func(ctx context.Context, w *sim.World, client *api.Client) (*api.Consumer, error){
		"a partition": func(ctx context.Context, w *sim.World, client *api.Client) (*api.Consumer, error) {
			k, err := client.Consumer("", api.Property("auto.offset.reset", "none"))
			if err != nil {
				return nil, err
			}
			if err := k.Assign(part); err != nil { // there is no offset to begin at
				return nil, err
			}
			pass(ctx, w, time.Second)
			return k, k.Seek(part, 0)
		},
		"a membership": func(ctx context.Context, w *sim.World, client *api.Client) (*api.Consumer, error) {
			k, err := client.Consumer("g", api.Property("auto.offset.reset", "earliest"))
			if err != nil {
				return nil, err
			}
			if err := k.SubscribeRE2J("t.*"); err != nil { // which the classic protocol does not have
				return nil, err
			}
			pass(ctx, w, time.Second)
			if err := k.Unsubscribe(ctx); err != nil {
				return nil, err
			}
			return k, k.Subscribe("t")
		},
	} {
		t.Run(name, func(t *testing.T) {
			written(t, 1, records, func(ctx context.Context, w *sim.World, _ *fake.Cluster, client *api.Client) error {
				k, err := begin(ctx, w, client)
				if err != nil {
					return err
				}
				if got, err := polled(ctx, w, k, 20*time.Second); err != nil || len(got) != records {
					t.Errorf("%d records: %v", len(got), err)
				}
				return k.Shutdown(ctx)
			})
		})
	}
}

package sim_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// TestAPartitionThatWasFullIsFetchedAgain has a handler that is so slow that one partition has no room for a second and is not fetched any more. It is when there is room again; the other one is handled all the time.
func TestAPartitionThatWasFullIsFetchedAgain(t *testing.T) {
	const each = 30
	withClient(t, fake.Config{Topics: []fake.Topic{{Name: "t", Partitions: 2}}}, map[string]string{"auto.offset.reset": "earliest", "max.partition.fetch.bytes": "1"}, func(w *sim.World, _ *sim.Network, client *api.Client) error {
		ctx := context.Background()
		p, err := client.Producer()
		if err != nil {
			return err
		}
		for i := range 2 * each {
			if _, err := p.Produce(ctx, &api.Record{Topic: "t", Partition: int32(i % 2), Fixed: true}); err != nil {
				return err
			}
		}
		k, err := client.Consumer("g", api.Topics("t"))
		if err != nil {
			return err
		}
		handled := [2]int{}
		some, cancel := w.WithTimeout(ctx, 10*time.Minute)
		defer cancel()
		if err := k.Handle(some, func(ctx context.Context, r *api.Record) error {
			if handled[r.Partition]++; handled[0]+handled[1] == 2*each {
				cancel()
			}
			if r.Partition == 0 {
				return w.Sleep(ctx, 3*time.Second)
			}
			return nil
		}, api.Concurrency(2), api.InFlight(4), api.OrderBy(api.ByPartition)); err != nil {
			return err
		}
		if handled != [2]int{each, each} {
			return fmt.Errorf("of %d records of each partition %v were handled", each, handled)
		}
		return nil
	})
}

package coordinator_test

import (
	"context"
	"errors"
	"testing"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// TestWhoAsksWhenTheClientIsClosedIsAnswered has a consumer whose client was closed: whatever is asked of its group has an answer, also a commit that nobody waits for.
func TestWhoAsksWhenTheClientIsClosedIsAnswered(t *testing.T) {
	if err := sim.Run(7, func(w *sim.World) error {
		cluster, err := fake.NewCluster(fake.Config{Topics: []fake.Topic{{Name: "t"}}})
		if err != nil {
			return err
		}
		ctx := context.Background()
		sim.NewNetwork(w, cluster)
		client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"))
		if err != nil {
			return err
		}
		k, err := client.Consumer("g")
		if err != nil {
			return err
		}
		if err := errors.Join(k.Subscribe("t"), client.Shutdown(ctx)); err != nil {
			return err
		}
		at := api.OffsetAndMetadata{TopicPartition: api.TopicPartition{Topic: "t"}, Offset: 3}
		told := []error{}
		if err := k.CommitAsync(func(err error) { told = append(told, err) }, at); err != nil {
			return err
		}
		_, polled := k.Poll(ctx)
		if len(told) != 1 || told[0] == nil || polled == nil {
			t.Errorf("the commit was told %v, the poll %v", told, polled)
		}
		_, committed := k.Committed(ctx, at.TopicPartition)
		for what, err := range map[string]error{"commit": k.Commit(ctx, at), "committed": committed} {
			if err == nil {
				t.Errorf("%s: no error", what)
			}
		}
		return k.Unsubscribe(ctx) // there is nothing to leave any more
	}); err != nil {
		t.Error(err)
	}
}

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

// TestACommitGoesOnWhereTheCoordinatorIsNow has a coordinator that stands still while a member commits and waits for it. When the cluster has another one, after three seconds, the commit is repeated there, long before
// request.timeout.ms, thirty seconds, is over; the member stays one, and reads on.
func TestACommitGoesOnWhereTheCoordinatorIsNow(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		for seed := range uint64(20) {
			if err := sim.Run(seed+1, func(w *sim.World) error { return silentCoordinator(w, protocol) }); err != nil {
				t.Errorf("%s, seed %d: %v", protocol, seed+1, err)
			}
		}
	}
}

func silentCoordinator(w *sim.World, protocol string) error {
	cluster, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "t", Partitions: 1}}, Seed: w.Seed(), SessionTimeout: 3 * time.Second})
	if err != nil {
		return err
	}
	n := sim.NewNetwork(w, cluster)
	n.Do(func(c *fake.Cluster) {
		err = c.MoveLeader("t", 0, 1)
		c.MoveCoordinator("g", 2)
	})
	if err != nil {
		return err
	}
	ctx := context.Background()
	client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092", "broker-2:9092", "broker-3:9092"))
	if err != nil {
		return err
	}
	defer func() { _ = client.Shutdown(ctx) }()
	producer, err := client.Producer()
	if err != nil {
		return err
	}
	consumer, err := client.Consumer("g", api.Topics("t"), api.Properties(map[string]string{"group.protocol": protocol, "auto.offset.reset": "earliest", "enable.auto.commit": "false"}))
	if err != nil {
		return err
	}
	for i := range 3 {
		some, cancel := w.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		if _, err := producer.Produce(some, &api.Record{Topic: "t", Value: []byte("v")}); err != nil {
			return fmt.Errorf("produce: %w", err)
		}
		records, err := consumer.Poll(some)
		if err != nil || len(records) != 1 || records[0].Offset != int64(i) {
			return fmt.Errorf("round %d: %d records, %w", i, len(records), err)
		}
		if i == 1 {
			n.Do(func(c *fake.Cluster) { c.Pause(w.Now(), 2) })
		}
		begun := w.Now()
		if err := consumer.Commit(some); err != nil {
			return fmt.Errorf("commit %d: %w", i, err)
		}
		if took := w.Now().Sub(begun); took > 6*time.Second {
			return fmt.Errorf("commit %d took %s", i, took)
		}
		if at := cluster.Committed("g", "t", 0); at != int64(i+1) {
			return fmt.Errorf("%d is committed after round %d", at, i)
		}
	}
	n.Do(func(c *fake.Cluster) { c.Resume(w.Now(), 2) })
	_ = w.Sleep(ctx, 5*time.Second) // what the old coordinator had taken is written by nobody
	if at := cluster.Committed("g", "t", 0); at != 3 {
		return fmt.Errorf("%d is committed in the end", at)
	}
	return nil
}

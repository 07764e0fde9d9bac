package sim_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/cluster"
)

// TestRecordsThatWaitForTheirTopicKeepTheirOrder sends a record to a topic that is not known, and the next just when it becomes known, and may go at once.
func TestRecordsThatWaitForTheirTopicKeepTheirOrder(t *testing.T) {
	for seed := range uint64(min(*seeds, 200)) {
		if err := sim.Run(seed+1, waitForTopic); err != nil {
			t.Fatalf("seed %d: %v", seed+1, err)
		}
	}
}

func waitForTopic(w *sim.World) error {
	server, err := fake.NewCluster(fake.Config{Topics: []fake.Topic{{Name: "t"}}, Seed: w.Seed()})
	if err != nil {
		return err
	}
	sim.NewNetwork(w, server)
	ctx := context.Background()
	news := role.NewWaiter()
	client, err := api.Dial(ctx, api.World(w), api.Lazy(), api.Brokers("broker-1:9092"), api.Hooks(broker.Hooks{Changed: func(*cluster.Snapshot) { w.Wake(news) }}))
	if err != nil {
		return err
	}
	defer client.Shutdown(ctx)
	producer, err := client.Producer()
	if err != nil {
		return err
	}
	var sent []*role.Promise[api.RecordMetadata]
	for range 4 {
		for range 1 + w.Rand().IntN(3) {
			sent = append(sent, producer.Start(ctx, &api.Record{Topic: "t"}))
		}
		if some, cancel := w.WithTimeout(ctx, 1e9); true {
			_ = w.Park(some, news)
			cancel()
		}
	}
	for i, p := range sent {
		if placed, err := p.Get(ctx); err != nil || placed.Offset != int64(i) {
			return fmt.Errorf("record %d is at offset %d, %w", i, placed.Offset, err)
		}
	}
	return nil
}

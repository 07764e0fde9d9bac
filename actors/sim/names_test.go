package sim_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/msg"
)

// TestNewTopicsOfASlowClusterAreAskedForTwiceAtMost has brokers that need time for each name in a question for metadata, and 5,000 topics that are begun at once. An answer that took longer than half a second was
// given up for one of another broker, which took as long; its names were asked for again and again, up to twelve times each.
func TestNewTopicsOfASlowClusterAreAskedForTwiceAtMost(t *testing.T) {
	for _, nodes := range []int{1, 3} {
		if nodes == 1 && testing.Short() {
			continue
		}
		for _, create := range []bool{false, true} {
			for _, each := range []time.Duration{500 * time.Microsecond, time.Millisecond} {
				play := func(w *sim.World) error { return nameMany(w, nodes, create, each) }
				if err := sim.Run(1, play); err != nil {
					t.Errorf("%d nodes, created %v, %s a name: %v", nodes, create, each, err)
				}
			}
		}
	}
}

func nameMany(w *sim.World, nodes int, create bool, each time.Duration) error {
	const topics = 5000
	cfg := fake.Config{Nodes: nodes, AutoCreate: create, Seed: w.Seed()}
	for i := range topics {
		if !create {
			cfg.Topics = append(cfg.Topics, fake.Topic{Name: fmt.Sprint("t", i)})
		}
	}
	server, err := fake.NewCluster(cfg)
	if err != nil {
		return err
	}
	names := 0
	server.Seize(msg.MetadataAPI, func(r fake.Request) fake.Action {
		n := len(r.Req.(*msg.MetadataRequest).Topics)
		names += n
		return fake.Action{Delay: time.Duration(n) * each}
	})
	sim.NewNetwork(w, server)
	ctx := context.Background()
	client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"))
	if err != nil {
		return err
	}
	defer client.Shutdown(ctx)
	producer, err := client.Producer()
	if err != nil {
		return err
	}
	begun := w.Now()
	sent := make([]*role.Promise[api.RecordMetadata], topics)
	for i := range sent {
		sent[i] = producer.Start(ctx, &api.Record{Topic: fmt.Sprint("t", i)})
	}
	for i, p := range sent {
		if _, err := p.Get(ctx); err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
	}
	if took := w.Now().Sub(begun); names > 2*topics || took > 15*time.Second {
		return fmt.Errorf("%d names for %d topics, %s", names, topics, took)
	}
	return nil
}

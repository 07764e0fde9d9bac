package virtualtime

import (
	"context"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// TestAnOutageOfAnHour: what was written before all brokers stop is moved when they are back.
func TestAnOutageOfAnHour(t *testing.T) {
	for seed := range uint64(3) {
		if err := sim.Run(seed, func(w *sim.World) error { return outage(t, w) }); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

func outage(t *testing.T, w *sim.World) error {
	cluster, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "in"}, {Name: "out"}}})
	if err != nil {
		return err
	}
	network := sim.NewNetwork(w, cluster)
	ctx, stop := w.WithTimeout(context.Background(), 2*time.Hour)
	defer stop()
	client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092", "broker-2:9092", "broker-3:9092"))
	if err != nil {
		return err
	}
	defer client.Close()
	producer, err := client.Producer()
	if err != nil {
		return err
	}
	if _, err := producer.Produce(ctx, &api.Record{Topic: "in", Value: []byte("tea")}); err != nil {
		return err
	}
	network.Do(func(c *fake.Cluster) {
		for node := range int32(3) {
			c.Stop(w.Now(), node+1)
		}
	})
	w.After(time.Hour, "the brokers come back", func() {
		network.Do(func(c *fake.Cluster) {
			for node := range int32(3) {
				c.Start(w.Now(), node+1)
			}
		})
	})
	reader, err := client.Consumer("", api.Topics("out"), api.FromStart())
	if err != nil {
		return err
	}
	w.Go("reader", func() {
		defer stop()
		for r, err := range reader.Records(ctx) {
			if err != nil { // while the brokers are away
				continue
			}
			if away := w.Now().Sub(sim.Epoch); string(r.Value) != "tea" || away < time.Hour || away > time.Hour+time.Minute {
				t.Errorf("%s has come after %s", r.Value, away)
			}
			return
		}
		t.Error("nothing has come")
	})
	return Move(ctx, client)
}

package fetcher_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// TestManyPartitionsAreFewLines has a consumer of 600 partitions, without offsets to begin at, whose topic then is deleted. Each had a line in the log, at both times.
func TestManyPartitionsAreFewLines(t *testing.T) {
	var log bytes.Buffer
	lines := func() (n int) {
		n = strings.Count(log.String(), "\n")
		log.Reset()
		return n
	}
	if err := sim.Run(3, func(w *sim.World) error {
		cluster, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "t", Partitions: 600}}})
		if err != nil {
			return err
		}
		n := sim.NewNetwork(w, cluster)
		ctx := context.Background()
		client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"), api.Logger(slog.New(slog.NewTextHandler(&log, nil))), api.Property("allow.auto.create.topics", "false"))
		if err != nil {
			return err
		}
		defer client.Close(ctx)
		k, err := client.Consumer("g", api.Property("auto.offset.reset", "earliest"))
		if err != nil {
			return err
		}
		var all []api.TopicPartition
		for i := range int32(600) {
			all = append(all, api.TopicPartition{Topic: "t", Partition: i})
		}
		if err := k.Assign(all...); err != nil {
			return err
		}
		poll := func(d time.Duration) {
			some, cancel := w.WithTimeout(ctx, d)
			defer cancel()
			for some.Err() == nil {
				_, _ = k.Poll(some)
			}
		}
		poll(5 * time.Second)
		if n := lines(); n == 0 || n > 40 {
			t.Errorf("at first %d lines are logged", n)
		}
		n.Do(func(c *fake.Cluster) { err = c.DeleteTopic("t") })
		poll(25 * time.Second)
		if n := lines(); n == 0 || n > 80 {
			t.Errorf("of the deleted topic %d lines are logged", n)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
